//! What a manifest of kind Inventory says: which scope, what may be there, what must not be lost.
//!
//! Decides, at load, that it names one scope that the Environment has, and that its bounds make
//! sense. Never looks at what is live. The loader calls [`resolve`] through the kind's entry.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::core::desired::{Census, Exception, InventoryRules, Within};
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::ignore::Glob;
use crate::kinds::dns_record::name;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::table_item::spec::table_problem;
use crate::kinds::{self, Declaration, Rules};

/// What may live in a scope besides what is declared there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventorySpec {
    /// Where it looks: exactly one of the scopes.
    pub scope: ScopeSpec,
    /// Whether anything that no manifest declares is `unexpected`.
    #[serde(default)]
    pub exhaustive: bool,
    /// What may come and go undeclared.
    #[serde(default)]
    pub except: Vec<ExceptSpec>,
    /// What is watched without being declared.
    pub watch: Option<WatchSpec>,
    /// Whether the collapse of this scope makes the environment `down`: needs `watch.maxDrop`.
    pub decides: Option<Decides>,
}

/// Where an inventory looks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeSpec {
    /// The records of this Route 53 zone.
    pub hosted_zone: Option<String>,
    /// The services of this ECS cluster.
    pub ecs_cluster: Option<String>,
    /// The items of this DynamoDB table. It is scanned, which costs read capacity.
    pub table: Option<String>,
    /// The health checks of the account, if `true`.
    #[serde(default)]
    pub health_checks: bool,
    /// The load balancers and target groups of the account and region, if `true`.
    #[serde(default)]
    pub load_balancers: bool,
    /// The applications, service instances and bindings of this Cloud Foundry space.
    pub cf_space: Option<String>,
    /// The same of this whole Cloud Foundry organisation; beside `cfSpace` the space's own, which
    /// may be left out where the Environment has one alone.
    pub cf_organization: Option<String>,
    /// The applications of the whole Cloud Foundry foundation, if `true`.
    #[serde(default)]
    pub cf_foundation: bool,
    /// The alias of the account in the Environment; `main`, or the only one, by default.
    pub account: Option<String>,
    /// The region; by default the only one of the account. Not for zones and health checks.
    pub region: Option<String>,
}

/// What may come and go undeclared.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExceptSpec {
    /// The names; `*` is any run of characters, `?` any one, `\052` a `*` itself. In Cloud Foundry
    /// the whole of it (`space/app`) or its end (`app`), in any case.
    pub name: String,
    /// The kind, such as `TargetGroup`; any by default.
    pub kind: Option<String>,
    /// For how long such a thing may be there, such as `45m`; for ever by default.
    pub at_most: Option<String>,
}

/// What is watched without being declared.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchSpec {
    /// Whether a thing that was there and is proven gone is `vanished`.
    #[serde(default)]
    pub vanished: bool,
    /// Mass loss: more than this part of what was there, such as `20%`, is gone within `over`.
    pub max_drop: Option<String>,
    /// The time within which `maxDrop` counts: `10m` by default.
    pub over: Option<String>,
    /// Fewer things than this are too few to count: 10 by default.
    pub floor: Option<u32>,
}

/// What an inventory decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decides {
    /// Mass loss makes the environment `down`.
    Environment,
}

const OVER: SignedDuration = SignedDuration::from_mins(10);
const FLOOR: u32 = 10;

/// Resolves a spec in one environment.
pub fn resolve(spec: &InventorySpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let mut problems = Vec::new();
    let place = keep(place(&spec.scope, setting), &mut problems);
    if spec.exhaustive && spec.scope.cf_foundation {
        problems.push(
            SpecProblem::at(["exhaustive"], "an app is declared in its organisation, not in the foundation")
                .hint("use `cfOrganization`, or kind Buildpacks for what the foundation itself has"),
        );
    }
    let except = exceptions(&spec.except, spelling(&spec.scope), &mut problems);
    let census = spec.watch.as_ref().and_then(|watch| census(watch, &mut problems));
    let vanished = spec.watch.as_ref().is_some_and(|watch| watch.vanished);
    if spec.decides.is_some() && census.is_none() && problems.is_empty() {
        problems.push(
            SpecProblem::at(["decides"], "nothing here can collapse")
                .hint("add `watch: {maxDrop: 20%}`: mass loss is what makes the environment `down`"),
        );
    }
    match place {
        Some(Place { scope, within, part }) if problems.is_empty() => Ok(Declaration {
            id: format!("inventory/{scope}{part}").into(),
            // Environments that share a scope may each have an inventory of it, or of a part of it.
            select: Select::Key(format!("{}{part}", setting.environment.name).into()),
            scope,
            expects: Vec::new(),
            facets: BTreeSet::new(),
            rules: Some(Rules::Inventory(InventoryRules {
                within,
                exhaustive: spec.exhaustive,
                except,
                vanished,
                census,
                decides: spec.decides.is_some(),
            })),
            not_compared: Vec::new(),
        }),
        _ => Err(problems),
    }
}

/// What an inventory looks at.
struct Place {
    scope: ScopeKey,
    within: Within,
    /// Tells it from inventories of other parts of the scope.
    part: String,
}

impl Place {
    fn whole(scope: ScopeKey) -> Self {
        Self { scope, within: Within::default(), part: String::new() }
    }
}

fn place(spec: &ScopeSpec, setting: &Setting<'_>) -> Result<Place, SpecProblem> {
    // Beside a space, the organisation says which one of that name is meant.
    let organization = spec.cf_organization.as_deref().filter(|_| spec.cf_space.is_none());
    let named = [
        ("hostedZone", ScopeKind::HostedZone, spec.hosted_zone.as_deref()),
        ("ecsCluster", ScopeKind::EcsCluster, spec.ecs_cluster.as_deref()),
        ("table", ScopeKind::Table, spec.table.as_deref()),
        ("healthChecks", ScopeKind::HealthChecks, spec.health_checks.then_some("")),
        ("loadBalancers", ScopeKind::LoadBalancers, spec.load_balancers.then_some("")),
        ("cfSpace", ScopeKind::CfOrganization, spec.cf_space.as_deref()),
        ("cfOrganization", ScopeKind::CfOrganization, organization),
        ("cfFoundation", ScopeKind::CfFoundation, spec.cf_foundation.then_some("")),
    ];
    let mut given = named.into_iter().filter_map(|(field, kind, thing)| Some((field, kind, thing?)));
    let (field, kind, thing) = match (given.next(), given.next()) {
        (Some(only), None) => only,
        (None, _) => {
            return Err(SpecProblem::at(["scope"], "the inventory names no scope")
                .hint("such as `hostedZone: example.com`, `ecsCluster: wonderland` or `cfSpace: production`"));
        }
        (Some((first, ..)), Some((second, ..))) => {
            return Err(SpecProblem::at(["scope"], format!("the inventory names two scopes: {first} and {second}"))
                .hint("write one inventory for each"));
        }
    };
    match kind {
        ScopeKind::CfOrganization | ScopeKind::CfFoundation => in_cloud_foundry(spec, field, thing, setting),
        _ => in_account(spec, field, kind, thing, setting).map(Place::whole),
    }
}

fn in_cloud_foundry(
    spec: &ScopeSpec,
    field: &'static str,
    thing: &str,
    setting: &Setting<'_>,
) -> Result<Place, SpecProblem> {
    for (other, given) in [("account", &spec.account), ("region", &spec.region)] {
        if given.is_some() {
            let message = format!("`{field}` has no {other}: Cloud Foundry is no part of an AWS account");
            return Err(SpecProblem::at(["scope", other], message).hint(format!("leave `{other}` out")));
        }
    }
    if field == "cfFoundation" {
        let scope = setting.platform().map_err(of_scope)?;
        // Its buildpacks are the matter of the kind that declares them.
        let within = Within { kinds: BTreeSet::from([kinds::app::KIND]), prefix: None };
        return Ok(Place { scope, within, part: String::new() });
    }
    if spec.cf_organization.is_some() && spec.cf_space.is_some() && !is_named(spec.cf_organization.as_deref()) {
        return Err(SpecProblem::at(["scope", "cfOrganization"], "the organisation has no name")
            .hint("name the organisation of the space, or leave `cfOrganization` out"));
    }
    if !is_named(Some(thing)) {
        let what = if field == "cfSpace" { "space" } else { "organisation" };
        return Err(SpecProblem::at(["scope", field], format!("the {what} has no name")).hint("such as `production`"));
    }
    let scope = setting.organization(spec.cf_organization.as_deref()).map_err(|problem| SpecProblem {
        path: match problem.path.is_empty() {
            true => vec!["scope".to_owned()],
            false => vec!["scope".to_owned(), "cfOrganization".to_owned()],
        },
        hint: problem.hint.map(|hint| hint.replace("`organization:`", "`cfOrganization:`")),
        ..problem
    })?;
    if field == "cfOrganization" {
        return Ok(Place::whole(scope));
    }
    // Cloud Foundry does not tell spaces apart by case, and keys have them in lower case.
    let space = thing.to_lowercase();
    let within = Within { kinds: BTreeSet::new(), prefix: Some(format!("{space}/").into()) };
    Ok(Place { scope, within, part: format!("/{space}") })
}

fn is_named(name: Option<&str>) -> bool {
    name.is_some_and(|name| !name.trim().is_empty())
}

fn of_scope(mut problem: SpecProblem) -> SpecProblem {
    problem.path.insert(0, "scope".to_owned());
    problem
}

fn in_account(
    spec: &ScopeSpec,
    field: &'static str,
    kind: ScopeKind,
    thing: &str,
    setting: &Setting<'_>,
) -> Result<ScopeKey, SpecProblem> {
    let account = setting.account(spec.account.as_deref()).map_err(of_scope)?;
    let global = matches!(kind, ScopeKind::HostedZone | ScopeKind::HealthChecks);
    if global && spec.region.is_some() {
        return Err(SpecProblem::at(["scope", "region"], format!("`{field}` has no region: Route 53 is global"))
            .hint("leave `region` out"));
    }
    let region = match global {
        true => "global".into(),
        false => setting.region(account, spec.region.as_deref()).map_err(of_scope)?,
    };
    let thing = match kind {
        ScopeKind::HostedZone => {
            name::declared(thing).map_err(|problem| SpecProblem::at(["scope", field], problem.to_string()))?
        }
        ScopeKind::Table => match table_problem(thing) {
            Some(problem) => return Err(SpecProblem { path: vec!["scope".to_owned(), field.to_owned()], ..problem }),
            None => thing.to_owned(),
        },
        _ => thing.to_owned(),
    };
    if kind == ScopeKind::EcsCluster && thing.trim().is_empty() {
        return Err(SpecProblem::at(["scope", field], "the cluster has no name").hint("such as `wonderland`"));
    }
    Ok(ScopeKey::new(kind, &account.id, &region, &thing))
}

/// How names of this scope are told: those of records in lower case and without their last dot,
/// those of Cloud Foundry in lower case.
fn spelling(scope: &ScopeSpec) -> fn(&str) -> String {
    let in_cloud_foundry = scope.cf_foundation || scope.cf_space.is_some() || scope.cf_organization.is_some();
    match (scope.hosted_zone.is_some(), in_cloud_foundry) {
        (true, _) => |name: &str| name.trim_end_matches('.').to_ascii_lowercase(),
        (_, true) => str::to_lowercase,
        _ => str::to_owned,
    }
}

/// What may come and go; names are spelled as things of the scope are told.
pub fn exceptions(specs: &[ExceptSpec], spell: fn(&str) -> String, problems: &mut Vec<SpecProblem>) -> Vec<Exception> {
    let mut exceptions = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        let path = |field: &str| ["except".to_owned(), at.to_string(), field.to_owned()];
        if spec.name.trim().is_empty() {
            problems.push(SpecProblem::at(path("name"), "the name is empty").hint("`*` means every name"));
        }
        let kind = spec.kind.as_deref().map(|kind| {
            kinds::find(kind).map(|entry| entry.kind.name()).ok_or_else(|| {
                SpecProblem::at(path("kind"), format!("unknown kind `{kind}`")).hint("such as `TargetGroup`")
            })
        });
        let kind = kind.map(|kind| keep(kind, problems)).unwrap_or_default();
        let at_most = spec.at_most.as_deref().and_then(|text| keep(duration(text, &path("atMost")), problems));
        exceptions.push(Exception { kind, glob: Glob::new(&spell(&spec.name)), at_most });
    }
    exceptions
}

fn census(watch: &WatchSpec, problems: &mut Vec<SpecProblem>) -> Option<Census> {
    let over = match watch.over.as_deref() {
        Some(text) => keep(duration(text, &["watch".to_owned(), "over".to_owned()]), problems)?,
        None => OVER,
    };
    let Some(text) = watch.max_drop.as_deref() else {
        if watch.over.is_some() || watch.floor.is_some() {
            problems.push(
                SpecProblem::at(["watch"], "`over` and `floor` say nothing without `maxDrop`")
                    .hint("add `maxDrop: 20%`, or take them away"),
            );
        }
        return None;
    };
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok());
    match percent.filter(|percent| (1..100).contains(percent)) {
        Some(max_drop) => Some(Census { max_drop, over, floor: watch.floor.unwrap_or(FLOOR).max(1) }),
        None => {
            problems.push(
                SpecProblem::at(["watch", "maxDrop"], format!("`{text}` is no part"))
                    .hint("a whole number from 1% to 99%, such as `20%`"),
            );
            None
        }
    }
}

fn duration(text: &str, path: &[String]) -> Result<SignedDuration, SpecProblem> {
    match text.parse::<SignedDuration>() {
        Ok(duration) if duration > SignedDuration::ZERO => Ok(duration),
        _ => Err(SpecProblem::at(path.iter().cloned(), format!("`{text}` is no duration")).hint("such as `45m`")),
    }
}

/// Notes the problem, so that all of them are told at once.
fn keep<T>(outcome: Result<T, SpecProblem>, problems: &mut Vec<SpecProblem>) -> Option<T> {
    outcome.map_err(|problem| problems.push(problem)).ok()
}
