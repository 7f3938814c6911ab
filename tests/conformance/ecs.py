"""Elastic Container Service: services."""

from .behaviours import behaviour, equal, expect, refuses
from .cloud import OTHER_REGION, until

API = "AmazonECS/latest/APIReference/API_"
CLUSTER = "shop"


def family(aws, name="web", **more):
    container = {"name": "web", "image": "example/web:1", "memory": 128, "portMappings": [{"containerPort": 8080}]}
    made = aws.ecs.register_task_definition(family=name, containerDefinitions=[container], **more)
    return made["taskDefinition"]["taskDefinitionArn"]


def cluster(aws):
    aws.ecs.create_cluster(clusterName=CLUSTER)
    return family(aws)


def service(aws, name="web", **more):
    request = {"cluster": CLUSTER, "serviceName": name, "taskDefinition": "web", "desiredCount": 1, **more}
    return aws.ecs.create_service(**request)["service"]


def running(aws):
    """A service with two tasks that run, so that there is something to stop."""
    subnets, _ = aws.subnets()
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": aws.security_groups()}}
    aws.ecs.create_cluster(clusterName=CLUSTER)
    family(aws, requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512")
    made = service(aws, desiredCount=2, launchType="FARGATE", networkConfiguration=network)
    until(lambda: described(aws, "web")[0][0]["runningCount"] == 2, "runningCount never reaches desiredCount")
    return made


def services(aws, count):
    cluster(aws)
    return {service(aws, f"web-{number:03}", desiredCount=0)["serviceArn"] for number in range(count)}


def described(aws, *names, **more):
    answer = aws.ecs.describe_services(cluster=CLUSTER, services=list(names), **more)
    return answer["services"], answer["failures"]


def deleted(aws, name="web"):
    return aws.ecs.delete_service(cluster=CLUSTER, service=name, force=True)["service"]


@behaviour("ListServices returns ten services when it is not told how many", API + "ListServices.html")
def _(aws):
    services(aws, 11)
    answer = aws.ecs.list_services(cluster=CLUSTER)
    equal(len(answer["serviceArns"]), 10, "the length of the page")
    expect(answer.get("nextToken"), "no nextToken")


@behaviour("ListServices returns at most 100 services a page", API + "ListServices.html")
def _(aws):
    services(aws, 101)
    answer = aws.ecs.list_services(cluster=CLUSTER, maxResults=100)
    equal(len(answer["serviceArns"]), 100, "the length of the page")


@behaviour("ListServices refuses maxResults 101 with InvalidParameterException", API + "ListServices.html")
def _(aws):
    cluster(aws)
    refuses("InvalidParameterException", aws.ecs.list_services, cluster=CLUSTER, maxResults=101)


@behaviour("ListServices names every service exactly once over its pages", API + "ListServices.html")
def _(aws):
    made = services(aws, 7)
    seen, token = [], {}
    for _ in range(7):
        page = aws.ecs.list_services(cluster=CLUSTER, maxResults=3, **token)
        expect(len(page["serviceArns"]) <= 3, "a page larger than maxResults")
        seen += page["serviceArns"]
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    equal(len(seen), 7, "the number of services on all pages")
    expect(set(seen) == made, "other services than were made")


@behaviour("ListServices gives no nextToken with its last page", API + "ListServices.html")
def _(aws):
    services(aws, 2)
    answer = aws.ecs.list_services(cluster=CLUSTER, maxResults=2)
    expect("nextToken" not in answer, "a nextToken that leads to nothing")


@behaviour("ListServices refuses a token that it never gave with InvalidParameterException", API + "ListServices.html")
def _(aws):
    services(aws, 1)
    refuses("InvalidParameterException", aws.ecs.list_services, cluster=CLUSTER, nextToken="not a token")


@behaviour("ListServices answers ClusterNotFoundException for a cluster that is not there", API + "ListServices.html")
def _(aws):
    refuses("ClusterNotFoundException", aws.ecs.list_services, status=400, cluster="nowhere")


@behaviour("ListServices leaves out a service that is DRAINING or INACTIVE", API + "DeleteService.html")
def _(aws):
    cluster(aws)
    service(aws)
    deleted(aws)
    expect(not aws.ecs.list_services(cluster=CLUSTER)["serviceArns"], "lists it")


@behaviour("ListServices filters by launch type", API + "ListServices.html")
def _(aws):
    cluster(aws)
    service(aws, launchType="EC2")
    expect(not aws.ecs.list_services(cluster=CLUSTER, launchType="FARGATE")["serviceArns"], "lists others too")
    equal(len(aws.ecs.list_services(cluster=CLUSTER, launchType="EC2")["serviceArns"]), 1, "the number of services")


@behaviour("DescribeServices takes ten names", API + "DescribeServices.html")
def _(aws):
    services(aws, 10)
    found, _ = described(aws, *(f"web-{number:03}" for number in range(10)))
    equal(len(found), 10, "the number of services")


@behaviour("DescribeServices refuses an eleventh name with InvalidParameterException", API + "DescribeServices.html")
def _(aws):
    cluster(aws)
    names = [f"web-{number}" for number in range(11)]
    refuses("InvalidParameterException", aws.ecs.describe_services, cluster=CLUSTER, services=names)


@behaviour("DescribeServices refuses an empty list with InvalidParameterException", API + "DescribeServices.html")
def _(aws):
    cluster(aws)
    refuses("InvalidParameterException", aws.ecs.describe_services, cluster=CLUSTER, services=[])


@behaviour("DescribeServices reports a service that never was as MISSING, not as an error", API + "Failure.html")
def _(aws):
    cluster(aws)
    found, failures = described(aws, "never")
    equal(found, [], "the list of services")
    equal([failure.get("reason") for failure in failures], ["MISSING"], "the failures")
    expect(failures[0]["arn"].endswith(f":service/{CLUSTER}/never"), "a failure without the service's ARN")


@behaviour("DescribeServices answers found and missing services together", API + "DescribeServices.html")
def _(aws):
    cluster(aws)
    service(aws)
    found, failures = described(aws, "never", "web")
    equal([each["serviceName"] for each in found], ["web"], "the list of services")
    equal([failure["reason"] for failure in failures], ["MISSING"], "the failures")


@behaviour(
    "DescribeServices answers ClusterNotFoundException for a cluster that is not there", API + "DescribeServices.html"
)
def _(aws):
    refuses("ClusterNotFoundException", aws.ecs.describe_services, status=400, cluster="nowhere", services=["web"])


@behaviour("DescribeServices means the cluster `default` when none is named", API + "DescribeServices.html")
def _(aws):
    cluster(aws)
    service(aws)
    refuses("ClusterNotFoundException", aws.ecs.describe_services, services=["web"])
    aws.ecs.create_cluster()
    answer = aws.ecs.describe_services(services=["web"])
    equal([failure["reason"] for failure in answer["failures"]], ["MISSING"], "the failures")


@behaviour("DescribeServices finds a service by its ARN as by its name", API + "DescribeServices.html")
def _(aws):
    cluster(aws)
    arn = service(aws)["serviceArn"]
    found, _ = described(aws, arn)
    equal([each["serviceName"] for each in found], ["web"], "the list of services")


@behaviour("A service's ARN holds the name of its cluster", "AmazonECS/latest/developerguide/ecs-account-settings.html")
def _(aws):
    cluster(aws)
    arn = service(aws)["serviceArn"]
    expect(arn.endswith(f":{aws.number}:service/{CLUSTER}/web"), "an ARN without it")


@behaviour("DescribeServices shows tags only when it is asked to include TAGS", API + "DescribeServices.html")
def _(aws):
    cluster(aws)
    tags = [{"key": "team", "value": "shop"}]
    service(aws, tags=tags)
    (plain, *_), _ = described(aws, "web")
    expect(not plain.get("tags"), "shows tags unasked")
    (full, *_), _ = described(aws, "web", include=["TAGS"])
    equal(full.get("tags"), tags, "tags")


@behaviour("A service says when it was created", API + "Service.html")
def _(aws):
    cluster(aws)
    service(aws)
    (found, *_), _ = described(aws, "web")
    expect(found.get("createdAt"), "no createdAt")


@behaviour(
    "DeleteService leaves a service with tasks DRAINING, and DescribeServices shows it", API + "DeleteService.html"
)
def _(aws):
    running(aws)
    equal(deleted(aws)["status"], "DRAINING", "the status")
    found, _ = described(aws, "web")
    expect(found, "does not describe it")
    expect(found[0]["status"] in ("DRAINING", "INACTIVE"), f"describes it as {found[0]['status']}")


@behaviour("A deleted service turns INACTIVE and is still described", API + "DeleteService.html")
def _(aws):
    cluster(aws)
    service(aws)
    deleted(aws)
    until(lambda: [each["status"] for each in described(aws, "web")[0]] == ["INACTIVE"], "never described as INACTIVE")


@behaviour("A service created again has the same ARN and a later createdAt", API + "DeleteService.html")
def _(aws):
    cluster(aws)
    first = service(aws)
    deleted(aws)
    until(lambda: all(each["status"] != "DRAINING" for each in described(aws, "web")[0]), "DRAINING for ever")
    second = service(aws)
    expect(second["serviceArn"] == first["serviceArn"], "another ARN")
    expect("createdAt" in second and "createdAt" in first, "no createdAt")
    expect(second["createdAt"] > first["createdAt"], "the same createdAt")


@behaviour("DeleteService refuses a service that is scaled above 0 and not forced", API + "DeleteService.html")
def _(aws):
    cluster(aws)
    service(aws)
    refuses("InvalidParameterException", aws.ecs.delete_service, cluster=CLUSTER, service="web")


@behaviour("DeleteService answers ServiceNotFoundException for a service that never was", API + "DeleteService.html")
def _(aws):
    cluster(aws)
    refuses("ServiceNotFoundException", aws.ecs.delete_service, status=400, cluster=CLUSTER, service="never")


@behaviour("UpdateService answers ServiceNotFoundException for a service that never was", API + "UpdateService.html")
def _(aws):
    cluster(aws)
    refuses("ServiceNotFoundException", aws.ecs.update_service, cluster=CLUSTER, service="never", desiredCount=2)


@behaviour("UpdateService answers ServiceNotActiveException for a deleted service", API + "UpdateService.html")
def _(aws):
    cluster(aws)
    service(aws)
    deleted(aws)
    refuses("ServiceNotActiveException", aws.ecs.update_service, cluster=CLUSTER, service="web", desiredCount=2)


@behaviour("UpdateService with another revision starts a deployment beside the old one", API + "UpdateService.html")
def _(aws):
    running(aws)
    newer = family(aws, requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512")
    aws.ecs.update_service(cluster=CLUSTER, service="web", taskDefinition=newer)
    (found, *_), _ = described(aws, "web")
    expect(found["taskDefinition"] == newer, "the old taskDefinition")
    equal([each["status"] for each in found["deployments"]], ["PRIMARY", "ACTIVE"], "the deployments")
    expect(found["deployments"][0]["taskDefinition"] == newer, "a PRIMARY deployment of the old revision")


@behaviour("UpdateService with another desiredCount starts no deployment", API + "UpdateService.html")
def _(aws):
    cluster(aws)
    before = service(aws)["deployments"][0]["id"]
    after = aws.ecs.update_service(cluster=CLUSTER, service="web", desiredCount=3)["service"]
    equal(after["desiredCount"], 3, "desiredCount")
    expect([each["id"] for each in after["deployments"]] == [before], "another deployment")


@behaviour("runningCount reaches desiredCount", API + "Service.html")
def _(aws):
    running(aws)


@behaviour(
    "CreateService refuses the name of an ACTIVE service with InvalidParameterException", API + "DeleteService.html"
)
def _(aws):
    cluster(aws)
    service(aws)
    refuses("InvalidParameterException", service, aws=aws, desiredCount=2)


@behaviour(
    "CreateService refuses the name of a DRAINING service with InvalidParameterException", API + "DeleteService.html"
)
def _(aws):
    running(aws)
    equal(deleted(aws)["status"], "DRAINING", "the status")
    refuses("InvalidParameterException", service, aws=aws)


@behaviour("CreateService answers ClusterNotFoundException for a cluster that is not there", API + "CreateService.html")
def _(aws):
    family(aws)
    refuses("ClusterNotFoundException", service, aws=aws)


@behaviour("CreateService refuses a task definition that never was with ClientException", API + "CreateService.html")
def _(aws):
    cluster(aws)
    refuses("ClientException", service, aws=aws, taskDefinition="never:1")


@behaviour("CreateService refuses an INACTIVE task definition", API + "DeregisterTaskDefinition.html")
def _(aws):
    arn = cluster(aws)
    aws.ecs.deregister_task_definition(taskDefinition=arn)
    refuses(("ClientException", "InvalidParameterException"), service, aws=aws, taskDefinition=arn)


@behaviour("CreateService needs a desiredCount for a REPLICA service", API + "CreateService.html")
def _(aws):
    cluster(aws)
    request = {"cluster": CLUSTER, "serviceName": "web", "taskDefinition": "web"}
    refuses("InvalidParameterException", aws.ecs.create_service, **request)


@behaviour("CreateService runs the newest ACTIVE revision when none is named", API + "CreateService.html")
def _(aws):
    cluster(aws)
    second = family(aws)
    aws.ecs.deregister_task_definition(taskDefinition=family(aws))
    expect(service(aws)["taskDefinition"] == second, "another revision")


@behaviour("A cluster of one region is not there in another", API + "DescribeClusters.html")
def _(aws):
    cluster(aws)
    expect(not aws.client("ecs", OTHER_REGION).list_clusters()["clusterArns"], "lists it there")


@behaviour("A cluster of one account is not there in another", API + "ListClusters.html")
def _(aws):
    cluster(aws)
    expect(not aws.sibling.ecs.list_clusters()["clusterArns"], "lists it there")
