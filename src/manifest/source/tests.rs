//! Roots on a real disk: what is found, what is refused, what is never mixed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::symlink;

use super::*;

/// The root of one test, gone when the test is over.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Root {
        let path = std::env::temp_dir().join(format!("moored-source-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Root(path)
    }

    fn with(self, path: &str, text: impl AsRef<[u8]>) -> Root {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn problems(&self) -> Vec<Problem> {
        read(&self.0).map(|source| source.files).expect_err("must be refused")
    }

    fn paths(&self) -> Vec<String> {
        read(&self.0).unwrap().files.into_iter().map(|file| file.path).collect()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn manifests_are_found_in_every_folder_and_nothing_else_is() {
    let folder = Root::new("found").with("b/c.yml", "a: 1").with("a.yaml", "a: 1");
    let folder = folder.with("README.md", "").with(".git/x.yaml", "a: 1").with(".x.yaml", "a: 1");
    assert_eq!(folder.paths(), ["a.yaml", "b/c.yml"]);
    let one = read(&folder.0.join("a.yaml")).unwrap();
    assert_eq!(one.files.first().map(|file| file.path.as_str()), Some("a.yaml"));
}

#[test]
fn an_empty_folder_and_a_missing_one_say_so_with_a_hint() {
    let folder = Root::new("empty");
    let problems = folder.problems();
    assert!(problems[0].message.starts_with("no manifests below "));
    assert!(problems[0].hint.is_some());
    let missing = read(&folder.0.join("missing")).expect_err("must be refused");
    assert_eq!(missing[0].message, "does not exist");
}

#[test]
fn a_link_out_of_the_root_is_refused_and_one_within_counts_once() {
    let folder = Root::new("link").with("inner/a.yaml", "a: 1").with("b.txt", "");
    symlink(folder.0.join("inner/a.yaml"), folder.0.join("again.yaml")).unwrap();
    symlink(&folder.0, folder.0.join("loop")).unwrap();
    assert_eq!(folder.paths(), ["inner/a.yaml"]);
    symlink("/etc/passwd", folder.0.join("escape.yaml")).unwrap();
    symlink("/etc", folder.0.join("etc")).unwrap();
    symlink("nowhere", folder.0.join("dangling.yaml")).unwrap();
    let mut refused: Vec<String> = folder.problems().into_iter().map(|problem| problem.file).collect();
    refused.sort();
    assert_eq!(refused, ["dangling.yaml", "escape.yaml", "etc"]);
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    let folder = Root::new("configmap").with("..2026_01_01/a.yaml", "a: 1");
    symlink("..2026_01_01", folder.0.join("..data")).unwrap();
    symlink("..data/a.yaml", folder.0.join("a.yaml")).unwrap();
    assert_eq!(folder.paths(), ["a.yaml"]);
}

#[test]
fn a_config_map_is_what_its_data_holds_however_far_its_links_were_renewed() {
    let folder = Root::new("renewed").with("..2026_01_02/a.yaml", "a: 2").with("..2026_01_02/new.yaml", "b: 2");
    symlink("..2026_01_02", folder.0.join("..data")).unwrap();
    symlink("..data/a.yaml", folder.0.join("a.yaml")).unwrap();
    symlink("..data/gone.yaml", folder.0.join("gone.yaml")).unwrap();
    let folder = folder.with("beside.yaml", "c: 1");
    assert_eq!(folder.paths(), ["a.yaml", "beside.yaml", "new.yaml"]);
}

#[test]
fn a_file_below_a_folder_that_has_become_a_link_is_not_read() {
    let (folder, elsewhere) = (Root::new("swapped"), Root::new("elsewhere").with("a.yaml", "a: 1"));
    symlink(&elsewhere.0, folder.0.join("inner")).unwrap();
    let path = folder.0.join("inner/a.yaml");
    let found = Found::new("inner/a.yaml".to_owned(), path.clone(), false, &fs::metadata(&path).unwrap());
    assert_eq!(found.read().unwrap_err().message, "was replaced while moored read it");
}

#[test]
fn an_empty_file_is_refused_and_one_with_a_comment_alone_is_not() {
    let folder = Root::new("nothing").with("a.yaml", "").with("b.yaml", "# nothing here yet\n");
    assert_eq!(folder.problems()[0].message, "is empty: was it cut off while it was written?");
    assert_eq!(folder.with("a.yaml", "a: 1").paths(), ["a.yaml", "b.yaml"]);
}

#[test]
fn a_fifo_and_a_device_are_refused_without_waiting() {
    let folder = Root::new("fifo");
    let fifo = folder.0.join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert!(folder.problems()[0].message.starts_with("is a FIFO, not a file"));
    let device = read(Path::new("/dev/zero")).expect_err("must be refused");
    assert!(device[0].message.starts_with("is a device"));

    let looked_at = fs::metadata(&folder.0).unwrap();
    let swapped = Found::new("pipe.yaml".to_owned(), fifo, false, &looked_at).read();
    assert_eq!(swapped.unwrap_err().message, "was replaced while moored read it");
}

#[test]
fn too_large_a_file_or_root_is_refused_by_its_size_alone() {
    let folder = Root::new("large");
    fs::File::create(folder.0.join("a.yaml")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert_eq!(folder.problems()[0].message, "is larger than 8 MiB");
    for name in 0..9 {
        fs::File::create(folder.0.join(format!("{name}.yaml"))).unwrap().set_len(MAX_FILE_BYTES).unwrap();
    }
    assert_eq!(folder.problems()[1].message, "its manifests are larger than 64 MiB together");
}

#[test]
fn twenty_thousand_and_one_documents_are_refused_and_one_less_is_not() {
    let folder = Root::new("documents").with("a.yaml", "a: 1\n---\n".repeat(20_000) + "a: 1\n");
    assert_eq!(folder.problems()[0].message, "20001 documents; the most in one file is 20000");
    let folder = folder.with("a.yaml", "# first\n---\na: 1\n".repeat(20_000));
    assert_eq!(folder.paths(), ["a.yaml"]);
    let mut folder = folder;
    for name in 0..11 {
        folder = folder.with(&format!("{name}.yaml"), "---\na: 1\n".repeat(20_000));
    }
    assert_eq!(folder.problems()[0].message, "240000 documents; the most below one root is 200000");
}

#[test]
fn bytes_that_are_not_text_are_named_by_their_line() {
    let folder = Root::new("bytes").with("a.yaml", b"a: 1\nb: \xe4\n").with("b.yaml", b"a\0");
    let problems = folder.problems();
    assert_eq!(problems[0].place.map(|place| (place.line, place.column)), Some((2, 4)));
    assert!(problems[1].message.contains("NUL"));
}

#[test]
fn a_root_is_accepted_only_when_two_readings_are_alike() {
    let folder = Root::new("settled").with("a.yaml", "a: 0");
    let mut pauses = 0;
    let settled = read_settled(&folder.0, || {
        pauses += 1;
        if pauses < 3 {
            fs::write(folder.0.join("a.yaml"), format!("a: {pauses}")).unwrap();
        }
    });
    assert_eq!(&*settled.unwrap().files[0].text, "a: 2");
    assert_eq!(pauses, 3);

    let restless = read_settled(&folder.0, || {
        pauses += 1;
        fs::write(folder.0.join("a.yaml"), format!("a: {pauses}")).unwrap();
    });
    assert!(restless.unwrap_err()[0].message.starts_with("the files keep changing"));
}
