//! The second question about what a list lacks.
//!
//! Decides what is asked once more by its name: every app, service instance and binding that
//! somebody asks about and that no list has, if its space is visible and the list is believed. Nothing is found: that, with
//! the list, proves it gone. It is found after all: then the list was not whole. Adds nothing live.
//! [`super::CfOrganization`] calls it at the end of a reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ask::{FoundNames, Names, all, any_of, by_name, settle};
use super::read::{Lists, app_key};
use crate::cloudfoundry::allow_list::{APPS, SERVICE_CREDENTIAL_BINDINGS, SERVICE_INSTANCES};
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::Binding;
use crate::core::asks::Asks;
use crate::core::identity::{Ask, Select};
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::kinds::{app, service_binding, service_instance};

/// The most bindings that one call asks for, by the guids of apps and the names of instances.
const PAIRS: usize = 50;

/// A binding that the list lacks.
struct Unbound<'a> {
    ask: &'a Ask,
    /// The guid of its app, if that is there.
    app: Option<&'a Arc<str>>,
    /// The guid of its space.
    space: &'a str,
    app_name: &'a str,
    instance: &'a str,
}

/// Everything that is asked for by name.
#[derive(Default)]
struct Lacking<'a> {
    apps: Vec<(&'a Ask, &'a str, &'a str)>,
    instances: Vec<(&'a Ask, &'a str, &'a str)>,
    bindings: Vec<Unbound<'a>>,
}

/// Asks once more about what somebody wants to know and the lists lack.
pub(super) async fn ask(cx: &ReadContext, lists: &Lists, asks: &Asks, reading: &mut Reading) {
    let apps: BTreeMap<String, &Arc<str>> =
        lists.apps.iter().filter_map(|app| Some((app_key(app, &lists.spaces)?, &app.guid))).collect();
    let lacking = lacking(lists, &apps, asks, reading);
    let mut remarks = Vec::new();

    let mut names = names(&lacking.apps);
    for unbound in lacking.bindings.iter().filter(|unbound| unbound.app.is_none()) {
        names.entry(unbound.space).or_default().insert(unbound.app_name);
    }
    let found = by_name(cx, &APPS, &names, str::to_lowercase, &mut remarks).await;
    settle_all("app", &lacking.apps, &found, reading);
    for unbound in lacking.bindings.iter().filter(|unbound| unbound.app.is_none()) {
        // Without its app there is no binding.
        let of_app = answer(&found, unbound.space, unbound.app_name);
        settle(reading, unbound.ask, of_app, &format!("the app of binding {}", unbound.ask.select));
    }

    let instances =
        by_name(cx, &SERVICE_INSTANCES, &self::names(&lacking.instances), str::to_owned, &mut remarks).await;
    settle_all("service instance", &lacking.instances, &instances, reading);

    let bound: Vec<(&Unbound<'_>, &Arc<str>)> =
        lacking.bindings.iter().filter_map(|unbound| Some((unbound, unbound.app?))).collect();
    for batch in bound.chunks(PAIRS) {
        let listed = ask_bindings(cx, batch, &mut remarks).await;
        for (unbound, app) in batch {
            let found = listed.as_ref().map_err(Failure::clone);
            let found = found.map(|listed| listed.iter().any(|binding| is_it(binding, app, unbound.instance, lists)));
            settle(reading, unbound.ask, found, &format!("binding {}", unbound.ask.select));
        }
    }
    for failure in remarks {
        super::ask::remark(&mut reading.remarks, failure);
    }
}

/// What is not in the reading. What would be in a space that is not visible is answered at once.
fn lacking<'a>(
    lists: &'a Lists,
    apps: &BTreeMap<String, &'a Arc<str>>,
    asks: &'a Asks,
    reading: &mut Reading,
) -> Lacking<'a> {
    let spaces: BTreeMap<&str, &'a str> = lists.spaces.iter().map(|(guid, name)| (&**name, &**guid)).collect();
    let mut lacking = Lacking::default();
    for ask in asks.things.keys() {
        let Select::Key(key) = &ask.select else { continue };
        if ![app::KIND, service_instance::KIND, service_binding::KIND].contains(&ask.kind)
            || reading.object(ask.kind, key).is_some()
            || reading.answers.contains_key(ask)
        {
            continue;
        }
        let Some((space_name, name)) = key.split_once('/') else { continue };
        let Some(space) = spaces.get(space_name).copied() else {
            let detail = format!("the space {space_name} is not visible: deleted, or the role was lost");
            let failure = Failure::new(Reason::ContainerMissing, detail);
            reading.answers.insert(ask.clone(), NamedAnswer::Unknown(failure));
            continue;
        };
        if ask.kind == app::KIND {
            lacking.apps.push((ask, space, name));
        } else if ask.kind == service_instance::KIND {
            lacking.instances.push((ask, space, name));
        } else if let Some((app_name, instance)) = name.split_once('/') {
            let app = apps.get(&format!("{space_name}/{app_name}")).copied();
            lacking.bindings.push(Unbound { ask, app, space, app_name, instance });
        }
    }
    lacking
}

fn names<'a>(things: &[(&'a Ask, &'a str, &'a str)]) -> Names<'a> {
    let mut names = Names::new();
    for (_, space, name) in things {
        names.entry(*space).or_default().insert(*name);
    }
    names
}

fn settle_all(what: &str, things: &[(&Ask, &str, &str)], found: &FoundNames<'_>, reading: &mut Reading) {
    for (ask, space, name) in things {
        settle(reading, ask, answer(found, space, name), &format!("{what} {}", ask.select));
    }
}

fn answer(found: &FoundNames<'_>, space: &str, name: &str) -> Result<bool, Failure> {
    let unasked = || Err(Failure::new(Reason::Unconfirmed, "it was not asked for by name"));
    found.get(&(space, name)).cloned().unwrap_or_else(unasked)
}

async fn ask_bindings(
    cx: &ReadContext,
    batch: &[(&Unbound<'_>, &Arc<str>)],
    remarks: &mut Vec<Failure>,
) -> Result<Vec<Binding>, Failure> {
    let guids: BTreeSet<&str> = batch.iter().map(|(_, app)| &***app).collect();
    let instances: BTreeSet<&str> = batch.iter().map(|(unbound, _)| unbound.instance).collect();
    let (guids, instances) = (any_of(guids), any_of(instances));
    let query = [("type", "app"), ("app_guids", guids.as_str()), ("service_instance_names", instances.as_str())];
    Ok(all::<Binding>(cx, &SERVICE_CREDENTIAL_BINDINGS, &query, remarks).await?.items)
}

/// Whether this is the binding of the app to the instance. One to an instance whose name is not
/// known may be any.
fn is_it(binding: &Binding, app: &Arc<str>, instance: &str, lists: &Lists) -> bool {
    let name = binding.relationships.service_instance.as_ref().and_then(|guid| lists.names.get(guid));
    binding.relationships.app.as_ref() == Some(app) && name.is_none_or(|name| **name == *instance)
}
