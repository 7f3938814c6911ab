//! The example's manifests inside the binary, for a demo without a checkout.
//!
//! Decides where the demo's manifests come from: a directory that was named, `./desired-state`, or
//! this copy. A test fails when the copy and the directory disagree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the example lies in a checkout.
pub const DIRECTORY: &str = "desired-state";

macro_rules! copies {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../desired-state/", $path)))),+]
    };
}

/// Path and text of every manifest.
const COPIES: [(&str, &str); 15] = copies![
    "apps/accounts.yaml",
    "apps/billing.yaml",
    "apps/blog.yaml",
    "apps/checkout.yaml",
    "apps/deployer-api.yaml",
    "apps/images.yaml",
    "apps/mailer.yaml",
    "apps/search.yaml",
    "apps/shop.yaml",
    "apps/status.yaml",
    "deployments.yaml",
    "environments.yaml",
    "ignores.yaml",
    "inventories.yaml",
    "settings.yaml",
];

/// The directory to load: the one that was named, else `./desired-state`, else the copy, which is
/// written below `scratch`.
pub fn directory(named: Option<&Path>, scratch: &Path) -> io::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let here = Path::new(DIRECTORY);
    if here.is_dir() {
        return Ok(here.to_owned());
    }
    let copy = scratch.join(DIRECTORY);
    write(&copy)?;
    Ok(copy)
}

fn write(root: &Path) -> io::Result<()> {
    for (path, text) in COPIES {
        let file = root.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn manifests(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                manifests(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn the_binary_carries_every_manifest_of_the_directory() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY);
        let mut found = BTreeSet::new();
        manifests(&root, &root, &mut found);
        let carried: BTreeSet<String> = COPIES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, found);
    }
}
