//! Texts: templates, the spellings of names and keys, and every way in which foreign text is shown.

use std::sync::Arc;

use moored::core::arn::Arn;
use moored::core::drift::Finding;
use moored::core::identity::ScopeKey;
use moored::core::index::Index;
use moored::core::snapshot::Snapshot;
use moored::core::template::{Template, TemplateError};
use moored::core::value::Fields;
use moored::core::visible::{escaped, is_hidden};
use moored::kinds::dns_record::name;
use moored::kinds::table_item::spelling;
use moored::manifest::problem::{self, Place, Problem};
use moored::serve::metrics::{RootStatus, ShellMetrics, render};
use serde_json::json;

use crate::bytes::Bytes;
use crate::common::exposition::Metrics;

pub fn templates(input: &[u8]) {
    let mut bytes = Bytes(input);
    let values = [bytes.text(8), bytes.text(8)];
    let text = String::from_utf8_lossy(bytes.0).into_owned();
    let template = match Template::parse(&text) {
        Ok(template) => template,
        Err(error) => {
            assert!(text.contains(['{', '}']), "{text:?} has no braces: {error}");
            return;
        }
    };
    assert_eq!(template.source(), text);
    let attributes = template.attributes();
    let missing = template.expand(&Fields::default(), Some("each"));
    assert_eq!(missing.is_ok(), attributes.is_empty(), "{text:?} of an empty item: {missing:?}");
    if attributes.is_empty() && !template.uses_each() {
        assert_eq!(missing.as_deref(), Ok(text.as_str()));
    }
    assert!(!template.uses_each() || template.expand(&Fields::default(), None).is_err());

    let mut item = Fields::default();
    for (at, attribute) in attributes.iter().enumerate() {
        item.set(attribute.to_string(), values[at % 2].as_str());
    }
    for said in [template.expand(&item, Some("each")), template.expand_entries(&item).map(|all| all.concat())] {
        match said {
            Ok(said) => {
                let named = attributes.iter().enumerate().all(|(at, _)| said.contains(&values[at % 2]));
                assert!(
                    named && values.iter().take(attributes.len()).all(|value| !value.is_empty()),
                    "{text:?}: {said:?}"
                );
            }
            Err(TemplateError::Missing(_) | TemplateError::NotText(_)) => {}
            Err(error) => panic!("{text:?} was parsed, and is then no template: {error}"),
        }
    }
}

pub fn names(input: &[u8]) {
    let mut bytes = Bytes(input);
    let (first, second) = (bytes.text(40), bytes.text(40));
    let text = String::from_utf8_lossy(bytes.0).into_owned();

    let _ = name::canonical(&first);
    if let Ok(declared) = name::declared(&first) {
        assert_eq!(name::declared(&declared).as_ref(), Ok(&declared), "{first:?}");
        assert_eq!(name::canonical(&format!("{}.", declared.to_uppercase())), declared, "{first:?}");
    }

    let key = spelling::key_text([("a", first.as_str()), ("b", second.as_str())]);
    let read = spelling::parse_key(&key).expect("what was written can be read");
    assert_eq!((read.get("a"), read.get("b")), (Some(&first), Some(&second)), "{key:?}");
    let _ = spelling::parse_key(&text);
    if let Some(number) = spelling::number(&text) {
        assert_eq!(spelling::number(&number).as_ref(), Some(&number), "{text:?}");
    }

    if let Some(scope) = ScopeKey::parse(&text) {
        assert_eq!(ScopeKey::parse(&scope.to_string()).as_ref(), Some(&scope), "{text:?}");
    }
    let _ = Arn::parse(&text);
}

fn plain(shown: &str) {
    let bad = shown.chars().find(|character| *character != '\n' && is_hidden(*character));
    assert_eq!(bad, None, "{}", shown.escape_debug());
}

pub fn terminal(input: &[u8]) {
    let mut bytes = Bytes(input);
    let colour = bytes.byte() % 2 == 0;
    let (file, message, hint) = (bytes.text(30), bytes.text(30), bytes.text(30));
    let offset = bytes.below(400);
    let length = u32::from(bytes.byte());
    let text = String::from_utf8_lossy(bytes.0).into_owned();
    assert!(!escaped(&text).chars().any(is_hidden));
    let place = Place { length, ..Place::in_text(&text, offset) };
    let problems = [
        Problem::at(file.as_str(), place, message.as_str()).hint(hint.as_str()),
        Problem::of_file(file.as_str(), message.as_str()),
    ];
    let shown = problem::render(&problems, &|_: &str| Some(Arc::from(text.as_str())), colour);
    if !colour {
        plain(&shown);
    }
    assert!(shown.chars().count() < 20_000, "a problem fills the screen: {shown}");
}

/// A finding of something with these names.
fn finding(name: &str, application: &str) -> Finding {
    let finding = json!({
        "environment": "production", "kind": "TableItem", "name": name, "drift": "orphaned", "id": name,
        "scope": "table/111122223333/eu-west-1/deployments", "severity": "warning", "application": application,
        "message": name, "held": false, "fields": [], "root": { "kind": "TableItem", "name": name },
        "since": "2026-11-20T10:00:00Z", "source": null, "vital": false, "works": true, "runbook": null,
        "redeploy": null,
    });
    serde_json::from_value(finding).expect("a finding as it is kept")
}

pub fn metrics(input: &[u8]) {
    let mut bytes = Bytes(input);
    let root = bytes.text(60);
    let mut names = std::collections::BTreeSet::new();
    while !bytes.0.is_empty() && names.len() < 8 {
        // Now and then longer than a label may be.
        let repeated = 1 + bytes.below(9);
        names.insert((bytes.text(40).repeat(repeated), bytes.text(20)));
    }
    let findings = names.iter().map(|(name, application)| Arc::new(finding(name, application))).collect();
    let snapshot = Snapshot { findings, ..Snapshot::default() };
    let status = RootStatus { root: root.as_str().into(), success: true, digest: None, commit: Some(root.into()) };
    let shell = ShellMetrics { roots: vec![status], ..ShellMetrics::default() };
    let text = render(&snapshot, &Index::default(), &shell);
    plain(&text);
    // Panics wherever Prometheus would refuse the scrape.
    let metrics = Metrics::parse(&text);
    let drifts = metrics.all("moored_drift", &[]);
    assert_eq!(drifts.len(), names.len(), "a series is lost or forged:\n{text}");
    for (labels, value) in drifts {
        assert_eq!((value, labels["environment"].as_str()), (1.0, "production"));
        assert!(labels.values().all(|value| value.len() <= 128), "{labels:?}");
    }
    assert_eq!(metrics.all("moored_manifest_load_success", &[]).len(), 1);
}
