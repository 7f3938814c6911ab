//! Which marks a reading tells, and when each was told before.
//!
//! Decides for every part of an app that this very reading tells since when this reader knows it, and
//! which bindings are known to be gone. A part that could not be read is not told: core keeps what it
//! remembers, so that a gap never looks like a change. Never makes a mark. Called by
//! [`super::assemble`]; [`super::CfOrganization`] says when a reading was believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::core::observation::Marked;
use crate::kinds::app::live::Marks;

/// What begins the name of a binding's mark.
const BINDING: &str = "binding:";

/// What was told of each app, by its guid.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// When the last believed reading began that told the part, and whether it was there.
    last: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Part>>,
    /// What the reading under way tells.
    now: BTreeMap<Arc<str>, BTreeMap<Arc<str>, bool>>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    told: Timestamp,
    is_there: bool,
}

impl Told {
    /// Begins a reading. What one told that was not believed is as if it had not been told.
    pub(super) fn begin(&mut self) {
        self.now.clear();
    }

    /// The marks of an app as this reading tells them. `bound` are the instances that it is bound to,
    /// whether it can use them or not; `None` where not all of them are known, or none is believed.
    pub(super) fn told(
        &mut self,
        app: &Arc<str>,
        marks: Marks,
        bound: Option<&BTreeSet<&str>>,
    ) -> BTreeMap<Arc<str>, Marked> {
        let none = BTreeMap::new();
        let last = self.last.get(app).unwrap_or(&none);
        let is_gone = |name: &str| {
            let bound = name.strip_prefix(BINDING).zip(bound);
            bound.is_some_and(|(instance, bound)| !bound.contains(instance))
        };
        let gone = last.keys().filter(|name| is_gone(name)).map(|name| (name.clone(), None));
        let parts: BTreeMap<Arc<str>, Option<Arc<str>>> =
            gone.chain(marks.into_iter().map(|(name, value)| (name, Some(value)))).collect();
        let marked = |(name, value): (&Arc<str>, &Option<Arc<str>>)| {
            let before = last.get(name).map(|part| part.told);
            (name.clone(), Marked { value: value.clone(), before })
        };
        let told = parts.iter().map(marked).collect();
        self.now.insert(app.clone(), parts.into_iter().map(|(name, value)| (name, value.is_some())).collect());
        told
    }

    /// Whether this reading tells that a binding is gone which the last one told was there.
    pub(super) fn has_lost(&self, app: &str) -> bool {
        let last = self.last.get(app);
        let lost = |(name, is_there): (&Arc<str>, &bool)| {
            let was_there = last.and_then(|last| last.get(name)).is_some_and(|part| part.is_there);
            !*is_there && was_there
        };
        self.now.get(app).is_some_and(|now| now.iter().any(lost))
    }

    /// Takes back what this reading tells of an app.
    pub(super) fn withdraw(&mut self, app: &str) {
        self.now.remove(app);
    }

    /// The reading that began then is whole. Apps that it lacks are forgotten.
    pub(super) fn believe(&mut self, started: Timestamp, is_listed: impl Fn(&str) -> bool) {
        self.last.retain(|app, _| is_listed(app));
        for (app, now) in std::mem::take(&mut self.now) {
            let last = self.last.entry(app).or_default();
            last.extend(now.into_iter().map(|(name, is_there)| (name, Part { told: started, is_there })));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// One reading that is believed, as `name=value@before`.
    fn read(told: &mut Told, started: i64, marks: &[(&str, &str)], bound: &[&str]) -> Vec<String> {
        let said = tell(told, marks, Some(bound));
        told.believe(at(started), |_| true);
        said
    }

    fn tell(told: &mut Told, marks: &[(&str, &str)], bound: Option<&[&str]>) -> Vec<String> {
        told.begin();
        let marks = marks.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let bound: Option<BTreeSet<&str>> = bound.map(|bound| bound.iter().copied().collect());
        let said = told.told(&"app".into(), marks, bound.as_ref());
        let spelled = |(name, mark): (Arc<str>, Marked)| {
            let before = mark.before.map(|at| format!("@{}", at.as_second())).unwrap_or_default();
            format!("{name}={}{before}", mark.value.as_deref().unwrap_or("-"))
        };
        said.into_iter().map(spelled).collect()
    }

    #[test]
    fn a_part_that_could_not_be_read_is_not_told_and_was_told_before_the_gap() {
        let mut told = Told::default();
        assert_eq!(
            read(&mut told, 10, &[("environment", "e"), ("guid:web", "1")], &[]),
            ["environment=e", "guid:web=1"]
        );
        assert_eq!(read(&mut told, 20, &[("guid:web", "1")], &[]), ["guid:web=1@10"], "never an old value");
        assert_eq!(read(&mut told, 30, &[("environment", "f")], &[]), ["environment=f@10"], "nobody read it at 20");
        assert_eq!(read(&mut told, 40, &[("environment", "f")], &[]), ["environment=f@30"]);
    }

    #[test]
    fn what_a_reading_told_that_was_not_believed_was_not_told() {
        let mut told = Told::default();
        read(&mut told, 10, &[("environment", "e")], &[]);
        tell(&mut told, &[("environment", "f")], Some(&[]));
        assert_eq!(read(&mut told, 30, &[("environment", "f")], &[]), ["environment=f@10"]);
    }

    #[test]
    fn a_binding_is_gone_when_all_bindings_are_known_and_it_is_none_of_them() {
        let mut told = Told::default();
        read(&mut told, 10, &[("binding:queue", "b")], &["queue"]);
        assert_eq!(tell(&mut told, &[], None), [""; 0], "one of the app's bindings is to an instance nobody sees");
        assert_eq!(read(&mut told, 20, &[], &["queue"]), [""; 0], "it is in progress");
        assert_eq!(tell(&mut told, &[], Some(&[])), ["binding:queue=-@10"]);
        assert!(told.has_lost("app"));
        told.believe(at(30), |_| true);
        assert_eq!(tell(&mut told, &[], Some(&[])), ["binding:queue=-@30"], "still");
        assert!(!told.has_lost("app"), "that is no news");
        told.believe(at(40), |_| true);
        assert_eq!(read(&mut told, 50, &[("binding:queue", "c")], &["queue"]), ["binding:queue=c@40"]);
    }

    #[test]
    fn an_app_that_is_not_listed_any_more_begins_anew() {
        let mut told = Told::default();
        read(&mut told, 10, &[("guid:web", "1")], &[]);
        told.begin();
        told.believe(at(20), |_| false);
        assert_eq!(read(&mut told, 30, &[("guid:web", "1")], &[]), ["guid:web=1"]);
    }
}
