//! The simulated world: every account's resources, and the one function that changes them.
//!
//! [`apply`] decides what each AWS operation answers. It never reads a clock or a random source:
//! `now` and `seed` are arguments, so one seed replays one history. The wire layer calls it for
//! every request; scenarios and tests call it directly when a simulated human acts.

pub mod cloudtrail;
pub mod dynamodb;
pub mod ecs;
pub mod elbv2;
pub mod faults;
mod members;
pub mod route53;
pub mod sts;
mod typed;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use faults::Faults;

/// The six AWS services the simulator speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Security Token Service (AWS query protocol).
    Sts,
    /// Elastic Container Service (JSON 1.1).
    Ecs,
    /// DynamoDB (JSON 1.0).
    DynamoDb,
    /// Route 53 (REST XML, global).
    Route53,
    /// Elastic Load Balancing v2 (AWS query protocol).
    Elbv2,
    /// CloudTrail (JSON 1.1).
    CloudTrail,
}

impl Service {
    /// The name that AWS uses in a SigV4 credential scope.
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Ecs => "ecs",
            Self::DynamoDb => "dynamodb",
            Self::Route53 => "route53",
            Self::Elbv2 => "elasticloadbalancing",
            Self::CloudTrail => "cloudtrail",
        }
    }

    /// The service that signs with this name.
    pub fn from_signing_name(name: &str) -> Option<Self> {
        [Self::Sts, Self::Ecs, Self::DynamoDb, Self::Route53, Self::Elbv2, Self::CloudTrail]
            .into_iter()
            .find(|service| service.signing_name() == name)
    }
}

/// Who sends a request, as the signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// The region of the credential scope (`us-east-1` for Route 53).
    pub region: String,
    /// ARN of the user or assumed-role session.
    pub arn: String,
}

impl Caller {
    /// The account's root user in a region: what a simulated human uses.
    pub fn root(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned(), arn: format!("arn:aws:iam::{account}:root") }
    }

    /// An IAM user of the account.
    pub fn user(account: &str, region: &str, name: &str) -> Self {
        Self { arn: format!("arn:aws:iam::{account}:user/{name}"), ..Self::root(account, region) }
    }

    /// A session of one of the account's roles, such as `alice` in `deploy-role`.
    pub fn session(account: &str, region: &str, role: &str, name: &str) -> Self {
        Self { arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"), ..Self::root(account, region) }
    }

    /// Application Auto Scaling, which sets how many tasks a service wants.
    pub fn autoscaling(account: &str, region: &str) -> Self {
        let role = "AWSServiceRoleForApplicationAutoScaling_ECSService";
        Self::session(account, region, role, "AutoScaling-UpdateService")
    }
}

/// One AWS operation with its input in the shape of the service's JSON model (for Route 53 and
/// ELBv2: the members' names as in the API reference, lists as plain arrays).
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The service addressed.
    pub service: Service,
    /// The operation's name, such as `DescribeServices`.
    pub operation: String,
    /// The input members.
    pub input: Value,
}

impl Request {
    /// A request from its parts.
    pub fn new(service: Service, operation: &str, input: Value) -> Self {
        Self { service, operation: operation.to_owned(), input }
    }
}

/// An error answer in AWS's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The error code as AWS spells it, such as `ClusterNotFoundException`.
    pub code: String,
    /// The message a person reads.
    pub message: String,
    /// What the error carries beside the message; only the JSON protocols can show it.
    pub members: Vec<(&'static str, Value)>,
}

impl ApiError {
    /// A 400 with this code.
    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// An error with its own status.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), members: Vec::new() }
    }

    /// The same error with a further member.
    pub fn with(mut self, member: &'static str, value: Value) -> Self {
        self.members.push((member, value));
        self
    }
}

/// What an operation answers: output members, or an error.
pub type Answer = Result<Value, ApiError>;

/// Everything that exists. Cheap to clone for tests of "what if".
#[derive(Debug, Clone, Default)]
pub struct World {
    /// ECS by (account, region).
    pub ecs: BTreeMap<(String, String), ecs::Ecs>,
    /// DynamoDB by (account, region).
    pub dynamodb: BTreeMap<(String, String), dynamodb::DynamoDb>,
    /// ELBv2 by (account, region).
    pub elbv2: BTreeMap<(String, String), elbv2::Elbv2>,
    /// Route 53 by account (it is global).
    pub route53: BTreeMap<String, route53::Route53>,
    /// What was called, as CloudTrail tells it.
    pub cloudtrail: cloudtrail::CloudTrail,
    /// Known accounts, roles and the sessions that AssumeRole issued.
    pub sts: sts::Sts,
    /// Scripted misbehaviour.
    pub faults: Faults,
    /// Counts up; makes ids that no two things share.
    pub serial: u64,
}

impl World {
    /// An empty world that knows these accounts.
    pub fn with_accounts<'a>(accounts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut world = Self::default();
        for account in accounts {
            world.sts.add_account(account);
        }
        world
    }

    /// The next number of the world's own counter, for ids that AWS would draw at random.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// Answers one request and changes the world as AWS would. Faults are applied by the wire layer,
/// which knows about bytes and delays; this is the honest cloud. CloudTrail tells of what changed.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, seed: u64) -> Answer {
    let answer = match request.service {
        Service::Sts => sts::apply(world, caller, request, now, seed),
        Service::Ecs => ecs::apply(world, caller, request, now, seed),
        Service::DynamoDb => dynamodb::apply(world, caller, request, now, seed),
        Service::Route53 => route53::apply(world, caller, request, now, seed),
        Service::Elbv2 => elbv2::apply(world, caller, request, now, seed),
        Service::CloudTrail => cloudtrail::apply(world, caller, request, now, seed),
    };
    if let Ok(output) = &answer {
        cloudtrail::record(world, caller, request, output, now, seed);
    }
    answer
}
