//! The details of load balancers and target groups: listeners, attributes, target health, tags.
//!
//! Decides which of them are read again now, and how their answers are understood. Never reads a
//! detail that nobody asked for. Called by [`super::LoadBalancers`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::types::{self, ActionTypeEnum, TargetHealthDescription, TargetHealthStateEnum};
use jiff::{SignedDuration, Timestamp};

use super::read::next_page;
use crate::aws::allow_list::{
    ELBV2_DESCRIBE_LISTENERS, ELBV2_DESCRIBE_LOAD_BALANCER_ATTRIBUTES, ELBV2_DESCRIBE_TAGS,
    ELBV2_DESCRIBE_TARGET_HEALTH,
};
use crate::aws::read::ReadContext;
use crate::core::arn::Arn;
use crate::core::asks::Facet;
use crate::core::observation::{Failure, Reason};
use crate::core::value::Fact;
use crate::kinds::load_balancer::live::{Details as BalancerDetails, Listener};
use crate::kinds::target_group::live::Targets;
use crate::scopes::detail::Aged;
use crate::scopes::pages::Pages;

/// What people change: listeners, attributes, tags.
const SLOW: SignedDuration = SignedDuration::from_mins(5);
/// What changes by itself: the health of targets.
const FAST: SignedDuration = SignedDuration::from_secs(60);
/// The largest page of listeners.
const LISTENERS_PAGE: i32 = 400;
/// The most ARNs that one call gives tags of.
const TAGS_BATCH: usize = 20;

type Texts = BTreeMap<String, String>;

/// What was read of each kind of detail, by ARN.
#[derive(Debug)]
pub(super) struct Details {
    listeners: Aged<Vec<Listener>>,
    attributes: Aged<Texts>,
    health: Aged<Targets>,
    tags: Aged<Texts>,
}

impl Details {
    pub(super) fn new() -> Self {
        Self { listeners: Aged::new(SLOW), attributes: Aged::new(SLOW), health: Aged::new(FAST), tags: Aged::new(SLOW) }
    }

    /// Forgets what is no longer listed.
    pub(super) fn keep_only(&mut self, arns: &BTreeSet<Arc<str>>) {
        self.listeners.keep_only(arns);
        self.attributes.keep_only(arns);
        self.health.keep_only(arns);
        self.tags.keep_only(arns);
    }

    /// Reads what is wanted and due: one call a thing, tags of twenty with one call. `attached` are
    /// balancers that cannot be without listeners.
    pub(super) async fn refresh(
        &mut self,
        cx: &ReadContext,
        wanted: &BTreeMap<Arc<str>, BTreeSet<Facet>>,
        attached: &BTreeSet<Arc<str>>,
        remarks: &mut Vec<Failure>,
    ) {
        for (arn, facets) in wanted {
            if facets.contains(&Facet::Listeners) && self.listeners.is_due(arn, cx.now()) {
                let outcome = match listeners(cx, arn).await {
                    Ok(none) if none.is_empty() && attached.contains(arn) => Err(Failure::new(
                        Reason::Incomplete,
                        format!("DescribeListeners gave none of {arn}, but target groups are attached to it"),
                    )),
                    outcome => outcome,
                };
                self.listeners.learn(arn, outcome, cx.now(), remarks);
            }
            if facets.contains(&Facet::Attributes) && self.attributes.is_due(arn, cx.now()) {
                let outcome = attributes(cx, arn).await;
                self.attributes.learn(arn, outcome, cx.now(), remarks);
            }
            if facets.contains(&Facet::TargetHealth) && self.health.is_due(arn, cx.now()) {
                let outcome = health(cx, arn).await;
                self.health.learn(arn, outcome, cx.now(), remarks);
            }
        }
        let now = cx.now();
        let due: Vec<&Arc<str>> = wanted
            .iter()
            .filter(|(arn, facets)| facets.contains(&Facet::Tags) && self.tags.is_due(arn, now))
            .map(|(arn, _)| arn)
            .collect();
        for batch in due.chunks(TAGS_BATCH) {
            let mut outcome = tags(cx, batch).await;
            for arn in batch {
                let texts = match &mut outcome {
                    Ok(all) => all.remove(&***arn).ok_or_else(|| {
                        Failure::new(Reason::Incomplete, format!("DescribeTags did not answer for {arn}"))
                    }),
                    Err(failure) => Err(failure.clone()),
                };
                self.tags.learn(arn, texts, cx.now(), remarks);
            }
        }
    }

    /// What is known of a balancer, as far as somebody asked.
    pub(super) fn of_balancer(&self, arn: &str, facets: &BTreeSet<Facet>, now: Timestamp) -> BalancerDetails {
        BalancerDetails {
            listeners: facets.contains(&Facet::Listeners).then(|| self.listeners.get(arn, now).cloned()),
            attributes: facets.contains(&Facet::Attributes).then(|| self.attributes.get(arn, now).cloned()),
            tags: self.tags(arn, facets, now),
        }
    }

    /// What is known of a target group's targets, if somebody asked.
    pub(super) fn targets(&self, arn: &str, facets: &BTreeSet<Facet>, now: Timestamp) -> Option<Result<Targets, Fact>> {
        facets.contains(&Facet::TargetHealth).then(|| self.health.get(arn, now).cloned())
    }

    /// What is known of the tags of either, if somebody asked.
    pub(super) fn tags(&self, arn: &str, facets: &BTreeSet<Facet>, now: Timestamp) -> Option<Result<Texts, Fact>> {
        facets.contains(&Facet::Tags).then(|| self.tags.get(arn, now).cloned())
    }
}

async fn listeners(cx: &ReadContext, arn: &str) -> Result<Vec<Listener>, Failure> {
    let mut listeners = Vec::new();
    let mut pages = Pages::of("DescribeListeners");
    let mut marker: Option<String> = None;
    loop {
        let request =
            cx.clients.elbv2.describe_listeners().load_balancer_arn(arn).page_size(LISTENERS_PAGE).set_marker(marker);
        let page = cx.call(&ELBV2_DESCRIBE_LISTENERS, request.send()).await?;
        listeners.extend(page.listeners().iter().filter_map(listener));
        match next_page(page.next_marker()) {
            Some(next) => marker = Some(pages.next(next)?),
            None => return Ok(listeners),
        }
    }
}

/// A gateway load balancer's listener has no port, and nothing that could be declared.
fn listener(described: &types::Listener) -> Option<Listener> {
    Some(Listener {
        port: described.port()?,
        protocol: described.protocol().map(|protocol| protocol.as_str().to_owned()),
        ssl_policy: described.ssl_policy().map(str::to_owned),
        certificates: described
            .certificates()
            .iter()
            .filter_map(|certificate| certificate.certificate_arn().map(str::to_owned))
            .collect(),
        target_group: forwarded(described.default_actions()),
    })
}

/// The name of the target group that gets the traffic; several names where it is shared out.
fn forwarded(actions: &[types::Action]) -> Option<String> {
    let action = actions.iter().find(|action| action.r#type() == Some(&ActionTypeEnum::Forward))?;
    let shares = action.forward_config().map(|config| config.target_groups()).unwrap_or_default();
    let mut names: BTreeSet<&str> = shares
        .iter()
        .filter(|share| share.weight() != Some(0))
        .filter_map(|share| share.target_group_arn())
        .map(name_in)
        .collect();
    if names.is_empty() {
        names.extend(action.target_group_arn().map(name_in));
    }
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

fn name_in(arn: &str) -> &str {
    Arn::parse(arn).and_then(|parsed| parsed.elbv2_name()).unwrap_or(arn)
}

async fn attributes(cx: &ReadContext, arn: &str) -> Result<Texts, Failure> {
    let request = cx.clients.elbv2.describe_load_balancer_attributes().load_balancer_arn(arn);
    let answer = cx.call(&ELBV2_DESCRIBE_LOAD_BALANCER_ATTRIBUTES, request.send()).await?;
    if answer.attributes().is_empty() {
        let detail = format!("DescribeLoadBalancerAttributes gave none of {arn}, but every balancer has some");
        return Err(Failure::new(Reason::Incomplete, detail));
    }
    let attributes = answer.attributes().iter();
    Ok(attributes
        .filter_map(|attribute| Some((attribute.key()?.to_owned(), attribute.value().unwrap_or_default().to_owned())))
        .collect())
}

async fn health(cx: &ReadContext, arn: &str) -> Result<Targets, Failure> {
    let request = cx.clients.elbv2.describe_target_health().target_group_arn(arn);
    let answer = cx.call(&ELBV2_DESCRIBE_TARGET_HEALTH, request.send()).await?;
    Ok(counted(answer.target_health_descriptions()))
}

/// Targets that are leaving, that no balancer uses, or whose health nobody checks, do not count.
fn counted(descriptions: &[TargetHealthDescription]) -> Targets {
    let mut targets = Targets::default();
    for health in descriptions.iter().filter_map(|description| description.target_health()) {
        let unused_by_balancers = health.reason().is_some_and(|reason| reason.as_str() == "Target.NotInUse");
        match health.state() {
            None | Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::Unavailable) => continue,
            Some(TargetHealthStateEnum::Unused) if unused_by_balancers => continue,
            Some(TargetHealthStateEnum::Healthy) => targets.healthy += 1,
            Some(TargetHealthStateEnum::Initial) => targets.initial += 1,
            Some(_) => {}
        }
        targets.registered += 1;
    }
    targets
}

async fn tags(cx: &ReadContext, arns: &[&Arc<str>]) -> Result<BTreeMap<String, Texts>, Failure> {
    let arns = arns.iter().map(|arn| arn.to_string()).collect();
    let answer =
        cx.call(&ELBV2_DESCRIBE_TAGS, cx.clients.elbv2.describe_tags().set_resource_arns(Some(arns)).send()).await?;
    let mut all = BTreeMap::new();
    for description in answer.tag_descriptions() {
        let pairs = description
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
        if let Some(arn) = description.resource_arn() {
            all.insert(arn.to_owned(), pairs.collect());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{
        Action, ForwardActionConfig, TargetGroupTuple, TargetHealth, TargetHealthReasonEnum,
    };

    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{name}/1")
    }

    #[test]
    fn traffic_goes_to_the_groups_that_have_a_share_of_it() {
        let share = |name: &str, weight| TargetGroupTuple::builder().target_group_arn(arn(name)).weight(weight).build();
        let forward = |shares: Vec<TargetGroupTuple>| {
            let config = ForwardActionConfig::builder().set_target_groups(Some(shares)).build();
            [Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()]
        };
        assert_eq!(forwarded(&forward(vec![share("blue", 0), share("green", 1)])).as_deref(), Some("green"));
        assert_eq!(forwarded(&forward(vec![share("green", 1), share("blue", 1)])).as_deref(), Some("blue, green"));
        let simple = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn("api")).build();
        assert_eq!(forwarded(&[simple]).as_deref(), Some("api"));
        assert_eq!(forwarded(&[Action::builder().r#type(ActionTypeEnum::Redirect).build()]), None);
    }

    #[test]
    fn targets_that_leave_or_are_not_used_do_not_count() {
        let target = |state: TargetHealthStateEnum, reason: Option<TargetHealthReasonEnum>| {
            TargetHealthDescription::builder()
                .target_health(TargetHealth::builder().state(state).set_reason(reason).build())
                .build()
        };
        let targets = counted(&[
            target(TargetHealthStateEnum::Healthy, None),
            target(TargetHealthStateEnum::Unhealthy, None),
            target(TargetHealthStateEnum::Initial, None),
            target(TargetHealthStateEnum::Draining, None),
            target(TargetHealthStateEnum::Unused, Some(TargetHealthReasonEnum::NotInUse)),
            target(TargetHealthStateEnum::Unused, Some(TargetHealthReasonEnum::InvalidState)),
        ]);
        assert_eq!(targets, Targets { registered: 4, healthy: 1, initial: 1 });
        assert_eq!(targets.failing(), 2);
    }
}
