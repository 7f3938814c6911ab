//! AWS's JSON protocols 1.0 (DynamoDB) and 1.1 (ECS, CloudTrail).
//!
//! Decides which operation a request names and how an answer or an error is spelled. It never looks
//! at what the members mean. The exchange calls it.

use serde_json::{Value, json};

use crate::sim::world::{Answer, ApiError, Request, Service};

/// Reads the operation from `X-Amz-Target` and the input from the body.
pub fn decode(service: Service, target: Option<&str>, body: &[u8]) -> Result<Request, ApiError> {
    let apis: &[&str] = match service {
        Service::Ecs => &["AmazonEC2ContainerServiceV20141113"],
        Service::DynamoDb => &["DynamoDB_20120810"],
        // Some SDKs write the whole name of the API, others its last part.
        Service::CloudTrail => &["CloudTrail_20131101", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"],
        Service::Sts | Service::Route53 | Service::Elbv2 => return Err(unknown_operation(target)),
    };
    let operation = target
        .and_then(|target| target.rsplit_once('.'))
        .filter(|(named, operation)| apis.contains(named) && !operation.is_empty())
        .map(|(_, operation)| operation)
        .ok_or_else(|| unknown_operation(target))?;
    let input: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request("SerializationException", format!("The body is not JSON: {error}")))?;
    if !input.is_object() {
        return Err(ApiError::bad_request("SerializationException", "The body must be a JSON object."));
    }
    Ok(Request::new(service, operation, input))
}

/// Spells an answer: status and body.
pub fn encode(service: Service, answer: &Answer) -> (u16, String) {
    match answer {
        Ok(output) => (200, output.to_string()),
        Err(error) => (error.status, error_body(service, error).to_string()),
    }
}

fn unknown_operation(target: Option<&str>) -> ApiError {
    let target = target.unwrap_or("none");
    ApiError::bad_request("UnknownOperationException", format!("No such operation. X-Amz-Target: {target}"))
}

fn error_body(service: Service, error: &ApiError) -> Value {
    let mut body = json!({ "__type": error_type(service, &error.code), "message": error.message });
    for (member, value) in &error.members {
        body[*member] = value.clone();
    }
    body
}

/// DynamoDB names the model that an error comes from; the others do not.
fn error_type(service: Service, code: &str) -> String {
    if service != Service::DynamoDb {
        return code.to_owned();
    }
    let model = match code {
        "ValidationException" => "com.amazon.coral.validate",
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "SerializationException"
        | "ThrottlingException"
        | "UnknownOperationException"
        | "UnrecognizedClientException" => "com.amazon.coral.service",
        _ => "com.amazonaws.dynamodb.v20120810",
    };
    format!("{model}#{code}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_target_of_another_service_is_an_unknown_operation() {
        let error = decode(Service::Ecs, Some("DynamoDB_20120810.GetItem"), b"{}").unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "UnknownOperationException"));
    }

    #[test]
    fn cloudtrail_is_known_by_its_whole_name_and_by_the_last_part() {
        for api in ["CloudTrail_20131101", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"] {
            let target = format!("{api}.LookupEvents");
            assert_eq!(decode(Service::CloudTrail, Some(&target), b"{}").unwrap().operation, "LookupEvents");
        }
    }

    #[test]
    fn a_body_that_is_no_json_object_is_refused() {
        for body in ["{", "[]", ""] {
            let target = Some("DynamoDB_20120810.GetItem");
            let error = decode(Service::DynamoDb, target, body.as_bytes()).unwrap_err();
            assert_eq!(error.code, "SerializationException");
        }
    }

    #[test]
    fn errors_carry_the_model_only_for_dynamodb() {
        let error = Err(ApiError::bad_request("ResourceNotFoundException", "no table"));
        let spelled = |service| {
            let body: Value = serde_json::from_str(&encode(service, &error).1).unwrap();
            body["__type"].as_str().unwrap().to_owned()
        };
        assert_eq!(spelled(Service::Ecs), "ResourceNotFoundException");
        assert_eq!(spelled(Service::DynamoDb), "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException");
    }

    #[test]
    fn what_an_error_carries_stands_beside_its_message() {
        let error = ApiError::bad_request("ConditionalCheckFailedException", "The conditional request failed");
        let error = Err(error.with("Item", json!({ "version": { "N": "1" } })));
        let body: Value = serde_json::from_str(&encode(Service::DynamoDb, &error).1).unwrap();
        assert_eq!(body["message"], "The conditional request failed");
        assert_eq!(body["Item"]["version"]["N"], "1");
    }
}
