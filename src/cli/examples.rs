//! An example of each kind that `explain` shows below a kind's fields.
//!
//! Decides nothing. That they are sound manifests, taken together, is proven below.

/// What a manifest of this kind may look like.
pub fn of(kind: &str) -> Option<&'static str> {
    EXAMPLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)).map(|(_, example)| *example)
}

const EXAMPLES: [(&str, &str); 7] = [
    (
        "Environment",
        "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.cf.example.com
    organizations: {gds: {guid: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0}}
    auth: {clientId: moored, clientSecretFile: /run/secrets/cf}
",
    ),
    (
        "App",
        "apiVersion: moored.dev/v1
kind: App
metadata: {name: helpdesk, environments: [production]}
spec:
  space: production
  application:
    instances: 2
    memory: 512M
    env: {LOG_LEVEL: info}
    routes: [{route: helpdesk.cf.example.com}]
    services: [helpdesk-db]      # the resource ServiceBinding helpdesk/helpdesk-db
---
apiVersion: moored.dev/v1
kind: App                        # every application of a manifest of Cloud Foundry's own
metadata: {name: surveys, environments: [production]}
spec: {space: production, manifest: surveys/manifest.yml, vars: [surveys/vars.yml]}
",
    ),
    (
        "ServiceInstance",
        "apiVersion: moored.dev/v1
kind: ServiceInstance
metadata: {name: helpdesk-db, environments: [production]}
spec: {space: production, type: managed, offering: postgres, plan: small}
",
    ),
    (
        "ServiceBinding",
        "apiVersion: moored.dev/v1
kind: ServiceBinding             # the resources helpdesk/queue and helpdesk-worker/queue
metadata: {name: queue, environments: [production]}
spec: {space: production, serviceInstance: queue, apps: [helpdesk, helpdesk-worker]}
",
    ),
    (
        "Buildpacks",
        "apiVersion: moored.dev/v1
kind: Buildpacks
metadata: {name: detection-order, environments: [production]}
spec:
  buildpacks:                    # the one that is tried first at the top
    - {name: ruby_buildpack, stack: cflinuxfs4}
    - {name: nodejs_buildpack, stack: cflinuxfs4}
  except: [{name: \"CATS-*\", atMost: 45m}]
",
    ),
    (
        "HttpProbe",
        "apiVersion: moored.dev/v1
kind: HttpProbe
metadata: {name: front-door, environments: [production]}
spec:
  url: https://helpdesk.cf.example.com/health
  maxLatency: 2s
  tlsExpiresIn: 14d
  json: [{path: /status, equals: ok}]
",
    ),
    (
        "Inventory",
        "apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: organisation, environments: [production]}
spec:
  scope: {cfOrganization: gds}
  watch: {vanished: true, maxDrop: 20%}
",
    ),
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::core::redact::Redactor;
    use crate::manifest::load::Parsed;
    use crate::manifest::resolve::resolve;
    use crate::manifest::source::{Source, SourceFile};

    #[test]
    fn the_examples_are_sound_together() {
        let text = EXAMPLES.map(|(_, example)| example).join("---\n");
        let manifest = "applications: [{name: surveys, memory: ((memory))}]\n";
        let files =
            [("all.yaml", text.as_str()), ("surveys/manifest.yml", manifest), ("surveys/vars.yml", "memory: 1G\n")];
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: Arc::from(text) }).to_vec();
        let source = Source { root: PathBuf::from("root"), files, digest: String::new() };
        let parsed = Arc::new(Parsed::of(&source, None));
        let resolved = resolve(&[parsed], &Redactor::new(&[7; 32]), jiff::Timestamp::UNIX_EPOCH);
        let told: Vec<String> = resolved.rejected.iter().map(|rejected| rejected.render(false)).collect();
        assert_eq!((told, resolved.warnings), (Vec::new(), Vec::new()));
        for (kind, example) in EXAMPLES {
            assert!(example.contains(&format!("kind: {kind}")), "{kind}");
        }
    }
}
