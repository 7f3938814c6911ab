//! `moored whoami`: whose credentials these really are and what they may read, loud for production.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::options::{self, CloudOption, Filters, Manifests};
use super::{Outcome, output, render, setup};
use crate::aws::identity::Identity;
use crate::clock::Clock;
use crate::cloudfoundry::allow_list::ORGANIZATIONS;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::Organization;
use crate::core::desired::{Class, Foundation};
use crate::core::observation::{Failure, IdentityState};

/// Show which AWS accounts and Cloud Foundry users the credentials are, and what these may read
///
/// Exit codes: 0 all are the declared ones, 3 not all could be verified, 1 on a usage error.
#[derive(Debug, Args)]
pub struct Whoami {
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    cloud: CloudOption,
    #[command(flatten)]
    filters: Filters,
}

impl Whoami {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let filter = self.filters.build()?;
        let state = setup::State::open(None)?;
        let (_, desired) = setup::load(&self.manifests, &state.redactor)?;
        options::check_environments(&filter, &desired)?;
        let parts = setup::parts(&desired, &self.cloud, state.redactor, Clock::wall(), Duration::from_secs(60))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        let mut sound = true;
        for environment in desired.environments.values().filter(|environment| filter.environment(&environment.name)) {
            let loud = environment.class == Class::Production;
            let class = environment.class.as_str();
            let title = match loud {
                true => format!("!!! PRODUCTION: {} !!!", environment.name),
                false if *environment.name == *class => environment.name.to_string(),
                false => format!("{} ({class})", environment.name),
            };
            output::line(render::styled(if loud { render::ERROR } else { anstyle::Style::new().bold() }, title))?;
            for (alias, account) in &environment.accounts {
                let region = account.regions.first().map(|region| &**region).unwrap_or("us-east-1");
                let identity = runtime.block_on(parts.shared.identity(account, region));
                sound &= is_sound(&identity);
                output::line(format_args!("  {alias:<12} {}  {}", account.id, said(&identity)))?;
            }
            if let Some(foundation) = &environment.foundation {
                let identity = runtime.block_on(parts.shared.foundation_identity(foundation));
                sound &= is_sound(&identity);
                output::line(format_args!("  {:<12} {}  {}", "cf", foundation.host, said(&identity)))?;
                let context = runtime.block_on(parts.shared.foundation(foundation));
                for line in allowances(foundation, &context.session.scopes()) {
                    output::line(format_args!("  {:<12} {}", "", render::clean(&line)))?;
                }
                if is_sound(&identity) {
                    let (lines, all) = sights(foundation, runtime.block_on(seen(&context, foundation)));
                    sound &= all;
                    for line in lines {
                        let style = if all { anstyle::Style::new() } else { render::CAUTION };
                        output::line(format_args!("  {:<12} {}", "", render::styled(style, render::clean(&line))))?;
                    }
                }
            }
        }
        Ok(if sound { Outcome::Fine } else { Outcome::Incomplete })
    }
}

fn is_sound(identity: &Identity) -> bool {
    matches!(identity.state, IdentityState::Verified | IdentityState::Simulated)
}

/// What is known of who the credentials are.
fn said(identity: &Identity) -> String {
    match (identity.state, &identity.arn) {
        (IdentityState::Mismatch, _) => {
            let seen = identity.seen.as_deref().unwrap_or("unknown");
            let what = if seen.bytes().all(|byte| byte.is_ascii_digit()) { "account " } else { "" };
            render::styled(render::ERROR, format!("MISMATCH: these credentials are {what}{}", render::clean(seen)))
        }
        (IdentityState::Unverified, _) => match &identity.failure {
            // Whoever reads this has asked for it.
            Some(failure) => {
                let detail = failure.detail.replace("; see `moored whoami`", "");
                format!("unverified: {}", render::clean(&detail))
            }
            None => IdentityState::Unverified.as_str().to_owned(),
        },
        (state, Some(principal)) => format!("{} as {}", state.as_str(), render::clean(principal)),
        (state, None) => state.as_str().to_owned(),
    }
}

/// The guids of the declared organisations that the credentials see, by their names in lower case.
async fn seen(context: &ReadContext, foundation: &Foundation) -> Result<BTreeMap<String, Arc<str>>, Failure> {
    if foundation.organizations.is_empty() {
        return Ok(BTreeMap::new());
    }
    // A comma separates names, so that one within a name is encoded twice.
    let encoded = |name: &Arc<str>| name.replace('%', "%25").replace(',', "%2C").replace('+', "%2B");
    let names = foundation.organizations.keys().map(encoded).collect::<Vec<_>>().join(",");
    let listed = context.list::<Organization>(&ORGANIZATIONS, &[("names", names.as_str())]).await?;
    Ok(listed.items.into_iter().map(|found| (found.name.to_lowercase(), found.guid)).collect())
}

/// Which of the declared organisations are there for these credentials, and whether all are.
fn sights(foundation: &Foundation, seen: Result<BTreeMap<String, Arc<str>>, Failure>) -> (Vec<String>, bool) {
    let seen = match seen {
        Ok(seen) => seen,
        Err(failure) => {
            return (vec![format!("which organisations are visible is not known: {}", failure.detail)], false);
        }
    };
    let missing: Vec<&str> = foundation
        .organizations
        .keys()
        .filter(|name| !seen.contains_key(&name.to_lowercase()))
        .map(|name| &**name)
        .collect();
    let told = |name: &str| format!("NOT VISIBLE: {name}: no organisation is called so, or there is no role in it");
    match (missing.is_empty(), foundation.organizations.is_empty()) {
        (true, true) => (Vec::new(), true),
        (true, false) => (vec!["visible: every organisation that is named".to_owned()], true),
        (false, _) => (missing.into_iter().map(told).collect(), false),
    }
}

/// What Cloud Foundry has granted, and what can be checked with it (the v3 API's table of roles).
fn allowances(foundation: &Foundation, scopes: &BTreeSet<String>) -> Vec<String> {
    let has = |scope: &str| scopes.contains(&format!("cloud_controller.{scope}"));
    let mut organizations: Vec<String> = foundation
        .organizations
        .iter()
        .map(|(name, guid)| match guid {
            Some(guid) => format!("{name} ({guid})"),
            None => format!("{name} (not pinned: any organisation of this name is taken for it)"),
        })
        .collect();
    organizations.extend(foundation.every.then(|| "every one that it can see".to_owned()));
    let mut lines = vec![format!("organisations: {}", organizations.join(", "))];
    if scopes.is_empty() {
        return lines;
    }
    lines.push(format!("granted: {}", scopes.iter().cloned().collect::<Vec<_>>().join(" ")));
    let global = has("admin") || has("admin_read_only") || has("global_auditor");
    let secrets = has("admin") || has("admin_read_only");
    lines.push(match (global, has("read")) {
        (true, _) => {
            "lists, instances, routes, bindings, buildpacks, audit events: yes, of every organisation".to_owned()
        }
        (false, true) => "lists, instances, routes, bindings, audit events: where it has a role in the space or \
                          organisation; of buildpacks no events"
            .to_owned(),
        (false, false) => "lists: no (needs cloud_controller.read, or cloud_controller.global_auditor)".to_owned(),
    });
    lines.push(match (secrets, has("read")) {
        (true, _) => "env and command: yes, compared as keyed hashes".to_owned(),
        (false, true) => "env and command: only in spaces where it is Space Developer, else unchecked".to_owned(),
        (false, false) => {
            "env and command: unchecked (needs cloud_controller.admin_read_only, or Space Developer)".to_owned()
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::desired::Auth;
    use crate::core::observation::Reason;

    fn foundation() -> Foundation {
        Foundation {
            api: "https://api.example.com".into(),
            host: "api.example.com".into(),
            organizations: [("gds".into(), None)].into(),
            every: false,
            auth: Auth::Client { id: "moored".into(), secret_file: "/run/secrets/cf".into() },
        }
    }

    fn told(scopes: &[&str]) -> String {
        allowances(&foundation(), &scopes.iter().map(|scope| (*scope).to_owned()).collect()).join("\n")
    }

    #[test]
    fn a_declared_organisation_that_nobody_shows_is_named() {
        let seen = |name: &str| Ok(BTreeMap::from([(name.to_owned(), "guid".into())]));
        assert!(sights(&foundation(), seen("gds")).1);
        let (lines, all) = sights(&foundation(), seen("gsd"));
        assert!(!all && lines.len() == 1 && lines.concat().starts_with("NOT VISIBLE: gds: "), "{lines:?}");
        let failure = Failure::new(Reason::Throttled, "not now");
        assert!(!sights(&foundation(), Err(failure)).1);
    }

    #[test]
    fn what_the_granted_scopes_allow_is_told_with_what_would_allow_more() {
        let auditor = told(&["cloud_controller.global_auditor"]);
        assert!(
            auditor.contains("of every organisation") && auditor.contains("env and command: unchecked (needs"),
            "{auditor}"
        );
        assert!(told(&["cloud_controller.admin_read_only"]).contains("compared as keyed hashes"));
        assert!(told(&["cloud_controller.read"]).contains("only in spaces where it is Space Developer"));
        assert!(told(&["uaa.user"]).contains("lists: no"));
        assert_eq!(told(&[]), "organisations: gds (not pinned: any organisation of this name is taken for it)");
    }
}
