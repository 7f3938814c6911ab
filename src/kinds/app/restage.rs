//! Drift that waits for a restage: what an app is built on is no longer what it would be built on.
//!
//! Decides from droplet, stacks and admin buildpacks whether the next staging would give something
//! else. The reasons become facts below `restage.`, named by what they have in common, so that one
//! new buildpack is one group of many apps. Never says that a restage would work. [`super::live`]
//! calls [`put`], [`super::App`] calls [`judge`].

use jiff::Timestamp;

use super::live::{Droplet, Observed};
use crate::core::drift::Root;
use crate::core::judge::Judgement;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::buildpacks::live::version_of;

/// Where it stands why a reason may be missing; the reader may say so too.
const GAP: &str = "restage";

/// What an app is built on.
#[derive(Debug, Clone, Default)]
pub struct Platform {
    /// Every admin buildpack; empty where they could not be read.
    pub buildpacks: Vec<Buildpack>,
    /// Every stack; empty where they could not be read.
    pub stacks: Vec<Stack>,
}

/// An admin buildpack.
#[derive(Debug, Clone, Default)]
pub struct Buildpack {
    /// Its name.
    pub name: String,
    /// The stack that it is for; none where it is for any.
    pub stack: Option<String>,
    /// Whether it may be used.
    pub enabled: bool,
    /// The file with its bits.
    pub filename: Option<String>,
    /// When anything of it was last changed.
    pub updated_at: Option<Timestamp>,
}

/// A stack.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `RESTRICTED`, `DEPRECATED` or `DISABLED`; none on older platforms.
    pub state: Option<String>,
}

/// Sets why it should be restaged: `restage.app.…` for reasons of its own, `restage.buildpack.NAME`
/// and `restage.stack.NAME` for those that it shares with others.
pub fn put(observed: &Observed, platform: &Platform, fields: &mut Fields) {
    if observed.lifecycle_type == "docker" {
        return;
    }
    if let Some(unread) = unread(observed, platform) {
        fields.put(GAP, Fact::Unknown(format!("{unread} not read this time").into()));
    }
    let Some(droplet) = &observed.droplet else { return };
    let stack = observed.stack.as_deref();
    if let (Some(wanted), Some(built)) = (stack, droplet.stack.as_deref())
        && wanted != built
    {
        fields
            .set("restage.app.stack", Value::text(format!("needs a restage: built on {built}, it asks for {wanted}")));
    }
    for stack in platform.stacks.iter().filter(|known| Some(&*known.name) == stack) {
        if let Some(state @ ("DEPRECATED" | "DISABLED")) = stack.state.as_deref() {
            let name = &stack.name;
            let reason = format!("needs a restage on another stack: {name} is {state}");
            fields.set(format!("restage.stack.{name}"), Value::text(reason));
        }
    }
    if observed.lifecycle_type != "buildpack" {
        return;
    }
    if let Some(reason) = other_buildpacks(&observed.buildpacks, droplet) {
        fields.set("restage.app.buildpacks", Value::text(reason));
    }
    for (name, version) in &droplet.buildpacks {
        if let Some(reason) = outdated(name, version.as_deref(), droplet, &platform.buildpacks) {
            fields.set(format!("restage.buildpack.{name}"), Value::text(reason));
        }
    }
}

/// What is to be said of these facts: reasons of its own come first, for the first one names the
/// group.
pub fn judge(fields: &Fields) -> Vec<Judgement> {
    let reasons = fields.iter().filter_map(|(path, fact)| {
        let (shared, name) = path.strip_prefix("restage.")?.split_once('.')?;
        let Fact::Known(Value::Text(message)) = fact else { return None };
        let root = |kind: &str| Some(Root { kind: kind.into(), name: name.into() });
        let cause = match shared {
            "buildpack" => root("Buildpacks"),
            "stack" => root("Stack"),
            _ => None,
        };
        Some(Judgement::Latent { message: message.to_string(), cause })
    });
    reasons.collect()
}

/// Why a reason may be missing from these facts: then one that was told is not over.
pub fn gap(fields: &Fields) -> Option<String> {
    match &*fields.fact(GAP) {
        Fact::Unknown(why) => Some(format!("whether it needs a restage cannot be told: {why}")),
        Fact::Known(_) | Fact::Unchecked(_) => None,
    }
}

/// What could not be read. Every platform has stacks, and whatever was built was built by something.
fn unread(observed: &Observed, platform: &Platform) -> Option<&'static str> {
    if observed.droplet.is_none() {
        Some("its droplet was")
    } else if observed.lifecycle_type == "buildpack" && platform.buildpacks.is_empty() {
        Some("the buildpacks of the platform were")
    } else if platform.stacks.is_empty() {
        Some("the stacks of the platform were")
    } else {
        None
    }
}

/// Whether an app names other buildpacks than those that built it. One that names none has them
/// detected; one that is fetched from an address is not known by its name.
fn other_buildpacks(wanted: &[String], droplet: &Droplet) -> Option<String> {
    let built: Vec<&str> = droplet.buildpacks.iter().map(|(name, _)| &**name).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let named = !wanted.is_empty() && !built.is_empty();
    if !named || wanted == built || wanted.iter().chain(&built).any(|name| is_address(name)) {
        return None;
    }
    let (wanted, built) = (wanted.join(", "), built.join(", "));
    Some(format!("needs a restage: built with {built}, it asks for {wanted}"))
}

/// Whether the platform no longer has the buildpack as it was, or never has at all.
fn outdated(name: &str, version: Option<&str>, droplet: &Droplet, all: &[Buildpack]) -> Option<String> {
    if all.is_empty() || is_address(name) {
        return None;
    }
    let fits = |buildpack: &&Buildpack| {
        let stacks = buildpack.stack.as_deref().zip(droplet.stack.as_deref());
        buildpack.name == name && stacks.is_none_or(|(one, other)| one == other)
    };
    let Some(buildpack) = all.iter().filter(fits).min_by_key(|buildpack| buildpack.stack.is_none()) else {
        return Some(format!("needs a restage: the platform no longer has the buildpack {name} it was built with"));
    };
    if !buildpack.enabled {
        return Some(format!("needs a restage: the buildpack {name} it was built with is disabled"));
    }
    let current = buildpack.filename.as_deref().and_then(version_of);
    match (current.and_then(numbers), version.and_then(numbers)) {
        (Some(newer), Some(built)) => (newer > built).then(|| {
            let (current, version) = (current.unwrap_or_default(), version.unwrap_or_default());
            format!("needs a restage: built with {name} {version}, the platform has {current}")
        }),
        // A buildpack that is moved, renamed or enabled is changed as well.
        _ => {
            let (changed, built) = buildpack.updated_at.zip(droplet.created_at)?;
            (changed > built)
                .then(|| format!("may need a restage: {name} was changed at {changed}, after the droplet was built"))
        }
    }
}

fn is_address(buildpack: &str) -> bool {
    buildpack.contains("://")
}

/// The numbers of a version, without zeros at the end, so that they can be compared.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let end = version.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(version.len());
    let parts = version.get(..end)?.trim_end_matches('.').split('.');
    let mut numbers: Vec<u64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::live::live;
    use super::super::live::tests::{at, observed, platform};
    use super::*;

    fn reasons(change: impl FnOnce(&mut Observed, &mut Platform)) -> Vec<(String, Option<String>)> {
        let (mut app, mut platform) = (observed(), platform());
        change(&mut app, &mut platform);
        let judgements = judge(&live(&app, &platform).0.fields);
        let told = judgements.into_iter().map(|judgement| match judgement {
            Judgement::Latent { message, cause } => (message, cause.map(|root| format!("{} {}", root.kind, root.name))),
            other => (format!("{other:?}"), None),
        });
        told.collect()
    }

    fn one(message: &str, cause: Option<&str>) -> Vec<(String, Option<String>)> {
        vec![(message.to_owned(), cause.map(str::to_owned))]
    }

    #[test]
    fn an_app_that_was_built_on_what_it_asks_for_needs_no_restage() {
        assert_eq!(reasons(|_, _| ()), []);
    }

    #[test]
    fn an_app_that_asks_for_another_stack_than_it_was_built_on_needs_a_restage_of_its_own() {
        let found = reasons(|app, _| app.stack = Some("cflinuxfs5".to_owned()));
        assert_eq!(found, one("needs a restage: built on cflinuxfs4, it asks for cflinuxfs5", None));
    }

    #[test]
    fn every_app_on_a_stack_that_is_going_shares_one_cause() {
        let found = reasons(|_, platform| platform.stacks[0].state = Some("DEPRECATED".to_owned()));
        let message = "needs a restage on another stack: cflinuxfs4 is DEPRECATED";
        assert_eq!(found, one(message, Some("Stack cflinuxfs4")));
        assert_eq!(reasons(|_, platform| platform.stacks[0].state = Some("RESTRICTED".to_owned())), []);
    }

    #[test]
    fn a_newer_buildpack_is_told_by_the_numbers_of_its_file_and_an_older_one_is_none() {
        let with = |version: &str| {
            let filename = format!("ruby_buildpack-cached-cflinuxfs4-v{version}.zip");
            reasons(|_, platform| platform.buildpacks[0].filename = Some(filename))
        };
        let message = "needs a restage: built with ruby_buildpack 1.10.6, the platform has 1.10.10";
        assert_eq!(with("1.10.10"), one(message, Some("Buildpacks ruby_buildpack")));
        assert_eq!((with("1.10.5"), with("1.9.99"), with("1.10.6.0")), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_buildpack_without_a_version_that_was_changed_later_is_only_a_may() {
        let found = reasons(|_, platform| {
            platform.buildpacks[0].filename = Some("ruby.zip".to_owned());
            platform.buildpacks[0].updated_at = Some(at("2026-11-02T10:00:00Z"));
        });
        assert!(matches!(found.as_slice(), [(message, Some(_))] if message.starts_with("may need")), "{found:?}");
        assert_eq!(reasons(|_, platform| platform.buildpacks[0].filename = None), [], "changed before it was built");
    }

    #[test]
    fn a_buildpack_that_is_gone_or_disabled_is_needed_no_more() {
        let gone = reasons(|_, platform| drop(platform.buildpacks.remove(0)));
        assert!(matches!(gone.as_slice(), [(message, _)] if message.contains("no longer has")), "{gone:?}");
        let for_another_stack = reasons(|_, platform| platform.buildpacks[0].stack = Some("windows".to_owned()));
        assert_eq!(for_another_stack, gone);
        let disabled = reasons(|_, platform| platform.buildpacks[0].enabled = false);
        assert!(matches!(disabled.as_slice(), [(message, _)] if message.contains("disabled")), "{disabled:?}");
    }

    #[test]
    fn a_platform_that_could_not_be_read_has_not_lost_its_buildpacks() {
        assert_eq!(reasons(|_, platform| *platform = Platform::default()), []);
    }

    #[test]
    fn other_buildpacks_than_those_that_built_it_are_a_reason_but_detected_and_fetched_ones_are_not() {
        let naming = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            reasons(|app, _| app.buildpacks = names)
        };
        let message = "needs a restage: built with ruby_buildpack, it asks for nodejs_buildpack, ruby_buildpack";
        assert_eq!(naming(&["nodejs_buildpack", "ruby_buildpack"]), one(message, None));
        assert_eq!(naming(&["ruby_buildpack"]), []);
        assert_eq!(naming(&["https://github.com/cloudfoundry/ruby-buildpack"]), []);
    }

    #[test]
    fn the_date_in_the_name_of_a_file_is_no_version_and_versions_are_compared_by_their_numbers() {
        let dated = reasons(|_, platform| {
            platform.buildpacks[0].filename = Some("ruby_buildpack-cflinuxfs4-v1.10.6-20240101.1200.zip".to_owned());
        });
        assert_eq!(dated, []);
        assert!(numbers("1.10.0") > numbers("v1.9") && numbers("1.10") == numbers("1.10.0"));
        assert_eq!(numbers("v4.71.0-offline-https://github.com"), Some(vec![4, 71]));
        assert_eq!((numbers("main"), numbers("")), (None, None));
    }

    #[test]
    fn what_was_not_read_leaves_it_open_whether_a_restage_is_needed() {
        let open = |change: &dyn Fn(&mut Observed, &mut Platform)| {
            let (mut app, mut platform) = (observed(), platform());
            change(&mut app, &mut platform);
            gap(&live(&app, &platform).0.fields).unwrap_or_default()
        };
        assert_eq!(open(&|_, _| ()), "");
        assert!(open(&|app, _| app.droplet = None).contains("droplet"));
        assert!(open(&|_, platform| platform.buildpacks.clear()).contains("buildpacks"));
        assert!(open(&|_, platform| platform.stacks.clear()).contains("stacks"));
        let docker = open(&|app, platform| {
            app.lifecycle_type = "docker".to_owned();
            (app.droplet, *platform) = (None, Platform::default());
        });
        assert_eq!(docker, "", "an image is not staged");
    }
}
