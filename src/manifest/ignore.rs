//! What an Ignore means: which drift somebody decided to live with, why, who, and until when.
//!
//! Decides that nothing is ignored without a reason, an owner and an end, and that no Ignore swallows everything. Never
//! looks at a finding: `core::ignore` does. The loader calls [`read`].

use std::sync::Arc;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::draft::Draft;
use super::envelope::Envelope;
use super::problem::{shorten, suggest};
use super::schema::Form;
use crate::core::drift::Drift;
use crate::core::ignore::{Glob, Ignore};
use crate::kinds::{self, KINDS, KindEntry};

/// The longest way to write a day.
const DAY: usize = "2026-12-31".len();

/// Fields that findings can name although no spec has them: the targets that `minHealthy` counts.
const BEYOND_SPECS: [&str; 1] = ["targets"];

/// What is ignored.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreSpec {
    /// Which findings are meant; everything that is given must fit.
    #[serde(rename = "match")]
    pub matching: MatchSpec,
    /// Why that is right for now.
    pub reason: String,
    /// Who decided it, and is asked when it ends.
    pub owner: String,
    /// The last day on which it holds (UTC), such as `2026-12-31`.
    pub until: String,
}

/// Which findings are meant.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchSpec {
    /// The kind; any by default.
    pub kind: Option<String>,
    /// The name; `*` is any run of characters, `?` any one, `\052` a `*` itself.
    pub name: Option<String>,
    /// The drifts; any by default.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// The field, with all below it, such as `/weight` or `/taskDefinition/cpu`.
    pub path: Option<String>,
}

/// The ignores that a document declares, one for each of its environments; none if anything is wrong with it.
pub fn read(draft: &mut Draft<'_>, form: &Form, envelope: &Envelope) -> Vec<Ignore> {
    let Some(spec) = draft.part::<IgnoreSpec>("spec", &form.spec) else { return Vec::new() };
    for (field, text) in [("reason", &spec.reason), ("owner", &spec.owner)] {
        if text.trim().is_empty() {
            draft.problem(&["spec", field], format!("`{field}` is empty"), "who reads the report will ask for it");
        }
    }
    let until = if spec.until.len() == DAY { spec.until.parse::<Date>().ok() } else { None };
    if until.is_none() {
        let message = format!("`{}` is no day", shorten(&spec.until));
        draft.problem(&["spec", "until"], message, "such as `2026-12-31`, the last day on which it holds (UTC)");
    }
    check_match(draft, &spec.matching);
    let (Some(until), true) = (until, draft.problems.is_empty()) else { return Vec::new() };

    let IgnoreSpec { matching, reason, owner, .. } = spec;
    let source = draft.source();
    let ignore = |environment: &Arc<str>| Ignore {
        name: envelope.name.clone(),
        environment: environment.clone(),
        kind: matching.kind.as_deref().map(Into::into),
        glob: Glob::new(matching.name.as_deref().unwrap_or("*")),
        drifts: matching.drift.clone(),
        path: matching.path.as_deref().map(Into::into),
        reason: reason.as_str().into(),
        owner: owner.as_str().into(),
        until,
        source: source.clone(),
    };
    envelope.environments.iter().map(|(environment, _)| ignore(environment)).collect()
}

fn check_match(draft: &mut Draft<'_>, matching: &MatchSpec) {
    if let Some(kind) = matching.kind.as_deref().filter(|kind| kinds::find(kind).is_none()) {
        let known = || KINDS.iter().map(|entry| entry.kind.name());
        let hint = match suggest(kind, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known kinds: {}", known().collect::<Vec<_>>().join(", ")),
        };
        draft.problem(&["spec", "match", "kind"], format!("unknown kind `{}`", shorten(kind)), hint);
    }
    if matching.name.as_deref().is_some_and(str::is_empty) {
        draft.problem(&["spec", "match", "name"], "the name is empty", "leave it out to match every name");
    }
    if let Some(path) = matching.path.as_deref().filter(|path| !path.starts_with('/') || path.ends_with('/')) {
        let message = format!("`{}` is no path of a field", shorten(path));
        draft.problem(&["spec", "match", "path"], message, "such as `/weight` or `/taskDefinition/cpu`");
    }
    if let (Some(entry), Some(path)) = (matching.kind.as_deref().and_then(kinds::find), matching.path.as_deref()) {
        check_field(draft, entry, path);
    }
    if let MatchSpec { kind: None, name: None, path: None, drift } = matching
        && drift.is_empty()
    {
        let hint = "add `kind`, `name`, `drift` or `path`";
        draft.problem(&["spec", "match"], "this would ignore everything in its environments", hint);
    }
}

/// Warns of a path that begins with no field of the kind. What lies below is the live thing's matter.
fn check_field(draft: &mut Draft<'_>, entry: &KindEntry, path: &str) {
    let Some(field) = path.strip_prefix('/').and_then(|path| path.split('/').next()) else { return };
    let schema = (entry.schema)();
    let properties = schema.as_value().get("properties").and_then(Value::as_object);
    let known = || properties.into_iter().flat_map(|fields| fields.keys()).map(String::as_str).chain(BEYOND_SPECS);
    if field.is_empty() || known().any(|known| known == field) {
        return;
    }
    let kind = entry.kind.name();
    let hint = match suggest(field, known()) {
        Some(meant) => format!("did you mean `/{meant}`?"),
        None => format!("`moored explain {kind}` lists the known fields"),
    };
    draft.warn(&["spec", "match", "path"], format!("{kind} has no field `{}`", shorten(field)), hint);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::envelope;
    use super::super::parse::parse;
    use super::super::schema::form;
    use super::super::source::SourceFile;
    use super::*;

    fn told(spec: &str) -> (Vec<Ignore>, Vec<String>) {
        let file: Arc<str> = "a.yaml".into();
        let text = format!("metadata: {{name: weights, environments: [staging, production]}}\nspec: {spec}\n");
        let document = parse(&SourceFile { path: "a.yaml".to_owned(), text: text.into() }).unwrap().remove(0);
        let mut draft = Draft::new(&file, &document);
        let form = form("Ignore").unwrap();
        let envelope = envelope::read(&mut draft, form.kind).unwrap();
        let ignores = read(&mut draft, form, &envelope);
        (ignores, draft.problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn an_ignore_holds_in_each_of_its_environments() {
        let (ignores, problems) = told(
            "{match: {kind: DnsRecord, name: \"*.example.com\", drift: [changed], path: /weight}, reason: shifted, \
             owner: platform, until: 2026-12-31}",
        );
        assert!(problems.is_empty(), "{problems:?}");
        let environments: Vec<&str> = ignores.iter().map(|ignore| &*ignore.environment).collect();
        assert_eq!(environments, ["staging", "production"]);
        assert_eq!(ignores[0].expires().to_string(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn a_path_that_begins_with_no_field_of_the_kind_is_warned_of() {
        let warned = |kind: &str, path: &str| {
            let file: Arc<str> = "a.yaml".into();
            let text = format!("spec: {{match: {{kind: {kind}, path: {path}}}}}\n");
            let document = parse(&SourceFile { path: "a.yaml".to_owned(), text: text.into() }).unwrap().remove(0);
            let mut draft = Draft::new(&file, &document);
            let matching =
                MatchSpec { kind: Some(kind.to_owned()), name: None, drift: Vec::new(), path: Some(path.to_owned()) };
            check_match(&mut draft, &matching);
            assert!(draft.problems.is_empty(), "{:?}", draft.problems);
            draft.warnings.pop().map(|warning| (warning.message, warning.hint.unwrap()))
        };
        let (message, hint) = warned("DnsRecord", "/wieght").unwrap();
        assert_eq!((message.as_str(), hint.as_str()), ("DnsRecord has no field `wieght`", "did you mean `/weight`?"));
        assert_eq!(warned("EcsService", "/taskDefinition/cpu"), None);
        assert_eq!(warned("TargetGroup", "/targets/healthy"), None);
    }

    #[test]
    fn nothing_is_ignored_without_owner_reason_end_and_match() {
        let (ignores, problems) = told("{match: {}, reason: \" \", owner: \"\", until: next year}");
        assert!(ignores.is_empty());
        assert_eq!(
            problems,
            [
                "`reason` is empty",
                "`owner` is empty",
                "`next year` is no day",
                "this would ignore everything in its environments",
            ]
        );
    }
}
