//! The canary at the end of a reading.
//!
//! Decides whether spaces that things are said to be gone from can still be seen, and whether it is
//! still the same platform that answers: a role that is lost in the middle of a reading makes lists and
//! names empty alike, and an API that fails over answers for another foundation. A space that went is
//! taken out of the reading, as if it had not been visible from the beginning. Never says what is gone.
//! The readers of [`super`] and of [`crate::scopes::cf_foundation`] call it last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ask::{GUIDS, all, remark};
use crate::cloudfoundry::allow_list::SPACES;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::Space;
use crate::core::identity::Select;
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::kinds::app::absence::space_note;

/// The spaces that hold something that is said to be not there. `spaces` are the visible ones, as keys
/// begin with them, by guid.
pub fn suspects<V: AsRef<str>>(reading: &Reading, spaces: &BTreeMap<Arc<str>, V>) -> BTreeSet<Arc<str>> {
    let not_found = reading.answers.iter().filter(|(_, answer)| **answer == NamedAnswer::NotFound);
    let keys: Vec<&str> = not_found
        .filter_map(|(ask, _)| match &ask.select {
            Select::Key(key) => Some(&**key),
            Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
        })
        .collect();
    let is_suspect = |name: &str| keys.iter().any(|key| is_within(key, name));
    spaces.iter().filter(|(_, name)| is_suspect(name.as_ref())).map(|(guid, _)| guid.clone()).collect()
}

/// Looks for these spaces once more. Those that cannot be seen are taken out of the reading; of those
/// that cannot be looked for, nothing is called gone. Tells which these are.
pub async fn check<V: AsRef<str>>(
    cx: &ReadContext,
    suspects: &BTreeSet<Arc<str>>,
    spaces: &BTreeMap<Arc<str>, V>,
    reading: &mut Reading,
) -> BTreeSet<Arc<str>> {
    let guids: Vec<Arc<str>> = suspects.iter().cloned().collect();
    let mut doubted = BTreeSet::new();
    for batch in guids.chunks(GUIDS) {
        let query = batch.join(",");
        let listed = all::<Space>(cx, &SPACES, &[("guids", query.as_str())], &mut reading.remarks).await;
        for guid in batch {
            let Some(name) = spaces.get(guid) else { continue };
            let name: &str = name.as_ref();
            match &listed {
                Ok(listed) if listed.items.iter().any(|space| space.guid == *guid) => continue,
                Ok(_) => withdraw(name, reading),
                Err(call) => doubt(name, &call.failure, reading),
            }
            doubted.insert(guid.clone());
        }
    }
    doubted
}

/// Whether a platform that moored signed in to anew in the middle of a reading is the one that it was.
/// `guids` are those of the organisations before and after.
pub fn same_platform(host: &str, before: &BTreeSet<&str>, after: &BTreeSet<&str>) -> Result<(), Failure> {
    if before.is_empty() || !before.is_disjoint(after) {
        return Ok(());
    }
    let detail = format!(
        "{host} asked for a new sign-in while it was read, and no organisation has the guid that it had before: another platform answers now"
    );
    Err(Failure::new(Reason::IdentityMismatch, detail))
}

/// Takes everything in a space out of a reading.
fn withdraw(space: &str, reading: &mut Reading) {
    let detail = format!(
        "the space {space} went out of sight while it was read: deleted, or the role was lost; nothing in it is called gone"
    );
    reading.notes.remove(space_note(space).as_str());
    reading.objects.retain(|key, _| !is_within(&key.key, space));
    doubt(space, &Failure::new(Reason::ContainerMissing, detail), reading);
}

/// Takes back whatever a reading says to be gone from a space.
fn doubt(space: &str, failure: &Failure, reading: &mut Reading) {
    reading.marks.retain(|key, _| !is_within(&key.key, space));
    for (ask, answer) in &mut reading.answers {
        let is_here = matches!(&ask.select, Select::Key(key) if is_within(key, space));
        if is_here && *answer == NamedAnswer::NotFound {
            *answer = NamedAnswer::Unknown(failure.clone());
        }
    }
    remark(&mut reading.remarks, failure.clone());
}

fn is_within(key: &str, space: &str) -> bool {
    key.strip_prefix(space).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_that_knows_none_of_the_guids_any_more_is_another_one() {
        let (one, two, other) = (BTreeSet::from(["o-1"]), BTreeSet::from(["o-1", "o-2"]), BTreeSet::from(["o-3"]));
        assert_eq!(same_platform("api.example.com", &one, &two), Ok(()));
        assert_eq!(same_platform("api.example.com", &BTreeSet::new(), &one), Ok(()), "nothing was seen of it");
        let failure = same_platform("api.example.com", &two, &other).err();
        assert_eq!(failure.map(|failure| failure.reason), Some(Reason::IdentityMismatch));
        assert!(same_platform("api.example.com", &one, &BTreeSet::new()).is_err());
    }

    #[test]
    fn a_space_is_not_the_one_whose_name_it_begins_with() {
        assert!(is_within("prod/api", "prod") && !is_within("production/api", "prod") && !is_within("prod", "prod"));
    }
}
