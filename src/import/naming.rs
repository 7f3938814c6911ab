//! What imported things, their applications and their files are called.
//!
//! Decides names that manifests may have: unique for each kind, the same in every import of the
//! same world, and as short as that allows. Where two things want one name, both take their next
//! best. Pure; [`super::manifests`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most characters of a name; a manifest's may have a few more.
const LONGEST: usize = 200;
/// The most characters of a file's name, extension aside.
const LONGEST_FILE: usize = 100;

/// What Windows takes for a device, whatever the extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// What a thing would like to be called, best first.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Its kind: things of different kinds may share a name.
    pub kind: &'static str,
    /// The names.
    pub names: &'a [String],
}

/// A name for each wish. None of them is among those that are `taken`.
pub fn choose(wishes: &[Wish<'_>], taken: &BTreeSet<(&'static str, Arc<str>)>) -> Vec<String> {
    let mut chosen: Vec<(usize, String)> = wishes.iter().map(|wish| (0, nth(wish, 0))).collect();
    loop {
        let next = climb(wishes, &chosen, taken);
        if next == chosen {
            break;
        }
        chosen = next;
    }
    // What still shares a name (two keys that differ in nothing that a name may show) is numbered.
    let mut used: BTreeSet<(&'static str, Arc<str>)> = taken.clone();
    let mut names = Vec::with_capacity(wishes.len());
    for (wish, (_, name)) in wishes.iter().zip(chosen) {
        let mut free = name.clone();
        let mut number = 2;
        while !used.insert((wish.kind, free.as_str().into())) {
            free = format!("{name}-{number}");
            number += 1;
        }
        names.push(free);
    }
    names
}

/// The same names, but the next best one for each that is not alone with its own.
fn climb(
    wishes: &[Wish<'_>],
    chosen: &[(usize, String)],
    taken: &BTreeSet<(&'static str, Arc<str>)>,
) -> Vec<(usize, String)> {
    let mut wanted: BTreeMap<(&'static str, &str), u32> = BTreeMap::new();
    for (wish, (_, name)) in wishes.iter().zip(chosen) {
        *wanted.entry((wish.kind, name.as_str())).or_default() += 1;
    }
    let next = |wish: &Wish<'_>, at: usize, name: &str| {
        let shared = wanted.get(&(wish.kind, name)).is_some_and(|count| *count > 1);
        let crowded = shared || taken.contains(&(wish.kind, name.into()));
        let at = if crowded && at + 1 < wish.names.len() { at + 1 } else { at };
        (at, nth(wish, at))
    };
    wishes.iter().zip(chosen).map(|(wish, (at, name))| next(wish, *at, name.as_str())).collect()
}

fn nth(wish: &Wish<'_>, at: usize) -> String {
    label(wish.names.get(at).map(String::as_str).unwrap_or_default())
}

/// A text as a name or label: one word that a person can see and type.
pub fn label(text: &str) -> String {
    let visible = |char: char| if char.is_alphanumeric() || char.is_ascii_graphic() { char } else { '-' };
    let label: String = text.trim().chars().map(visible).take(LONGEST).collect();
    if label.is_empty() { "unnamed".to_owned() } else { label }
}

/// A text as the name of a file, on any file system.
pub fn file(text: &str) -> String {
    let sound = |char: char| match char.to_ascii_lowercase() {
        char if char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.') => char,
        _ => '-',
    };
    let name: String = text.chars().map(sound).take(LONGEST_FILE).collect();
    // A file whose name begins with a dot is no manifest, and Windows takes dots at the end away.
    match name.trim_start_matches(['.', '-']).trim_end_matches('.') {
        "" => "unnamed".to_owned(),
        name if is_device(name) => format!("app-{name}"),
        name => name.to_owned(),
    }
}

/// Whether Windows would open a device instead of this file.
fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default();
    let numbered = base.strip_prefix("com").or_else(|| base.strip_prefix("lpt"));
    DEVICES.contains(&base) || numbered.is_some_and(|rest| rest.len() == 1 && rest.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wishes: &[(&'static str, &[&str])], taken: &[(&'static str, &str)]) -> Vec<String> {
        let owned: Vec<(&'static str, Vec<String>)> =
            wishes.iter().map(|(kind, names)| (*kind, names.iter().map(|name| (*name).to_owned()).collect())).collect();
        let wishes: Vec<Wish<'_>> = owned.iter().map(|(kind, names)| Wish { kind, names }).collect();
        choose(&wishes, &taken.iter().map(|(kind, name)| (*kind, Arc::from(*name))).collect())
    }

    #[test]
    fn where_two_want_one_name_both_take_their_next_best() {
        let names = chosen(&[("A", &["www", "www-a"]), ("A", &["www", "www-aaaa"]), ("B", &["www"])], &[]);
        assert_eq!(names, ["www-a", "www-aaaa", "www"]);
    }

    #[test]
    fn a_name_that_a_manifest_has_already_is_not_given_again() {
        assert_eq!(chosen(&[("A", &["api", "api-eu"])], &[("A", "api")]), ["api-eu"]);
        assert_eq!(chosen(&[("A", &["api"])], &[("A", "api"), ("A", "api-2")]), ["api-3"]);
        assert_eq!(chosen(&[("A", &["api"])], &[("B", "api")]), ["api"]);
    }

    #[test]
    fn things_that_differ_in_nothing_that_can_be_seen_are_numbered() {
        assert_eq!(chosen(&[("A", &["a b"]), ("A", &["a\u{202e}b"]), ("A", &["a-b"])], &[]), ["a-b", "a-b-2", "a-b-3"]);
    }

    #[test]
    fn names_are_one_word_and_files_sound_everywhere() {
        assert_eq!(
            (label(" a b\n"), label("*.example.com"), label("\u{200b}")),
            ("a-b".into(), "*.example.com".into(), "-".into())
        );
        assert_eq!(label(&"x".repeat(500)).len(), LONGEST);
        assert_eq!(
            (file("Shop/API v2"), file("../*"), file("..")),
            ("shop-api-v2".into(), "unnamed".into(), "unnamed".into())
        );
        for (text, name) in [
            ("/", "unnamed"),
            ("\u{1f680}", "unnamed"),
            ("../../etc/passwd", "etc-passwd"),
            ("C:\\shop", "c--shop"),
            ("shop..", "shop"),
            ("CON", "app-con"),
            ("Lpt1.prod", "app-lpt1.prod"),
            ("console", "console"),
            ("com10", "com10"),
        ] {
            assert_eq!(file(text), name, "{text}");
        }
        assert_eq!(file(&"x".repeat(300)).len(), LONGEST_FILE);
    }
}
