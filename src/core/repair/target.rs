//! Targets: the one live thing that a request names, in the incarnation and version that was planned.
//!
//! Decides which kinds can be deleted at all and in which order, what makes two sights of a thing
//! the same, and that a target is never empty: there is no "all", and no name without an
//! incarnation. Plans are made of targets, requests name exactly one.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::core::identity::{Ask, ScopeKey, Select, spoken};
use crate::core::observation::Live;
use crate::core::value::{Fact, Value};
use crate::kinds::{dns_record, health_check, load_balancer, table_item, target_group};

/// The kinds that can be deleted, in the order in which that is done: names first, so that nobody
/// is led to what is about to go; the item that names everything last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A record of a hosted zone.
    Record,
    /// A health check.
    HealthCheck,
    /// A load balancer with its listeners.
    LoadBalancer,
    /// A target group.
    TargetGroup,
    /// An item of a table.
    Item,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 5] = [Self::Record, Self::HealthCheck, Self::LoadBalancer, Self::TargetGroup, Self::Item];

    /// The step in which things of a kind are deleted; `None` for a kind that never is (services,
    /// applications, routes, instances).
    pub fn of(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.kind() == kind)
    }

    /// The kind that it deletes.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Record => dns_record::KIND,
            Self::HealthCheck => health_check::KIND,
            Self::LoadBalancer => load_balancer::KIND,
            Self::TargetGroup => target_group::KIND,
            Self::Item => table_item::KIND,
        }
    }
}

/// Why a thing can be no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Its kind is never deleted.
    #[error("things of kind {0} are never deleted by moored")]
    Kind(String),
    /// A part that tells it from others is empty.
    #[error("its {0} is empty: nothing would tell it from others")]
    Empty(&'static str),
}

/// Exactly one live thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Target {
    step: Step,
    scope: ScopeKey,
    key: Arc<str>,
    id: Arc<str>,
    incarnation: Arc<str>,
    version: Arc<str>,
}

/// A target as the ledger has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    step: Step,
    scope: ScopeKey,
    key: Arc<str>,
    id: Arc<str>,
    incarnation: Arc<str>,
    version: Arc<str>,
}

impl From<Target> for Written {
    fn from(target: Target) -> Self {
        let Target { step, scope, key, id, incarnation, version } = target;
        Self { step, scope, key, id, incarnation, version }
    }
}

impl TryFrom<Written> for Target {
    type Error = TargetError;

    fn try_from(written: Written) -> Result<Self, TargetError> {
        let Written { step, scope, key, id, incarnation, version } = written;
        Self { step, scope, key, id, incarnation, version }.checked()
    }
}

impl Target {
    /// A live thing as it was read in `scope`.
    pub fn of(scope: &ScopeKey, live: &Live) -> Result<Self, TargetError> {
        let step = Step::of(live.key.kind).ok_or_else(|| TargetError::Kind(live.key.kind.to_owned()))?;
        Self {
            step,
            scope: scope.clone(),
            key: live.key.key.clone(),
            id: live.id.clone(),
            incarnation: incarnation(step, live),
            version: version(step, live),
        }
        .checked()
    }

    fn checked(self) -> Result<Self, TargetError> {
        let parts = [
            ("account", &self.scope.account),
            ("key", &self.key),
            ("id", &self.id),
            ("incarnation", &self.incarnation),
            ("version", &self.version),
        ];
        let empty = parts.into_iter().find(|(_, part)| part.trim().is_empty()).map(|(what, _)| what);
        match empty {
            Some(what) => Err(TargetError::Empty(what)),
            None => Ok(self),
        }
    }

    /// The step in which it goes.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Where it lives.
    pub fn scope(&self) -> &ScopeKey {
        &self.scope
    }

    /// Its name in the scope.
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Its physical identity.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Which one of that name: another is not ours to touch.
    pub fn incarnation(&self) -> &Arc<str> {
        &self.incarnation
    }

    /// What it was like: whoever edited it since had a reason.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// How its scope is asked for it.
    pub fn ask(&self) -> Ask {
        let select = match self.step {
            Step::LoadBalancer | Step::TargetGroup => Select::Arn(self.id.clone()),
            Step::Record | Step::HealthCheck | Step::Item => Select::Key(self.key.clone()),
        };
        Ask { kind: self.step.kind(), select }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.step.kind(), spoken(&self.key), self.scope)
    }
}

/// Names a thing among all accounts: two of them may have a zone, and a record in it, of one name.
pub fn place(scope: &ScopeKey, id: &str) -> Arc<str> {
    format!("{id} in {scope}").into()
}

/// Tells a thing from the one before it that had its name: what the API gives for that (ARN,
/// createdAt, all attributes of an item), the id where it is never used twice, else all it is.
pub fn incarnation(step: Step, live: &Live) -> Arc<str> {
    match (&live.incarnation, step) {
        (Some(told), _) => told.clone(),
        (None, Step::HealthCheck) => live.id.clone(),
        (None, _) => version(step, live),
    }
}

/// Everything about a thing that somebody could have edited, as one hash. A detail that could not be
/// read counts as such, so a reading that knows less is another version, never the same.
pub fn version(step: Step, live: &Live) -> Arc<str> {
    let mut canon = Canon::default();
    canon.text(&live.id);
    canon.text(live.incarnation.as_deref().unwrap_or_default());
    // Of an item the incarnation covers every attribute, whatever templates read in plain text.
    if step != Step::Item || live.incarnation.is_none() {
        for (path, fact) in live.fields.iter().filter(|(path, _)| is_settled(step, path)) {
            canon.text(path);
            canon.fact(fact);
        }
    }
    canon.list(live.references.iter().map(|reference| &**reference));
    canon.digest()
}

/// Whether a field is somebody's doing, rather than what changes by itself.
pub fn is_settled(step: Step, path: &str) -> bool {
    let top = path.split('.').next().unwrap_or(path);
    !matches!(
        (step, top),
        (Step::HealthCheck, "status") | (Step::LoadBalancer, "state" | "stateReason") | (Step::TargetGroup, "targets")
    )
}

/// A text that no two different lists of parts have in common: each part with its length.
#[derive(Default)]
pub struct Canon(String);

impl Canon {
    /// Adds a part.
    pub fn text(&mut self, part: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}:{part},", part.len());
    }

    /// Adds a list and how long it is.
    pub fn list<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        let parts: Vec<&str> = parts.into_iter().collect();
        self.text(&parts.len().to_string());
        parts.into_iter().for_each(|part| self.text(part));
    }

    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Known(value) => self.value(value),
            Fact::Unchecked(_) => self.text("unchecked"),
            Fact::Unknown(_) => self.text("unknown"),
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Nothing => self.list(["nothing"]),
            Value::Bool(flag) => self.list(["bool", if *flag { "true" } else { "false" }]),
            Value::Int(number) => self.list(["int", number.to_string().as_str()]),
            Value::Text(text) => self.list(["text", &**text]),
            Value::Secret(secret) => self.list(["secret", format!("{:032x}", secret.hash).as_str()]),
            Value::List(items) => {
                self.list(["list", items.len().to_string().as_str()]);
                items.iter().for_each(|item| self.value(item));
            }
        }
    }

    /// SHA-256 of it, in hex.
    pub fn digest(&self) -> Arc<str> {
        Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::{ObjectKey, ScopeKind};
    use crate::core::value::Fields;

    fn scope() -> ScopeKey {
        ScopeKey::new(ScopeKind::HostedZone, "444455556666", "global", "example.com")
    }

    fn record(ttl: i64) -> Live {
        let mut fields = Fields::default();
        fields.set("ttl", ttl);
        Live {
            key: ObjectKey::new("DnsRecord", "api.example.com|CNAME|"),
            id: "example.com/api.example.com/CNAME/".into(),
            incarnation: None,
            fields,
            addresses: Box::default(),
            references: Box::default(),
        }
    }

    #[test]
    fn a_record_with_another_ttl_is_another_target() {
        let target = |ttl| Target::of(&scope(), &record(ttl)).unwrap();
        assert_eq!(target(60), target(60));
        assert_ne!(target(60).incarnation(), target(300).incarnation());
    }

    #[test]
    fn a_detail_that_cannot_be_read_is_another_version_of_the_same_balancer() {
        let mut balancer = record(60);
        (balancer.key.kind, balancer.incarnation) = ("LoadBalancer", Some("arn:1".into()));
        let whole = Target::of(&scope(), &balancer).unwrap();
        balancer.fields.put("listeners", Fact::Unknown("throttled".into()));
        let half = Target::of(&scope(), &balancer).unwrap();
        assert_eq!(whole.incarnation(), half.incarnation());
        assert_ne!(whole.version(), half.version());
        balancer.fields.put("state", Fact::Known("active_impaired".into()));
        assert_eq!(half, Target::of(&scope(), &balancer).unwrap(), "nobody did that");
    }

    #[test]
    fn what_is_empty_or_never_deleted_is_no_target() {
        let mut service = record(60);
        service.key.kind = "EcsService";
        assert!(matches!(Target::of(&scope(), &service), Err(TargetError::Kind(_))));
        let nameless = Live { id: " ".into(), ..record(60) };
        assert_eq!(Target::of(&scope(), &nameless), Err(TargetError::Empty("id")));
        let written = serde_json::to_string(&Target::of(&scope(), &record(60)).unwrap()).unwrap();
        assert!(serde_json::from_str::<Target>(&written).is_ok());
        let emptied = written.replace("example.com/api.example.com/CNAME/", "");
        assert!(serde_json::from_str::<Target>(&emptied).is_err(), "nor out of an edited ledger");
    }

    #[test]
    fn no_two_lists_of_parts_are_one_text() {
        let digest = |parts: &[&str]| {
            let mut canon = Canon::default();
            parts.iter().for_each(|part| canon.text(part));
            canon.digest()
        };
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
        assert_ne!(digest(&["a,1:b"]), digest(&["a", "b"]));
    }
}
