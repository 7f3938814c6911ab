//! Calls without a daemon around them: moored's own sessions and reading context, over a client or
//! an address of the test's choice.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::app_name::AppName;
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::read::ReadContext;
use moored::aws::session::{SessionOptions, Sessions};
use moored::aws::transport::Limits;
use moored::clock::Clock;
use moored::core::desired::Account;
use moored::core::redact::Redactor;
use tokio::runtime::Runtime;

use crate::common::platform::REGION;

/// A runtime for a test whose platform has one of its own.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A context for readings of this account, with budgets that delay nothing.
pub async fn context(account: &str, url: &str, client: Option<SharedHttpClient>, limits: Limits) -> ReadContext {
    let services = ["ecs", "dynamodb", "route53", "elasticloadbalancing", "sts"];
    let account = Account {
        id: account.into(),
        regions: vec![REGION.into()],
        observe_role: None,
        budgets: services.into_iter().map(|service| (service.into(), 1000.0)).collect::<BTreeMap<_, _>>(),
    };
    let clock = Clock::wall();
    let options = SessionOptions {
        cloud: Some(url.to_owned()),
        home_account: None,
        clock: clock.clone(),
        http_client: client,
        requests: Requests::default(),
        user_agent: AppName::new("moored-test").unwrap(),
    };
    let clients = Sessions::new(options).limited(limits).clients(&account, REGION).await.unwrap();
    let budgets = Arc::new(Budgets::new(clock.clone()));
    budgets.declare([&account]);
    ReadContext::new(clients, clock, Arc::new(Redactor::new(&[7; 32])), budgets)
}
