//! F55, secrets: canaries in everything that moored reads or is given, the noisiest log, and a
//! forced panic; not six bytes of any canary come out anywhere.

use std::fs;
use std::process::Command;

use moored::sim::world::Service;
use serde_json::json;

use super::certificates::Authority;
use super::real::{asking, production_alone};
use super::wire::{Act, Wire, raw};
use crate::common::daemon::{Daemon, exchange, finding};
use crate::common::platform::{MAIN, Platform, SECRETS, SETTINGS};
use crate::common::{Scratch, run, text};

/// A live environment variable that is declared with another value.
const VARIABLE: &str = "Zq7vXk2mWp9RaH";
/// An attribute of an item, the same.
const ATTRIBUTE: &str = "Jf4tLy8sHd3NuC";
/// The client secret of a listener that signs people in. (AWS does not show it; a fake might.)
const LISTENER: &str = "Bn6cGw1xQe5TzK";
/// moored's own key.
const OWN: &str = "Vu9rKz2aMi7PoB";
/// The key of the role that it assumes.
const ROLE: &str = "Oh3jYb8fSx4DeG";
/// The password of a proxy.
const PROXY: &str = "Cs5wNt1gEl6UyJ";
/// The token of moored's own API.
const API: &str = "Rm2dPq7kFv9AhXz4";

const CANARIES: [&str; 7] = [VARIABLE, ATTRIBUTE, LISTENER, OWN, ROLE, PROXY, API];

/// No six bytes of a canary are anywhere in there.
#[track_caller]
fn clean(place: &str, content: &[u8], secrets: &[String]) {
    for secret in secrets {
        for window in secret.as_bytes().windows(6) {
            let leak = content.windows(6).position(|bytes| bytes == window);
            let around = leak.map(|at| &content[at.saturating_sub(80)..(at + 80).min(content.len())]);
            assert!(leak.is_none(), "{secret} is in {place}: {}", String::from_utf8_lossy(around.unwrap_or_default()));
        }
    }
}

/// The listeners' answer, with an action in front that holds a secret.
fn with_sign_in(body: &str) -> String {
    let action = format!(
        "<DefaultActions><member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig>\
         <Issuer>https://id.example.com</Issuer><ClientId>harbor</ClientId><ClientSecret>{LISTENER}</ClientSecret>\
         </AuthenticateOidcConfig></member>"
    );
    assert!(body.contains("<DefaultActions>"), "{body}");
    body.replace("<DefaultActions>", &action)
}

/// The answer to AssumeRole, with a key that can be told from others.
fn with_known_key(body: &str) -> String {
    let (before, rest) = body.split_once("<SecretAccessKey>").expect("a key");
    let (_, after) = rest.split_once("</SecretAccessKey>").expect("its end");
    format!("{before}<SecretAccessKey>{ROLE}</SecretAccessKey>{after}")
}

fn edited(asked_text: &str) -> Act {
    match asked_text {
        text if text.contains("Action=DescribeListeners") => Act::Edited(with_sign_in),
        text if text.contains("Action=AssumeRole") => Act::Edited(with_known_key),
        _ => Act::Honest,
    }
}

/// Refuses as AWS does: with the whole request, token and all.
fn refusal() -> Act {
    let said = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request signature we \
         calculated does not match.\n\nThe Canonical String should have been\n'GET\n/\n\nx-amz-security-token:{ROLE}\n\
         {OWN}'</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    Act::Raw(raw("403 Forbidden", &[("content-type", "text/xml")], said.as_bytes()))
}

/// Live values that differ from what is declared, so that both sides are in findings.
fn plant(platform: &Platform) {
    let container = json!({
        "name": "api", "image": "example/api:2026.11", "memory": 128,
        "environment": [{ "name": "LOG_LEVEL", "value": "debug" }, { "name": "API_TOKEN", "value": VARIABLE }],
    });
    let definition = json!({ "family": "api", "containerDefinitions": [container] });
    platform.act(MAIN, Service::Ecs, "RegisterTaskDefinition", definition);
    platform.run_tasks(MAIN, "api", 2);
    let item = json!({ "setting": { "S": "release" }, "channel": { "S": "edge" }, "signing_key": { "S": ATTRIBUTE } });
    platform.put_item(SETTINGS, item);
}

#[test]
fn f55_not_six_bytes_of_a_secret_are_on_any_surface() {
    let platform = Platform::new("canaries");
    production_alone(&platform);
    plant(&platform);
    let (authority, elsewhere) = (Authority::new(), Scratch::new("token"));
    let wire = Wire::new(&platform.cloud);
    wire.script(|asked| edited(&asked.text));
    let (state, token) = (platform.scratch.file("moored.db"), elsewhere.write("token", API));
    let noisy = |subcommand: &str| {
        let mut command = asking(&platform, &wire.url(), Some(&authority.certificate()), subcommand);
        command.env("AWS_SECRET_ACCESS_KEY", OWN).env("MOORED_PROXY", format!("http://harbor:{PROXY}@127.0.0.1:9"));
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").args(["--log", "trace"]);
        command
    };
    let mut command = noisy("run");
    command.args(["--metrics-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--log-format", "json"]);
    command.args(["--resync", "1s", "--state", text(&state), "--api-token-file", text(&token)]);
    let mut daemon = Daemon::launch(command);
    let api = daemon.address("--api-listen");
    daemon.settled();
    let (service, item) = (finding("EcsService", "api", "changed"), finding("TableItem", "release", "changed"));
    let metrics = daemon.until("both are found", |metrics| {
        metrics.value("moored_drift", &service).is_some() && metrics.value("moored_drift", &item).is_some()
    });
    // A bad time too: what AWS says in it holds secrets.
    wire.script(|asked| if asked.service == "route53" { refusal() } else { edited(&asked.text) });
    let failed = [("reason", "credentials")];
    let trouble = daemon.until("a refusal", |metrics| metrics.sum("moored_observation_failures_total", &failed) > 0.0);
    wire.script(|asked| edited(&asked.text));

    let mut surfaces = vec![("/metrics".to_owned(), format!("{}{}", metrics.text, trouble.text).into_bytes())];
    let parts = ["report", "environments", "applications", "resources", "findings", "history", "graph"];
    let one = ["EcsService&name=api", "TableItem&name=release", "LoadBalancer&name=api"];
    let one = one.map(|thing| format!("resources?environment=production&kind={thing}"));
    for part in parts.into_iter().map(str::to_owned).chain(one) {
        let path = format!("/api/v1/{part}");
        let bearer = format!("Bearer {API}");
        let headers = [("Host", "127.0.0.1"), ("Authorization", bearer.as_str())];
        let answer = exchange(api, "GET", &path, &headers).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        surfaces.push((path, format!("{}{}", answer.head, answer.body).into_bytes()));
    }
    assert!(surfaces.iter().any(|(_, body)| String::from_utf8_lossy(body).contains("(secret)")), "nothing was hidden");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0.code(), Some(0));
    assert!(daemon.log().contains("SignatureDoesNotMatch"), "the refusal was not logged");
    surfaces.push(("the log".to_owned(), daemon.log().into_bytes()));
    let commands: [(&str, &[&str]); 6] = [
        ("check", &["--format", "json"]),
        ("check", &[]),
        ("show", &["EcsService/api"]),
        ("show", &["LoadBalancer/api", "--format", "json"]),
        ("show", &["TableItem/release"]),
        ("whoami", &[]),
    ];
    for (subcommand, more) in commands {
        let mut command = noisy(subcommand);
        command.args(more);
        let outcome = run(command);
        surfaces.push((format!("{subcommand} {more:?}"), format!("{}{}", outcome.stdout, outcome.stderr).into_bytes()));
    }
    for entry in fs::read_dir(platform.scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            surfaces.push((text(&path).to_owned(), fs::read(&path).unwrap()));
        }
    }
    assert!(surfaces.iter().any(|(place, content)| place.ends_with("moored.db") && !content.is_empty()));

    let asked = wire.asked();
    assert!(asked.iter().any(|asked| asked.text.contains("Action=DescribeListeners")), "the listener was not read");
    // The session's token was chosen by the cloud; it is in the requests that it signed.
    let tokens = asked.iter().flat_map(|asked| asked.text.lines()).filter_map(|line| line.split_once(": "));
    let mut token =
        tokens.filter(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token")).map(|(_, token)| token);
    let token = token.next_back().expect("a role was assumed").trim().to_owned();
    let secrets: Vec<String> = CANARIES.iter().map(|canary| (*canary).to_owned()).collect();
    for (place, content) in &surfaces {
        clean(place, content, &secrets);
        let content = String::from_utf8_lossy(content);
        assert!(!content.contains(&token), "the session's token is in {place}");
        // These are words, of which pieces may be anywhere.
        assert!(SECRETS.iter().all(|secret| !content.contains(secret)), "a declared secret is in {place}");
    }
}

/// The hook belongs to a whole process, so that this test runs itself again in one of its own.
#[test]
fn f55_a_panic_tells_its_place_and_not_its_payload() {
    const INSIDE: &str = "MOORED_TEST_PANICS";
    let name = "secrets::f55_a_panic_tells_its_place_and_not_its_payload";
    if let Some(how) = std::env::var_os(INSIDE) {
        if how == "hooked" {
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init();
            moored::panics::install();
        }
        assert!(std::thread::spawn(|| panic!("the key is {OWN}")).join().is_err());
        assert_eq!(moored::panics::count(), u64::from(how == "hooked"));
        return;
    }
    let said = |how: &str| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--nocapture"]).env(INSIDE, how).env("RUST_BACKTRACE", "full");
        let output = child.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        said
    };
    // Without the hook the payload is told: there is something to hide.
    assert!(String::from_utf8_lossy(&said("unhooked")).contains(OWN));
    let hooked = said("hooked");
    let told = String::from_utf8_lossy(&hooked).into_owned();
    assert!(told.contains("moored itself failed") && told.contains("secrets.rs"), "{told}");
    clean("a panic", &hooked, &[OWN.to_owned()]);
}
