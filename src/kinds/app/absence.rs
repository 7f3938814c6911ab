//! When a Cloud Foundry thing is proven gone.
//!
//! Decides what it takes: Cloud Foundry answers 404, and empty lists with 200, to whoever may not
//! see, so neither alone proves anything. The kinds App, ServiceInstance and ServiceBinding call
//! [`proven`].

use crate::core::identity::Ask;
use crate::core::judge::Proof;
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};

/// The note of a visible space.
pub fn space_note(space: &str) -> String {
    format!("space:{space}")
}

/// The proof (design section 4): every page of every list arrived without the thing; its space,
/// the canary for a role that was lost, is still visible; and a second list that asks for this one
/// name finds nothing. `what` is what a person calls it; `space` is where it would be.
pub fn proven(what: &str, space: Option<&str>, ask: &Ask, reading: &Reading) -> Result<Proof, Failure> {
    let Some(space) = space else {
        let detail = format!("the {what} `{}` is in no space: moored cannot look for it", ask.select);
        return Err(Failure::new(Reason::Invalid, detail));
    };
    if !(reading.complete && reading.listed) {
        return Err(Failure::new(Reason::Incomplete, format!("the list of {what}s is not complete")));
    }
    if !reading.notes.contains_key(space_note(space).as_str()) {
        let detail = format!("the space {space} is not visible: deleted, or the role was lost");
        return Err(Failure::new(Reason::ContainerMissing, detail));
    }
    match reading.answers.get(ask) {
        Some(NamedAnswer::NotFound) => Ok(Proof {
            sentence: format!(
                "the complete list of {what}s lacks it, asking for it by name finds nothing, and its space {space} is visible"
            ),
            deleted: false,
        }),
        Some(NamedAnswer::Unknown(failure)) => Err(failure.clone()),
        Some(NamedAnswer::Inactive(_) | NamedAnswer::Missing | NamedAnswer::NoItem) | None => Err(Failure::new(
            Reason::Unconfirmed,
            format!("the list of {what}s lacks {}, but it was not asked for by name yet", ask.select),
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::core::identity::Select;
    use crate::core::judge::Kind;
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
}
