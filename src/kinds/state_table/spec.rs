//! What a manifest of kind StateTable says: whose items they are, and what each item names.
//!
//! Decides, at load, that every template can be parsed, every piece is named the way its kind is,
//! and every account and region is the Environment's. Never looks at an item: `core::claims` does.
//! The loader calls [`resolve`] through the kind's entry.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::core::desired::{Account, Naming, Piece, WhenParentGone};
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::template::Template;
use crate::kinds::dns_record::name;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::table_item::live::TableName;
use crate::kinds::table_item::spec::table_problem;
use crate::kinds::{Declaration, Rules, TableRules};

/// A deployer's own table: one item per service, and what was made for it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateTableSpec {
    /// The name of the table.
    pub table: String,
    /// The alias of the account in the Environment; `main`, or the only one, by default.
    pub account: Option<String>,
    /// The region; by default the only one of the account.
    pub region: Option<String>,
    /// The attributes that make an item's key.
    pub key: KeySpec,
    /// Whom an item belongs to.
    pub parent: ParentSpec,
    /// When an item was written, such as `{updated_at}`: RFC 3339, or seconds since 1970. A young
    /// item may wait for its parent as long as `policy.settle`.
    pub written_at: Option<String>,
    /// What happens to an item and its pieces when the parent is gone: `report` is a finding, `keep`
    /// is none, `prune` is a finding and a plan.
    #[serde(default)]
    pub when_parent_gone: WhenParentGone,
    /// What an item says the deployer made.
    #[serde(default)]
    pub pieces: Vec<PieceSpec>,
}

/// The attributes that make an item's key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// The partition attribute.
    pub partition: String,
    /// The sort attribute, where the table has one.
    pub sort: Option<String>,
}

/// Whom an item belongs to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParentSpec {
    /// The parent's kind: `EcsService`.
    pub kind: String,
    /// The alias of its account; the table's own by default.
    pub account: Option<String>,
    /// Its region; the table's own by default.
    pub region: Option<String>,
    /// The ECS cluster that it runs in.
    pub cluster: Option<String>,
    /// Its name, from the item, such as `{service}`.
    pub name: String,
}

/// One thing that an item names. Which fields name it depends on its kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PieceSpec {
    /// `DnsRecord`, `HealthCheck`, `LoadBalancer` or `TargetGroup`.
    pub kind: String,
    /// A list attribute, such as `{hostnames[]}`: one piece for each entry, which is `{each}`.
    pub for_each: Option<String>,
    /// The alias of its account; the table's own by default.
    pub account: Option<String>,
    /// Its region; the table's own by default. Load balancers and target groups only.
    pub region: Option<String>,
    /// The ARN of a load balancer or target group, such as `{load_balancer_arn}`.
    pub arn: Option<String>,
    /// The zone of a DNS record: a name, not a template.
    pub zone: Option<String>,
    /// The name of a DNS record, such as `{hostname}`.
    pub name: Option<String>,
    /// The type of a DNS record, such as `CNAME`.
    #[serde(rename = "type")]
    pub record_type: Option<String>,
    /// The set identifier of a DNS record with a routing policy.
    pub set: Option<String>,
    /// The id of a health check, such as `{health_check_id}`.
    pub id: Option<String>,
    /// Whether an item without the attribute has no such piece. Otherwise it cannot be judged.
    #[serde(default)]
    pub optional: bool,
}

/// The kinds that pieces can be, and the fields that each is named by: first the required ones.
const PIECES: [(&str, &[&str], &[&str]); 4] = [
    ("DnsRecord", &["zone", "name", "type"], &["set"]),
    ("HealthCheck", &["id"], &[]),
    ("LoadBalancer", &["arn"], &["region"]),
    ("TargetGroup", &["arn"], &["region"]),
];

/// The kinds that parents can be.
const PARENTS: [&str; 1] = ["EcsService"];

/// DNS record types that Route 53 knows.
const RECORD_TYPES: [&str; 17] = [
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP", "SVCB",
    "TLSA", "TXT",
];

/// Resolves a spec in one environment.
pub fn resolve(spec: &StateTableSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let account = setting.account(spec.account.as_deref()).map_err(|problem| vec![problem])?;
    let region = setting.region(account, spec.region.as_deref()).map_err(|problem| vec![problem])?;
    let table = TableName { account: account.id.clone(), region: region.clone(), table: spec.table.as_str().into() };
    let home = Home { setting, alias: spec.account.as_deref(), account, region };

    let mut problems: Vec<SpecProblem> = table_problem(&spec.table).into_iter().collect();
    if spec.key.sort.as_ref() == Some(&spec.key.partition) {
        problems.push(
            SpecProblem::at(["key", "sort"], format!("`{}` is the partition attribute already", spec.key.partition))
                .hint("name the sort attribute, or leave `sort` out where the table has none"),
        );
    }
    let parent = keep(parent(&spec.parent, &home), &mut problems);
    let written_at = spec.written_at.as_deref().map(|text| template(text, &["writtenAt"], false));
    let written_at = written_at.and_then(|template| keep(template, &mut problems));
    let mut pieces = Vec::with_capacity(spec.pieces.len());
    for (place, piece) in spec.pieces.iter().enumerate() {
        match resolve_piece(piece, &home) {
            Ok(piece) => pieces.push(piece),
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| under(&["pieces", &place.to_string()], problem)))
            }
        }
    }
    match parent {
        Some((parent_kind, parent_scope, parent_name)) if problems.is_empty() => Ok(Declaration {
            not_compared: Vec::new(),
            scope: ScopeKey::new(ScopeKind::Table, &table.account, &table.region, &table.table),
            // The table itself is no thing of its scope: only its items are looked up there.
            select: Select::Key("".into()),
            id: table.arn().into(),
            expects: Vec::new(),
            facets: BTreeSet::new(),
            rules: Some(Rules::Table(TableRules {
                key: (spec.key.partition.as_str().into(), spec.key.sort.as_deref().map(Into::into)),
                parent_kind,
                parent_scope,
                parent_name,
                written_at,
                when_parent_gone: spec.when_parent_gone,
                pieces,
            })),
        }),
        _ => Err(problems),
    }
}

/// The table's own account and region, which its parents and pieces share unless they say more.
struct Home<'a> {
    setting: &'a Setting<'a>,
    alias: Option<&'a str>,
    account: &'a Account,
    region: Arc<str>,
}

impl<'a> Home<'a> {
    fn account(&self, alias: Option<&str>) -> Result<&'a Account, SpecProblem> {
        self.setting.account(alias.or(self.alias))
    }

    fn region(&self, account: &Account, region: Option<&str>) -> Result<Arc<str>, SpecProblem> {
        match region {
            None if account.id == self.account.id => Ok(self.region.clone()),
            region => self.setting.region(account, region),
        }
    }
}

type ParentRule = (&'static str, ScopeKey, Template);

fn parent(spec: &ParentSpec, home: &Home<'_>) -> Result<ParentRule, SpecProblem> {
    let at = |problem| under(&["parent"], problem);
    let Some(kind) = PARENTS.into_iter().find(|known| *known == spec.kind) else {
        return Err(SpecProblem::at(["parent", "kind"], format!("`{}` cannot be a parent", spec.kind))
            .hint(format!("known parents: {}", PARENTS.join(", "))));
    };
    let cluster = spec.cluster.as_deref().filter(|cluster| !cluster.is_empty()).ok_or_else(|| {
        SpecProblem::at(["parent"], format!("{kind} needs `cluster`")).hint("add the name of the ECS cluster")
    })?;
    let account = home.account(spec.account.as_deref()).map_err(at)?;
    let region = home.region(account, spec.region.as_deref()).map_err(at)?;
    let name = reading(template(&spec.name, &["parent", "name"], false)?, &["parent", "name"])?;
    Ok((kind, ScopeKey::new(ScopeKind::EcsCluster, &account.id, &region, cluster), name))
}

fn resolve_piece(spec: &PieceSpec, home: &Home<'_>) -> Result<Piece, Vec<SpecProblem>> {
    let Some((kind, required, further)) = PIECES.into_iter().find(|(known, ..)| *known == spec.kind) else {
        let known = PIECES.map(|(known, ..)| known).join(", ");
        return Err(vec![
            SpecProblem::at(["kind"], format!("`{}` cannot be a piece", spec.kind))
                .hint(format!("known pieces: {known}")),
        ]);
    };
    let mut problems = fields_that_do_not_fit(spec, kind, required, further);
    let for_each = spec.for_each.as_deref().and_then(|text| keep(entries(text), &mut problems));
    let each = spec.for_each.is_some();
    let account = keep(home.account(spec.account.as_deref()), &mut problems);
    let scope = account.and_then(|account| keep(scope(spec, kind, account, home), &mut problems));
    let naming = naming(spec, kind, each, &mut problems);
    if let (true, Some(naming)) = (each, &naming)
        && !uses_each(naming)
    {
        problems.push(
            SpecProblem::at(["forEach"], "nothing reads `{each}`: every entry would name the same piece")
                .hint("write `{each}` where the entry belongs"),
        );
    }
    match (scope, naming) {
        (Some(scope), Some(naming)) if problems.is_empty() => {
            Ok(Piece { kind, scope, naming, optional: spec.optional, for_each })
        }
        _ => Err(problems),
    }
}

/// Names of a kind's own that are missing, and names of other kinds that are there.
fn fields_that_do_not_fit(spec: &PieceSpec, kind: &str, required: &[&str], further: &[&str]) -> Vec<SpecProblem> {
    let fields = [
        ("region", &spec.region),
        ("arn", &spec.arn),
        ("zone", &spec.zone),
        ("name", &spec.name),
        ("type", &spec.record_type),
        ("set", &spec.set),
        ("id", &spec.id),
    ];
    let mut problems = Vec::new();
    for (field, value) in fields {
        let (needed, known) = (required.contains(&field), further.contains(&field));
        if needed && value.as_deref().unwrap_or_default().is_empty() {
            problems.push(SpecProblem::at(Vec::<String>::new(), format!("{kind} needs `{field}`")));
        } else if !needed && !known && value.is_some() {
            problems.push(
                SpecProblem::at([field], format!("{kind} has no `{field}` here"))
                    .hint(format!("it is named by: {}", required.join(", "))),
            );
        }
    }
    problems
}

fn scope(spec: &PieceSpec, kind: &str, account: &Account, home: &Home<'_>) -> Result<ScopeKey, SpecProblem> {
    match kind {
        "DnsRecord" => {
            let zone = spec.zone.as_deref().unwrap_or_default();
            if zone.contains(['{', '}']) {
                let problem = SpecProblem::at(["zone"], "a zone is a name, not a template");
                return Err(problem.hint("add one piece for each zone"));
            }
            let zone = name::declared(zone).map_err(|problem| SpecProblem::at(["zone"], problem.to_string()))?;
            Ok(ScopeKey::new(ScopeKind::HostedZone, &account.id, "global", &zone))
        }
        "HealthCheck" => Ok(ScopeKey::new(ScopeKind::HealthChecks, &account.id, "global", "")),
        _ => {
            let region = home.region(account, spec.region.as_deref())?;
            Ok(ScopeKey::new(ScopeKind::LoadBalancers, &account.id, &region, ""))
        }
    }
}

/// How the piece is named; `None` when a part of it is missing or was refused.
fn naming(spec: &PieceSpec, kind: &str, each: bool, problems: &mut Vec<SpecProblem>) -> Option<Naming> {
    // A set identifier may tell the records of one fixed name apart.
    let fixed = |field: &str| field == "set" || (field == "name" && spec.set.as_deref().is_some_and(reads));
    let mut read = |field: &'static str, text: &Option<String>| {
        let text = text.as_deref().filter(|text| !text.is_empty())?;
        let template = template(text, &[field], each);
        keep(if fixed(field) { template } else { template.and_then(|template| reading(template, &[field])) }, problems)
    };
    match kind {
        "DnsRecord" => {
            let (name, set) = (read("name", &spec.name), read("set", &spec.set));
            let record_type = keep(record_type(spec.record_type.as_deref()?), problems)?;
            Some(Naming::Record { name: name?, record_type, set })
        }
        "HealthCheck" => read("id", &spec.id).map(Naming::Key),
        _ => read("arn", &spec.arn).map(Naming::Arn),
    }
}

fn record_type(text: &str) -> Result<Arc<str>, SpecProblem> {
    match RECORD_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(text)) {
        Some(known) => Ok(known.into()),
        None => Err(SpecProblem::at(["type"], format!("`{text}` is no DNS record type"))
            .hint(format!("one of: {}", RECORD_TYPES.join(", ")))),
    }
}

fn uses_each(naming: &Naming) -> bool {
    match naming {
        Naming::Key(template) | Naming::Arn(template) => template.uses_each(),
        Naming::Record { name, set, .. } => name.uses_each() || set.as_ref().is_some_and(Template::uses_each),
    }
}

/// A template that makes one text.
fn template(text: &str, path: &[&str], each: bool) -> Result<Template, SpecProblem> {
    let problem = |message: String| SpecProblem::at(path.iter().copied(), message);
    let parsed =
        Template::parse(text).map_err(|error| problem(error.to_string()).hint("an attribute is written `{name}`"))?;
    if text.contains("[]}") {
        return Err(
            problem(format!("`{text}` is a list")).hint("write `forEach: \"{…[]}\"` and read each entry as `{each}`")
        );
    }
    if parsed.uses_each() && !each {
        return Err(problem(format!("`{text}` reads `{{each}}`, but there is no `forEach`"))
            .hint("add `forEach: \"{attribute[]}\"`"));
    }
    Ok(parsed)
}

/// Whether a text takes anything from the item.
fn reads(text: &str) -> bool {
    text.contains('{')
}

/// The same template, unless it is the same text for every item.
fn reading(template: Template, path: &[&str]) -> Result<Template, SpecProblem> {
    if reads(template.source()) {
        return Ok(template);
    }
    let message = format!("`{}` is the same for every item", template.source());
    Err(SpecProblem::at(path.iter().copied(), message).hint("read it from the item, such as `{service}`"))
}

/// A template that lists the entries of one attribute.
fn entries(text: &str) -> Result<Template, SpecProblem> {
    let parsed = Template::parse(text).map_err(|error| SpecProblem::at(["forEach"], error.to_string()))?;
    if parsed.entries().is_none() {
        let problem = SpecProblem::at(["forEach"], format!("`{text}` is no list"));
        return Err(problem.hint("write the list attribute alone, such as `{hostnames[]}`"));
    }
    Ok(parsed)
}

fn keep<T>(result: Result<T, SpecProblem>, problems: &mut Vec<SpecProblem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn under(prefix: &[&str], mut problem: SpecProblem) -> SpecProblem {
    let below = std::mem::take(&mut problem.path);
    problem.path = prefix.iter().map(|part| (*part).to_owned()).chain(below).collect();
    problem
}
