//! A target group as ELBv2 describes it, spelled the one way moored compares it.
//!
//! Decides its facts and its address. Never judges. The reader of an account's load balancers
//! calls [`live`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::KIND;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields};
use crate::kinds::detail;
use crate::kinds::load_balancer::live::put_tags;

/// One target group, free of any SDK.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Its ARN, new for every incarnation.
    pub arn: Arc<str>,
    /// Its name, unique in account and region.
    pub name: Arc<str>,
    /// Such as `HTTP`.
    pub protocol: Option<String>,
    /// The port that targets listen on.
    pub port: Option<i32>,
    /// `instance`, `ip`, `lambda` or `alb`.
    pub target_type: Option<String>,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// The ARNs of the load balancers that use it.
    pub load_balancers: Vec<Arc<str>>,
}

/// How the targets of a group are checked.
#[derive(Debug, Clone, Default)]
pub struct HealthCheck {
    /// Such as `HTTP`.
    pub protocol: Option<String>,
    /// A port, or `traffic-port`.
    pub port: Option<String>,
    /// The path that is asked for.
    pub path: Option<String>,
    /// Seconds between two checks.
    pub interval: Option<i32>,
    /// Seconds to wait for an answer.
    pub timeout: Option<i32>,
    /// How many good answers in a row make a target healthy.
    pub healthy_threshold: Option<i32>,
    /// How many bad answers in a row make it unhealthy.
    pub unhealthy_threshold: Option<i32>,
    /// The codes that count as good answers.
    pub matcher: Option<String>,
}

/// The targets of a group whose health is checked. Targets that are draining, or that no load
/// balancer uses, are none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Targets {
    /// All of them.
    pub registered: i64,
    /// Those that get traffic.
    pub healthy: i64,
    /// Those that were registered a moment ago and are not judged yet.
    pub initial: i64,
}

impl Targets {
    /// Those that are known not to be healthy.
    pub fn failing(&self) -> i64 {
        self.registered - self.healthy - self.initial
    }
}

/// The live target group of an observed one. Targets and tags are `None` where nobody asked.
pub fn live(
    observed: Observed,
    targets: Option<Result<Targets, Fact>>,
    tags: Option<Result<BTreeMap<String, String>, Fact>>,
) -> Live {
    let check = &observed.health_check;
    let mut fields = Fields::default();
    fields.set_some("protocol", observed.protocol.as_deref());
    fields.set_some("port", observed.port);
    fields.set_some("targetType", observed.target_type.as_deref());
    fields.set_some("healthCheck.protocol", check.protocol.as_deref());
    fields.set_some("healthCheck.port", check.port.as_deref());
    fields.set_some("healthCheck.path", check.path.as_deref());
    fields.set_some("healthCheck.interval", check.interval);
    fields.set_some("healthCheck.timeout", check.timeout);
    fields.set_some("healthCheck.healthyThreshold", check.healthy_threshold);
    fields.set_some("healthCheck.unhealthyThreshold", check.unhealthy_threshold);
    fields.set_some("healthCheck.matcher", check.matcher.as_deref());
    match targets {
        None => fields.put("targets", detail::not_asked()),
        Some(Err(fact)) => fields.put("targets", fact),
        Some(Ok(targets)) => {
            fields.set("targets.registered", targets.registered);
            fields.set("targets.healthy", targets.healthy);
            fields.set("targets.initial", targets.initial);
        }
    }
    put_tags(&mut fields, tags);
    fields.shrink();
    let addresses: Vec<Arc<str>> = vec![format!("targetgroup:{}", observed.arn).into()];
    Live {
        key: ObjectKey::new(KIND, &observed.name),
        id: observed.arn.clone(),
        incarnation: Some(observed.arn),
        fields,
        addresses: addresses.into(),
        references: Box::default(),
    }
}
