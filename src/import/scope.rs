//! Which of a scope's things are worth a manifest: those that none declares yet.
//!
//! Decides what counts as declared: what a manifest of any environment means, however it names it,
//! and what the items of a StateTable name, or might: an item that cannot be read may name anything.
//! The latter is left to the table: with a manifest of its own it would never be an orphan again. And
//! what the manifest of another thing will declare: a binding goes with its app, a buildpack with the
//! order. Pure; [`super::reading`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::core::claims::{self, ClaimIndex};
use crate::core::desired::Desired;
use crate::core::identity::{ObjectKey, ScopeKey, Select};
use crate::core::memory::Memory;
use crate::core::observation::{Live, Observations, Reading};
use crate::core::world::World;
use crate::kinds::importing::ImportSetting;
use crate::kinds::{self, buildpacks, service_binding};

/// What becomes of a live thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It gets a manifest.
    Open,
    /// A manifest declares it, as part of this application.
    Declared(Arc<str>),
    /// The manifest that another thing gets declares it too.
    Carried,
    /// It gets none, and a person is told why.
    LeftOut(String),
}

/// Scopes that say what is declared in others: tables whose items name things there, and zones
/// whose records name health checks.
pub fn witnesses(desired: &Desired, scopes: &BTreeSet<ScopeKey>) -> BTreeSet<ScopeKey> {
    let tables = desired
        .tables
        .iter()
        .filter(|table| table.pieces.iter().any(|piece| scopes.contains(&piece.scope)))
        .map(|table| &table.declared.scope);
    let zones = desired.resources.iter().filter(|declared| scopes.contains(&declared.scope)).filter_map(|declared| {
        match &declared.select {
            Select::ReferencedBy(referrer) => Some(&referrer.0),
            Select::Key(_) | Select::Arn(_) | Select::Alias(_) => None,
        }
    });
    tables.chain(zones).filter(|scope| !scopes.contains(*scope)).cloned().collect()
}

/// Where every thing of a scope stands.
pub fn standings(
    desired: &Desired,
    scope: &ScopeKey,
    observations: &Observations,
    now: Timestamp,
) -> Vec<(Arc<Live>, Standing)> {
    let memory = Memory::default();
    let world = World { observations, memory: &memory, now };
    let Ok(reading) = world.reading(scope) else { return Vec::new() };
    let mut declared: BTreeMap<ObjectKey, Arc<str>> = BTreeMap::new();
    for known in desired.resources.iter().filter(|known| known.scope == *scope) {
        // A record that is not there, or refers to no check, names none.
        let Ok(ask) = world.resolve(&known.ask()) else { continue };
        declared.extend(reading.find(&ask).into_iter().map(|live| (live.key.clone(), known.application.clone())));
    }
    let watched = desired.tables.iter().find(|table| table.declared.scope == *scope);
    let claims = claims(desired, scope, &world);
    // Where it is found changes how it is declared, not whether.
    let setting = ImportSetting { scope, account: None, region: None };
    let by_itself = |live: &Live| {
        if let Some(application) = declared.get(&live.key) {
            return Standing::Declared(application.clone());
        }
        if let Some(table) = watched {
            return Standing::LeftOut(format!("items that the StateTable {} watches", table.declared.name));
        }
        if claims.parents(scope, live).next().is_some() {
            return Standing::LeftOut("things that the items of a StateTable name".to_owned());
        }
        if claims.is_clouded(scope, live) {
            let kind = live.key.kind;
            return Standing::LeftOut(format!(
                "{kind}: an item of a StateTable may name it, but cannot be read; `moored check` says which item and why"
            ));
        }
        match kinds::find(live.key.kind).and_then(|entry| entry.import.as_ref()) {
            Some(import) => match (import.declare)(live, &setting) {
                Ok(_) => Standing::Open,
                Err(reason) => Standing::LeftOut(reason.to_owned()),
            },
            None => Standing::LeftOut(format!("{}, which cannot be imported", live.key.kind)),
        }
    };
    let standing = |live: &Live| match (by_itself(live), whole(live, reading)) {
        (Standing::LeftOut(_), Some(whole)) if by_itself(whole) == Standing::Open => Standing::Carried,
        (standing, _) => standing,
    };
    reading.objects.values().map(|live| (live.clone(), standing(live))).collect()
}

/// The thing whose manifest declares this one as well.
fn whole<'a>(live: &Live, reading: &'a Reading) -> Option<&'a Live> {
    let whole = match live.key.kind {
        service_binding::KIND => service_binding::import::app_of(live, reading),
        buildpacks::KIND => buildpacks::import::order_of(live, reading),
        _ => None,
    };
    reading.objects.get(&whole?).map(|live| &**live)
}

/// What the items of all tables name that may name something in this scope.
fn claims(desired: &Desired, scope: &ScopeKey, world: &World<'_>) -> ClaimIndex {
    let mut index = ClaimIndex::default();
    for table in desired.tables.iter().filter(|table| table.pieces.iter().any(|piece| piece.scope == *scope)) {
        match world.reading(&table.declared.scope) {
            Ok(reading) => index.add(&claims::read(table, reading)),
            Err(_) => index.add_broken(),
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::ScopeKind;
    use crate::core::observation::{Observation, Reading};
    use crate::core::value::{Fact, Fields};

    #[test]
    fn a_service_that_is_being_deleted_is_left_out_whatever_of_it_can_be_read() {
        let scope = ScopeKey::new(ScopeKind::EcsCluster, "111122223333", "eu-west-1", "harbor");
        let now = Timestamp::UNIX_EPOCH;
        let mut reading = Reading::begin(now);
        (reading.complete, reading.listed) = (true, true);
        for (name, status) in [("api", "ACTIVE"), ("leaving", "DRAINING")] {
            let mut fields = Fields::default();
            fields.set("status", status);
            fields.put("taskDefinition", Fact::Unknown("HTTP 500".into()));
            let key = ObjectKey::new("EcsService", name);
            let (addresses, references) = (Box::default(), Box::default());
            reading.insert(Live { key, id: name.into(), incarnation: None, fields, addresses, references });
        }
        let observation = Observation { reading: Some(Arc::new(reading)), ..Observation::default() };
        let observations = Observations::from([(scope.clone(), observation)]);
        let found = standings(&Desired::default(), &scope, &observations, now);
        let told: Vec<(&str, bool)> =
            found.iter().map(|(live, standing)| (&*live.key.key, *standing == Standing::Open)).collect();
        assert_eq!(told, [("api", true), ("leaving", false)]);
    }
}
