//! What the simulated Route 53 refuses, page by page and batch by batch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::sim::world::Service;

const ACCOUNT: &str = "444455556666";
const ZONE: &str = "ZEXAMPLE";

fn world() -> World {
    let mut world = World::with_accounts([ACCOUNT]);
    let dns = world.route53.entry(ACCOUNT.to_owned()).or_default();
    dns.put_zone(ZONE, "example.com").unwrap();
    dns.put_record(ZONE, RecordSet::simple("www.example.com", "CNAME", 300, &["lb.example.net"])).unwrap();
    world
}

fn ask_at(world: &mut World, operation: &str, input: Value, second: i64) -> Answer {
    let request = Request::new(Service::Route53, operation, input);
    apply(world, &Caller::root(ACCOUNT, "us-east-1"), &request, Timestamp::from_second(second).unwrap(), 1)
}

fn ask(world: &mut World, operation: &str, input: Value) -> Answer {
    ask_at(world, operation, input, 0)
}

fn change(world: &mut World, changes: &[(&str, Value)]) -> Answer {
    let changes: Vec<Value> =
        changes.iter().map(|(action, record)| json!({"Action": action, "ResourceRecordSet": record})).collect();
    ask(world, "ChangeResourceRecordSets", json!({"HostedZoneId": ZONE, "ChangeBatch": {"Changes": changes}}))
}

fn plain(name: &str, kind: &str, value: &str) -> Value {
    json!({"Name": name, "Type": kind, "TTL": "300", "ResourceRecords": [{"Value": value}]})
}

fn www(world: &World) -> Option<&RecordSet> {
    world.route53.get(ACCOUNT)?.record(ZONE, "www.example.com", "CNAME", None)
}

fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} in {answer}"))
}

fn refused(answer: Answer, code: &str) -> String {
    let error = answer.expect_err("this should be refused");
    assert_eq!(error.code, code, "{}", error.message);
    error.message
}

#[test]
fn a_record_is_deleted_only_when_repeated_exactly() {
    let mut world = world();
    let mut almost = plain("www.example.com.", "CNAME", "lb.example.net");
    almost["TTL"] = json!("60");
    let other_value = plain("www.example.com.", "CNAME", "other.example.net");
    for record in [almost, other_value] {
        let message = refused(change(&mut world, &[("DELETE", record)]), "InvalidChangeBatch");
        assert_eq!(
            message,
            "Tried to delete resource record set [name='www.example.com.', type='CNAME'] but the values provided do \
             not match the current values"
        );
    }
    change(&mut world, &[("DELETE", plain("WWW.example.com", "CNAME", "lb.example.net"))]).unwrap();
    assert_eq!(www(&world), None);
    let message = refused(
        change(&mut world, &[("DELETE", plain("www.example.com", "CNAME", "lb.example.net"))]),
        "InvalidChangeBatch",
    );
    assert!(message.ends_with("but it was not found"), "{message}");
}

#[test]
fn a_weighted_record_with_another_weight_cannot_be_deleted() {
    let mut world = world();
    let mut blue = plain("app.example.com", "A", "192.0.2.1");
    blue["SetIdentifier"] = json!("blue");
    blue["Weight"] = json!("10");
    change(&mut world, &[("CREATE", blue.clone())]).unwrap();
    blue["Weight"] = json!("20");
    let message = refused(change(&mut world, &[("DELETE", blue.clone())]), "InvalidChangeBatch");
    assert!(message.contains("set identifier='blue'") && message.contains("do not match"), "{message}");
    blue["Weight"] = json!("10");
    change(&mut world, &[("DELETE", blue)]).unwrap();
}

#[test]
fn a_batch_with_one_bad_change_changes_nothing() {
    let mut world = world();
    let before = world.route53.get(ACCOUNT).unwrap().records(ZONE).cloned().collect::<Vec<_>>();
    let message = refused(
        change(
            &mut world,
            &[
                ("DELETE", plain("www.example.com", "CNAME", "lb.example.net")),
                ("CREATE", plain("new.example.com", "A", "192.0.2.1")),
                ("DELETE", plain("gone.example.com", "A", "192.0.2.1")),
            ],
        ),
        "InvalidChangeBatch",
    );
    assert!(message.contains("gone.example.com"), "{message}");
    let after = world.route53.get(ACCOUNT).unwrap().records(ZONE).cloned().collect::<Vec<_>>();
    assert_eq!(before, after);
}

#[test]
fn creating_what_exists_is_refused_and_every_problem_is_named() {
    let mut world = world();
    let message = refused(
        change(
            &mut world,
            &[
                ("CREATE", plain("www.example.com", "CNAME", "lb.example.net")),
                ("CREATE", plain("www.example.org", "A", "192.0.2.1")),
                ("CREATE", plain("a.example.com", "A", "not an address")),
            ],
        ),
        "InvalidChangeBatch",
    );
    assert!(message.contains("[name='www.example.com.', type='CNAME'] but it already exists"), "{message}");
    assert!(message.contains("www.example.org. is not permitted in zone example.com."), "{message}");
    assert!(message.contains("not a valid IPv4 address"), "{message}");
}

#[test]
fn a_cname_stands_alone_and_never_at_the_apex() {
    let mut world = world();
    let beside = change(&mut world, &[("CREATE", plain("www.example.com", "TXT", "\"hello\""))]);
    assert!(refused(beside, "InvalidChangeBatch").contains("conflicts with other records"));
    let apex = change(&mut world, &[("CREATE", plain("example.com", "CNAME", "lb.example.net"))]);
    assert!(refused(apex, "InvalidChangeBatch").contains("not permitted at apex"));
}

#[test]
fn the_zones_own_soa_and_ns_stay() {
    let mut world = world();
    let listed = ask(&mut world, "ListResourceRecordSets", json!({"HostedZoneId": ZONE})).unwrap();
    for kind in ["NS", "SOA"] {
        let records = listed["ResourceRecordSets"].as_array().unwrap();
        let record = records.iter().find(|record| record["Type"] == kind).unwrap().clone();
        let message = refused(change(&mut world, &[("DELETE", record)]), "InvalidChangeBatch");
        assert!(message.starts_with("A HostedZone must contain"), "{message}");
    }
}

#[test]
fn a_batch_is_limited_to_a_thousand_values() {
    let mut world = world();
    let changes: Vec<(&str, Value)> =
        (0..501).map(|number| ("UPSERT", plain(&format!("n{number}.example.com"), "A", "192.0.2.1"))).collect();
    let message = refused(change(&mut world, &changes), "InvalidChangeBatch");
    assert!(message.contains("limit of 1000 exceeded"), "{message}");
    change(&mut world, changes.get(..500).unwrap()).unwrap();
}

#[test]
fn a_record_cannot_be_written_with_a_health_check_that_does_not_exist() {
    let mut world = world();
    let mut record = plain("api.example.com", "A", "192.0.2.1");
    record["HealthCheckId"] = json!("gone");
    refused(change(&mut world, &[("CREATE", record)]), "NoSuchHealthCheck");
}

#[test]
fn names_come_back_escaped_and_pages_follow_each_other() {
    let mut world = world();
    change(&mut world, &[("CREATE", plain("*.Example.com", "A", "192.0.2.1"))]).unwrap();
    let mut input = json!({"HostedZoneId": "/hostedzone/ZEXAMPLE", "MaxItems": "1"});
    let mut seen = Vec::new();
    loop {
        let page = ask(&mut world, "ListResourceRecordSets", input.clone()).unwrap();
        let record = &page["ResourceRecordSets"][0];
        seen.push(format!("{} {}", text(record, "/Name"), text(record, "/Type")));
        if page["IsTruncated"] == false {
            break;
        }
        input["StartRecordName"] = page["NextRecordName"].clone();
        input["StartRecordType"] = page["NextRecordType"].clone();
    }
    assert_eq!(seen, ["example.com. NS", "example.com. SOA", "\\052.example.com. A", "www.example.com. CNAME"]);
    refused(
        ask(&mut world, "ListResourceRecordSets", json!({"HostedZoneId": ZONE, "StartRecordType": "A"})),
        "InvalidInput",
    );
    refused(ask(&mut world, "ListResourceRecordSets", json!({"HostedZoneId": "ZOTHER"})), "NoSuchHostedZone");
}

#[test]
fn a_page_of_records_never_exceeds_three_hundred() {
    let mut world = world();
    let dns = world.route53.get_mut(ACCOUNT).unwrap();
    for number in 0..400 {
        dns.put_record(ZONE, RecordSet::simple(&format!("n{number}.example.com"), "A", 60, &["192.0.2.1"])).unwrap();
    }
    let page = ask(&mut world, "ListResourceRecordSets", json!({"HostedZoneId": ZONE, "MaxItems": "1000"})).unwrap();
    assert_eq!(page["ResourceRecordSets"].as_array().map(Vec::len), Some(300));
    assert_eq!((&page["MaxItems"], &page["IsTruncated"]), (&json!("300"), &json!(true)));
    let zone = ask(&mut world, "GetHostedZone", json!({"Id": ZONE})).unwrap();
    assert_eq!(zone.pointer("/HostedZone/ResourceRecordSetCount"), Some(&json!(403)));
}

#[test]
fn zones_list_by_reversed_name() {
    let mut world = world();
    let dns = world.route53.get_mut(ACCOUNT).unwrap();
    dns.put_zone("ZA", "a.example.com").unwrap();
    dns.put_zone("ZNET", "example.net").unwrap();
    let page = ask(&mut world, "ListHostedZonesByName", json!({"DNSName": "example.com", "MaxItems": "2"})).unwrap();
    let names: Vec<&str> = page["HostedZones"].as_array().unwrap().iter().map(|zone| text(zone, "/Name")).collect();
    assert_eq!(names, ["example.com.", "a.example.com."]);
    assert_eq!((text(&page, "/NextDNSName"), text(&page, "/NextHostedZoneId")), ("example.net.", "ZNET"));
}

#[test]
fn a_zone_with_records_is_not_deleted() {
    let mut world = world();
    refused(ask(&mut world, "DeleteHostedZone", json!({"Id": ZONE})), "HostedZoneNotEmpty");
    change(&mut world, &[("DELETE", plain("www.example.com", "CNAME", "lb.example.net"))]).unwrap();
    ask(&mut world, "DeleteHostedZone", json!({"Id": ZONE})).unwrap();
    refused(ask(&mut world, "GetHostedZone", json!({"Id": ZONE})), "NoSuchHostedZone");
}

#[test]
fn a_change_is_in_sync_after_a_minute() {
    let mut world = world();
    let answer = change(&mut world, &[("CREATE", plain("new.example.com", "A", "192.0.2.1"))]).unwrap();
    let id = text(&answer, "/ChangeInfo/Id").to_owned();
    assert!(id.starts_with("/change/C"), "{id}");
    for (second, status) in [(59, "PENDING"), (60, "INSYNC")] {
        let answer = ask_at(&mut world, "GetChange", json!({"Id": id}), second).unwrap();
        assert_eq!(text(&answer, "/ChangeInfo/Status"), status);
    }
}

fn check(reference: &str, path: &str) -> Value {
    json!({
        "CallerReference": reference,
        "HealthCheckConfig": {"Type": "HTTPS", "FullyQualifiedDomainName": "www.example.com", "ResourcePath": path},
    })
}

#[test]
fn a_caller_reference_means_one_configuration_and_is_spent_by_deletion() {
    let mut world = world();
    let made = ask(&mut world, "CreateHealthCheck", check("ref", "/")).unwrap();
    let again = ask(&mut world, "CreateHealthCheck", check("ref", "/")).unwrap();
    assert_eq!(made, again);
    refused(ask(&mut world, "CreateHealthCheck", check("ref", "/other")), "HealthCheckAlreadyExists");

    let id = text(&made, "/HealthCheck/Id").to_owned();
    ask(&mut world, "DeleteHealthCheck", json!({"HealthCheckId": id})).unwrap();
    refused(ask(&mut world, "CreateHealthCheck", check("ref", "/")), "HealthCheckAlreadyExists");
    refused(ask(&mut world, "DeleteHealthCheck", json!({"HealthCheckId": id})), "NoSuchHealthCheck");
    let count = ask(&mut world, "GetHealthCheckCount", json!({})).unwrap();
    assert_eq!(count["HealthCheckCount"], 0);
}

#[test]
fn a_check_in_use_is_deleted_all_the_same() {
    let mut world = world();
    let made = ask(&mut world, "CreateHealthCheck", check("ref", "/")).unwrap();
    let id = text(&made, "/HealthCheck/Id").to_owned();
    let mut record = plain("api.example.com", "A", "192.0.2.1");
    record["HealthCheckId"] = json!(id);
    change(&mut world, &[("CREATE", record)]).unwrap();
    ask(&mut world, "DeleteHealthCheck", json!({"HealthCheckId": id})).unwrap();
    let dangling = world.route53.get(ACCOUNT).unwrap().record(ZONE, "api.example.com", "A", None).unwrap();
    assert_eq!(dangling.health_check.as_deref(), Some(id.as_str()));
}

#[test]
fn an_update_needs_the_current_version() {
    let mut world = world();
    let made = ask(&mut world, "CreateHealthCheck", check("ref", "/")).unwrap();
    let id = text(&made, "/HealthCheck/Id").to_owned();
    let update = |version: &str| json!({"HealthCheckId": id, "HealthCheckVersion": version, "Port": "8443"});
    refused(ask(&mut world, "UpdateHealthCheck", update("2")), "HealthCheckVersionMismatch");
    let updated = ask(&mut world, "UpdateHealthCheck", update("1")).unwrap();
    assert_eq!(updated.pointer("/HealthCheck/HealthCheckVersion"), Some(&json!(2)));
    assert_eq!(updated.pointer("/HealthCheck/HealthCheckConfig/Port"), Some(&json!(8443)));
    refused(ask(&mut world, "UpdateHealthCheck", update("1")), "HealthCheckVersionMismatch");
}

#[test]
fn health_checks_list_a_hundred_to_a_page() {
    let mut world = world();
    for number in 0..101 {
        ask(&mut world, "CreateHealthCheck", check(&format!("ref-{number}"), "/")).unwrap();
    }
    let first = ask(&mut world, "ListHealthChecks", json!({"MaxItems": "500"})).unwrap();
    assert_eq!(first["HealthChecks"].as_array().map(Vec::len), Some(100));
    let second = ask(&mut world, "ListHealthChecks", json!({"Marker": first["NextMarker"]})).unwrap();
    assert_eq!(second["HealthChecks"].as_array().map(Vec::len), Some(1));
    assert_eq!(second["IsTruncated"], false);
}

#[test]
fn checkers_report_what_the_scenario_says() {
    let mut world = world();
    let made = ask(&mut world, "CreateHealthCheck", check("ref", "/")).unwrap();
    let id = text(&made, "/HealthCheck/Id").to_owned();
    for (healthy, word) in [(false, "Failure: "), (true, "Success: ")] {
        assert!(world.route53.get_mut(ACCOUNT).unwrap().set_health(&id, healthy));
        let answer = ask(&mut world, "GetHealthCheckStatus", json!({"HealthCheckId": id})).unwrap();
        assert!(text(&answer, "/HealthCheckObservations/0/StatusReport/Status").starts_with(word));
    }
}

#[test]
fn tags_are_asked_for_ten_at_a_time_and_only_of_what_exists() {
    let mut world = world();
    let tag = json!({
        "ResourceType": "hostedzone", "ResourceId": ZONE, "AddTags": [{"Key": "team", "Value": "werkzeug"}],
    });
    ask(&mut world, "ChangeTagsForResource", tag).unwrap();
    let listed =
        ask(&mut world, "ListTagsForResources", json!({"ResourceType": "hostedzone", "ResourceIds": [ZONE]})).unwrap();
    assert_eq!(text(&listed, "/ResourceTagSets/0/Tags/0/Value"), "werkzeug");
    let many = json!({"ResourceType": "hostedzone", "ResourceIds": vec![ZONE; 11]});
    refused(ask(&mut world, "ListTagsForResources", many), "InvalidInput");
    let unknown = json!({"ResourceType": "healthcheck", "ResourceIds": ["gone"]});
    refused(ask(&mut world, "ListTagsForResources", unknown), "NoSuchHealthCheck");
}
