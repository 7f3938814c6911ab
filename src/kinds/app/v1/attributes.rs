//! The attributes of an application and of its processes, with what each means.
//!
//! Decides which there are, and what `explain` and editors are told of them. Never reads one: `v1`
//! does. The schema says nothing of their types: a `((variable))` may stand in place of any value.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// An attribute and what it means.
type Attribute = (&'static str, &'static str);

/// Attributes of an application besides those of its web process.
pub(super) const APPLICATION: [Attribute; 18] = [
    ("name", "Its name in Cloud Foundry; metadata.name by default."),
    ("lifecycle", "`buildpack`, `cnb` or `docker`."),
    ("buildpacks", "Names or addresses, in order; `[]` where the platform detects which one fits."),
    ("buildpack", "One buildpack, in the older spelling; `default` or `null` is detection."),
    ("stack", "The root file system, such as `cflinuxfs4`."),
    ("docker", "A map with `image`; `username` is not compared."),
    ("cnb-credentials", "Secret: not compared."),
    (
        "env",
        "Variables by name; compared as the text that Cloud Foundry makes of them. Quote what looks like a number.",
    ),
    ("features", "Switches by name: `ssh`, `revisions`, `service-binding-k8s`, `file-based-vcap-services`."),
    ("metadata", "A map of `labels` and `annotations`; one that is `null` must not be there."),
    (
        "services",
        "Names of service instances, or `{name, binding_name, parameters}`. Each becomes a resource of its own: ServiceBinding APP/INSTANCE.",
    ),
    ("routes", "A list of `{route: host.domain[:port][/path], protocol, options}`."),
    ("no-route", "Whether it may be reached at no address at all."),
    ("random-route", "Whether any route will do."),
    ("default-route", "Whether any route will do."),
    ("processes", "A list of processes, each with its `type` and the attributes of a process."),
    ("sidecars", "A list of `{name, command, process_types, memory}`."),
    ("path", "What `cf push` uploads: not compared."),
];

/// Attributes of a process besides its type. Beside an application's own they are the web process'.
pub(super) const PROCESS: [Attribute; 15] = [
    ("command", "What it starts; not compared where the droplet decides (`null`, `default`)."),
    ("user", "Who it runs as."),
    ("instances", "How many of it."),
    ("memory", "With a unit, such as `512M`."),
    ("disk_quota", "With a unit, such as `1G`."),
    ("log-rate-limit-per-second", "With a unit, such as `16K`; `-1` is no limit, `0` no logs."),
    ("timeout", "Seconds until it must be healthy."),
    ("health-check-type", "`http`, `port` or `process`."),
    ("health-check-http-endpoint", "The path that is asked for, with the type `http`."),
    ("health-check-invocation-timeout", "Seconds that one check may take."),
    ("health-check-interval", "Seconds between two checks."),
    ("readiness-health-check-type", "`http`, `port` or `process`: whether it takes requests."),
    ("readiness-health-check-http-endpoint", "The path that is asked for, with the type `http`."),
    ("readiness-health-check-invocation-timeout", "Seconds that one check may take."),
    ("readiness-health-check-interval", "Seconds between two checks."),
];

/// Every name in these tables.
pub(super) fn names(tables: &[&[Attribute]]) -> Vec<&'static str> {
    tables.iter().flat_map(|table| table.iter().map(|(name, _)| *name)).collect()
}

/// The form of an application, for people and editors: `v1` refuses what is unknown, with a hint.
#[derive(Debug)]
pub struct Attributes;

impl JsonSchema for Attributes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Application".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let described = APPLICATION.iter().chain(&PROCESS);
        let properties: Map<String, Value> =
            described.map(|(name, meaning)| ((*name).to_owned(), json!({ "description": meaning }))).collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": true })
    }
}
