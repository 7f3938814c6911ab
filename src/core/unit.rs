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
use super::inventory::Losses;
use super::judge::Judgement;
use super::memory::{DeclaredMemory, Name, ScopeMemory};
use super::observation::{Failure, Live, Reason};
use super::orphan::{Leftovers, Standing};
use super::world::{Sight, World};

/// What is said about one resource.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// Open findings, held ones included.
    pub findings: Vec<Finding>,
    /// On its way until then.
    pub converging: Option<(Timestamp, String)>,
    /// Whether that passes through other values than declared (a rollout, a fresh declaration).
    pub rolling: bool,
    /// Why it, or part of it, cannot be judged.
    pub unknown: Option<Failure>,
    /// Fields that the role can never read: why.
    pub unchecked: Vec<Arc<str>>,
    /// Unsteady since then, and how far it had mended.
    pub unsteady: Option<(Timestamp, i64)>,
    /// Scopes whose reading would settle a suspicion.
    pub wanted: BTreeSet<ScopeKey>,
    /// A wanted table must be scanned after this.
    pub scan_after: Option<Timestamp>,
}

impl Unit {
    /// An open finding of which nobody knows now.
    pub fn held(open: &Finding, failure: Failure) -> Self {
        Self { findings: vec![open.as_held()], unknown: Some(failure), ..Self::default() }
    }

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
    /// Mass losses of the scope that is judged.
    pub losses: Losses,
    /// Whether there will be another reading to wait for.
    pub patient: bool,
}

impl Bench<'_> {
    /// The mass loss that a thing went with, which is missing since then.
    fn lost_with(&self, environment: &str, since: Timestamp) -> Option<Root> {
        let (root, from) = self.losses.get(environment)?;
        (since >= *from).then(|| root.clone())
    }

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
    // What an inventory said about a thing of this name is for the inventory to end.
    let foreign = |finding: &Finding| {
        matches!(finding.key.drift, Drift::Unexpected | Drift::Vanished)
            && *finding.root.kind == *super::inventory::KIND
    };
    let open = Drift::ALL.iter().filter_map(|drift| Some((*drift, memory.findings.get(&key(*drift))?)));
    open.filter(|(_, finding)| !foreign(finding)).collect()
}

/// Keeps a finding that was open and is not disproved.
pub fn hold(open: &Open<'_>, drift: Drift, into: &mut Vec<Finding>) {
    if let Some(finding) = open.get(&drift) {
        into.push(finding.as_held());
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
    // How long something was unsteady survives a reading that failed.
    let unsteady = memory.and_then(|memory| memory.unsteady.get(&declaration_key(declared))).copied();
    let mut unit = Unit { unsteady, ..Unit::default() };
    match bench.world.sight(declared.kind, &declared.scope, &declared.ask()) {
        Sight::Unknown(failure) => {
            unit.unknown = Some(failure);
            Drift::ALL.iter().for_each(|drift| hold(&open, *drift, &mut unit.findings));
        }
        Sight::Absent(..) if declared.absent => unit.unsteady = None,
        Sight::Absent(proof, _) if let Some(until) = unsettled(declared, bench, &open) => {
            unit.converging = Some((until, format!("not there at the moment: {}", proof.sentence)));
            Drift::ALL.iter().for_each(|drift| hold(&open, *drift, &mut unit.findings));
        }
        Sight::Absent(proof, reading) => match settling {
            // Only what never was there may still be on its way.
            Some(until) if !open.contains_key(&Drift::Missing) && !proof.deleted && !was_there(declared, bench) => {
                unit.converging = Some((until, format!("declared a moment ago; {}", proof.sentence)));
            }
            _ => {
                unit.unsteady = None;
                let mut missing = finding(declared, bench, &open, Drift::Missing, proof.sentence, reading.finished);
                missing.works = false;
                // Its own identity, where it was ever seen; else that of what is wanted.
                let known =
                    bench.world.memory_of(&declared.scope, &declared.ask()).filter(|known| !known.id.is_empty());
                missing.id = known.map_or(missing.id, |known| known.id.clone());
                missing.root = missing_root(declared, bench, &open)
                    .or_else(|| ground(declared, bench))
                    .or_else(|| bench.lost_with(&declared.environment, missing.since))
                    .unwrap_or(missing.root);
                unit.findings.push(missing);
            }
        },
        Sight::Present(live, reading) if declared.absent => {
            let message = format!("declared gone (state: absent), but it is there: {}", live.id);
            unit.findings.push(finding(declared, bench, &open, Drift::Unexpected, message, reading.finished));
        }
        Sight::Present(live, reading) => {
            Present { declared, live, seen: reading.finished, bench, open: &open }.judge(settling, &mut unit)
        }
    }
    unit
}

/// Until when an absence may be the middle of an ordinary operation, by the word of its kind.
fn unsettled(declared: &Declared, bench: &Bench<'_>, open: &Open<'_>) -> Option<Timestamp> {
    let settles = declared.kind.settles();
    if !bench.patient || settles.is_zero() || open.contains_key(&Drift::Missing) {
        return None;
    }
    let absent_since = bench.world.memory_of(&declared.scope, &declared.ask())?.absent_since?;
    let until = absent_since.saturating_add(settles).ok()?;
    (until > bench.world.now).then_some(until)
}

/// Whether moored has seen it: then its loss is a loss, whatever was edited since.
fn was_there(declared: &Declared, bench: &Bench<'_>) -> bool {
    bench.world.memory_of(&declared.scope, &declared.ask()).is_some_and(|known| !known.id.is_empty())
}

/// A missing thing that cannot be there without another declared one, which is missing too, belongs
/// to that one's group.
fn ground(declared: &Declared, bench: &Bench<'_>) -> Option<Root> {
    let ask = declared.kind.stands_on(&declared.select)?;
    let other = bench.leftovers.index.declared_as(&declared.environment, &declared.scope, &ask)?;
    let sight = bench.world.sight(other.kind, &other.scope, &ask);
    matches!(sight, Sight::Absent(..)).then(|| Root { kind: other.kind.name().into(), name: other.name.clone() })
}

/// A missing thing whose owner is gone belongs to the owner's group; while the owner cannot be
/// read, to the group that it was in.
fn missing_root(declared: &Declared, bench: &Bench<'_>, open: &Open<'_>) -> Option<Root> {
    let owner = declared.owned_by.as_ref()?;
    match bench.leftovers.parent_sight(owner)? {
        Sight::Absent(..) => Some(Root { kind: owner.ask.kind.into(), name: owner.name.clone() }),
        Sight::Unknown(_) => open.get(&Drift::Missing).map(|finding| finding.root.clone()),
        Sight::Present(..) => None,
    }
}

/// A declared thing that is there.
struct Present<'a, 'w> {
    declared: &'a Declared,
    live: &'a Live,
    seen: Timestamp,
    bench: &'a Bench<'w>,
    open: &'a Open<'a>,
}

impl Present<'_, '_> {
    fn judge(&self, settling: Option<Timestamp>, unit: &mut Unit) {
        if self.is_left_over(unit) {
            return;
        }
        let before = unit.unsteady.take();
        let mut doubt: Vec<Drift> = Vec::new();
        for judgement in self.declared.kind.judge(self.declared, self.live, &self.bench.world) {
            self.take(judgement, before, unit, &mut doubt);
        }
        if !doubt.is_empty() && unit.unsteady.is_none() {
            // What cannot be told this time has neither gone on nor ended.
            unit.unsteady = before;
        }
        if let Some(until) = settling {
            unit.rolling = true;
            unit.converging.get_or_insert((until, "declared a moment ago".to_owned()));
        }
        self.compare(unit);
        for drift in [Drift::Degraded, Drift::Latent] {
            if doubt.contains(&drift) && unit.findings.iter().all(|finding| finding.key.drift != drift) {
                hold(self.open, drift, &mut unit.findings);
            }
        }
    }

    /// Whether it is only there because its owner was.
    fn is_left_over(&self, unit: &mut Unit) -> bool {
        let Some(owner) = &self.declared.owned_by else { return false };
        let open = self.open.get(&Drift::Orphaned).is_some_and(|finding| finding.id == self.live.id);
        let (failure, wanted) =
            match self.bench.leftovers.standing(&self.declared.scope, self.live, owner, self.seen, open) {
                Standing::Needed => return false,
                Standing::Orphaned(proof) => {
                    let message = format!(
                        "its owner {}/{} is gone ({}); nothing live refers to it",
                        owner.ask.kind, owner.name, proof.sentence
                    );
                    let mut orphan = self.finding(Drift::Orphaned, message);
                    orphan.root = Root { kind: owner.ask.kind.into(), name: owner.name.clone() };
                    unit.findings.push(orphan);
                    return true;
                }
                Standing::Suspected(failure, wanted) => (failure, wanted),
                Standing::Unknown(failure) => (failure, BTreeSet::new()),
            };
        unit.wanted = wanted;
        unit.unknown = Some(failure);
        hold(self.open, Drift::Orphaned, &mut unit.findings);
        false
    }

    fn take(&self, judgement: Judgement, before: Option<(Timestamp, i64)>, unit: &mut Unit, doubt: &mut Vec<Drift>) {
        match judgement {
            Judgement::Degraded { message, works, caused_by } => {
                let mut degraded = self.finding(Drift::Degraded, message);
                degraded.works = works;
                if let Some(root) = caused_by.and_then(|address| root_of_address(self.bench, &address)) {
                    degraded.root = root;
                }
                push_once(&mut unit.findings, degraded);
            }
            Judgement::Unsteady { message, works, patience, progress } => {
                let (since, _) = *unit.unsteady.insert(match before {
                    Some((since, mended)) if progress <= mended => (since, mended),
                    _ => (self.seen, progress),
                });
                let until = since.saturating_add(patience).unwrap_or(since);
                if self.bench.patient && until > self.bench.world.now && !self.open.contains_key(&Drift::Degraded) {
                    unit.converging = Some((until, message));
                } else {
                    push_once(&mut unit.findings, Finding { works, ..self.finding(Drift::Degraded, message) });
                }
            }
            Judgement::Converging { until, message } => {
                // What did not work before the rollout began does not work until it is done.
                if let Some(open) = self.open.get(&Drift::Degraded) {
                    let message =
                        format!("{}; {message}", open.message.split("; rolling out").next().unwrap_or_default());
                    push_once(
                        &mut unit.findings,
                        Finding { works: open.works, ..self.finding(Drift::Degraded, message) },
                    );
                }
                // Whether what waited for a restart got one is known when the rollout is over.
                hold(self.open, Drift::Latent, &mut unit.findings);
                unit.rolling = true;
                unit.converging = Some((until, message));
            }
            Judgement::Latent { message, cause } => {
                let mut latent = self.finding(Drift::Latent, message);
                latent.root = cause.unwrap_or(latent.root);
                push_once(&mut unit.findings, latent);
            }
            Judgement::Changed { message, fields } => {
                push_once(&mut unit.findings, Finding { fields, ..self.finding(Drift::Changed, message) });
            }
            Judgement::Failing { message, times, decides } => {
                // One reading is judged more than once; it fails but once.
                let (seen, failures) = match before {
                    Some((seen, failures)) if self.seen <= seen => (seen, failures),
                    Some((_, failures)) => (self.seen, failures.saturating_add(1)),
                    None => (self.seen, 1),
                };
                unit.unsteady = Some((seen, failures));
                let enough = failures >= i64::from(times) || !self.bench.patient;
                if enough || self.open.contains_key(&Drift::Degraded) {
                    let degraded = self.finding(Drift::Degraded, message);
                    push_once(&mut unit.findings, Finding { works: false, decides, ..degraded });
                } else {
                    let until = self.bench.world.now.saturating_add(self.declared.policy.settle);
                    let message = format!("failed {failures} of {times} times in a row: {message}");
                    unit.converging = Some((until.unwrap_or(self.seen), message));
                }
            }
            Judgement::Unchecked(why) => {
                doubt.extend([Drift::Degraded, Drift::Latent]);
                unit.unchecked.push(why);
            }
            Judgement::Untold(why) => unit.unchecked.push(why),
            Judgement::Unsure { drift, why } => {
                doubt.push(drift);
                unit.unchecked.push(why);
            }
            Judgement::Unknown(failure) => {
                doubt.extend([Drift::Degraded, Drift::Latent]);
                unit.unknown.get_or_insert(failure);
            }
        }
    }

    fn compare(&self, unit: &mut Unit) {
        let latent = unit.findings.iter().any(|finding| finding.key.drift == Drift::Latent);
        let compared = self.declared.expects.iter().filter(|(path, _)| {
            // A revision that waits to be deployed is latent, not changed.
            let waits = latent && path == "taskDefinition.revision";
            !(waits || self.declared.kind.judges(path))
        });
        let comparison = compare(compared, &self.live.fields);
        let was_open = self.open.get(&Drift::Changed);
        let blind =
            |path: &str| was_open.is_some_and(|finding| finding.fields.iter().any(|field| *field.path == *path));
        let is_blind = comparison.unknown.iter().chain(&comparison.unchecked).any(|(path, _)| blind(path));
        unit.unchecked.extend(comparison.unchecked.into_iter().map(|(_, why)| why));
        unit.unchecked.extend(self.declared.left_open().map(|(_, why)| Arc::from(why)));
        if let Some((path, why)) = comparison.unknown.first() {
            let more = comparison.unknown.len() - 1;
            let detail = if more == 0 { format!("{path}: {why}") } else { format!("{path} and {more} more: {why}") };
            unit.unknown.get_or_insert(Failure::new(Reason::Incomplete, detail));
        }
        match (comparison.differing.is_empty(), was_open) {
            // A rollout passes through other values; what was wrong before it began stays open.
            (false, None) if unit.rolling => {}
            (false, _) => {
                let mut changed = self.finding(Drift::Changed, summary(&comparison.differing));
                changed.fields = comparison.differing;
                push_once(&mut unit.findings, changed);
            }
            (true, Some(_)) if is_blind => hold(self.open, Drift::Changed, &mut unit.findings),
            (true, _) => {}
        }
    }

    fn finding(&self, drift: Drift, message: String) -> Finding {
        let id = self.live.id.clone();
        Finding { id, ..finding(self.declared, self.bench, self.open, drift, message, self.seen) }
    }
}

/// Two judgements of one kind are one finding: the first message names the worse.
fn push_once(findings: &mut Vec<Finding>, finding: Finding) {
    match findings.iter_mut().find(|known| known.key.drift == finding.key.drift) {
        None => findings.push(finding),
        Some(known) => {
            known.works &= finding.works;
            known.fields.extend(finding.fields);
            known.message = format!("{}; {}", known.message, finding.message).into();
        }
    }
}

fn summary(fields: &[FieldDrift]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .take(2)
        .map(|field| match field.live.as_str() {
            Some("(secret)") => format!("{} differs (values are not shown)", field.path),
            _ => format!("{} is {}, declared {}", field.path, short(&field.live), short(&field.desired)),
        })
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
pub fn declaration_key(declared: &Declared) -> Name {
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
        decides: false,
        runbook: declared.policy.runbook.clone(),
        redeploy: declared.policy.redeploy.clone(),
    }
}
