//! Requests to a cloud, in the protocol of each service.
//!
//! Decides how they are spelled and that they succeed. Nobody here checks a signature, but every
//! cloud takes service, region and account from it. Written by hand, so that what fills the clouds
//! shares nothing with what moored reads them with.

use reqwest::{Client, Method};
use serde_json::Value;

use super::cloud::REGION;

const XMLNS: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Signer {
    key: String,
    token: Option<String>,
}

impl Signer {
    /// The root of an account: its number is its key.
    pub fn of(account: &str) -> Self {
        Self { key: account.to_owned(), token: None }
    }
}

/// Sends requests to one cloud.
pub struct Requests {
    client: Client,
    url: String,
}

impl Requests {
    pub fn new(url: &str) -> Self {
        Self { client: Client::builder().no_proxy().build().unwrap(), url: url.to_owned() }
    }

    /// The same to another address.
    pub fn at(&self, url: &str) -> Self {
        Self { client: self.client.clone(), url: url.to_owned() }
    }

    /// A request of the emulator's own, without a body or a signature.
    pub async fn post(&self, path: &str) {
        let answer = self.client.post(format!("{}{path}", self.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    pub async fn ecs(&self, signer: &Signer, operation: &str, input: Value) -> Value {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        self.json(signer, "ecs", &target, "application/x-amz-json-1.1", &input).await
    }

    pub async fn dynamodb(&self, signer: &Signer, operation: &str, input: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        self.json(signer, "dynamodb", &target, "application/x-amz-json-1.0", &input).await
    }

    pub async fn elbv2(&self, signer: &Signer, action: &str, members: &[(&str, &str)]) -> String {
        self.query(signer, "elasticloadbalancing", "2015-12-01", action, members).await
    }

    pub async fn ec2(&self, signer: &Signer, action: &str) -> String {
        self.query(signer, "ec2", "2016-11-15", action, &[]).await
    }

    /// A session of a role.
    pub async fn assume(&self, signer: &Signer, role: &str) -> Signer {
        let members = [("RoleArn", role), ("RoleSessionName", "hand")];
        let answer = self.query(signer, "sts", "2011-06-15", "AssumeRole", &members).await;
        Signer { key: element(&answer, "AccessKeyId"), token: Some(element(&answer, "SessionToken")) }
    }

    /// POSTs a document, named `root`, with this content.
    pub async fn route53(&self, signer: &Signer, path: &str, root: &str, content: &str) -> String {
        let body = format!("<{root} xmlns=\"{XMLNS}\">{content}</{root}>");
        let path = format!("/2013-04-01{path}");
        self.send(Method::POST, signer, "route53", &path, &[("content-type", "text/xml")], body).await
    }

    /// DELETEs what Route 53 has at this path.
    pub async fn delete(&self, signer: &Signer, path: &str) {
        self.send(Method::DELETE, signer, "route53", &format!("/2013-04-01{path}"), &[], String::new()).await;
    }

    async fn json(&self, signer: &Signer, service: &str, target: &str, content: &str, input: &Value) -> Value {
        let headers = [("content-type", content), ("x-amz-target", target)];
        let answer = self.send(Method::POST, signer, service, "/", &headers, input.to_string()).await;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{target}: {error}: {answer}"))
    }

    async fn query(
        &self,
        signer: &Signer,
        service: &str,
        version: &str,
        action: &str,
        members: &[(&str, &str)],
    ) -> String {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in members {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, signer, service, "/", &headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        signer: &Signer,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> String {
        let region = if service == "route53" { "us-east-1" } else { REGION };
        let scope = format!("{}/20260101/{region}/{service}/aws4_request", signer.key);
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00");
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        request = request.header("authorization", signature).header("x-amz-date", "20260101T000000Z");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &signer.token {
            request = request.header("x-amz-security-token", token);
        }
        let said = body.clone();
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{service} {path} {said}: {status}: {text}");
        text
    }
}

/// The text of the first element of this name.
#[track_caller]
pub fn element(xml: &str, name: &str) -> String {
    elements(xml, name).into_iter().next().unwrap_or_else(|| panic!("no {name}: {xml}"))
}

/// The texts of all elements of this name.
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let after = xml.split(&open).skip(1);
    after.filter_map(|rest| rest.split_once(&close)).map(|(text, _)| text.to_owned()).collect()
}

/// Text in a form body.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
