//! Before-images: what is kept of a thing so that it can be made again.
//!
//! Decides what a plan shows of it, what could not be restored, and which facts are still missing
//! for it. A value that may be secret is only named here: the executor takes it from the reading
//! that goes with the intent, and encrypts it. Plans carry it, `moored restore` reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::target::{Step, is_settled};
use crate::core::asks::Facet;
use crate::core::observation::Live;
use crate::core::value::{Fact, Value};

/// What is kept of a thing before it is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BeforeImage {
    /// What it is like; `(secret)` stands for what may be one.
    pub facts: BTreeMap<Arc<str>, Json>,
    /// Facts whose values moored knows only as keyed hashes: kept, encrypted, by the executor alone.
    pub sealed: Vec<Arc<str>>,
    /// Facts that were not read: there is no image before they are.
    pub gaps: Vec<Arc<str>>,
    /// What restoring it could not bring back.
    pub not_restored: Vec<Arc<str>>,
}

impl BeforeImage {
    /// The image of a live thing.
    pub fn of(step: Step, live: &Live) -> Self {
        let mut image = Self { not_restored: lost_with(step), ..Self::default() };
        for (path, fact) in live.fields.iter().filter(|(path, _)| is_settled(step, path)) {
            match fact {
                Fact::Known(value) => {
                    if is_secret(value) {
                        image.sealed.push(path.into());
                    }
                    image.facts.insert(path.into(), value.to_json(false));
                }
                Fact::Unknown(why) => image.gaps.push(format!("{path}: {why}").into()),
                Fact::Unchecked(why) if is_essential(step, path) => image.gaps.push(format!("{path}: {why}").into()),
                Fact::Unchecked(why) => image.not_restored.push(format!("its {path} ({why})").into()),
            }
        }
        image
    }
}

fn is_secret(value: &Value) -> bool {
    match value {
        Value::Secret(_) => true,
        Value::List(items) => items.iter().any(is_secret),
        Value::Nothing | Value::Bool(_) | Value::Int(_) | Value::Text(_) => false,
    }
}

/// Without these it would not do what it did.
fn is_essential(step: Step, path: &str) -> bool {
    let top = path.split('.').next().unwrap_or(path);
    step == Step::Item || top != "tags"
}

/// What AWS gives anew to whatever is made again, and what moored does not read.
fn lost_with(step: Step) -> Vec<Arc<str>> {
    let lost: &[&str] = match step {
        Step::Record | Step::Item => &[],
        Step::HealthCheck => &[
            "its id: Route 53 gives a new one, and restore rewrites the record and the item to it",
            "its caller reference: Route 53 refuses the old one for days, so restore makes a new one",
            "what its checkers reported so far",
        ],
        Step::LoadBalancer => &[
            "its ARN and DNS name: ELBv2 gives new ones, and restore rewrites the record and the item to them",
            "listener rules and actions beyond forwarding to one target group",
            "what other services attached to it (WAF, Global Accelerator, VPC endpoint services)",
        ],
        Step::TargetGroup => &[
            "its ARN: ELBv2 gives a new one, and restore points the listeners to it",
            "its targets: whoever registered them registers them again",
            "attributes of the group (stickiness, deregistration delay), which moored does not read",
        ],
    };
    lost.iter().map(|text| Arc::from(*text)).collect()
}

/// The details that a whole image of such a thing, and the guards, need to be read.
pub fn facets(step: Step) -> BTreeSet<Facet> {
    let facets: &[Facet] = match step {
        Step::Record | Step::Item => &[],
        Step::HealthCheck => &[Facet::Tags],
        Step::LoadBalancer => &[Facet::Listeners, Facet::Attributes, Facet::Tags],
        Step::TargetGroup => &[Facet::TargetHealth, Facet::Tags],
    };
    facets.iter().copied().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::ObjectKey;
    use crate::core::value::Fields;

    fn live(kind: &'static str, facts: &[(&'static str, Fact)]) -> Live {
        let mut fields = Fields::default();
        facts.iter().for_each(|(path, fact)| fields.put(*path, fact.clone()));
        Live {
            key: ObjectKey::new(kind, "x"),
            id: "x".into(),
            incarnation: None,
            fields,
            addresses: Box::default(),
            references: Box::default(),
        }
    }

    #[test]
    fn a_secret_is_named_and_never_shown() {
        let hidden = Fact::Known(Value::secret(7, Some("hunter2".into())));
        let image = BeforeImage::of(Step::Item, &live("TableItem", &[("attributes.token", hidden)]));
        assert_eq!(image.sealed, [Arc::from("attributes.token")]);
        assert!(!serde_json::to_string(&image).unwrap().contains("hunter2"));
    }

    #[test]
    fn listeners_that_were_not_read_are_a_gap_and_tags_that_never_can_be_are_said_to_be_lost() {
        let facts = [("listeners", Fact::Unknown("throttled".into())), ("tags", Fact::Unchecked("denied".into()))];
        let image = BeforeImage::of(Step::LoadBalancer, &live("LoadBalancer", &facts));
        assert_eq!(image.gaps, [Arc::from("listeners: throttled")]);
        assert!(image.not_restored.iter().any(|lost| lost.contains("tags (denied)")), "{:?}", image.not_restored);
        let denied = [("listeners", Fact::Unchecked("denied".into()))];
        assert_eq!(BeforeImage::of(Step::LoadBalancer, &live("LoadBalancer", &denied)).gaps.len(), 1);
    }

    #[test]
    fn what_changes_by_itself_is_no_part_of_the_image() {
        let facts = [("state", Fact::Unknown("old".into())), ("scheme", Fact::Known("internal".into()))];
        let image = BeforeImage::of(Step::LoadBalancer, &live("LoadBalancer", &facts));
        assert_eq!((image.gaps.len(), image.facts.len()), (0, 1));
    }
}
