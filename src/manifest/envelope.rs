//! What every manifest says beside its spec: which kind, which name, which environments, which policy.
//!
//! Decides the kind first, by `apiVersion` and `kind`; only then can anything else be read. Never looks into a spec or
//! at another document. The loader calls it for every document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::check::Checker;
use super::draft::Draft;
use super::environment::EnvironmentSpec;
use super::ignore::IgnoreSpec;
use super::problem::{Place, shorten, suggest};
use super::schema::{Form, form};
use super::tree::{Data, Node};
use crate::core::desired::Policy;
use crate::core::drift::Severity;
use crate::core::visible::is_hidden;
use crate::kinds::text::Text;
use crate::kinds::{self, KINDS, KindEntry, buildpacks, http_probe, inventory, state_table};

/// The only `apiVersion` so far.
pub const API_VERSION: &str = "moored.dev/v1";
/// The annotation of imports, `"false"` until a person flips it.
pub const REVIEWED: &str = "moored.dev/reviewed";
/// Annotations that begin so mean something to moored.
const OWN_ANNOTATIONS: &str = "moored.dev/";
/// The most characters of a name or label.
const LONGEST_NAME: usize = 253;

/// A kind of manifest.
#[derive(Clone, Copy)]
pub enum ManifestKind {
    /// An environment.
    Environment,
    /// Drift that is ignored.
    Ignore,
    /// Something that is observed.
    Resource(&'static KindEntry),
}

impl ManifestKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Environment, Self::Ignore].into_iter().chain(KINDS.iter().map(Self::Resource))
    }

    /// The word after `kind:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "Environment",
            Self::Ignore => "Ignore",
            Self::Resource(entry) => entry.kind.name(),
        }
    }

    /// One sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Environment => "An environment: the accounts, regions and Cloud Foundry organisations it means.",
            Self::Ignore => "Drift that somebody decided to live with, in the open and for a time.",
            Self::Resource(entry) => entry.summary,
        }
    }

    /// The schema of its `spec`.
    pub fn spec_schema(self) -> Schema {
        match self {
            Self::Environment => schema_for!(EnvironmentSpec),
            Self::Ignore => schema_for!(IgnoreSpec),
            Self::Resource(entry) => (entry.schema)(),
        }
    }
}

/// The metadata of an Environment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentMetadata {
    /// The name that other manifests list under `environments`.
    pub name: String,
    /// Labels, for filters.
    #[serde(default)]
    pub labels: BTreeMap<String, Text>,
    /// Notes that moored leaves alone, unless their name begins with `moored.dev/`.
    #[serde(default)]
    pub annotations: BTreeMap<String, Text>,
}

/// The metadata of everything else.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name in reports; by default also the name of the live thing.
    pub name: String,
    /// The environments it is declared for.
    pub environments: Vec<String>,
    /// Labels, for filters. `app` groups findings into one verdict, `team` says who is asked.
    #[serde(default)]
    pub labels: BTreeMap<String, Text>,
    /// Notes that moored leaves alone, unless their name begins with `moored.dev/`.
    #[serde(default)]
    pub annotations: BTreeMap<String, Text>,
}

impl From<EnvironmentMetadata> for Metadata {
    fn from(metadata: EnvironmentMetadata) -> Self {
        let EnvironmentMetadata { name, labels, annotations } = metadata;
        Self { name, environments: Vec::new(), labels, annotations }
    }
}

/// What may be said about any resource beside its spec.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// Whether its loss takes the application down.
    #[serde(default)]
    pub vital: bool,
    /// How urgent its findings are, whatever the drift; by default each drift has its own severity.
    pub severity: Option<Severity>,
    /// How long a change of the declaration, or a rollout, may take: `10m` by default.
    pub settle: Option<String>,
    /// The address at which a person reads on.
    pub runbook: Option<String>,
    /// How to put it back, such as `make bootstrap`.
    pub redeploy: Option<String>,
}

/// Whose leftover it is once the owner is gone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnedBy {
    /// The owner's kind.
    pub kind: String,
    /// The owner's `metadata.name`.
    pub name: String,
}

/// Whether the thing should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It should be there, as declared.
    #[default]
    Present,
    /// It is declared gone.
    Absent,
}

/// An owner as it is referred to.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// Where it is referred to.
    pub place: Place,
}

/// A checked envelope.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// The environments and where each is listed.
    pub environments: Vec<(Arc<str>, Place)>,
    /// Labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Policy; at most `info` for what no person has reviewed.
    pub policy: Policy,
    /// Whether a person has reviewed it: an import is nobody's word until then.
    pub reviewed: bool,
    /// Declared gone.
    pub absent: bool,
    /// The owner.
    pub owner: Option<Owner>,
}

/// The checkers of the envelope's parts, which `decode` asks what may stay text.
struct Parts {
    environment_metadata: Checker,
    metadata: Checker,
    policy: Checker,
    owned_by: Checker,
    state: Checker,
}

static PARTS: LazyLock<Parts> = LazyLock::new(|| Parts {
    environment_metadata: Checker::new(schema_for!(EnvironmentMetadata).as_value()),
    metadata: Checker::new(schema_for!(Metadata).as_value()),
    policy: Checker::new(schema_for!(PolicySpec).as_value()),
    owned_by: Checker::new(schema_for!(OwnedBy).as_value()),
    state: Checker::new(schema_for!(Presence).as_value()),
});

/// The form that a document follows, by its `apiVersion` and `kind`. Without one, nothing else of it can be read.
pub fn form_of(draft: &mut Draft<'_>) -> Option<&'static Form> {
    let document = draft.document;
    if !matches!(document.data, Data::Map(_)) {
        let message = format!("a manifest is a map, not {}", document.kind_name());
        draft.problem(&[], message, "begin it with `apiVersion: moored.dev/v1` and `kind:`");
        return None;
    }
    let names = || ManifestKind::all().map(ManifestKind::name);
    let known_version = match document.get("apiVersion").map(Node::as_text) {
        Some(Some(API_VERSION)) => true,
        Some(Some(other)) => {
            let hint = match suggest(other, [API_VERSION]) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("this moored reads `{API_VERSION}`; keep other documents out of its roots"),
            };
            draft.problem(&["apiVersion"], format!("unknown apiVersion `{}`", shorten(other)), hint);
            false
        }
        Some(None) => {
            draft.problem(&["apiVersion"], "`apiVersion` must be text", format!("write `apiVersion: {API_VERSION}`"));
            false
        }
        None => {
            draft.problem(&[], "missing field `apiVersion`", format!("add `apiVersion: {API_VERSION}`"));
            false
        }
    };
    let known_kind = match document.get("kind").map(Node::as_text) {
        Some(Some(name)) => match form(name) {
            Some(form) => Some(form),
            None => {
                let hint = match suggest(name, names()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known kinds: {}", names().collect::<Vec<_>>().join(", ")),
                };
                draft.problem(&["kind"], format!("unknown kind `{}`", shorten(name)), hint);
                None
            }
        },
        Some(None) => {
            draft.problem(&["kind"], "`kind` must be text", "write a kind, such as `EcsService`");
            None
        }
        None => {
            let known = names().collect::<Vec<_>>().join(", ");
            draft.problem(&[], "missing field `kind`", format!("add `kind:` with one of: {known}"));
            None
        }
    };
    known_kind.filter(|_| known_version)
}

/// The envelope of a document whose shape was checked; `None` if too little of it can be read.
pub fn read(draft: &mut Draft<'_>, kind: ManifestKind) -> Option<Envelope> {
    let policy = policy(draft);
    let absent = draft.part::<Presence>("state", &PARTS.state).unwrap_or_default() == Presence::Absent;
    if absent && policy.vital {
        draft.problem(
            &["policy", "vital"],
            "what is declared gone cannot be vital",
            "take away either `state: absent` or `vital: true`",
        );
    }
    let owner = owner(draft);
    if let ManifestKind::Resource(entry) = kind
        && entry.kind.name() == state_table::KIND
    {
        let hint = "take it away; `whenParentGone` and `pieces` say what becomes of the items";
        if absent {
            draft.problem(&["state"], "a table is never declared gone: its items are", hint);
        }
        if draft.document.get("ownedBy").is_some() {
            draft.problem(&["ownedBy"], "a table is never owned: its items are", hint);
        }
    }

    if let ManifestKind::Resource(entry) = kind
        && let Some(what) = never_gone(entry.kind.name())
    {
        for (field, there) in [("state", absent), ("ownedBy", draft.document.get("ownedBy").is_some())] {
            if there {
                draft.problem(&[field], format!("{what}, not a thing that could be gone"), "take it away");
            }
        }
    }

    let metadata: Metadata = match kind {
        ManifestKind::Environment => draft.part::<EnvironmentMetadata>("metadata", &PARTS.environment_metadata)?.into(),
        ManifestKind::Ignore | ManifestKind::Resource(_) => draft.part("metadata", &PARTS.metadata)?,
    };
    if let Some(reason) = not_a_name(&metadata.name) {
        draft.problem(&["metadata", "name"], format!("the name {reason}"), "use letters, digits, dots and dashes");
    }
    labels(draft, &metadata.labels);
    let reviewed = reviewed(draft, &metadata.annotations);
    let environments = environments(draft, kind, &metadata.environments);
    let severity = if reviewed { policy.severity } else { Some(Severity::Info) };
    Some(Envelope {
        name: metadata.name.into(),
        environments,
        labels: metadata.labels.into_iter().map(|(key, Text(text))| (key.into(), text.into())).collect(),
        policy: Policy { severity, ..policy },
        reviewed,
        absent,
        owner,
    })
}

/// What a kind is whose resources are no things.
fn never_gone(kind: &str) -> Option<&'static str> {
    match kind {
        inventory::KIND => Some("an inventory is a rule"),
        buildpacks::KIND => Some("an order of buildpacks is a rule"),
        http_probe::KIND => Some("a probe is a question"),
        _ => None,
    }
}

fn policy(draft: &mut Draft<'_>) -> Policy {
    let spec: PolicySpec = draft.part("policy", &PARTS.policy).unwrap_or_default();
    let mut policy = Policy { vital: spec.vital, severity: spec.severity, ..Policy::default() };
    if let Some(text) = spec.settle {
        match text.parse::<SignedDuration>() {
            Ok(settle) if !settle.is_negative() => policy.settle = settle,
            Ok(_) => draft.problem(&["policy", "settle"], "`settle` cannot be negative", "such as `10m`"),
            Err(_) => {
                let message = format!("`{}` is no duration", shorten(&text));
                draft.problem(&["policy", "settle"], message, "such as `10m` or `1h30m`");
            }
        }
    }
    if let Some(text) = spec.runbook {
        if is_address(&text) {
            policy.runbook = Some(text.into());
        } else {
            let message = format!("`{}` is no address", shorten(&text));
            draft.problem(&["policy", "runbook"], message, "begin it with `https://`");
        }
    }
    if let Some(text) = spec.redeploy {
        if text.trim().is_empty() || text.contains(char::is_control) {
            draft.problem(&["policy", "redeploy"], "`redeploy` must be one line", "such as `make bootstrap`");
        } else {
            policy.redeploy = Some(text.into());
        }
    }
    policy
}

fn owner(draft: &mut Draft<'_>) -> Option<Owner> {
    let OwnedBy { kind, name } = draft.part("ownedBy", &PARTS.owned_by)?;
    let place = draft.place(&["ownedBy", "name"]);
    if let Some(entry) = kinds::find(&kind) {
        return Some(Owner { kind: entry.kind.name(), name: name.into(), place });
    }
    let known = || KINDS.iter().map(|entry| entry.kind.name());
    let hint = match suggest(&kind, known()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("an owner can be: {}", known().collect::<Vec<_>>().join(", ")),
    };
    draft.problem(&["ownedBy", "kind"], format!("nothing is owned by a `{}`", shorten(&kind)), hint);
    None
}

fn labels(draft: &mut Draft<'_>, labels: &BTreeMap<String, Text>) {
    for (key, text) in labels {
        let path = ["metadata", "labels", key.as_str()];
        if key.trim().is_empty() || key.contains(char::is_control) {
            draft.problem(&["metadata", "labels"], "a label has no name", "such as `app: deployer-api`");
        } else if text.contains(char::is_control) || text.chars().count() > LONGEST_NAME {
            let message = format!("the label `{}` is not one line of at most {LONGEST_NAME} characters", shorten(key));
            draft.problem(&path, message, "shorten it; annotations may be longer");
        } else if matches!(key.as_str(), "app" | "team") && text.trim().is_empty() {
            draft.problem(&path, format!("the label `{key}` is empty"), "give it a value, or leave it out");
        }
    }
}

/// Whether a person has reviewed the manifest: yes, unless an annotation says otherwise.
fn reviewed(draft: &mut Draft<'_>, annotations: &BTreeMap<String, Text>) -> bool {
    for key in annotations.keys().filter(|key| key.starts_with(OWN_ANNOTATIONS) && *key != REVIEWED) {
        let message = format!("unknown annotation `{}`", shorten(key));
        draft.problem(&["metadata", "annotations", key.as_str()], message, format!("moored knows `{REVIEWED}`"));
    }
    match annotations.get(REVIEWED).map(|text| text.to_lowercase()).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => {
            let message = format!("`{REVIEWED}` is neither true nor false");
            draft.problem(&["metadata", "annotations", REVIEWED], message, "write \"true\" once a person has read it");
            false
        }
    }
}

fn environments(draft: &mut Draft<'_>, kind: ManifestKind, names: &[String]) -> Vec<(Arc<str>, Place)> {
    if names.is_empty() && !matches!(kind, ManifestKind::Environment) {
        let hint = "name at least one environment: `environments: [staging, production]`";
        draft.problem(&["metadata", "environments"], "`environments` lists none", hint);
    }
    let mut seen = BTreeSet::new();
    let mut environments = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let index = index.to_string();
        let path = ["metadata", "environments", index.as_str()];
        if seen.insert(name) {
            environments.push((name.as_str().into(), draft.place(&path)));
        } else {
            draft.problem(&path, format!("environment `{}` is listed twice", shorten(name)), "keep one of the two");
        }
    }
    environments
}

/// Why a text cannot be a name, if it cannot.
fn not_a_name(text: &str) -> Option<String> {
    if text.is_empty() {
        Some("is empty".to_owned())
    } else if text.chars().count() > LONGEST_NAME {
        Some(format!("is longer than {LONGEST_NAME} characters"))
    } else if text.contains(|character: char| character.is_whitespace() || is_hidden(character)) {
        Some("has a space or another invisible character in it".to_owned())
    } else {
        None
    }
}

/// Whether a person can open it in a browser.
pub(super) fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let sound = |character: char| !character.is_whitespace() && !character.is_control();
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_alphanumeric() || first == '[') && rest.chars().all(sound)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::parse::parse;
    use super::super::source::SourceFile;
    use super::*;

    const HEAD: &str = "apiVersion: moored.dev/v1\nkind: DnsRecord\n";

    fn told(text: &str) -> (Option<Envelope>, Vec<(u32, String)>) {
        let file: Arc<str> = "a.yaml".into();
        let document = parse(&SourceFile { path: "a.yaml".to_owned(), text: text.into() }).unwrap().remove(0);
        let mut draft = Draft::new(&file, &document);
        let envelope = form_of(&mut draft).and_then(|form| read(&mut draft, form.kind));
        let told = draft.problems.into_iter().map(|problem| {
            let hint = problem.hint.expect("every problem has a hint");
            (problem.place.unwrap().line, format!("{}; {hint}", problem.message))
        });
        let told = told.collect();
        (envelope, told)
    }

    fn only(text: &str) -> (u32, String) {
        let (_, mut told) = told(text);
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    #[test]
    fn the_kind_is_read_before_anything_else() {
        assert_eq!(
            told("apiVersion: moored.dev/v2\nkind: EcsServise\nnonsense: 1\n").1,
            [
                (1, "unknown apiVersion `moored.dev/v2`; did you mean `moored.dev/v1`?".to_owned()),
                (2, "unknown kind `EcsServise`; did you mean `EcsService`?".to_owned()),
            ]
        );
        assert!(only("apiVersion: moored.dev/v1\nkind: Deployment\n").1.contains("known kinds: Environment, Ignore, "));
        assert!(only("- a\n").1.starts_with("a manifest is a map, not a list"));
    }

    #[test]
    fn policy_and_owner_are_read() {
        let (envelope, problems) = told(&format!(
            "{HEAD}metadata: {{name: api, environments: [production], labels: {{app: deployer}}}}\n\
             policy: {{vital: true, severity: critical, settle: 1h30m, runbook: https://example.com/x}}\n\
             ownedBy: {{kind: EcsService, name: api}}\n"
        ));
        assert!(problems.is_empty(), "{problems:?}");
        let envelope = envelope.unwrap();
        assert!(envelope.policy.vital && !envelope.absent);
        assert_eq!(envelope.policy.severity, Some(Severity::Critical));
        assert_eq!(envelope.policy.settle, SignedDuration::from_mins(90));
        assert_eq!(envelope.owner.map(|owner| (owner.kind, owner.place.line)), Some(("EcsService", 5)));
    }

    #[test]
    fn everything_wrong_with_an_envelope_is_told_at_its_place() {
        let (_, told) = told(&format!(
            "{HEAD}metadata:\n  name: a b\n  environments: [production, production]\n  annotations:\n    \
             moored.dev/reviewd: \"false\"\npolicy:\n  vital: true\n  settle: soon\n  runbook: wiki\n\
             state: absent\nownedBy: {{kind: Team, name: x}}\n"
        ));
        let lines: Vec<u32> = told.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [10, 11, 9, 13, 4, 7, 5], "{told:?}");
    }

    #[test]
    fn what_no_person_has_reviewed_is_info_at_most() {
        let manifest = |reviewed: &str| {
            let metadata = format!("{{name: a, environments: [e], annotations: {{moored.dev/reviewed: {reviewed}}}}}");
            told(&format!("{HEAD}metadata: {metadata}\npolicy: {{severity: critical}}\n")).0.unwrap().policy.severity
        };
        assert_eq!(manifest("\"false\""), Some(Severity::Info));
        assert_eq!(manifest("\"true\""), Some(Severity::Critical));
    }
}
