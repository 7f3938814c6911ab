//! The simulated cloud's decoders: whatever arrives is answered, as AWS would, by an error at worst.

use axum::body::Bytes as Body;
use axum::http::Request;
use moored::sim::wire::{Cloud, json, query, route53_rest};
use moored::sim::world::{Caller, Service, World, dynamodb};
use serde_json::json;

use crate::bytes::Bytes;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// Requests worth changing: target, and body.
const SAMPLES: [(&str, &str); 10] = [
    ("DynamoDB_20120810.GetItem", r##"{"TableName":"t","Key":{"k":{"S":"a"}},"ProjectionExpression":"#a.b[0], c"}"##),
    (
        "DynamoDB_20120810.PutItem",
        r#"{"TableName":"t","Item":{"k":{"S":"a"},"n":{"N":"1e10"},"m":{"M":{"l":{"L":[{"NULL":true},{"BOOL":false},{"B":"aGk="}]}}}},"ConditionExpression":"attribute_not_exists(k)"}"#,
    ),
    (
        "DynamoDB_20120810.DeleteItem",
        r##"{"TableName":"t","Key":{"k":{"S":"a"}},"ConditionExpression":"#v = :v AND NOT (size(k) > :n OR contains(l, :v)) AND n BETWEEN :n AND :n","ExpressionAttributeNames":{"#v":"n"},"ExpressionAttributeValues":{":v":{"N":"1"},":n":{"N":"2"}}}"##,
    ),
    (
        "DynamoDB_20120810.UpdateItem",
        r##"{"TableName":"t","Key":{"k":{"S":"a"}},"UpdateExpression":"SET #n = if_not_exists(n, :v) + :v, m.x[1] = :v REMOVE l ADD c :v DELETE s :s","ExpressionAttributeNames":{"#n":"n"},"ExpressionAttributeValues":{":v":{"N":"1"},":s":{"SS":["a"]}}}"##,
    ),
    (
        "DynamoDB_20120810.Query",
        r#"{"TableName":"t","KeyConditionExpression":"k = :k","FilterExpression":"begins_with(n, :k)","ExpressionAttributeValues":{":k":{"S":"a"}},"Limit":1}"#,
    ),
    (
        "DynamoDB_20120810.Scan",
        r#"{"TableName":"t","Limit":1,"ExclusiveStartKey":{"k":{"S":"a"}},"ReturnConsumedCapacity":"TOTAL"}"#,
    ),
    (
        "DynamoDB_20120810.BatchGetItem",
        r#"{"RequestItems":{"t":{"Keys":[{"k":{"S":"a"}},{"k":{"S":"b"}}],"ConsistentRead":true}}}"#,
    ),
    (
        "DynamoDB_20120810.TransactWriteItems",
        r#"{"TransactItems":[{"ConditionCheck":{"TableName":"t","Key":{"k":{"S":"a"}},"ConditionExpression":"attribute_exists(k)"}},{"Delete":{"TableName":"t","Key":{"k":{"S":"b"}}}}],"ClientRequestToken":"x"}"#,
    ),
    (
        "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition",
        r#"{"family":"f","containerDefinitions":[{"name":"c","image":"i:1","memory":64,"environment":[{"name":"A","value":"b"}]}]}"#,
    ),
    (
        "AmazonEC2ContainerServiceV20141113.CreateService",
        r#"{"cluster":"default","serviceName":"s","taskDefinition":"f:1","desiredCount":2}"#,
    ),
];

fn cloud() -> Cloud {
    let mut world = World::with_accounts([ACCOUNT]);
    let caller = Caller::root(ACCOUNT, REGION);
    let now = "2026-11-20T10:00:00Z".parse().unwrap();
    let tables = dynamodb::of(&mut world, &caller);
    tables.put_table(&caller, "t", "k", None, now);
    for key in ["a", "b"] {
        let item = json!({ "k": { "S": key }, "n": { "N": "1" }, "l": { "L": [{ "S": "x" }] }, "s": { "SS": ["a"] } });
        tables.put_item("t", item).unwrap();
    }
    Cloud::new(world, move || now, 7)
}

/// A whole exchange: it is answered, and by nothing that says the simulator itself failed.
fn exchange(method: &str, uri: &str, target: Option<&str>, service: &str, body: Vec<u8>) {
    let credential =
        format!("AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261120/{REGION}/{service}/aws4_request, Signature=x");
    let mut request = Request::builder().method(method).uri(uri).header("authorization", credential);
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    // What is no HTTP never reaches the decoders.
    let Ok(request) = request.body(Body::from(body)) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(cloud().handle(request));
    let status = response.status().as_u16();
    assert!((200..500).contains(&status), "{status}: {}", String::from_utf8_lossy(response.body()));
}

pub fn any_request(input: &[u8]) {
    let mut bytes = Bytes(input);
    match bytes.below(5) {
        0 => {
            let target = bytes.one_of(&SAMPLES).0;
            let service = if target.starts_with("Dynamo") { Service::DynamoDb } else { Service::Ecs };
            let _ = json::decode(service, Some(target), bytes.0);
        }
        1 => {
            let _ = query::decode(&format!("Action=X&Version=2015-12-01&{}", String::from_utf8_lossy(bytes.0)));
        }
        2 => {
            let kinds = [
                ("GET", "hostedzone/Z1/rrset"),
                ("POST", "hostedzone/Z1/rrset"),
                ("POST", "healthcheck"),
                ("POST", "tags/healthcheck/x"),
            ];
            let (method, path) = bytes.one_of(&kinds);
            let query = bytes.text(40);
            let body = String::from_utf8_lossy(bytes.0);
            let _ = route53_rest::decode(method, &format!("/2013-04-01/{path}"), &query, &body);
        }
        3 => exchange("POST", "/", None, "elasticloadbalancing", bytes.0.to_vec()),
        _ => {
            let target = bytes.one_of(&SAMPLES).0;
            let service = if target.starts_with("Dynamo") { "dynamodb" } else { "ecs" };
            exchange("POST", "/", Some(target), service, bytes.0.to_vec());
        }
    }
}

pub fn edited_request(input: &[u8]) {
    let mut bytes = Bytes(input);
    let (target, sample) = bytes.one_of(&SAMPLES);
    let mut body = sample.as_bytes().to_vec();
    bytes.edit(&mut body);
    let service = if target.starts_with("Dynamo") { "dynamodb" } else { "ecs" };
    exchange("POST", "/", Some(*target), service, body);
}
