//! The desired state: what the manifests declare, resolved to physical identity per environment.
//!
//! Decides nothing; these are the words that manifests become and evaluation reads. Built only by
//! `manifest::load`, which has already refused what is ambiguous, duplicated or dangling.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::asks::Facet;
use super::drift::Severity;
use super::identity::{Ask, ObjectKey, ScopeKey, ScopeKind, Select};
use super::ignore::{Glob, Ignore};
use super::judge::Kind;
use super::template::Template;
use super::value::{Expect, Path, Source};

/// How much depends on an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// People depend on it.
    Production,
    /// A rehearsal of production.
    Staging,
    /// For developers.
    Development,
    /// A simulated or emulated cloud.
    Emulator,
}

impl Class {
    /// The name used in manifests and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
            Self::Emulator => "emulator",
        }
    }
}

/// One AWS account of an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Twelve digits.
    pub id: Arc<str>,
    /// Regions in use.
    pub regions: Vec<Arc<str>>,
    /// The role that observing assumes.
    pub observe_role: Option<Arc<str>>,
    /// Calls a second, by service name, where they differ from the defaults.
    pub budgets: BTreeMap<Arc<str>, f64>,
}

impl Account {
    /// Names the credentials that observe it: two environments may use two roles in one account.
    pub fn identity_key(&self) -> Arc<str> {
        match &self.observe_role {
            Some(role) => format!("{} {role}", self.id).into(),
            None => self.id.clone(),
        }
    }
}

/// A Cloud Foundry foundation, as one environment sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Foundation {
    /// The address of its API, without a slash at the end.
    pub api: Arc<str>,
    /// Host, and port where there is one, in lower case: what names the foundation.
    pub host: Arc<str>,
    /// Organisations by name, with the guid that a manifest pins.
    pub organizations: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// Whether every organisation that the role can see is meant.
    pub every: bool,
    /// How moored signs in for observing.
    pub auth: Auth,
}

impl Foundation {
    /// Names the credentials that observe it, and what they are held against: two environments may
    /// use two in one foundation, or pin other organisations.
    pub fn identity_key(&self) -> Arc<str> {
        let pins = self.organizations.iter().filter_map(|(name, guid)| Some(format!(" {name}={}", guid.as_ref()?)));
        format!("{} {}{}", self.host, self.auth.principal(), pins.collect::<String>()).into()
    }
}

/// How moored signs in; secrets are named by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A client of its own.
    Client {
        /// Its id.
        id: Arc<str>,
        /// The file with its secret.
        secret_file: Arc<str>,
    },
    /// A user.
    User {
        /// Its name.
        name: Arc<str>,
        /// The file with its password.
        password_file: Arc<str>,
    },
}

impl Auth {
    /// Who signs in.
    pub fn principal(&self) -> &Arc<str> {
        match self {
            Self::Client { id, .. } => id,
            Self::User { name, .. } => name,
        }
    }
}

/// What a scope is read with.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// An AWS account.
    Aws(Account),
    /// A Cloud Foundry foundation.
    CloudFoundry(Foundation),
    /// Nothing: whoever asks over HTTP is answered.
    Anybody,
}

impl Access {
    /// Names the credentials, where there are any.
    pub fn identity_key(&self) -> Option<Arc<str>> {
        match self {
            Self::Aws(account) => Some(account.identity_key()),
            Self::CloudFoundry(foundation) => Some(foundation.identity_key()),
            Self::Anybody => None,
        }
    }
}

/// An environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: Arc<str>,
    /// How much depends on it.
    pub class: Class,
    /// AWS accounts by alias.
    pub accounts: BTreeMap<Arc<str>, Account>,
    /// Its Cloud Foundry.
    pub foundation: Option<Foundation>,
    /// Names whose values may be shown.
    pub visible: BTreeSet<Arc<str>>,
    /// Where it is declared.
    pub source: Source,
}

/// What may be said about any resource beside its spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its loss takes the application down.
    pub vital: bool,
    /// Replaces the default severity by drift.
    pub severity: Option<Severity>,
    /// How long a change of the declaration, or a rollout, may take.
    pub settle: SignedDuration,
    /// Where a person reads on.
    pub runbook: Option<Arc<str>>,
    /// How to put it back.
    pub redeploy: Option<Arc<str>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { vital: false, severity: None, settle: SignedDuration::from_mins(10), runbook: None, redeploy: None }
    }
}

/// The parent of an owned thing, found in its scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parent {
    /// Where to look.
    pub scope: ScopeKey,
    /// What for.
    pub ask: Ask,
    /// The name a person knows it by.
    pub name: Arc<str>,
}

/// One declared resource in one environment.
#[derive(Clone)]
pub struct Declared {
    /// The environment.
    pub environment: Arc<str>,
    /// How its kind looks at it.
    pub kind: &'static dyn Kind,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Where it is observed.
    pub scope: ScopeKey,
    /// How it is found there.
    pub select: Select,
    /// The physical identity that it has, or would have.
    pub id: Arc<str>,
    /// What its fields should be.
    pub expects: Vec<(Path, Expect)>,
    /// Fields that the manifest names without saying what they should be.
    pub not_compared: Vec<String>,
    /// The details that `expects` needs.
    pub facets: BTreeSet<Facet>,
    /// Declared gone (`state: absent`).
    pub absent: bool,
    /// Whose leftover it is when the owner is gone.
    pub owned_by: Option<Parent>,
    /// Policy.
    pub policy: Policy,
    /// The application it is part of.
    pub application: Arc<str>,
    /// `labels.team`.
    pub team: Option<Arc<str>>,
    /// All labels, for filters.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Where it is declared.
    pub source: Source,
    /// Changes when what is declared changes.
    pub digest: u64,
}

impl Declared {
    /// Fields that are not compared, and why: kept as `memory (no vars file has ((memory)))`.
    pub fn left_open(&self) -> impl Iterator<Item = (&str, &str)> {
        self.not_compared.iter().map(|told| match told.split_once(" (") {
            Some((path, why)) => (path, why.strip_suffix(')').unwrap_or(why)),
            None => (told.as_str(), "the manifest leaves it open"),
        })
    }

    /// What to ask its scope for.
    pub fn ask(&self) -> Ask {
        Ask { kind: self.kind.name(), select: self.select.clone() }
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.environment, self.kind.name(), self.name)
    }
}

/// What happens to a StateTable's items when their parent is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum WhenParentGone {
    /// A finding, no plan.
    #[default]
    Report,
    /// No finding: the cure is the parent.
    Keep,
    /// A finding and a plan.
    Prune,
}

/// A piece template of a StateTable: what one item says the deployer made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// `LoadBalancer`, `DnsRecord`, `HealthCheck`, `TargetGroup`.
    pub kind: &'static str,
    /// Where the piece is observed; the load balancers' scope of the table's account by default.
    pub scope: ScopeKey,
    /// How its name is made.
    pub naming: Naming,
    /// A missing attribute means that there is no such piece.
    pub optional: bool,
    /// A list attribute: one piece for each of its entries.
    pub for_each: Option<Template>,
}

/// How a piece or parent is named by an item's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// The scope's own key (service name, health check id).
    Key(Template),
    /// A full ARN, which must lie in the piece's own account and region.
    Arn(Template),
    /// A DNS record: owner name, type, set identifier.
    Record {
        /// The name, normalised after expansion.
        name: Template,
        /// Such as `CNAME`.
        record_type: Arc<str>,
        /// For records with a routing policy.
        set: Option<Template>,
    },
}

/// A deployer's own table: one item per service, and what was made for it.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTable {
    /// The resource itself: name, scope, policy, source.
    pub declared: Arc<Declared>,
    /// The partition attribute, and the sort attribute where there is one.
    pub key: (Arc<str>, Option<Arc<str>>),
    /// The parent's kind.
    pub parent_kind: &'static str,
    /// The parent's scope.
    pub parent_scope: ScopeKey,
    /// The parent's name, from the item.
    pub parent_name: Template,
    /// When the item was written, from the item: settle counts from here.
    pub written_at: Option<Template>,
    /// What its orphans are.
    pub when_parent_gone: WhenParentGone,
    /// What else the item names.
    pub pieces: Vec<Piece>,
}

/// What may live in a scope besides what is declared, and what must not be lost there.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    /// The resource itself: name, scope, policy, source.
    pub declared: Arc<Declared>,
    /// What it says.
    pub rules: InventoryRules,
}

impl Inventory {
    /// Its environment and name, by which memory knows it.
    pub fn key(&self) -> (Arc<str>, Arc<str>) {
        (self.declared.environment.clone(), self.declared.name.clone())
    }
}

/// What of a scope an inventory looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within {
    /// These kinds alone; all of them if it names none.
    pub kinds: BTreeSet<&'static str>,
    /// Only what lies in this space: keys that begin like this.
    pub prefix: Option<Arc<str>>,
}

impl Within {
    /// Whether a thing is one of those.
    pub fn covers(&self, key: &ObjectKey) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(key.kind))
            && self.prefix.as_ref().is_none_or(|prefix| key.key.starts_with(&**prefix))
    }
}

/// What an Inventory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryRules {
    /// What it looks at.
    pub within: Within,
    /// Anything that no manifest declares is `unexpected`.
    pub exhaustive: bool,
    /// What may come and go.
    pub except: Vec<Exception>,
    /// What was there and is proven gone is `vanished`.
    pub vanished: bool,
    /// When too much is gone at once.
    pub census: Option<Census>,
    /// Its collapse makes the environment `down`.
    pub decides: bool,
}

impl InventoryRules {
    /// Changes when what is counted does (FNV-1a over numbers alone: a later version of moored gives
    /// the same). Nothing in it is secret, so that it needs no key.
    pub fn digest(&self) -> u64 {
        let census = self.census.map(|census| (census.max_drop, census.over.as_secs(), census.floor));
        let (drop, over, floor) = census.unwrap_or_default();
        let text = format!("1 {} {} {drop} {over} {floor}", u8::from(self.vanished), u8::from(census.is_some()));
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// What may come and go in an inventory's scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its kind, or any.
    pub kind: Option<&'static str>,
    /// Its names.
    pub glob: Glob,
    /// For how long one such thing may be there.
    pub at_most: Option<SignedDuration>,
}

/// When too much is gone at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// The part that may be lost, in per cent.
    pub max_drop: u8,
    /// Within this time.
    pub over: SignedDuration,
    /// Of at least this many.
    pub floor: u32,
}

/// One accepted reading of a manifest root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The root as given on the command line.
    pub root: Arc<str>,
    /// SHA-256 over its files, hex.
    pub digest: Arc<str>,
    /// The commit, in a checkout.
    pub commit: Option<Arc<str>>,
    /// Whether the checkout has changes.
    pub dirty: bool,
    /// Whether the newest reading of the root was accepted.
    pub accepted: bool,
}

impl PartialEq for Declared {
    /// The digest covers all that is declared; where it stands may move without a change.
    fn eq(&self, other: &Self) -> bool {
        let name = |declared: &Self| (declared.environment.clone(), declared.kind.name(), declared.name.clone());
        name(self) == name(other)
            && (self.digest, &self.source, &self.application, &self.team, &self.labels, &self.policy)
                == (other.digest, &other.source, &other.application, &other.team, &other.labels, &other.policy)
            && (&self.scope, &self.select, &self.expects) == (&other.scope, &other.select, &other.expects)
            && (self.absent, &self.owned_by) == (other.absent, &other.owned_by)
    }
}

impl Environment {
    /// Every identity that it is read with: what is checked (account or API host), and whose
    /// credentials.
    pub fn identities(&self) -> impl Iterator<Item = (&Arc<str>, Arc<str>)> {
        let accounts = self.accounts.values().map(|account| (&account.id, account.identity_key()));
        accounts.chain(self.foundation.iter().map(|foundation| (&foundation.host, foundation.identity_key())))
    }

    /// What it reads a scope with, if that is one of its own.
    pub fn access(&self, scope: &ScopeKey) -> Option<Access> {
        match scope.kind {
            ScopeKind::HttpProbe => Some(Access::Anybody),
            ScopeKind::CfFoundation | ScopeKind::CfOrganization => {
                let own = self.foundation.as_ref().filter(|foundation| foundation.host == scope.account);
                own.cloned().map(Access::CloudFoundry)
            }
            _ => self.accounts.values().find(|account| account.id == scope.account).cloned().map(Access::Aws),
        }
    }
}

/// Everything declared, by all roots together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// By name.
    pub environments: BTreeMap<Arc<str>, Arc<Environment>>,
    /// Sorted by environment, kind and name.
    pub resources: Vec<Arc<Declared>>,
    /// StateTables, in the same order.
    pub tables: Vec<Arc<StateTable>>,
    /// Inventories, in the same order.
    pub inventories: Vec<Arc<Inventory>>,
    /// Ignores.
    pub ignores: Vec<Arc<Ignore>>,
    /// One per root.
    pub revisions: Vec<Revision>,
    /// Roots of which no revision is in force: what they declare is not known.
    pub unread_roots: Vec<Arc<str>>,
}
