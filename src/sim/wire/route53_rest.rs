//! Route 53's REST protocol, version 2013-04-01.
//!
//! Decides which operation a method and path mean, how an XML body becomes its input, and how an
//! answer is spelled. Scalars stay text: the world reads them. Never decides what an operation
//! means. Called by the wire's dispatch.

use serde_json::{Map, Value};

use super::query::{error_body, percent_decoded};
use super::xml::{self, Element, escaped};
use crate::sim::world::{Answer, ApiError, Request, Service};

const VERSION: &str = "2013-04-01";
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Every list by its name, with the name of its items; all other elements are structures or text.
const LISTS: [(&str, &str); 16] = [
    ("AddTags", "Tag"),
    ("Changes", "Change"),
    ("ChildHealthChecks", "ChildHealthCheck"),
    ("HealthCheckObservations", "HealthCheckObservation"),
    ("HealthChecks", "HealthCheck"),
    ("HostedZones", "HostedZone"),
    ("NameServers", "NameServer"),
    ("Regions", "Region"),
    ("RemoveTagKeys", "Key"),
    ("ResetElements", "ResettableElementName"),
    ("ResourceIds", "ResourceId"),
    ("ResourceRecordSets", "ResourceRecordSet"),
    ("ResourceRecords", "ResourceRecord"),
    ("ResourceTagSets", "ResourceTagSet"),
    ("Tags", "Tag"),
    ("VPCs", "VPC"),
];

/// Where the members of an operation's input come from, beside the body.
struct Route {
    operation: &'static str,
    /// From the path: member and value.
    placed: Vec<(&'static str, String)>,
    /// Query parameters by their name on the wire and in the input.
    parameters: &'static [(&'static str, &'static str)],
    has_body: bool,
}

/// The operation that a request asks for, with its input.
pub fn decode(method: &str, path: &str, query: &str, body: &str) -> Result<Request, ApiError> {
    let segments = segments(path).ok_or_else(|| unknown(method, path))?;
    let route = route(method, &segments).ok_or_else(|| unknown(method, path))?;
    let mut input = if route.has_body { read_body(route.operation, body)? } else { Map::new() };
    for (member, value) in route.placed {
        input.insert(member.to_owned(), Value::String(value));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let member = route.parameters.iter().find(|(parameter, _)| *parameter == name).map(|(_, member)| *member);
        let (Some(member), Some(value)) = (member, percent_decoded(value, true)) else {
            return Err(invalid(format!("the query parameter '{name}' is not known or not readable here")));
        };
        input.insert(member.to_owned(), Value::String(value));
    }
    Ok(Request::new(Service::Route53, route.operation, Value::Object(input)))
}

/// The parts of the path behind the version; a trailing slash makes no difference.
fn segments(path: &str) -> Option<Vec<String>> {
    let behind = path.strip_prefix('/')?.strip_prefix(VERSION)?.strip_prefix('/')?;
    behind.trim_end_matches('/').split('/').map(|segment| percent_decoded(segment, false)).collect()
}

fn route(method: &str, segments: &[String]) -> Option<Route> {
    const NONE: &[(&str, &str)] = &[];
    const PAGE: &[(&str, &str)] = &[("marker", "Marker"), ("maxitems", "MaxItems")];
    const BY_NAME: &[(&str, &str)] =
        &[("dnsname", "DNSName"), ("hostedzoneid", "HostedZoneId"), ("maxitems", "MaxItems")];
    const RECORDS: &[(&str, &str)] = &[
        ("name", "StartRecordName"),
        ("type", "StartRecordType"),
        ("identifier", "StartRecordIdentifier"),
        ("maxitems", "MaxItems"),
    ];
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (operation, placed, parameters, has_body) = match (method, parts.as_slice()) {
        ("POST", ["hostedzone"]) => ("CreateHostedZone", vec![], NONE, true),
        ("GET", ["hostedzone"]) => ("ListHostedZones", vec![], PAGE, false),
        ("GET", ["hostedzonesbyname"]) => ("ListHostedZonesByName", vec![], BY_NAME, false),
        ("GET", ["hostedzone", id]) => ("GetHostedZone", vec![("Id", *id)], NONE, false),
        ("DELETE", ["hostedzone", id]) => ("DeleteHostedZone", vec![("Id", *id)], NONE, false),
        ("GET", ["hostedzone", id, "rrset"]) => ("ListResourceRecordSets", vec![("HostedZoneId", *id)], RECORDS, false),
        ("POST", ["hostedzone", id, "rrset"]) => ("ChangeResourceRecordSets", vec![("HostedZoneId", *id)], NONE, true),
        ("GET", ["change", id]) => ("GetChange", vec![("Id", *id)], NONE, false),
        ("POST", ["healthcheck"]) => ("CreateHealthCheck", vec![], NONE, true),
        ("GET", ["healthcheck"]) => ("ListHealthChecks", vec![], PAGE, false),
        ("GET", ["healthcheckcount"]) => ("GetHealthCheckCount", vec![], NONE, false),
        ("GET", ["healthcheck", id]) => ("GetHealthCheck", vec![("HealthCheckId", *id)], NONE, false),
        ("POST", ["healthcheck", id]) => ("UpdateHealthCheck", vec![("HealthCheckId", *id)], NONE, true),
        ("DELETE", ["healthcheck", id]) => ("DeleteHealthCheck", vec![("HealthCheckId", *id)], NONE, false),
        ("GET", ["healthcheck", id, "status"]) => ("GetHealthCheckStatus", vec![("HealthCheckId", *id)], NONE, false),
        ("POST", ["tags", kind]) => ("ListTagsForResources", vec![("ResourceType", *kind)], NONE, true),
        ("GET", ["tags", kind, id]) => {
            ("ListTagsForResource", vec![("ResourceType", *kind), ("ResourceId", *id)], NONE, false)
        }
        ("POST", ["tags", kind, id]) => {
            ("ChangeTagsForResource", vec![("ResourceType", *kind), ("ResourceId", *id)], NONE, true)
        }
        _ => return None,
    };
    let placed = placed.into_iter().map(|(member, value)| (member, value.to_owned())).collect();
    Some(Route { operation, placed, parameters, has_body })
}

fn read_body(operation: &str, body: &str) -> Result<Map<String, Value>, ApiError> {
    let root = xml::parse(body).map_err(|problem| invalid(format!("Invalid XML ; {problem}")))?;
    let expected = format!("{operation}Request");
    if root.name != expected {
        return Err(ApiError::bad_request(
            "MalformedInput",
            format!("{} is not valid, expected {expected}", root.name),
        ));
    }
    members_of(root.children)
}

fn members_of(children: Vec<Element>) -> Result<Map<String, Value>, ApiError> {
    let mut members = Map::new();
    for child in children {
        let name = child.name.clone();
        if members.insert(name.clone(), value_of(child)?).is_some() {
            return Err(invalid(format!("Invalid XML ; the element '{name}' is there twice")));
        }
    }
    Ok(members)
}

/// An element as the JSON that the world reads. The reader has bounded the depth.
fn value_of(element: Element) -> Result<Value, ApiError> {
    let Some(item) = item_of(&element.name) else {
        return if element.children.is_empty() {
            Ok(Value::String(element.text))
        } else {
            members_of(element.children).map(Value::Object)
        };
    };
    if !element.text.trim().is_empty() {
        return Err(invalid(format!("Invalid XML ; '{}' is a list, not text", element.name)));
    }
    let mut items = Vec::with_capacity(element.children.len());
    for child in element.children {
        if child.name != item {
            return Err(invalid(format!("Invalid XML ; '{}' holds '{}', expected '{item}'", element.name, child.name)));
        }
        items.push(value_of(child)?);
    }
    Ok(Value::Array(items))
}

fn item_of(list: &str) -> Option<&'static str> {
    LISTS.iter().find(|(name, _)| *name == list).map(|(_, item)| *item)
}

fn invalid(message: String) -> ApiError {
    ApiError::bad_request("InvalidInput", message)
}

fn unknown(method: &str, path: &str) -> ApiError {
    ApiError::new(404, "UnknownOperationException", format!("the simulated Route 53 does not know {method} {path}"))
}

/// Status and body of an answer.
pub fn encode(operation: &str, answer: &Answer, request_id: &str) -> (u16, String) {
    const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let request_id = escaped(request_id);
    match answer {
        Ok(members) => {
            let mut content = String::new();
            for (member, value) in members.as_object().into_iter().flatten() {
                xml::write(&mut content, member, value, |list| item_of(list).unwrap_or("member"));
            }
            let status = if matches!(operation, "CreateHostedZone" | "CreateHealthCheck") { 201 } else { 200 };
            (status, format!("{DECLARATION}<{operation}Response xmlns=\"{NAMESPACE}\">{content}</{operation}Response>"))
        }
        // Since October 2024 a refused batch is wrapped like every other error, its problems in
        // brackets (aws-sdk-kotlin #1433); the bare <InvalidChangeBatch> is history.
        Err(error) if error.code == "InvalidChangeBatch" => {
            let problems = error.message.lines().collect::<Vec<_>>().join(", ");
            let bracketed = ApiError { message: format!("[{problems}]"), ..error.clone() };
            (error.status, format!("{DECLARATION}{}", error_body(NAMESPACE, &bracketed, &request_id)))
        }
        Err(error) => (error.status, format!("{DECLARATION}{}", error_body(NAMESPACE, error, &request_id))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the SDK for Rust writes it.
    const CHANGE: &str = "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
        <ChangeBatch><Comment>a &amp; b</Comment><Changes><Change><Action>DELETE</Action><ResourceRecordSet>\
        <Name>www.example.com</Name><Type>TXT</Type><TTL>300</TTL><ResourceRecords><ResourceRecord>\
        <Value>&quot;hello&quot;</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes>\
        </ChangeBatch></ChangeResourceRecordSetsRequest>";

    #[test]
    fn a_change_batch_is_read_from_path_and_body() {
        for path in ["/2013-04-01/hostedzone/Z1/rrset", "/2013-04-01/hostedzone/Z1/rrset/"] {
            let request = decode("POST", path, "", CHANGE).unwrap();
            assert_eq!(request.operation, "ChangeResourceRecordSets");
            assert_eq!(
                request.input,
                json!({
                    "HostedZoneId": "Z1",
                    "ChangeBatch": {
                        "Comment": "a & b",
                        "Changes": [{
                            "Action": "DELETE",
                            "ResourceRecordSet": {
                                "Name": "www.example.com",
                                "Type": "TXT",
                                "TTL": "300",
                                "ResourceRecords": [{"Value": "\"hello\""}],
                            },
                        }],
                    },
                })
            );
        }
    }

    #[test]
    fn query_parameters_get_the_names_of_the_input() {
        let request =
            decode("GET", "/2013-04-01/hostedzone/Z1/rrset", "name=%5C052.example.com.&maxitems=10", "").unwrap();
        assert_eq!(request.operation, "ListResourceRecordSets");
        assert_eq!(
            request.input,
            json!({"HostedZoneId": "Z1", "StartRecordName": "\\052.example.com.", "MaxItems": "10"})
        );
        assert_eq!(decode("GET", "/2013-04-01/healthcheck", "colour=red", "").unwrap_err().code, "InvalidInput");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let code = |method: &str, path: &str, body: &str| decode(method, path, "", body).unwrap_err().code;
        assert_eq!(code("PUT", "/2013-04-01/hostedzone", ""), "UnknownOperationException");
        assert_eq!(code("GET", "/2012-12-12/hostedzone", ""), "UnknownOperationException");
        assert_eq!(code("POST", "/2013-04-01/hostedzone/Z1/rrset", "<ChangeBatch/>"), "MalformedInput");
        assert_eq!(code("POST", "/2013-04-01/healthcheck", "not xml"), "InvalidInput");
        let twice = CHANGE.replace("<TTL>300</TTL>", "<TTL>300</TTL><TTL>60</TTL>");
        assert_eq!(code("POST", "/2013-04-01/hostedzone/Z1/rrset", &twice), "InvalidInput");
        let stray = CHANGE.replace("<Changes>", "<Changes><Odd/>");
        assert_eq!(code("POST", "/2013-04-01/hostedzone/Z1/rrset", &stray), "InvalidInput");
    }

    #[test]
    fn lists_get_the_element_names_of_route_53() {
        let answer = Ok(json!({
            "HealthChecks": [{"HealthCheckConfig": {"Regions": ["eu-west-1"], "ChildHealthChecks": ["a"]}}],
            "IsTruncated": false,
            "NextMarker": null,
        }));
        let (status, body) = encode("ListHealthChecks", &answer, "id-1");
        assert_eq!(status, 200);
        assert!(body.contains(
            "<HealthChecks><HealthCheck><HealthCheckConfig><Regions><Region>eu-west-1</Region></Regions>\
             <ChildHealthChecks><ChildHealthCheck>a</ChildHealthCheck></ChildHealthChecks></HealthCheckConfig>\
             </HealthCheck></HealthChecks><IsTruncated>false</IsTruncated></ListHealthChecksResponse>"
        ));
        assert_eq!(encode("CreateHealthCheck", &Ok(json!({})), "id-1").0, 201);
    }

    #[test]
    fn a_refused_batch_names_every_problem() {
        let answer = Err(ApiError::bad_request("InvalidChangeBatch", "first <problem>\nsecond problem"));
        let (status, body) = encode("ChangeResourceRecordSets", &answer, "id-1");
        assert_eq!(status, 400);
        assert!(body.contains("<Code>InvalidChangeBatch</Code>"), "{body}");
        assert!(body.contains("<Message>[first &lt;problem&gt;, second problem]</Message>"), "{body}");
    }

    #[test]
    fn other_errors_are_wrapped_like_everywhere() {
        let answer = Err(ApiError::new(404, "NoSuchHostedZone", "No hosted zone found with ID: Z1"));
        let (status, body) = encode("GetHostedZone", &answer, "id-1");
        assert_eq!(status, 404);
        assert!(body.contains("<ErrorResponse") && body.contains("<Code>NoSuchHostedZone</Code>"), "{body}");
    }
}
