//! Guard 2: identity is several facts that agree.
//!
//! Decides whether the account that the environment declares, the account that STS names and the
//! account in the thing's own ARN are one. The episode asks again with the very credentials that
//! sign the delete.

use super::{Case, Verdict};
use crate::core::arn::Arn;
use crate::core::observation::IdentityState;
use crate::core::repair::target::Step;

/// Its name.
pub const NAME: &str = "identity";

/// A delete pipeline of dev run in production; a vendor's clean-up; the service deleted in the wrong
/// account.
pub const AGAINST: &[u8] = &[28, 29, 30, 31, 33];

/// Every fact about whose thing it is must agree.
pub fn check(case: &Case<'_>) -> Verdict {
    let account = &*case.scope.account;
    if !case.account_declared {
        return Verdict::refused(NAME, format!("the environment declares no account {account}"));
    }
    match Arn::parse(case.id) {
        Some(arn) if !arn.account.is_empty() && arn.account != account => {
            let reason = format!("it lies in account {}, but {account} is declared and read", arn.account);
            return Verdict::refused(NAME, reason);
        }
        None if matches!(case.step, Step::LoadBalancer | Step::TargetGroup) => {
            return Verdict::refused(NAME, format!("`{}` is no ARN: nobody can say whose it is", case.id));
        }
        Some(_) | None => {}
    }
    match case.identity {
        Some(IdentityState::Verified) => {
            Verdict::passed(NAME, format!("declared account, STS and the thing itself all say {account}"))
        }
        Some(IdentityState::Simulated) => Verdict::passed(NAME, format!("account {account} of a simulated cloud")),
        Some(IdentityState::Mismatch) => {
            Verdict::refused(NAME, format!("STS names another account than {account}: check the role and the profile"))
        }
        Some(IdentityState::Unverified) | None => {
            Verdict::waits(NAME, None, format!("STS has not said whose the credentials for {account} are"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn facts_that_agree_pass_and_a_simulated_cloud_is_its_own_account() {
        let room = Room::ready();
        assert!(check(&room.case()).is_passed());
        assert!(check(&Case { identity: Some(IdentityState::Simulated), ..room.case() }).is_passed());
    }

    #[test]
    fn one_fact_that_disagrees_or_is_not_known_is_enough_not_to_pass() {
        let room = Room::ready();
        for identity in [Some(IdentityState::Mismatch), Some(IdentityState::Unverified), None] {
            assert!(!check(&Case { identity, ..room.case() }).is_passed(), "{identity:?}");
        }
        assert!(!check(&Case { account_declared: false, ..room.case() }).is_passed());
        let foreign = "arn:aws:elasticloadbalancing:eu-west-1:999999999999:loadbalancer/app/api/1";
        assert!(!check(&Case { id: foreign, ..room.case() }).is_passed());
        assert!(!check(&Case { id: "api", ..room.case() }).is_passed(), "a name is nobody's");
    }
}
