//! App: an application in a space of a Cloud Foundry organisation.
//!
//! Decides when an application is proven gone, whether it runs as declared, and whether what runs is
//! what is configured. Never reads one: `scopes` does. `core` calls the [`Kind`], the loader
//! [`ENTRY`].

pub mod absence;
pub mod expect;
mod import;
pub mod instances;
pub mod legacy;
pub mod live;
pub mod manifest;
pub mod restage;
pub mod restart;
pub mod spec;
pub mod units;
pub mod v1;
pub mod vars;

use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading};
use crate::core::world::World;
use crate::kinds::KindEntry;

/// The kind's name.
pub const KIND: &str = "App";

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &App,
    summary: "A Cloud Foundry app: everything its manifest says, whether its instances run, and what waits for a restart.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

/// An application.
#[derive(Debug)]
pub struct App;

fn schema() -> Schema {
    schemars::schema_for!(spec::AppSpec)
}

impl Kind for App {
    fn name(&self) -> &'static str {
        KIND
    }

    /// See [`absence::proven`]. Its space is all of its key but its own name: `space`, or
    /// `organisation/space` where a whole foundation is read.
    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        let space = match &ask.select {
            Select::Key(key) => key.rsplit_once('/').map(|(space, _)| space),
            Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
        };
        absence::proven("app", space, ask, reading)
    }

    /// Whether it runs: an app that should run and is stopped is degraded, not changed.
    fn judges(&self, path: &str) -> bool {
        path == instances::STATE
    }

    /// While a deployment rolls, two versions of it run, and which of them will stay is not known:
    /// nothing is said of restarts then.
    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        let mut said = instances::judge(&live.fields, &declared.expects, declared.policy.settle, world.now);
        if !instances::is_deploying(&live.fields) {
            said.extend(restart::judge(&declared.scope, live, world));
            said.extend(restage::judge(&live.fields));
        }
        said
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::memory::Memory;
    use crate::kinds::dns_record::fixture::{Stage, declaration};

    fn judged(change: impl FnOnce(&mut live::Observed)) -> Vec<Judgement> {
        let mut app = live::tests::observed();
        change(&mut app);
        let (live, _) = live::live(&app, &live::tests::platform());
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let declared = Stage::new().declared(&App, "api", declaration(scope, "production/api"));
        let (observations, memory) = (BTreeMap::new(), Memory::default());
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        App.judge(&declared, &live, &World { observations: &observations, memory: &memory, now })
    }

    #[test]
    fn an_app_that_runs_what_it_was_built_and_started_with_needs_no_judgement() {
        assert_eq!(judged(|_| ()), []);
    }

    #[test]
    fn nothing_is_said_of_restarts_and_restages_while_a_deployment_rolls() {
        let outdated = |app: &mut live::Observed| app.stack = Some("cflinuxfs5".to_owned());
        assert!(matches!(judged(outdated).as_slice(), [Judgement::Latent { .. }]));
        let rolling = judged(|app| {
            outdated(app);
            app.deployment = Some(live::tests::deployment("2026-11-20T11:59:00Z"));
        });
        assert!(matches!(rolling.as_slice(), [Judgement::Converging { .. }]), "{rolling:?}");
    }
}
