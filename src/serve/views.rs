//! Views of the API that a report does not hold: every declared resource, and how they hang
//! together.
//!
//! Decides nothing new: a state is what the snapshot says, facts are what was read, edges are what
//! manifests, items and live things name. [`super::api`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::http::Published;
use crate::core::claims;
use crate::core::desired::Declared;
use crate::core::drift::State;
use crate::core::filter::Filter;
use crate::core::identity::ScopeKey;
use crate::core::observation::{Live, Reading};
use crate::core::snapshot::Snapshot;
use crate::core::value::{Fact, Source};
use crate::core::world::{Sight, World};

/// One declared resource.
#[derive(Debug, Serialize)]
pub struct ResourceView {
    environment: Arc<str>,
    kind: &'static str,
    name: Arc<str>,
    application: Arc<str>,
    state: State,
    scope: ScopeKey,
    id: Arc<str>,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Facts>,
}

/// What is declared of a resource, and what was read of it.
#[derive(Debug, Serialize)]
struct Facts {
    desired: BTreeMap<String, serde_json::Value>,
    /// `null` where it is not there, or cannot be read; `note` says which.
    live: Option<LiveView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveView {
    id: Arc<str>,
    incarnation: Option<Arc<str>>,
    read_at: Timestamp,
    fields: BTreeMap<String, serde_json::Value>,
    addresses: Box<[Arc<str>]>,
    references: Box<[Arc<str>]>,
}

/// Declared resources and what leads from one to another.
#[derive(Debug, Default, Serialize)]
pub struct Graph {
    nodes: Vec<Node>,
    edges: BTreeSet<Edge>,
}

#[derive(Debug, Serialize)]
struct Node {
    /// `environment/Kind/name`.
    id: String,
    environment: Arc<str>,
    kind: &'static str,
    name: Arc<str>,
    application: Arc<str>,
    state: State,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Edge {
    from: String,
    to: String,
    why: Why,
}

/// Why an edge is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Why {
    /// The manifest names its owner.
    OwnedBy,
    /// The live thing refers to the other by address.
    RefersTo,
    /// An item of the table names it as parent.
    Parent,
    /// An item of the table names it as a piece.
    Piece,
}

/// The declared resources that the filter lets through; with facts when it names exactly one.
pub fn resources(published: &Published, filter: &Filter) -> Vec<ResourceView> {
    let states = states(&published.snapshot);
    let shown = shown(published, filter);
    let alone = shown.len() == 1 && !filter.names.is_empty();
    let world = world(published);
    let view = |declared: &Arc<Declared>| ResourceView {
        environment: declared.environment.clone(),
        kind: declared.kind.name(),
        name: declared.name.clone(),
        application: declared.application.clone(),
        state: state(&states, declared),
        scope: declared.scope.clone(),
        id: declared.id.clone(),
        source: declared.source.clone(),
        facts: alone.then(|| facts(declared, &world)),
    };
    shown.into_iter().map(view).collect()
}

/// The graph of what the filter lets through; edges that lead out of it are left out.
pub fn graph(published: &Published, filter: &Filter) -> Graph {
    let states = states(&published.snapshot);
    let shown = shown(published, filter);
    let world = world(published);
    let mut edges = owners(published, &shown);
    edges.extend(references(&world, &shown));
    edges.extend(tables(published, &shown));
    let nodes: Vec<Node> = shown.iter().map(|declared| node(&states, declared)).collect();
    let known: BTreeSet<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    edges.retain(|edge| known.contains(edge.from.as_str()) && known.contains(edge.to.as_str()));
    Graph { nodes, edges }
}

fn shown<'a>(published: &'a Published, filter: &Filter) -> Vec<&'a Arc<Declared>> {
    published.desired.resources.iter().filter(|declared| filter.declaration(declared)).collect()
}

fn world(published: &Published) -> World<'_> {
    World { observations: &published.observations, memory: &published.memory, now: published.snapshot.at }
}

/// Environment, kind, name.
type Name<'a> = (&'a str, &'a str, &'a str);

/// The states of what is not in sync. Where several things are said of one resource, what is proven
/// drifted comes first, then what is not known: the later line wins.
fn states(snapshot: &Snapshot) -> BTreeMap<Name<'_>, State> {
    let mut states = BTreeMap::new();
    states.extend(snapshot.ignored.iter().map(|ignored| {
        let key = &ignored.finding.key;
        ((&*key.environment, &*key.kind, &*key.name), State::Ignored)
    }));
    states.extend(snapshot.converging.iter().map(|it| ((&*it.environment, &*it.kind, &*it.name), State::Converging)));
    states.extend(snapshot.unknown.iter().map(|it| ((&*it.environment, &*it.kind, &*it.name), State::Unknown)));
    for (held, state) in [(true, State::Unknown), (false, State::Drifted)] {
        let these = snapshot.findings.iter().filter(|finding| finding.held == held).map(|finding| &finding.key);
        states.extend(these.map(|key| ((&*key.environment, &*key.kind, &*key.name), state)));
    }
    states
}

fn state(states: &BTreeMap<Name<'_>, State>, declared: &Declared) -> State {
    let name = (&*declared.environment, declared.kind.name(), &*declared.name);
    states.get(&name).copied().unwrap_or(State::InSync)
}

fn facts(declared: &Declared, world: &World<'_>) -> Facts {
    let desired = declared.expects.iter().map(|(path, expect)| (path.to_string(), expect.to_json())).collect();
    let (live, note) = match world.sight(declared.kind, &declared.scope, &declared.ask()) {
        Sight::Present(live, reading) => (Some(live_view(live, reading)), None),
        Sight::Absent(proof, _) => (None, Some(proof.sentence)),
        Sight::Unknown(failure) => (None, Some(failure.to_string())),
    };
    Facts { desired, live, note }
}

fn live_view(live: &Live, reading: &Reading) -> LiveView {
    let shown = |fact: &Fact| match fact {
        // Only names that every environment of the scope lists as visible have a value to reveal.
        Fact::Known(value) => value.to_json(true),
        Fact::Unchecked(why) => serde_json::Value::String(format!("(unchecked: {why})")),
        Fact::Unknown(why) => serde_json::Value::String(format!("(unknown: {why})")),
    };
    LiveView {
        id: live.id.clone(),
        incarnation: live.incarnation.clone(),
        read_at: reading.finished,
        fields: live.fields.iter().map(|(path, fact)| (path.to_owned(), shown(fact))).collect(),
        addresses: live.addresses.clone(),
        references: live.references.clone(),
    }
}

fn node(states: &BTreeMap<Name<'_>, State>, declared: &Declared) -> Node {
    Node {
        id: id(declared),
        environment: declared.environment.clone(),
        kind: declared.kind.name(),
        name: declared.name.clone(),
        application: declared.application.clone(),
        state: state(states, declared),
    }
}

fn id(declared: &Declared) -> String {
    format!("{}/{}/{}", declared.environment, declared.kind.name(), declared.name)
}

fn owners(published: &Published, shown: &[&Arc<Declared>]) -> BTreeSet<Edge> {
    let edge = |declared: &&Arc<Declared>| {
        let owner = declared.owned_by.as_ref()?;
        let owner = published.index.declared_as(&declared.environment, &owner.scope, &owner.ask)?;
        Some(Edge { from: id(declared), to: id(owner), why: Why::OwnedBy })
    };
    shown.iter().filter_map(edge).collect()
}

/// Edges from a live thing to whatever has the address that it refers to, inside one environment.
fn references(world: &World<'_>, shown: &[&Arc<Declared>]) -> BTreeSet<Edge> {
    let mut present: Vec<(&Declared, &Live)> = Vec::new();
    for declared in shown {
        if let Sight::Present(live, _) = world.sight(declared.kind, &declared.scope, &declared.ask()) {
            present.push((&***declared, &**live));
        }
    }
    let mut addresses: BTreeMap<(&str, &str), &Declared> = BTreeMap::new();
    for (declared, live) in &present {
        addresses.extend(live.addresses.iter().map(|address| ((&*declared.environment, &**address), *declared)));
    }
    let edges = present.iter().flat_map(|(declared, live)| {
        let targets =
            live.references.iter().filter_map(|reference| addresses.get(&(&*declared.environment, &**reference)));
        targets.map(|target| Edge { from: id(declared), to: id(target), why: Why::RefersTo }).collect::<Vec<_>>()
    });
    edges.filter(|edge| edge.from != edge.to).collect()
}

/// Edges from a table to the declared things that its items name. Items themselves are no nodes:
/// there is one for each service that was ever deployed.
fn tables(published: &Published, shown: &[&Arc<Declared>]) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for table in &published.desired.tables {
        let declared = &table.declared;
        let reading = published.observations.get(&declared.scope).and_then(|observation| observation.reading.as_ref());
        let (Some(reading), true) = (reading, shown.iter().copied().any(|other| Arc::ptr_eq(other, declared))) else {
            continue;
        };
        for claim in claims::read(table, reading) {
            let parent = claim.parent.iter().map(|parent| (&parent.scope, &parent.ask, Why::Parent));
            let pieces = claim.pieces.iter().map(|piece| (&piece.scope, &piece.ask, Why::Piece));
            for (scope, ask, why) in parent.chain(pieces) {
                if let Some(target) = published.index.declared_as(&declared.environment, scope, ask) {
                    edges.insert(Edge { from: id(declared), to: id(target), why });
                }
            }
        }
    }
    edges
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::desired::{Desired, Parent, Policy};
    use crate::core::drift::{Drift, Finding, FindingKey, Root, Severity};
    use crate::core::identity::{Ask, ObjectKey, Select};
    use crate::core::index::Index;
    use crate::core::observation::{Observation, Observations};
    use crate::core::snapshot::Unknown;
    use crate::core::value::{Expect, Fields, Value};

    const ZONE: &str = "hosted_zone/111122223333/global/example.com";
    const BALANCERS: &str = "load_balancers/111122223333/eu-west-1";

    fn scope(text: &str) -> ScopeKey {
        ScopeKey::parse(text).unwrap()
    }

    fn declared(kind: &str, at: &str, name: &str, owner: Option<Parent>) -> Arc<Declared> {
        Arc::new(Declared {
            environment: "production".into(),
            kind: crate::kinds::find(kind).unwrap().kind,
            name: name.into(),
            scope: scope(at),
            select: Select::Key(name.into()),
            id: name.into(),
            expects: vec![("ttl".into(), Expect::Is(Value::Int(60)))],
            facets: BTreeSet::new(),
            absent: false,
            not_compared: Vec::new(),
            owned_by: owner,
            policy: Policy::default(),
            application: "api".into(),
            team: None,
            labels: [("team".into(), "web".into())].into(),
            source: Source { file: "api.yaml".into(), line: 3 },
            digest: 0,
        })
    }

    fn reading(kind: &'static str, name: &str, addresses: &[&str], references: &[&str]) -> Observation {
        let mut fields = Fields::default();
        fields.set("ttl", 300);
        fields.set("token", Value::secret(1, None));
        let texts = |texts: &[&str]| -> Box<[Arc<str>]> { texts.iter().map(|text| Arc::from(*text)).collect() };
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        reading.insert(Live {
            key: ObjectKey::new(kind, name),
            id: name.into(),
            incarnation: None,
            fields,
            addresses: texts(addresses),
            references: texts(references),
        });
        Observation { reading: Some(Arc::new(reading)), ..Observation::default() }
    }

    /// A record that points at a balancer and is owned by it.
    fn published() -> Published {
        let ask = Ask { kind: "LoadBalancer", select: Select::Key("api".into()) };
        let owner = Parent { scope: scope(BALANCERS), ask, name: "api".into() };
        let desired = Desired {
            resources: vec![
                declared("DnsRecord", ZONE, "www", Some(owner)),
                declared("LoadBalancer", BALANCERS, "api", None),
            ],
            ..Desired::default()
        };
        let observations: Observations = [
            (scope(ZONE), reading("DnsRecord", "www", &[], &["dns:api"])),
            (scope(BALANCERS), reading("LoadBalancer", "api", &["dns:api"], &[])),
        ]
        .into();
        let key = FindingKey {
            environment: "production".into(),
            kind: "DnsRecord".into(),
            name: "www".into(),
            drift: Drift::Changed,
        };
        let finding = Finding {
            key,
            id: "www".into(),
            scope: scope(ZONE),
            severity: Severity::Warning,
            application: "api".into(),
            message: "differs".into(),
            held: false,
            fields: Vec::new(),
            root: Root { kind: "DnsRecord".into(), name: "www".into() },
            since: Timestamp::UNIX_EPOCH,
            source: None,
            vital: false,
            works: true,
            decides: false,
            runbook: None,
            redeploy: None,
        };
        let partly = Unknown {
            environment: "production".into(),
            kind: "DnsRecord".into(),
            name: "www".into(),
            scope: scope(ZONE),
            reason: "denied",
            detail: "tags".into(),
            application: "api".into(),
        };
        Published {
            snapshot: Arc::new(Snapshot {
                findings: vec![Arc::new(finding)],
                unknown: vec![partly],
                ..Snapshot::default()
            }),
            index: Arc::new(Index::new(&desired)),
            desired: Arc::new(desired),
            observations: Arc::new(observations),
            ..crate::serve::http::tests::nothing()
        }
    }

    #[test]
    fn every_declared_resource_has_its_state() {
        let views = resources(&published(), &Filter::default());
        let states: Vec<_> = views.iter().map(|view| (&*view.name, view.state, view.facts.is_some())).collect();
        assert_eq!(states, [("www", State::Drifted, false), ("api", State::InSync, false)]);
    }

    #[test]
    fn a_resource_asked_for_by_name_comes_with_facts_but_without_secrets() {
        let filter = Filter { names: vec![crate::core::ignore::Glob::new("www")], ..Filter::default() };
        let json = serde_json::to_value(resources(&published(), &filter)).unwrap();
        let facts = &json[0]["facts"];
        assert_eq!(facts["desired"]["ttl"], 60);
        assert_eq!(facts["live"]["fields"]["ttl"], 300);
        assert_eq!(facts["live"]["fields"]["token"], "(secret)");
    }

    #[test]
    fn labels_other_than_the_application_filter_resources() {
        let labelled =
            |team: &str| Filter { labels: [("team".to_owned(), team.to_owned())].into(), ..Filter::default() };
        assert_eq!(resources(&published(), &labelled("web")).len(), 2);
        assert_eq!(resources(&published(), &labelled("data")).len(), 0);
    }

    #[test]
    fn the_graph_shows_owners_and_references() {
        let graph = graph(&published(), &Filter::default());
        let edges: Vec<_> = graph.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str(), edge.why)).collect();
        let (record, balancer) = ("production/DnsRecord/www", "production/LoadBalancer/api");
        assert_eq!(edges, [(record, balancer, Why::OwnedBy), (record, balancer, Why::RefersTo)]);
        assert_eq!(graph.nodes.len(), 2);
    }
}
