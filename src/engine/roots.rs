//! The manifest roots as they change on disk.
//!
//! Decides which revision of each root is in force: the newest that was accepted whole. A root that
//! is rejected keeps its last good revision for detection and stops no other root. Looking for
//! changes costs metadata only; the content is read when something moved, and now and then anyway.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::warn;

use crate::core::desired::{Desired, Revision};
use crate::core::redact::Redactor;
use crate::manifest::kept::Kept;
use crate::manifest::load::{Parsed, Rejected, read_root};
use crate::manifest::resolve::resolve;
use crate::manifest::succession;
use crate::manifest::warning::Warning;
use crate::serve::metrics::RootStatus;

/// A change that leaves no trace in metadata is still found within this, in real time.
const READ_ANYWAY: Duration = Duration::from_secs(60);

/// Between two readings of a root that must agree.
const PAUSE: Duration = Duration::from_millis(20);

/// More names than this are not looked at for changes; the content is still read in time.
const MOST_NAMES: usize = 250_000;

/// The roots, in the order they were given.
pub struct Roots {
    roots: Vec<Root>,
    looked: Option<Instant>,
}

struct Root {
    path: PathBuf,
    /// The newest reading that was accepted.
    good: Option<Kept>,
    /// Whether the newest reading was.
    accepted: bool,
    trace: u64,
}

/// What a load gave.
pub struct Loaded {
    /// What is in force now; `None` when no root was ever good.
    pub desired: Option<Desired>,
    /// Roots whose newest reading was refused, with everything that is wrong.
    pub rejected: Vec<Rejected>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Warning>,
}

impl Roots {
    /// Roots that were not read yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let roots = paths.into_iter().map(|path| Root { path, good: None, accepted: false, trace: 0 });
        Self { roots: roots.collect(), looked: None }
    }

    /// Whether anything moved since the last load, or it is time to read anyway.
    pub fn changed(&self) -> bool {
        self.looked.is_none_or(|at| at.elapsed() >= READ_ANYWAY)
            || self.roots.iter().any(|root| trace(&root.path) != root.trace)
    }

    /// Reads every root and decides what is in force.
    pub fn load(&mut self, redactor: &Redactor, now: Timestamp) -> Loaded {
        self.looked = Some(Instant::now());
        let mut rejected = Vec::new();
        let mut candidates: Vec<Option<Arc<Parsed>>> = Vec::new();
        for root in &mut self.roots {
            root.trace = trace(&root.path);
            match read(&root.path) {
                Ok(mut parsed) => {
                    if let Some(good) = &root.good {
                        succession::examine(good, &mut parsed);
                    }
                    root.accepted = true;
                    candidates.push(Some(Arc::new(parsed)));
                }
                Err(refusal) => {
                    root.accepted = false;
                    rejected.push(refusal);
                    candidates.push(root.good.as_ref().map(|good| Arc::new(good.parse())));
                }
            }
        }
        // Each round takes a root back to its last good revision, or does without it.
        for _ in 0..=2 * self.roots.len() {
            let present: Vec<(usize, Arc<Parsed>)> =
                candidates.iter().enumerate().filter_map(|(at, parsed)| Some((at, parsed.clone()?))).collect();
            let parsed: Vec<Arc<Parsed>> = present.iter().map(|(_, parsed)| parsed.clone()).collect();
            let resolution = resolve(&parsed, redactor, now);
            if resolution.rejected.is_empty() {
                return self.conclude(resolution.desired, resolution.warnings, rejected, candidates);
            }
            let refused: Vec<(usize, Rejected)> = resolution
                .rejected
                .into_iter()
                .filter_map(|refusal| {
                    let (at, _) = present.iter().find(|(_, parsed)| parsed.root == refusal.root)?;
                    Some((*at, refusal))
                })
                .collect();
            let (retreating, back) = self.retreat(refused, &candidates);
            for (at, refusal) in retreating {
                let Some((root, candidate)) = self.roots.get_mut(at).zip(candidates.get_mut(at)) else { continue };
                root.accepted = false;
                rejected.push(refusal);
                *candidate = root.good.as_ref().filter(|_| back).map(|good| Arc::new(good.parse()));
            }
        }
        Loaded { desired: None, rejected, warnings: Vec::new() }
    }

    /// Which roots give way, and whether to their last good revision. One team's mistake must not take
    /// the others' manifests out of force, so what is new gives way before what stands: first what is
    /// unsound by itself, then what does not fit, then what only waits for another, then a sound revision
    /// with which one in force would not stand. With nothing in force yet, all that is refused is left out.
    fn retreat(
        &self,
        refused: Vec<(usize, Rejected)>,
        candidates: &[Option<Arc<Parsed>>],
    ) -> (Vec<(usize, Rejected)>, bool) {
        if self.roots.iter().all(|root| root.good.is_none()) {
            return (refused, false);
        }
        let candidate = |at: usize| candidates.get(at).and_then(Option::as_ref);
        let in_force = |at: usize| self.roots.get(at).and_then(|root| root.good.as_ref());
        let is_new =
            |at: usize| candidate(at).is_some_and(|new| in_force(at).is_none_or(|good| good.digest != new.digest));
        let rank = |at: usize, refusal: &Rejected| match candidate(at) {
            Some(candidate) if !candidate.is_sound() => 0,
            _ if !refusal.waits => 1,
            _ => 2,
        };
        let first = refused.iter().filter(|(at, _)| is_new(*at)).map(|(at, refusal)| rank(*at, refusal)).min();
        if let Some(first) = first {
            let gives_way = |(at, refusal): &(usize, Rejected)| is_new(*at) && rank(*at, refusal) == first;
            return (refused.into_iter().filter(gives_way).collect(), true);
        }
        let hurt = refused.first().map(|(_, refusal)| refusal);
        let at_odds: Vec<(usize, Rejected)> = (0..candidates.len())
            .filter(|at| is_new(*at))
            .filter_map(|at| Some((at, Rejected::at_odds(candidate(at)?, hurt?))))
            .collect();
        if at_odds.is_empty() { (refused, false) } else { (at_odds, true) }
    }

    /// Tells the log what was refused, and what that means for the root.
    pub fn tell(&self, rejected: &[Rejected]) {
        for refusal in rejected {
            let first = refusal.problems.first().map(|problem| {
                let place = problem.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
                format!("{}{place}: {}", problem.file, problem.message)
            });
            let known = self.roots.iter().find(|root| *root.path.display().to_string() == *refusal.root);
            let means = match known.and_then(|root| root.good.as_ref()) {
                Some(_) => "the last good revision stays in force",
                None => "nothing of this root is watched until it is mended; the other roots are",
            };
            warn!(event = "manifests_rejected", root = %refusal.root, problems = refusal.problems.len(), first, "{means}");
        }
    }

    fn conclude(
        &mut self,
        mut desired: Desired,
        warnings: Vec<Warning>,
        rejected: Vec<Rejected>,
        candidates: Vec<Option<Arc<Parsed>>>,
    ) -> Loaded {
        let unread = self.roots.iter().zip(&candidates).filter(|(_, candidate)| candidate.is_none());
        desired.unread_roots = unread.map(|(root, _)| root.path.display().to_string().into()).collect();
        desired.revisions.extend(desired.unread_roots.iter().map(|root| Revision {
            root: root.clone(),
            digest: "".into(),
            commit: None,
            dirty: false,
            accepted: false,
        }));
        let any = candidates.iter().any(Option::is_some);
        for (root, candidate) in self.roots.iter_mut().zip(candidates) {
            if root.accepted {
                root.good = candidate.map(|parsed| Kept::of(&parsed));
            }
            for revision in
                desired.revisions.iter_mut().filter(|revision| *revision.root == *root.path.display().to_string())
            {
                revision.accepted = root.accepted;
            }
        }
        Loaded { desired: any.then_some(desired), rejected, warnings }
    }

    /// How each root stands, for metrics.
    pub fn status(&self) -> Vec<RootStatus> {
        let status = |root: &Root| RootStatus {
            root: root.path.display().to_string().into(),
            success: root.accepted,
            digest: root.good.as_ref().map(|good| good.digest.clone()),
            commit: root.good.as_ref().and_then(|good| good.commit.as_ref()).map(|commit| commit.id.as_str().into()),
        };
        self.roots.iter().map(status).collect()
    }
}

/// Reads one root; two readings a moment apart must agree.
pub fn read(path: &Path) -> Result<Parsed, Rejected> {
    read_root(path, || std::thread::sleep(PAUSE))
}

/// A number that changes when a file below the root appears, goes, or is written. Links are
/// followed by their target's metadata, so that a ConfigMap's `..data` swap is seen.
fn trace(root: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut folders = vec![root.to_owned()];
    let mut names = 0;
    mark(root, &mut hasher);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            names += 1;
            if names > MOST_NAMES {
                return hasher.finish();
            }
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            mark(&path, &mut hasher);
            if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                folders.push(path);
            }
        }
    }
    hasher.finish()
}

fn mark(path: &Path, hasher: &mut DefaultHasher) {
    use std::os::unix::fs::MetadataExt;
    path.hash(hasher);
    if let Ok(metadata) = fs::metadata(path) {
        (
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime_nsec(),
        )
            .hash(hasher);
    }
}
