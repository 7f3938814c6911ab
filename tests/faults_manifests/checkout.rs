//! F23 and F24: files that change while they are read.
//!
//! A root is accepted only when two readings give one digest. A checkout that stands still between
//! two files for longer than the pause between the readings (20 ms) can still be read half done; the
//! daemon looks again two seconds later. A mounted ConfigMap is never mixed, not even in one reading:
//! it has one link that is followed once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moored::manifest::source::{Source, read, read_settled};

use crate::common::Scratch;

/// The distinct revisions that the files of a root are of.
fn revisions(source: &Source) -> Vec<String> {
    let mut found: Vec<String> = source.files.iter().map(|file| file.text.trim().to_owned()).collect();
    found.sort();
    found.dedup();
    found
}

/// A small generator of its own: no test needs better randomness than to be repeatable.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn f23_a_checkout_in_progress_is_never_accepted_as_a_mix_of_two_commits() {
    for seed in 0..40_u64 {
        let root = Scratch::new("checkout");
        let mut random = seed;
        let files = 2 + next(&mut random) as usize % 7;
        let mut order: Vec<usize> = (0..files).collect();
        for at in (1..files).rev() {
            order.swap(at, next(&mut random) as usize % (at + 1));
        }
        for file in 0..files {
            root.write(&format!("{file}.yaml"), "commit: 1\n");
        }
        // One file more is of the new commit whenever moored looks away.
        let mut rest = order.into_iter();
        let settled = read_settled(root.path(), || {
            if let Some(file) = rest.next() {
                root.write(&format!("{file}.yaml"), "commit: 2\n");
            }
        });
        match settled {
            Ok(source) => {
                assert_eq!(revisions(&source), ["commit: 2"], "seed {seed}");
                assert!(files <= 3, "seed {seed}: {files} files cannot have settled");
            }
            Err(problems) => {
                assert!(files > 3, "seed {seed}: {problems:?}");
                assert!(problems[0].message.starts_with("the files keep changing"), "seed {seed}: {problems:?}");
                assert!(problems[0].hint.is_some());
            }
        }
    }
}

#[test]
fn f23_a_file_that_grows_while_it_is_read_is_accepted_only_once_it_is_whole() {
    let root = Scratch::new("growing");
    let whole = ["a: 1\n", "---\n", "b: 2\n"];
    let mut written = 1;
    root.write("a.yaml", whole[0]);
    let settled = read_settled(root.path(), || {
        written = (written + 1).min(whole.len());
        root.write("a.yaml", whole[..written].concat());
    });
    assert_eq!(&*settled.unwrap().files[0].text, whole.concat());
}

const FILES: usize = 12;

/// Fills a dated folder as the kubelet does, and lets `..data` point to it, at once.
fn mount(folder: &Path, revision: u64) {
    let dated = format!("..2026_11_20.{revision}");
    fs::create_dir_all(folder.join(&dated)).unwrap();
    for file in 0..FILES {
        fs::write(folder.join(&dated).join(format!("{file}.yaml")), format!("revision: {revision}\n")).unwrap();
    }
    let _ = fs::remove_file(folder.join("..data_tmp"));
    symlink(&dated, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// Ends the other threads, however this one ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn f24_a_config_map_swap_during_reading_is_never_a_mix() {
    let root = Scratch::new("swap");
    let folder = root.file("team");
    fs::create_dir_all(&folder).unwrap();
    mount(&folder, 0);
    for file in 0..FILES {
        symlink(format!("..data/{file}.yaml"), folder.join(format!("{file}.yaml"))).unwrap();
    }
    let over = AtomicBool::new(false);
    let (mut read_well, mut swaps) = (0, 0);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut revision = 0_u64;
            while !over.load(Ordering::Relaxed) {
                revision += 1;
                mount(&folder, revision);
                // A reader that is slow sees its folder go; some older ones give the others a chance.
                if let Some(old) = revision.checked_sub(20) {
                    fs::remove_dir_all(folder.join(format!("..2026_11_20.{old}"))).unwrap();
                }
            }
            revision
        });
        let stop = Stop(&over);
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            // One reading, without the second one that would have to agree.
            if let Ok(source) = read(root.path()) {
                let revisions = revisions(&source);
                assert_eq!(revisions.len(), 1, "a mix of {revisions:?}");
                assert_eq!(source.files.len(), FILES, "a part of {revisions:?}");
                read_well += 1;
            }
        }
        drop(stop);
        swaps = swapper.join().unwrap();
    });
    assert!(read_well > 0 && swaps > 10, "{read_well} readings, {swaps} swaps");
    let settled = read_settled(root.path(), || ()).unwrap();
    assert_eq!(revisions(&settled), [format!("revision: {swaps}")]);
}
