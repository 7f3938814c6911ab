//! The marks that were told last.
//!
//! Decides which marks a reading repeats because it could not tell them: those that only an app's
//! manifest tells. A mark that is left out is taken for a part that is gone, so that a gap must not
//! look like one. Never makes a mark. Called by [`super::assemble`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kinds::app::live::Marks;

/// The mark of a manifest that could be read.
const MANIFEST: &str = "manifest";

/// Marks of apps by guid.
#[derive(Debug, Default)]
pub(super) struct Told {
    last: BTreeMap<Arc<str>, Marks>,
}

impl Told {
    /// The marks of an app, with those of the last reading for what this one could not tell.
    pub(super) fn completed(&mut self, app: &Arc<str>, mut marks: Marks) -> Marks {
        if !marks.contains_key(MANIFEST)
            && let Some(last) = self.last.get(app)
        {
            let untold = last.iter().filter(|(name, _)| comes_from_manifest(name, &marks));
            let untold: Vec<(Arc<str>, Arc<str>)> = untold.map(|(name, value)| (name.clone(), value.clone())).collect();
            marks.extend(untold);
        }
        self.last.insert(app.clone(), marks.clone());
        marks
    }

    /// Forgets the apps that are gone.
    pub(super) fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.last.retain(|app, _| is_there(app));
    }
}

/// Whether only a manifest tells this mark, of a process that is still there.
fn comes_from_manifest(name: &str, marks: &Marks) -> bool {
    match name.split_once(':') {
        None => name == MANIFEST || name == "environment",
        Some((part, process)) => part == "command" && marks.contains_key(format!("guid:{process}").as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(all: &[(&str, &str)]) -> Marks {
        all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_manifest_that_could_not_be_read_leaves_its_marks_as_they_were() {
        let (app, mut told) = ("app".into(), Told::default());
        let environment = [("manifest", "k"), ("environment", "e"), ("command:web", "c"), ("command:old", "c")];
        let all: Vec<_> = environment.into_iter().chain([("guid:web", "1"), ("binding:queue", "b")]).collect();
        assert_eq!(told.completed(&app, marks(&all)), marks(&all));
        let unread = told.completed(&app, marks(&[("guid:web", "2")]));
        let expected = [("manifest", "k"), ("environment", "e"), ("command:web", "c"), ("guid:web", "2")];
        assert_eq!(unread, marks(&expected), "a binding and a process that are gone stay gone");
        assert_eq!(
            told.completed(&app, marks(&[("guid:web", "2")])),
            marks(&expected),
            "and still at the next reading"
        );
    }
}
