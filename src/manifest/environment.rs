//! What an Environment means: its accounts, regions, roles and organisations, and what may be repaired in it.
//!
//! Decides whether an account id, region, role or budget can be what it says, before anything is asked of it. Never
//! takes a secret: credentials are named by file. The loader calls [`read`].

mod cloud_foundry;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::draft::Draft;
use super::problem::{shorten, suggest};
use super::schema::Form;
use crate::core::arn::{Arn, is_account, is_region};
use crate::core::desired::{Account, Auth, Class, Environment, Foundation};
use crate::kinds::KINDS;

/// The services whose calls have a budget.
const SERVICES: [&str; 6] = ["cloudtrail", "dynamodb", "ecs", "elasticloadbalancing", "route53", "sts"];
/// The kinds of Cloud Foundry that a repair mode may name.
const CLOUD_FOUNDRY_KINDS: [&str; 4] = ["App", "Buildpacks", "ServiceBinding", "ServiceInstance"];
/// The regions of AWS: "AWS Regions", General Reference.
const REGIONS: &str = "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 \
    ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 \
    ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 \
    eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 \
    sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2";

fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.split(' ')
}

/// What an environment is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// How much depends on it.
    pub class: Class,
    /// What it means in AWS.
    #[serde(default)]
    pub aws: AwsSpec,
    /// What it means in Cloud Foundry.
    pub cloud_foundry: Option<CloudFoundrySpec>,
    /// What may be repaired; without it moored only observes.
    pub repair: Option<RepairSpec>,
    /// Names of environment variables and parameters whose values may be shown.
    #[serde(default)]
    pub visible: Vec<String>,
}

/// What an environment means in AWS.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsSpec {
    /// Accounts by alias. `main` is meant where a manifest names none.
    #[serde(default)]
    pub accounts: BTreeMap<String, AccountSpec>,
}

/// One AWS account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSpec {
    /// Twelve digits, in quotes.
    pub account: String,
    /// The regions in use.
    pub regions: Vec<String>,
    /// The ARN of the role that observing assumes; without it moored's own credentials are used.
    pub observe_role: Option<String>,
    /// The ARN of the role that repairing assumes.
    pub repair_role: Option<String>,
    /// Calls a second by service, such as `route53: 1/s`, where the default is too much.
    #[serde(default)]
    pub budgets: BTreeMap<String, String>,
}

/// What an environment means in Cloud Foundry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudFoundrySpec {
    /// The address of the API, such as `https://api.example.com`.
    pub api: String,
    /// Organisations by name; `*` is every organisation that the role can see.
    pub organizations: BTreeMap<String, OrganizationSpec>,
    /// How to sign in for observing.
    pub auth: AuthSpec,
    /// How to sign in for repairing; every organisation needs its `guid` then.
    pub repair_auth: Option<AuthSpec>,
}

/// One organisation.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationSpec {
    /// Its guid, which no organisation of another foundation shares.
    pub guid: Option<String>,
}

/// How to sign in: a client with its secret, or a user with a password, each in a file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthSpec {
    /// The client.
    pub client_id: Option<String>,
    /// The file that holds the client's secret: a path of the machine that moored runs on, not of this root. A
    /// relative one counts from where moored is started.
    pub client_secret_file: Option<String>,
    /// The user.
    pub username: Option<String>,
    /// The file that holds the user's password, likewise.
    pub password_file: Option<String>,
}

/// What may be repaired.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepairSpec {
    /// Whether orphans are deleted, by kind.
    #[serde(default)]
    pub prune: BTreeMap<String, RepairMode>,
    /// Whether declared things are put back, by kind.
    #[serde(default)]
    pub heal: BTreeMap<String, RepairMode>,
    /// What keeps two repairers apart.
    pub lease: Option<LeaseSpec>,
    /// The file with the key that encrypts what is kept of a thing before it is changed.
    pub key_file: Option<String>,
}

/// Who decides on a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RepairMode {
    /// Nothing is repaired.
    Observe,
    /// A person approves each plan.
    Approve,
}

/// The lease of the one repairer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseSpec {
    /// A DynamoDB table in the account and region of the StateTable.
    pub table: String,
}

/// The environment that a document declares; `None` if anything is wrong with it.
pub fn read(draft: &mut Draft<'_>, form: &Form, name: &Arc<str>) -> Option<Environment> {
    let spec: EnvironmentSpec = draft.part("spec", &form.spec)?;
    for (alias, account) in &spec.aws.accounts {
        check_account(draft, alias, account);
    }
    if let Some(declared) = &spec.cloud_foundry {
        cloud_foundry::check(draft, declared);
    }
    if let Some(repair) = &spec.repair {
        check_repair(draft, repair);
    }
    for (index, name) in spec.visible.iter().enumerate() {
        if name.is_empty() || name.contains(|character: char| character.is_whitespace() || character == '=') {
            let (index, message) = (index.to_string(), format!("`{}` is no name of a variable", shorten(name)));
            draft.problem(&["spec", "visible", index.as_str()], message, "list names only, such as `LOG_LEVEL`");
        }
    }
    draft.problems.is_empty().then(|| Environment {
        name: name.clone(),
        class: spec.class,
        accounts: spec.aws.accounts.into_iter().map(|(alias, spec)| (alias.into(), account(spec))).collect(),
        foundation: spec.cloud_foundry.map(foundation),
        visible: spec.visible.into_iter().map(Into::into).collect(),
        source: draft.source(),
    })
}

fn account(spec: AccountSpec) -> Account {
    let budgets = spec.budgets.into_iter();
    Account {
        id: spec.account.into(),
        regions: spec.regions.into_iter().map(Into::into).collect(),
        observe_role: spec.observe_role.map(Into::into),
        budgets: budgets.filter_map(|(service, text)| Some((service.into(), rate(&text)?))).collect(),
    }
}

/// The host names the foundation, however its address is written.
fn host(api: &str) -> Arc<str> {
    let rest = api.split_once("://").map_or(api, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase().into()
}

fn foundation(spec: CloudFoundrySpec) -> Foundation {
    let host = host(&spec.api);
    let every = spec.organizations.contains_key("*");
    let named = spec.organizations.into_iter().filter(|(name, _)| name != "*");
    let AuthSpec { client_id, client_secret_file, username, password_file } = spec.auth;
    let text = |text: Option<String>| Arc::<str>::from(text.unwrap_or_default());
    Foundation {
        api: spec.api.trim_end_matches('/').into(),
        host,
        organizations: named.map(|(name, spec)| (name.into(), spec.guid.map(Into::into))).collect(),
        every,
        auth: match username {
            Some(name) => Auth::User { name: name.into(), password_file: text(password_file) },
            None => Auth::Client { id: text(client_id), secret_file: text(client_secret_file) },
        },
    }
}

fn check_account(draft: &mut Draft<'_>, alias: &str, spec: &AccountSpec) {
    let at = |field: &'static str| ["spec", "aws", "accounts", alias, field];
    if !is_account(&spec.account) {
        let message = format!("`{}` is no AWS account", shorten(&spec.account));
        draft.problem(&at("account"), message, "an account has twelve digits, such as \"111122223333\"");
    }
    if spec.regions.is_empty() {
        draft.problem(&at("regions"), "`regions` lists none", "such as `regions: [eu-west-1]`");
    }
    for (index, region) in spec.regions.iter().enumerate() {
        let index = index.to_string();
        check_region(draft, &["spec", "aws", "accounts", alias, "regions", index.as_str()], region);
    }
    let roles = [("observeRole", &spec.observe_role), ("repairRole", &spec.repair_role)];
    for (field, role) in roles {
        if let Some(role) = role {
            check_role(draft, &at(field), role, &spec.account);
        }
    }
    for (service, text) in &spec.budgets {
        let path = ["spec", "aws", "accounts", alias, "budgets", service.as_str()];
        if !SERVICES.contains(&service.as_str()) {
            let hint = match suggest(service, SERVICES) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("services with a budget: {}", SERVICES.join(", ")),
            };
            draft.problem(&path, format!("no budget is kept for `{}`", shorten(service)), hint);
        } else if rate(text).is_none() {
            draft.problem(&path, format!("`{}` is no rate", shorten(text)), "calls a second, such as `1/s` or `0.5/s`");
        }
    }
}

/// A region that AWS may have opened since is only warned of; a misspelt one is an error.
fn check_region(draft: &mut Draft<'_>, path: &[&str], region: &str) {
    if regions().any(|known| known == region) {
        return;
    }
    let meant = suggest(region, regions()).filter(|_| !is_region(region) || !may_be_new(region));
    match meant {
        Some(meant) => {
            let message = format!("`{}` is no AWS region", shorten(region));
            draft.problem(path, message, format!("did you mean `{meant}`?"));
        }
        None if is_region(region) => {
            let message = format!("moored does not know the region `{}`", shorten(region));
            draft.warn(path, message, "check its spelling; if AWS has it, this is no error");
        }
        None => {
            let message = format!("`{}` is no AWS region", shorten(region));
            draft.problem(path, message, "such as `eu-west-1`");
        }
    }
}

/// Whether every word of it occurs in regions that exist: `eu-west-4` may be new, `eu-wst-1` is not.
fn may_be_new(region: &str) -> bool {
    fn words(region: &str) -> Option<(&str, &str)> {
        let (words, _number) = region.rsplit_once('-')?;
        words.rsplit_once('-')
    }
    let Some((area, direction)) = words(region) else { return false };
    let known = || regions().filter_map(words);
    known().any(|(known, _)| known == area) && known().any(|(_, known)| known == direction)
}

fn check_role(draft: &mut Draft<'_>, path: &[&str], role: &str, account: &str) {
    let arn = Arn::parse(role).filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
    match arn {
        None => {
            let message = format!("`{}` is no ARN of a role", shorten(role));
            draft.problem(path, message, format!("such as `arn:aws:iam::{}:role/moored-observe`", shorten(account)));
        }
        Some(arn) if arn.account != account => {
            let message = format!("the role belongs to account {}, not to {}", arn.account, shorten(account));
            draft.problem(path, message, "name a role of this very account; its trust policy lets moored in");
        }
        Some(_) => {}
    }
}

/// Calls a second: from one in a quarter of an hour to more than any service takes.
fn rate(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix("/s")?.trim().parse().ok()?;
    (0.001..=1_000_000.0).contains(&number).then_some(number)
}

fn check_repair(draft: &mut Draft<'_>, repair: &RepairSpec) {
    let known = || KINDS.iter().map(|entry| entry.kind.name()).chain(CLOUD_FOUNDRY_KINDS);
    for (field, modes) in [("prune", &repair.prune), ("heal", &repair.heal)] {
        for kind in modes.keys().filter(|kind| !known().any(|known| known == *kind)) {
            let hint = match suggest(kind, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known kinds: {}", known().collect::<Vec<_>>().join(", ")),
            };
            draft.problem(&["spec", "repair", field, kind], format!("unknown kind `{}`", shorten(kind)), hint);
        }
    }
    if repair.lease.as_ref().is_some_and(|lease| lease.table.trim().is_empty()) {
        draft.problem(&["spec", "repair", "lease", "table"], "`table` is empty", "name a DynamoDB table");
    }
    if repair.key_file.as_ref().is_some_and(|file| file.trim().is_empty()) {
        draft.problem(&["spec", "repair", "keyFile"], "`keyFile` is empty", "such as `/run/secrets/moored-key`");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::parse::parse;
    use super::super::problem::Problem;
    use super::super::schema::form;
    use super::super::source::SourceFile;
    use super::*;

    struct Told {
        environment: Option<Environment>,
        problems: Vec<Problem>,
        warnings: Vec<Problem>,
    }

    fn told(spec: &str) -> Told {
        let file: Arc<str> = "a.yaml".into();
        let text = format!("spec:\n{spec}");
        let document = parse(&SourceFile { path: "a.yaml".to_owned(), text: text.into() }).unwrap().remove(0);
        let mut draft = Draft::new(&file, &document);
        let environment = read(&mut draft, form("Environment").unwrap(), &"production".into());
        let Draft { problems, warnings, .. } = draft;
        Told { environment, problems, warnings }
    }

    fn account(fields: &str) -> Told {
        told(&format!(
            "  class: production\n  aws:\n    accounts:\n      main:\n        account: \"111122223333\"\n{fields}"
        ))
    }

    #[test]
    fn an_environment_names_its_accounts() {
        let told = account(
            "        regions: [eu-west-1]\n        observeRole: arn:aws:iam::111122223333:role/moored\n        \
             budgets: {route53: 0.5/s}\n  visible: [LOG_LEVEL]\n  repair:\n    prune: {StateTable: approve}\n    \
             heal: {ServiceBinding: approve}\n    lease: {table: moored-lease}\n",
        );
        assert!(told.problems.is_empty(), "{:?}", told.problems);
        let environment = told.environment.unwrap();
        let main = environment.accounts.get("main").unwrap();
        assert_eq!((&*main.id, main.budgets.get("route53")), ("111122223333", Some(&0.5)));
        assert!(environment.visible.contains("LOG_LEVEL"));
    }

    #[test]
    fn a_misspelt_region_is_an_error_and_a_new_one_a_warning() {
        let misspelt = account("        regions: [eu-wst-1]\n");
        assert!(misspelt.environment.is_none());
        assert_eq!(misspelt.problems[0].hint.as_deref(), Some("did you mean `eu-west-1`?"));
        assert_eq!(misspelt.problems[0].place.map(|place| (place.line, place.column)), Some((7, 19)));
        let new = account("        regions: [eu-west-9]\n");
        assert!(new.environment.is_some() && new.warnings.len() == 1, "{:?}", new.problems);
        assert!(account("        regions: [Ireland]\n").environment.is_none());
    }

    #[test]
    fn a_role_of_another_account_and_a_budget_without_a_rate_are_refused() {
        let told = account(
            "        regions: [eu-west-1]\n        observeRole: arn:aws:iam::444455556666:role/moored\n        \
             budgets: {route53: fast, route54: 1/s}\n",
        );
        let messages: Vec<&str> = told.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "the role belongs to account 444455556666, not to 111122223333",
                "`fast` is no rate",
                "no budget is kept for `route54`",
            ]
        );
    }

    #[test]
    fn signing_in_needs_one_complete_pair_and_repairing_pinned_organisations() {
        let spec = |auth: &str| {
            told(&format!(
                "  class: staging\n  cloudFoundry:\n    api: https://api.example.com\n    organizations: {{gds: {{}}}}\n{auth}"
            ))
        };
        assert!(spec("    auth: {clientId: moored, clientSecretFile: /run/secrets/cf}\n").environment.is_some());
        assert_eq!(spec("    auth: {clientId: moored, passwordFile: /run/secrets/cf}\n").problems.len(), 1);
        let repair = "    auth: {username: a, passwordFile: b}\n    repairAuth: {username: a, passwordFile: b}\n";
        assert!(spec(repair).problems[0].message.contains("needs the guid"));
    }
    fn foundation(api: &str, organizations: &str) -> Told {
        told(&format!(
            "  class: staging\n  cloudFoundry:\n    api: {api}\n    organizations: {organizations}\n    \
             auth: {{clientId: moored, clientSecretFile: /run/secrets/cf}}\n"
        ))
    }

    #[test]
    fn the_api_is_an_address_over_tls_and_nothing_else() {
        for sound in
            ["https://api.example.com", "https://api.example.com:8443/", "http://localhost:80", "http://[::1]:80"]
        {
            assert!(foundation(sound, "{gds: {}}").problems.is_empty(), "{sound}");
        }
        for (api, message) in [
            ("api.example.com", "is no address"),
            ("http://api.example.com", "everybody on the way"),
            ("http://127.0.0.1.example.com", "everybody on the way"),
            ("https://api.example.com/v3", "goes on after the host"),
            ("https://api.example.com?token=hunter2", "goes on after the host"),
            ("https://admin:hunter2@api.example.com", "names a user"),
        ] {
            let problems = foundation(api, "{gds: {}}").problems;
            let [problem] = problems.as_slice() else { panic!("{api}: {problems:?}") };
            assert!(problem.message.contains(message), "{api}: {}", problem.message);
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }

    #[test]
    fn two_spellings_of_one_organisation_are_refused_and_a_name_beside_the_star_is_warned_of() {
        let problems = foundation("https://api.example.com", "{gds: {}, GDS: {}}").problems;
        assert_eq!(problems[0].message, "`GDS` and `gds` are one organisation");
        let both = foundation("https://api.example.com", "{\"*\": {}, gds: {}}");
        assert!(both.problems.is_empty() && both.warnings.len() == 1, "{:?}", both.problems);
        let guid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        assert!(
            foundation("https://api.example.com", &format!("{{\"*\": {{}}, gds: {{guid: {guid}}}}}"))
                .warnings
                .is_empty()
        );
    }
}
