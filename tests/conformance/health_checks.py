"""Route 53: health checks, and the tags of what it has."""

from .behaviours import behaviour, equal, expect, refuses
from .route53 import API, create, own, plain, zone

NEVER = "00000000-0000-0000-0000-000000000000"


def made(aws, reference="first", path="/health", **more):
    config = {"Type": "HTTPS", "FullyQualifiedDomainName": "www.example.com", "ResourcePath": path, **more}
    return aws.route53.create_health_check(CallerReference=reference, HealthCheckConfig=config)["HealthCheck"]


@behaviour(
    "CreateHealthCheck answers the check that it made before for the same reference and settings",
    API + "CreateHealthCheck.html",
)
def _(aws):
    expect(made(aws)["Id"] == made(aws)["Id"], "a second check")


@behaviour(
    "CreateHealthCheck refuses a reference with other settings with HealthCheckAlreadyExists",
    API + "CreateHealthCheck.html",
)
def _(aws):
    made(aws)
    refuses("HealthCheckAlreadyExists", made, status=409, aws=aws, path="/other")


@behaviour(
    "CreateHealthCheck refuses the reference of a deleted check with HealthCheckAlreadyExists",
    API + "CreateHealthCheck.html",
)
def _(aws):
    aws.route53.delete_health_check(HealthCheckId=made(aws)["Id"])
    refuses("HealthCheckAlreadyExists", made, status=409, aws=aws)


@behaviour("CreateHealthCheck needs a domain name or an address for an endpoint", API + "HealthCheckConfig.html")
def _(aws):
    config = {"Type": "HTTPS", "Port": 443}
    refuses("InvalidInput", aws.route53.create_health_check, CallerReference="first", HealthCheckConfig=config)


@behaviour("A health check comes back with the defaults that were left out", API + "HealthCheckConfig.html")
def _(aws):
    config = aws.route53.get_health_check(HealthCheckId=made(aws)["Id"])["HealthCheck"]["HealthCheckConfig"]
    found = tuple(config.get(member) for member in ("Port", "RequestInterval", "FailureThreshold"))
    equal(found, (443, 30, 3), "port, interval and threshold")


@behaviour("DeleteHealthCheck does not refuse a check that a record uses", API + "DeleteHealthCheck.html")
def _(aws):
    at, check = zone(aws), made(aws)["Id"]
    create(aws, at, plain("www.example.com", HealthCheckId=check))
    aws.route53.delete_health_check(HealthCheckId=check)
    expect(own(aws, at)[0].get("HealthCheckId") == check, "changes the record")


@behaviour(
    "DeleteHealthCheck answers NoSuchHealthCheck, 404, for a check that never was", API + "DeleteHealthCheck.html"
)
def _(aws):
    refuses("NoSuchHealthCheck", aws.route53.delete_health_check, status=404, HealthCheckId=NEVER)


@behaviour("GetHealthCheck answers NoSuchHealthCheck, 404, for a check that never was", API + "GetHealthCheck.html")
def _(aws):
    refuses("NoSuchHealthCheck", aws.route53.get_health_check, status=404, HealthCheckId=NEVER)


@behaviour("GetHealthCheckCount counts every creation and deletion", API + "GetHealthCheckCount.html")
def _(aws):
    first = made(aws)["Id"]
    made(aws, "second")
    equal(aws.route53.get_health_check_count()["HealthCheckCount"], 2, "the count after two creations")
    aws.route53.delete_health_check(HealthCheckId=first)
    equal(aws.route53.get_health_check_count()["HealthCheckCount"], 1, "the count after a deletion")


@behaviour(
    "ListHealthChecks pages by MaxItems and Marker, and the marker is the next check's id",
    API + "ListHealthChecks.html",
)
def _(aws):
    ids = {made(aws, str(number))["Id"] for number in range(3)}
    first = aws.route53.list_health_checks(MaxItems="2")
    equal((len(first["HealthChecks"]), first["IsTruncated"]), (2, True), "the page and IsTruncated")
    second = aws.route53.list_health_checks(MaxItems="2", Marker=first["NextMarker"])
    equal((len(second["HealthChecks"]), second["IsTruncated"]), (1, False), "the last page and IsTruncated")
    expect(second["HealthChecks"][0]["Id"] == first["NextMarker"], "another check than the marker's")
    expect({each["Id"] for each in first["HealthChecks"] + second["HealthChecks"]} == ids, "other checks")


@behaviour("101 health checks take a second page at MaxItems 100", API + "ListHealthChecks.html")
def _(aws):
    for number in range(101):
        made(aws, str(number))
    answer = aws.route53.list_health_checks(MaxItems="100")
    equal((len(answer["HealthChecks"]), answer["IsTruncated"]), (100, True), "the page and IsTruncated")


@behaviour("HealthCheckVersion is 1 at creation and grows with every update", API + "UpdateHealthCheck.html")
def _(aws):
    check = made(aws)
    equal(check["HealthCheckVersion"], 1, "the first version")
    for version in (2, 3):
        updated = aws.route53.update_health_check(HealthCheckId=check["Id"], Port=8000 + version)["HealthCheck"]
        equal(updated["HealthCheckVersion"], version, "the version after an update")


@behaviour(
    "UpdateHealthCheck refuses a version that has passed with HealthCheckVersionMismatch",
    API + "UpdateHealthCheck.html",
)
def _(aws):
    check = made(aws)["Id"]
    aws.route53.update_health_check(HealthCheckId=check, HealthCheckVersion=1, Port=8443)
    request = {"HealthCheckId": check, "HealthCheckVersion": 1, "Port": 9443}
    refuses("HealthCheckVersionMismatch", aws.route53.update_health_check, status=409, **request)
    config = aws.route53.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    equal(config["Port"], 8443, "the port afterwards")


@behaviour("UpdateHealthCheck changes what it names and nothing else", API + "UpdateHealthCheck.html")
def _(aws):
    check = made(aws)["Id"]
    aws.route53.update_health_check(HealthCheckId=check, Port=8443)
    config = aws.route53.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    equal((config["Port"], config["ResourcePath"]), (8443, "/health"), "port and path")


@behaviour(
    "UpdateHealthCheck answers NoSuchHealthCheck, 404, for a check that never was", API + "UpdateHealthCheck.html"
)
def _(aws):
    refuses("NoSuchHealthCheck", aws.route53.update_health_check, status=404, HealthCheckId=NEVER, Port=80)


@behaviour("GetHealthCheckStatus tells what each checker finds", API + "GetHealthCheckStatus.html")
def _(aws):
    found = aws.route53.get_health_check_status(HealthCheckId=made(aws)["Id"])["HealthCheckObservations"]
    expect(found, "no observations")
    expect(all(each["Region"] and each["StatusReport"]["Status"] for each in found), "observations without a status")


@behaviour("ListTagsForResources takes ten ids", API + "ListTagsForResources.html")
def _(aws):
    ids = [made(aws, str(number))["Id"] for number in range(10)]
    found = aws.route53.list_tags_for_resources(ResourceType="healthcheck", ResourceIds=ids)["ResourceTagSets"]
    equal(len(found), 10, "the number of tag sets")


@behaviour("ListTagsForResources refuses an eleventh id with InvalidInput", API + "ListTagsForResources.html")
def _(aws):
    ids = [made(aws, str(number))["Id"] for number in range(11)]
    request = {"ResourceType": "healthcheck", "ResourceIds": ids}
    refuses("InvalidInput", aws.route53.list_tags_for_resources, status=400, **request)


@behaviour(
    "ListTagsForResources answers NoSuchHealthCheck, 404, if one id never was", API + "ListTagsForResources.html"
)
def _(aws):
    request = {"ResourceType": "healthcheck", "ResourceIds": [made(aws)["Id"], NEVER]}
    refuses("NoSuchHealthCheck", aws.route53.list_tags_for_resources, status=404, **request)


@behaviour(
    "ListTagsForResource shows what ChangeTagsForResource has added and removed", API + "ChangeTagsForResource.html"
)
def _(aws):
    resource = {"ResourceType": "healthcheck", "ResourceId": made(aws)["Id"]}
    tags = [{"Key": "Name", "Value": "web"}, {"Key": "team", "Value": "shop"}]
    aws.route53.change_tags_for_resource(**resource, AddTags=tags)
    aws.route53.change_tags_for_resource(**resource, RemoveTagKeys=["team"])
    found = aws.route53.list_tags_for_resource(**resource)["ResourceTagSet"]["Tags"]
    equal(found, [{"Key": "Name", "Value": "web"}], "the tags")


@behaviour("ChangeTagsForResource refuses more than ten tags with InvalidInput", API + "ChangeTagsForResource.html")
def _(aws):
    tags = [{"Key": f"key{number}", "Value": "v"} for number in range(11)]
    request = {"ResourceType": "healthcheck", "ResourceId": made(aws)["Id"], "AddTags": tags}
    refuses("InvalidInput", aws.route53.change_tags_for_resource, **request)
