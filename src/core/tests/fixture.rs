//! A small platform in values: a cluster, a zone, checks, balancers and a deployer's table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::core::desired::*;
use crate::core::drift::*;
use crate::core::evaluate::*;
use crate::core::hold::Hold;
use crate::core::identity::*;
use crate::core::index::Index;
use crate::core::judge::Kind;
use crate::core::memory::Memory;
use crate::core::observation::*;
use crate::core::snapshot::Snapshot;
use crate::core::template::Template;
use crate::core::value::*;
use crate::kinds;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";

pub fn cluster() -> ScopeKey {
    ScopeKey::new(ScopeKind::EcsCluster, ACCOUNT, REGION, "wonderland")
}

pub fn zone() -> ScopeKey {
    ScopeKey::new(ScopeKind::HostedZone, "444455556666", "global", "example.com")
}

pub fn checks() -> ScopeKey {
    ScopeKey::new(ScopeKind::HealthChecks, ACCOUNT, "global", "")
}

pub fn balancers() -> ScopeKey {
    ScopeKey::new(ScopeKind::LoadBalancers, ACCOUNT, REGION, "")
}

pub fn table() -> ScopeKey {
    ScopeKey::new(ScopeKind::Table, ACCOUNT, REGION, "deployments")
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

/// The world as the tests change it, and the evaluations so far.
pub struct Stage {
    pub desired: Desired,
    pub observations: Observations,
    pub memory: Memory,
    pub holds: Vec<Hold>,
    pub last: Option<Evaluation>,
    pub now: Timestamp,
    pub full: bool,
    pub patient: bool,
}

impl Stage {
    pub fn new() -> Self {
        let environment = Environment {
            name: "production".into(),
            class: Class::Production,
            accounts: BTreeMap::new(),
            foundation: None,
            visible: BTreeSet::new(),
            source: source(1),
        };
        let desired = Desired {
            environments: BTreeMap::from([("production".into(), Arc::new(environment))]),
            ..Desired::default()
        };
        Self {
            desired,
            observations: Observations::new(),
            memory: Memory::default(),
            holds: Vec::new(),
            last: None,
            now: at(0),
            full: true,
            patient: true,
        }
    }

    /// A platform with one vital service, its table item and the three pieces it names.
    pub fn wonderland() -> Self {
        let mut stage = Self::new();
        let mut api = service("deployer-api");
        api.policy.vital = true;
        stage.declare(api);
        stage.declare_table(WhenParentGone::Prune);
        stage.observe(table(), 0, vec![item("deployer-api")]);
        stage.observe(zone(), 1, vec![record("deployer-api", "lb-deployer-api")]);
        stage.observe(checks(), 1, vec![check("deployer-api")]);
        stage.observe(balancers(), 1, vec![balancer("deployer-api")]);
        stage.observe(cluster(), 2, vec![running("deployer-api", "c1")]);
        stage.at(3);
        stage
    }

    pub fn declare(&mut self, declared: Declared) {
        self.desired.resources.push(Arc::new(declared));
        self.last = None;
    }

    pub fn declare_table(&mut self, when_parent_gone: WhenParentGone) {
        let mut own = declared("StateTable", "deployments", table(), Select::Key("".into()));
        own.source = source(50);
        let own = Arc::new(own);
        self.desired.resources.push(own.clone());
        let template = |text: &str| Template::parse(text).unwrap();
        let piece = |kind, scope, naming| Piece { kind, scope, naming, optional: true, for_each: None };
        self.desired.tables.push(Arc::new(StateTable {
            declared: own,
            key: ("service".into(), None),
            parent_kind: "EcsService",
            parent_scope: cluster(),
            parent_name: template("{service}"),
            written_at: Some(template("{updated_at}")),
            when_parent_gone,
            pieces: vec![
                piece("LoadBalancer", balancers(), Naming::Arn(template("{lb}"))),
                piece(
                    "DnsRecord",
                    zone(),
                    Naming::Record { name: template("{host}"), record_type: "CNAME".into(), set: None },
                ),
                piece("HealthCheck", checks(), Naming::Key(template("{check}"))),
            ],
        }));
        self.last = None;
    }

    pub fn at(&mut self, second: i64) {
        self.now = at(second);
    }

    /// A complete, listed reading that starts and ends a moment apart.
    pub fn observe(&mut self, scope: ScopeKey, second: i64, things: Vec<Live>) {
        let mut reading = Reading::begin(at(second));
        reading.finished = at(second) + SignedDuration::from_millis(500);
        (reading.complete, reading.listed) = (true, true);
        for live in things {
            reading.insert(live);
        }
        self.put(scope, reading);
    }

    pub fn put(&mut self, scope: ScopeKey, reading: Reading) {
        let bound = SignedDuration::from_mins(5);
        let observation = Observation { reading: Some(Arc::new(reading)), failure: None, failed_at: None, bound };
        self.observations.insert(scope, observation);
    }

    /// The last reading of a scope notes this as well.
    pub fn see(&mut self, scope: &ScopeKey, note: &str) {
        let observation = self.observations.get_mut(scope).unwrap();
        let reading = Arc::make_mut(observation.reading.as_mut().unwrap());
        reading.notes.insert(note.into(), "guid".into());
        self.last = None;
    }

    /// The cluster says that these services are INACTIVE.
    pub fn services(&mut self, second: i64, alive: Vec<Live>, inactive: &[(&str, &str)]) {
        self.observe(cluster(), second, alive);
        let observation = self.observations.get_mut(&cluster()).unwrap();
        let reading = Arc::make_mut(observation.reading.as_mut().unwrap());
        for (name, created) in inactive {
            let ask = Ask { kind: "EcsService", select: Select::Key((*name).into()) };
            reading.answers.insert(ask, NamedAnswer::Inactive(Some((*created).into())));
        }
    }

    /// deployer-api is gone, and the table was scanned since.
    pub fn lose_service(&mut self, second: i64) {
        self.services(second, vec![], &[("deployer-api", "c1")]);
        self.at(second + 1);
        self.evaluate();
        self.scan_again(second + 2);
        self.services(second + 4, vec![], &[("deployer-api", "c1")]);
        self.at(second + 5);
    }

    /// Another scan of the table that shows the same items.
    pub fn scan_again(&mut self, second: i64) {
        let reading = self.observations.get(&table()).and_then(|observation| observation.reading.clone()).unwrap();
        self.observe(table(), second, reading.objects.values().map(|live| (**live).clone()).collect());
    }

    /// An explicit answer about one thing.
    pub fn answer(&mut self, scope: ScopeKey, kind: &'static str, select: Select, answer: NamedAnswer) {
        let observation = self.observations.get_mut(&scope).unwrap();
        Arc::make_mut(observation.reading.as_mut().unwrap()).answers.insert(Ask { kind, select }, answer);
    }

    pub fn fail(&mut self, scope: ScopeKey, reason: Reason) {
        let observation = self.observations.entry(scope.clone()).or_default();
        observation.failure = Some(Failure::new(reason, "as the test says"));
    }

    pub fn evaluate(&mut self) -> Arc<Snapshot> {
        let index = Index::new(&self.desired);
        let input = Input {
            desired: &self.desired,
            index: &index,
            observations: &self.observations,
            identities: &BTreeMap::new(),
            memory: &self.memory,
            holds: &self.holds,
            now: self.now,
            patient: self.patient,
        };
        let all: BTreeSet<ScopeKey> = index.scopes.keys().cloned().collect();
        let previous = if self.full { None } else { self.last.as_ref() };
        let evaluation = evaluate(&input, previous, &all);
        self.memory = evaluation.memory.clone();
        let snapshot = evaluation.snapshot.clone();
        self.last = Some(evaluation);
        snapshot
    }

    /// `drift Kind name` of every finding, held ones with a mark, in the order of names.
    pub fn findings(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = self.evaluate().findings.iter().map(|finding| line(finding)).collect();
        lines.sort();
        lines
    }

    pub fn wanted(&self) -> BTreeSet<ScopeKey> {
        self.last.as_ref().unwrap().wanted.clone()
    }
}

pub fn line(finding: &Finding) -> String {
    let held = if finding.held { " (held)" } else { "" };
    format!("{} {} {}{held}", finding.key.drift, finding.key.kind, finding.key.name)
}

pub fn source(line: u32) -> Source {
    Source { file: "platform.yaml".into(), line }
}

pub fn declared(kind: &str, name: &str, scope: ScopeKey, select: Select) -> Declared {
    let kind: &'static dyn Kind = kinds::find(kind).unwrap().kind;
    Declared {
        environment: "production".into(),
        kind,
        name: name.into(),
        scope,
        select,
        id: format!("id:{name}").into(),
        expects: Vec::new(),
        facets: BTreeSet::new(),
        absent: false,
        not_compared: Vec::new(),
        owned_by: None,
        policy: Policy::default(),
        application: name.into(),
        team: None,
        labels: BTreeMap::new(),
        source: source(10),
        digest: 1,
    }
}

pub fn service(name: &str) -> Declared {
    let mut declared = declared("EcsService", name, cluster(), Select::Key(name.into()));
    declared.expects = vec![("desiredCount".into(), Expect::Is(Value::Int(2)))];
    declared
}

pub fn parent(name: &str) -> Parent {
    Parent { scope: cluster(), ask: Ask { kind: "EcsService", select: Select::Key(name.into()) }, name: name.into() }
}

pub fn live(kind: &'static str, key: &str, id: &str) -> Live {
    Live {
        key: ObjectKey::new(kind, key),
        id: id.into(),
        incarnation: None,
        fields: Fields::default(),
        addresses: Box::default(),
        references: Box::default(),
    }
}

/// A service that runs as many tasks as it should.
pub fn running(name: &str, created: &str) -> Live {
    let mut service = live("EcsService", name, &format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service/wonderland/{name}"));
    service.incarnation = Some(created.into());
    for (path, value) in [("desiredCount", 2), ("runningCount", 2), ("pendingCount", 0)] {
        service.fields.set(path, value);
    }
    service.fields.set("status", "ACTIVE");
    service.fields.set("rollout.state", "COMPLETED");
    service
}

pub fn lb_arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/{name}/50dc6c495c0c9188")
}

pub fn balancer(name: &str) -> Live {
    let mut balancer = live("LoadBalancer", name, &lb_arn(name));
    balancer.addresses = [format!("dns:lb-{name}").into()].into();
    balancer
}

pub fn record(name: &str, target: &str) -> Live {
    let host = format!("{name}.example.com");
    let mut record =
        live("DnsRecord", &kinds::dns_record::record_key(&host, "CNAME", None), &format!("example.com/{host}/CNAME/"));
    record.references = [format!("dns:{target}").into(), format!("healthcheck:hc-{name}").into()].into();
    record
}

pub fn check(name: &str) -> Live {
    let mut check = live("HealthCheck", &format!("hc-{name}"), &format!("arn:aws:route53:::healthcheck/hc-{name}"));
    check.addresses = [format!("healthcheck:hc-{name}").into()].into();
    check
}

/// An item that names all three pieces, written long ago.
pub fn item(name: &str) -> Live {
    let mut item = live("TableItem", &format!("service={name}"), &format!("table/{name}"));
    item.fields.set("service", name);
    item.fields.set("lb", lb_arn(name).as_str());
    item.fields.set("host", format!("{name}.example.com").as_str());
    item.fields.set("check", format!("hc-{name}").as_str());
    item.fields.set("updated_at", "2020-01-01T00:00:00Z");
    item
}
