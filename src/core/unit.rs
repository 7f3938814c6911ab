//! One declared resource against what was read: its state and its findings.
//!
//! Decides missing, changed, degraded, latent and orphaned for a single declaration, what is held
//! for want of proof, and what is only on its way. It sees no other resource except through
//! [`Leftovers`] and the kind's own questions. `evaluate` calls it for every declaration of a
//! scope that may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::compare::compare;
use super::desired::{Class, Declared, Environment};
use super::drift::{Drift, FieldDrift, Finding, FindingKey, Root, Severity, State};
use super::identity::{ObjectKey, ScopeKey, ScopeKind};
use super::judge::Judgement;
use super::memory::{DeclaredMemory, ScopeMemory};
use super::observation::{Failure, Live, Reading, Reason};
use super::orphan::{Leftovers, Standing};
use super::world::{Sight, World};

/// What is said about one resource.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// Open findings, held ones included.
    pub findings: Vec<Finding>,
    /// On its way until then.
    pub converging: Option<(Timestamp, String)>,
    /// Why it, or part of it, cannot be judged.
    pub unknown: Option<Failure>,
    /// Fields that the role can never read: why.
    pub unchecked: Vec<Arc<str>>,
    /// Partly working since then.
    pub unsteady: Option<Timestamp>,
    /// Scopes whose reading would settle a suspicion.
    pub wanted: BTreeSet<ScopeKey>,
}

impl Unit {
    /// The state these add up to: proven drift first, then what is not known.
    pub fn state(&self) -> State {
        if self.findings.iter().any(|finding| !finding.held) {
            State::Drifted
        } else if self.unknown.is_some() || !self.findings.is_empty() {
            State::Unknown
        } else if self.converging.is_some() {
            State::Converging
        } else {
            State::InSync
        }
    }
}

/// What judging needs besides the declaration.
pub struct Bench<'a> {
    /// The world.
    pub world: World<'a>,
    /// Environments by name.
    pub environments: &'a BTreeMap<Arc<str>, Arc<Environment>>,
    /// Orphans' context.
    pub leftovers: &'a Leftovers<'a>,
    /// Whether an earlier set of manifests was evaluated: the first load has no settling time.
    pub seasoned: bool,
}

impl Bench<'_> {
    /// The class of an environment; unknown names count as production.
    pub fn class(&self, environment: &str) -> Class {
        self.environments.get(environment).map_or(Class::Production, |environment| environment.class)
    }
}

/// Findings of one resource that were open before, by how it drifted.
pub type Open<'a> = BTreeMap<Drift, &'a Arc<Finding>>;

/// The open findings of one resource.
pub fn open_findings<'a>(
    memory: Option<&'a ScopeMemory>,
    environment: &Arc<str>,
    kind: &str,
    name: &Arc<str>,
) -> Open<'a> {
    let Some(memory) = memory.filter(|memory| !memory.findings.is_empty()) else { return Open::new() };
    let key = |drift| FindingKey { environment: environment.clone(), kind: kind.into(), name: name.clone(), drift };
    Drift::ALL.iter().filter_map(|drift| Some((*drift, memory.findings.get(&key(*drift))?))).collect()
}

/// Keeps a finding that was open and is not disproved.
pub fn hold(open: &Open<'_>, drift: Drift, into: &mut Vec<Finding>) {
    if let Some(finding) = open.get(&drift) {
        into.push(Finding { held: true, ..(***finding).clone() });
    }
}

/// What is said when judging itself failed: nothing new, and nothing ends.
pub fn panicked(declared: &Declared, memory: Option<&ScopeMemory>) -> Unit {
    let mut unit = Unit { unknown: Some(own_failure()), ..Unit::default() };
    let open = open_findings(memory, &declared.environment, declared.kind.name(), &declared.name);
    Drift::ALL.iter().for_each(|drift| hold(&open, *drift, &mut unit.findings));
    unit
}

/// The failure that a panic in a kind is.
pub fn own_failure() -> Failure {
    Failure::new(Reason::Panicked, "moored itself failed while judging this: it is a bug, please report it")
}

/// Judges one declaration.
pub fn judge(declared: &Declared, bench: &Bench<'_>, memory: Option<&ScopeMemory>) -> Unit {
    let open = open_findings(memory, &declared.environment, declared.kind.name(), &declared.name);
    let settling = settling(declared, bench, memory);
    let mut unit = Unit::default();
    match bench.world.sight(declared.kind, &declared.scope, &declared.ask()) {
        Sight::Unknown(failure) => {
            unit.unknown = Some(failure);
            for drift in Drift::ALL {
                hold(&open, *drift, &mut unit.findings);
            }
        }
        Sight::Absent(..) if declared.absent => {}
        Sight::Absent(proof, reading) => match settling {
            Some(until) if !open.contains_key(&Drift::Missing) => {
                unit.converging = Some((until, format!("declared a moment ago; {}", proof.sentence)));
            }
            _ => {
                let mut finding = finding(declared, bench, &open, Drift::Missing, proof.sentence, reading.finished);
                finding.works = false;
                if let Some(owner) = &declared.owned_by
                    && matches!(bench.leftovers.parent_sight(owner), Some(Sight::Absent(..)))
                {
                    finding.root = Root { kind: owner.ask.kind.into(), name: owner.name.clone() };
                }
                unit.findings.push(finding);
            }
        },
        Sight::Present(live, reading) if declared.absent => {
            let message = format!("declared gone (state: absent), but it is there: {}", live.id);
            unit.findings.push(finding(declared, bench, &open, Drift::Unexpected, message, reading.finished));
        }
        Sight::Present(live, reading) => {
            let unsteady = memory.and_then(|memory| memory.unsteady.get(&declaration_key(declared))).copied();
            unit.unsteady = unsteady;
            present(declared, live, reading, bench, &open, settling, &mut unit);
        }
    }
    unit
}

fn present(
    declared: &Declared,
    live: &Live,
    reading: &Reading,
    bench: &Bench<'_>,
    open: &Open<'_>,
    settling: Option<Timestamp>,
    unit: &mut Unit,
) {
    let seen = reading.finished;
    if let Some(owner) = &declared.owned_by {
        let was_open = open.contains_key(&Drift::Orphaned);
        match bench.leftovers.standing(&declared.scope, live, owner, seen, was_open) {
            Standing::Needed => {}
            Standing::Orphaned(proof) => {
                let message = format!(
                    "its owner {}/{} is gone ({}); nothing live refers to it",
                    owner.ask.kind, owner.name, proof.sentence
                );
                let mut orphan = finding(declared, bench, open, Drift::Orphaned, message, seen);
                orphan.root = Root { kind: owner.ask.kind.into(), name: owner.name.clone() };
                unit.findings.push(orphan);
                return;
            }
            Standing::Suspected(failure, scopes) => {
                unit.wanted = scopes;
                unit.unknown = Some(failure);
                hold(open, Drift::Orphaned, &mut unit.findings);
            }
            Standing::Unknown(failure) => {
                unit.unknown = Some(failure);
                hold(open, Drift::Orphaned, &mut unit.findings);
            }
        }
    }
    let mut cannot_judge = false;
    let unsteady_before = unit.unsteady.take();
    for judgement in declared.kind.judge(declared, live, &bench.world) {
        match judgement {
            Judgement::Degraded { message, works, caused_by } => {
                let mut degraded = finding(declared, bench, open, Drift::Degraded, message, seen);
                degraded.works = works;
                if let Some(root) = caused_by.and_then(|address| root_of_address(bench, &address)) {
                    degraded.root = root;
                }
                push_once(&mut unit.findings, degraded);
            }
            Judgement::Unsteady { message } => {
                let since = *unit.unsteady.insert(unsteady_before.unwrap_or(seen));
                let until = since.saturating_add(declared.policy.settle).unwrap_or(since);
                if until > bench.world.now && !open.contains_key(&Drift::Degraded) {
                    unit.converging = Some((until, message));
                } else {
                    push_once(&mut unit.findings, finding(declared, bench, open, Drift::Degraded, message, seen));
                }
            }
            Judgement::Latent { message } => {
                push_once(&mut unit.findings, finding(declared, bench, open, Drift::Latent, message, seen));
            }
            Judgement::Converging { until, message } => unit.converging = Some((until, message)),
            Judgement::Unknown(failure) => {
                cannot_judge = true;
                unit.unknown.get_or_insert(failure);
            }
        }
    }
    if let Some(until) = settling {
        unit.converging.get_or_insert((until, "declared a moment ago".to_owned()));
    }
    let comparison = compare(declared.expects.iter().filter(|(path, _)| !declared.kind.judges(path)), &live.fields);
    unit.unchecked = comparison.unchecked;
    let was_open = open.get(&Drift::Changed);
    if let Some((path, why)) = comparison.unknown.first() {
        let more = comparison.unknown.len() - 1;
        let detail = if more == 0 { format!("{path}: {why}") } else { format!("{path} and {more} more: {why}") };
        unit.unknown.get_or_insert(Failure::new(Reason::Incomplete, detail));
    }
    let blind = comparison
        .unknown
        .iter()
        .any(|(path, _)| was_open.is_some_and(|finding| finding.fields.iter().any(|field| *field.path == **path)));
    match (comparison.differing.is_empty(), was_open) {
        // A rollout passes through other values; what was wrong before it began stays open.
        (false, None) if unit.converging.is_some() => {}
        (false, _) => {
            let mut changed = finding(declared, bench, open, Drift::Changed, summary(&comparison.differing), seen);
            changed.fields = comparison.differing;
            unit.findings.push(changed);
        }
        (true, Some(_)) if blind => hold(open, Drift::Changed, &mut unit.findings),
        (true, _) => {}
    }
    if cannot_judge {
        for drift in [Drift::Degraded, Drift::Latent] {
            if unit.findings.iter().all(|finding| finding.key.drift != drift) {
                hold(open, drift, &mut unit.findings);
            }
        }
    }
}

/// Two judgements of one kind are one finding: the first message names the worse.
fn push_once(findings: &mut Vec<Finding>, finding: Finding) {
    match findings.iter_mut().find(|known| known.key.drift == finding.key.drift) {
        None => findings.push(finding),
        Some(known) => {
            known.works &= finding.works;
            known.message = format!("{}; {}", known.message, finding.message).into();
        }
    }
}

fn summary(fields: &[FieldDrift]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .take(2)
        .map(|field| format!("{} is {}, declared {}", field.path, short(&field.live), short(&field.desired)))
        .collect();
    match fields.len() - shown.len() {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

fn short(value: &serde_json::Value) -> String {
    let text = match value {
        serde_json::Value::Null => return "not set".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// Until when a declaration that changed while moored watched may still be on its way.
fn settling(declared: &Declared, bench: &Bench<'_>, memory: Option<&ScopeMemory>) -> Option<Timestamp> {
    let known = memory.and_then(|memory| memory.declared.get(&declaration_key(declared)));
    let changed_at = match known {
        Some(known) if known.digest == declared.digest => known.changed_at?,
        Some(_) => bench.world.now,
        None if bench.seasoned => bench.world.now,
        None => return None,
    };
    let until = changed_at.saturating_add(declared.policy.settle).ok()?;
    (until > bench.world.now).then_some(until)
}

/// The next memory of a declaration.
pub fn remember(declared: &Declared, memory: Option<&ScopeMemory>, seasoned: bool, now: Timestamp) -> DeclaredMemory {
    match memory.and_then(|memory| memory.declared.get(&declaration_key(declared))) {
        Some(known) if known.digest == declared.digest => known.clone(),
        Some(_) => DeclaredMemory { digest: declared.digest, changed_at: Some(now) },
        None => DeclaredMemory { digest: declared.digest, changed_at: seasoned.then_some(now) },
    }
}

/// How a declaration is named in memory.
pub fn declaration_key(declared: &Declared) -> (Arc<str>, &'static str, Arc<str>) {
    (declared.environment.clone(), declared.kind.name(), declared.name.clone())
}

/// The root of what a gone address left broken: the object itself, or the parent that claims it.
fn root_of_address(bench: &Bench<'_>, address: &str) -> Option<Root> {
    let (scope, key): (&ScopeKey, &ObjectKey) = bench.world.gone_with_address(ScopeKind::LoadBalancers, address)?;
    let declared = bench.leftovers.index.by_ask.iter().find(|((at, ask), _)| {
        at == scope
            && ask.kind == key.kind
            && matches!(&ask.select, super::identity::Select::Key(name) if *name == key.key)
    });
    let name = declared.and_then(|(_, all)| all.first()).map_or(&key.key, |declared| &declared.name);
    Some(Root { kind: key.kind.into(), name: name.clone() })
}

fn finding(
    declared: &Declared,
    bench: &Bench<'_>,
    open: &Open<'_>,
    drift: Drift,
    message: String,
    seen: Timestamp,
) -> Finding {
    let default: Severity = drift.severity(declared.policy.vital, bench.class(&declared.environment));
    Finding {
        key: FindingKey {
            environment: declared.environment.clone(),
            kind: declared.kind.name().into(),
            name: declared.name.clone(),
            drift,
        },
        id: declared.id.clone(),
        scope: declared.scope.clone(),
        severity: declared.policy.severity.unwrap_or(default),
        application: declared.application.clone(),
        message: message.into(),
        held: false,
        fields: Vec::new(),
        root: Root { kind: declared.kind.name().into(), name: declared.name.clone() },
        since: open.get(&drift).map_or(seen, |finding| finding.since),
        source: Some(declared.source.clone()),
        vital: declared.policy.vital,
        works: true,
        runbook: declared.policy.runbook.clone(),
        redeploy: declared.policy.redeploy.clone(),
    }
}
