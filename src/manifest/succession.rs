//! Whether a revision can be meant to follow the one in force.
//!
//! Decides two things that no reader of the new revision alone could: that a root which speaks of
//! entirely other environments holds somebody else's manifests (a wrong mount, a wrong branch), and
//! that a file which is the mere beginning of what it was, and ends within a document, was cut off.
//! Both would silently un-declare what is watched. Never looks at a root's first revision: a restart
//! is how a person insists. The engine calls it before it puts a revision in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kept::Kept;
use super::load::Parsed;
use super::parse::parse;
use super::problem::{Place, Problem};
use super::source::SourceFile;
use super::tree::{Data, Key, Node};

/// The environments that a root speaks of, with the accounts of those that it declares itself.
pub(super) type Subjects = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// Adds to the problems of a new revision what speaks against its following the one before.
pub fn examine(before: &Kept, after: &mut Parsed) {
    if before.digest == after.digest {
        return;
    }
    let cut = after.files.iter().filter_map(|file| {
        let old = before.files.iter().find(|old| old.path == file.path)?;
        cut_off(old, file)
    });
    let found: Vec<Problem> = cut.chain(foreign(before, after)).collect();
    after.problems.extend(found);
}

/// What a root speaks of.
pub(super) fn subjects(root: &Parsed) -> Subjects {
    let mut subjects = Subjects::new();
    for document in &root.environments {
        let accounts = document.environment.iter().flat_map(|environment| environment.accounts.values());
        subjects.entry(document.name.clone()).or_default().extend(accounts.map(|account| account.id.clone()));
    }
    let resources = root.resources.iter().map(|document| &document.envelope);
    let ignores = root.ignores.iter().map(|document| &document.envelope);
    let listed = resources.chain(ignores).flat_map(|envelope| &envelope.environments);
    let broken = root.broken.iter().flat_map(|mention| &mention.environments);
    for (name, _) in listed.chain(broken) {
        subjects.entry(name.clone()).or_default();
    }
    subjects
}

fn foreign(before: &Kept, after: &Parsed) -> Option<Problem> {
    let theirs = subjects(after);
    // Of what cannot be read nobody knows whose it is.
    if before.subjects.is_empty() || theirs.is_empty() || remains(&before.subjects, &theirs) {
        return None;
    }
    let message = format!(
        "these are other environments' manifests: {}, while those in force are about {}",
        told(&theirs),
        told(&before.subjects)
    );
    let hint =
        "check what is mounted or checked out here; if it is meant, restart moored: it begins with what it finds";
    Some(Problem::of_file(&*after.root, message).hint(hint))
}

/// Whether any environment is still spoken of: by its name and an account, or by all its accounts under another name.
fn remains(before: &Subjects, after: &Subjects) -> bool {
    before.iter().any(|(name, accounts)| {
        after.iter().any(|(other, theirs)| match name == other {
            true => accounts.is_empty() || theirs.is_empty() || !accounts.is_disjoint(theirs),
            false => !accounts.is_empty() && accounts == theirs,
        })
    })
}

fn told(subjects: &Subjects) -> String {
    let mut told = Vec::new();
    for (name, accounts) in subjects {
        let accounts: Vec<&str> = accounts.iter().map(|account| &**account).collect();
        told.push(if accounts.is_empty() {
            format!("`{name}`")
        } else {
            format!("`{name}` ({})", accounts.join(", "))
        });
    }
    told.join(", ")
}

/// A file that is the beginning of what it was is fine where it ends between two documents, as it does when a person
/// takes the last ones away.
fn cut_off(before: &SourceFile, after: &SourceFile) -> Option<Problem> {
    let rest = before.text.strip_prefix(&*after.text)?;
    if rest.trim().is_empty() {
        return None;
    }
    let (old, new) = (parse(before).ok()?, parse(after).ok()?);
    if new.len() <= old.len() && new.iter().zip(&old).all(|(new, old)| alike(new, old)) {
        return None;
    }
    let place = Place::in_text(&after.text, after.text.trim_end().len());
    let message = "the file ends here, within a document, and up to here is what it was before: it was cut off";
    let hint = "let the copy finish, or restore the file; if its end was taken away on purpose, put a comment there";
    Some(Problem::at(&after.path, place, message).hint(hint))
}

/// Whether two trees say the same, wherever it stands.
fn alike(one: &Node, other: &Node) -> bool {
    match (&one.data, &other.data) {
        (Data::Scalar(one), Data::Scalar(other)) => one == other,
        (Data::Seq(one), Data::Seq(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Data::Map(one), Data::Map(other)) => {
            let same = |((key, one), (other_key, other)): (&(Key, Node), &(Key, Node))| {
                key.name == other_key.name && alike(one, other)
            };
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;

    use super::super::source::Source;
    use super::*;

    fn environment(name: &str, accounts: &[&str]) -> String {
        let accounts: Vec<String> = accounts
            .iter()
            .enumerate()
            .map(|(at, account)| format!("a{at}: {{account: \"{account}\", regions: [eu-west-1]}}"))
            .collect();
        format!(
            "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {{name: {name}}}\n\
             spec: {{class: staging, aws: {{accounts: {{{}}}}}}}\n",
            accounts.join(", ")
        )
    }

    fn record(environment: &str) -> String {
        format!(
            "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: api, environments: [{environment}]}}\n\
             spec:\n  zone: example.com\n  type: CNAME\n  value: x.example.net\n  ttl: 60\n"
        )
    }

    fn root(text: &str) -> Parsed {
        let file = SourceFile { path: "a.yaml".to_owned(), text: Arc::from(text) };
        Parsed::of(&Source { root: PathBuf::from("root"), files: vec![file], digest: text.to_owned() }, None)
    }

    /// What speaks against the second text following the first.
    fn objections(before: &str, after: &str) -> Vec<String> {
        let kept = Kept::of(&root(before));
        let mut after = root(after);
        assert!(after.problems.is_empty(), "{:?}", after.problems);
        examine(&kept, &mut after);
        after.problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn another_environments_manifests_are_refused_with_both_named() {
        let (production, staging) = (["111122223333", "444455556666"], ["777788889999", "444455556666"]);
        let refused = objections(&environment("production", &production), &environment("staging", &staging));
        assert_eq!(
            refused,
            ["these are other environments' manifests: `staging` (444455556666, 777788889999), while those in force \
              are about `production` (111122223333, 444455556666)"]
        );
        // The same name in an account of its own is another environment too.
        assert_eq!(objections(&environment("a", &["111122223333"]), &environment("a", &["777788889999"])).len(), 1);
        assert_eq!(objections(&record("production"), &record("staging")).len(), 1);
    }

    #[test]
    fn a_renamed_a_moved_and_a_smaller_root_are_not() {
        let both = format!("{}---\n{}", environment("a", &["111122223333"]), environment("b", &["777788889999"]));
        for (before, after) in [
            (environment("a", &["111122223333"]), environment("renamed", &["111122223333"])),
            (environment("a", &["111122223333"]), environment("a", &["111122223333", "777788889999"])),
            (both.clone(), environment("b", &["777788889999"])),
            (record("production"), record("production, staging")),
            (record("production"), format!("{}---\n{}", environment("production", &["111122223333"]), record("x"))),
        ] {
            assert_eq!(objections(&before, &after), Vec::<String>::new(), "{after}");
        }
    }

    #[test]
    fn a_file_that_ends_within_a_document_where_it_went_on_before_was_cut_off() {
        let whole = format!("{}---\n{}", environment("a", &["111122223333"]), record("a"));
        for cut in [whole.rfind("  ttl").unwrap(), whole.rfind("ample.net").unwrap(), whole.len() - 2] {
            let refused = objections(&whole, &whole[..cut]);
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert!(refused[0].contains("was cut off"), "{refused:?}");
        }
        let first = whole.find("---").unwrap();
        for meant in [&whole[..first], &whole[..whole.len() - 1], &whole.replace("  ttl: 60\n", "  # no ttl\n")] {
            assert_eq!(objections(&whole, meant), Vec::<String>::new(), "{meant}");
        }
    }
}
