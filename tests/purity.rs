//! The core and the kinds are pure: this test reads every path in their source and refuses what
//! would let time, randomness, order or the outside world in. It is how "equal input gives equal
//! bytes" stays true.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Path prefixes that pure code may not name.
const BANNED: &[&[&str]] = &[
    &["tokio"],
    &["reqwest"],
    &["rand"],
    &["axum"],
    &["rusqlite"],
    &["governor"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "env"],
    &["std", "process"],
    &["std", "time"],
    &["std", "thread"],
    &["std", "io"],
    &["crate", "scopes"],
    &["crate", "aws"],
    &["crate", "cloudfoundry"],
    &["crate", "probe"],
    &["crate", "engine"],
    &["crate", "store"],
    &["crate", "serve"],
    &["crate", "sim"],
    &["crate", "cli"],
    &["crate", "clock"],
    &["crate", "demo"],
];

/// Single names that pure code may not use anywhere in a path.
const BANNED_NAMES: &[&str] = &["HashMap", "HashSet", "SystemTime", "Instant", "now"];

struct Reader<'a> {
    file: &'a Path,
    found: Vec<String>,
}

impl Reader<'_> {
    fn judge(&mut self, segments: &[String]) {
        let sdk = segments.first().is_some_and(|first| first.starts_with("aws_"));
        let prefix = BANNED.iter().any(|banned| {
            segments.len() >= banned.len() && banned.iter().zip(segments).all(|(banned, segment)| banned == segment)
        });
        // A field or variable called `now` is an argument; a path `Timestamp::now` is a clock.
        let name = segments.iter().enumerate().any(|(at, segment)| {
            BANNED_NAMES.contains(&segment.as_str()) && (segment != "now" || (at > 0 && segments.len() > 1))
        });
        if sdk || prefix || name {
            self.found.push(format!("{}: {}", self.file.display(), segments.join("::")));
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, mut path: Vec<String>) {
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&part.tree, path);
            }
            syn::UseTree::Name(part) => {
                path.push(part.ident.to_string());
                self.judge(&path);
            }
            syn::UseTree::Rename(part) => {
                path.push(part.ident.to_string());
                self.judge(&path);
            }
            syn::UseTree::Glob(_) => self.judge(&path),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, path.clone())),
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(&segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, Vec::new());
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        let name = found.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if ["println", "eprintln", "print", "eprint", "dbg"].contains(&name.as_str()) {
            self.found.push(format!("{}: {name}!", self.file.display()));
        }
        syn::visit::visit_macro(self, found);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let test_only = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
        });
        if !test_only {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn violations(text: &str, file: &Path) -> Vec<String> {
    let parsed = syn::parse_file(text).unwrap();
    let mut reader = Reader { file, found: Vec::new() };
    reader.visit_file(&parsed);
    reader.found
}

#[test]
fn core_and_kinds_name_nothing_impure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root.join("core"), &mut files);
    sources(&root.join("kinds"), &mut files);
    assert!(files.len() > 25, "the pure folders were not found: {}", files.len());
    let test_files = ["tests.rs", "fixture.rs"];
    let found: Vec<String> = files
        .iter()
        .filter(|file| !file.components().any(|part| part.as_os_str() == "tests"))
        .filter(|file| !test_files.iter().any(|name| file.ends_with(name)))
        .flat_map(|file| violations(&fs::read_to_string(file).unwrap(), file))
        .collect();
    assert!(found.is_empty(), "impure paths:\n{}", found.join("\n"));
}

#[test]
fn the_test_itself_sees_what_it_refuses() {
    for text in [
        "use std::fs::read;",
        "use std::{collections::BTreeMap, net::TcpStream};",
        "fn f() { let t = jiff::Timestamp::now(); }",
        "use std::collections::HashMap;",
        "fn f(c: aws_sdk_ecs::Client) {}",
        "use crate::scopes::Scope;",
        "fn f() { std::thread::sleep(d); }",
        "fn f() { println!(\"x\"); }",
    ] {
        assert!(!violations(text, Path::new("x.rs")).is_empty(), "not seen: {text}");
    }
    assert!(violations("fn f(now: u8) -> u8 { now + world.now }", Path::new("x.rs")).is_empty());
}
