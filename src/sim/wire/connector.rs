//! An HTTP client for the AWS SDK that reaches the simulated cloud without a socket.
//!
//! Decides nothing: it hands the SDK's request to [`Cloud::handle`] and the answer back, and applies
//! the SDK's read timeout, as a connector has to. Tests and the simulator build SDK clients with it.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use axum::http;

use super::Cloud;
use super::exchange::Reset;

/// A client that carries every request straight to this cloud, whatever host it names.
pub fn in_process(cloud: Cloud) -> SharedHttpClient {
    SharedHttpClient::new(InProcess { cloud })
}

#[derive(Debug)]
struct InProcess {
    cloud: Cloud,
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let connector = InProcessConnector { cloud: self.cloud.clone(), read_timeout: settings.read_timeout() };
        SharedHttpConnector::new(connector)
    }
}

#[derive(Debug)]
struct InProcessConnector {
    cloud: Cloud,
    read_timeout: Option<Duration>,
}

impl HttpConnector for InProcessConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let cloud = self.cloud.clone();
        let read_timeout = self.read_timeout;
        let request = match in_memory(request) {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(error)),
        };
        HttpConnectorFuture::new(async move {
            let handling = cloud.handle(request);
            let response = match read_timeout {
                Some(limit) => tokio::time::timeout(limit, handling)
                    .await
                    .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
                None => handling.await,
            };
            if response.extensions().get::<Reset>().is_some() {
                return Err(ConnectorError::io("connection reset by peer".into()));
            }
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn in_memory(request: HttpRequest) -> Result<http::Request<Bytes>, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let bytes = body.bytes().map(Bytes::copy_from_slice);
    let bytes = bytes.ok_or_else(|| {
        ConnectorError::user("the simulated cloud takes request bodies from memory only, not from a stream".into())
    })?;
    Ok(http::Request::from_parts(parts, bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use aws_credential_types::Credentials;
    use aws_sdk_dynamodb::types::AttributeValue;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::sim::world::faults::{Effect, Match, Rule};
    use crate::sim::world::{Caller, Service, World, dynamodb, ecs};

    const ACCOUNT: &str = "111122223333";
    const REGION: &str = "eu-west-1";

    fn cloud() -> Cloud {
        let mut world = World::with_accounts([ACCOUNT]);
        let caller = Caller::root(ACCOUNT, REGION);
        let now = Timestamp::UNIX_EPOCH;
        let tables = dynamodb::of(&mut world, &caller);
        tables.put_table(&caller, "deployments", "service", None, now);
        tables.put_item("deployments", json!({"service": {"S": "api"}, "weight": {"N": "1.50"}})).unwrap();
        ecs::of(&mut world, &caller).put_running_service(&caller, "wonderland", "api", 2, "api", now);
        Cloud::new(world, move || now, 1)
    }

    fn credentials() -> Credentials {
        Credentials::new(ACCOUNT, "secret", None, None, "simulated")
    }

    fn ecs_client(cloud: &Cloud) -> aws_sdk_ecs::Client {
        let config = aws_sdk_ecs::Config::builder()
            .behavior_version(aws_sdk_ecs::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_ecs::config::Region::new(REGION))
            .credentials_provider(credentials())
            .retry_config(aws_sdk_ecs::config::retry::RetryConfig::disabled())
            .http_client(in_process(cloud.clone()))
            .build();
        aws_sdk_ecs::Client::from_conf(config)
    }

    fn dynamodb_client(cloud: &Cloud) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_dynamodb::config::Region::new(REGION))
            .credentials_provider(credentials())
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .http_client(in_process(cloud.clone()))
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    #[tokio::test]
    async fn the_ecs_client_reads_a_service() {
        let cloud = cloud();
        let output = ecs_client(&cloud)
            .describe_services()
            .cluster("wonderland")
            .services("api")
            .services("gone")
            .send()
            .await
            .unwrap();
        let service = output.services().first().unwrap();
        assert_eq!(service.service_arn(), Some("arn:aws:ecs:eu-west-1:111122223333:service/wonderland/api"));
        assert_eq!((service.desired_count(), service.running_count()), (2, 2));
        assert_eq!(service.created_at().unwrap().secs(), 0);
        assert_eq!(output.failures().first().unwrap().reason(), Some("MISSING"));
        assert_eq!(cloud.count(Service::Ecs, "DescribeServices"), 1);
    }

    #[tokio::test]
    async fn the_dynamodb_client_reads_an_item_and_sees_errors_by_name() {
        let client = dynamodb_client(&cloud());
        let key = AttributeValue::S("api".to_owned());
        let output = client.get_item().table_name("deployments").key("service", key.clone()).send().await.unwrap();
        assert_eq!(output.item().unwrap()["weight"], AttributeValue::N("1.5".to_owned()));
        let error = client.get_item().table_name("other").key("service", key).send().await.unwrap_err();
        assert!(error.into_service_error().is_resource_not_found_exception());
    }

    #[tokio::test]
    async fn throttling_reaches_the_sdk_under_its_name() {
        let cloud = cloud();
        cloud.with_world(|world| world.faults.add(Rule::always(Match::default(), Effect::Throttle)));
        let error = ecs_client(&cloud).list_clusters().send().await.unwrap_err();
        assert_eq!(error.into_service_error().meta().code(), Some("ThrottlingException"));
    }
}
