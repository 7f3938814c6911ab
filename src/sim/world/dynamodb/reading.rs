//! GetItem, BatchGetItem, Query and Scan.
//!
//! Decides which items a read sees and where a page ends. Every read here is current; stale ones are
//! the wire layer's doing. [`super::apply`] calls it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::attribute::{Item, ItemKey, item_size};
use super::expression::{Comparison, Condition, Operand, Placeholders, condition, project, projection};
use super::table::Table;
use super::{Answer, ApiError, Consumed, DynamoDb, Typed, validation};

const MOST_KEYS: usize = 100;
const PAGE_BYTES: usize = 1024 * 1024;
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What a Query or Scan keeps of the items it reads, and where it starts and stops.
struct Page {
    limit: usize,
    start: Option<ItemKey>,
    filter: Option<Condition>,
    projection: Option<Vec<String>>,
    count_only: bool,
}

impl DynamoDb {
    pub(super) fn get_item(&self, input: Typed<'_>, now: Timestamp) -> Answer {
        let table_name = input.required("TableName")?;
        let table = self.open_table(input, now)?;
        let given = input.map("Key")?.ok_or_else(|| validation("Key must not be null"))?;
        let key = table.key_of(given)?;
        let mut placeholders = Placeholders::new(input);
        let projection = read_projection(input, &mut placeholders)?;
        placeholders.all_used()?;

        let item = table.items.get(&key);
        let mut consumed = Consumed::default();
        consumed.read(table_name, item.map_or(0, item_size), input.flag("ConsistentRead")?);
        let mut output = Map::new();
        if let Some(item) = item {
            output.insert("Item".to_owned(), Value::Object(projected(item, projection.as_deref())));
        }
        consumed.report(input, &mut output, true)?;
        Ok(Value::Object(output))
    }

    pub(super) fn batch_get_item(&self, input: Typed<'_>, now: Timestamp) -> Answer {
        let requests = input.map("RequestItems")?.ok_or_else(|| validation("RequestItems must not be null"))?;
        let keys_of = |request: &Value| request.get("Keys").and_then(Value::as_array).map_or(0, Vec::len);
        if requests.values().map(keys_of).sum::<usize>() > MOST_KEYS {
            return Err(validation("Too many items requested for the BatchGetItem call"));
        }
        if requests.is_empty() || requests.values().any(|request| keys_of(request) == 0) {
            return Err(validation("RequestItems and every list of Keys must hold at least one element"));
        }
        let (mut responses, mut unprocessed) = (Map::new(), Map::new());
        let mut consumed = Consumed::default();
        let mut bytes = 0;
        for (name, request) in requests {
            let table = self.open_table_named(name, now)?;
            let members = Typed::new(request, "ValidationException");
            super::refuse_unsimulated(members)?;
            let mut placeholders = Placeholders::new(members);
            let projection = read_projection(members, &mut placeholders)?;
            placeholders.all_used()?;
            let consistent = members.flag("ConsistentRead")?;

            let mut seen = Vec::new();
            let (mut found, mut left) = (Vec::new(), Vec::new());
            for given in members.list("Keys")? {
                let key = table.key_of(given.as_object().ok_or_else(|| validation("A key is an object"))?)?;
                if seen.contains(&key) {
                    return Err(validation("Provided list of item keys contains duplicates"));
                }
                let item = table.items.get(&key);
                seen.push(key);
                let size = item.map_or(0, item_size);
                if bytes + size > BATCH_BYTES {
                    left.push(given.clone());
                    continue;
                }
                bytes += size;
                consumed.read(name, size, consistent);
                found.extend(item.map(|item| Value::Object(projected(item, projection.as_deref()))));
            }
            responses.insert(name.clone(), Value::Array(found));
            if !left.is_empty() {
                let mut rest = request.clone();
                rest["Keys"] = Value::Array(left);
                unprocessed.insert(name.clone(), rest);
            }
        }
        let mut output = Map::new();
        output.insert("Responses".to_owned(), Value::Object(responses));
        output.insert("UnprocessedKeys".to_owned(), Value::Object(unprocessed));
        consumed.report(input, &mut output, false)?;
        Ok(Value::Object(output))
    }

    pub(super) fn scan(&self, input: Typed<'_>, now: Timestamp) -> Answer {
        let table = self.open_table(input, now)?;
        let mut placeholders = Placeholders::new(input);
        let page = Page::read(table, input, &mut placeholders)?;
        placeholders.all_used()?;
        let all: Vec<(&ItemKey, &Item)> = table.items.iter().collect();
        let after = page.start.as_ref();
        let rest: Vec<_> = all.into_iter().filter(|(key, _)| after.is_none_or(|start| *key > start)).collect();
        page.serve(table, &rest, input)
    }

    pub(super) fn query(&self, input: Typed<'_>, now: Timestamp) -> Answer {
        let table = self.open_table(input, now)?;
        let mut placeholders = Placeholders::new(input);
        let expression = input.text("KeyConditionExpression")?.ok_or_else(|| {
            validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
        })?;
        let wanted = condition(expression, "KeyConditionExpression", &mut placeholders)?;
        let first = partition_wanted(table, &wanted)?;
        let page = Page::read(table, input, &mut placeholders)?;
        placeholders.all_used()?;
        let keys = table.key_names();
        let mut filtered = page.filter.iter().flat_map(Condition::attributes);
        if let Some(key) = filtered.find(|name| keys.iter().any(|key| key == name)) {
            return Err(validation(format!(
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: {key}"
            )));
        }

        let in_partition = table.items.range(first.clone()..).take_while(|(key, _)| key.partition == first.partition);
        let mut matching: Vec<(&ItemKey, &Item)> = in_partition.filter(|(_, item)| wanted.holds(item)).collect();
        let forward = !input.has("ScanIndexForward") || input.flag("ScanIndexForward")?;
        if !forward {
            matching.reverse();
        }
        matching.retain(|(key, _)| {
            page.start.as_ref().is_none_or(|start| if forward { *key > start } else { *key < start })
        });
        page.serve(table, &matching, input)
    }
}

impl Page {
    fn read(table: &Table, input: Typed<'_>, placeholders: &mut Placeholders<'_>) -> Result<Self, ApiError> {
        let limit = match input.count("Limit")? {
            None => usize::MAX,
            Some(0) => return Err(validation("Limit must be greater than or equal to 1")),
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let start = match input.map("ExclusiveStartKey")? {
            None => None,
            Some(start) => Some(table.key_of(start).map_err(|_| {
                validation("The provided starting key is invalid: The provided key element does not match the schema")
            })?),
        };
        let filter = match input.text("FilterExpression")? {
            None => None,
            Some(filter) => Some(condition(filter, "FilterExpression", placeholders)?),
        };
        let count_only = match input.text("Select")? {
            None | Some("ALL_ATTRIBUTES" | "SPECIFIC_ATTRIBUTES") => false,
            Some("COUNT") => true,
            Some(other) => return Err(validation(format!("Select {other} is not simulated"))),
        };
        Ok(Self { limit, start, filter, projection: read_projection(input, placeholders)?, count_only })
    }

    /// Reads items until the limit or 1 MB, and filters them after that. Like AWS, it names a last key
    /// whenever it stops at the limit, even if nothing follows.
    fn serve(&self, table: &Table, entries: &[(&ItemKey, &Item)], input: Typed<'_>) -> Answer {
        let mut kept = Vec::new();
        let (mut scanned, mut bytes) = (0, 0);
        let mut last = None;
        let mut stopped = false;
        for (_, item) in entries {
            let size = item_size(item);
            if scanned > 0 && bytes + size > PAGE_BYTES {
                stopped = true;
                break;
            }
            scanned += 1;
            bytes += size;
            last = Some(*item);
            if self.filter.as_ref().is_none_or(|filter| filter.holds(item)) {
                kept.push(Value::Object(projected(item, self.projection.as_deref())));
            }
            if scanned == self.limit {
                stopped = true;
                break;
            }
        }
        let mut output = Map::new();
        output.insert("Count".to_owned(), json!(kept.len()));
        output.insert("ScannedCount".to_owned(), json!(scanned));
        if !self.count_only {
            output.insert("Items".to_owned(), Value::Array(kept));
        }
        if let (true, Some(last)) = (stopped, last) {
            output.insert("LastEvaluatedKey".to_owned(), Value::Object(table.key_attributes(last)));
        }
        let mut consumed = Consumed::default();
        consumed.read(input.required("TableName")?, bytes, input.flag("ConsistentRead")?);
        consumed.report(input, &mut output, true)?;
        Ok(Value::Object(output))
    }
}

/// Where the partition begins that a key condition names by equality; the sort key it may only narrow.
fn partition_wanted(table: &Table, wanted: &Condition) -> Result<ItemKey, ApiError> {
    let unsupported = || validation("Query key condition not supported");
    let mut partition = None;
    let conjuncts = wanted.conjuncts();
    if conjuncts.len() > 2 {
        return Err(unsupported());
    }
    for conjunct in conjuncts {
        let (operand, equal_to) = match conjunct {
            Condition::Compare(operand, Comparison::Equal, Operand::Value(value)) => (operand, Some(value)),
            Condition::Compare(_, Comparison::NotEqual, _) => return Err(unsupported()),
            Condition::Compare(operand, _, Operand::Value(_)) => (operand, None),
            Condition::Between(operand, Operand::Value(_), Operand::Value(_)) => (operand, None),
            Condition::BeginsWith(operand, Operand::Value(_)) => (operand, None),
            _ => return Err(unsupported()),
        };
        let Operand::Path(path) = operand else { return Err(unsupported()) };
        match (path.as_slice(), equal_to) {
            ([name], Some(value)) if name == table.partition_name() => partition = Some(value.clone()),
            ([name], _) if Some(name.as_str()) == table.sort_name() => {}
            _ => return Err(unsupported()),
        }
    }
    let partition = partition
        .ok_or_else(|| validation(format!("Query condition missed key schema element: {}", table.partition_name())))?;
    table.start_of(&partition)
}

fn read_projection(input: Typed<'_>, placeholders: &mut Placeholders<'_>) -> Result<Option<Vec<String>>, ApiError> {
    match input.text("ProjectionExpression")? {
        None => Ok(None),
        Some(expression) => projection(expression, placeholders).map(Some),
    }
}

fn projected(item: &Item, names: Option<&[String]>) -> Item {
    names.map_or_else(|| item.clone(), |names| project(item, names))
}
