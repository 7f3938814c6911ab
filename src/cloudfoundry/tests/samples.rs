//! Answers that were recorded from a foundation, and those of the API's documentation, which are
//! not ours to copy: where `MOORED_CF_SAMPLES` names their folder, every one that a call of ours
//! can get is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::pages::Page;
use super::super::types::*;

/// Reads one answer, as a page if it is one.
type Read = fn(&Value) -> Result<(), String>;

fn as_one<T: DeserializeOwned>(body: &Value) -> Result<(), String> {
    serde_json::from_value::<T>(body.clone()).map(|_| ()).map_err(|error| error.to_string())
}

fn as_page_or_one<T: DeserializeOwned>(body: &Value) -> Result<(), String> {
    if body.get("pagination").is_some() { as_one::<Page<T>>(body) } else { as_one::<T>(body) }
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

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

#[test]
fn every_sample_that_a_call_of_ours_can_get_is_read() {
    let Some(folder) = std::env::var_os("MOORED_CF_SAMPLES").map(PathBuf::from) else {
        println!("not asked to: MOORED_CF_SAMPLES names no folder");
        return;
    };
    let (mut looked_at, mut failed) = (0, Vec::new());
    let mut look = |read: Read, body: &Value, source: String| {
        looked_at += 1;
        if let Err(error) = read(body) {
            failed.push(format!("{source}: {error}"));
        }
    };
    for file in files(&folder.join("recorded"), "jsonl") {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let call: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| call.get(key).and_then(Value::as_str).unwrap_or_default();
            let is_answer = text("method") == "GET" && call.get("status").and_then(Value::as_u64) == Some(200);
            let body = call.get("body").filter(|body| is_answer && body.is_object());
            if let (Some(read), Some(body)) = (of_path(text("path")), body) {
                look(read, body, format!("{} line {}: {}", file.display(), number + 1, text("path")));
            }
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
    assert!(failed.is_empty(), "{} of {looked_at} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(looked_at > 100, "only {looked_at}");
    println!("{looked_at} answers read");
}
