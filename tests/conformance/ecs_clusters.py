"""Elastic Container Service: clusters and task definitions."""

from .behaviours import behaviour, equal, expect, refuses
from .ecs import API, CLUSTER, cluster, deleted, family, service


@behaviour("CreateCluster answers the same cluster when it is asked again", API + "CreateCluster.html")
def _(aws):
    first = aws.ecs.create_cluster(clusterName=CLUSTER)["cluster"]
    again = aws.ecs.create_cluster(clusterName=CLUSTER)["cluster"]
    expect(again["clusterArn"] == first["clusterArn"], "another cluster")
    equal(len(aws.ecs.list_clusters()["clusterArns"]), 1, "the number of clusters")


@behaviour("DescribeClusters reports a cluster that never was as MISSING, not as an error", API + "Failure.html")
def _(aws):
    answer = aws.ecs.describe_clusters(clusters=["never"])
    equal(answer["clusters"], [], "the list of clusters")
    equal([failure["reason"] for failure in answer["failures"]], ["MISSING"], "the failures")


@behaviour("DescribeClusters means the cluster `default` when none is named", API + "DescribeClusters.html")
def _(aws):
    aws.ecs.create_cluster(clusterName=CLUSTER)
    aws.ecs.create_cluster()
    found = aws.ecs.describe_clusters()["clusters"]
    equal([each["clusterName"] for each in found], ["default"], "the list of clusters")


@behaviour("DescribeClusters refuses the 101st name with InvalidParameterException", API + "DescribeClusters.html")
def _(aws):
    names = [f"cluster-{number}" for number in range(101)]
    refuses("InvalidParameterException", aws.ecs.describe_clusters, clusters=names)


@behaviour("DescribeClusters counts ACTIVE services", API + "Cluster.html")
def _(aws):
    cluster(aws)
    service(aws)
    service(aws, "gone")
    deleted(aws, "gone")
    found = aws.ecs.describe_clusters(clusters=[CLUSTER])["clusters"]
    equal(found[0]["activeServicesCount"], 1, "activeServicesCount")


@behaviour(
    "DeleteCluster refuses a cluster with services with ClusterContainsServicesException", API + "DeleteCluster.html"
)
def _(aws):
    cluster(aws)
    service(aws)
    refuses("ClusterContainsServicesException", aws.ecs.delete_cluster, cluster=CLUSTER)


@behaviour("A deleted cluster is INACTIVE and no longer listed", API + "DeleteCluster.html")
def _(aws):
    cluster(aws)
    equal(aws.ecs.delete_cluster(cluster=CLUSTER)["cluster"]["status"], "INACTIVE", "the status")
    expect(not aws.ecs.list_clusters()["clusterArns"], "lists it")


@behaviour("ListServices answers ClusterNotFoundException for an INACTIVE cluster", API + "ListServices.html")
def _(aws):
    cluster(aws)
    aws.ecs.delete_cluster(cluster=CLUSTER)
    refuses("ClusterNotFoundException", aws.ecs.list_services, cluster=CLUSTER)


@behaviour("DeleteCluster answers ClusterNotFoundException for a cluster that never was", API + "DeleteCluster.html")
def _(aws):
    refuses("ClusterNotFoundException", aws.ecs.delete_cluster, cluster="never")


@behaviour("ListClusters pages by maxResults and nextToken", API + "ListClusters.html")
def _(aws):
    for number in range(3):
        aws.ecs.create_cluster(clusterName=f"cluster-{number}")
    first = aws.ecs.list_clusters(maxResults=2)
    equal(len(first["clusterArns"]), 2, "the length of the page")
    second = aws.ecs.list_clusters(maxResults=2, nextToken=first["nextToken"])
    equal(len(second["clusterArns"]), 1, "the length of the second page")


@behaviour("RegisterTaskDefinition gives every registration the next revision", API + "RegisterTaskDefinition.html")
def _(aws):
    revisions = [int(family(aws).rsplit(":", 1)[1]) for _ in range(3)]
    equal(revisions, [1, 2, 3], "the revisions")


@behaviour(
    "A revision is never given out again, not after it is deregistered",
    "AmazonECS/latest/developerguide/deregister-task-definition-v2.html",
)
def _(aws):
    aws.ecs.deregister_task_definition(taskDefinition=family(aws))
    equal(family(aws).rsplit(":", 1)[1], "2", "the next revision")


@behaviour("DescribeTaskDefinition of a family answers its newest ACTIVE revision", API + "DescribeTaskDefinition.html")
def _(aws):
    family(aws)
    second = family(aws)
    aws.ecs.deregister_task_definition(taskDefinition=family(aws))
    found = aws.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    expect(found["taskDefinitionArn"] == second, "another revision")


@behaviour("An INACTIVE revision that a service runs is still described", API + "DescribeTaskDefinition.html")
def _(aws):
    arn = cluster(aws)
    service(aws)
    aws.ecs.deregister_task_definition(taskDefinition=arn)
    found = aws.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    equal(found["status"], "INACTIVE", "the status")
    equal(found["containerDefinitions"][0]["image"], "example/web:1", "the image")


@behaviour(
    "DescribeTaskDefinition refuses a family that never was with ClientException", API + "DescribeTaskDefinition.html"
)
def _(aws):
    refuses("ClientException", aws.ecs.describe_task_definition, status=400, taskDefinition="never")


@behaviour(
    "DescribeTaskDefinition shows tags only when it is asked to include TAGS", API + "DescribeTaskDefinition.html"
)
def _(aws):
    tags = [{"key": "team", "value": "shop"}]
    arn = family(aws, tags=tags)
    expect(not aws.ecs.describe_task_definition(taskDefinition=arn).get("tags"), "shows tags unasked")
    asked = aws.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    equal(asked.get("tags"), tags, "tags")


@behaviour("A container definition comes back with the defaults that were left out", API + "ContainerDefinition.html")
def _(aws):
    container = aws.ecs.describe_task_definition(taskDefinition=family(aws))["taskDefinition"]["containerDefinitions"][
        0
    ]
    equal(container.get("essential"), True, "essential")
    equal(container["portMappings"][0].get("protocol"), "tcp", "protocol")


@behaviour("DeregisterTaskDefinition needs a revision", API + "DeregisterTaskDefinition.html")
def _(aws):
    family(aws)
    refuses("ClientException", aws.ecs.deregister_task_definition, taskDefinition="web")


@behaviour(
    "RegisterTaskDefinition refuses a definition without containers with ClientException",
    API + "RegisterTaskDefinition.html",
)
def _(aws):
    refuses("ClientException", aws.ecs.register_task_definition, family="web", containerDefinitions=[])


@behaviour(
    "ListTaskDefinitions lists ACTIVE revisions only, unless it is asked for INACTIVE ones",
    API + "ListTaskDefinitions.html",
)
def _(aws):
    first, second = family(aws), family(aws)
    aws.ecs.deregister_task_definition(taskDefinition=first)
    expect(aws.ecs.list_task_definitions(familyPrefix="web")["taskDefinitionArns"] == [second], "lists others too")


@behaviour("ListTaskDefinitions sorts revisions by number", API + "ListTaskDefinitions.html")
def _(aws):
    made = [family(aws) for _ in range(11)]
    expect(aws.ecs.list_task_definitions(familyPrefix="web")["taskDefinitionArns"] == made, "another order")
