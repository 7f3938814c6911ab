//! F25: links out of the root, loops, FIFOs, sockets, devices, files that may not be read, and all
//! of it in motion: nothing outside of the root is read, and nothing is waited for.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moored::manifest::source::read;

use crate::common::platform::manifests;
use crate::common::{Outcome, Scratch, moored, text};

const CANARY: &str = "canary-outside-5f2e";

/// Far more than any of these takes, far less than waiting for the other end of a FIFO.
const AT_ONCE: Duration = Duration::from_secs(10);

fn good(name: &str) -> Scratch {
    let root = Scratch::new(name);
    for (file, content) in manifests() {
        root.write(file, content);
    }
    root
}

/// A folder beside the root with something that no one may see.
fn outside() -> Scratch {
    let outside = Scratch::new("outside");
    outside.write("secret.yaml", format!("{CANARY}: {CANARY}\n"));
    outside
}

#[track_caller]
fn refused(root: &Path, reasons: &[&str]) -> Outcome {
    let began = Instant::now();
    let outcome = moored(["validate", "--desired-state", text(root)]).exits(1);
    let outcome = outcome.complains(reasons).complains(&["help: "]).hides(&[CANARY]);
    assert!(began.elapsed() < AT_ONCE, "it took {:?}", began.elapsed());
    outcome
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What the binary opens, if this machine lets one process watch another.
fn opened(root: &Path) -> Option<String> {
    let log = Scratch::new("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-s", "4096", "-e", "trace=open,openat,openat2", "-o", text(&log.file("log"))]);
    let traced = strace.arg(env!("CARGO_BIN_EXE_moored")).args(["validate", "--desired-state", text(root)]).output();
    traced.ok().filter(|output| output.status.code() == Some(1))?;
    fs::read_to_string(log.file("log")).ok().filter(|log| log.contains(text(root)))
}

#[test]
fn f25_a_link_out_of_the_root_is_refused_and_what_it_leads_to_is_never_opened() {
    let (root, outside) = (good("escape"), outside());
    symlink(outside.file("secret.yaml"), root.file("file.yaml")).unwrap();
    symlink(outside.path(), root.file("folder")).unwrap();
    symlink("folder/secret.yaml", root.file("through.yaml")).unwrap();
    symlink("/dev/zero", root.file("device.yaml")).unwrap();
    // As a mounted ConfigMap would be, were it not elsewhere.
    symlink(outside.path(), root.file("..data")).unwrap();
    symlink("..data/secret.yaml", root.file("secret.yaml")).unwrap();
    let links = ["file.yaml", "folder", "through.yaml", "device.yaml", "secret.yaml"];
    refused(root.path(), &links).complains(&["outside", "--desired-state root of its own"]);
    if let Some(log) = opened(root.path()) {
        let outside = outside.path().canonicalize().unwrap();
        for line in log.lines() {
            assert!(!line.contains(text(&outside)) && !line.contains("/dev/zero"), "outside is opened: {line}");
        }
    }
}

#[test]
fn f25_links_in_circles_end() {
    let root = good("circles");
    fs::create_dir(root.file("inner")).unwrap();
    symlink("..", root.file("inner/up")).unwrap();
    symlink(".", root.file("here")).unwrap();
    symlink("there", root.file("and-back")).unwrap();
    fs::create_dir(root.file("there")).unwrap();
    symlink("../and-back", root.file("there/again")).unwrap();
    moored(["validate", "--desired-state", text(root.path())]).exits(0).says(&["8 resource(s)"]);
    symlink("itself.yaml", root.file("itself.yaml")).unwrap();
    refused(root.path(), &["itself.yaml", "leads nowhere"]);
}

#[test]
fn f25_a_fifo_a_socket_and_a_device_are_refused_and_not_waited_for() {
    let root = good("pipes");
    make_fifo(&root.file("pipe.yaml"));
    refused(root.path(), &["pipe.yaml", "is a FIFO, not a file; moored did not open it"]);
    fs::rename(root.file("pipe.yaml"), root.file("pipe")).unwrap();
    symlink("pipe", root.file("link.yaml")).unwrap();
    refused(root.path(), &["link.yaml", "is a FIFO"]);
    fs::remove_file(root.file("link.yaml")).unwrap();
    refused(&root.file("pipe"), &["is a FIFO"]);

    let _socket = UnixListener::bind(root.file("socket.yaml")).unwrap();
    refused(root.path(), &["socket.yaml", "is a socket"]);
    fs::remove_file(root.file("socket.yaml")).unwrap();
    // What only lies there, and is no manifest by its name, hurts nobody.
    moored(["validate", "--desired-state", text(root.path())]).exits(0);

    for device in ["/dev/zero", "/dev/full"] {
        refused(Path::new(device), &[device, "is a device"]);
    }
    // A device in the root takes a privilege to make.
    let made = Command::new("mknod").arg(root.file("zero.yaml")).args(["c", "1", "5"]).output();
    if made.is_ok_and(|output| output.status.success()) {
        refused(root.path(), &["zero.yaml", "is a device"]);
    }
}

#[test]
fn f25_what_may_not_be_read_is_refused_by_its_name() {
    let root = good("unreadable");
    root.write("inner/extra.yaml", "a: 1\n");
    for (name, mode) in [("apps.yaml", 0o644), ("inner", 0o755)] {
        fs::set_permissions(root.file(name), Permissions::from_mode(0o000)).unwrap();
        let all_powerful = fs::read(root.file("apps.yaml")).is_ok() && fs::read_dir(root.file("inner")).is_ok();
        if !all_powerful {
            refused(root.path(), &[name, "permission denied"]);
        }
        fs::set_permissions(root.file(name), Permissions::from_mode(mode)).unwrap();
    }
}

/// Ends the other threads, however this one ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Puts something in the place of a path, at once.
fn put(path: &Path, make: impl FnOnce(&Path)) {
    let aside = path.with_extension("aside");
    let _ = fs::remove_file(&aside);
    make(&aside);
    fs::rename(&aside, path).unwrap();
}

#[test]
fn f25_a_storm_of_renames_leads_no_reading_outside_and_hangs_none() {
    let (root, outside) = (Scratch::new("storm"), outside());
    outside.write("inner/a.yaml", format!("{CANARY}: 1\n"));
    root.write("inner/a.yaml", "inside: 1\n");
    root.write("a.yaml", "inside: 1\n");
    let over = AtomicBool::new(false);
    let (mut whole, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        // A file becomes a link to the outside, a FIFO, and a file again.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                put(&root.file("a.yaml"), |path| symlink(outside.file("secret.yaml"), path).unwrap());
                put(&root.file("a.yaml"), |path| fs::write(path, "inside: 1\n").unwrap());
                put(&root.file("a.yaml"), make_fifo);
                put(&root.file("a.yaml"), |path| fs::write(path, "inside: 1\n").unwrap());
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        // A folder becomes a link to a folder outside with the same files in it.
        scope.spawn(|| {
            let (inner, kept) = (root.file("inner"), root.file(".kept"));
            while !over.load(Ordering::Relaxed) {
                fs::rename(&inner, &kept).unwrap();
                symlink(outside.file("inner"), &inner).unwrap();
                std::thread::sleep(Duration::from_micros(100));
                fs::remove_file(&inner).unwrap();
                fs::rename(&kept, &inner).unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let _stop = Stop(&over);
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            let began = Instant::now();
            match read(root.path()) {
                Ok(source) => {
                    whole += 1;
                    for file in &source.files {
                        assert!(!file.text.contains(CANARY), "{} was read outside of the root", file.path);
                    }
                }
                Err(problems) => {
                    refused += 1;
                    assert!(problems.iter().all(|problem| problem.hint.is_some()), "{problems:?}");
                    assert!(problems.iter().all(|problem| !problem.message.contains(CANARY)), "{problems:?}");
                }
            }
            assert!(began.elapsed() < AT_ONCE, "a reading took {:?}", began.elapsed());
        }
    });
    assert!(whole > 0 && refused > 0, "{whole} readings were whole, {refused} refused: the storm missed them");
}
