//! App: an application in a space of a Cloud Foundry organisation.
//!
//! Decides when an application is proven gone, whether it runs as declared, and whether what runs is
//! what is configured. Never reads one: `scopes` does. `core` calls the [`Kind`], the loader
//! [`ENTRY`].

pub mod absence;
pub mod clock;
pub mod expect;
pub mod handover;
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

use jiff::SignedDuration;
use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::drift::{Drift, FindingKey};
use crate::core::identity::{Ask, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading};
use crate::core::world::World;
use crate::kinds::KindEntry;
use clock::Skew;

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
    fn absence(&self, ask: &Ask, reading: &Reading, known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        let space = match &ask.select {
            Select::Key(key) => key.rsplit_once('/').map(|(space, _)| space),
            Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
        };
        absence::proven("app", space, ask, reading, known)
    }

    /// A push may delete and make anew, and a blue-green deployment renames: Cloud Foundry brings what
    /// is there and what is wanted together every 30 seconds, so that every difference gets a minute.
    fn settles(&self) -> SignedDuration {
        SignedDuration::from_secs(60)
    }

    /// Whether it runs: an app that should run and is stopped is degraded, not changed.
    fn judges(&self, path: &str) -> bool {
        path == instances::STATE
    }

    /// While a deployment rolls, two versions of it run, and which of them will stay is not known:
    /// nothing is said of restarts then. What waited before and cannot be told now waits on.
    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        let skew = Skew::of(&declared.scope, world);
        let mut said = instances::judge(&live.fields, &declared.expects, declared.policy.settle, skew, world.now);
        let mut unsure = Vec::new();
        if instances::is_deploying(&live.fields) {
            if !said.iter().any(|judgement| matches!(judgement, Judgement::Converging { .. })) {
                unsure.push("a deployment has not finished: which version will stay cannot be told".to_owned());
            }
        } else {
            let restart = restart::judge(&declared.scope, live, world);
            said.extend(restart.latent);
            said.extend(restage::judge(&live.fields));
            unsure.extend(restart.unsure);
            said.extend(restart.untold.into_iter().map(|why| Judgement::Untold(why.into())));
            unsure.extend(restage::gap(&live.fields));
        }
        if is_waiting(declared, world) {
            said.extend(unsure.into_iter().map(|why| Judgement::Unsure { drift: Drift::Latent, why: why.into() }));
        }
        said
    }
}

/// Whether something of it waits for a restart or a restage, as far as was told last. Only then is
/// there anything that not knowing could end.
fn is_waiting(declared: &Declared, world: &World<'_>) -> bool {
    let key = FindingKey {
        environment: declared.environment.clone(),
        kind: KIND.into(),
        name: declared.name.clone(),
        drift: Drift::Latent,
    };
    world.memory.scopes.get(&declared.scope).is_some_and(|known| known.findings.contains_key(&key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::core::drift::{Finding, Root, Severity};
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::memory::{Memory, ScopeMemory};
    use crate::kinds::dns_record::fixture::{Stage, declaration};

    fn judged(change: impl FnOnce(&mut live::Observed)) -> Vec<Judgement> {
        judged_with(change, false)
    }

    /// With a latent finding that is open, or none.
    fn judged_with(change: impl FnOnce(&mut live::Observed), waits: bool) -> Vec<Judgement> {
        let mut app = live::tests::observed();
        change(&mut app);
        let (live, _) = live::live(&app, &live::tests::platform());
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let declared = Stage::new().declared(&App, "api", declaration(scope.clone(), "production/api"));
        let mut memory = Memory::default();
        if waits {
            let waiting = finding(&declared);
            let findings = BTreeMap::from([(waiting.key.clone(), Arc::new(waiting))]);
            memory.scopes.insert(scope, Arc::new(ScopeMemory { findings, ..ScopeMemory::default() }));
        }
        let (observations, now) = (BTreeMap::new(), "2026-11-20T12:00:00Z".parse().unwrap());
        App.judge(&declared, &live, &World { observations: &observations, memory: &memory, now })
    }

    fn finding(declared: &Declared) -> Finding {
        Finding {
            key: FindingKey {
                environment: declared.environment.clone(),
                kind: KIND.into(),
                name: declared.name.clone(),
                drift: Drift::Latent,
            },
            id: declared.id.clone(),
            scope: declared.scope.clone(),
            severity: Severity::Info,
            application: declared.application.clone(),
            message: "needs a restart".into(),
            held: false,
            fields: Vec::new(),
            root: Root { kind: KIND.into(), name: declared.name.clone() },
            since: Timestamp::UNIX_EPOCH,
            source: None,
            vital: false,
            works: true,
            decides: false,
            runbook: None,
            redeploy: None,
        }
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

    #[test]
    fn what_waited_is_held_while_nobody_can_tell_and_nothing_is_said_where_nothing_waited() {
        let crashed = |app: &mut live::Observed| {
            app.processes[0].states = Ok(vec![live::tests::in_state("CRASHED")]);
        };
        let unsure = |said: &[Judgement]| said.iter().any(|judgement| matches!(judgement, Judgement::Unsure { .. }));
        assert!(!unsure(&judged(crashed)) && unsure(&judged_with(crashed, true)));
        let unread = |app: &mut live::Observed| app.droplet = None;
        assert!(!unsure(&judged(unread)) && unsure(&judged_with(unread, true)));
        assert!(!unsure(&judged_with(|_| (), true)), "everything is known");
        let stuck = |app: &mut live::Observed| app.deployment = Some(live::tests::deployment("2026-11-20T10:00:00Z"));
        assert!(unsure(&judged_with(stuck, true)));
    }
}
