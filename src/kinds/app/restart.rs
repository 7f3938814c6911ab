//! Drift that waits for a restart: what runs was handed another configuration than is set now.
//!
//! Decides, for everything that is handed to a container only when it is desired anew, whether the
//! running process has it (`verdict`). Variables and bindings are baked into what Diego was told, and
//! an instance that crashes or is moved starts again with the old: that it started later proves
//! nothing. Names are told, never values. [`super::App`] calls [`judge`].

mod verdict;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::clock::Skew;
use super::handover;
use super::v1::WEB;
use crate::core::drift::Root;
use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::judge::Judgement;
use crate::core::memory::{Mark, ObjectMemory};
use crate::core::observation::{Live, Reading};
use crate::core::value::{Fact, Fields, Value};
use crate::core::world::World;
use crate::kinds::service_binding;
use verdict::{Change, Evidence, Teller, Verdict, verdict};
use words::{Clause, spoken};

/// The platform tells times to the second: what it says happened at one ended a second later.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The audit log forgets after this (31 days): of what changed earlier, that it tells of no restart
/// means nothing, and an app that was never restarted with proof would be suspected for ever.
const MEMORY_OF_EVENTS: SignedDuration = SignedDuration::from_hours(31 * 24);

/// The note of a reading that does not know what was started: why not.
const UNREAD_EVENTS: &str = "unread:auditEvents";
/// The note of a reading that could not read the variables of every running app: why not.
const UNREAD_GROUP: &str = "unread:runningEnvironment";

/// Why an auditor is told no more: labels and variables change the same stamp.
const TOUCHED: &str = "whether a restart is needed: what of the app changed is told to cloud_controller.admin_read_only, or a Space Developer";
/// Why nothing is suspected of what changed long ago.
const FORGOTTEN: &str =
    "whether a restart is needed: what changed is older than the audit log, and moored did not watch then";

/// What is said of an app.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// What waits for a restart; the worst first.
    pub latent: Vec<Judgement>,
    /// Why something that waited may wait still, though nobody can tell now.
    pub unsure: Vec<String>,
    /// Why nobody can tell of something whether it waits.
    pub untold: BTreeSet<&'static str>,
}

/// A process with running instances.
struct Running<'a> {
    name: &'a str,
    /// The oldest of them started, as the platform says.
    since: Option<Timestamp>,
    evidence: Evidence,
}

/// What a process is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Environment,
    Command(String),
    Limits(String),
    Binding(String),
    RunningGroup,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("its environment"),
            Self::Command(process) => write!(f, "the command of {process}"),
            Self::Limits(process) => write!(f, "the limits or health checks of {process}"),
            Self::Binding(service) => write!(f, "its binding to {service}"),
            Self::RunningGroup => f.write_str("the environment variable group `running`"),
        }
    }
}

impl What {
    /// The only process that it is for.
    fn process(&self) -> Option<&str> {
        match self {
            Self::Command(process) | Self::Limits(process) => Some(process),
            Self::Environment | Self::Binding(_) | Self::RunningGroup => None,
        }
    }
}

/// Something that a process is handed when it is desired anew.
struct Handed {
    what: What,
    /// When it changed, as it was told.
    at: Timestamp,
    change: Change,
}

type Marks = BTreeMap<Arc<str>, Mark>;

/// What one app is judged by.
struct Bench<'a> {
    scope: &'a ScopeKey,
    live: &'a Live,
    world: &'a World<'a>,
    reading: Option<&'a Reading>,
    skew: Skew,
    marks: &'a Marks,
    /// When moored first saw it: what changed later, it has watched.
    first_seen: Timestamp,
}

/// Judges a started app that is not being deployed.
pub fn judge(scope: &ScopeKey, live: &Live, world: &World<'_>) -> Judged {
    if live.fields.value("state").and_then(Value::as_text) != Some("STARTED") {
        return Judged::default();
    }
    let none = Marks::new();
    let known: Option<&ObjectMemory> = world.memory.object(scope, &live.key);
    let bench = Bench {
        scope,
        live,
        world,
        reading: world.reading(scope).ok().map(|reading| &**reading),
        skew: Skew::of(scope, world),
        marks: known.map_or(&none, |known| &known.marks),
        first_seen: known.map_or(world.now, |known| known.first_seen),
    };
    bench.judge()
}

impl Bench<'_> {
    fn judge(&self) -> Judged {
        let mut judged = Judged::default();
        let running = self.running();
        if running.is_empty() {
            judged.unsure.push("nothing of it is known to run: what was handed to it cannot be told".to_owned());
            return judged;
        }
        let own: Vec<Handed> = self.configured().chain(self.bound()).collect();
        let own = self.clauses(&own, &running);
        let gone = self.unbound(&running);
        let mut said = Vec::new();
        said.extend(words::removed(&of(&gone, Verdict::Stale), Verdict::Stale));
        said.extend(words::changed(&own, Verdict::Stale));
        let changed = !said.is_empty();
        let mut suspected = Vec::from_iter(words::removed(&of(&gone, Verdict::Maybe), Verdict::Maybe));
        if own.iter().all(|clause| clause.verdict != Verdict::Stale) {
            suspected.extend(words::changed(&own, Verdict::Maybe));
        }
        let quiet = !changed && suspected.is_empty();
        said.extend(self.proven(suspected, &mut judged.unsure));
        if quiet {
            match self.touched(&running) {
                // A finding for want of a right would be the right's own fault.
                Some(_) if matches!(&*self.live.fields.fact("env"), Fact::Unchecked(_)) => {
                    judged.untold.insert(TOUCHED);
                }
                touched => said.extend(touched),
            }
        }
        if self.is_any_forgotten(&running) {
            judged.untold.insert(FORGOTTEN);
        }
        judged.latent = said.into_iter().map(|message| Judgement::Latent { message, cause: None }).collect();
        self.shared(&running, &mut judged);
        if let Fact::Unknown(why) = &*self.live.fields.fact("services") {
            judged.unsure.push(format!("its bindings are not known: {why}"));
        }
        if let Some(idle) = self.idle() {
            judged.unsure.push(format!("no instance of {idle} runs: what was handed to it cannot be told"));
        }
        judged
    }

    /// What may be, unless the log that would disprove it could not be read.
    fn proven(&self, suspected: Vec<String>, unsure: &mut Vec<String>) -> Vec<String> {
        let Some(why) = self.note(UNREAD_EVENTS) else { return suspected };
        if !suspected.is_empty() {
            unsure.push(format!("whether it was restarted since it was changed, the audit log would tell: {why}"));
        }
        Vec::new()
    }

    /// The variables that every app of the foundation is handed: one cause of many.
    fn shared(&self, running: &[Running<'_>], judged: &mut Judged) {
        let cause = Root { kind: "EnvironmentVariableGroup".into(), name: "running".into() };
        if let Some(why) = self.note(UNREAD_GROUP) {
            judged.unsure.push(format!("the environment variable group `running` was not read: {why}"));
        }
        let Some(group) = self.running_group() else { return };
        let clauses = self.clauses(std::slice::from_ref(&group), running);
        let stale = words::changed(&clauses, Verdict::Stale);
        let suspected = words::changed(&clauses, Verdict::Maybe).into_iter().collect();
        let said = stale.into_iter().chain(self.proven(suspected, &mut judged.unsure));
        judged.latent.extend(said.map(|message| Judgement::Latent { message, cause: Some(cause.clone()) }));
    }

    fn note(&self, name: &str) -> Option<&str> {
        self.reading?.notes.get(name).map(|why| &**why)
    }

    fn running(&self) -> Vec<Running<'_>> {
        let fields = &self.live.fields;
        let ours = |path: &str| time(fields, path).map(|at| self.skew.ours(at));
        // The log may not have been read this time, or may have forgotten: what it told is marked.
        let marked = || {
            let told = self.mark("restarted", None)?.value.as_deref()?.parse::<Timestamp>();
            told.ok().map(|at| self.skew.ours(at))
        };
        let untold = fields.value("runtime.restartedAt").is_none();
        let restarted = ours("runtime.handedAt").max(if untold { marked() } else { None });
        let names = fields.iter().filter_map(|(path, _)| path.strip_prefix("runtime.")?.strip_suffix(".running"));
        let runs = names.filter(|name| count(fields, &format!("runtime.{name}.running")) > 0);
        let process = |name| {
            let version = self.mark("version", Some(name));
            // A deployment that is cancelled brings the old process back, with its old version. Only of
            // one and the same process is another version a new one.
            let guid = self.mark("guid", Some(name));
            let same = guid.zip(version).is_some_and(|(guid, version)| guid.since < version.since);
            let start = format!("runtime.{name}.oldestStart");
            let evidence = Evidence {
                version_after: version.filter(|_| same).and_then(|version| version.after),
                version_since: version.map(|version| version.since),
                process_created: ours(&format!("runtime.processCreatedAt.{name}")),
                restarted,
                oldest_start: ours(&start),
            };
            Running { name, since: time(fields, &start), evidence }
        };
        runs.map(process).collect()
    }

    /// A process that should run, and of which nothing does.
    fn idle(&self) -> Option<&str> {
        let fields = &self.live.fields;
        let wanted = fields.iter().filter_map(|(path, _)| path.strip_prefix("processes.")?.strip_suffix(".instances"));
        let mut idle = wanted.filter(|name| {
            count(fields, &format!("processes.{name}.instances")) > 0
                && fields.value(&format!("runtime.{name}.running")) == Some(&Value::Int(0))
        });
        idle.next()
    }

    /// The mark of a part that is there.
    fn mark(&self, part: &str, process: Option<&str>) -> Option<&Mark> {
        let mark = match process {
            Some(process) => self.marks.get(format!("{part}:{process}").as_str()),
            None => self.marks.get(part),
        };
        mark.filter(|mark| mark.value.is_some())
    }

    /// Variables, commands and limits whose change was watched. What only the manifest tells is not
    /// changed by being readable for the first time, nor under a new key.
    fn configured(&self) -> impl Iterator<Item = Handed> {
        let readable = self.marks.get("manifest").map(|mark| mark.since);
        self.marks.iter().filter_map(move |(name, mark)| {
            let from = mark.value.as_ref().and(mark.after)?;
            let seen = readable.is_some_and(|readable| readable < mark.since);
            let (what, handed) = match name.split_once(':') {
                None if &**name == "environment" && seen => (What::Environment, "handed".to_owned()),
                Some(("command", process)) if seen => (What::Command(process.to_owned()), format!("handed:{process}")),
                Some(("process", process)) => (What::Limits(process.to_owned()), format!("handed:{process}")),
                _ => return None,
            };
            if what.process().is_some_and(|process| self.is_made_with(process, mark)) {
                return None;
            }
            let handed = handover::covers(self.marks, &handed, mark.since);
            let change = Change { from, until: mark.since, by: Teller::Moored, handed };
            Some(Handed { what, at: mark.since, change })
        })
    }

    /// Whether a process came with what seems to have changed. A deployment makes a web process of what
    /// is set, and while it rolls the platform refuses to change it; the others are made but once.
    fn is_made_with(&self, process: &str, mark: &Mark) -> bool {
        let Some(guid) = self.mark("guid", Some(process)).filter(|guid| guid.since == mark.since) else { return false };
        let rolled = self.mark("rolling", Some(process));
        process != WEB || rolled.is_some_and(|rolled| rolled.value == guid.value && rolled.since == guid.since)
    }

    /// Bindings that it can use: the platform tells when each was made or given new credentials.
    fn bound(&self) -> impl Iterator<Item = Handed> {
        let services: &[Value] = match self.live.fields.value("services") {
            Some(Value::List(services)) => services,
            _ => &[],
        };
        services.iter().filter_map(Value::as_text).filter_map(move |service| {
            let key = format!("{}/{service}", self.live.key.key);
            let binding = &self.reading?.object(service_binding::KIND, &key)?.fields;
            let usable = binding.value(service_binding::live::USABLE) == Some(&Value::Bool(true));
            let at = time(binding, "updatedAt").max(time(binding, "createdAt")).filter(|_| usable)?;
            Some(Handed { what: What::Binding(service.to_owned()), at, change: self.at_second(at) })
        })
    }

    fn running_group(&self) -> Option<Handed> {
        let at: Timestamp = self.note("runningEnvironment")?.parse().ok()?;
        Some(Handed { what: What::RunningGroup, at, change: self.at_second(at) })
    }

    /// What of this is not proven to be handed to all that run.
    fn clauses<'a>(&self, all: &'a [Handed], running: &'a [Running<'a>]) -> Vec<Clause<'a>> {
        let clause = |handed: &'a Handed| {
            let concerned = running.iter().filter(|one| handed.what.process().is_none_or(|only| only == one.name));
            let judged: Vec<(Verdict, &Running<'_>)> =
                concerned.map(|process| (verdict(handed.change, self.evidence(handed, process)), process)).collect();
            let worst = judged.iter().map(|(verdict, _)| *verdict).max().filter(|worst| *worst != Verdict::Fresh)?;
            if worst == Verdict::Maybe && self.is_forgotten(handed.change) {
                return None;
            }
            let processes = judged.into_iter().filter(|(verdict, _)| *verdict == worst);
            let processes = processes.map(|(_, process)| process).collect();
            Some(Clause { what: &handed.what, at: handed.at, verdict: worst, processes })
        };
        all.iter().filter_map(clause).collect()
    }

    /// What counts as evidence for this. Variables and commands are those of a revision: a process
    /// gets another version without them when its ports change. Limits and version stand in one row:
    /// a version that changed in a later reading than they did changed after them.
    fn evidence(&self, handed: &Handed, process: &Running<'_>) -> Evidence {
        let evidence = process.evidence;
        let version_after = match handed.what {
            What::Environment | What::Command(_) => match self.mark("revision", Some(process.name)) {
                Some(revision) => evidence.version_after.zip(revision.after).map(|(version, own)| version.min(own)),
                None => evidence.version_after,
            },
            What::Limits(_) => {
                let later = evidence.version_since.is_some_and(|since| since > handed.change.until);
                evidence.version_after.map(|after| if later { after.max(handed.change.until) } else { after })
            }
            What::Binding(_) | What::RunningGroup => evidence.version_after,
        };
        Evidence { version_after, ..evidence }
    }

    /// Whether something changed so long ago that nobody knows what became of it.
    fn is_any_forgotten(&self, running: &[Running<'_>]) -> bool {
        let all = self.configured().chain(self.bound());
        let mut old = all.filter(|handed| self.is_forgotten(handed.change));
        old.any(|handed| {
            let concerned = running.iter().filter(|one| handed.what.process().is_none_or(|only| only == one.name));
            let worst = concerned.map(|process| verdict(handed.change, self.evidence(&handed, process))).max();
            worst == Some(Verdict::Maybe)
        })
    }

    /// Whether the audit log would no longer tell of a restart after it, which moored did not watch.
    fn is_forgotten(&self, change: Change) -> bool {
        change.until < self.first_seen && self.world.now.duration_since(change.until) > MEMORY_OF_EVENTS
    }

    /// Bindings that were there and are gone, while what runs may still have their credentials: the
    /// worst that is known of it.
    fn unbound(&self, running: &[Running<'_>]) -> Vec<(&str, Timestamp, Verdict)> {
        let is_bound = |service: &str| {
            let bound = Value::text(service);
            matches!(self.live.fields.value("services"), Some(Value::List(services)) if services.contains(&bound))
        };
        let gone = self.marks.iter().filter(|(_, mark)| mark.value.is_none()).filter_map(|(name, mark)| {
            let service = name.strip_prefix("binding:").filter(|service| !is_bound(service))?;
            if self.is_renamed(service) {
                return None;
            }
            let change = Change { from: mark.after?, until: mark.since, by: Teller::Moored, handed: false };
            let worst = running.iter().map(|process| verdict(change, process.evidence)).max()?;
            let told = worst == Verdict::Stale || (worst == Verdict::Maybe && !self.is_forgotten(change));
            told.then_some((service, mark.since, worst))
        });
        gone.collect()
    }

    /// Whether the binding is still there, to an instance that is called otherwise now.
    fn is_renamed(&self, service: &str) -> bool {
        let key = ObjectKey::new(service_binding::KIND, &format!("{}/{service}", self.live.key.key));
        let Some(known) = self.world.memory.object(self.scope, &key).filter(|known| !known.id.is_empty()) else {
            return false;
        };
        let others = self.reading.map(|reading| reading.objects.values()).into_iter().flatten();
        others.filter(|live| live.key.kind == service_binding::KIND).any(|live| live.id == known.id)
    }

    /// Something of the app itself is newer than what runs. It may have been its labels: where its
    /// variables are watched, that says nothing more.
    fn touched(&self, running: &[Running<'_>]) -> Option<String> {
        let at = time(&self.live.fields, "runtime.updatedAt")?;
        let watched = self.mark("manifest", None).is_some_and(|mark| mark.since <= self.skew.ours(at));
        let stale = running.iter().any(|process| verdict(self.at_second(at), process.evidence) == Verdict::Stale);
        (stale && !watched).then(|| {
            format!("may need a restart: something of the app changed at {}, after its processes started", spoken(at))
        })
    }

    /// What the platform says happened at this second.
    fn at_second(&self, at: Timestamp) -> Change {
        let from = self.skew.ours(at);
        let until = from.saturating_add(SECOND).unwrap_or(from);
        Change { from, until, by: Teller::Platform, handed: false }
    }
}

fn of<'a>(gone: &[(&'a str, Timestamp, Verdict)], verdict: Verdict) -> Vec<(&'a str, Timestamp)> {
    gone.iter().filter(|(_, _, own)| *own == verdict).map(|(service, at, _)| (*service, *at)).collect()
}

fn count(fields: &Fields, path: &str) -> i64 {
    fields.value(path).and_then(Value::as_int).unwrap_or_default()
}

fn time(fields: &Fields, path: &str) -> Option<Timestamp> {
    fields.value(path)?.as_text()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
