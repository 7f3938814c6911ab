//! AWS: sessions, budgets, the read allow-list, and what a failed call means.
//!
//! Decides how a question is sent and what its failure says; never what is asked, and nothing
//! about drift. The engine builds [`session::Sessions`] and [`budget::Budgets`] once, checks
//! [`identity`] before a scope is believed, and gives each reading a [`read::ReadContext`],
//! through which alone the scopes call.

pub mod allow_list;
pub mod budget;
pub mod classify;
pub mod identity;
pub mod intercept;
pub mod policy;
pub mod read;
pub mod session;
pub mod trail;
pub mod transport;

/// An HTTP client without a network: keeps what would have been sent, answers as told.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod wire {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
    use aws_smithy_types::body::SdkBody;
    use aws_types::app_name::AppName;

    use super::intercept::Requests;
    use super::session::{Clients, SessionOptions, Sessions};
    use crate::clock::Clock;
    use crate::core::desired::Account;

    /// What reached the wire.
    #[derive(Debug, Clone)]
    pub(crate) struct Sent {
        pub uri: String,
        pub authorization: String,
        pub body: String,
    }

    type Answer = dyn Fn(usize, &Sent) -> (u16, String) + Send + Sync;

    #[derive(Clone)]
    pub(crate) struct Wire {
        answer: Arc<Answer>,
        sent: Arc<Mutex<Vec<Sent>>>,
    }

    impl Wire {
        /// Answers request number n (from 0) by the function: status and body.
        pub(crate) fn answering(answer: impl Fn(usize, &Sent) -> (u16, String) + Send + Sync + 'static) -> Self {
            Self { answer: Arc::new(answer), sent: Arc::default() }
        }

        /// Answers everything alike.
        pub(crate) fn always(status: u16, body: &str) -> Self {
            let body = body.to_owned();
            Self::answering(move |_, _| (status, body.clone()))
        }

        pub(crate) fn sent(&self) -> Vec<Sent> {
            self.sent.lock().unwrap().clone()
        }
    }

    impl fmt::Debug for Wire {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Wire")
        }
    }

    impl HttpConnector for Wire {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let sent = Sent {
                uri: request.uri().to_owned(),
                authorization: request.headers().get("authorization").unwrap_or_default().to_owned(),
                body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
            };
            let mut all = self.sent.lock().unwrap();
            let (status, body) = (self.answer)(all.len(), &sent);
            all.push(sent);
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
        }
    }

    impl HttpClient for Wire {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    /// The account of most tests.
    pub(crate) fn account() -> Account {
        Account {
            id: "111122223333".into(),
            regions: vec!["eu-west-1".into()],
            observe_role: None,
            budgets: Default::default(),
        }
    }

    /// Sessions in a simulated cloud at the end of this wire.
    pub(crate) fn sessions_on(wire: &Wire, requests: &Requests) -> Sessions {
        Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:9".to_owned()),
            home_account: None,
            clock: Clock::wall(),
            http_client: Some(SharedHttpClient::new(wire.clone())),
            requests: requests.clone(),
            user_agent: AppName::new("moored-test").unwrap(),
        })
    }

    /// Clients for [`account`] at the end of this wire.
    pub(crate) async fn clients_on(wire: &Wire, requests: &Requests) -> Arc<Clients> {
        sessions_on(wire, requests).clients(&account(), "eu-west-1").await.unwrap()
    }
}
