//! The AWS query protocol, as STS and Elastic Load Balancing v2 speak it.
//!
//! Decides how a form becomes an operation with its input, and an answer becomes XML. Scalars stay
//! text: the world reads them. Never decides what an operation means. Called by the wire's
//! dispatch.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value};

use super::xml::{self, escaped};
use crate::sim::world::{Answer, ApiError, Service};

/// Deeper than any member of these services.
const DEEPEST: usize = 16;
/// The API versions that the simulated services speak.
const VERSIONS: [&str; 2] = ["2011-06-15", "2015-12-01"];

/// A form's members before lists are told from structures.
enum Node {
    Leaf(String),
    Branch(BTreeMap<String, Node>),
}

/// The operation and its input.
pub fn decode(body: &str) -> Result<(String, Value), ApiError> {
    let mut root = BTreeMap::new();
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(name, true).ok_or_else(|| malformed(pair))?;
        let value = percent_decoded(value, true).ok_or_else(|| malformed(pair))?;
        plant(&mut root, &name, value)?;
    }
    let operation = match root.remove("Action") {
        Some(Node::Leaf(operation)) if !operation.is_empty() => operation,
        _ => {
            return Err(ApiError::bad_request(
                "MissingAction",
                "The request is missing an action or a required parameter",
            ));
        }
    };
    match root.remove("Version") {
        Some(Node::Leaf(version)) if VERSIONS.contains(&version.as_str()) => {}
        _ => {
            return Err(ApiError::bad_request(
                "InvalidAction",
                format!("Could not find operation {operation} for this version of the API"),
            ));
        }
    }
    Ok((operation, value_of(Node::Branch(root))?))
}

/// Puts a value at its dotted place in the tree.
fn plant(root: &mut BTreeMap<String, Node>, name: &str, value: String) -> Result<(), ApiError> {
    let segments: Vec<&str> = name.split('.').collect();
    if segments.len() > DEEPEST || segments.contains(&"") {
        return Err(malformed(name));
    }
    let Some((last, parents)) = segments.split_last() else { return Err(malformed(name)) };
    let mut branch = root;
    for segment in parents {
        let node = branch.entry((*segment).to_owned()).or_insert_with(|| Node::Branch(BTreeMap::new()));
        match node {
            Node::Branch(children) => branch = children,
            Node::Leaf(_) => return Err(malformed(name)),
        }
    }
    match branch.entry((*last).to_owned()) {
        Entry::Vacant(place) => {
            place.insert(Node::Leaf(value));
            Ok(())
        }
        Entry::Occupied(_) => Err(malformed(name)),
    }
}

fn value_of(node: Node) -> Result<Value, ApiError> {
    match node {
        Node::Leaf(text) => Ok(Value::String(text)),
        Node::Branch(mut children) => match children.remove("member") {
            Some(Node::Branch(items)) if children.is_empty() => list_of(items),
            Some(_) => Err(malformed("member")),
            None => {
                let mut members = Map::new();
                for (name, child) in children {
                    members.insert(name, value_of(child)?);
                }
                Ok(Value::Object(members))
            }
        },
    }
}

/// The items of a list in the order of their numbers.
fn list_of(items: BTreeMap<String, Node>) -> Result<Value, ApiError> {
    let mut numbered = BTreeMap::new();
    for (number, item) in items {
        let position: u32 = number.parse().map_err(|_| malformed(&number))?;
        if position == 0 || numbered.insert(position, value_of(item)?).is_some() {
            return Err(malformed(&number));
        }
    }
    Ok(Value::Array(numbered.into_values().collect()))
}

/// Undoes percent encoding; none if it is broken or no UTF-8.
pub(super) fn percent_decoded(text: &str, plus_is_space: bool) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                octets.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus_is_space => octets.push(b' '),
            other => octets.push(other),
        }
    }
    String::from_utf8(octets).ok()
}

fn malformed(what: &str) -> ApiError {
    let what: String = what.chars().take(80).collect();
    ApiError::bad_request("MalformedQueryString", format!("The query string is malformed at '{what}'"))
}

/// Status and body of an answer.
pub fn encode(service: Service, operation: &str, answer: &Answer, request_id: &str) -> (u16, String) {
    let namespace = match service {
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    };
    let request_id = escaped(request_id);
    match answer {
        Ok(members) => {
            let mut result = String::new();
            xml::write(&mut result, &format!("{operation}Result"), members, |_| "member");
            let body = format!(
                "<{operation}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{request_id}\
                 </RequestId></ResponseMetadata></{operation}Response>"
            );
            (200, body)
        }
        Err(error) => (error.status, error_body(namespace, error, &request_id)),
    }
}

/// The error document that all XML services of AWS share.
pub(super) fn error_body(namespace: &str, error: &ApiError, request_id: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        if error.status < 500 { "Sender" } else { "Receiver" },
        escaped(&error.code),
        escaped(&error.message),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_becomes_structures_and_lists() {
        let body = "Action=CreateListener&Version=2015-12-01&Port=443&DefaultActions.member.2.Type=redirect\
                    &DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.Weight=1\
                    &DefaultActions.member.10.Type=fixed-response&Name=a%2Fb+c&Tags=";
        let (operation, input) = decode(body).unwrap();
        assert_eq!(operation, "CreateListener");
        assert_eq!(
            input,
            json!({
                "DefaultActions": [
                    {"ForwardConfig": {"TargetGroups": [{"Weight": "1"}]}},
                    {"Type": "redirect"},
                    {"Type": "fixed-response"},
                ],
                "Name": "a/b c",
                "Port": "443",
                "Tags": "",
            })
        );
    }

    #[test]
    fn a_broken_form_is_refused() {
        let deep = format!("{}=1", vec!["a"; 1_000].join("."));
        for bad in [
            "A=1&A=2",
            "A=1&A.B=2",
            "A.member.x=1",
            "A.member.0=1",
            "A..B=1",
            "A=%G0",
            "A=%ff",
            "A.member=1",
            deep.as_str(),
        ] {
            let error = decode(&format!("Action=X&Version=2015-12-01&{bad}")).unwrap_err();
            assert_eq!(error.code, "MalformedQueryString", "{bad}");
        }
        assert_eq!(decode("Version=2015-12-01").unwrap_err().code, "MissingAction");
        assert_eq!(decode("Action=X&Version=2012-01-01").unwrap_err().code, "InvalidAction");
    }

    #[test]
    fn an_answer_is_wrapped_in_response_and_result() {
        let answer = Ok(json!({"Tags": [{"Key": "a&b", "Value": null}], "Count": 2, "More": false}));
        let (status, body) = encode(Service::Elbv2, "DescribeTags", &answer, "id-1");
        assert_eq!(status, 200);
        assert_eq!(
            body,
            "<DescribeTagsResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
             <DescribeTagsResult><Tags><member><Key>a&amp;b</Key></member></Tags><Count>2</Count><More>false</More>\
             </DescribeTagsResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>\
             </DescribeTagsResponse>"
        );
    }

    #[test]
    fn an_error_keeps_its_status_code_and_message() {
        let answer = Err(ApiError::new(403, "ExpiredToken", "The <token> is expired"));
        let (status, body) = encode(Service::Sts, "GetCallerIdentity", &answer, "id-1");
        assert_eq!(status, 403);
        assert!(body.contains("<Type>Sender</Type><Code>ExpiredToken</Code>"), "{body}");
        assert!(body.contains("The &lt;token&gt; is expired"), "{body}");
    }
}
