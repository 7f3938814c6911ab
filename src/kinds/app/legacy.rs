//! The applications of a manifest, those of the time before version 1 included.
//!
//! Decides what the cf CLI of that time made of a manifest: attributes beside `applications` hold for
//! each of them, lists are joined, maps merged, and the application's own values win; hosts and domains
//! are routes. What cannot be told exactly is refused with what to write instead. Never reads what
//! version 1 knows: `v1` does. `spec` calls it with a manifest that `vars` has laid out.

use super::v1;
use super::v1::sheet::{Notes, is_null, truth, underscored};
use super::vars;
use crate::manifest::problem::{Place, suggest};
use crate::manifest::tree::{Data, Key, Node, Scalar};

/// Attributes that version 1 has no longer.
const GONE: [&str; 7] = ["domain", "domains", "host", "hosts", "no-hostname", "inherit", "app-ports"];
/// Those of them that became routes.
const ROUTING: [&str; 5] = ["domain", "domains", "host", "hosts", "no-hostname"];
const ROUTES_HINT: &str = "write `routes:` with `- route: host.domain` instead";

/// Every application of a manifest, as version 1 writes it.
pub fn applications(document: &Node, notes: &mut Notes<'_>) -> Vec<Node> {
    let Data::Map(entries) = &document.data else {
        let message = format!("a Cloud Foundry manifest is a map, and this is {}", document.kind_name());
        notes.problem(document.place, message, "begin it with `applications:`");
        return Vec::new();
    };
    let Some(versioned) = is_versioned(document, notes) else { return Vec::new() };
    let beside = entries.iter().filter(|(key, _)| key.name != "version" && key.name != "applications");
    let common: Vec<(Key, Node)> =
        beside.filter(|(key, value)| is_common(key, value, versioned, notes)).cloned().collect();
    let own: &[Node] = match document.get("applications").map(|node| (node, &node.data)) {
        Some((_, Data::Seq(items))) => items.as_slice(),
        Some((node, _)) => {
            let message = format!("`applications` is {}, not a list", node.kind_name());
            notes.problem(node.place, message, "write one `- name: …` for each");
            &[]
        }
        // One application could do without the list.
        None if common.iter().any(|(key, _)| key.name == "name") => {
            return vec![converted(common, document.place, notes)];
        }
        None => {
            let mut keys = entries.iter().map(|(key, _)| key);
            let hint = match keys.find(|key| suggest(&key.name, ["applications"]).is_some()) {
                Some(meant) => format!("is `{}` meant to be `applications`?", notes.told(meant.place, &meant.name)),
                None => "is it a Cloud Foundry manifest?".to_owned(),
            };
            notes.problem(document.place, "the manifest has no `applications`", hint);
            &[]
        }
    };
    own.iter().map(|node| application(node, &common, versioned, notes)).collect()
}

/// The one application that moored's own manifest describes, as version 1 writes it; `name` is its name
/// where it has none of its own.
pub fn described(node: &Node, name: &str, notes: &mut Notes<'_>) -> Node {
    let Data::Map(fields) = &node.data else { return node.clone() };
    let mut fields = fields.clone();
    if !fields.iter().any(|(key, _)| key.name == "name") {
        let scalar = Scalar { raw: name.to_owned(), plain: false };
        let key = Key { place: node.place, name: "name".to_owned() };
        fields.push((key, Node { place: node.place, data: Data::Scalar(scalar) }));
    }
    converted(fields, node.place, notes)
}

/// Whether it says that it is of version 1; `None` of another.
fn is_versioned(document: &Node, notes: &mut Notes<'_>) -> Option<bool> {
    let Some(version) = document.get("version") else { return Some(false) };
    match &version.data {
        Data::Scalar(scalar) if scalar.raw == "1" => Some(true),
        _ => {
            notes.problem(version.place, "this version of manifests is not known", "write `version: 1`, or nothing");
            None
        }
    }
}

/// Whether what stands beside `applications` holds for each of them. Anything else there is an anchor.
fn is_common(key: &Key, value: &Node, versioned: bool, notes: &mut Notes<'_>) -> bool {
    let name = underscored(&key.name);
    let attributes: Vec<&str> = v1::attributes().into_iter().chain(GONE).collect();
    let known = attributes.iter().any(|attribute| underscored(attribute) == name);
    // A list or map of a version-1 manifest may be there to be repeated by its alias.
    let single = matches!(value.data, Data::Scalar(_));
    if known && versioned && single {
        let message = format!("`{}` beside `applications` has no effect in version 1", key.name);
        notes.problem(key.place, message, "write it into each application, or take `version` out");
    } else if !known
        && single
        && let Some(meant) = suggest(&key.name, attributes.iter().copied())
    {
        let message = format!("unknown attribute `{}`", notes.told(key.place, &key.name));
        notes.problem(key.place, message, format!("did you mean `{meant}`?"));
    }
    known && !versioned
}

fn application(node: &Node, common: &[(Key, Node)], versioned: bool, notes: &mut Notes<'_>) -> Node {
    let Data::Map(own) = &node.data else { return node.clone() };
    if !versioned {
        return converted(joined(common, own), node.place, notes);
    }
    let mut fields = own.clone();
    fields.retain(|(key, _)| {
        let gone = is_one_of(key, &GONE);
        if gone {
            let message = format!("`{}` is of the time before version 1", key.name);
            let hint = if is_one_of(key, &ROUTING) { ROUTES_HINT } else { "take it out" };
            notes.problem(key.place, message, hint);
        }
        !gone
    });
    Node { place: node.place, data: Data::Map(fields) }
}

/// The fields of an application over those that hold for all.
fn joined(common: &[(Key, Node)], own: &[(Key, Node)]) -> Vec<(Key, Node)> {
    let mut fields = common.to_vec();
    for (key, value) in own {
        match fields.iter_mut().find(|(known, _)| known.name == key.name) {
            None => fields.push((key.clone(), value.clone())),
            Some(field) => {
                let data = match (&field.1.data, &value.data) {
                    (Data::Map(base), Data::Map(own)) => Data::Map(joined(base, own)),
                    (Data::Seq(base), Data::Seq(own)) => Data::Seq([base.as_slice(), own.as_slice()].concat()),
                    _ => value.data.clone(),
                };
                *field = (key.clone(), Node { place: value.place, data });
            }
        }
    }
    fields
}

/// An application with routes in place of hosts and domains.
fn converted(fields: Vec<(Key, Node)>, place: Place, notes: &mut Notes<'_>) -> Node {
    let (gone, mut kept): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(key, _)| is_one_of(key, &GONE));
    for (key, _) in gone.iter().filter(|(key, _)| !is_one_of(key, &ROUTING)) {
        let hint = match key.name.as_str() {
            "inherit" => "copy what it inherits into this manifest: the cf CLI has forgotten how to look there",
            _ => "take it out: ports are told by routes",
        };
        notes.problem(key.place, format!("`{}` is of the time before version 1", key.name), hint);
    }
    let routing: Vec<(Key, Node)> = gone.into_iter().filter(|(key, _)| is_one_of(key, &ROUTING)).collect();
    let added = routes(&routing, &kept, notes);
    kept.extend(added);
    Node { place, data: Data::Map(kept) }
}

/// The routes that hosts and domains mean.
fn routes(routing: &[(Key, Node)], kept: &[(Key, Node)], notes: &mut Notes<'_>) -> Option<(Key, Node)> {
    let texts = |names: [&str; 2]| -> Vec<(String, Place)> {
        names.iter().filter_map(|name| field(routing, name)).flat_map(|(_, node)| words(node)).collect()
    };
    let (hosts, domains) = (texts(["host", "hosts"]), texts(["domain", "domains"]));
    let bare = is_on(routing, "no-hostname");
    if is_on(kept, "no-route") || (is_on(kept, "random-route") && hosts.is_empty()) {
        return None;
    }
    let (first, _) = routing.first()?;
    if let Some((key, _)) = field(kept, "routes") {
        notes.problem(key.place, format!("both `routes` and `{}` are written", first.name), ROUTES_HINT);
        return None;
    }
    if let Some((_, place)) = hosts.iter().chain(&domains).find(|(text, _)| text.contains("${")) {
        notes.problem(*place, "a random word is another one with each push", "write `random-route: true` instead");
        return None;
    }
    let hosts = match (hosts.is_empty(), bare) {
        (false, false) => hosts,
        (false, true) => {
            notes.problem(first.place, "both hosts and `no-hostname` are written", "keep one of them");
            return None;
        }
        (true, true) => vec![(String::new(), first.place)],
        // What the cf CLI does without a host.
        (true, false) => {
            let names = field(kept, "name").map(|(_, node)| words(node)).unwrap_or_default();
            names.into_iter().map(|(name, place)| (host(&name), place)).collect()
        }
    };
    if domains.is_empty() {
        let written = field(routing, "host").is_some() || field(routing, "hosts").is_some();
        if let Some((host, place)) = hosts.first().filter(|_| written) {
            let message = format!("which domain is the host `{}` in?", notes.told(*place, host));
            notes.problem(*place, message, "add `domain:`, or write `routes:` with `- route: host.domain`");
        }
        return None;
    }
    let both = hosts.iter().flat_map(|host| domains.iter().map(move |domain| (host, domain)));
    let routes = both.map(|((host, at), (domain, beside))| {
        // Of the two, the place of one that a vars file gives: messages keep to what is written there.
        let place = if notes.is_filled(*beside) { beside } else { at };
        let text = if host.is_empty() { domain.clone() } else { format!("{host}.{domain}") };
        let route = Node { place: *place, data: Data::Scalar(Scalar { raw: text, plain: false }) };
        Node { place: *place, data: Data::Map(vec![(Key { place: *place, name: "route".to_owned() }, route)]) }
    });
    let key = Key { place: first.place, name: "routes".to_owned() };
    Some((key, Node { place: first.place, data: Data::Seq(routes.collect()) }))
}

fn is_one_of(key: &Key, names: &[&str]) -> bool {
    names.iter().any(|name| underscored(name) == underscored(&key.name))
}

/// A field that says something.
fn field<'n>(fields: &'n [(Key, Node)], name: &str) -> Option<&'n (Key, Node)> {
    fields.iter().find(|(key, node)| is_one_of(key, &[name]) && !is_null(node))
}

fn is_on(fields: &[(Key, Node)], name: &str) -> bool {
    field(fields, name)
        .is_some_and(|(_, node)| matches!(&node.data, Data::Scalar(scalar) if truth(scalar) == Some(true)))
}

/// One text, or each of a list.
fn words(node: &Node) -> Vec<(String, Place)> {
    match &node.data {
        Data::Scalar(scalar) => vec![(scalar.raw.clone(), node.place)],
        Data::Seq(items) => items.iter().flat_map(words).collect(),
        Data::Map(_) => Vec::new(),
    }
}

/// The host that the cf CLI makes of the name of an application.
fn host(name: &str) -> String {
    if vars::open(name).is_some() {
        return name.to_owned();
    }
    let mut host = String::new();
    let mut separated = false;
    for character in name.to_lowercase().chars() {
        let separates = character == '_' || character.is_whitespace();
        if separates && !separated {
            host.push('-');
        }
        separated = separates;
        if character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-' {
            host.push(character);
        }
    }
    host
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kinds::app::v1::{Application, WEB, read};
    use crate::manifest::parse::parse_foreign;
    use crate::manifest::source::SourceFile;

    /// The applications of a manifest, and what is wrong with it.
    fn read_in(text: &str) -> (Vec<Application>, Vec<String>) {
        let file = SourceFile { path: "manifest.yml".to_owned(), text: Arc::from(text) };
        let document = parse_foreign(&file).unwrap().remove(0);
        let mut notes = Notes::of(Some("manifest.yml"));
        let nodes = applications(&document, &mut notes);
        let applications = nodes.iter().map(|node| read(node, &mut notes)).collect();
        (applications, notes.problems.into_iter().map(|problem| problem.message).collect())
    }

    fn urls(text: &str) -> Vec<String> {
        let (applications, problems) = read_in(text);
        assert_eq!(problems, Vec::<String>::new(), "{text}");
        applications.into_iter().flat_map(|application| application.routes).map(|route| route.url).collect()
    }

    fn refused(text: &str) -> Vec<String> {
        let (_, problems) = read_in(text);
        problems
    }

    /// A small twin of the manifest that C2 had in June 2016.
    #[test]
    fn a_manifest_of_2016_means_what_the_cf_cli_of_its_time_made_of_it() {
        let text = "domain: 18f.gov\ninstances: 1\nbuildpack: https://github.com/cloudfoundry/ruby-buildpack.git\n\
                    services: [logs]\nenv: {REGION: us-east-1, RESTRICT: true}\napplications:\n\
                    - name: c2-prod\n  hosts: [cap, c2]\n  memory: 1024MB\n  instances: 2\n\
                    \x20 env: {RESTRICT: false}\n  services: [c2-prod-db]\n\
                    - name: c2-prod-worker\n  no-route: true\n  memory: 640MB\n";
        let (applications, problems) = read_in(text);
        assert_eq!(problems, Vec::<String>::new());
        let [prod, worker] = applications.as_slice() else { unreachable!() };
        let urls: Vec<&str> = prod.routes.iter().map(|route| route.url.as_str()).collect();
        assert_eq!(urls, ["cap.18f.gov", "c2.18f.gov"]);
        let instances = |application: &Application| application.processes.get(WEB).unwrap().instances;
        assert_eq!((instances(prod), instances(worker)), (Some(2), Some(1)));
        let env: Vec<_> = prod.env.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(env, [("REGION", Some("us-east-1")), ("RESTRICT", Some("false"))]);
        let services: Vec<&str> = prod.services.iter().map(|service| service.instance.as_str()).collect();
        assert_eq!(services, ["logs", "c2-prod-db"]);
        assert!(worker.no_route && worker.routes.is_empty());
        assert_eq!(worker.buildpacks.as_ref().map(Vec::len), Some(1));
    }

    #[test]
    fn hosts_and_domains_are_routes() {
        let app = |fields: &str| urls(&format!("applications:\n- {{name: My_App 2!, {fields}}}\n"));
        assert_eq!(app("host: a, domains: [x.org, y.org]"), ["a.x.org", "a.y.org"]);
        assert_eq!(app("domain: x.org"), ["my-app-2.x.org"], "the cf CLI makes a host of the name");
        assert_eq!(app("domain: x.org, no-hostname: true"), ["x.org"]);
        assert_eq!(app("domain: x.org, random-route: true"), Vec::<String>::new());
        assert_eq!(app("domain: x.org, no-route: true"), Vec::<String>::new());
        assert_eq!(urls("name: alone\nhost: a\ndomain: x.org\n"), ["a.x.org"], "without a list");
    }

    #[test]
    fn what_cannot_be_told_exactly_is_refused() {
        let app = |fields: &str| refused(&format!("applications:\n- {{name: a, {fields}}}\n"));
        assert_eq!(app("host: b"), ["which domain is the host `b` in?"]);
        assert_eq!(app("host: b, domain: x.org, no-hostname: true").len(), 1);
        assert_eq!(app("domain: x.org, routes: [{route: b.x.org}]"), ["both `routes` and `domain` are written"]);
        assert_eq!(app("host: 'b-${random-word}', domain: x.org").len(), 1);
        assert_eq!(
            refused("inherit: base.yml\napplications: [{name: a}]\n"),
            ["`inherit` is of the time before version 1"]
        );
    }

    #[test]
    fn version_1_has_neither_hosts_nor_attributes_for_all() {
        let problems = refused("version: 1\nmemory: 1G\napplications:\n- {name: a, host: b}\n");
        assert_eq!(
            problems,
            ["`memory` beside `applications` has no effect in version 1", "`host` is of the time before version 1"]
        );
        assert_eq!(refused("version: 2\napplications: []\n"), ["this version of manifests is not known"]);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        assert_eq!(refused("- name: a\n"), ["a Cloud Foundry manifest is a map, and this is a list"]);
        assert_eq!(refused("aplications: []\n"), ["the manifest has no `applications`"]);
        assert_eq!(refused("applications: {name: a}\n"), ["`applications` is a map, not a list"]);
        assert_eq!(refused("instnces: 2\napplications: [{name: a}]\n"), ["unknown attribute `instnces`"]);
    }
}
