//! Files of an import, on disk all at once or not at all.
//!
//! Decides that nothing is ever overwritten, and that a failure leaves nothing behind: the files
//! are written to a folder of their own first, where no reader of manifests looks, and appear under
//! their names only when all of them are whole. The command `moored import` calls it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file, or something else, is in the way.
    #[error("{} is there already, and an import overwrites nothing: give another --output, or move it away", .0.display())]
    Taken(PathBuf),
    /// The disk said no.
    #[error("{} cannot be written: {reason}; nothing was left behind", .path.display())]
    Failed {
        /// What was written.
        path: PathBuf,
        /// What the disk said.
        reason: io::Error,
    },
}

/// Writes the files below a folder, which is made if it is not there.
pub fn write(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), OutputError> {
    if folder.is_dir() {
        if let Some(taken) = files.keys().map(|file| folder.join(file)).find(|path| exists(path)) {
            return Err(OutputError::Taken(taken));
        }
        // Inside, so that it lies on the same disk. A name with a dot is no manifest.
        let own = folder.join(format!(".moored-import-{}", std::process::id()));
        return with_own(&own, files, || add(&own, folder, files));
    }
    if exists(folder) {
        return Err(OutputError::Taken(folder.to_owned()));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let mut name = OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(format!(".moored-import-{}", std::process::id()));
    let own = parent.join(name);
    with_own(&own, files, || fs::rename(&own, folder).map_err(failed(folder)))
}

/// Even if it is a link that leads nowhere.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_owned();
    move |reason| OutputError::Failed { path, reason }
}

/// Writes the files to a folder of their own, lets `publish` move them, and takes away what is left.
fn with_own(
    own: &Path,
    files: &BTreeMap<String, String>,
    publish: impl FnOnce() -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    let outcome = fill(own, files).and_then(|()| publish());
    // After a rename there is nothing left; what cannot be removed is no manifest, and in nobody's way.
    let _ = fs::remove_dir_all(own);
    outcome
}

fn fill(own: &Path, files: &BTreeMap<String, String>) -> Result<(), OutputError> {
    fs::create_dir(own).map_err(failed(own))?;
    for (file, text) in files {
        let path = own.join(file);
        make_folder_of(&path)?;
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

fn make_folder_of(path: &Path) -> Result<(), OutputError> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(failed(folder)),
        None => Ok(()),
    }
}

/// Gives each file its name in a folder that others have files in.
fn add(own: &Path, folder: &Path, files: &BTreeMap<String, String>) -> Result<(), OutputError> {
    let mut added = Vec::with_capacity(files.len());
    let mut made: Vec<PathBuf> = Vec::new();
    for (file, text) in files {
        let path = folder.join(file);
        made.extend(path.parent().filter(|parent| !exists(parent)).map(Path::to_owned));
        let named = make_folder_of(&path).and_then(|()| name(fs::hard_link(own.join(file), &path), &path, text));
        match named {
            Ok(()) => added.push(path),
            Err(error) => {
                for path in added {
                    let _ = fs::remove_file(path);
                }
                // One that somebody put a file into meanwhile stays.
                for folder in made {
                    let _ = fs::remove_dir(folder);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

/// A link, unlike a rename, never replaces what came there in the meantime. Where the disk knows no
/// links (FAT, SMB), the file is written in its place.
fn name(linked: io::Result<()>, path: &Path, text: &str) -> Result<(), OutputError> {
    let outcome = match linked {
        Err(reason) if reason.kind() != io::ErrorKind::AlreadyExists => write_new(path, text),
        outcome => outcome,
    };
    outcome.map_err(|reason| match reason.kind() {
        io::ErrorKind::AlreadyExists => OutputError::Taken(path.to_owned()),
        _ => OutputError::Failed { path: path.to_owned(), reason },
    })
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // Half of it is worse than nothing.
        let _ = fs::remove_file(path);
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("moored-output-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> =
                fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn files() -> BTreeMap<String, String> {
        BTreeMap::from([("apps/api.yaml".to_owned(), "a".to_owned()), ("zone.yaml".to_owned(), "b".to_owned())])
    }

    #[test]
    fn a_new_folder_appears_whole_and_a_second_import_overwrites_nothing() {
        let scratch = Scratch::new("new");
        let folder = scratch.0.join("imported");
        write(&folder, &files()).unwrap();
        assert_eq!(fs::read_to_string(folder.join("apps/api.yaml")).unwrap(), "a");
        assert_eq!(scratch.names(), ["imported"]);
        fs::write(folder.join("zone.yaml"), "mine").unwrap();
        assert!(matches!(write(&folder, &files()), Err(OutputError::Taken(_))));
        assert_eq!(fs::read_to_string(folder.join("zone.yaml")).unwrap(), "mine");
    }

    #[test]
    fn files_join_others_and_one_in_the_way_keeps_all_of_them_out() {
        let scratch = Scratch::new("join");
        fs::write(scratch.0.join("mine.yaml"), "mine").unwrap();
        write(&scratch.0, &files()).unwrap();
        assert_eq!(scratch.names(), ["apps", "mine.yaml", "zone.yaml"]);
        fs::remove_file(scratch.0.join("apps/api.yaml")).unwrap();
        assert!(matches!(write(&scratch.0, &files()), Err(OutputError::Taken(path)) if path.ends_with("zone.yaml")));
        assert!(!scratch.0.join("apps/api.yaml").exists());
        assert_eq!(scratch.names(), ["apps", "mine.yaml", "zone.yaml"], "nothing of its own is left");
    }

    #[test]
    fn a_failure_halfway_leaves_neither_files_nor_the_folders_that_were_made() {
        let scratch = Scratch::new("halfway");
        let own = scratch.0.join(".own");
        fill(&own, &files()).unwrap();
        // It comes after all that was looked at before anything was written.
        fs::write(scratch.0.join("zone.yaml"), "mine").unwrap();
        assert!(matches!(add(&own, &scratch.0, &files()), Err(OutputError::Taken(_))));
        assert_eq!(scratch.names(), [".own", "zone.yaml"]);
        assert_eq!(fs::read_to_string(scratch.0.join("zone.yaml")).unwrap(), "mine");
        fs::create_dir(scratch.0.join("apps")).unwrap();
        assert!(add(&own, &scratch.0, &files()).is_err());
        assert_eq!(scratch.names(), [".own", "apps", "zone.yaml"], "a folder that was there stays");
    }

    #[test]
    fn a_disk_without_links_gets_the_files_all_the_same_and_nothing_is_overwritten() {
        let scratch = Scratch::new("links");
        let path = scratch.0.join("zone.yaml");
        let no_links = || Err(io::Error::from(io::ErrorKind::Unsupported));
        name(no_links(), &path, "b").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "b");
        assert!(matches!(name(no_links(), &path, "c"), Err(OutputError::Taken(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "b");
        assert!(matches!(name(no_links(), &scratch.0.join("no/zone.yaml"), "b"), Err(OutputError::Failed { .. })));
    }

    #[test]
    fn a_file_where_the_folder_should_be_is_left_alone() {
        let scratch = Scratch::new("file");
        let path = scratch.0.join("imported");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(write(&path, &files()), Err(OutputError::Taken(_))));
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), scratch.names()),
            ("mine", vec!["imported".to_owned()])
        );
    }
}
