"""Elastic Load Balancing v2."""

from .behaviours import behaviour, equal, expect, refuses
from .cloud import until

API = "elasticloadbalancing/latest/APIReference/API_"


def balancer(aws, name="web", **more):
    subnets, _ = aws.subnets()
    made = aws.elbv2.create_load_balancer(Name=name, Subnets=subnets, **more)
    return made["LoadBalancers"][0]["LoadBalancerArn"]


def group(aws, name="web", **more):
    _, network = aws.subnets()
    request = {"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": network, "TargetType": "ip", **more}
    return aws.elbv2.create_target_group(**request)["TargetGroups"][0]["TargetGroupArn"]


def listener(aws, balancer_arn, group_arn, port=80):
    actions = [{"Type": "forward", "TargetGroupArn": group_arn}]
    request = {"LoadBalancerArn": balancer_arn, "Protocol": "HTTP", "Port": port, "DefaultActions": actions}
    return aws.elbv2.create_listener(**request)["Listeners"][0]["ListenerArn"]


def protect(aws, arn, on):
    attributes = [{"Key": "deletion_protection.enabled", "Value": on}]
    aws.elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)


def never(aws, kind="loadbalancer/app"):
    return f"arn:aws:elasticloadbalancing:eu-west-1:{aws.number}:{kind}/never/0123456789abcdef"


@behaviour("DescribeLoadBalancers pages by PageSize and Marker", API + "DescribeLoadBalancers.html")
def _(aws):
    made = {balancer(aws, f"web-{number}") for number in range(3)}
    first = aws.elbv2.describe_load_balancers(PageSize=2)
    equal(len(first["LoadBalancers"]), 2, "the length of the page")
    expect(first.get("NextMarker"), "no NextMarker")
    second = aws.elbv2.describe_load_balancers(PageSize=2, Marker=first["NextMarker"])
    equal((len(second["LoadBalancers"]), bool(second.get("NextMarker"))), (1, False), "the last page and its marker")
    found = {each["LoadBalancerArn"] for each in first["LoadBalancers"] + second["LoadBalancers"]}
    expect(found == made, "other load balancers")


@behaviour("DescribeLoadBalancers refuses PageSize 401 with ValidationError", API + "DescribeLoadBalancers.html")
def _(aws):
    refuses("ValidationError", aws.elbv2.describe_load_balancers, status=400, PageSize=401)


@behaviour(
    "DescribeLoadBalancers answers LoadBalancerNotFound for a name that never was", API + "DescribeLoadBalancers.html"
)
def _(aws):
    refuses("LoadBalancerNotFound", aws.elbv2.describe_load_balancers, status=400, Names=["never"])


@behaviour(
    "DescribeLoadBalancers answers LoadBalancerNotFound for an ARN that never was", API + "DescribeLoadBalancers.html"
)
def _(aws):
    refuses("LoadBalancerNotFound", aws.elbv2.describe_load_balancers, LoadBalancerArns=[never(aws)])


@behaviour("One unknown name fails the whole DescribeLoadBalancers", API + "DescribeLoadBalancers.html")
def _(aws):
    balancer(aws)
    refuses("LoadBalancerNotFound", aws.elbv2.describe_load_balancers, Names=["web", "never"])


@behaviour("DescribeLoadBalancers refuses a 21st ARN with ValidationError", API + "DescribeLoadBalancers.html")
def _(aws):
    refuses("ValidationError", aws.elbv2.describe_load_balancers, LoadBalancerArns=[balancer(aws)] * 21)


@behaviour(
    "DescribeLoadBalancers without names answers an empty list where there is nothing",
    API + "DescribeLoadBalancers.html",
)
def _(aws):
    equal(aws.elbv2.describe_load_balancers()["LoadBalancers"], [], "the list")


@behaviour("DeleteLoadBalancer succeeds for one that is not there", API + "DeleteLoadBalancer.html")
def _(aws):
    arn = balancer(aws)
    aws.elbv2.delete_load_balancer(LoadBalancerArn=arn)
    aws.elbv2.delete_load_balancer(LoadBalancerArn=arn)


@behaviour("DeleteLoadBalancer refuses a protected one with OperationNotPermitted", API + "DeleteLoadBalancer.html")
def _(aws):
    arn = balancer(aws)
    protect(aws, arn, "true")
    refuses("OperationNotPermitted", aws.elbv2.delete_load_balancer, status=400, LoadBalancerArn=arn)
    protect(aws, arn, "false")
    aws.elbv2.delete_load_balancer(LoadBalancerArn=arn)
    expect(not aws.elbv2.describe_load_balancers()["LoadBalancers"], "keeps it without protection")


@behaviour("DeleteLoadBalancer deletes the listeners too", API + "DeleteLoadBalancer.html")
def _(aws):
    arn = balancer(aws)
    listening = listener(aws, arn, group(aws))
    aws.elbv2.delete_load_balancer(LoadBalancerArn=arn)
    refuses("ListenerNotFound", aws.elbv2.describe_listeners, ListenerArns=[listening])


@behaviour(
    "CreateLoadBalancer refuses a taken name with other settings with DuplicateLoadBalancerName",
    API + "CreateLoadBalancer.html",
)
def _(aws):
    balancer(aws)
    refuses("DuplicateLoadBalancerName", balancer, status=400, aws=aws, Scheme="internal")


@behaviour("CreateLoadBalancer answers the same load balancer for the same settings", API + "CreateLoadBalancer.html")
def _(aws):
    expect(balancer(aws) == balancer(aws), "a second one")


@behaviour("A load balancer made again has another ARN and another DNS name", API + "LoadBalancer.html")
def _(aws):
    def made():
        arn = balancer(aws)
        (found,) = aws.elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
        return arn, found["DNSName"]

    first = made()
    aws.elbv2.delete_load_balancer(LoadBalancerArn=first[0])
    second = made()
    expect(first[0] != second[0], "the same ARN")
    expect(first[1] != second[1], "the same DNS name")


@behaviour("CreateLoadBalancer refuses a name that begins with internal-", API + "CreateLoadBalancer.html")
def _(aws):
    refuses(("ValidationError", "InvalidConfigurationRequest"), balancer, aws=aws, name="internal-web")


@behaviour("CreateLoadBalancer refuses a name of more than 32 characters", API + "CreateLoadBalancer.html")
def _(aws):
    refuses(("ValidationError", "InvalidConfigurationRequest"), balancer, aws=aws, name="w" * 33)


@behaviour("CreateLoadBalancer refuses an application load balancer in one subnet", API + "CreateLoadBalancer.html")
def _(aws):
    subnets, _ = aws.subnets()
    codes = ("ValidationError", "InvalidConfigurationRequest", "InvalidSubnet")
    refuses(codes, aws.elbv2.create_load_balancer, Name="web", Subnets=subnets[:1])


@behaviour("A new load balancer is provisioning first and active later", API + "LoadBalancerState.html")
def _(aws):
    subnets, _ = aws.subnets()
    made = aws.elbv2.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    equal(made["State"]["Code"], "provisioning", "the first state")

    def is_active():
        return aws.elbv2.describe_load_balancers(Names=["web"])["LoadBalancers"][0]["State"]["Code"] == "active"

    until(is_active, "never active")


@behaviour(
    "An application load balancer has an idle timeout of 60 seconds unless told otherwise",
    API + "LoadBalancerAttribute.html",
)
def _(aws):
    found = aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer(aws))["Attributes"]
    values = {each["Key"]: each["Value"] for each in found}
    equal(values.get("idle_timeout.timeout_seconds"), "60", "the idle timeout")


@behaviour("An idle timeout above 4,000 seconds is refused", API + "LoadBalancerAttribute.html")
def _(aws):
    attributes = [{"Key": "idle_timeout.timeout_seconds", "Value": "4001"}]
    request = {"LoadBalancerArn": balancer(aws), "Attributes": attributes}
    refuses(("InvalidConfigurationRequest", "ValidationError"), aws.elbv2.modify_load_balancer_attributes, **request)


@behaviour(
    "If one attribute is refused, ModifyLoadBalancerAttributes changes none", API + "ModifyLoadBalancerAttributes.html"
)
def _(aws):
    arn = balancer(aws)
    attributes = [
        {"Key": "idle_timeout.timeout_seconds", "Value": "90"},
        {"Key": "no.such.attribute", "Value": "1"},
    ]
    request = {"LoadBalancerArn": arn, "Attributes": attributes}
    refuses(("InvalidConfigurationRequest", "ValidationError"), aws.elbv2.modify_load_balancer_attributes, **request)
    found = aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    expect({"Key": "idle_timeout.timeout_seconds", "Value": "90"} not in found, "changes the other")


@behaviour("DescribeTags takes twenty ARNs", API + "DescribeTags.html")
def _(aws):
    arns = [group(aws, f"web-{number}") for number in range(20)]
    equal(len(aws.elbv2.describe_tags(ResourceArns=arns)["TagDescriptions"]), 20, "the number of descriptions")


@behaviour("DescribeTags refuses a 21st ARN with ValidationError", API + "DescribeTags.html")
def _(aws):
    arns = [group(aws, f"web-{number}") for number in range(21)]
    refuses("ValidationError", aws.elbv2.describe_tags, status=400, ResourceArns=arns)


@behaviour("DescribeTags answers LoadBalancerNotFound if one ARN never was", API + "DescribeTags.html")
def _(aws):
    refuses("LoadBalancerNotFound", aws.elbv2.describe_tags, ResourceArns=[balancer(aws), never(aws)])


@behaviour("DescribeTags answers TargetGroupNotFound for a target group that never was", API + "DescribeTags.html")
def _(aws):
    refuses("TargetGroupNotFound", aws.elbv2.describe_tags, ResourceArns=[never(aws, "targetgroup")])


@behaviour("AddTags replaces the value of a key, and RemoveTags removes it", API + "AddTags.html")
def _(aws):
    arns = [balancer(aws, Tags=[{"Key": "team", "Value": "old"}])]

    def tags():
        return aws.elbv2.describe_tags(ResourceArns=arns)["TagDescriptions"][0]["Tags"]

    aws.elbv2.add_tags(ResourceArns=arns, Tags=[{"Key": "team", "Value": "new"}])
    equal(tags(), [{"Key": "team", "Value": "new"}], "the tags")
    aws.elbv2.remove_tags(ResourceArns=arns, TagKeys=["team"])
    equal(tags(), [], "the tags afterwards")


@behaviour("DeleteTargetGroup refuses a group that a listener uses with ResourceInUse", API + "DeleteTargetGroup.html")
def _(aws):
    used = group(aws)
    listener(aws, balancer(aws), used)
    refuses("ResourceInUse", aws.elbv2.delete_target_group, status=400, TargetGroupArn=used)


@behaviour(
    "DescribeTargetGroups answers TargetGroupNotFound for a name that never was", API + "DescribeTargetGroups.html"
)
def _(aws):
    refuses("TargetGroupNotFound", aws.elbv2.describe_target_groups, status=400, Names=["never"])


@behaviour("DescribeTargetGroups pages by PageSize and Marker", API + "DescribeTargetGroups.html")
def _(aws):
    for number in range(3):
        group(aws, f"web-{number}")
    first = aws.elbv2.describe_target_groups(PageSize=2)
    equal(len(first["TargetGroups"]), 2, "the length of the page")
    rest = aws.elbv2.describe_target_groups(PageSize=2, Marker=first["NextMarker"])
    equal(len(rest["TargetGroups"]), 1, "the length of the last page")


@behaviour(
    "CreateTargetGroup refuses a taken name with other settings with DuplicateTargetGroupName",
    API + "CreateTargetGroup.html",
)
def _(aws):
    group(aws)
    refuses("DuplicateTargetGroupName", group, status=400, aws=aws, Port=81)


@behaviour("CreateTargetGroup answers the same group for the same settings", API + "CreateTargetGroup.html")
def _(aws):
    expect(group(aws) == group(aws), "a second one")


@behaviour("A target group names the load balancers that use it", API + "TargetGroup.html")
def _(aws):
    arn, used = balancer(aws), group(aws)
    listener(aws, arn, used)
    (found,) = aws.elbv2.describe_target_groups(TargetGroupArns=[used])["TargetGroups"]
    expect(found.get("LoadBalancerArns") == [arn], "does not name it")


@behaviour("A target group takes traffic from one application load balancer only", API + "CreateListener.html")
def _(aws):
    used = group(aws)
    listener(aws, balancer(aws), used)
    second = balancer(aws, "second")
    refuses("TargetGroupAssociationLimit", listener, aws=aws, balancer_arn=second, group_arn=used)


@behaviour("CreateListener answers TargetGroupNotFound for a group that never was", API + "CreateListener.html")
def _(aws):
    arn = balancer(aws)
    refuses("TargetGroupNotFound", listener, aws=aws, balancer_arn=arn, group_arn=never(aws, "targetgroup"))


@behaviour(
    "CreateListener refuses a taken port with other settings with DuplicateListener", API + "CreateListener.html"
)
def _(aws):
    arn = balancer(aws)
    listener(aws, arn, group(aws))
    refuses("DuplicateListener", listener, aws=aws, balancer_arn=arn, group_arn=group(aws, "other"))


@behaviour("CreateListener answers the same listener for the same settings", API + "CreateListener.html")
def _(aws):
    arn, used = balancer(aws), group(aws)
    expect(listener(aws, arn, used) == listener(aws, arn, used), "a second one")


@behaviour(
    "DescribeListeners answers LoadBalancerNotFound for a load balancer that never was", API + "DescribeListeners.html"
)
def _(aws):
    refuses("LoadBalancerNotFound", aws.elbv2.describe_listeners, LoadBalancerArn=never(aws))


@behaviour("DescribeListeners needs a load balancer or listeners", API + "DescribeListeners.html")
def _(aws):
    refuses("ValidationError", aws.elbv2.describe_listeners)


@behaviour("DeleteListener answers ListenerNotFound for a listener that never was", API + "DeleteListener.html")
def _(aws):
    arn = f"arn:aws:elasticloadbalancing:eu-west-1:{aws.number}:listener/app/never/0123456789abcdef/0123456789abcdef"
    refuses("ListenerNotFound", aws.elbv2.delete_listener, status=400, ListenerArn=arn)


@behaviour(
    "DescribeTargetHealth answers TargetGroupNotFound for a group that never was", API + "DescribeTargetHealth.html"
)
def _(aws):
    refuses("TargetGroupNotFound", aws.elbv2.describe_target_health, TargetGroupArn=never(aws, "targetgroup"))


@behaviour("A target is unused while no listener uses its group", API + "TargetHealth.html")
def _(aws):
    arn = group(aws)
    aws.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.0.0.10"}])
    (found,) = aws.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    equal(found["TargetHealth"]["State"], "unused", "the state")
    equal(found["TargetHealth"].get("Reason"), "Target.NotInUse", "the reason")


@behaviour("DescribeTargetHealth calls a target that is not registered unused", API + "TargetHealth.html")
def _(aws):
    request = {"TargetGroupArn": group(aws), "Targets": [{"Id": "10.0.0.10"}]}
    answer = aws.elbv2.describe_target_health(**request)["TargetHealthDescriptions"]
    expect(answer, "an empty list")
    found = answer[0]
    health = (found["TargetHealth"]["State"], found["TargetHealth"].get("Reason"))
    equal(health, ("unused", "Target.NotRegistered"), "state and reason")


@behaviour("RegisterTargets answers TargetGroupNotFound for a group that never was", API + "RegisterTargets.html")
def _(aws):
    request = {"TargetGroupArn": never(aws, "targetgroup"), "Targets": [{"Id": "10.0.0.10"}]}
    refuses("TargetGroupNotFound", aws.elbv2.register_targets, status=400, **request)


@behaviour(
    "RegisterTargets refuses an instance in a group of addresses with InvalidTarget", API + "RegisterTargets.html"
)
def _(aws):
    request = {"TargetGroupArn": group(aws), "Targets": [{"Id": "i-0123456789abcdef0"}]}
    refuses(("InvalidTarget", "ValidationError"), aws.elbv2.register_targets, **request)


@behaviour("DeregisterTargets succeeds for a target that is not registered", API + "DeregisterTargets.html")
def _(aws):
    aws.elbv2.deregister_targets(TargetGroupArn=group(aws), Targets=[{"Id": "10.0.0.10"}])


@behaviour("A load balancer of one account is not there in another", API + "DescribeLoadBalancers.html")
def _(aws):
    balancer(aws)
    expect(not aws.sibling.elbv2.describe_load_balancers()["LoadBalancers"], "lists it there")
