//! Answers that were recorded from a foundation, and those of the API's documentation, which are
//! not ours to copy: where `MOORED_CF_SAMPLES` names their folder, every one that a call of ours
//! can get is read, and nothing that we claim to read in it is lost on the way. `--nocapture` shows
//! how many there were.

mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::auth::Grant;
use super::super::classify::{self, CallFailure};
use super::super::pages::Page;
use super::super::transport::Answer;
use super::super::types::*;
use crate::core::desired::Auth;
use crate::core::observation::Reason;
use members::{Sampled, is_nothing, is_taken_in, told};

/// Reads one answer, as a page if it is one.
type Read = fn(&Value) -> Result<Taken, String>;

/// What was read of an answer.
struct Taken {
    kind: &'static str,
    things: usize,
    /// The members that told anything.
    told: BTreeSet<&'static str>,
    claimed: usize,
}

impl Taken {
    fn nothing<T: Sampled>() -> Self {
        let kind = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        Self { kind, things: 0, told: BTreeSet::new(), claimed: T::MEMBERS.len() }
    }

    /// Reads one thing more. Whatever it tells in a member that we claim to read must be there
    /// afterwards as it stood.
    fn take<T: Sampled>(&mut self, body: &Value) -> Result<(), String> {
        let thing: T = parsed(body)?;
        self.things += 1;
        for (pointer, read) in T::MEMBERS {
            let (told, read) = (told(body, pointer), read(&thing));
            if !is_taken_in(&told, &read) {
                return Err(format!("{pointer} of {} is {told}, and was read as {read}", self.kind));
            }
            if !is_nothing(&told) {
                self.told.insert(*pointer);
            }
        }
        Ok(())
    }
}

fn parsed<T: DeserializeOwned>(body: &Value) -> Result<T, String> {
    serde_json::from_value(body.clone()).map_err(|error| error.to_string())
}

fn as_one<T: Sampled>(body: &Value) -> Result<Taken, String> {
    let mut taken = Taken::nothing::<T>();
    taken.take::<T>(body)?;
    Ok(taken)
}

fn as_page_or_one<T: Sampled>(body: &Value) -> Result<Taken, String> {
    if body.get("pagination").is_none() {
        return as_one::<T>(body);
    }
    parsed::<Page<T>>(body)?;
    let mut taken = Taken::nothing::<T>();
    for thing in elements(body, "/resources") {
        taken.take::<T>(thing)?;
    }
    for (place, read) in INCLUDED {
        for parent in elements(body, place) {
            read(parent)?;
        }
    }
    Ok(taken)
}

/// What a page may hold beside what it lists.
const INCLUDED: [(&str, Read); 5] = [
    ("/included/organizations", as_one::<Organization>),
    ("/included/domains", as_one::<Domain>),
    ("/included/service_plans", as_one::<ServicePlan>),
    ("/included/service_offerings", as_one::<ServiceOffering>),
    ("/included/spaces", as_one::<Space>),
];

fn elements<'a>(body: &'a Value, place: &str) -> impl Iterator<Item = &'a Value> {
    body.pointer(place).and_then(Value::as_array).into_iter().flatten()
}

/// By the first part of the path below `/v3`, which is the file's name in the documentation too.
fn reader(collection: &str) -> Option<Read> {
    let read: Read = match collection {
        "apps" => as_page_or_one::<App>,
        "audit_events" => as_page_or_one::<AuditEvent>,
        "buildpacks" => as_page_or_one::<Buildpack>,
        "deployments" => as_page_or_one::<Deployment>,
        "domains" => as_page_or_one::<Domain>,
        "droplets" => as_page_or_one::<Droplet>,
        "environment_variable_groups" => as_one::<EnvironmentGroup>,
        "info" => as_one::<Info>,
        "organizations" => as_page_or_one::<Organization>,
        "processes" => as_page_or_one::<Process>,
        "root" => as_one::<Root>,
        "routes" => as_page_or_one::<Route>,
        "service_credential_bindings" => as_page_or_one::<Binding>,
        "service_instances" => as_page_or_one::<ServiceInstance>,
        "service_offerings" => as_page_or_one::<ServiceOffering>,
        "service_plans" => as_page_or_one::<ServicePlan>,
        "spaces" => as_page_or_one::<Space>,
        "stacks" => as_page_or_one::<Stack>,
        _ => return None,
    };
    Some(read)
}

/// How a recorded answer is read: lists, single things, and lists below another thing.
fn of_path(path: &str) -> Option<Read> {
    let path = path.split('?').next().unwrap_or_default();
    if path == "/" {
        return reader("root");
    }
    match path.strip_prefix("/v3/")?.split('/').collect::<Vec<_>>()[..] {
        [collection] | [collection, _] => reader(collection),
        ["packages" | "apps", _, "droplets"] => reader("droplets"),
        ["processes", _, "stats"] => Some(as_one::<Stats>),
        _ => None,
    }
}

/// How an example of the documentation is read; many show a part, or what we never ask.
fn of_example(file: &str, name: &str) -> Option<Read> {
    match (file, name) {
        ("processes", "list_of_process_stats") => Some(as_one::<Stats>),
        ("processes", "single_process_instance") => Some(as_one::<Instance>),
        ("processes", "health_check" | "readiness_health_check") => Some(as_one::<HealthCheck>),
        ("routes", "single_destination") => Some(as_one::<Destination>),
        ("root", "v3_root") | ("service_credential_bindings", "single_service_credential_binding_details") => None,
        ("info", "info_usage_summary") => None,
        ("info" | "root" | "environment_variable_groups", _) => reader(file),
        ("apps", "app_with_state") | ("droplets", "staged_droplet_with_metadata") => reader(file),
        _ if name.starts_with("single_") || name.starts_with("paginated_list_of_") => reader(file),
        _ => None,
    }
}

/// Kinds that the samples must hold.
const LEAST_KINDS: usize = 20;

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// The folder of the samples, if there is one.
fn samples() -> Option<PathBuf> {
    let folder = std::env::var_os("MOORED_CF_SAMPLES").map(PathBuf::from);
    if folder.is_none() {
        println!("not asked to: MOORED_CF_SAMPLES names no folder");
    }
    folder
}

/// Every call that was recorded, and where.
fn recorded(folder: &Path) -> Vec<(String, Value)> {
    let mut calls = Vec::new();
    for file in files(&folder.join("recorded"), "jsonl") {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            calls.push((format!("{} line {}", file.display(), number + 1), serde_json::from_str(line).unwrap()));
        }
    }
    calls
}

fn text<'a>(call: &'a Value, key: &str) -> &'a str {
    call.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn status(call: &Value) -> u16 {
    call.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()).unwrap_or_default()
}

#[test]
fn every_sample_that_a_call_of_ours_can_get_is_read_without_loss() {
    let Some(folder) = samples() else { return };
    let (mut kinds, mut failed) = (BTreeMap::<&str, (usize, Taken)>::new(), Vec::new());
    let mut look = |read: Read, body: &Value, source: String| match read(body) {
        Err(error) => failed.push(format!("{source}: {error}")),
        Ok(taken) => match kinds.get_mut(taken.kind) {
            Some((answers, all)) => {
                *answers += 1;
                all.things += taken.things;
                all.told.extend(taken.told);
            }
            None => {
                kinds.insert(taken.kind, (1, taken));
            }
        },
    };
    for (place, call) in recorded(&folder) {
        let is_answer = text(&call, "method") == "GET" && status(&call) == 200;
        let body = call.get("body").filter(|body| is_answer && body.is_object());
        if let (Some(read), Some(body)) = (of_path(text(&call, "path")), body) {
            look(read, body, format!("{place}: {}", text(&call, "path")));
        }
    }
    for file in files(&folder.join("documented"), "json") {
        let examples: BTreeMap<String, Value> = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        for (name, body) in &examples {
            if let Some(read) = of_example(&stem, name) {
                look(read, body, format!("{} {name}", file.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    let answers: usize = kinds.values().map(|(answers, _)| answers).sum();
    println!("{answers} answers of {} kinds", kinds.len());
    for (kind, (answers, all)) in &kinds {
        let (told, claimed) = (all.told.len(), all.claimed);
        println!("{kind}: {answers} answers, {} things, {told} of {claimed} members told", all.things);
        assert!(told > 0, "{kind}: nothing was told");
    }
    assert!(answers > 100, "only {answers}");
    assert!(kinds.len() >= LEAST_KINDS, "only {} kinds", kinds.len());
}

#[test]
fn every_recorded_error_keeps_its_code_and_title() {
    let Some(folder) = samples() else { return };
    let mut seen = BTreeMap::<(i64, String), usize>::new();
    for (place, call) in recorded(&folder).into_iter().filter(|(_, call)| status(call) >= 400) {
        let told = call.pointer("/body/errors/0").unwrap_or_else(|| panic!("{place}: no error: {call}"));
        let (code, title) = (told.get("code").and_then(Value::as_i64).unwrap(), text(told, "title"));
        let answer = Answer {
            status: status(&call),
            content_type: Some("application/json; charset=utf-8".to_owned()),
            location: None,
            retry_after: None,
            limit: Default::default(),
            date: None,
            warnings: Vec::new(),
            body: serde_json::to_vec(call.get("body").unwrap()).unwrap(),
        };
        let failure = CallFailure::new(text(&call, "path"), classify::answered(&answer));
        let error = failure.error.as_ref().unwrap_or_else(|| panic!("{place}: {failure}"));
        assert_eq!((error.code, error.title.as_str()), (code, title), "{place}");
        assert_eq!(error.detail, text(told, "detail"), "{place}");
        let reason = match answer.status {
            404 => Reason::Denied,
            500.. => Reason::Server,
            _ => Reason::Invalid,
        };
        assert_eq!((failure.status, failure.failure.reason), (Some(answer.status), reason), "{place}");
        *seen.entry((code, title.to_owned())).or_default() += 1;
    }
    assert!(seen.values().sum::<usize>() > 30, "{seen:?}");
    for ((code, title), answers) in &seen {
        println!("{title} ({code}): {answers} answers");
    }
}

#[test]
fn every_recorded_token_is_granted_with_all_it_allows() {
    let Some(folder) = samples() else { return };
    let granting: Vec<PathBuf> = files(&folder.join("recorded"), "json")
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("oauth_token_")))
        .collect();
    assert!(granting.len() >= 2, "only {granting:?}");
    let grant = Grant::simulated(&Auth::User { name: "anne".into(), password_file: "/nowhere/password".into() });
    for file in &granting {
        let call: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let (body, now) = (call.get("body").unwrap(), Timestamp::UNIX_EPOCH);
        let granted = grant.granted(&serde_json::to_vec(body).unwrap(), now).unwrap();
        assert_eq!(granted.token.reveal(), text(body, "access_token"));
        assert_eq!(granted.refresh.unwrap().reveal(), text(body, "refresh_token"));
        let scopes: BTreeSet<String> = text(body, "scope").split_whitespace().map(str::to_owned).collect();
        assert!(scopes.contains("cloud_controller.read"), "{}: {scopes:?}", file.display());
        assert_eq!(granted.token.scopes, scopes);
        let seconds = body.get("expires_in").and_then(Value::as_i64).unwrap();
        let end = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        assert!(granted.token.is_good(now) && !granted.token.is_good(end), "{}", file.display());
    }
    println!("{} tokens granted", granting.len());
}
