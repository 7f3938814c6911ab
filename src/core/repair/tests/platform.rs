//! The small platform of the core's tests, with what repair needs besides: accounts, a policy, a
//! ledger, and passes that gather evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::core::desired::*;
use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::index::Index;
use crate::core::observation::*;
use crate::core::repair::approval::Approval;
use crate::core::repair::evidence::Dossier;
use crate::core::repair::guards::{GUARDS, Guard};
use crate::core::repair::plan::{Input, Plan, gather, plan};
use crate::core::repair::policy::{Circumstances, Mode, Policy};
use crate::core::snapshot::Snapshot;
use crate::core::tests::fixture::*;

pub const DNS_ACCOUNT: &str = "444455556666";

/// A platform that may be repaired.
pub struct Ops {
    pub stage: Stage,
    pub identities: BTreeMap<Arc<str>, IdentityState>,
    pub policies: BTreeMap<Arc<str>, Policy>,
    pub circumstances: BTreeMap<Arc<str>, Circumstances>,
    pub dossier: Dossier,
    pub guards: Vec<Guard>,
    /// The services that were made by a deployer, and what it made for each.
    pub names: Vec<&'static str>,
}

pub fn account(id: &str) -> Account {
    Account { id: id.into(), regions: vec![REGION.into()], observe_role: None, budgets: BTreeMap::new() }
}

/// A balancer that nobody protects.
pub fn unprotected(name: &str) -> Live {
    let mut balancer = balancer(name);
    balancer.fields.set("deletionProtection", false);
    balancer
}

impl Ops {
    /// Services by these names, each with an item, a record, a check and a balancer; all are well.
    pub fn with(names: &[&'static str], when_parent_gone: WhenParentGone) -> Self {
        let mut stage = Stage::new();
        let environment = stage.desired.environments.get_mut("production").unwrap();
        Arc::make_mut(environment).accounts =
            BTreeMap::from([("main".into(), account(ACCOUNT)), ("dns".into(), account(DNS_ACCOUNT))]);
        names.iter().for_each(|name| stage.declare(service(name)));
        stage.declare_table(when_parent_gone);
        let policy = Policy {
            class: Class::Production,
            prune: BTreeMap::from([("StateTable", Mode::Approve)]),
            heal: BTreeMap::new(),
            has_key: true,
            lease: Some("moored-lease".into()),
        };
        let mut ops = Self {
            stage,
            identities: BTreeMap::from([
                (ACCOUNT.into(), IdentityState::Verified),
                (DNS_ACCOUNT.into(), IdentityState::Verified),
            ]),
            policies: BTreeMap::from([("production".into(), policy)]),
            circumstances: BTreeMap::from([("production".into(), Circumstances::default())]),
            dossier: Dossier::new(),
            guards: GUARDS.to_vec(),
            names: names.to_vec(),
        };
        ops.pass(0, &[]);
        ops
    }

    /// One service that was deleted, and evidence enough to clear what it left.
    pub fn ripe() -> Self {
        let mut ops = Self::with(&["deployer-api"], WhenParentGone::Prune);
        (1..=4).for_each(|minute| ops.pass(60 * minute, &["deployer-api"]));
        ops
    }

    /// A whole pass that shows these services deleted.
    pub fn pass(&mut self, second: i64, dead: &[&str]) {
        self.read(second, dead);
        self.conclude(second);
    }

    /// Reads everything: tables first, parents last.
    pub fn read(&mut self, second: i64, dead: &[&str]) {
        let names = self.names.clone();
        let all = |make: &dyn Fn(&str) -> Live| names.iter().map(|name| make(name)).collect::<Vec<Live>>();
        self.stage.observe(table(), second, all(&item));
        self.stage.observe(zone(), second, all(&|name| record(name, &format!("lb-{name}"))));
        self.stage.observe(checks(), second, all(&check));
        self.stage.observe(balancers(), second, all(&unprotected));
        let living = names.iter().filter(|name| !dead.contains(name)).map(|name| running(name, "c1")).collect();
        let inactive: Vec<(&str, &str)> = dead.iter().map(|name| (*name, "c1")).collect();
        self.stage.services(second + 2, living, &inactive);
    }

    /// Evaluates what was read, and gathers the evidence of it.
    pub fn conclude(&mut self, second: i64) {
        self.stage.at(second + 3);
        let snapshot = self.stage.evaluate();
        let dossier = self.look(&snapshot, gather);
        self.dossier = dossier;
    }

    fn look<T>(&self, snapshot: &Snapshot, what: impl FnOnce(&Input<'_>) -> T) -> T {
        let index = Index::new(&self.stage.desired);
        what(&Input {
            snapshot,
            memory: &self.stage.memory,
            observations: &self.stage.observations,
            desired: &self.stage.desired,
            index: &index,
            identities: &self.identities,
            policies: &self.policies,
            circumstances: &self.circumstances,
            dossier: &self.dossier,
            guards: &self.guards,
            now: self.stage.now,
        })
    }

    /// The plans of now.
    pub fn plans(&mut self) -> Vec<Plan> {
        let snapshot = self.stage.evaluate();
        self.look(&snapshot, plan)
    }

    /// The only plan.
    pub fn plan(&mut self) -> Plan {
        let mut plans = self.plans();
        assert_eq!(plans.len(), 1, "{:?}", plans.iter().map(|plan| &plan.root).collect::<Vec<_>>());
        plans.remove(0)
    }

    /// What could be deleted now, was every plan approved.
    pub fn deletable(&mut self) -> BTreeSet<Arc<str>> {
        let plans = self.plans();
        plans
            .iter()
            .filter(|plan| plan.is_ripe())
            .flat_map(|plan| &plan.actions)
            .map(|action| action.id.clone())
            .collect()
    }

    /// Changes one live thing where it was read last.
    pub fn edit(&mut self, scope: &ScopeKey, kind: &'static str, key: &str, edit: impl FnOnce(&mut Live)) {
        let observation = self.stage.observations.get_mut(scope).unwrap();
        let reading = Arc::make_mut(observation.reading.as_mut().unwrap());
        let live = reading.objects.get_mut(&ObjectKey::new(kind, key)).unwrap();
        edit(Arc::make_mut(live));
    }
}

/// What the guards that do not pass say: `guard on Kind`.
pub fn objections(plan: &Plan) -> Vec<String> {
    let open = plan.verdicts().filter(|(_, verdict)| !verdict.is_passed());
    open.map(|(action, verdict)| format!("{} on {}: {}", verdict.guard, action.kind, verdict.reason)).collect()
}

/// A person's word for just this plan.
pub fn approved(plan: &Plan, now: Timestamp) -> Approval {
    Approval {
        id: "a1".into(),
        environment: plan.environment.clone(),
        plan: plan.hash.clone(),
        deletes: plan.deletes,
        account: plan.account.clone(),
        by: "alice".into(),
        at: now,
        when_ripe: false,
    }
}
