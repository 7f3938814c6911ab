//! Options that several commands share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::aws::transport::Proxy;
use crate::core::filter::Filter;
use crate::core::ignore::Glob;

/// Where the manifests are.
#[derive(Debug, Args, Clone)]
pub struct Manifests {
    /// A directory (or file) of manifests; may be given several times, each is its own revision
    #[arg(
        long = "desired-state",
        env = "MOORED_DESIRED_STATE",
        value_delimiter = ':',
        value_name = "PATH",
        default_value = "desired-state"
    )]
    pub roots: Vec<PathBuf>,
}

/// Which cloud is read.
#[derive(Debug, Args, Clone, Default)]
pub struct CloudOption {
    /// Read a simulated cloud at this loopback URL instead of AWS and Cloud Foundry; identity is then `simulated`
    #[arg(long, env = "MOORED_CLOUD", value_name = "URL")]
    pub cloud: Option<String>,
    /// Reach AWS and Cloud Foundry through this HTTP proxy; `HTTPS_PROXY` and its kin are not obeyed
    #[arg(long, env = "MOORED_PROXY", value_name = "URL", hide_env_values = true, conflicts_with = "cloud")]
    pub proxy: Option<String>,
}

impl CloudOption {
    /// The URL, refused unless it is plain HTTP on loopback: nothing else may be called simulated.
    pub fn url(&self) -> anyhow::Result<Option<String>> {
        let Some(url) = &self.cloud else { return Ok(None) };
        let parsed = reqwest::Url::parse(url)
            .with_context(|| format!("--cloud {url}: no URL; give one like http://127.0.0.1:4566"))?;
        let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if parsed.scheme() != "http" || !loopback {
            bail!("--cloud {url}: only http:// on loopback is allowed; for a real account leave --cloud out");
        }
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    /// The proxy to the clouds. Its URL may hold a password, and is not repeated.
    pub fn proxy(&self) -> anyhow::Result<Option<Proxy>> {
        let Some(url) = &self.proxy else { return Ok(None) };
        match Proxy::at(url) {
            Ok(proxy) => Ok(Some(proxy)),
            Err(reason) => bail!("--proxy: {reason}; give a URL like http://proxy.example.com:3128"),
        }
    }
}

/// A running daemon's API.
#[derive(Debug, Args, Clone, Default)]
pub struct Server {
    /// Ask a running daemon's API (its --api-listen) instead
    #[arg(long, value_name = "URL", env = "MOORED_SERVER")]
    pub server: Option<String>,
    /// A file with the bearer token of that API
    #[arg(long, value_name = "PATH", env = "MOORED_TOKEN_FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
}

impl Server {
    /// One JSON answer. Redirects are not followed and no proxy is borrowed from the environment: the
    /// token is for this server alone.
    pub fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<serde_json::Value> {
        let base = self.server.as_deref().context("give the daemon's --server")?;
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let url = reqwest::Url::parse_with_params(&url, query).with_context(|| format!("--server {base}: no URL"))?;
        self.send(base, |client| client.get(url))
    }

    /// Asks for something to be done, and gives the answer.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
        let base = self.server.as_deref().context("give the daemon's --server")?;
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let url = reqwest::Url::parse(&url).with_context(|| format!("--server {base}: no URL"))?;
        self.send(base, |client| client.post(url).json(body))
    }

    fn send(
        &self,
        base: &str,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> anyhow::Result<serde_json::Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()?;
            let mut request = request(&client);
            if let Some(file) = &self.token_file {
                let token =
                    std::fs::read_to_string(file).with_context(|| format!("--token-file {}", file.display()))?;
                let token = token.trim();
                if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
                    bail!("bad token file {}: it must hold one word in one line", file.display());
                }
                request = request.bearer_auth(token);
            }
            let answer = request
                .send()
                .await
                .with_context(|| format!("no answer from {base}; is the daemon running, with --api-listen?"))?;
            let status = answer.status();
            let body: serde_json::Value =
                answer.json().await.with_context(|| format!("{base} answers {status}, but not with JSON"))?;
            if !status.is_success() {
                let said =
                    |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
                bail!("{base} answers {status}: {} ({})", said("error"), said("hint"));
            }
            Ok(body)
        })
    }
}

/// What to show.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Only this environment (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub environment: Vec<String>,
    /// Only resources with this label, such as `-l app=deployer-api`
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Only names that match this glob
    #[arg(long, value_name = "GLOB")]
    pub name: Vec<String>,
}

impl Filters {
    /// The filter. An unknown kind or a label without `=` is an error: a typo must not read as "all well".
    pub fn build(&self) -> anyhow::Result<Filter> {
        for kind in &self.kind {
            let known = || crate::kinds::KINDS.iter().map(|entry| entry.kind.name());
            if !known().any(|name| name.eq_ignore_ascii_case(kind)) {
                let hint = crate::manifest::problem::suggest(kind, known())
                    .map(|name| format!("; did you mean `{name}`?"))
                    .unwrap_or_default();
                bail!("--kind {kind}: no such kind{hint}");
            }
        }
        let mut labels = BTreeMap::new();
        for label in &self.labels {
            let (key, value) = label.split_once('=').with_context(|| format!("-l {label}: give it as KEY=VALUE"))?;
            labels.insert(key.to_owned(), value.to_owned());
        }
        Ok(Filter {
            environments: self.environment.clone(),
            kinds: self.kind.clone(),
            names: self.name.iter().map(|name| Glob::new(name)).collect(),
            labels,
        })
    }
}

/// Table for people, JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: the contract of docs/report.md.
    Json,
}

/// Parses `90s`, `5m`, `1h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is no duration; write it like 60s or 5m"))?;
    Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned()).and_then(|duration| {
        if duration < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(duration) }
    })
}

/// Refuses an environment that no manifest declares.
pub fn check_environments(filter: &Filter, desired: &crate::core::desired::Desired) -> anyhow::Result<()> {
    for name in &filter.environments {
        if !desired.environments.contains_key(name.as_str()) {
            let known = desired.environments.keys().map(|name| &**name);
            let hint = match crate::manifest::problem::suggest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declared are: {}", known.collect::<Vec<_>>().join(", ")),
            };
            bail!("--environment {name}: not declared; {hint}");
        }
    }
    Ok(())
}
