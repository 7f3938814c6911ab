//! Amazon Resource Names, read strictly: what does not parse names nothing.
//!
//! Source: "Amazon Resource Names (ARNs)", AWS General Reference. Kinds, templates and guards use
//! it to compare an ARN's own account and region with the declared ones.

/// The parts of `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
    /// Such as `ecs`.
    pub service: &'a str,
    /// Empty for global services.
    pub region: &'a str,
    /// Twelve digits; empty for a few global resources.
    pub account: &'a str,
    /// All that follows.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; `None` when it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let arn = Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        let account_is_sound = arn.account.is_empty() || is_account(arn.account);
        (arn.partition.starts_with("aws") && !arn.service.is_empty() && !arn.resource.is_empty() && account_is_sound)
            .then_some(arn)
    }

    /// Load balancers: the name in `loadbalancer/app/NAME/SUFFIX`; target groups: in `targetgroup/NAME/SUFFIX`.
    pub fn elbv2_name(&self) -> Option<&'a str> {
        let mut parts = self.resource.split('/');
        match parts.next()? {
            "loadbalancer" => parts.nth(1),
            "targetgroup" => parts.next(),
            _ => None,
        }
        .filter(|name| !name.is_empty())
    }
}

/// Whether this is twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this has the shape of a region name, such as `eu-west-1` or `us-gov-east-1`.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts.last().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        && parts
            .iter()
            .take(parts.len() - 1)
            .all(|part| part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancer_arn_gives_its_account_and_name() {
        let arn =
            Arn::parse("arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/50dc6c495c0c9188")
                .unwrap();
        assert_eq!((arn.account, arn.region, arn.elbv2_name()), ("111122223333", "eu-west-1", Some("api")));
        let group =
            Arn::parse("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/6d0ecf831eec9f09").unwrap();
        assert_eq!(group.elbv2_name(), Some("api"));
    }

    #[test]
    fn what_is_no_arn_names_nothing() {
        for text in [
            "",
            "arn",
            "arn:aws:ecs:eu-west-1:12:service/a",
            "arn:aws:::x",
            "urn:aws:ecs:eu-west-1:111122223333:service/a",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_region_typo_is_seen() {
        assert!(is_region("eu-west-1") && is_region("us-gov-east-1"));
        assert!(!is_region("eu-west") && !is_region("euwest1") && !is_region("Eu-west-1"));
    }
}
