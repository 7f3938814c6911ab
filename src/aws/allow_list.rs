//! The read allow-list: every operation that observing may send, and what is known about it.
//!
//! Decides what moored may ask AWS, which permission each question needs, and which error codes
//! of it are an explicit absence. Never sends anything. [`super::intercept`] refuses what is not
//! in [`READ`]; scopes name their calls by these constants; `iam observe` prints the least policy
//! from them; budgets and metrics take the service names from here.

use std::error::Error as StdError;

use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::scan::ScanError;
use aws_sdk_ecs::operation::describe_clusters::DescribeClustersError;
use aws_sdk_ecs::operation::describe_services::DescribeServicesError;
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionError;
use aws_sdk_ecs::operation::list_services::ListServicesError;
use aws_sdk_elasticloadbalancingv2::operation::describe_listeners::DescribeListenersError;
use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancer_attributes::DescribeLoadBalancerAttributesError;
use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancers::DescribeLoadBalancersError;
use aws_sdk_elasticloadbalancingv2::operation::describe_tags::DescribeTagsError;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsError;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_health::DescribeTargetHealthError;
use aws_sdk_route53::operation::get_health_check::GetHealthCheckError;
use aws_sdk_route53::operation::get_health_check_count::GetHealthCheckCountError;
use aws_sdk_route53::operation::get_health_check_status::GetHealthCheckStatusError;
use aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneError;
use aws_sdk_route53::operation::list_health_checks::ListHealthChecksError;
use aws_sdk_route53::operation::list_hosted_zones_by_name::ListHostedZonesByNameError;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsError;
use aws_sdk_route53::operation::list_tags_for_resources::ListTagsForResourcesError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
use aws_smithy_runtime_api::client::interceptors::context::Error as ErasedError;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// An AWS service that moored reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Security Token Service.
    Sts,
    /// Elastic Container Service.
    Ecs,
    /// DynamoDB.
    DynamoDb,
    /// Route 53.
    Route53,
    /// Elastic Load Balancing, version 2.
    Elbv2,
    /// CloudTrail.
    CloudTrail,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 6] = [Self::Sts, Self::Ecs, Self::DynamoDb, Self::Route53, Self::Elbv2, Self::CloudTrail];

    /// The name in IAM actions, in budgets and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Ecs => "ecs",
            Self::DynamoDb => "dynamodb",
            Self::Route53 => "route53",
            Self::Elbv2 => "elasticloadbalancing",
            Self::CloudTrail => "cloudtrail",
        }
    }

    /// The name that the SDK tells its interceptors.
    pub const fn sdk_name(self) -> &'static str {
        match self {
            Self::Sts => "STS",
            Self::Ecs => "ECS",
            Self::DynamoDb => "DynamoDB",
            Self::Route53 => "Route 53",
            Self::Elbv2 => "Elastic Load Balancing v2",
            Self::CloudTrail => "CloudTrail",
        }
    }
}

/// How far the permission for an operation can be narrowed (AWS Service Authorization Reference).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IamResource {
    /// No permission is needed at all.
    Unneeded,
    /// Only `*`.
    Any,
    /// Only `*`, narrowed by the condition key `ecs:cluster`.
    AnyInCluster,
    /// The clusters' ARNs.
    Cluster,
    /// `service/CLUSTER/*` of the clusters.
    ServicesOfCluster,
    /// The tables' ARNs.
    Table,
    /// `arn:aws:route53:::hostedzone/ID` of the zones.
    Zone,
    /// `arn:aws:route53:::healthcheck/*`.
    HealthCheck,
    /// The roles' ARNs.
    Role,
}

/// One operation that moored may send.
#[derive(Debug)]
pub struct Operation {
    /// The service.
    pub service: Service,
    /// The operation's name, as the SDK's interceptors see it.
    pub name: &'static str,
    /// The IAM action that allows it.
    pub iam: &'static str,
    /// What the action can be narrowed to.
    pub resource: IamResource,
    /// Error codes that say that the one thing that the request names does not exist. Empty where
    /// the request names several things or none, and where the code speaks of a container.
    pub not_found: &'static [&'static str],
    /// Reads code and message out of the SDK's type-erased error of this very operation.
    pub(super) metadata: fn(&ErasedError) -> Option<&ErrorMetadata>,
}

const fn operation<E>(
    service: Service,
    name: &'static str,
    iam: &'static str,
    resource: IamResource,
    not_found: &'static [&'static str],
) -> Operation
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Operation { service, name, iam, resource, not_found, metadata: metadata_of::<E> }
}

fn metadata_of<E>(error: &ErasedError) -> Option<&ErrorMetadata>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    error.downcast_ref::<E>().map(|error| error.meta())
}

/// ECS: whether the cluster is there and ACTIVE; a missing one is listed in `failures`.
pub const ECS_DESCRIBE_CLUSTERS: Operation = operation::<DescribeClustersError>(
    Service::Ecs,
    "DescribeClusters",
    "ecs:DescribeClusters",
    IamResource::Cluster,
    &[],
);
/// ECS: ARNs of services that are not draining.
pub const ECS_LIST_SERVICES: Operation =
    operation::<ListServicesError>(Service::Ecs, "ListServices", "ecs:ListServices", IamResource::AnyInCluster, &[]);
/// ECS: up to ten services; a missing one is listed in `failures`.
pub const ECS_DESCRIBE_SERVICES: Operation = operation::<DescribeServicesError>(
    Service::Ecs,
    "DescribeServices",
    "ecs:DescribeServices",
    IamResource::ServicesOfCluster,
    &[],
);
/// ECS: one revision, which never changes. Its `ClientException` is no proof of anything.
pub const ECS_DESCRIBE_TASK_DEFINITION: Operation = operation::<DescribeTaskDefinitionError>(
    Service::Ecs,
    "DescribeTaskDefinition",
    "ecs:DescribeTaskDefinition",
    IamResource::Any,
    &[],
);
/// DynamoDB: the table itself, which is a container: a missing one makes its items unknown.
pub const DYNAMODB_DESCRIBE_TABLE: Operation = operation::<DescribeTableError>(
    Service::DynamoDb,
    "DescribeTable",
    "dynamodb:DescribeTable",
    IamResource::Table,
    &[],
);
/// DynamoDB: one item; absence is an answer without `Item`, never an error.
pub const DYNAMODB_GET_ITEM: Operation =
    operation::<GetItemError>(Service::DynamoDb, "GetItem", "dynamodb:GetItem", IamResource::Table, &[]);
/// DynamoDB: up to a hundred items.
pub const DYNAMODB_BATCH_GET_ITEM: Operation =
    operation::<BatchGetItemError>(Service::DynamoDb, "BatchGetItem", "dynamodb:BatchGetItem", IamResource::Table, &[]);
/// DynamoDB: a page of the table, at its owner's cost.
pub const DYNAMODB_SCAN: Operation =
    operation::<ScanError>(Service::DynamoDb, "Scan", "dynamodb:Scan", IamResource::Table, &[]);
/// Route 53: the zone's id by its name.
pub const ROUTE53_LIST_HOSTED_ZONES_BY_NAME: Operation = operation::<ListHostedZonesByNameError>(
    Service::Route53,
    "ListHostedZonesByName",
    "route53:ListHostedZonesByName",
    IamResource::Any,
    &[],
);
/// Route 53: the zone with its record count; a container, so a missing one proves nothing.
pub const ROUTE53_GET_HOSTED_ZONE: Operation =
    operation::<GetHostedZoneError>(Service::Route53, "GetHostedZone", "route53:GetHostedZone", IamResource::Zone, &[]);
/// Route 53: up to 300 records.
pub const ROUTE53_LIST_RESOURCE_RECORD_SETS: Operation = operation::<ListResourceRecordSetsError>(
    Service::Route53,
    "ListResourceRecordSets",
    "route53:ListResourceRecordSets",
    IamResource::Zone,
    &[],
);
/// Route 53: up to a hundred health checks.
pub const ROUTE53_LIST_HEALTH_CHECKS: Operation = operation::<ListHealthChecksError>(
    Service::Route53,
    "ListHealthChecks",
    "route53:ListHealthChecks",
    IamResource::Any,
    &[],
);
/// Route 53: how many health checks there are, to prove a list complete.
pub const ROUTE53_GET_HEALTH_CHECK_COUNT: Operation = operation::<GetHealthCheckCountError>(
    Service::Route53,
    "GetHealthCheckCount",
    "route53:GetHealthCheckCount",
    IamResource::Any,
    &[],
);
/// Route 53: one health check.
pub const ROUTE53_GET_HEALTH_CHECK: Operation = operation::<GetHealthCheckError>(
    Service::Route53,
    "GetHealthCheck",
    "route53:GetHealthCheck",
    IamResource::HealthCheck,
    &["NoSuchHealthCheck"],
);
/// Route 53: what the checkers of one health check saw last.
pub const ROUTE53_GET_HEALTH_CHECK_STATUS: Operation = operation::<GetHealthCheckStatusError>(
    Service::Route53,
    "GetHealthCheckStatus",
    "route53:GetHealthCheckStatus",
    IamResource::HealthCheck,
    &["NoSuchHealthCheck"],
);
/// Route 53: tags of up to ten health checks; its not-found code does not say which one it means.
pub const ROUTE53_LIST_TAGS_FOR_RESOURCES: Operation = operation::<ListTagsForResourcesError>(
    Service::Route53,
    "ListTagsForResources",
    "route53:ListTagsForResources",
    IamResource::HealthCheck,
    &[],
);
/// ELBv2: a page of all load balancers, or those of one name or ARN.
pub const ELBV2_DESCRIBE_LOAD_BALANCERS: Operation = operation::<DescribeLoadBalancersError>(
    Service::Elbv2,
    "DescribeLoadBalancers",
    "elasticloadbalancing:DescribeLoadBalancers",
    IamResource::Any,
    &["LoadBalancerNotFound"],
);
/// ELBv2: a page of all target groups, or those of one name or ARN.
pub const ELBV2_DESCRIBE_TARGET_GROUPS: Operation = operation::<DescribeTargetGroupsError>(
    Service::Elbv2,
    "DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetGroups",
    IamResource::Any,
    &["TargetGroupNotFound"],
);
/// ELBv2: the listeners of one load balancer.
pub const ELBV2_DESCRIBE_LISTENERS: Operation = operation::<DescribeListenersError>(
    Service::Elbv2,
    "DescribeListeners",
    "elasticloadbalancing:DescribeListeners",
    IamResource::Any,
    &["LoadBalancerNotFound"],
);
/// ELBv2: the attributes of one load balancer, deletion protection among them.
pub const ELBV2_DESCRIBE_LOAD_BALANCER_ATTRIBUTES: Operation = operation::<DescribeLoadBalancerAttributesError>(
    Service::Elbv2,
    "DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    IamResource::Any,
    &["LoadBalancerNotFound"],
);
/// ELBv2: tags of up to twenty ARNs; its not-found codes do not say which one they mean.
pub const ELBV2_DESCRIBE_TAGS: Operation = operation::<DescribeTagsError>(
    Service::Elbv2,
    "DescribeTags",
    "elasticloadbalancing:DescribeTags",
    IamResource::Any,
    &[],
);
/// ELBv2: the targets of one target group.
pub const ELBV2_DESCRIBE_TARGET_HEALTH: Operation = operation::<DescribeTargetHealthError>(
    Service::Elbv2,
    "DescribeTargetHealth",
    "elasticloadbalancing:DescribeTargetHealth",
    IamResource::Any,
    &["TargetGroupNotFound"],
);
/// CloudTrail: a page of what was done in an account and region, minutes later. Belongs to no scope:
/// only [`crate::engine::attribution`] asks, and nothing depends on the answer.
pub const CLOUDTRAIL_LOOKUP_EVENTS: Operation = operation::<LookupEventsError>(
    Service::CloudTrail,
    "LookupEvents",
    "cloudtrail:LookupEvents",
    IamResource::Any,
    &[],
);
/// STS: whose credentials these are.
pub const STS_GET_CALLER_IDENTITY: Operation = operation::<GetCallerIdentityError>(
    Service::Sts,
    "GetCallerIdentity",
    "sts:GetCallerIdentity",
    IamResource::Unneeded,
    &[],
);
/// STS: becoming the observe role. Not in [`READ`]: only a session's own credentials provider,
/// which has a client of its own, sends it.
pub const STS_ASSUME_ROLE: Operation =
    operation::<AssumeRoleError>(Service::Sts, "AssumeRole", "sts:AssumeRole", IamResource::Role, &[]);

/// Everything that a client of moored lets through.
pub static READ: &[&Operation] = &[
    &ECS_DESCRIBE_CLUSTERS,
    &ECS_LIST_SERVICES,
    &ECS_DESCRIBE_SERVICES,
    &ECS_DESCRIBE_TASK_DEFINITION,
    &DYNAMODB_DESCRIBE_TABLE,
    &DYNAMODB_GET_ITEM,
    &DYNAMODB_BATCH_GET_ITEM,
    &DYNAMODB_SCAN,
    &ROUTE53_LIST_HOSTED_ZONES_BY_NAME,
    &ROUTE53_GET_HOSTED_ZONE,
    &ROUTE53_LIST_RESOURCE_RECORD_SETS,
    &ROUTE53_LIST_HEALTH_CHECKS,
    &ROUTE53_GET_HEALTH_CHECK_COUNT,
    &ROUTE53_GET_HEALTH_CHECK,
    &ROUTE53_GET_HEALTH_CHECK_STATUS,
    &ROUTE53_LIST_TAGS_FOR_RESOURCES,
    &ELBV2_DESCRIBE_LOAD_BALANCERS,
    &ELBV2_DESCRIBE_TARGET_GROUPS,
    &ELBV2_DESCRIBE_LISTENERS,
    &ELBV2_DESCRIBE_LOAD_BALANCER_ATTRIBUTES,
    &ELBV2_DESCRIBE_TAGS,
    &ELBV2_DESCRIBE_TARGET_HEALTH,
    &CLOUDTRAIL_LOOKUP_EVENTS,
    &STS_GET_CALLER_IDENTITY,
];

/// The row for what the SDK is about to send, if moored may send it.
pub fn find(sdk_service: &str, name: &str) -> Option<&'static Operation> {
    READ.iter().copied().find(|operation| operation.service.sdk_name() == sdk_service && operation.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_only_reads_and_names_the_action_that_allows_each_row() {
        for operation in READ {
            let reads = ["Describe", "Get", "List", "Lookup", "BatchGet", "Scan"]
                .iter()
                .any(|verb| operation.name.starts_with(verb));
            assert!(reads, "{} is no reading verb", operation.name);
            assert_eq!(operation.iam, format!("{}:{}", operation.service.as_str(), operation.name));
        }
    }

    #[test]
    fn becoming_a_role_is_not_for_everybody() {
        assert!(find("STS", "GetCallerIdentity").is_some());
        assert!(find("STS", "AssumeRole").is_none());
        assert!(find("ECS", "DeleteService").is_none());
        assert!(find("DynamoDB", "ListServices").is_none(), "the service counts, not the name alone");
    }
}
