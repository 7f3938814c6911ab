//! The simulated CloudTrail: who changed what, told minutes later.
//!
//! Decides which calls become management events, how AWS spells them, and what LookupEvents shows of
//! them: successful changes only, never the writes to table items, late, 90 days back, twice a second.
//! Never kinder than the real one: ECS events name nothing in `Resources`. [`super::apply`] records
//! every call here, those of simulated humans too; a scenario names the actor by its [`Caller`].

mod event;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::event::{Call, Event};
use super::members::{Dice, HEX};
use super::typed::Typed;
use super::{Answer, ApiError, Caller, Request, Service, World, faults};

/// Events that one account and region keeps; older ones are forgotten.
const MOST: usize = 10_000;
/// How far back LookupEvents sees.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// LookupEvents calls a second, and how many at once.
const RATE: f64 = 2.0;
/// The largest page.
const LARGEST_PAGE: usize = 50;

/// Writes to table items are data events: LookupEvents never shows them.
const DATA_EVENTS: [&str; 8] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
];

/// What may be looked up by.
const KEYS: [&str; 8] =
    ["AccessKeyId", "EventId", "EventName", "EventSource", "ReadOnly", "ResourceName", "ResourceType", "Username"];

/// Where an event stands: its second, then its number.
type Place = (Timestamp, u64);

/// The events of all accounts.
#[derive(Debug, Clone)]
pub struct CloudTrail {
    /// How long after it happened an event shows.
    pub delay: SignedDuration,
    trails: BTreeMap<(String, String), Trail>,
    recorded: u64,
}

impl Default for CloudTrail {
    fn default() -> Self {
        Self { delay: SignedDuration::from_mins(2), trails: BTreeMap::new(), recorded: 0 }
    }
}

/// The events of one account and region. Shared, because worlds are cloned.
#[derive(Debug, Clone, Default)]
struct Trail {
    events: BTreeMap<Place, Arc<Event>>,
    bucket: Bucket,
}

/// Counts the calls that LookupEvents still answers.
#[derive(Debug, Clone)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { left: RATE, at: Timestamp::UNIX_EPOCH }
    }
}

impl Bucket {
    fn take(&mut self, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.left = (self.left + passed * RATE).min(RATE);
        self.at = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

/// Answers one CloudTrail request.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, _seed: u64) -> Answer {
    match request.operation.as_str() {
        "LookupEvents" => world.cloudtrail.lookup(caller, &request.input, now),
        other => Err(ApiError::bad_request(
            "UnknownOperationException",
            format!("The simulated CloudTrail does not know the operation {other}."),
        )),
    }
}

/// Remembers a call that AWS has carried out, if it is one that CloudTrail tells of.
pub(super) fn record(world: &mut World, caller: &Caller, request: &Request, output: &Value, now: Timestamp, seed: u64) {
    let is_data = request.service == Service::DynamoDb && DATA_EVENTS.contains(&request.operation.as_str());
    if faults::is_read(request) || is_data {
        return;
    }
    world.cloudtrail.recorded += 1;
    let number = world.cloudtrail.recorded;
    // Route 53 is global, and tells of itself in one region only.
    let region = if request.service == Service::Route53 { "us-east-1" } else { caller.region.as_str() };
    let call = Call { caller, request, output, region, at: now };
    let event = call.event(&world.sts, event_id(seed, number));

    // Events carry whole seconds.
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let trail = world.cloudtrail.trails.entry((caller.account.clone(), region.to_owned())).or_default();
    trail.events.insert((second, number), Arc::new(event));
    while trail.events.len() > MOST {
        trail.events.pop_first();
    }
}

/// Looks like a UUID. The number is CloudTrail's own: the world's counter makes the ids of things.
fn event_id(seed: u64, number: u64) -> String {
    let drawn = Dice::new(seed, number).letters(HEX, 32);
    let group = |from: usize, to: usize| drawn.get(from..to).unwrap_or_default();
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}

impl CloudTrail {
    fn lookup(&mut self, caller: &Caller, input: &Value, now: Timestamp) -> Answer {
        let trail = self.trails.entry((caller.account.clone(), caller.region.clone())).or_default();
        if !trail.bucket.take(now) {
            return Err(ApiError::bad_request("ThrottlingException", "Rate exceeded"));
        }
        let attribute = attribute(input)?;
        let (from, until) = (time(input, "StartTime")?, time(input, "EndTime")?);
        if let (Some(from), Some(until)) = (from, until)
            && from > until
        {
            return Err(ApiError::bad_request(
                "InvalidTimeRangeException",
                "The start time must be before the end time.",
            ));
        }
        let size = page_size(input)?;
        let before = token(input)?;
        match input.get("EventCategory").and_then(Value::as_str) {
            None => {}
            // Nothing unusual ever happens here.
            Some("insight") => return Ok(json!({ "Events": [] })),
            Some(other) => {
                let message = format!("{other} is not a valid event category.");
                return Err(ApiError::bad_request("InvalidEventCategoryException", message));
            }
        }

        let shown = now.saturating_sub(self.delay).unwrap_or(now);
        let newest = until.map_or(shown, |until| until.min(shown));
        let kept = now.saturating_sub(KEPT).unwrap_or(now);
        let oldest = from.map_or(kept, |from| from.max(kept));
        let mut found = trail.events.iter().rev().filter(|(place, event)| {
            place.0 <= newest
                && place.0 >= oldest
                && before.is_none_or(|before| **place < before)
                && attribute.is_none_or(|(key, value)| event.has(key, value))
        });
        let served: Vec<(&Place, &Arc<Event>)> = found.by_ref().take(size).collect();
        let more = found.next().is_some();
        let events: Vec<Value> = served.iter().map(|(place, event)| event.shown(place.0)).collect();
        let mut output = json!({ "Events": events });
        if let (true, Some((place, _))) = (more, served.last()) {
            output["NextToken"] = json!(format!("{}/{}", place.0.as_second(), place.1));
        }
        Ok(output)
    }
}

/// At most one attribute, by one of eight keys.
fn attribute(input: &Value) -> Result<Option<(&str, &str)>, ApiError> {
    const CODE: &str = "InvalidLookupAttributesException";
    let attributes = Typed::new(input, CODE).structures("LookupAttributes")?;
    let invalid = |message: &str| ApiError::bad_request(CODE, message);
    match attributes.as_slice() {
        [] => Ok(None),
        [attribute] => {
            let (key, value) = (attribute.required("AttributeKey")?, attribute.required("AttributeValue")?);
            if KEYS.contains(&key) {
                Ok(Some((key, value)))
            } else {
                Err(invalid("An unknown attribute key was given."))
            }
        }
        _ => Err(invalid("You can only specify one lookup attribute.")),
    }
}

/// Seconds since 1970, with a fraction if need be.
fn time(input: &Value, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let Some(given) = input.get(name).filter(|given| !given.is_null()) else { return Ok(None) };
    let at = given.as_f64().and_then(|seconds| Timestamp::from_microsecond((seconds * 1e6) as i64).ok());
    match at {
        Some(at) => Ok(Some(at)),
        None => Err(ApiError::bad_request("InvalidTimeRangeException", format!("{name} is no time."))),
    }
}

fn page_size(input: &Value) -> Result<usize, ApiError> {
    let Some(given) = input.get("MaxResults").filter(|given| !given.is_null()) else { return Ok(LARGEST_PAGE) };
    match given.as_u64().and_then(|size| usize::try_from(size).ok()) {
        Some(size @ 1..=LARGEST_PAGE) => Ok(size),
        _ => Err(ApiError::bad_request(
            "InvalidMaxResultsException",
            format!("A maximum results value of {given} is invalid. Specify a value between 1 and 50."),
        )),
    }
}

/// The token names the last event that was served.
fn token(input: &Value) -> Result<Option<Place>, ApiError> {
    let Some(given) = input.get("NextToken").filter(|given| !given.is_null()) else { return Ok(None) };
    let place = given.as_str().and_then(|text| text.split_once('/')).and_then(|(second, number)| {
        let at = Timestamp::from_second(second.parse().ok()?).ok()?;
        Some((at, number.parse().ok()?))
    });
    match place {
        Some(place) => Ok(Some(place)),
        None => Err(ApiError::bad_request("InvalidNextTokenException", "The token is invalid.")),
    }
}
