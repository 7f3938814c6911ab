//! `moored import`: what is live, as manifests that a person reviews.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::options::{self, CloudOption, Manifests};
use super::{Outcome, output, render, setup};
use crate::core::desired::{Account, Desired, Environment};
use crate::core::filter::Filter;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::redact::Redactor;
use crate::engine::reader::Shared;
use crate::engine::roots;
use crate::import::reading::Seen;
use crate::import::{self, Request, output as files, proof, reading};
use crate::kinds::dns_record::name;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::table_item::spec::table_problem;
use crate::manifest::envelope::REVIEWED;
use crate::manifest::load::Parsed;

/// Write manifests of what is live and not declared yet, for a person to review
///
/// Reads the scopes that the flags name (or those of the environment's Inventory manifests) and writes one file for each
/// application, by the tag or label `app` or the name of the service or app, and one for the rest of each scope. What a
/// manifest declares already is left out, and so is what the items of a StateTable name. Values that the Environment
/// does not list under `visible` are never written.
///
/// Every manifest is marked `moored.dev/reviewed: "false"`: what is live may be wrong. Until a person has read it and
/// says "true", its findings are info at most and nothing is repaired by it. Before anything is written, the import is
/// checked against what was read: `moored check` right after it finds no drift in it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  moored import --environment production --cluster harbor --load-balancers --output imported\n  moored import --environment production --hosted-zone dns:example.com --health-checks --output -\n  moored import --environment production --cf-organization gds --cf-space production --output imported\n\nThen: read the files, move them below your --desired-state, `moored validate`, `moored check`.\n\nExit codes: 0 written, or nothing to write · 1 nothing was written: a scope could not be read whole, or a file is in the way"
)]
pub struct Import {
    #[command(flatten)]
    manifests: Manifests,
    /// The environment that the manifests are for; an Environment manifest declares it
    #[arg(long, value_name = "NAME")]
    environment: String,
    /// The services of this ECS cluster (may be given several times)
    #[arg(long = "cluster", value_name = "NAME", help_heading = "What to import")]
    clusters: Vec<String>,
    /// The records of this hosted zone, with the alias of its account if that is another
    #[arg(long = "hosted-zone", value_name = "[ACCOUNT:]ZONE", help_heading = "What to import")]
    zones: Vec<String>,
    /// The items of this DynamoDB table; it is scanned, which costs read capacity
    #[arg(long = "table", value_name = "NAME", help_heading = "What to import")]
    tables: Vec<String>,
    /// The Route 53 health checks of the account
    #[arg(long, help_heading = "What to import")]
    health_checks: bool,
    /// The load balancers and target groups of the account and region
    #[arg(long, help_heading = "What to import")]
    load_balancers: bool,
    /// The apps and service instances of this Cloud Foundry organisation (may be given several times)
    #[arg(long = "cf-organization", value_name = "NAME", help_heading = "What to import")]
    organizations: Vec<String>,
    /// Only what lies in this space of it, or of the environment's only organisation (may be given several times)
    #[arg(long = "cf-space", value_name = "NAME", help_heading = "What to import")]
    spaces: Vec<String>,
    /// The buildpacks of the Cloud Foundry foundation, in their order
    #[arg(long = "cf-foundation", help_heading = "What to import")]
    foundation: bool,
    /// The account, by its alias in the Environment (default: main, or the only one)
    #[arg(long, value_name = "ALIAS", help_heading = "What to import")]
    account: Option<String>,
    /// The region (default: the only one of the account)
    #[arg(long, value_name = "REGION", help_heading = "What to import")]
    region: Option<String>,
    /// Where to write the files; existing ones are never overwritten. `-` prints them
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    cloud: CloudOption,
}

impl Import {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let redactor = setup::State::open(None)?.redactor;
        let (_, desired) = setup::load(&self.manifests, &redactor)?;
        let filter = Filter { environments: vec![self.environment.clone()], ..Filter::default() };
        options::check_environments(&filter, &desired)?;
        let environment = desired.environments.get(self.environment.as_str()).context("no such environment")?.clone();
        let Range { scopes, spaces } = self.range(&desired, &environment, &redactor)?;
        let request = Request { desired: &desired, environment: &environment, scopes: &scopes, spaces: &spaces };
        let clock = setup::clock(&self.cloud)?;
        let parts = setup::parts(&desired, &self.cloud, redactor.clone(), clock.clone(), Duration::from_secs(60))?;

        let seen = read(&request, &parts.shared)?;
        let import = import::manifests(&request, &seen, &redactor);
        for why in &seen.unchecked {
            warn(&format!("not imported, since the role may not read it: {why}"));
        }
        for (reason, count) in &import.left_out {
            tell(&format!("left out: {count} × {reason}"));
        }
        if import.declared.is_empty() {
            tell("nothing to import: all that is there is declared, or left out");
            return Ok(Outcome::Fine);
        }
        for trouble in proof::prove(&request, &import, self.in_force()?, &seen, &redactor, clock.now())? {
            warn(&format!("{trouble}; it is imported as it is"));
        }
        if self.output.as_os_str() == "-" {
            output::text(printed(&import.files))?;
        } else {
            files::write(&self.output, &import.files)?;
        }
        let target =
            if self.output.as_os_str() == "-" { "stdout".to_owned() } else { self.output.display().to_string() };
        tell(&format!(
            "imported: {} manifest(s) in {} file(s) to {target}; read them, then set {REVIEWED}: \"true\"",
            import.declared.len(),
            import.files.len()
        ));
        Ok(Outcome::Fine)
    }

    /// What the flags name; without any, what the environment's inventories watch.
    fn range(&self, desired: &Desired, environment: &Environment, redactor: &Redactor) -> anyhow::Result<Range> {
        let places = Places { setting: Setting::new(environment, "", redactor), region: self.region.as_deref() };
        let alias = self.account.as_deref();
        let mut scopes = BTreeSet::new();
        for cluster in &self.clusters {
            if cluster.is_empty() || cluster.contains([':', '/']) {
                bail!("--cluster {cluster}: give the cluster's name alone, not an ARN");
            }
            scopes.insert(places.regional(ScopeKind::EcsCluster, alias, cluster)?);
        }
        for zone in &self.zones {
            let (alias, zone) = match zone.split_once(':') {
                Some((alias, zone)) => (Some(alias), zone),
                None => (alias, zone.as_str()),
            };
            let zone = name::declared(zone).map_err(|problem| anyhow!("--hosted-zone: {problem}"))?;
            scopes.insert(places.global(ScopeKind::HostedZone, alias, &zone)?);
        }
        for table in &self.tables {
            if let Some(problem) = table_problem(table) {
                bail!("--table {table}: {}", said(&problem));
            }
            scopes.insert(places.regional(ScopeKind::Table, alias, table)?);
        }
        if self.health_checks {
            scopes.insert(places.global(ScopeKind::HealthChecks, alias, "")?);
        }
        if self.load_balancers {
            scopes.insert(places.regional(ScopeKind::LoadBalancers, alias, "")?);
        }
        if self.foundation {
            scopes.insert(places.foundation()?);
        }
        let organizations = self.organizations(&places)?;
        let spaces = self.spaces(&organizations)?;
        scopes.extend(organizations);
        let range = if scopes.is_empty() { inventoried(desired, environment) } else { Range { scopes, spaces } };
        if range.scopes.is_empty() {
            bail!(
                "what is to be imported? Name it with --cluster NAME, --hosted-zone [ACCOUNT:]ZONE, --load-balancers, --health-checks, --table NAME, --cf-organization NAME or --cf-foundation, or declare an Inventory of {}",
                environment.name
            );
        }
        Ok(range)
    }

    fn organizations(&self, places: &Places<'_>) -> anyhow::Result<BTreeSet<ScopeKey>> {
        let mut organizations = BTreeSet::new();
        for name in &self.organizations {
            organizations.insert(places.organization(Some(name.as_str()))?);
        }
        if organizations.is_empty() && !self.spaces.is_empty() {
            organizations.insert(places.organization(None)?);
        }
        Ok(organizations)
    }

    /// The spaces of each organisation that are meant, where not all are. Cloud Foundry does not tell
    /// them apart by case.
    fn spaces(&self, organizations: &BTreeSet<ScopeKey>) -> anyhow::Result<Spaces> {
        if self.spaces.is_empty() {
            return Ok(Spaces::new());
        }
        if organizations.len() > 1 {
            bail!("--cf-space: of which organisation? Give one --cf-organization with it");
        }
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for name in &self.spaces {
            if name.trim().is_empty() {
                bail!("--cf-space: the name is empty");
            }
            names.insert(name.to_lowercase().into());
        }
        Ok(organizations.iter().map(|scope| (scope.clone(), names.clone())).collect())
    }

    /// The manifests in force, read again: they may have changed while the cloud was read.
    fn in_force(&self) -> anyhow::Result<Vec<Arc<Parsed>>> {
        let read = |root: &PathBuf| {
            roots::read(root)
                .map(Arc::new)
                .map_err(|rejected| anyhow!("the manifests changed meanwhile:\n{}", rejected.render(false)))
        };
        self.manifests.roots.iter().map(read).collect()
    }
}

/// Of some organisations only these spaces.
type Spaces = BTreeMap<ScopeKey, BTreeSet<Arc<str>>>;

/// What is imported.
struct Range {
    scopes: BTreeSet<ScopeKey>,
    spaces: Spaces,
}

/// Where scopes lie that flags name.
struct Places<'a> {
    setting: Setting<'a>,
    region: Option<&'a str>,
}

impl<'a> Places<'a> {
    fn account(&self, alias: Option<&str>) -> anyhow::Result<&'a Account> {
        self.setting.account(alias).map_err(|problem| anyhow!("--account: {}", said(&problem)))
    }

    fn regional(&self, kind: ScopeKind, alias: Option<&str>, thing: &str) -> anyhow::Result<ScopeKey> {
        let account = self.account(alias)?;
        let region = self.setting.region(account, self.region);
        let region = region.map_err(|problem| anyhow!("--region: {}", said(&problem)))?;
        Ok(ScopeKey::new(kind, &account.id, &region, thing))
    }

    fn global(&self, kind: ScopeKind, alias: Option<&str>, thing: &str) -> anyhow::Result<ScopeKey> {
        Ok(ScopeKey::new(kind, &self.account(alias)?.id, "global", thing))
    }

    fn organization(&self, name: Option<&str>) -> anyhow::Result<ScopeKey> {
        let organization = self.setting.organization(name);
        organization.map_err(|problem| anyhow!("--cf-organization: {}", said(&problem)))
    }

    fn foundation(&self) -> anyhow::Result<ScopeKey> {
        self.setting.platform().map_err(|problem| anyhow!("--cf-foundation: {}", said(&problem)))
    }
}

fn said(problem: &SpecProblem) -> String {
    match &problem.hint {
        Some(hint) => format!("{} ({hint})", problem.message),
        None => problem.message.clone(),
    }
}

/// What an environment's inventories watch; of a table only where a flag names it, and of an
/// organisation only the spaces that are watched, unless all of it is.
fn inventoried(desired: &Desired, environment: &Environment) -> Range {
    let (mut scopes, mut whole, mut spaces) = (BTreeSet::new(), BTreeSet::new(), Spaces::new());
    for inventory in &desired.inventories {
        let scope = &inventory.declared.scope;
        if inventory.declared.environment != environment.name || scope.kind == ScopeKind::Table {
            continue;
        }
        scopes.insert(scope.clone());
        match &inventory.rules.within.prefix {
            Some(prefix) => {
                let watched: &mut BTreeSet<Arc<str>> = spaces.entry(scope.clone()).or_default();
                watched.insert(prefix.trim_end_matches('/').into());
            }
            None => {
                whole.insert(scope.clone());
            }
        }
    }
    spaces.retain(|scope, _| !whole.contains(scope));
    Range { scopes, spaces }
}

fn read(request: &Request<'_>, shared: &Arc<Shared>) -> anyhow::Result<Seen> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let bar = setup::progress();
    bar.set_length(request.scopes.len() as u64);
    let mut begun = BTreeSet::new();
    let seen = runtime.block_on(reading::read(request, shared, |scope| {
        begun.insert(scope.to_owned());
        bar.set_position(begun.len() as u64);
        bar.set_message(scope.to_owned());
    }));
    bar.finish_and_clear();
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(seen?)
}

/// All files one after the other, each under its name.
fn printed(files: &BTreeMap<String, String>) -> String {
    let texts: Vec<String> = files.iter().map(|(file, text)| format!("# {file}\n{text}")).collect();
    texts.join("---\n")
}

/// What a person is told on stderr; names come from a cloud.
fn tell(line: &str) {
    anstream::eprintln!("{}", render::clean(line));
}

fn warn(line: &str) {
    tell(&format!("warning: {line}"));
}
