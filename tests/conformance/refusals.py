"""What a cloud does only when it is told to: throttle, deny, let a session end, leave keys over.

A prepared cloud does it to every request of these behaviours' accounts.
"""

from .behaviours import behaviour, equal, refuses
from .dynamodb import TABLE, filled, text

CALLS = {
    "STS": ("sts", "get_caller_identity", {}),
    "ECS": ("ecs", "list_clusters", {}),
    "DynamoDB": ("dynamodb", "get_item", {"TableName": TABLE, "Key": {"service": text("web")}}),
    "DynamoDB's control plane": ("dynamodb", "describe_table", {"TableName": TABLE}),
    "Route 53": ("route53", "list_hosted_zones", {}),
    "Elastic Load Balancing": ("elbv2", "describe_load_balancers", {}),
}


def answered(fault, verb, service, code, status, page):
    @behaviour(f"{service} {verb} {code}, {status}", page, fault=fault)
    def _(aws):
        client, operation, request = CALLS[service]
        refuses(code, getattr(aws.client(client), operation), status=status, **request)


def throttled(service, code, page):
    answered("throttle", "throttles with", service, code, 400, page)


def denied(service, code, status, page):
    answered("denied", "denies with", service, code, status, page)


def expired(service, code, status, page):
    answered("expired-token", "refuses a session that has ended with", service, code, status, page)


throttled("STS", "Throttling", "STS/latest/APIReference/CommonErrors.html")
throttled("ECS", "ThrottlingException", "AmazonECS/latest/APIReference/CommonErrors.html")
throttled("DynamoDB", "ProvisionedThroughputExceededException", "amazondynamodb/latest/APIReference/API_GetItem.html")
throttled("DynamoDB's control plane", "ThrottlingException", "amazondynamodb/latest/APIReference/CommonErrors.html")
throttled("Route 53", "Throttling", "Route53/latest/DeveloperGuide/DNSLimitations.html")
throttled("Elastic Load Balancing", "Throttling", "elasticloadbalancing/latest/APIReference/CommonErrors.html")

denied("ECS", "AccessDeniedException", 400, "AmazonECS/latest/APIReference/CommonErrors.html")
denied("DynamoDB", "AccessDeniedException", 400, "amazondynamodb/latest/APIReference/CommonErrors.html")
denied("Route 53", "AccessDenied", 403, "Route53/latest/APIReference/CommonErrors.html")
denied("Elastic Load Balancing", "AccessDenied", 403, "elasticloadbalancing/latest/APIReference/CommonErrors.html")

expired("STS", "ExpiredToken", 403, "STS/latest/APIReference/CommonErrors.html")
expired("ECS", "ExpiredTokenException", 400, "AmazonECS/latest/APIReference/CommonErrors.html")
expired("Route 53", "ExpiredToken", 403, "Route53/latest/APIReference/CommonErrors.html")


@behaviour(
    "BatchGetItem under load answers a part and returns the other keys as UnprocessedKeys",
    "amazondynamodb/latest/APIReference/API_BatchGetItem.html",
    fault="unprocessed-keys",
)
def _(aws):
    filled(aws, 4)
    keys = [{"service": text(f"web-{number:03}")} for number in range(4)]
    answer = aws.dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})
    left = answer["UnprocessedKeys"][TABLE]["Keys"]
    found = [{"service": item["service"]} for item in answer["Responses"][TABLE]]
    equal((len(left), sorted(map(str, found + left)) == sorted(map(str, keys))), (2, True), "keys left, and all told,")
