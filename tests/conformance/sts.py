"""Identities: Security Token Service, and who may call at all."""

from .behaviours import behaviour, equal, expect, refuses

API = "STS/latest/APIReference/API_"
ERRORS = "STS/latest/APIReference/CommonErrors.html"
#: Looks like a key, and nobody has issued it.
STRANGER = {"AccessKeyId": "AKIANEVERISSUED00000", "SecretAccessKey": "secret"}


def assumed(aws, **more):
    """A session of the sibling account's role."""
    arn = aws.sibling.role(trusted=aws.number)
    return aws.sts.assume_role(RoleArn=arn, RoleSessionName="observer", **more)


@behaviour("GetCallerIdentity names the account of the key", API + "GetCallerIdentity.html")
def _(aws):
    expect(aws.sts.get_caller_identity()["Account"] == aws.number, "another account")


@behaviour("AssumeRole gives a session that acts in the role's account", API + "AssumeRole.html")
def _(aws):
    session = assumed(aws)
    identity = aws.client("sts", credentials=session["Credentials"]).get_caller_identity()
    expect(identity["Account"] == aws.sibling.number, "another account")
    tail = identity["Arn"].rsplit(":", 1)[1]
    equal(tail, "assumed-role/open/observer", "the end of its ARN")


@behaviour("A session sees what the role's account has, and nothing of the caller's", API + "AssumeRole.html")
def _(aws):
    aws.ecs.create_cluster(clusterName="mine")
    aws.sibling.ecs.create_cluster(clusterName="theirs")
    ecs = aws.client("ecs", credentials=assumed(aws)["Credentials"])
    seen = [arn.rsplit("/", 1)[1] for arn in ecs.list_clusters()["clusterArns"]]
    equal(seen, ["theirs"], "the list of clusters")


@behaviour("A session's key begins with ASIA, its token is there and it ends after an hour", API + "Credentials.html")
def _(aws):
    credentials = assumed(aws)["Credentials"]
    equal(credentials["AccessKeyId"][:4], "ASIA", "the beginning of the key")
    expect(credentials.get("SessionToken"), "no token")
    longer = assumed(aws, DurationSeconds=1800)["Credentials"]["Expiration"]
    expect(credentials["Expiration"] > longer, "an end that DurationSeconds does not move")


@behaviour("AssumeRole refuses a role that is not there with AccessDenied, 403", API + "AssumeRole.html")
def _(aws):
    arn = f"arn:aws:iam::{aws.sibling.number}:role/never"
    refuses("AccessDenied", aws.sts.assume_role, status=403, RoleArn=arn, RoleSessionName="observer")


@behaviour("AssumeRole refuses a role that does not trust the caller with AccessDenied, 403", API + "AssumeRole.html")
def _(aws):
    arn = aws.sibling.role(trusted=None)
    refuses("AccessDenied", aws.sts.assume_role, status=403, RoleArn=arn, RoleSessionName="observer")


@behaviour("AssumeRole refuses a session name with a blank with ValidationError", API + "AssumeRole.html")
def _(aws):
    arn = aws.sibling.role(trusted=aws.number)
    refuses("ValidationError", aws.sts.assume_role, status=400, RoleArn=arn, RoleSessionName="an observer")


@behaviour("AssumeRole refuses a session of less than 900 seconds with ValidationError", API + "AssumeRole.html")
def _(aws):
    refuses("ValidationError", assumed, status=400, aws=aws, DurationSeconds=899)


@behaviour("AssumeRole refuses a session of more than 12 hours with ValidationError", API + "AssumeRole.html")
def _(aws):
    refuses("ValidationError", assumed, status=400, aws=aws, DurationSeconds=43_201)


@behaviour(
    "AssumeRole refuses more than an hour for a role that was made without MaxSessionDuration", API + "AssumeRole.html"
)
def _(aws):
    refuses("ValidationError", assumed, status=400, aws=aws, DurationSeconds=3601)


@behaviour("A role that assumes another gets an hour at most", API + "AssumeRole.html")
def _(aws):
    session = aws.client("sts", credentials=assumed(aws)["Credentials"])
    request = {"RoleArn": aws.role(trusted=aws.sibling.number), "RoleSessionName": "chained", "DurationSeconds": 3601}
    refuses("ValidationError", session.assume_role, status=400, **request)


@behaviour(
    "A session's key without its token is refused", "IAM/latest/UserGuide/id_credentials_temp_use-resources.html"
)
def _(aws):
    keys = {**assumed(aws)["Credentials"], "SessionToken": None}
    codes = ("InvalidClientTokenId", "UnrecognizedClientException")
    refuses(codes, aws.client("sts", credentials=keys).get_caller_identity, status=403)


def unknown_key(service, call, code, status):
    @behaviour(f"{service} refuses an unknown access key with {code}, {status}", ERRORS)
    def _(aws):
        client, operation = call
        refuses(code, getattr(aws.client(client, credentials=STRANGER), operation), status=status)


unknown_key("STS", ("sts", "get_caller_identity"), "InvalidClientTokenId", 403)
unknown_key("ECS", ("ecs", "list_clusters"), "UnrecognizedClientException", 400)
unknown_key("DynamoDB", ("dynamodb", "list_tables"), "UnrecognizedClientException", 400)
unknown_key("Route 53", ("route53", "list_hosted_zones"), "InvalidClientTokenId", 403)
unknown_key("Elastic Load Balancing", ("elbv2", "describe_load_balancers"), "InvalidClientTokenId", 403)


@behaviour("A request without a signature is refused with MissingAuthenticationToken, 403", ERRORS)
def _(aws):
    refuses("MissingAuthenticationToken", aws.client("sts", unsigned=True).get_caller_identity, status=403)
