//! The interceptor on every client: nothing but reads leaves, and every attempt is counted.
//!
//! Decides, before a request is even serialised, whether its operation is on the read allow-list.
//! Never changes a request. [`super::session`] puts it on every client in a way that no caller
//! can switch off; metrics read [`Requests`]; a [`super::read::ReadContext`] hears of its own
//! attempts through [`ATTEMPTS`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::allow_list::{self, Operation};
use super::classify;
use crate::core::observation::Reason;

tokio::task_local! {
    /// The attempts of the reading that runs in this task.
    pub(super) static ATTEMPTS: Arc<Attempts>;
}

/// What one reading has sent: how often, and signed with which access keys.
#[derive(Default)]
pub struct Attempts {
    count: AtomicU32,
    signers: Mutex<BTreeSet<String>>,
}

impl Attempts {
    /// How many attempts there were.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// The access keys that signed them.
    pub fn signers(&self) -> BTreeSet<String> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, authorization: Option<&str>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(signer) = authorization.and_then(signer) {
            self.signers.lock().unwrap_or_else(PoisonError::into_inner).insert(signer.to_owned());
        }
    }
}

/// The access key in `AWS4-HMAC-SHA256 Credential=AKID/date/…`.
fn signer(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split_once('/').map(|(access_key, _)| access_key)
}

/// The outcome of an attempt that was answered.
pub const OK: &str = "ok";
/// The outcome of a call that moored itself refused.
pub const REFUSED: &str = "refused";

/// A call that is not on the read list. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("moored refuses {service} {operation}: not on its read list")]
pub struct Refused {
    /// The service, in the SDK's spelling.
    pub service: String,
    /// The operation, in the SDK's spelling.
    pub operation: String,
}

/// What requests are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The account that was asked about.
    pub account: Arc<str>,
    /// The service; in the SDK's spelling where the call was refused.
    pub service: Cow<'static, str>,
    /// The operation.
    pub operation: Cow<'static, str>,
    /// [`OK`], [`REFUSED`], or the label of a [`Reason`].
    pub outcome: &'static str,
}

/// How many requests of which kind were tried since the start; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    counts: Arc<Mutex<BTreeMap<RequestKey, u64>>>,
}

impl Requests {
    /// Counts one attempt.
    pub fn count(&self, account: &Arc<str>, operation: &Operation, outcome: &'static str) {
        self.add(RequestKey {
            account: account.clone(),
            service: Cow::Borrowed(operation.service.as_str()),
            operation: Cow::Borrowed(operation.name),
            outcome,
        });
    }

    /// Counts one call to a service that is not AWS's.
    pub fn called(&self, account: &Arc<str>, service: &'static str, operation: &'static str, outcome: &'static str) {
        let (service, operation) = (Cow::Borrowed(service), Cow::Borrowed(operation));
        self.add(RequestKey { account: account.clone(), service, operation, outcome });
    }

    /// The counts so far.
    pub fn snapshot(&self) -> BTreeMap<RequestKey, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, key: RequestKey) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(0) += 1;
    }
}

/// Lets reads through, refuses the rest, counts both.
#[derive(Debug, Clone)]
pub struct ReadOnly {
    account: Arc<str>,
    requests: Requests,
}

impl ReadOnly {
    /// For the clients of one account.
    pub fn new(account: Arc<str>, requests: Requests) -> Self {
        Self { account, requests }
    }
}

/// What the SDK is about to send. An operation without a name is refused too.
fn permitted(config: &ConfigBag) -> Result<&'static Operation, Refused> {
    let (service, operation) = config.load::<Metadata>().map_or(("?", "?"), |named| (named.service(), named.name()));
    allow_list::find(service, operation)
        .ok_or_else(|| Refused { service: service.to_owned(), operation: operation.to_owned() })
}

impl Intercept for ReadOnly {
    fn name(&self) -> &'static str {
        "moored::ReadOnly"
    }

    // Not earlier: `read_before_execution` of a client's interceptor runs before the operation
    // has put its name into the configuration.
    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Err(refused) = permitted(config) else {
            return Ok(());
        };
        tracing::error!(account = %self.account, "{refused}");
        self.requests.add(RequestKey {
            account: self.account.clone(),
            service: Cow::Owned(refused.service.clone()),
            operation: Cow::Owned(refused.operation.clone()),
            outcome: REFUSED,
        });
        Err(refused.into())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let authorization = context.request().headers().get("authorization");
        // Outside a reading (a credentials provider, a test) nobody counts.
        let _ = ATTEMPTS.try_with(|attempts| attempts.add(authorization));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(operation) = permitted(config) else {
            return Ok(());
        };
        let outcome = match context.output_or_error() {
            Some(Ok(_)) => OK,
            Some(Err(error)) => {
                let status = context.response().map(|response| response.status().as_u16());
                classify::attempt(operation, error, status).as_str()
            }
            // Cut off before it had either.
            None => Reason::Timeout.as_str(),
        };
        self.requests.count(&self.account, operation, outcome);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
    use aws_sdk_route53::types::TagResourceType;

    use super::super::wire::{Wire, clients_on};
    use super::*;

    #[tokio::test]
    async fn a_write_is_refused_before_a_byte_is_sent() {
        let wire = Wire::always(200, "{}");
        let requests = Requests::default();
        let clients = clients_on(&wire, &requests).await;
        let item = AttributeValue::S("x".to_owned());
        let refusals = [
            said(clients.ecs.delete_service().cluster("c").service("s").send().await.unwrap_err()),
            said(clients.ecs.update_service().service("s").send().await.unwrap_err()),
            said(clients.dynamodb.delete_item().table_name("t").key("k", item.clone()).send().await.unwrap_err()),
            said(clients.dynamodb.put_item().table_name("t").item("k", item).send().await.unwrap_err()),
            said(clients.route53.delete_health_check().health_check_id("h").send().await.unwrap_err()),
            said(clients.elbv2.delete_load_balancer().load_balancer_arn("a").send().await.unwrap_err()),
            said(clients.sts.assume_role().role_arn("r").role_session_name("s").send().await.unwrap_err()),
        ];
        assert_eq!(refusals[0].as_deref(), Some("moored refuses ECS DeleteService: not on its read list"));
        assert!(refusals.iter().all(Option::is_some), "{refusals:?}");
        assert!(wire.sent().is_empty(), "{:?}", wire.sent());
        let counted = requests.snapshot();
        assert_eq!(counted.len(), refusals.len());
        assert!(counted.keys().all(|key| key.outcome == REFUSED));
    }

    /// The refusal that an error carries, in words.
    fn said(error: impl std::error::Error + 'static) -> Option<String> {
        let first: &(dyn std::error::Error + 'static) = &error;
        std::iter::successors(Some(first), |&cause| cause.source())
            .find_map(|cause| cause.downcast_ref::<Refused>())
            .map(Refused::to_string)
    }

    #[tokio::test]
    async fn every_row_of_the_list_is_what_the_sdk_calls_it_and_is_let_through() {
        let wire = Wire::always(400, "");
        let requests = Requests::default();
        let clients = clients_on(&wire, &requests).await;
        let (ecs, dynamodb, route53, elbv2) = (&clients.ecs, &clients.dynamodb, &clients.route53, &clients.elbv2);
        let key =
            KeysAndAttributes::builder().keys([("k".to_owned(), AttributeValue::S("x".to_owned()))].into()).build();

        let _ = ecs.describe_clusters().clusters("c").send().await;
        let _ = ecs.list_services().cluster("c").send().await;
        let _ = ecs.describe_services().cluster("c").services("s").send().await;
        let _ = ecs.describe_task_definition().task_definition("t:1").send().await;
        let _ = dynamodb.describe_table().table_name("t").send().await;
        let _ = dynamodb.get_item().table_name("t").key("k", AttributeValue::S("x".to_owned())).send().await;
        let _ = dynamodb.batch_get_item().request_items("t", key.unwrap()).send().await;
        let _ = dynamodb.scan().table_name("t").send().await;
        let _ = route53.list_hosted_zones_by_name().dns_name("example.org").send().await;
        let _ = route53.get_hosted_zone().id("Z1").send().await;
        let _ = route53.list_resource_record_sets().hosted_zone_id("Z1").send().await;
        let _ = route53.list_health_checks().send().await;
        let _ = route53.get_health_check_count().send().await;
        let _ = route53.get_health_check().health_check_id("h").send().await;
        let _ = route53.get_health_check_status().health_check_id("h").send().await;
        let tags = route53.list_tags_for_resources().resource_type(TagResourceType::Healthcheck);
        let _ = tags.resource_ids("h").send().await;
        let _ = elbv2.describe_load_balancers().send().await;
        let _ = elbv2.describe_target_groups().send().await;
        let _ = elbv2.describe_listeners().load_balancer_arn("a").send().await;
        let _ = elbv2.describe_load_balancer_attributes().load_balancer_arn("a").send().await;
        let _ = elbv2.describe_tags().resource_arns("a").send().await;
        let _ = elbv2.describe_target_health().target_group_arn("a").send().await;
        let _ = clients.cloudtrail.lookup_events().send().await;
        let _ = clients.sts.get_caller_identity().send().await;

        let counted = requests.snapshot();
        let let_through: BTreeSet<(&str, &str)> =
            counted.keys().filter(|key| key.outcome != REFUSED).map(|key| (&*key.service, &*key.operation)).collect();
        let listed: BTreeSet<(&str, &str)> =
            allow_list::READ.iter().map(|operation| (operation.service.as_str(), operation.name)).collect();
        assert_eq!(let_through, listed);
        assert_eq!(wire.sent().len(), listed.len());
    }
}
