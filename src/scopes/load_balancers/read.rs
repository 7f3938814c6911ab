//! The calls that list load balancers and target groups, and what their answers say.
//!
//! Decides how a listed balancer or group is understood, and which questions a list leaves open.
//! Never writes. Called by [`super::LoadBalancers`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer, TargetGroup};
use jiff::Timestamp;

use crate::aws::allow_list::{ELBV2_DESCRIBE_LOAD_BALANCERS, ELBV2_DESCRIBE_TARGET_GROUPS};
use crate::aws::read::ReadContext;
use crate::core::arn::Arn;
use crate::core::identity::{Ask, Select};
use crate::core::observation::{Failure, Reason};
use crate::kinds::load_balancer::live::Observed as Balancer;
use crate::kinds::target_group::live::{HealthCheck, Observed as Group};
use crate::kinds::{load_balancer, target_group};
use crate::scopes::pages::Pages;

/// The largest page of balancers or groups.
const PAGE: i32 = 400;

/// What the lists say, by name.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) balancers: BTreeMap<Arc<str>, Balancer>,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
}

impl Listed {
    /// Both lists, page by page.
    pub(super) async fn read(cx: &ReadContext) -> Result<Self, Failure> {
        let mut listed = Self::default();
        let mut pages = Pages::of("DescribeLoadBalancers");
        let mut marker: Option<String> = None;
        loop {
            let request = cx.clients.elbv2.describe_load_balancers().page_size(PAGE).set_marker(marker);
            let page = cx.call(&ELBV2_DESCRIBE_LOAD_BALANCERS, request.send()).await?;
            for described in page.load_balancers() {
                listed.add_balancer(balancer(described)?);
            }
            match next_page(page.next_marker()) {
                Some(next) => marker = Some(pages.next(next)?),
                None => break,
            }
        }
        let mut pages = Pages::of("DescribeTargetGroups");
        let mut marker: Option<String> = None;
        loop {
            let request = cx.clients.elbv2.describe_target_groups().page_size(PAGE).set_marker(marker);
            let page = cx.call(&ELBV2_DESCRIBE_TARGET_GROUPS, request.send()).await?;
            for described in page.target_groups() {
                listed.add_group(group(described)?);
            }
            match next_page(page.next_marker()) {
                Some(next) => marker = Some(pages.next(next)?),
                None => break,
            }
        }
        Ok(listed)
    }

    fn add_balancer(&mut self, balancer: Balancer) {
        self.balancers.insert(balancer.name.clone(), balancer);
    }

    fn add_group(&mut self, group: Group) {
        self.groups.insert(group.name.clone(), group);
    }

    /// The ARN of the thing that a question means, when it is listed.
    pub(super) fn arn_of(&self, ask: &Ask) -> Option<&Arc<str>> {
        match &ask.select {
            Select::Key(name) => self.arn_by_name(ask.kind, name),
            Select::Arn(arn) => {
                self.arn_by_name(ask.kind, Arn::parse(arn)?.elbv2_name()?).filter(|known| *known == arn)
            }
            Select::Alias(_) | Select::ReferencedBy(..) => None,
        }
    }

    fn arn_by_name(&self, kind: &str, name: &str) -> Option<&Arc<str>> {
        match kind {
            load_balancer::KIND => self.balancers.get(name).map(|balancer| &balancer.arn),
            target_group::KIND => self.groups.get(name).map(|group| &group.arn),
            _ => None,
        }
    }

    /// Whether the thing has to be asked about by itself: the list has nothing of its name. Another
    /// incarnation of the name is an answer.
    pub(super) fn leaves_open(&self, ask: &Ask) -> bool {
        match &ask.select {
            Select::Key(name) => self.arn_by_name(ask.kind, name).is_none(),
            Select::Arn(arn) => {
                let name = Arn::parse(arn).and_then(|parsed| parsed.elbv2_name());
                name.and_then(|name| self.arn_by_name(ask.kind, name)).is_none()
            }
            Select::Alias(_) | Select::ReferencedBy(..) => false,
        }
    }

    /// Asks about one thing by name or ARN, and adds it when it is there; `false` when ELBv2 says
    /// that there is no such thing.
    pub(super) async fn ask(&mut self, cx: &ReadContext, ask: &Ask) -> Result<bool, Failure> {
        let found = match ask.kind {
            load_balancer::KIND => named_balancer(cx, &ask.select).await?.map(|balancer| self.add_balancer(balancer)),
            target_group::KIND => named_group(cx, &ask.select).await?.map(|group| self.add_group(group)),
            other => {
                return Err(Failure::new(Reason::Invalid, format!("a {other} is no load balancer or target group")));
            }
        };
        match found {
            None => Ok(false),
            Some(()) if self.arn_of(ask).is_some() => Ok(true),
            Some(()) => Err(Failure::new(
                Reason::Malformed,
                format!("ELBv2 was asked about {} and described something else", ask.select),
            )),
        }
    }

    /// Tells each balancer which target groups name it.
    pub(super) fn connect(&mut self) {
        let mut of_balancer: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        for group in self.groups.values() {
            for balancer in &group.load_balancers {
                of_balancer.entry(balancer.clone()).or_default().push(group.arn.clone());
            }
        }
        for balancer in self.balancers.values_mut() {
            balancer.target_groups = of_balancer.remove(&balancer.arn).unwrap_or_default();
        }
    }

    /// Kinds and names of all there is.
    pub(super) fn names(&self) -> BTreeSet<(&'static str, Arc<str>)> {
        let balancers = self.balancers.keys().map(|name| (load_balancer::KIND, name.clone()));
        balancers.chain(self.groups.keys().map(|name| (target_group::KIND, name.clone()))).collect()
    }

    /// The ARNs of balancers that target groups name: these have listeners.
    pub(super) fn attached(&self) -> BTreeSet<Arc<str>> {
        let attached = self.balancers.values().filter(|balancer| !balancer.target_groups.is_empty());
        attached.map(|balancer| balancer.arn.clone()).collect()
    }

    /// Every ARN there is.
    pub(super) fn arns(&self) -> BTreeSet<Arc<str>> {
        let balancers = self.balancers.values().map(|balancer| balancer.arn.clone());
        balancers.chain(self.groups.values().map(|group| group.arn.clone())).collect()
    }
}

async fn named_balancer(cx: &ReadContext, select: &Select) -> Result<Option<Balancer>, Failure> {
    let request = cx.clients.elbv2.describe_load_balancers();
    let request = match select {
        Select::Arn(arn) => request.load_balancer_arns(&**arn),
        other => request.names(other.to_string()),
    };
    match cx.call(&ELBV2_DESCRIBE_LOAD_BALANCERS, request.send()).await {
        Ok(answer) => {
            answer.load_balancers().first().map(balancer).transpose().and_then(|found| described(found, select))
        }
        Err(failure) if failure.is_not_found(&ELBV2_DESCRIBE_LOAD_BALANCERS) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

async fn named_group(cx: &ReadContext, select: &Select) -> Result<Option<Group>, Failure> {
    let request = cx.clients.elbv2.describe_target_groups();
    let request = match select {
        Select::Arn(arn) => request.target_group_arns(&**arn),
        other => request.names(other.to_string()),
    };
    match cx.call(&ELBV2_DESCRIBE_TARGET_GROUPS, request.send()).await {
        Ok(answer) => answer.target_groups().first().map(group).transpose().and_then(|found| described(found, select)),
        Err(failure) if failure.is_not_found(&ELBV2_DESCRIBE_TARGET_GROUPS) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// A question by name has a thing or an error for an answer; an empty one proves nothing.
fn described<T>(found: Option<T>, select: &Select) -> Result<Option<T>, Failure> {
    match found {
        Some(found) => Ok(Some(found)),
        None => Err(Failure::new(
            Reason::Malformed,
            format!("ELBv2 was asked about {select} and described nothing, without an error"),
        )),
    }
}

/// ELBv2 ends a list without a marker; some that imitate it, with an empty one.
pub(super) fn next_page(marker: Option<&str>) -> Option<String> {
    marker.filter(|marker| !marker.is_empty()).map(str::to_owned)
}

fn balancer(described: &LoadBalancer) -> Result<Balancer, Failure> {
    let state = described.state();
    Ok(Balancer {
        arn: required("DescribeLoadBalancers", "LoadBalancerArn", described.load_balancer_arn())?,
        name: required("DescribeLoadBalancers", "LoadBalancerName", described.load_balancer_name())?,
        state: state.and_then(|state| state.code()).map(|code| code.as_str().to_owned()),
        state_reason: state.and_then(|state| state.reason()).filter(|reason| !reason.is_empty()).map(str::to_owned),
        dns_name: described.dns_name().map(str::to_owned),
        created: described.created_time().and_then(|time| Timestamp::from_second(time.secs()).ok()),
        scheme: described.scheme().map(|scheme| scheme.as_str().to_owned()),
        balancer_type: described.r#type().map(|balancer_type| balancer_type.as_str().to_owned()),
        ip_address_type: described.ip_address_type().map(|address_type| address_type.as_str().to_owned()),
        security_groups: described.security_groups().to_vec(),
        subnets: described.availability_zones().iter().filter_map(|zone| zone.subnet_id().map(str::to_owned)).collect(),
        target_groups: Vec::new(),
    })
}

fn group(described: &TargetGroup) -> Result<Group, Failure> {
    let matcher = described.matcher().and_then(|matcher| matcher.http_code().or(matcher.grpc_code()));
    Ok(Group {
        arn: required("DescribeTargetGroups", "TargetGroupArn", described.target_group_arn())?,
        name: required("DescribeTargetGroups", "TargetGroupName", described.target_group_name())?,
        protocol: described.protocol().map(|protocol| protocol.as_str().to_owned()),
        port: described.port(),
        target_type: described.target_type().map(|target_type| target_type.as_str().to_owned()),
        health_check: HealthCheck {
            protocol: described.health_check_protocol().map(|protocol| protocol.as_str().to_owned()),
            port: described.health_check_port().map(str::to_owned),
            path: described.health_check_path().map(str::to_owned),
            interval: described.health_check_interval_seconds(),
            timeout: described.health_check_timeout_seconds(),
            healthy_threshold: described.healthy_threshold_count(),
            unhealthy_threshold: described.unhealthy_threshold_count(),
            matcher: matcher.map(str::to_owned),
        },
        load_balancers: described.load_balancer_arns().iter().map(|arn| Arc::from(arn.as_str())).collect(),
    })
}

/// A list whose entries cannot be told apart is not believed at all.
fn required(operation: &str, member: &str, text: Option<&str>) -> Result<Arc<str>, Failure> {
    text.map(Arc::<str>::from)
        .ok_or_else(|| Failure::new(Reason::Malformed, format!("{operation} gave an entry without {member}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/1";

    fn ask(select: Select) -> Ask {
        Ask { kind: load_balancer::KIND, select }
    }

    fn listed() -> Listed {
        let mut listed = Listed::default();
        listed.add_balancer(Balancer { arn: ARN.into(), name: "api".into(), ..Balancer::default() });
        listed.add_group(Group {
            arn: "arn:tg".into(),
            name: "api".into(),
            load_balancers: vec![ARN.into()],
            ..Group::default()
        });
        listed
    }

    #[test]
    fn another_incarnation_of_a_name_is_neither_the_thing_nor_an_open_question() {
        let listed = listed();
        let other = ask(Select::Arn(ARN.replace("api/1", "api/2").into()));
        assert_eq!((listed.arn_of(&other), listed.leaves_open(&other)), (None, false));
        let same = ask(Select::Arn(ARN.into()));
        assert_eq!(listed.arn_of(&same).map(|arn| &**arn), Some(ARN));
        assert!(listed.leaves_open(&ask(Select::Key("web".into()))));
        assert!(listed.leaves_open(&ask(Select::Arn(ARN.replace("api/1", "web/1").into()))));
    }

    #[test]
    fn a_balancer_knows_the_groups_that_name_it() {
        let mut listed = listed();
        listed.connect();
        let balancer = listed.balancers.get("api").unwrap();
        assert_eq!(balancer.target_groups, [Arc::<str>::from("arn:tg")]);
        assert_eq!(listed.arns().len(), 2);
    }
}
