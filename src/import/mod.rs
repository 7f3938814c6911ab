//! Import: what is live becomes manifests that a person reviews.
//!
//! Decides what of a scope is worth a manifest ([`scope`]), which application each thing belongs to
//! ([`grouping`]), what it is called ([`naming`]) and how it is written ([`writing`]); and refuses
//! to hand out anything that would read as drift a moment later ([`proof`]). Never writes to a
//! cloud, never declares what a manifest declares already, never writes half of what it found. The
//! command `moored import` calls it. [`echo`] finds the exports that somebody else made.

pub mod echo;
pub mod grouping;
pub mod naming;
pub mod output;
pub mod proof;
pub mod reading;
pub mod scope;
pub mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::desired::{Access, Desired, Environment};
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::observation::{Failure, Live};
use crate::core::redact::Redactor;
use crate::kinds::importing::{ImportSetting, Imported};
use crate::kinds::setting::Setting;
use crate::kinds::{self, buildpacks, inventory};
use grouping::Member;
use naming::Wish;
use reading::{Found, Seen};
use writing::Manifest;

/// What is imported, and into which environment.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the manifests in force declare.
    pub desired: &'a Desired,
    /// Whose manifests are written.
    pub environment: &'a Environment,
    /// What is read.
    pub scopes: &'a BTreeSet<ScopeKey>,
    /// Of these organisations only what lies in these spaces, in lower case.
    pub spaces: &'a BTreeMap<ScopeKey, BTreeSet<Arc<str>>>,
}

impl<'a> Request<'a> {
    /// What a scope is read with: the environment's own, or that of whoever declares it.
    pub fn access(&self, scope: &ScopeKey) -> Option<Access> {
        let others = self.desired.environments.values().map(|environment| &**environment);
        std::iter::once(self.environment).chain(others).find_map(|environment| environment.access(scope))
    }

    /// Whether a thing lies where it is looked for.
    pub fn covers(&self, scope: &ScopeKey, live: &Live) -> bool {
        let Some(spaces) = self.spaces.get(scope) else { return true };
        let within = |space: &Arc<str>| live.key.key.strip_prefix(&**space).is_some_and(|rest| rest.starts_with('/'));
        spaces.iter().any(within)
    }
}

/// Why there is no import. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A scope, or a detail of a thing in it, could not be read.
    #[error("{scope} could not be read whole, and half an import would be a lie: {failure}")]
    Unread {
        /// Which one.
        scope: Box<ScopeKey>,
        /// What went wrong.
        failure: Failure,
    },
    /// Things come and go faster than they are read.
    #[error("{scope} keeps changing while it is read; try again when no deployment is under way")]
    Restless {
        /// Which one.
        scope: Box<ScopeKey>,
    },
    /// What was written is no manifest, or says something else than what was read.
    #[error(
        "the import does not say what was read, which is a bug of moored, please report it; nothing was written:\n{0}"
    )]
    Untrue(String),
}

/// The manifests of an import, by file.
#[derive(Debug, Default)]
pub struct Import {
    /// Texts by the paths of their files.
    pub files: BTreeMap<String, String>,
    /// What was left out and how much of it: one line each.
    pub left_out: BTreeMap<String, u32>,
    /// Kinds and names of what is declared.
    pub declared: BTreeSet<(&'static str, Arc<str>)>,
}

/// Makes manifests of everything that was found and is worth one.
pub fn manifests(request: &Request<'_>, seen: &Seen, redactor: &Redactor) -> Import {
    let mut import = Import { left_out: seen.left_out.clone(), ..Import::default() };
    let mut found: Vec<(&ScopeKey, &Arc<Live>, Imported)> = Vec::new();
    for Found { scope, live } in &seen.found {
        let Some(how) = kinds::find(live.key.kind).and_then(|entry| entry.import.as_ref()) else { continue };
        let (account, region) = place(request, scope, redactor);
        let setting = ImportSetting { scope, account: account.as_deref(), region: region.as_deref() };
        match (how.declare)(live, &setting) {
            Ok(mut imported) => {
                if scope.kind == ScopeKind::CfOrganization && goes_without_saying(request, scope, redactor) {
                    imported.spec.shift_remove("organization");
                }
                found.push((scope, live, imported));
            }
            Err(reason) => *import.left_out.entry(reason.to_owned()).or_default() += 1,
        }
    }
    let wishes: Vec<Wish<'_>> =
        found.iter().map(|(_, live, imported)| Wish { kind: live.key.kind, names: &imported.names }).collect();
    let names = naming::choose(&wishes, &taken(request));
    let members: Vec<Member<'_>> =
        seen.world.iter().map(|(live, application)| Member { live, application: application.as_deref() }).collect();
    let applications = grouping::applications(&members);
    let mut manifests = Vec::with_capacity(found.len());
    for ((scope, live, imported), name) in found.into_iter().zip(names) {
        import.declared.insert((live.key.kind, name.as_str().into()));
        let application = applications.get(&live.id).map(|application| naming::label(application));
        manifests.push(Manifest { kind: live.key.kind, name, application, scope, imported });
    }
    import.files = writing::files(&request.environment.name, manifests);
    import
}

/// The account's alias and the region of a scope, where a manifest has to name them.
fn place(request: &Request<'_>, scope: &ScopeKey, redactor: &Redactor) -> (Option<Arc<str>>, Option<Arc<str>>) {
    if matches!(scope.kind, ScopeKind::CfOrganization | ScopeKind::CfFoundation) {
        return (None, None);
    }
    let setting = Setting::new(request.environment, "", redactor);
    let default = setting.account(None).ok().filter(|account| account.id == scope.account);
    let named = request.environment.accounts.iter().find(|(_, account)| account.id == scope.account);
    let alias = named.filter(|_| default.is_none()).map(|(alias, _)| alias.clone());
    let account = default.or(named.map(|(_, account)| account));
    let implied = account.and_then(|account| setting.region(account, None).ok());
    let region = (implied.as_ref() != Some(&scope.region)).then(|| scope.region.clone());
    (alias, region)
}

/// Whether a manifest that names no organisation means this one.
fn goes_without_saying(request: &Request<'_>, scope: &ScopeKey, redactor: &Redactor) -> bool {
    Setting::new(request.environment, "", redactor).organization(None).is_ok_and(|implied| implied == *scope)
}

/// Names that manifests of the environment have already. An Inventory is a part of each manifest of
/// buildpacks, and has its name.
fn taken(request: &Request<'_>) -> BTreeSet<(&'static str, Arc<str>)> {
    let mut taken = BTreeSet::new();
    for declared in request.desired.resources.iter().filter(|known| known.environment == request.environment.name) {
        let kind = declared.kind.name();
        taken.insert((kind, declared.name.clone()));
        if kind == inventory::KIND {
            taken.insert((buildpacks::KIND, declared.name.clone()));
        }
    }
    taken
}
