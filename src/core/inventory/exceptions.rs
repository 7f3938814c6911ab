//! Exceptions: what of an inventory's scope may come and go undeclared.
//!
//! Decides by which names a thing may be excepted, and which exception counts where several fit.
//! Never asks whether the thing is there. Whatever looks at an inventory's things calls it.

use crate::core::desired::Exception;
use crate::core::identity::{ObjectKey, spoken};
use crate::kinds::{self, buildpacks, table_item};

/// The exception that a thing falls under: the one that lasts longest.
pub(super) fn exception<'a>(exceptions: &'a [Exception], key: &ObjectKey) -> Option<&'a Exception> {
    if exceptions.is_empty() {
        return None;
    }
    let mut names = vec![spoken(&key.key)];
    match key.kind {
        kinds::dns_record::KIND => names.extend(key.key.split('|').next().map(str::to_owned)),
        table_item::KIND => {
            names.extend(table_item::spelling::parse_key(&key.key).into_iter().flatten().map(|(_, value)| value))
        }
        buildpacks::KIND => names.push(buildpacks::name_in(&key.key).to_owned()),
        _ => names.extend(ends(&key.key)),
    }
    let fits = |exception: &&Exception| {
        exception.kind.is_none_or(|kind| kind == key.kind) && names.iter().any(|name| exception.glob.matches(name))
    };
    exceptions.iter().filter(fits).max_by_key(|exception| (exception.at_most.is_none(), exception.at_most))
}

/// How exceptions name a thing in Cloud Foundry: by `space/app` in lower case, or by what follows a
/// slash of that alone.
fn ends(key: &str) -> Vec<String> {
    if !key.contains('/') {
        return Vec::new();
    }
    let key = key.to_lowercase();
    let ends = key.match_indices('/').filter_map(|(at, slash)| key.get(at + slash.len()..));
    ends.chain([key.as_str()]).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ignore::Glob;
    use crate::kinds::app;

    fn is_excepted(name: &str, kind: &'static str, key: &str) -> bool {
        let exceptions = [Exception { kind: None, glob: Glob::new(name), at_most: None }];
        exception(&exceptions, &ObjectKey::new(kind, key)).is_some()
    }

    #[test]
    fn a_thing_in_cloud_foundry_is_excepted_by_its_whole_name_or_by_its_end() {
        for (name, key, expected) in [
            ("prod/api", "prod/api", true),
            ("api", "prod/api", true),
            ("cats-*", "prod/CATS-1", true),
            ("prod", "prod/api", false),
            ("ap", "prod/api", false),
            ("prod/api", "gds/prod/api", true),
        ] {
            assert_eq!(is_excepted(name, app::KIND, key), expected, "{name} {key}");
        }
    }

    #[test]
    fn a_buildpack_is_excepted_by_its_name_alone() {
        assert!(is_excepted("CATS-*", buildpacks::KIND, "CATS-1|cflinuxfs4|buildpack"));
        assert!(!is_excepted("ruby", buildpacks::KIND, "ruby_buildpack|cflinuxfs4|buildpack"));
    }
}
