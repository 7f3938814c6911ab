//! Sessions: the SDK clients of one account and region, with the credentials to use.
//!
//! Decides how moored signs in: the default chain, or the observe role on top of it; or, with a
//! simulated cloud, the public keys of the simulator. Every client gets the read-only interceptor,
//! the limits of [`super::transport`], a retry partition of its own, and no adaptive retry. Never
//! checks whose credentials they are: [`super::identity`] does. Built once by the engine; nothing
//! here is global.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use aws_types::sdk_config::TimeSource;

use super::allow_list::{STS_ASSUME_ROLE, Service};
use super::classify;
use super::intercept::{OK, ReadOnly, Requests};
use super::transport::{self, Bounded, Limits, Proxy};
use crate::clock::Clock;
use crate::core::arn::is_region;
use crate::core::desired::Account;
use crate::core::observation::{Failure, Reason};

/// The name that CloudTrail shows for what moored reads.
const SESSION_NAME: &str = "moored-observe";
/// Attempts at one call, the first included.
const ATTEMPTS: u32 = 3;
/// The most that is waited before the second attempt, and before any.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));
/// Retries to one service of an account in a region that may be unpaid for.
const RETRIES_AT_ONCE: usize = 3;

/// The clients of one account and region.
#[derive(Debug)]
pub struct Clients {
    /// The account as declared.
    pub account: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// Elastic Container Service.
    pub ecs: aws_sdk_ecs::Client,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Route 53.
    pub route53: aws_sdk_route53::Client,
    /// Elastic Load Balancing, version 2.
    pub elbv2: aws_sdk_elasticloadbalancingv2::Client,
    /// CloudTrail.
    pub cloudtrail: aws_sdk_cloudtrail::Client,
    /// Security Token Service.
    pub sts: aws_sdk_sts::Client,
}

/// What sessions are made with.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The address of a simulated cloud, which the caller has checked to be a loopback address.
    pub cloud: Option<String>,
    /// The account whose key asks the simulated cloud for a role; the account itself if unknown.
    pub home_account: Option<String>,
    /// The clock that credentials expire by.
    pub clock: Clock,
    /// Instead of an HTTP client with a network: an in-process cloud.
    pub http_client: Option<SharedHttpClient>,
    /// Where attempts are counted.
    pub requests: Requests,
    /// How moored names itself to AWS.
    pub user_agent: AppName,
}

/// All sessions, opened when first used.
#[derive(Debug)]
pub struct Sessions {
    options: SessionOptions,
    limits: Limits,
    proxy: Option<Proxy>,
    open: tokio::sync::Mutex<BTreeMap<SessionKey, Arc<Clients>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SessionKey {
    account: Arc<str>,
    region: Arc<str>,
    role: Option<Arc<str>>,
}

impl Sessions {
    /// None open yet; calls go to AWS directly, and have as long as AWS needs.
    pub fn new(options: SessionOptions) -> Self {
        Self { options, limits: Limits::AWS, proxy: None, open: tokio::sync::Mutex::default() }
    }

    /// The same with other limits.
    pub fn limited(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same through a proxy, if there is one.
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    /// Whether these sessions speak to a simulated cloud.
    pub fn simulated(&self) -> bool {
        self.options.cloud.is_some()
    }

    /// The clients of an account in a region; the same ones for the same role, since credentials
    /// are cached in them. Asks AWS nothing yet.
    pub async fn clients(&self, account: &Account, region: &str) -> Result<Arc<Clients>, Failure> {
        if !is_region(region) {
            let detail = format!("`{region}` of account {} is no region name — check the manifest", account.id);
            return Err(Failure::new(Reason::Invalid, detail));
        }
        let key = SessionKey { account: account.id.clone(), region: region.into(), role: account.observe_role.clone() };
        let mut open = self.open.lock().await;
        if let Some(clients) = open.get(&key) {
            return Ok(clients.clone());
        }
        let config = self.signed_in(account, region).await;
        let clients = Arc::new(self.connect(&key, &config));
        open.insert(key, clients.clone());
        Ok(clients)
    }

    /// Drops the clients of an account and role, and with them the credentials that they keep until
    /// these expire: the next reading signs in anew.
    pub async fn forget(&self, account: &Account) {
        let is_other = |key: &SessionKey| key.account != account.id || key.role != account.observe_role;
        self.open.lock().await.retain(|key, _| is_other(key));
    }

    async fn signed_in(&self, account: &Account, region: &str) -> SdkConfig {
        let base = match &self.options.cloud {
            Some(url) => self.simulated_base(url, account, region),
            None => self.real_base(region).await,
        };
        let Some(role) = &account.observe_role else {
            return base;
        };
        let provider = AssumeRoleProvider::builder(&**role).session_name(SESSION_NAME).configure(&base).build().await;
        let provider = ObserveRole { provider, account: account.id.clone(), requests: self.options.requests.clone() };
        base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
    }

    /// The SDK's default chain: environment, profile, web identity, container, instance.
    async fn real_base(&self, region: &str) -> SdkConfig {
        let client = self.options.http_client.clone().unwrap_or_else(|| transport::with_tls(self.proxy.as_ref()));
        aws_config::defaults(behavior())
            .region(Region::new(region.to_owned()))
            .app_name(self.options.user_agent.clone())
            .retry_config(retries(&self.options.clock))
            .timeout_config(self.limits.timeouts())
            .time_source(SessionTime(self.options.clock.clone()))
            .http_client(Bounded::around(client, self.limits))
            .load()
            .await
    }

    /// Reads neither environment nor profile, so that nothing in them can lead a call elsewhere
    /// than to the simulated cloud, and no real key can reach it.
    fn simulated_base(&self, url: &str, account: &Account, region: &str) -> SdkConfig {
        let key: &str = match (&account.observe_role, &self.options.home_account) {
            (Some(_), Some(home)) => home,
            _ => &account.id,
        };
        let credentials = Credentials::new(key, "simulated", None, None, "moored-cloud");
        let mut config = SdkConfig::builder()
            .behavior_version(behavior())
            .region(Region::new(region.to_owned()))
            .endpoint_url(url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .identity_cache(IdentityCache::lazy().build())
            .app_name(self.options.user_agent.clone())
            .retry_config(retries(&self.options.clock))
            .timeout_config(self.limits.timeouts())
            .time_source(SessionTime(self.options.clock.clone()))
            // The simulator's clock is ours; the dates of its HTTP server are not.
            .disable_clock_skew_correction(true);
        let client = self.options.http_client.clone().unwrap_or_else(transport::plain);
        config.set_http_client(Some(Bounded::around(client, self.limits)));
        config.build()
    }

    fn connect(&self, key: &SessionKey, config: &SdkConfig) -> Clients {
        // Permanent: no per-call configuration can switch it off.
        let read_only = SharedInterceptor::permanent(ReadOnly::new(key.account.clone(), self.options.requests.clone()));
        // The SDK shares its retry quota per service and region; one throttled account must not
        // spend that of the others.
        let partition = |service: Service| {
            let name = format!("moored-{}-{}-{}", service.as_str(), key.account, key.region);
            RetryPartition::custom(name).token_bucket(retry_quota()).build()
        };
        macro_rules! client {
            ($sdk:ident, $service:expr) => {{
                let mut builder = $sdk::config::Builder::from(config).retry_partition(partition($service));
                builder.push_interceptor(read_only.clone());
                $sdk::Client::from_conf(builder.build())
            }};
        }
        Clients {
            account: key.account.clone(),
            region: key.region.clone(),
            ecs: client!(aws_sdk_ecs, Service::Ecs),
            dynamodb: client!(aws_sdk_dynamodb, Service::DynamoDb),
            route53: client!(aws_sdk_route53, Service::Route53),
            elbv2: client!(aws_sdk_elasticloadbalancingv2, Service::Elbv2),
            cloudtrail: client!(aws_sdk_cloudtrail, Service::CloudTrail),
            sts: client!(aws_sdk_sts, Service::Sts),
        }
    }
}

/// Pinned: a newer SDK changes no default of ours unseen.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Attempts are spaced on the shell's clock, like everything else that waits.
fn retries(clock: &Clock) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(clock.real(BACKOFF.0))
        .with_max_backoff(clock.real(BACKOFF.1))
}

/// A retry costs what ten good answers earn, and is paid back when it succeeds: while a service
/// throttles or fails, moored asks it no more often than while all is well.
fn retry_quota() -> TokenBucket {
    const COST: u32 = 10;
    TokenBucket::builder()
        .capacity(RETRIES_AT_ONCE * COST as usize)
        .retry_cost(COST)
        .throttling_retry_cost(COST)
        .timeout_retry_cost(COST)
        .build()
}

/// Lets credentials expire, and signatures be dated, by the clock that the cloud uses too.
#[derive(Debug)]
struct SessionTime(Clock);

impl TimeSource for SessionTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// Becomes the observe role, with the one client that may: it belongs to the provider and takes no
/// interceptor, so that its calls are counted here, retries as one.
#[derive(Debug)]
struct ObserveRole {
    provider: AssumeRoleProvider,
    account: Arc<str>,
    requests: Requests,
}

impl ProvideCredentials for ObserveRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let credentials = self.provider.provide_credentials().await;
            let outcome = match &credentials {
                Ok(_) => OK,
                Err(error) => classify::session(error).map_or(Reason::Credentials, |meaning| meaning.reason).as_str(),
            };
            self.requests.count(&self.account, &STS_ASSUME_ROLE, outcome);
            credentials
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::wire::{Wire, account, sessions_on};
    use super::*;

    const ASSUMED: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
        <AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

    #[tokio::test]
    async fn a_simulated_account_signs_with_its_own_number() {
        let wire = Wire::always(200, r#"{"clusters":[],"failures":[]}"#);
        let sessions = sessions_on(&wire, &Requests::default());
        let clients = sessions.clients(&account(), "eu-west-1").await.unwrap();
        clients.ecs.describe_clusters().send().await.unwrap();
        let sent = wire.sent();
        assert!(sent[0].uri.starts_with("http://127.0.0.1:9"), "{sent:?}");
        assert!(sent[0].authorization.contains("Credential=111122223333/"), "{sent:?}");
    }

    /// Variables can be set for another process only, so that this test runs itself again in one.
    #[tokio::test]
    async fn proxy_variables_do_not_lead_a_call_away_from_the_simulated_cloud() {
        const INSIDE: &str = "MOORED_TEST_BEHIND_A_PROXY";
        if std::env::var_os(INSIDE).is_none() {
            let name = "aws::session::tests::proxy_variables_do_not_lead_a_call_away_from_the_simulated_cloud";
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", name]).env(INSIDE, "1").env_remove("NO_PROXY").env_remove("no_proxy");
            for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                // Nobody listens there.
                child.env(variable, "http://127.0.0.1:9");
            }
            let output = child.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let cloud = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_string(r#"{"clusters":[],"failures":[]}"#);
        Mock::given(any()).respond_with(answer).expect(1).mount(&cloud).await;
        let sessions = Sessions::new(SessionOptions {
            cloud: Some(cloud.uri()),
            home_account: None,
            clock: Clock::wall(),
            http_client: None,
            requests: Requests::default(),
            user_agent: AppName::new("moored-test").unwrap(),
        });
        let clients = sessions.clients(&account(), "eu-west-1").await.unwrap();
        clients.ecs.describe_clusters().send().await.unwrap();
    }

    #[tokio::test]
    async fn the_observe_role_is_assumed_once_from_the_home_account_and_counted() {
        let wire = Wire::answering(|_, sent| {
            let assuming = sent.body.contains("Action=AssumeRole");
            (200, if assuming { ASSUMED } else { r#"{"clusters":[],"failures":[]}"# }.to_owned())
        });
        let requests = Requests::default();
        let mut sessions = sessions_on(&wire, &requests);
        sessions.options.home_account = Some("999900001111".to_owned());
        let role = "arn:aws:iam::111122223333:role/observe";
        let account = Account { observe_role: Some(role.into()), ..account() };
        let clients = sessions.clients(&account, "eu-west-1").await.unwrap();
        for _ in 0..2 {
            clients.ecs.describe_clusters().send().await.unwrap();
        }
        let sent = wire.sent();
        assert_eq!(sent.len(), 3, "{sent:?}");
        assert!(sent[0].body.contains("RoleSessionName=moored-observe"), "{sent:?}");
        assert!(sent[0].authorization.contains("Credential=999900001111/"), "{sent:?}");
        assert!(sent[2].authorization.contains("Credential=ASIAROLE/"), "{sent:?}");
        let counted = requests.snapshot();
        let counted: Vec<_> = counted.iter().map(|(key, count)| (&*key.operation, *count)).collect();
        assert_eq!(counted, [("DescribeClusters", 2), ("AssumeRole", 1)]);
    }

    #[tokio::test]
    async fn sessions_are_kept_by_account_region_and_role() {
        let sessions = sessions_on(&Wire::always(200, "{}"), &Requests::default());
        let first = sessions.clients(&account(), "eu-west-1").await.unwrap();
        assert!(Arc::ptr_eq(&first, &sessions.clients(&account(), "eu-west-1").await.unwrap()));
        assert!(!Arc::ptr_eq(&first, &sessions.clients(&account(), "eu-west-2").await.unwrap()));
    }

    #[tokio::test]
    async fn what_is_no_region_opens_no_session() {
        let sessions = sessions_on(&Wire::always(200, "{}"), &Requests::default());
        let failure = sessions.clients(&account(), "example.org/").await.unwrap_err();
        assert_eq!(failure.reason, Reason::Invalid);
    }
}
