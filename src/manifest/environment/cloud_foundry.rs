//! What an Environment says of Cloud Foundry, checked before anything is asked of it.
//!
//! Decides that the address is the API's own and keeps tokens from everybody on the way, that organisations are told
//! apart, and that there is one complete way to sign in. Never reads a secret. [`super::read`] calls it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{AuthSpec, CloudFoundrySpec, OrganizationSpec};
use crate::manifest::draft::Draft;
use crate::manifest::envelope::is_address;
use crate::manifest::problem::shorten;

/// Notes what cannot be meant.
pub(super) fn check(draft: &mut Draft<'_>, spec: &CloudFoundrySpec) {
    check_api(draft, &spec.api);
    if spec.organizations.is_empty() {
        let hint = "name at least one, or `\"*\": {}` for every organisation the role can see";
        draft.problem(&["spec", "cloudFoundry", "organizations"], "`organizations` names none", hint);
    }
    check_names(draft, &spec.organizations);
    for (name, organization) in &spec.organizations {
        let path = ["spec", "cloudFoundry", "organizations", name.as_str(), "guid"];
        match organization.guid.as_deref() {
            Some(_) if name == "*" => draft.problem(&path, "`*` has no guid", "name the organisation"),
            Some(guid) if !is_guid(guid) => {
                let message = format!("`{}` is no guid", shorten(guid));
                draft.problem(&path, message, format!("copy what `cf org {name} --guid` prints"));
            }
            None if spec.repair_auth.is_some() => {
                let message = format!("`repairAuth` needs the guid of the organisation `{}`", shorten(name));
                draft.problem(&path, message, "name every organisation, each with its `guid`");
            }
            Some(_) | None => {}
        }
    }
    check_auth(draft, "auth", &spec.auth);
    if let Some(auth) = &spec.repair_auth {
        check_auth(draft, "repairAuth", auth);
    }
}

/// The address of the API alone: what goes there is a token, and moored adds the paths itself.
fn check_api(draft: &mut Draft<'_>, api: &str) {
    const PATH: [&str; 3] = ["spec", "cloudFoundry", "api"];
    let Some((scheme, rest)) = api.split_once("://").filter(|_| is_address(api)) else {
        let message = format!("`{}` is no address", shorten(api));
        return draft.problem(&PATH, message, "such as `https://api.example.com`");
    };
    let (authority, beyond) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        draft.problem(&PATH, "the address names a user or a password", "moored signs in with `auth`: leave them out");
    } else if !beyond.chars().all(|character| character == '/') {
        let hint = format!("write `{scheme}://{}`: moored adds the paths itself", shorten(authority));
        draft.problem(&PATH, "the address goes on after the host", hint);
    } else if scheme == "http" && !is_loopback(authority) {
        let hint = format!("write `https://{}`", shorten(authority));
        draft.problem(&PATH, "over `http://` everybody on the way reads the token", hint);
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Organisations are told apart by more than the case of their names, and `*` leaves nothing to be named but a guid.
fn check_names(draft: &mut Draft<'_>, organizations: &BTreeMap<String, OrganizationSpec>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, organization) in organizations {
        let path = ["spec", "cloudFoundry", "organizations", name.as_str()];
        if let Some(first) = seen.insert(name.to_lowercase(), name) {
            let message = format!("`{}` and `{}` are one organisation", shorten(first), shorten(name));
            draft.problem(&path, message, "Cloud Foundry does not tell their names apart by case: keep one");
        }
        if name != "*" && organization.guid.is_none() && organizations.contains_key("*") {
            let message = format!("`*` means `{}` too: naming it says nothing", shorten(name));
            draft.warn(&path, message, "add its `guid`, or take it or the `*` away");
        }
    }
}

fn check_auth(draft: &mut Draft<'_>, field: &str, auth: &AuthSpec) {
    let given = [&auth.client_id, &auth.client_secret_file, &auth.username, &auth.password_file];
    let client_or_user = matches!(given, [Some(_), Some(_), None, None] | [None, None, Some(_), Some(_)]);
    if !client_or_user || given.into_iter().flatten().any(|text| text.trim().is_empty()) {
        let message = format!("`{field}` names neither one client nor one user");
        let hint = "give `clientId` and `clientSecretFile`, or `username` and `passwordFile`";
        draft.problem(&["spec", "cloudFoundry", field], message, hint);
    }
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
