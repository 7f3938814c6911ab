//! The facts of one resource, for `show` and the API: declared beside live, with their age and the
//! calls that told. Decides layout only; values pass the same redaction as everywhere.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::watch::Watch;
use crate::core::desired::Declared;
use crate::core::observation::Live;
use crate::core::value::Fact;
use crate::core::world::{Sight, World};

/// Everything known of one declared resource.
pub fn facts(declared: &Declared, watch: &Watch, now: Timestamp) -> Value {
    let memory = watch.memory();
    let world = World { observations: &watch.observations, memory, now };
    let observation = watch.observations.get(&declared.scope);
    let reading = observation.and_then(|observation| observation.reading.as_ref());
    let table = matches!(declared.kind.name(), "StateTable" | "Inventory");
    let (stands, because, live) = match world.sight(declared.kind, &declared.scope, &declared.ask()) {
        // A table or an inventory is read or not; it is never looked for among its own things.
        _ if table && world.reading(&declared.scope).is_ok() => ("present", None, None),
        Sight::Present(live, _) => ("present", None, Some(live)),
        Sight::Absent(proof, _) => ("absent", Some(proof.sentence), None),
        Sight::Unknown(failure) => ("unknown", Some(failure.to_string()), None),
    };
    json!({
        "environment": declared.environment, "kind": declared.kind.name(), "name": declared.name, "application": declared.application,
        "id": live.map_or(&declared.id, |live| &live.id), "incarnation": live.and_then(|live| live.incarnation.clone()),
        "source": format!("{}:{}", declared.source.file, declared.source.line), "scope": declared.scope,
        "stands": stands, "because": because,
        "observedAt": reading.map(|reading| reading.finished),
        "ageSeconds": reading.map(|reading| now.duration_since(reading.finished).as_secs()),
        "calls": crate::scopes::calls(declared.scope.kind).join(", "),
        "fields": fields(declared, live.map(|live| &**live)),
    })
}

/// Declared fields first in their own order of names, then what else is live.
fn fields(declared: &Declared, live: Option<&Live>) -> Vec<Value> {
    let expected: BTreeSet<&str> = declared.expects.iter().map(|(path, _)| &**path).collect();
    let shown = |path: &str, reveal: bool| match live.map(|live| live.fields.fact(path).into_owned()) {
        None => Value::Null,
        Some(Fact::Known(value)) => value.to_json(reveal),
        Some(Fact::Unchecked(why)) => format!("(unchecked: {why})").into(),
        Some(Fact::Unknown(why)) => format!("(unknown: {why})").into(),
    };
    let declared_fields = declared.expects.iter().map(
        |(path, expect)| json!({ "path": path, "desired": expect.to_json(), "live": shown(path, expect.reveals()) }),
    );
    let left_open = declared.left_open().map(
        |(path, why)| json!({ "path": path, "desired": format!("(not compared: {why})"), "live": shown(path, false) }),
    );
    let others = live
        .into_iter()
        .flat_map(|live| live.fields.iter())
        .filter(|(path, _)| !expected.contains(path))
        .map(|(path, _)| json!({ "path": path, "desired": null, "live": shown(path, true) }));
    declared_fields.chain(left_open).chain(others).collect()
}
