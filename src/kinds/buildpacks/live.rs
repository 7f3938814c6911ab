//! The buildpacks of a foundation as Cloud Controller lists them, spelled the one way moored
//! compares them.
//!
//! Decides their facts, which application would meet which of them first, and the order that each
//! lifecycle has. Never judges. The reader of a foundation calls [`live`], and lets each thing be
//! found by its [`alias_of`](super::alias_of) too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{AWAITING_UPLOAD, CLASSIC, KIND, key, order_key};
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};

/// The fact of an order: `name|stack` of every enabled buildpack, as they are tried.
pub const ORDER: &str = "order";

/// Its place. Whoever inserts one moves all that follow: the order tells what is meant.
pub const POSITION: &str = "runtime.position";

/// How many applications that detect their buildpack a buildpack would be tried for.
pub const AUTODETECT: &str = "runtime.autodetectApps";

/// Begins the paths of the stacks on which a buildpack is tried first; each has the number of
/// applications there that detect their buildpack.
const FIRST_ON: &str = "runtime.firstOn.";

/// Why a version cannot be compared.
const NO_VERSION: &str = "the name of the uploaded file has no version in it: declare `filename`";

/// The lifecycles that every platform has an order of, be it an empty one.
const LIFECYCLES: [&str; 2] = [CLASSIC, "cnb"];

/// What a foundation says of its buildpacks, free of any client.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// All of them.
    pub buildpacks: Vec<Buildpack>,
    /// By stack, the applications of the lifecycle `buildpack` that name no buildpack.
    pub autodetect: BTreeMap<Arc<str>, u32>,
}

/// One buildpack.
#[derive(Debug, Clone, Default)]
pub struct Buildpack {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name; unique with stack and lifecycle.
    pub name: Arc<str>,
    /// The stack of the applications that it is for; none is any.
    pub stack: Option<Arc<str>>,
    /// `buildpack` or `cnb`; none on a platform that knows one alone.
    pub lifecycle: Option<Arc<str>>,
    /// Its place in its lifecycle, from 1.
    pub position: i64,
    /// Whether applications meet it.
    pub enabled: bool,
    /// Whether nothing may be uploaded to it.
    pub locked: bool,
    /// Such as `READY` or `AWAITING_UPLOAD`.
    pub state: Arc<str>,
    /// The file that was uploaded.
    pub filename: Option<Arc<str>>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When anything of it was changed; moving a neighbour may do.
    pub updated_at: Option<Timestamp>,
}

impl Buildpack {
    fn lifecycle(&self) -> &str {
        self.lifecycle.as_deref().unwrap_or(CLASSIC)
    }

    fn is_for(&self, stack: &str) -> bool {
        self.stack.as_deref().is_none_or(|own| own == stack)
    }

    /// Whether an application that names no buildpack may meet it.
    fn is_tried(&self) -> bool {
        self.enabled && *self.state != *AWAITING_UPLOAD
    }
}

/// The live things of a foundation whose API has this host: every buildpack, and one order for
/// each lifecycle. Nothing at all where no buildpack is listed.
pub fn live(host: &str, observed: &Observed) -> Vec<Live> {
    let Observed { buildpacks, autodetect } = observed;
    if buildpacks.is_empty() {
        return Vec::new();
    }
    let lifecycles: BTreeSet<&str> =
        LIFECYCLES.into_iter().chain(buildpacks.iter().map(Buildpack::lifecycle)).collect();
    let nobody = BTreeMap::new();
    let mut all = Vec::with_capacity(buildpacks.len() + lifecycles.len());
    for lifecycle in lifecycles {
        let mut own: Vec<&Buildpack> = buildpacks.iter().filter(|own| own.lifecycle() == lifecycle).collect();
        own.sort_by(|a, b| (a.position, &a.name, &a.guid).cmp(&(b.position, &b.name, &b.guid)));
        let apps = if lifecycle == CLASSIC { autodetect } else { &nobody };
        let first = first(&own, apps);
        all.extend(own.iter().map(|buildpack| thing(buildpack, apps, &first)));
        all.push(order(host, lifecycle, &own));
    }
    all
}

/// Which buildpack, by guid, is tried first on each stack.
fn first<'a>(own: &[&'a Buildpack], apps: &'a BTreeMap<Arc<str>, u32>) -> BTreeMap<&'a str, &'a str> {
    let stacks: BTreeSet<&'a str> = own
        .iter()
        .filter_map(|buildpack| buildpack.stack.as_deref())
        .chain(apps.keys().map(|stack| &**stack))
        .collect();
    let first = |stack: &str| own.iter().copied().find(|buildpack| buildpack.is_tried() && buildpack.is_for(stack));
    stacks.into_iter().filter_map(|stack| Some((stack, &*first(stack)?.guid))).collect()
}

fn thing(buildpack: &Buildpack, apps: &BTreeMap<Arc<str>, u32>, first: &BTreeMap<&str, &str>) -> Live {
    let mut fields = Fields::default();
    fields.set("enabled", buildpack.enabled);
    fields.set("locked", buildpack.locked);
    fields.set(POSITION, buildpack.position);
    fields.set("state", &*buildpack.state);
    fields.set_some("stack", buildpack.stack.as_deref());
    fields.set_some("filename", buildpack.filename.as_deref());
    if let Some(filename) = &buildpack.filename {
        let version = version_of(filename);
        fields.put("version", version.map_or(Fact::Unchecked(NO_VERSION.into()), |text| Fact::Known(text.into())));
    }
    fields.set_some("createdAt", buildpack.created_at.map(|at| Value::text(at.to_string())));
    fields.set_some("runtime.updatedAt", buildpack.updated_at.map(|at| Value::text(at.to_string())));
    if buildpack.lifecycle() == CLASSIC {
        let met = apps.iter().filter(|(stack, _)| buildpack.is_for(stack)).map(|(_, count)| i64::from(*count));
        fields.set(AUTODETECT, met.sum::<i64>());
    }
    let stacks: Vec<&str> =
        first.iter().filter(|(_, guid)| ***guid == *buildpack.guid).map(|(stack, _)| *stack).collect();
    fields.set("runtime.first", !stacks.is_empty());
    for stack in stacks {
        fields.set(format!("{FIRST_ON}{stack}"), i64::from(apps.get(stack).copied().unwrap_or_default()));
    }
    fields.shrink();
    let key = key(&buildpack.name, buildpack.stack.as_deref(), buildpack.lifecycle());
    made(&key, buildpack.guid.clone(), fields)
}

fn order(host: &str, lifecycle: &str, own: &[&Buildpack]) -> Live {
    let enabled = own.iter().filter(|buildpack| buildpack.enabled);
    let order: Vec<Value> = enabled
        .map(|buildpack| {
            let stack = buildpack.stack.as_deref().unwrap_or_default();
            Value::text(format!("{}|{stack}", buildpack.name))
        })
        .collect();
    let mut fields = Fields::default();
    fields.set(ORDER, Value::List(order.into()));
    made(&order_key(lifecycle), order_id(host, lifecycle), fields)
}

fn made(key: &str, id: Arc<str>, fields: Fields) -> Live {
    // A guid is never used again, so that it tells one incarnation from the next.
    Live {
        key: ObjectKey::new(KIND, key),
        id,
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

/// The physical identity of an order.
pub fn order_id(host: &str, lifecycle: &str) -> Arc<str> {
    format!("buildpacks/{host}/{lifecycle}").into()
}

/// The stacks on which a live buildpack is tried first, with the applications there that would
/// meet it.
pub fn first_on(live: &Live) -> impl Iterator<Item = (&str, i64)> {
    live.fields.iter().filter_map(|(path, fact)| match fact {
        Fact::Known(Value::Int(apps)) => Some((path.strip_prefix(FIRST_ON)?, *apps)),
        _ => None,
    })
}

/// The version in the name of a buildpack's file: `4.71.0` of
/// `java_buildpack-cached-cflinuxfs4-v4.71.0.zip`.
pub fn version_of(filename: &str) -> Option<&str> {
    const ENDS: [&str; 4] = [".zip", ".tar.gz", ".tgz", ".cnb"];
    let stem = ENDS.into_iter().find_map(|end| filename.strip_suffix(end)).unwrap_or(filename);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_version = |part: &&str| part.contains('.') && part.split('.').all(is_number);
    // What follows it may be the date of a build.
    stem.split(['-', '_']).map(spelled).find(is_version)
}

/// A version without its `v`, and without what only tells when it was built.
pub fn spelled(version: &str) -> &str {
    let plain = version.split('+').next().unwrap_or_default();
    plain.strip_prefix('v').unwrap_or(plain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ruby() -> Buildpack {
        Buildpack {
            guid: "g1".into(),
            name: "ruby_buildpack".into(),
            stack: Some("cflinuxfs4".into()),
            position: 1,
            enabled: true,
            state: "READY".into(),
            filename: Some("ruby_buildpack-cached-cflinuxfs4-v1.10.25.zip".into()),
            ..Buildpack::default()
        }
    }

    fn observed(buildpacks: Vec<Buildpack>) -> Vec<Live> {
        live("api.example.com", &Observed { buildpacks, autodetect: BTreeMap::from([("cflinuxfs4".into(), 3)]) })
    }

    fn names(live: &[Live], lifecycle: &str) -> Vec<String> {
        let order = live.iter().find(|live| *live.key.key == *order_key(lifecycle)).unwrap();
        let Some(Value::List(items)) = order.fields.value(ORDER) else { return Vec::new() };
        items.iter().filter_map(Value::as_text).map(str::to_owned).collect()
    }

    #[test]
    fn the_version_is_read_from_the_name_of_the_file() {
        for (filename, version) in [
            ("java_buildpack-cached-cflinuxfs4-v4.71.0.zip", Some("4.71.0")),
            ("java-buildpack-v4.77.0.zip", Some("4.77.0")),
            ("java_buildpack-cached-cflinuxfs3-v4.58.zip", Some("4.58")),
            ("ruby_buildpack-cflinuxfs4-v1.10.25+1719431234.zip", Some("1.10.25")),
            ("python_buildpack_1.8.30.tgz", Some("1.8.30")),
            ("go-v1.10.36-rc.1.zip", Some("1.10.36")),
            ("ruby_buildpack-cflinuxfs4-v1.10.7-20240101.1200.zip", Some("1.10.7")),
            ("nodejs_buildpack-cflinuxfs4.zip", None),
            ("windows-2016.zip", None),
            ("", None),
        ] {
            assert_eq!(version_of(filename), version, "{filename}");
        }
    }

    #[test]
    fn a_buildpack_has_its_facts_and_a_file_without_a_version_is_not_compared() {
        let unversioned = Buildpack {
            guid: "g2".into(),
            position: 2,
            filename: Some("ruby.zip".into()),
            stack: Some("cflinuxfs3".into()),
            ..ruby()
        };
        let live = observed(vec![unversioned, ruby()]);
        let found = |key: &str| &live.iter().find(|live| *live.key.key == *key).unwrap().fields;
        let first = found("ruby_buildpack|cflinuxfs4|buildpack");
        assert_eq!(first.value("version"), Some(&Value::text("1.10.25")));
        assert_eq!(first.value(POSITION), Some(&Value::Int(1)));
        assert_eq!(first.value(AUTODETECT), Some(&Value::Int(3)));
        let second = found("ruby_buildpack|cflinuxfs3|buildpack");
        assert!(matches!(&*second.fact("version"), Fact::Unchecked(_)));
        assert_eq!(second.value(AUTODETECT), Some(&Value::Int(0)));
    }

    #[test]
    fn each_lifecycle_has_its_own_order_of_what_is_enabled() {
        let at = |name: &str, position, enabled, lifecycle: Option<&str>| Buildpack {
            name: name.into(),
            position,
            enabled,
            lifecycle: lifecycle.map(Into::into),
            ..ruby()
        };
        let live = observed(vec![
            at("c", 3, true, None),
            at("a", 1, true, Some("buildpack")),
            at("b", 2, false, None),
            at("n", 1, true, Some("cnb")),
        ]);
        assert_eq!(names(&live, "buildpack"), ["a|cflinuxfs4", "c|cflinuxfs4"]);
        assert_eq!(names(&live, "cnb"), ["n|cflinuxfs4"]);
        assert_eq!(names(&observed(vec![ruby()]), "cnb"), Vec::<String>::new());
        assert!(observed(Vec::new()).is_empty(), "an empty answer has no order either");
    }

    #[test]
    fn the_first_in_detection_is_enabled_and_has_bits() {
        let at = |guid: &str, position, enabled, state: &str| Buildpack {
            guid: guid.into(),
            name: guid.into(),
            position,
            enabled,
            state: state.into(),
            ..ruby()
        };
        let live = observed(vec![
            at("disabled", 1, false, "READY"),
            at("empty", 2, true, AWAITING_UPLOAD),
            at("first", 3, true, "READY"),
            at("second", 4, true, "READY"),
        ]);
        let first: Vec<&str> =
            live.iter().filter(|live| first_on(live).next() == Some(("cflinuxfs4", 3))).map(|live| &*live.id).collect();
        assert_eq!(first, ["first"]);
    }
}
