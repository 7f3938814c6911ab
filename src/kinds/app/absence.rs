//! When a Cloud Foundry thing is proven gone.
//!
//! Decides what it takes: Cloud Foundry answers 404, and empty lists with 200, to whoever may not
//! see, so neither alone proves anything. The kinds App, ServiceInstance and ServiceBinding call
//! [`proven`].

use crate::core::identity::{Ask, Select};
use crate::core::judge::Proof;
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};

/// The note of a visible space.
pub fn space_note(space: &str) -> String {
    format!("space:{space}")
}

/// The space that a key lies in. Spaces and apps may have a `/` in their names: what counts is which
/// visible space the key begins with, and `usual` where none does.
pub fn space_of<'a>(key: &'a str, usual: &'a str, reading: &Reading) -> Result<&'a str, Failure> {
    let is_visible = |space: &&str| reading.notes.contains_key(space_note(space).as_str());
    let begins = key.match_indices('/').filter_map(|(at, _)| key.get(..at));
    let visible: Vec<&str> = begins.filter(is_visible).collect();
    match visible.as_slice() {
        [] => {
            let detail = format!("the space {usual} is not visible: deleted, or the role was lost");
            Err(Failure::new(Reason::ContainerMissing, detail))
        }
        [space] => Ok(*space),
        [one, .., other] => {
            let detail = format!("`{key}` may lie in the space {one} or in {other}: rename the space with the `/`");
            Err(Failure::new(Reason::Ambiguous, detail))
        }
    }
}

/// The proof (design section 4): every page of every list arrived without the thing; its space,
/// the canary for a role that was lost, is still visible; and a second list that asks for this one
/// name finds nothing. `what` is what a person calls it; `usual` is the space that its key names;
/// `known` is what is remembered of it: a thing that is there by another name was renamed.
pub fn proven(
    what: &str,
    usual: Option<&str>,
    ask: &Ask,
    reading: &Reading,
    known: Option<&ObjectMemory>,
) -> Result<Proof, Failure> {
    let (Select::Key(key), Some(usual)) = (&ask.select, usual) else {
        let detail = format!("the {what} `{}` is in no space: moored cannot look for it", ask.select);
        return Err(Failure::new(Reason::Invalid, detail));
    };
    if !(reading.complete && reading.listed) {
        return Err(Failure::new(Reason::Incomplete, format!("the list of {what}s is not complete")));
    }
    let space = space_of(key, usual, reading)?;
    match reading.answers.get(ask) {
        Some(NamedAnswer::NotFound) => {
            let renamed =
                renamed(ask, reading, known).map(|key| format!("it is called {key} now: ")).unwrap_or_default();
            Ok(Proof {
                sentence: format!(
                    "{renamed}the complete list of {what}s lacks it, asking for it by name finds nothing, and its space {space} is visible"
                ),
                deleted: false,
            })
        }
        Some(NamedAnswer::Unknown(failure)) => Err(failure.clone()),
        Some(NamedAnswer::Inactive(_) | NamedAnswer::Missing | NamedAnswer::NoItem) | None => Err(Failure::new(
            Reason::Unconfirmed,
            format!("the list of {what}s lacks {}, but it was not asked for by name yet", ask.select),
        )),
    }
}

/// The name of the very thing that once had this one.
fn renamed<'a>(ask: &Ask, reading: &'a Reading, known: Option<&ObjectMemory>) -> Option<&'a str> {
    let known = known.filter(|known| !known.id.is_empty())?;
    let mut others = reading.objects.values().filter(|live| live.key.kind == ask.kind);
    others.find(|live| live.id == known.id).map(|live| &*live.key.key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::core::judge::Kind;
    use crate::core::memory::Watched;
    use crate::kinds::app::App;

    fn ask(key: &str) -> Ask {
        Ask { kind: crate::kinds::app::KIND, select: Select::Key(key.into()) }
    }

    fn proof_in(space: &str, key: &str) -> Reading {
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        reading.notes.insert(space_note(space).into(), "5a84d315".into());
        reading.answers.insert(ask(key), NamedAnswer::NotFound);
        reading
    }

    fn reason(reading: &Reading) -> Reason {
        App.absence(&ask("production/api"), reading, None).unwrap_err().reason
    }

    #[test]
    fn an_app_is_gone_only_when_list_and_name_lack_it_and_its_space_is_visible() {
        let whole = proof_in("production", "production/api");
        assert!(App.absence(&ask("production/api"), &whole, None).is_ok());
        assert_eq!(reason(&Reading { complete: false, ..whole.clone() }), Reason::Incomplete);
        assert_eq!(reason(&Reading { listed: false, ..whole.clone() }), Reason::Incomplete);
        let blind = Reading { notes: Default::default(), ..whole.clone() };
        assert_eq!(reason(&blind), Reason::ContainerMissing, "a role that was lost looks like an empty space");
        let unasked = Reading { answers: Default::default(), ..whole };
        assert_eq!(reason(&unasked), Reason::Unconfirmed, "a list alone proves nothing");
    }

    #[test]
    fn a_name_that_could_not_be_asked_for_keeps_its_reason() {
        let mut reading = proof_in("production", "production/api");
        let failure = Failure::new(Reason::Throttled, "429");
        reading.answers.insert(ask("production/api"), NamedAnswer::Unknown(failure));
        assert_eq!(reason(&reading), Reason::Throttled);
    }

    #[test]
    fn in_a_whole_foundation_the_canary_is_the_space_of_the_organisation() {
        let key = "gds/production/api";
        assert!(App.absence(&ask(key), &proof_in("gds/production", key), None).is_ok());
        let other = App.absence(&ask(key), &proof_in("other/production", key), None);
        assert_eq!(other.unwrap_err().reason, Reason::ContainerMissing);
    }

    #[test]
    fn a_slash_in_a_name_is_understood_where_the_visible_spaces_leave_one_meaning() {
        let key = "team/a/web";
        assert!(App.absence(&ask(key), &proof_in("team/a", key), None).is_ok());
        assert!(App.absence(&ask(key), &proof_in("team", key), None).is_ok(), "the app is called a/web");
        let mut both = proof_in("team/a", key);
        both.notes.insert(space_note("team").into(), "0815".into());
        assert_eq!(App.absence(&ask(key), &both, None).unwrap_err().reason, Reason::Ambiguous);
    }

    #[test]
    fn an_app_that_was_renamed_is_missing_by_the_word_that_it_is_called_otherwise_now() {
        let (live, _) = super::super::live::live(&super::super::live::tests::observed(), &Default::default());
        let known = ObjectMemory {
            id: live.id.clone(),
            incarnation: None,
            addresses: Vec::new(),
            former: Vec::new(),
            first_seen: Timestamp::UNIX_EPOCH,
            marks: BTreeMap::new(),
            watched: Watched::No,
            absent_since: None,
            gone_since: None,
        };
        let mut reading = proof_in("production", "production/old");
        let sentence = |reading: &Reading, known: Option<&ObjectMemory>| {
            App.absence(&ask("production/old"), reading, known).unwrap().sentence
        };
        assert!(sentence(&reading, Some(&known)).starts_with("the complete list"), "it is not there");
        reading.insert(live);
        let renamed = sentence(&reading, Some(&known));
        assert!(renamed.starts_with("it is called production/api now: the complete list"), "{renamed}");
        assert!(sentence(&reading, None).starts_with("the complete list"), "nobody knows what it was");
    }
}
