//! The order in which a foundation's buildpacks are tried, against the declared one.
//!
//! Decides which buildpacks were moved: the fewest that explain the order, so that one that was
//! put in front is one move, though the place of every other changed with it. Undeclared ones in
//! between make no order wrong; they are the inventory's matter. The kind's `judge` calls it.

use super::{live as facts, name_in};
use crate::core::desired::Declared;
use crate::core::drift::FieldDrift;
use crate::core::judge::Judgement;
use crate::core::observation::Live;
use crate::core::value::{Expect, Value};

/// So many moves are told.
const TOLD: usize = 5;

/// A declared buildpack that is tried.
struct Placed {
    /// What it is called.
    name: String,
    /// Its place among the tried ones, from 0: what nobody declared counts too.
    tried: usize,
}

/// What is to be said of an order; nothing where it is as declared.
pub(super) fn judge(declared: &Declared, live: &Live) -> Option<Judgement> {
    let wanted = declared.expects.iter().find_map(|(path, expect)| match expect {
        Expect::Is(value) if path == facts::ORDER => Some(texts(value)),
        _ => None,
    })?;
    let placed = placed(&wanted, &texts(live.fields.value(facts::ORDER)?));
    let moves = moves(&placed);
    if moves.is_empty() {
        return None;
    }
    let mut message = moves.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    if moves.len() > TOLD {
        message.push_str(&format!("; and {} more", moves.len() - TOLD));
    }
    let mut by_place: Vec<&Placed> = placed.iter().collect();
    let desired = names(&by_place);
    by_place.sort_by_key(|placed| placed.tried);
    let field = FieldDrift { path: facts::ORDER.into(), desired, live: names(&by_place) };
    Some(Judgement::Changed { message, fields: vec![field] })
}

fn names(placed: &[&Placed]) -> serde_json::Value {
    placed.iter().map(|placed| placed.name.as_str()).collect()
}

fn texts(list: &Value) -> Vec<&str> {
    match list {
        Value::List(items) => items.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    }
}

/// The declared ones that are tried, in the declared order. `wanted` has names, or `name|stack`;
/// a name that several tried ones have is none of them.
fn placed(wanted: &[&str], tried: &[&str]) -> Vec<Placed> {
    let found = |entry: &str| {
        let fits = |live: &str| if entry.contains('|') { live == entry } else { name_in(live) == entry };
        let mut found = tried.iter().copied().enumerate().filter(|&(_, live)| fits(live)).map(|(at, _)| at);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    };
    let called = |entry: &str| {
        let own = name_in(entry);
        let several = wanted.iter().filter(|other| name_in(other) == own).count() > 1;
        match entry.split_once('|') {
            Some((own, stack)) if several => format!("{own} ({stack})"),
            _ => own.to_owned(),
        }
    };
    let entries = wanted.iter().copied();
    entries.filter_map(|entry| Some(Placed { name: called(entry), tried: found(entry)? })).collect()
}

/// The fewest moves that make the order the declared one, each as a person reads it. Places are counted
/// among the declared ones that are tried: others between them, or a declared one that is disabled, would
/// have two lists disagree on what is third.
fn moves(placed: &[Placed]) -> Vec<String> {
    let stays = rising(&placed.iter().map(|placed| placed.tried).collect::<Vec<_>>());
    let mut told = Vec::new();
    let mut before: Option<&Placed> = None;
    for (at, (moved, stays_here)) in placed.iter().zip(&stays).enumerate() {
        if *stays_here {
            before = Some(moved);
            continue;
        }
        let mut later = placed.iter().zip(&stays).skip(at + 1);
        let next = later.find(|(_, stays)| **stays).map(|(placed, _)| placed);
        let place = match (next, before) {
            (Some(next), _) => format!("before {}", next.name),
            (None, Some(before)) => format!("after {}", before.name),
            (None, None) => String::new(),
        };
        let tried = placed.iter().filter(|other| other.tried < moved.tried).count();
        let declared = match tried == at {
            true => format!("as declared, but not {place}"),
            false => format!("declared {}, {place}", ordinal(at)),
        };
        told.push(format!("{} is tried {} of the declared ones, {declared}", moved.name, ordinal(tried)));
    }
    told
}

/// A place, counted from 0, as it is said.
fn ordinal(place: usize) -> String {
    let number = place + 1;
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Which of these numbers, no two of them the same, belong to the longest row that only rises.
fn rising(numbers: &[usize]) -> Vec<bool> {
    // Each number with the length of the longest such row that begins with it, from the last on.
    let mut rows: Vec<(usize, usize)> = Vec::with_capacity(numbers.len());
    for number in numbers.iter().rev() {
        let longest = rows.iter().filter(|(later, _)| later > number).map(|(_, length)| *length).max();
        rows.push((*number, longest.unwrap_or(0) + 1));
    }
    let mut left = rows.iter().map(|(_, length)| *length).max().unwrap_or(0);
    let mut highest: Option<usize> = None;
    let mut belongs = Vec::with_capacity(rows.len());
    for (number, length) in rows.into_iter().rev() {
        let next = length == left && highest.is_none_or(|highest| number > highest);
        if next {
            (left, highest) = (left - 1, Some(number));
        }
        belongs.push(next);
    }
    belongs
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::observation::Reading;
    use crate::kinds::Declaration;
    use crate::kinds::buildpacks::live::{Buildpack, Observed, live};
    use crate::kinds::buildpacks::{Buildpacks, CLASSIC, KIND, order_key};
    use crate::kinds::dns_record::fixture::{Stage, declaration};

    /// What is said when these are declared, and the foundation tries those: `!` marks one that is disabled.
    fn judged(wanted: &[&str], tried: &[&str]) -> Option<(String, FieldDrift)> {
        let scope = ScopeKey::new(ScopeKind::CfFoundation, "api.example.com", "cf", "");
        let buildpacks = tried.iter().zip(1..).map(|(text, position)| {
            let plain = text.trim_start_matches('!');
            let (name, stack) = plain.split_once('|').unwrap_or((plain, ""));
            Buildpack {
                guid: format!("guid-{position}").into(),
                name: name.into(),
                stack: Some(stack.into()).filter(|_| !stack.is_empty()),
                position,
                enabled: !text.starts_with('!'),
                state: "READY".into(),
                ..Buildpack::default()
            }
        });
        let observed = Observed { buildpacks: buildpacks.collect(), autodetect: BTreeMap::new() };
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        live("api.example.com", &observed).into_iter().for_each(|thing| reading.insert(thing));
        let order = reading.object(KIND, &order_key(CLASSIC)).unwrap().clone();
        let list: Vec<Value> = wanted.iter().map(|name| Value::text(*name)).collect();
        let expects = vec![(facts::ORDER.into(), Expect::Is(Value::List(list.into())))];
        let declaration = Declaration { expects, ..declaration(scope, &order_key(CLASSIC)) };
        let declared = Stage::new().declared(&Buildpacks, "buildpacks", declaration);
        match judge(&declared, &order) {
            None => None,
            Some(Judgement::Changed { message, mut fields }) => Some((message, fields.pop().unwrap())),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_was_moved_is_one_move_though_all_others_shifted() {
        let (message, field) =
            judged(&["java", "ruby", "nodejs", "go", "php"], &["java", "nodejs", "go", "php", "ruby"]).unwrap();
        assert_eq!(message, "ruby is tried 5th of the declared ones, declared 2nd, before nodejs");
        assert_eq!(field.desired, serde_json::json!(["java", "ruby", "nodejs", "go", "php"]));
        assert_eq!(field.live, serde_json::json!(["java", "nodejs", "go", "php", "ruby"]));
        let (message, _) = judged(&["java", "ruby", "nodejs"], &["nodejs", "java", "ruby"]).unwrap();
        assert_eq!(message, "nodejs is tried 1st of the declared ones, declared 3rd, after ruby");
    }

    #[test]
    fn undeclared_missing_and_disabled_ones_make_no_order_wrong() {
        assert_eq!(judged(&["java", "ruby", "go"], &["java", "spurious", "ruby", "go"]), None);
        assert_eq!(judged(&["java", "ruby", "go"], &["spurious", "java", "go"]), None);
        assert_eq!(judged(&["java", "ruby", "go"], &["!go", "java", "ruby"]), None);
    }

    #[test]
    fn a_place_counts_the_declared_ones_that_are_tried_on_both_sides() {
        let (message, _) = judged(&["go", "java", "ruby"], &["!go", "cats", "dogs", "ruby", "java"]).unwrap();
        assert_eq!(message, "ruby is tried 1st of the declared ones, declared 2nd, after java");
        let (message, _) = judged(&["a", "b", "c"], &["c", "b", "a"]).unwrap();
        let told = "b is tried 2nd of the declared ones, as declared, but not after a; \
                    c is tried 1st of the declared ones, declared 3rd, after a";
        assert_eq!(message, told);
    }

    #[test]
    fn a_place_is_said_as_people_say_it() {
        let said: Vec<String> = [0, 1, 2, 3, 10, 11, 12, 20, 21, 111].map(ordinal).to_vec();
        assert_eq!(said, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "112th"]);
    }

    #[test]
    fn a_name_that_is_declared_for_two_stacks_is_told_with_them() {
        let wanted = ["java|a", "java|b", "ruby"];
        assert_eq!(judged(&wanted, &["java|a", "java|b", "ruby|a"]), None);
        let (message, _) = judged(&wanted, &["java|b", "ruby|a", "java|a"]).unwrap();
        assert_eq!(message, "java (a) is tried 3rd of the declared ones, declared 1st, before java (b)");
        assert_eq!(judged(&["java", "ruby"], &["ruby|a", "java|a", "java|b"]), None, "which java is meant?");
    }

    #[test]
    fn at_most_five_moves_are_told() {
        let wanted = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let (message, _) = judged(&wanted, &["h", "g", "f", "e", "d", "c", "b", "a"]).unwrap();
        assert!(message.ends_with("; and 2 more"), "{message}");
        assert_eq!(message.matches(" is tried ").count(), 5);
    }

    proptest! {
        #[test]
        fn what_stays_is_in_order_and_one_that_was_moved_is_at_most_one_move(numbers in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(), from in 0..8_usize) {
            let stays: Vec<usize> =
                numbers.iter().zip(rising(&numbers)).filter(|(_, stays)| *stays).map(|(number, _)| *number).collect();
            prop_assert!(stays.is_sorted());
            let mut one_moved: Vec<usize> = (0..8).collect();
            let moved = one_moved.remove(from);
            one_moved.push(moved);
            prop_assert!(rising(&one_moved).iter().filter(|stays| !**stays).count() <= 1);
        }
    }
}
