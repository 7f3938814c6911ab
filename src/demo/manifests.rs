//! The scenarios' manifests inside the binary, for a demo without a checkout.
//!
//! Decides where the demo's manifests come from: a directory that was named, the example in a
//! checkout, or this copy. A test fails when a copy and its directory disagree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The manifests of one or several scenarios.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// Where they lie in a checkout.
    directory: &'static str,
    /// Whether people are meant to change them there and see what the demo makes of it.
    is_to_be_changed: bool,
    /// Path and text of each.
    copies: &'static [(&'static str, &'static str)],
}

macro_rules! example {
    ($directory:literal, $is_to_be_changed:literal: $($path:literal),+ $(,)?) => {
        Example {
            directory: $directory,
            is_to_be_changed: $is_to_be_changed,
            copies: &[$(($path, include_str!(concat!("../../", $directory, "/", $path)))),+],
        }
    };
}

/// The example platform: what `wonderland` and `ordinary-day` are about.
pub const PLATFORM: Example = example!("desired-state", true:
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
    "cloud-foundry/buildpacks.yaml",
    "cloud-foundry/docs.yaml",
    "cloud-foundry/docs/manifest.yml",
    "cloud-foundry/helpdesk.yaml",
    "cloud-foundry/inventory.yaml",
    "cloud-foundry/probes.yaml",
    "cloud-foundry/surveys.yaml",
    "deployments.yaml",
    "environments.yaml",
    "ignores.yaml",
    "inventories.yaml",
    "settings.yaml",
);

/// What `c2` is about.
pub const C2: Example = example!("src/demo/scenario/c2/manifests", false:
    "apps.yaml",
    "c2/manifest.yml",
    "environments.yaml",
    "inventory.yaml",
    "services.yaml",
);

/// What `govuk-paas` is about.
pub const GOVUK_PAAS: Example = example!("src/demo/scenario/govuk_paas/manifests", false:
    "apps.yaml",
    "buildpacks.yaml",
    "environments.yaml",
    "inventories.yaml",
    "probes.yaml",
);

impl Example {
    /// The directory to load: the one that was named, else the example's own where people may have
    /// changed it, else the copy, which is written below `scratch`.
    pub fn directory(&self, named: Option<&Path>, scratch: &Path) -> io::Result<PathBuf> {
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let here = Path::new(self.directory);
        if self.is_to_be_changed && here.is_dir() {
            return Ok(here.to_owned());
        }
        let copy = scratch.join("desired-state");
        self.write(&copy)?;
        Ok(copy)
    }

    fn write(&self, root: &Path) -> io::Result<()> {
        for (path, text) in self.copies {
            let file = root.join(path);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, text)?;
        }
        Ok(())
    }
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
    fn the_binary_carries_every_manifest_of_every_directory() {
        for example in [PLATFORM, C2, GOVUK_PAAS] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(example.directory);
            let mut found = BTreeSet::new();
            manifests(&root, &root, &mut found);
            let carried: BTreeSet<String> = example.copies.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(carried, found, "{}", example.directory);
        }
    }
}
