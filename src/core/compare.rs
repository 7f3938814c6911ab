//! Comparison: what a manifest expects against what was read, field by field.
//!
//! Decides which declared fields differ, and which cannot be said. Only declared fields are
//! compared; both sides are already spelled the provider's way, so equality is plain equality.

use std::sync::Arc;

use super::drift::FieldDrift;
use super::value::{Expect, Fact, Fields, Path};

/// The result of one comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Known to differ.
    pub differing: Vec<FieldDrift>,
    /// Not known this time: the path and why.
    pub unknown: Vec<(Path, Arc<str>)>,
    /// Never readable by this role: the path and why.
    pub unchecked: Vec<(Path, Arc<str>)>,
}

/// Compares every expected field.
pub fn compare<'a>(expects: impl IntoIterator<Item = &'a (Path, Expect)>, live: &Fields) -> Comparison {
    let mut comparison = Comparison::default();
    for (path, expect) in expects {
        match &*live.fact(path) {
            Fact::Known(value) if expect.met_by(value) => {}
            Fact::Known(value) => comparison.differing.push(FieldDrift {
                path: (&**path).into(),
                desired: expect.to_json(),
                live: value.to_json(expect.reveals()),
            }),
            Fact::Unknown(why) => comparison.unknown.push((path.clone(), why.clone())),
            Fact::Unchecked(why) => comparison.unchecked.push((path.clone(), why.clone())),
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::value::Value;

    #[test]
    fn only_declared_fields_are_compared_and_unreadable_ones_are_no_drift() {
        let mut live = Fields::default();
        live.set("desiredCount", 5);
        live.set("launchType", "FARGATE");
        live.put("tags", Fact::Unchecked("denied".into()));
        live.put("taskDefinition", Fact::Unknown("throttled".into()));
        let expects = vec![
            ("desiredCount".into(), Expect::Between(Some(2), Some(6))),
            ("tags.team".into(), Expect::Is(Value::text("x"))),
            ("taskDefinition.cpu".into(), Expect::Is(Value::text("256"))),
        ];
        let comparison = compare(&expects, &live);
        assert_eq!(comparison.differing, []);
        assert_eq!((comparison.unknown.len(), comparison.unchecked.len()), (1, 1));
    }
}
