//! The context of one reading: how a scope calls AWS.
//!
//! Decides how long a call may take, once it has its turn in the budget, and turns what failed into
//! words. Never retries (the SDK does, within the deadline) and never reads an answer. The engine
//! makes one for each reading; scopes and [`super::identity`] call through it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use tokio::time::timeout;

use super::allow_list::Operation;
use super::budget::Budgets;
use super::classify;
use super::intercept::{ATTEMPTS, Attempts};
use super::session::Clients;
use super::transport::Limits;
use crate::clock::Clock;
use crate::core::observation::{Failure, Reason};
use crate::core::redact::Redactor;
use crate::core::visible::escaped;

/// The longest detail of a failure, in characters.
const LINE: usize = 300;
/// How long a call may take with all its attempts, in real time.
const DEADLINE: Duration = Limits::AWS.call;

/// A call that gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct CallFailure {
    /// The service's own error code, where it gave one.
    pub code: Option<String>,
    /// What it means.
    pub failure: Failure,
}

impl CallFailure {
    /// Whether this is the service's explicit word that the one thing the request named does not
    /// exist.
    pub fn is_not_found(&self, operation: &Operation) -> bool {
        self.code.as_deref().is_some_and(|code| operation.not_found.contains(&code))
    }
}

impl From<CallFailure> for Failure {
    fn from(call: CallFailure) -> Self {
        call.failure
    }
}

/// What a scope reads with.
pub struct ReadContext {
    /// The clients of the scope's account and region.
    pub clients: Arc<Clients>,
    /// The clock.
    pub clock: Clock,
    /// Hides what may be secret.
    pub redactor: Arc<Redactor>,
    budgets: Arc<Budgets>,
    attempts: Arc<Attempts>,
    deadline: Duration,
}

impl ReadContext {
    /// For one reading: its calls count from zero.
    pub fn new(clients: Arc<Clients>, clock: Clock, redactor: Arc<Redactor>, budgets: Arc<Budgets>) -> Self {
        Self { clients, clock, redactor, budgets, attempts: Arc::default(), deadline: DEADLINE }
    }

    /// Waits for the budget of the account and service as long as it takes, sends, and classifies
    /// what fails. That moored spares an account is no timeout of AWS.
    pub async fn call<T, E>(
        &self,
        operation: &'static Operation,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> Result<T, CallFailure>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.budgets.acquire(&self.clients.account, operation.service).await;
        match timeout(self.deadline, ATTEMPTS.scope(self.attempts.clone(), request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let meaning = classify::failed(operation, &error);
                Err(self.failure(operation, meaning.reason, meaning.code, &meaning.said, &meaning.hint))
            }
            Err(_elapsed) => {
                let said = format!("no answer within {}s", self.deadline.as_secs());
                Err(self.failure(operation, Reason::Timeout, None, &said, "moored asks again"))
            }
        }
    }

    /// API calls made through this context so far, retries included.
    pub fn calls(&self) -> u32 {
        self.attempts.count()
    }

    /// The access keys that signed them.
    pub fn signers(&self) -> BTreeSet<String> {
        self.attempts.signers()
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn failure(
        &self,
        operation: &Operation,
        reason: Reason,
        code: Option<String>,
        said: &str,
        hint: &str,
    ) -> CallFailure {
        let asked = format!("{} in {} {}", operation.name, self.clients.account, self.clients.region);
        CallFailure { code, failure: Failure::new(reason, line(&asked, said, hint)) }
    }
}

/// One line for a person: what was asked, what was said to it, what to do.
fn line(asked: &str, said: &str, hint: &str) -> String {
    let (asked, hint) = (one_line(asked), one_line(hint));
    let frame = asked.chars().count() + hint.chars().count() + ":  — ".chars().count();
    let said = shortened(&one_line(said), LINE.saturating_sub(frame));
    shortened(&format!("{asked}: {said} — {hint}"), LINE)
}

/// The first line alone: below it, signature errors repeat the whole request, session token
/// included. What could move a terminal's cursor or reverse its text is escaped.
fn one_line(text: &str) -> String {
    escaped(text.trim().lines().next().unwrap_or_default())
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A context in a simulated cloud at the end of this wire.
#[cfg(test)]
pub(crate) async fn context_on(wire: &super::wire::Wire, requests: &super::intercept::Requests) -> ReadContext {
    let clients = super::wire::clients_on(wire, requests).await;
    let budgets = Arc::new(Budgets::new(Clock::wall()));
    ReadContext::new(clients, Clock::wall(), Arc::new(Redactor::new(&[0; 32])), budgets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;

    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;

    use super::super::allow_list::*;
    use super::super::intercept::Requests;
    use super::super::wire::Wire;
    use super::*;

    async fn context(status: u16, body: &str) -> ReadContext {
        context_on(&Wire::always(status, body), &Requests::default()).await
    }

    #[tokio::test]
    async fn retries_are_counted_one_by_one_under_their_own_outcome() {
        let wire = Wire::answering(|number, _| match number {
            0 => (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned()),
            _ => (200, r#"{"clusters":[],"failures":[]}"#.to_owned()),
        });
        let requests = Requests::default();
        let context = context_on(&wire, &requests).await;
        let request = context.clients.ecs.describe_clusters().send();
        context.call(&ECS_DESCRIBE_CLUSTERS, request).await.unwrap();
        assert_eq!(context.calls(), 2);
        let counted: Vec<_> = requests.snapshot().into_iter().map(|(key, count)| (key.outcome, count)).collect();
        assert_eq!(counted, [("ok", 1), ("throttled", 1)]);
        assert_eq!(context_on(&wire, &requests).await.calls(), 0, "another reading counts for itself");
    }

    #[tokio::test]
    async fn a_named_thing_that_is_not_there_is_told_from_a_missing_container() {
        let gone =
            "<ErrorResponse><Error><Code>LoadBalancerNotFound</Code><Message>gone</Message></Error></ErrorResponse>";
        let context = context(400, gone).await;
        let request = context.clients.elbv2.describe_load_balancers().load_balancer_arns("a").send();
        let failure = context.call(&ELBV2_DESCRIBE_LOAD_BALANCERS, request).await.unwrap_err();
        assert!(failure.is_not_found(&ELBV2_DESCRIBE_LOAD_BALANCERS));
        assert!(!failure.is_not_found(&ELBV2_DESCRIBE_TAGS), "which of twenty is not said");
    }

    #[tokio::test]
    async fn a_missing_table_is_a_missing_container() {
        let context = context(400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#).await;
        let request = context.clients.dynamodb.get_item().table_name("t").send();
        let failure = context.call(&DYNAMODB_GET_ITEM, request).await.unwrap_err();
        assert_eq!(failure.failure.reason, Reason::ContainerMissing);
        assert!(!failure.is_not_found(&DYNAMODB_GET_ITEM));
    }

    #[tokio::test]
    async fn a_page_of_html_or_half_an_answer_is_malformed_in_every_protocol() {
        for (status, body) in [(404, "<html><h1>Not Found</h1></html>"), (200, "<html>"), (200, r#"{"clusters":[{"#)] {
            let context = context(status, body).await;
            let clients = context.clients.clone();
            let mut reasons = Vec::new();
            let request = clients.ecs.describe_clusters().send();
            reasons.push(context.call(&ECS_DESCRIBE_CLUSTERS, request).await.unwrap_err().failure.reason);
            let request = clients.dynamodb.describe_table().table_name("t").send();
            reasons.push(context.call(&DYNAMODB_DESCRIBE_TABLE, request).await.unwrap_err().failure.reason);
            let request = clients.route53.get_health_check().health_check_id("h").send();
            reasons.push(context.call(&ROUTE53_GET_HEALTH_CHECK, request).await.unwrap_err().failure.reason);
            let request = clients.elbv2.describe_load_balancers().send();
            reasons.push(context.call(&ELBV2_DESCRIBE_LOAD_BALANCERS, request).await.unwrap_err().failure.reason);
            assert_eq!(reasons, [Reason::Malformed; 4], "{status} {body}");
        }
    }

    #[tokio::test]
    async fn a_write_through_a_reading_is_denied_by_moored_itself() {
        let context = context(200, "{}").await;
        let request = context.clients.ecs.delete_service().service("api").send();
        let failure = context.call(&ECS_DESCRIBE_SERVICES, request).await.unwrap_err();
        assert_eq!(failure.failure.reason, Reason::Denied);
        let said = "moored refuses ECS DeleteService: not on its read list";
        assert!(failure.failure.detail.contains(said), "{}", failure.failure.detail);
        assert_eq!(context.calls(), 0);
    }

    #[tokio::test]
    async fn what_never_answers_ends_at_the_deadline() {
        let context = ReadContext { deadline: Duration::from_millis(20), ..context(200, "").await };
        let never = pending::<Result<(), SdkError<GetCallerIdentityError, HttpResponse>>>();
        let failure = context.call(&STS_GET_CALLER_IDENTITY, never).await.unwrap_err();
        assert_eq!(failure.failure.reason, Reason::Timeout);
    }

    #[tokio::test]
    async fn waiting_for_its_turn_in_the_budget_is_no_timeout() {
        let counted =
            "<GetHealthCheckCountResponse><HealthCheckCount>7</HealthCheckCount></GetHealthCheckCountResponse>";
        let context = ReadContext { deadline: Duration::from_millis(400), ..context(200, counted).await };
        // The burst is used up: the next call has its turn in half a second, after the deadline.
        for _ in 0..10 {
            context.budgets.acquire(&context.clients.account, Service::Route53).await;
        }
        let request = context.clients.route53.get_health_check_count().send();
        let answer = context.call(&ROUTE53_GET_HEALTH_CHECK_COUNT, request).await.unwrap();
        assert_eq!((answer.health_check_count(), context.calls()), (7, 1));
    }

    #[test]
    fn a_line_is_one_short_line_that_keeps_its_hint_and_leaks_no_token() {
        let echoed = "The signature does not match.\n\nThe Canonical String was\nx-amz-security-token:SECRET";
        let said = line("Scan in 1 r", echoed, "check the role");
        assert_eq!(said, "Scan in 1 r: The signature does not match. — check the role");
        let long = line("Scan in 1 r", &"x".repeat(1000), "check the role");
        assert_eq!(long.chars().count(), LINE);
        assert!(long.ends_with("… — check the role"), "{long}");
        assert_eq!(line("a", "\u{1b}[31mred\u{202e}", "h"), "a: \\u{1b}[31mred\\u{202e} — h");
    }
}
