//! Which application a live thing is part of.
//!
//! Decides by a tag of its own first, then by the service that it serves, however many links away:
//! a target group by the service that registers with it, a balancer by its groups, a record by the
//! balancer it points to, a health check by the record that depends on it, a service instance by the
//! app that is bound to it. What serves several
//! applications, or none, is part of none. Pure; [`super::manifests`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::observation::Live;
use crate::core::value::Value;
use crate::kinds::{app, dns_record, ecs_service, health_check, load_balancer, service_instance, target_group};

/// Tags and labels by which people say what application a thing is part of.
const TAGS: [&str; 7] = [
    "tags.app",
    "tags.App",
    "tags.application",
    "tags.Application",
    "tags.app.kubernetes.io/name",
    "labels.app",
    "labels.app.kubernetes.io/name",
];

/// A live thing among the others.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// What it is.
    pub live: &'a Live,
    /// The application that a manifest says it is part of.
    pub application: Option<&'a str>,
}

/// How one thing is linked to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It refers to it.
    To,
    /// It is referred to by it.
    By,
}

/// Whose application a thing without one takes over, in this order. What points to a balancer may
/// be several names behind one another.
const STEPS: [(&str, Link, &str); 12] = [
    (target_group::KIND, Link::By, ecs_service::KIND),
    (load_balancer::KIND, Link::To, target_group::KIND),
    (target_group::KIND, Link::By, load_balancer::KIND),
    (dns_record::KIND, Link::To, load_balancer::KIND),
    (dns_record::KIND, Link::To, dns_record::KIND),
    (dns_record::KIND, Link::To, dns_record::KIND),
    (dns_record::KIND, Link::To, dns_record::KIND),
    (health_check::KIND, Link::By, dns_record::KIND),
    (health_check::KIND, Link::To, dns_record::KIND),
    (health_check::KIND, Link::To, load_balancer::KIND),
    (health_check::KIND, Link::To, health_check::KIND),
    (dns_record::KIND, Link::To, health_check::KIND),
];

/// The applications of all things that are part of one, by the things' ids.
pub fn applications(members: &[Member<'_>]) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut known: BTreeMap<Arc<str>, Arc<str>> =
        members.iter().filter_map(|member| Some((member.live.id.clone(), own(member)?))).collect();
    let links = Links::of(members);
    for (kind, link, other) in STEPS {
        let learned: Vec<(Arc<str>, Arc<str>)> = members
            .iter()
            .filter(|member| member.live.key.kind == kind && !known.contains_key(&member.live.id))
            .filter_map(|member| {
                let others = links.of_thing(member.live, link).filter(|linked| linked.key.kind == other);
                let applications: BTreeSet<&Arc<str>> = others.filter_map(|linked| known.get(&linked.id)).collect();
                match applications.len() {
                    1 => Some((member.live.id.clone(), applications.into_iter().next()?.clone())),
                    _ => None,
                }
            })
            .collect();
        known.extend(learned);
    }
    let bound = bound(members, &known);
    known.extend(bound);
    known
}

/// Service instances, by the apps that are bound to them.
fn bound(members: &[Member<'_>], known: &BTreeMap<Arc<str>, Arc<str>>) -> Vec<(Arc<str>, Arc<str>)> {
    let mut users: BTreeMap<String, BTreeSet<&Arc<str>>> = BTreeMap::new();
    for live in members.iter().map(|member| member.live).filter(|live| live.key.kind == app::KIND) {
        let Some(((space, _), application)) = live.key.key.rsplit_once('/').zip(known.get(&live.id)) else { continue };
        let Some(Value::List(services)) = live.fields.value("services") else { continue };
        for service in services.iter().filter_map(Value::as_text) {
            users.entry(format!("{space}/{service}")).or_default().insert(application);
        }
    }
    let instances = members.iter().map(|member| member.live).filter(|live| live.key.kind == service_instance::KIND);
    let learned = instances.filter(|live| !known.contains_key(&live.id)).filter_map(|live| {
        let applications = users.get(&*live.key.key).filter(|applications| applications.len() == 1)?;
        Some((live.id.clone(), (*applications.first()?).clone()))
    });
    learned.collect()
}

/// What is known of a thing without looking at others. A service or app without a tag is an
/// application.
fn own(member: &Member<'_>) -> Option<Arc<str>> {
    let live = member.live;
    let tag = TAGS.iter().find_map(|path| live.fields.value(path).and_then(Value::as_text));
    let tag = tag.map(str::trim).filter(|text| !text.is_empty());
    let itself = match live.key.kind {
        ecs_service::KIND => Some(&*live.key.key),
        // Its space stands before it.
        app::KIND => live.key.key.rsplit('/').next(),
        _ => None,
    };
    member.application.or(tag).or(itself).map(Arc::from)
}

/// Who refers to whom.
struct Links<'a> {
    by_address: BTreeMap<&'a str, Vec<&'a Live>>,
    by_reference: BTreeMap<&'a str, Vec<&'a Live>>,
}

impl<'a> Links<'a> {
    fn of(members: &[Member<'a>]) -> Self {
        let mut links = Self { by_address: BTreeMap::new(), by_reference: BTreeMap::new() };
        for member in members {
            for address in &member.live.addresses {
                links.by_address.entry(address).or_default().push(member.live);
            }
            for reference in &member.live.references {
                links.by_reference.entry(reference).or_default().push(member.live);
            }
        }
        links
    }

    fn of_thing(&self, live: &Live, link: Link) -> impl Iterator<Item = &'a Live> {
        let (names, index) = match link {
            Link::To => (&live.references, &self.by_address),
            Link::By => (&live.addresses, &self.by_reference),
        };
        let id = live.id.clone();
        names.iter().filter_map(move |name| index.get(&**name)).flatten().copied().filter(move |other| other.id != id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::ObjectKey;
    use crate::core::value::Fields;

    fn thing(kind: &'static str, key: &str, addresses: &[&str], references: &[&str]) -> Live {
        Live {
            key: ObjectKey::new(kind, key),
            id: format!("{kind}/{key}").into(),
            incarnation: None,
            fields: Fields::default(),
            addresses: addresses.iter().map(|text| Arc::from(*text)).collect(),
            references: references.iter().map(|text| Arc::from(*text)).collect(),
        }
    }

    /// A service, and everything that stands in front of it.
    fn front(name: &str) -> Vec<Live> {
        let [group, balancer, record, check] =
            ["targetgroup:", "dns:lb-", "dns:www-", "healthcheck:"].map(|prefix| format!("{prefix}{name}"));
        vec![
            thing("EcsService", name, &[], &[&group]),
            thing("TargetGroup", name, &[&group], &[]),
            thing("LoadBalancer", name, &[&balancer, &group], &[&group]),
            thing("DnsRecord", name, &[&record], &[&balancer, &check]),
            thing("DnsRecord", &format!("alias-{name}"), &["dns:x"], &[&record]),
            thing("HealthCheck", name, &[&check], &[&record]),
        ]
    }

    fn applied(things: &[Live]) -> BTreeMap<Arc<str>, Arc<str>> {
        let members: Vec<Member<'_>> = things.iter().map(|live| Member { live, application: None }).collect();
        applications(&members)
    }

    #[test]
    fn everything_in_front_of_a_service_is_part_of_its_application() {
        let things = [front("api"), front("web")].concat();
        let applications = applied(&things);
        assert_eq!(applications.len(), things.len(), "{applications:?}");
        for (id, application) in applications {
            assert!(id.ends_with(&*application), "{id} is part of {application}");
        }
    }

    #[test]
    fn a_tag_counts_more_than_a_link_and_a_manifest_more_than_a_tag() {
        let mut things = front("api");
        things.first_mut().unwrap().fields.set("tags.app", "shop");
        things.last_mut().unwrap().fields.set("tags.App", "checks");
        let tagged = applied(&things);
        assert_eq!(tagged.get("LoadBalancer/api").map(|name| &**name), Some("shop"));
        assert_eq!(tagged.get("HealthCheck/api").map(|name| &**name), Some("checks"));
        let members: Vec<Member<'_>> =
            things.iter().map(|live| Member { live, application: Some("declared") }).collect();
        assert!(applications(&members).values().all(|name| **name == *"declared"));
    }

    #[test]
    fn a_service_instance_is_part_of_the_only_app_of_its_space_that_is_bound_to_it() {
        let bound = |key: &str, services: &[&str]| {
            let mut live = thing("App", key, &[], &[]);
            live.fields.set("services", Value::set(services.iter().copied()));
            live
        };
        let mut web = bound("prod/web", &["db", "cache"]);
        web.fields.set("labels.app", "shop");
        let mut things = vec![web, bound("prod/worker", &["cache"]), bound("test/web", &["db", "queue"])];
        things.extend(["prod/db", "prod/cache", "prod/queue"].map(|key| thing("ServiceInstance", key, &[], &[])));
        let applications = applied(&things);
        let of = |id: &str| applications.get(id).map(|name| &**name);
        assert_eq!((of("App/prod/web"), of("App/prod/worker")), (Some("shop"), Some("worker")));
        assert_eq!(of("ServiceInstance/prod/db"), Some("shop"));
        assert_eq!((of("ServiceInstance/prod/cache"), of("ServiceInstance/prod/queue")), (None, None));
    }

    #[test]
    fn what_serves_two_applications_or_none_is_part_of_none() {
        let shared = thing("LoadBalancer", "shared", &["dns:lb"], &["targetgroup:api", "targetgroup:web"]);
        let record = thing("DnsRecord", "www", &["dns:www"], &["dns:lb"]);
        let lonely = thing("DnsRecord", "mail", &["dns:mail"], &[]);
        let mut things = vec![shared, record, lonely];
        for name in ["api", "web"] {
            things.extend(front(name).into_iter().take(2));
        }
        let applications = applied(&things);
        for id in ["LoadBalancer/shared", "DnsRecord/www", "DnsRecord/mail"] {
            assert_eq!(applications.get(id), None, "{id}");
        }
    }
}
