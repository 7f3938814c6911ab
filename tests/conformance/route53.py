"""Route 53: hosted zones and record sets."""

from .behaviours import behaviour, equal, expect, refuses
from .cloud import until

API = "Route53/latest/APIReference/API_"
CHANGE = API + "ChangeResourceRecordSets.html"
LIST = API + "ListResourceRecordSets.html"
NAMES = "Route53/latest/DeveloperGuide/DomainNameFormat.html"
QUOTAS = "Route53/latest/DeveloperGuide/DNSLimitations.html"


def zone(aws, name="example.com", reference="first"):
    made = aws.route53.create_hosted_zone(Name=name, CallerReference=reference)
    return made["HostedZone"]["Id"].removeprefix("/hostedzone/")


def plain(name, kind="A", values=("192.0.2.1",), ttl=300, **more):
    return {
        "Name": name,
        "Type": kind,
        "TTL": ttl,
        "ResourceRecords": [{"Value": value} for value in values],
        **more,
    }


def weighted(name, identifier, weight, **more):
    return plain(name, SetIdentifier=identifier, Weight=weight, **more)


def alias(name, target, zone_id="Z32O12XQLNTSW2", health=False):
    target = {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": health}
    return {"Name": name, "Type": "A", "AliasTarget": target}


def change(aws, zone_id, *changes):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return aws.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


def create(aws, zone_id, *records):
    return change(aws, zone_id, *(("CREATE", record) for record in records))


def not_accepted(aws, zone_id, *changes, codes="InvalidChangeBatch"):
    return refuses(codes, lambda: change(aws, zone_id, *changes), status=400)


def records(aws, zone_id, **more):
    return aws.route53.list_resource_record_sets(HostedZoneId=zone_id, **more)["ResourceRecordSets"]


def own(aws, zone_id):
    """The record sets beside the zone's own NS and SOA."""
    return [record for record in records(aws, zone_id) if record["Type"] not in ("NS", "SOA")]


def many(aws, zone_id, count):
    for start in range(0, count, 100):
        names = range(start, min(start + 100, count))
        create(aws, zone_id, *(plain(f"r{number:04}.example.com") for number in names))


@behaviour("A record's name comes back in lower case with a trailing dot", NAMES)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("WWW.Example.COM"))
    equal(own(aws, at)[0]["Name"], "www.example.com.", "the name")


@behaviour("The asterisk of a wildcard comes back as \\052", NAMES)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("*.example.com"))
    equal(own(aws, at)[0]["Name"], "\\052.example.com.", "the name")


@behaviour("A zone's name comes back with a trailing dot", API + "HostedZone.html")
def _(aws):
    equal(aws.route53.get_hosted_zone(Id=zone(aws))["HostedZone"]["Name"], "example.com.", "the name")


@behaviour("A new zone holds its own NS and SOA, and counts them", API + "CreateHostedZone.html")
def _(aws):
    at = zone(aws)
    equal(sorted(record["Type"] for record in records(aws, at)), ["NS", "SOA"], "the types")
    equal(aws.route53.get_hosted_zone(Id=at)["HostedZone"].get("ResourceRecordSetCount"), 2, "the count")


@behaviour("ResourceRecordSetCount follows every change", API + "HostedZone.html")
def _(aws):
    at = zone(aws)

    def count():
        return aws.route53.get_hosted_zone(Id=at)["HostedZone"].get("ResourceRecordSetCount")

    create(aws, at, weighted("www.example.com", "a", 1), weighted("www.example.com", "b", 1))
    equal(count(), 4, "the count after two creations")
    change(aws, at, ("DELETE", weighted("www.example.com", "a", 1)))
    equal(count(), 3, "the count after a deletion")


@behaviour("ListResourceRecordSets returns at most 300 records a page", LIST)
def _(aws):
    at = zone(aws)
    many(aws, at, 301)
    answer = aws.route53.list_resource_record_sets(HostedZoneId=at, MaxItems="1000")
    equal(len(answer["ResourceRecordSets"]), 300, "the length of the page")
    equal(answer["IsTruncated"], True, "IsTruncated")


@behaviour("A truncated page of records names the first record of the next one", LIST)
def _(aws):
    at = zone(aws)
    many(aws, at, 3)
    answer = aws.route53.list_resource_record_sets(HostedZoneId=at, MaxItems="3")
    equal(answer["IsTruncated"], True, "IsTruncated")
    equal((answer.get("NextRecordName"), answer.get("NextRecordType")), ("r0001.example.com.", "A"), "the next record")


@behaviour("A page that ends between weighted records names the next identifier", LIST)
def _(aws):
    at = zone(aws)
    create(aws, at, weighted("www.example.com", "a", 1), weighted("www.example.com", "b", 1))
    answer = aws.route53.list_resource_record_sets(HostedZoneId=at, MaxItems="3")
    equal(answer.get("NextRecordIdentifier"), "b", "NextRecordIdentifier")
    rest = records(aws, at, StartRecordName="www.example.com", StartRecordType="A", StartRecordIdentifier="b")
    equal([record.get("SetIdentifier") for record in rest], ["b"], "the rest")


@behaviour("The pages of a zone hold every record exactly once", LIST)
def _(aws):
    at = zone(aws)
    many(aws, at, 7)
    seen, start = [], {}
    for _ in range(9):
        page = aws.route53.list_resource_record_sets(HostedZoneId=at, MaxItems="2", **start)
        expect(len(page["ResourceRecordSets"]) <= 2, "a page larger than MaxItems")
        seen += [(record["Name"], record["Type"]) for record in page["ResourceRecordSets"]]
        if not page["IsTruncated"]:
            break
        start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
    equal((len(seen), len(set(seen))), (9, 9), "records, and different ones,")


@behaviour("The last page of records is not truncated and names no next record", LIST)
def _(aws):
    answer = aws.route53.list_resource_record_sets(HostedZoneId=zone(aws))
    equal((answer["IsTruncated"], answer.get("NextRecordName")), (False, None), "IsTruncated and NextRecordName")


@behaviour("Records are sorted by their name with its labels reversed", LIST)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("b.example.com"), plain("a.b.example.com"), plain("c.example.com"), plain("z.a.example.com"))
    names = [record["Name"].removesuffix(".example.com.") for record in own(aws, at)]
    equal(names, ["z.a", "b", "a.b", "c"], "the order")


@behaviour("ListResourceRecordSets begins with the first name at or behind the one it is given", LIST)
def _(aws):
    at = zone(aws)
    many(aws, at, 3)
    names = [record["Name"] for record in records(aws, at, StartRecordName="r0000x.example.com")]
    equal(names, ["r0001.example.com.", "r0002.example.com."], "the names")


@behaviour("ListResourceRecordSets refuses a type without a name with InvalidInput", LIST)
def _(aws):
    at = zone(aws)
    refuses("InvalidInput", aws.route53.list_resource_record_sets, status=400, HostedZoneId=at, StartRecordType="A")


@behaviour("ListResourceRecordSets answers NoSuchHostedZone, 404, for a zone that never was", LIST)
def _(aws):
    refuses("NoSuchHostedZone", aws.route53.list_resource_record_sets, status=404, HostedZoneId="Z0NEVERWAS")


@behaviour("ChangeResourceRecordSets answers NoSuchHostedZone, 404, for a zone that never was", CHANGE)
def _(aws):
    refuses("NoSuchHostedZone", lambda: create(aws, "Z0NEVERWAS", plain("www.example.com")), status=404)


@behaviour("GetHostedZone answers NoSuchHostedZone, 404, for a zone that never was", API + "GetHostedZone.html")
def _(aws):
    refuses("NoSuchHostedZone", aws.route53.get_hosted_zone, status=404, Id="Z0NEVERWAS")


@behaviour("CREATE refuses a record that is there with InvalidChangeBatch", CHANGE)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com"))
    not_accepted(aws, at, ("CREATE", plain("www.example.com")))


@behaviour("UPSERT makes a record and replaces one", CHANGE)
def _(aws):
    at = zone(aws)
    change(aws, at, ("UPSERT", plain("www.example.com", ttl=60)))
    change(aws, at, ("UPSERT", plain("www.example.com", ttl=120)))
    equal([record["TTL"] for record in own(aws, at)], [120], "the TTLs")


@behaviour("DELETE refuses a record that is not there with InvalidChangeBatch", CHANGE)
def _(aws):
    not_accepted(aws, zone(aws), ("DELETE", plain("www.example.com")))


def repeated_wrongly(aws, there, repeated):
    at = zone(aws)
    create(aws, at, there)
    not_accepted(aws, at, ("DELETE", repeated))
    equal(len(own(aws, at)), 1, "the number of records left")


@behaviour("DELETE refuses another TTL than the record has with InvalidChangeBatch", CHANGE)
def _(aws):
    repeated_wrongly(aws, plain("www.example.com", ttl=300), plain("www.example.com", ttl=60))


@behaviour("DELETE refuses another value than the record has with InvalidChangeBatch", CHANGE)
def _(aws):
    repeated_wrongly(aws, plain("www.example.com"), plain("www.example.com", values=["192.0.2.9"]))


@behaviour("DELETE refuses a part of the record's values with InvalidChangeBatch", CHANGE)
def _(aws):
    both = plain("www.example.com", values=["192.0.2.1", "192.0.2.2"])
    repeated_wrongly(aws, both, plain("www.example.com", values=["192.0.2.1"]))


@behaviour("DELETE refuses another weight than the record has with InvalidChangeBatch", CHANGE)
def _(aws):
    repeated_wrongly(aws, weighted("www.example.com", "a", 10), weighted("www.example.com", "a", 20))


@behaviour("DELETE refuses another set identifier than the record has with InvalidChangeBatch", CHANGE)
def _(aws):
    repeated_wrongly(aws, weighted("www.example.com", "a", 10), weighted("www.example.com", "b", 10))


@behaviour("DELETE refuses another alias target than the record has with InvalidChangeBatch", CHANGE)
def _(aws):
    there, repeated = (alias("www.example.com", f"lb-{n}.eu-west-1.elb.amazonaws.com") for n in (1, 2))
    repeated_wrongly(aws, there, repeated)


@behaviour("DELETE refuses another EvaluateTargetHealth than the record has with InvalidChangeBatch", CHANGE)
def _(aws):
    there, repeated = (alias("www.example.com", "lb.eu-west-1.elb.amazonaws.com", health=n) for n in (True, False))
    repeated_wrongly(aws, there, repeated)


@behaviour("DELETE takes the exact record, whatever the case and the trailing dot of its name", CHANGE)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com"))
    change(aws, at, ("DELETE", plain("WWW.example.com.")))
    equal(own(aws, at), [], "what is left")


@behaviour("DELETE takes the record's values in any order", CHANGE)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com", values=["192.0.2.1", "192.0.2.2"]))
    change(aws, at, ("DELETE", plain("www.example.com", values=["192.0.2.2", "192.0.2.1"])))
    equal(own(aws, at), [], "what is left")


@behaviour("A batch with one refused change changes nothing", CHANGE)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("old.example.com"))
    bad = ("DELETE", plain("never.example.com"))
    not_accepted(aws, at, ("CREATE", plain("new.example.com")), ("DELETE", plain("old.example.com")), bad)
    equal([record["Name"] for record in own(aws, at)], ["old.example.com."], "the zone afterwards")


@behaviour("A record can be deleted and created anew in one batch", CHANGE)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com", "CNAME", ["old.example.net"]))
    change(
        aws,
        at,
        ("DELETE", plain("www.example.com", "CNAME", ["old.example.net"])),
        ("CREATE", alias("www.example.com", "lb.eu-west-1.elb.amazonaws.com")),
    )
    equal([record["Type"] for record in own(aws, at)], ["A"], "the types")


@behaviour(
    "A refused batch is an ErrorResponse whose message names every problem",
    "https://github.com/awslabs/aws-sdk-kotlin/issues/1433",
)
def _(aws):
    at = zone(aws)
    bodies = []
    aws.route53.meta.events.register("before-parse", lambda response_dict, **_: bodies.append(response_dict["body"]))
    missing = [("DELETE", plain(f"never{number}.example.com")) for number in (1, 2)]
    message = not_accepted(aws, at, *missing)["Error"]["Message"]
    expect("never1.example.com" in message and "never2.example.com" in message, "a message that names not both")
    expect(b"<ErrorResponse" in bodies[-1], "another document")


@behaviour("A batch of more than 1,000 values is refused with InvalidChangeBatch", QUOTAS)
def _(aws):
    values = [f"10.{number // 256}.{number % 256}.1" for number in range(1001)]
    halves = [("CREATE", plain(f"r{n}.example.com", values=values[n * 300 : n * 300 + 300])) for n in range(4)]
    not_accepted(aws, zone(aws), *halves)


@behaviour("The values of an UPSERT count twice", QUOTAS)
def _(aws):
    at = zone(aws)
    changes = [("UPSERT", plain(f"r{number}.example.com")) for number in range(501)]
    not_accepted(aws, at, *changes)
    change(aws, at, *changes[:500])


@behaviour("A batch of more than 32,000 characters of values is refused with InvalidChangeBatch", QUOTAS)
def _(aws):
    long = ['"' + "x" * 250 + '"']
    changes = [("CREATE", plain(f"r{number}.example.com", "TXT", long)) for number in range(130)]
    not_accepted(aws, zone(aws), *changes)


@behaviour("An empty batch is refused", CHANGE)
def _(aws):
    not_accepted(aws, zone(aws), codes=("InvalidInput", "InvalidChangeBatch", "MalformedInput"))


@behaviour(
    "A CNAME does not live beside another record of its name", "Route53/latest/DeveloperGuide/ResourceRecordTypes.html"
)
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com"))
    not_accepted(aws, at, ("CREATE", plain("www.example.com", "CNAME", ["a.example.net"])))


@behaviour("A CNAME is refused at the apex of its zone", "Route53/latest/DeveloperGuide/ResourceRecordTypes.html")
def _(aws):
    not_accepted(aws, zone(aws), ("CREATE", plain("example.com", "CNAME", ["a.example.net"])))


@behaviour("A weighted record does not live beside a simple one of its name and type", API + "ResourceRecordSet.html")
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com"))
    not_accepted(aws, at, ("CREATE", weighted("www.example.com", "a", 10)))


@behaviour("A weight without a set identifier is refused with InvalidInput", API + "ResourceRecordSet.html")
def _(aws):
    not_accepted(aws, zone(aws), ("CREATE", plain("www.example.com", Weight=10)), codes="InvalidInput")


@behaviour("A weight above 255 is refused", API + "ResourceRecordSet.html")
def _(aws):
    bad = ("CREATE", weighted("www.example.com", "a", 256))
    not_accepted(aws, zone(aws), bad, codes=("InvalidInput", "InvalidChangeBatch"))


@behaviour("A record outside of its zone is refused with InvalidChangeBatch", CHANGE)
def _(aws):
    not_accepted(aws, zone(aws), ("CREATE", plain("www.example.org")))


@behaviour(
    "An A record with what is no IPv4 address is refused with InvalidChangeBatch",
    "Route53/latest/DeveloperGuide/ResourceRecordTypes.html",
)
def _(aws):
    not_accepted(aws, zone(aws), ("CREATE", plain("www.example.com", values=["192.0.2.256"])))


@behaviour(
    "A TXT value without quotation marks is refused with InvalidChangeBatch",
    "Route53/latest/DeveloperGuide/ResourceRecordTypes.html",
)
def _(aws):
    not_accepted(aws, zone(aws), ("CREATE", plain("www.example.com", "TXT", ["bare"])))


@behaviour("An alias with a TTL is refused with InvalidInput", API + "AliasTarget.html")
def _(aws):
    record = {**alias("www.example.com", "lb.eu-west-1.elb.amazonaws.com"), "TTL": 60}
    not_accepted(aws, zone(aws), ("CREATE", record), codes="InvalidInput")


@behaviour("An alias comes back without TTL and values, its target with a trailing dot", API + "AliasTarget.html")
def _(aws):
    at = zone(aws)
    create(aws, at, alias("www.example.com", "LB.eu-west-1.elb.amazonaws.com"))
    (record,) = own(aws, at)
    expect("TTL" not in record and not record.get("ResourceRecords"), "a TTL or values")
    equal(record["AliasTarget"]["DNSName"], "lb.eu-west-1.elb.amazonaws.com.", "the target")


@behaviour("A record with a health check that never was is refused with NoSuchHealthCheck", CHANGE)
def _(aws):
    record = plain("www.example.com", HealthCheckId="00000000-0000-0000-0000-000000000000")
    refuses("NoSuchHealthCheck", lambda: create(aws, zone(aws), record), status=404)


@behaviour("The zone's own SOA cannot be deleted", "Route53/latest/DeveloperGuide/SOA-NSrecords.html")
def _(aws):
    at = zone(aws)
    (soa,) = [record for record in records(aws, at) if record["Type"] == "SOA"]
    not_accepted(aws, at, ("DELETE", soa))


@behaviour("DeleteHostedZone refuses a zone with records with HostedZoneNotEmpty", API + "DeleteHostedZone.html")
def _(aws):
    at = zone(aws)
    create(aws, at, plain("www.example.com"))
    refuses("HostedZoneNotEmpty", aws.route53.delete_hosted_zone, status=400, Id=at)


@behaviour(
    "CreateHostedZone refuses a caller reference a second time with HostedZoneAlreadyExists",
    API + "CreateHostedZone.html",
)
def _(aws):
    zone(aws)
    refuses("HostedZoneAlreadyExists", zone, status=409, aws=aws)


@behaviour("Two zones may have one name", API + "CreateHostedZone.html")
def _(aws):
    expect(zone(aws) != zone(aws, reference="second"), "one zone")


@behaviour(
    "ListHostedZones pages by MaxItems and Marker, and the marker is the next zone's id", API + "ListHostedZones.html"
)
def _(aws):
    made = {zone(aws, f"{name}.example", name) for name in ("a", "b", "c")}
    first = aws.route53.list_hosted_zones(MaxItems="2")
    equal((len(first["HostedZones"]), first["IsTruncated"]), (2, True), "the page and IsTruncated")
    second = aws.route53.list_hosted_zones(MaxItems="2", Marker=first["NextMarker"])
    equal((len(second["HostedZones"]), second["IsTruncated"]), (1, False), "the last page and IsTruncated")
    expect(second["HostedZones"][0]["Id"] == f"/hostedzone/{first['NextMarker']}", "another zone than the marker's")
    seen = {each["Id"].removeprefix("/hostedzone/") for each in first["HostedZones"] + second["HostedZones"]}
    expect(seen == made, "other zones than were made")


@behaviour("ListHostedZones returns at most 100 zones a page", API + "ListHostedZones.html")
def _(aws):
    for number in range(101):
        zone(aws, f"zone{number}.example", str(number))
    answer = aws.route53.list_hosted_zones()
    equal((len(answer["HostedZones"]), answer["IsTruncated"]), (100, True), "the page and IsTruncated")


@behaviour(
    "ListHostedZonesByName sorts by reversed labels and begins where it is told", API + "ListHostedZonesByName.html"
)
def _(aws):
    for name in ("example.com", "a.example.net", "b.example.com", "example.net"):
        zone(aws, name, name)
    found = aws.route53.list_hosted_zones_by_name(DNSName="b.example.com")["HostedZones"]
    equal([each["Name"] for each in found], ["b.example.com.", "example.net.", "a.example.net."], "the zones")


@behaviour("A change is PENDING first and INSYNC later", API + "GetChange.html")
def _(aws):
    info = create(aws, zone(aws), plain("www.example.com"))["ChangeInfo"]
    equal(info["Status"], "PENDING", "the first status")
    until(lambda: aws.route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC", "never INSYNC")


@behaviour("GetChange answers NoSuchChange, 404, for a change that never was", API + "GetChange.html")
def _(aws):
    refuses("NoSuchChange", aws.route53.get_change, status=404, Id="C0NEVERWAS")


@behaviour("A zone of one account is not listed in another", API + "ListHostedZones.html")
def _(aws):
    zone(aws)
    expect(not aws.sibling.route53.list_hosted_zones()["HostedZones"], "lists it there")
