//! The files of one root, read whole and unmixed.
//!
//! It decides which files below a root are manifests, and refuses what is too large, too many, empty, not text, or not
//! really below the root, before anything is parsed. It never interprets YAML, never reads anything but a regular file,
//! and never waits for one. The loader calls it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirEntry, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::problem::{Place, Problem};

/// The most bytes of one file.
pub const MAX_FILE_BYTES: u64 = 8 << 20;
/// The most bytes of all files of a root.
pub const MAX_ROOT_BYTES: u64 = 64 << 20;
/// The most documents in one file.
pub const MAX_FILE_DOCUMENTS: usize = 20_000;
/// The most documents in a root.
pub const MAX_ROOT_DOCUMENTS: usize = 200_000;
/// The most folders inside one another.
const MAX_FOLDERS_DEEP: usize = 32;
/// The most names in all folders of a root, whatever they are.
const MAX_ENTRIES: usize = 250_000;
/// In a mounted ConfigMap or Secret: a link to the folder that holds the files of one revision.
const MOUNTED: &str = "..data";
/// So often a root is read until two readings are alike.
const READINGS: usize = 5;

/// Opening must not wait for the other end if a file was replaced by a FIFO after it was looked at.
#[cfg(any(target_os = "linux", target_os = "android"))]
const O_NONBLOCK: i32 = 0o4000;
/// As above; the BSDs, macOS among them, number it differently.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const O_NONBLOCK: i32 = 0x0004;

/// One manifest file.
#[derive(Clone)]
pub struct SourceFile {
    /// Its path relative to the root, with `/` between the parts.
    pub path: String,
    /// What it says.
    pub text: Arc<str>,
}

impl fmt::Debug for SourceFile {
    /// Shows no text: a manifest may hold values that are nobody else's business.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SourceFile({}, {} bytes)", self.path, self.text.len())
    }
}

/// What one root said at one moment.
#[derive(Clone, Debug)]
pub struct Source {
    /// The root as it was given.
    pub root: PathBuf,
    /// Its files in the order of their paths.
    pub files: Vec<SourceFile>,
    /// SHA-256 in hexadecimal over the length-prefixed paths and contents.
    pub digest: String,
}

/// The git commit a root is a checkout of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full hash.
    pub id: String,
    /// Whether the files below the root differ from it, or that could not be told.
    pub dirty: bool,
}

/// Reads a root, a folder or one file, once.
pub fn read(root: &Path) -> Result<Source, Vec<Problem>> {
    let found = find(root)?;
    let shown_root = root.display().to_string();
    if found.is_empty() {
        return Err(vec![
            Problem::of_file(&shown_root, format!("no manifests below {shown_root}"))
                .hint("moored reads *.yml and *.yaml, and skips every name that begins with a dot"),
        ]);
    }
    refuse_by_size(&shown_root, &found)?;

    let mut problems = Vec::new();
    let mut files = Vec::with_capacity(found.len());
    let mut digest = Sha256::new();
    let (mut bytes_read, mut documents) = (0, 0);
    for file in found {
        let bytes = match file.read() {
            Ok(bytes) => bytes,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        bytes_read += bytes.len() as u64;
        if bytes_read > MAX_ROOT_BYTES {
            problems.push(root_too_large(&shown_root));
            break;
        }
        for part in [file.path.as_bytes(), bytes.as_slice()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        match text(&file.path, bytes) {
            Ok(text) => {
                documents += count_documents(&file.path, &text, &mut problems);
                files.push(SourceFile { path: file.path, text });
            }
            Err(problem) => problems.push(problem),
        }
    }
    if documents > MAX_ROOT_DOCUMENTS {
        let message = format!("{documents} documents; the most below one root is {MAX_ROOT_DOCUMENTS}");
        problems.push(Problem::of_file(&shown_root, message).hint("divide it among several --desired-state roots"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let digest = digest.finalize().into_iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Source { root: root.to_path_buf(), files, digest })
}

/// Reads a root until two successive readings are alike, so that a checkout in progress or a swapped ConfigMap never
/// gives a mix of old and new; calls `pause` between readings.
pub fn read_settled(root: &Path, mut pause: impl FnMut()) -> Result<Source, Vec<Problem>> {
    let mut previous: Option<Result<String, Vec<Problem>>> = None;
    for reading in 0..READINGS {
        if reading > 0 {
            pause();
        }
        let outcome = read(root);
        let face = match &outcome {
            Ok(source) => Ok(source.digest.clone()),
            Err(problems) => Err(problems.clone()),
        };
        if previous.as_ref() == Some(&face) {
            return outcome;
        }
        previous = Some(face);
    }
    let message = format!("the files keep changing: no two of {READINGS} successive readings were alike");
    Err(vec![
        Problem::of_file(root.display().to_string(), message)
            .hint("let the checkout or copy finish; moored reads again by itself"),
    ])
}

/// A file that was found and looked at, but not opened.
struct Found {
    /// Relative to the root.
    path: String,
    /// Without any symlink.
    canonical: PathBuf,
    linked: bool,
    device: u64,
    inode: u64,
    bytes: u64,
}

impl Found {
    fn new(path: String, canonical: PathBuf, linked: bool, metadata: &Metadata) -> Found {
        let (device, inode, bytes) = (metadata.dev(), metadata.ino(), metadata.len());
        Found { path, canonical, linked, device, inode, bytes }
    }

    /// The bytes of this very file: a link or FIFO put in its place since, or in that of a folder above it, is noticed
    /// before anything is read.
    fn read(&self) -> Result<Vec<u8>, Problem> {
        let failed = |error: io::Error| unreadable(&self.path, &error);
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&self.canonical).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let same = metadata.is_file() && (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        if !same || real_path(&file, &self.canonical).map_err(failed)? != self.canonical {
            return Err(Problem::of_file(&self.path, "was replaced while moored read it")
                .hint("let the checkout or copy finish; moored reads again by itself"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.bytes.min(MAX_FILE_BYTES)).unwrap_or_default());
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(file_too_large(&self.path));
        }
        if bytes.is_empty() {
            return Err(Problem::of_file(&self.path, "is empty: was it cut off while it was written?")
                .hint("restore it, or remove it if nothing is to be declared there"));
        }
        Ok(bytes)
    }
}

/// Where an open file lies, whatever has become of its path since.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn real_path(file: &File, path: &Path) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).or_else(|_| path.canonicalize())
}

/// As near to it as can be told here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn real_path(_: &File, path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Every manifest file of a root, each once, in the order of their paths.
fn find(root: &Path) -> Result<Vec<Found>, Vec<Problem>> {
    let shown = root.display().to_string();
    let failed = |error: io::Error| vec![unreadable(&shown, &error)];
    let canonical = root.canonicalize().map_err(failed)?;
    let metadata = fs::metadata(&canonical).map_err(failed)?;
    if metadata.is_file() {
        let name = root.file_name().map_or(shown, |name| name.to_string_lossy().into_owned());
        return Ok(vec![Found::new(name, canonical, false, &metadata)]);
    }
    if !metadata.is_dir() {
        return Err(vec![not_a_file(&shown, metadata.file_type())]);
    }

    let mut walk = Walk {
        root: canonical.clone(),
        shown_root: shown,
        folders: vec![Folder { canonical, relative: String::new(), depth: 0 }],
        linked_folders: Vec::new(),
        visited: BTreeSet::new(),
        entries: 0,
        found: Vec::new(),
        problems: Vec::new(),
    };
    walk.run();
    if !walk.problems.is_empty() {
        return Err(walk.problems);
    }
    let mut found = walk.found;
    // A file that is also reached through a link counts once, under its own name.
    found.sort_by(|a, b| (a.linked, &a.path).cmp(&(b.linked, &b.path)));
    let mut seen = BTreeSet::new();
    found.retain(|file| seen.insert(file.canonical.clone()));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

struct Folder {
    canonical: PathBuf,
    relative: String,
    depth: usize,
}

struct Walk {
    root: PathBuf,
    shown_root: String,
    folders: Vec<Folder>,
    /// Visited last, so that a folder is known by its own name rather than by a link to it.
    linked_folders: Vec<Folder>,
    visited: BTreeSet<PathBuf>,
    entries: usize,
    found: Vec<Found>,
    problems: Vec<Problem>,
}

impl Walk {
    fn run(&mut self) {
        while let Some(folder) = self.folders.pop().or_else(|| self.linked_folders.pop()) {
            if !self.visited.insert(folder.canonical.clone()) {
                continue;
            }
            if folder.depth > MAX_FOLDERS_DEEP {
                let message = format!("lies more than {MAX_FOLDERS_DEEP} folders deep");
                self.problems.push(Problem::of_file(&folder.relative, message).hint("move its manifests up"));
                continue;
            }
            self.folder(&folder);
            if self.entries > MAX_ENTRIES {
                let message = format!("more than {MAX_ENTRIES} names below {}", self.shown_root);
                let hint = "is this the folder you meant? Give the folder of the manifests alone";
                self.problems.push(Problem::of_file(&self.shown_root, message).hint(hint));
                return;
            }
        }
    }

    fn folder(&mut self, folder: &Folder) {
        let shown = if folder.relative.is_empty() { self.shown_root.clone() } else { folder.relative.clone() };
        let mounted = self.mounted(folder);
        let entries = match fs::read_dir(&folder.canonical) {
            Ok(entries) => entries,
            Err(error) => return self.problems.push(unreadable(&shown, &error)),
        };
        for entry in entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return;
            }
            if let Err(error) = entry.and_then(|entry| self.entry(folder, mounted, &entry)) {
                self.problems.push(unreadable(&shown, &error));
            }
        }
    }

    /// Whether the folder is a mounted ConfigMap; if so, its data is visited in its place. `..data` is followed once:
    /// the kubelet swaps it at any time, and each link beside it that is followed later may lead to another revision.
    fn mounted(&mut self, folder: &Folder) -> bool {
        let link = folder.canonical.join(MOUNTED);
        if !fs::symlink_metadata(&link).is_ok_and(|metadata| metadata.is_symlink()) {
            return false;
        }
        let data = link.canonicalize().ok().filter(|data| data.starts_with(&folder.canonical) && data.is_dir());
        let Some(data) = data else { return false };
        self.folders.push(Folder { canonical: data, relative: folder.relative.clone(), depth: folder.depth + 1 });
        true
    }

    fn entry(&mut self, folder: &Folder, mounted: bool, entry: &DirEntry) -> io::Result<()> {
        let name = entry.file_name();
        // Also skips `..data` and the dated folders of a mounted ConfigMap.
        if name.as_encoded_bytes().first() == Some(&b'.') {
            return Ok(());
        }
        let relative = match folder.relative.as_str() {
            "" => name.to_string_lossy().into_owned(),
            above => format!("{above}/{}", name.to_string_lossy()),
        };
        let canonical = folder.canonical.join(&name);
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            // What it leads to was visited in the data itself.
            let known = mounted && fs::read_link(&canonical)? == Path::new(MOUNTED).join(&name);
            if !known {
                self.link(folder, &canonical, relative);
            }
        } else if kind.is_dir() {
            self.folders.push(Folder { canonical, relative, depth: folder.depth + 1 });
        } else if kind.is_file() && is_manifest(&canonical) {
            self.found.push(Found::new(relative, canonical, false, &entry.metadata()?));
        } else if is_manifest(&canonical) {
            self.problems.push(not_a_file(&relative, kind));
        }
        Ok(())
    }

    fn link(&mut self, folder: &Folder, link: &Path, relative: String) {
        let resolved = link.canonicalize().and_then(|target| fs::metadata(&target).map(|metadata| (target, metadata)));
        let (target, metadata) = match resolved {
            Ok(resolved) => resolved,
            Err(error) => {
                let problem = Problem::of_file(relative, format!("is a link that leads nowhere: {error}"));
                return self.problems.push(problem.hint("remove the link, or restore what it points to"));
            }
        };
        if !metadata.is_dir() && !is_manifest(link) {
            return;
        }
        if !target.starts_with(&self.root) {
            let message = format!("is a link to {}, outside {}", target.display(), self.shown_root);
            let hint = "copy the file here, or give its folder as a --desired-state root of its own";
            self.problems.push(Problem::of_file(relative, message).hint(hint));
        } else if metadata.is_dir() {
            self.linked_folders.push(Folder { canonical: target, relative, depth: folder.depth + 1 });
        } else if metadata.is_file() {
            self.found.push(Found::new(relative, target, true, &metadata));
        } else {
            self.problems.push(not_a_file(&relative, metadata.file_type()));
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|extension| matches!(extension, "yml" | "yaml"))
}

fn refuse_by_size(shown_root: &str, found: &[Found]) -> Result<(), Vec<Problem>> {
    let large = found.iter().filter(|file| file.bytes > MAX_FILE_BYTES);
    let mut problems: Vec<Problem> = large.map(|file| file_too_large(&file.path)).collect();
    if found.iter().map(|file| file.bytes).fold(0, u64::saturating_add) > MAX_ROOT_BYTES {
        problems.push(root_too_large(shown_root));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn file_too_large(path: &str) -> Problem {
    Problem::of_file(path, format!("is larger than {} MiB", MAX_FILE_BYTES >> 20)).hint("divide it into several files")
}

fn root_too_large(shown_root: &str) -> Problem {
    Problem::of_file(shown_root, format!("its manifests are larger than {} MiB together", MAX_ROOT_BYTES >> 20))
        .hint("divide it among several --desired-state roots")
}

fn unreadable(path: &str, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Problem::of_file(path, "does not exist").hint("check the path, and that the volume is mounted")
        }
        io::ErrorKind::PermissionDenied => Problem::of_file(path, "cannot be read: permission denied")
            .hint("give the user that runs moored the right to read it (and to enter its folders)"),
        _ => Problem::of_file(path, format!("cannot be read: {error}")).hint("check the disk or mount it lies on"),
    }
}

fn not_a_file(path: &str, kind: FileType) -> Problem {
    let kind = if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "something else"
    };
    Problem::of_file(path, format!("is {kind}, not a file; moored did not open it"))
        .hint("move it out of the root, or give it a name that does not end in .yml or .yaml")
}

fn text(path: &str, bytes: Vec<u8>) -> Result<Arc<str>, Problem> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).map(String::from_utf8_lossy).unwrap_or_default();
        Problem::at(path, Place::in_text(&before, valid), "is not UTF-8 from here on").hint("save the file as UTF-8")
    })?;
    if let Some(at) = text.find('\0') {
        return Err(Problem::at(path, Place::in_text(&text, at), "is not text: it holds a NUL byte")
            .hint("restore the file; it looks binary or half-written"));
    }
    Ok(Arc::from(text.strip_prefix('\u{feff}').unwrap_or(&text)))
}

/// How many documents the file begins, by its `---` lines, without parsing it.
fn count_documents(path: &str, text: &str, problems: &mut Vec<Problem>) -> usize {
    let (mut marks, mut before_the_first) = (0, false);
    for line in text.lines() {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            marks += 1;
        } else if marks == 0 && !matches!(line.trim_start().as_bytes().first(), None | Some(b'#' | b'%')) {
            before_the_first = true;
        }
    }
    let documents = marks + usize::from(before_the_first);
    if documents > MAX_FILE_DOCUMENTS {
        let message = format!("{documents} documents; the most in one file is {MAX_FILE_DOCUMENTS}");
        problems.push(Problem::of_file(path, message).hint("divide it into several files"));
    }
    documents
}

/// The commit the root is checked out from; none without git or a checkout.
pub fn commit(root: &Path) -> Option<Commit> {
    let folder = if root.is_dir() { root } else { root.parent()? };
    let id = git(folder, &["rev-parse", "--verify", "HEAD"])?;
    let status = git(folder, &["status", "--porcelain", "--", "."]);
    Some(Commit { id, dirty: status.is_none_or(|changes| !changes.is_empty()) })
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "core.fsmonitor=false"])
        .args(arguments)
        // Looking must not write: without this, `status` refreshes the index.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests;
