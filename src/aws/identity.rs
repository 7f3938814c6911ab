//! Identity: whether the credentials belong to the account that the manifests declare.
//!
//! Decides if anything read with a session may be believed. Asks STS, which answers whoever has
//! valid credentials and needs no permission. Never lets a doubt pass: only the declared account's
//! number counts. The engine checks before it believes a scope, and exports the state.

use std::sync::Arc;

use jiff::Timestamp;

use super::allow_list::STS_GET_CALLER_IDENTITY;
use super::read::ReadContext;
use crate::core::observation::{Failure, IdentityState, Reason};

/// Whose credentials a session has, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account as declared.
    pub account: Arc<str>,
    /// What the check found.
    pub state: IdentityState,
    /// Who moored is there.
    pub arn: Option<Arc<str>>,
    /// The account that STS named.
    pub seen: Option<Arc<str>>,
    /// When STS answered, or did not.
    pub checked_at: Timestamp,
    /// Why there is no answer, or what a mismatch means where "another account" does not say it.
    pub failure: Option<Failure>,
}

impl Identity {
    /// Whether what is read with these credentials may be believed.
    pub fn believe(&self) -> Result<(), Failure> {
        match (self.state, &self.failure) {
            (IdentityState::Verified | IdentityState::Simulated, _) => Ok(()),
            (IdentityState::Mismatch | IdentityState::Unverified, Some(failure)) => Err(failure.clone()),
            (IdentityState::Mismatch, None) => {
                let detail = format!(
                    "credentials belong to account {}, declared is {} — check the role and the profile; see `moored whoami`",
                    self.seen.as_deref().unwrap_or("another"),
                    self.account
                );
                Err(Failure::new(Reason::IdentityMismatch, detail))
            }
            (IdentityState::Unverified, None) => {
                let detail = format!("it is not known whether the credentials belong to account {}", self.account);
                Err(Failure::new(Reason::IdentityUnverified, detail))
            }
        }
    }
}

/// Asks STS whose credentials these are. A simulated cloud must name the declared account too.
pub async fn check(context: &ReadContext, declared: &str, simulated: bool) -> Identity {
    let request = context.clients.sts.get_caller_identity().send();
    let answer = context.call(&STS_GET_CALLER_IDENTITY, request).await;
    let unverified = Identity {
        account: declared.into(),
        state: IdentityState::Unverified,
        arn: None,
        seen: None,
        checked_at: context.now(),
        failure: None,
    };
    match answer {
        Err(error) => Identity { failure: Some(error.into()), ..unverified },
        Ok(caller) => {
            let state = match caller.account() {
                None => IdentityState::Unverified,
                Some(seen) if seen != declared => IdentityState::Mismatch,
                Some(_) if simulated => IdentityState::Simulated,
                Some(_) => IdentityState::Verified,
            };
            Identity { state, arn: caller.arn().map(Arc::from), seen: caller.account().map(Arc::from), ..unverified }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::intercept::Requests;
    use super::super::read::context_on;
    use super::super::wire::Wire;
    use super::*;

    const DECLARED: &str = "111122223333";

    async fn asked(status: u16, body: &str) -> Identity {
        let context = context_on(&Wire::always(status, body), &Requests::default()).await;
        check(&context, DECLARED, false).await
    }

    fn caller(account: &str) -> String {
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::{account}:assumed-role/observe/moored-observe</Arn>\
             <UserId>A:b</UserId><Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    }

    #[tokio::test]
    async fn the_declared_account_is_believed_and_another_never() {
        let right = asked(200, &caller(DECLARED)).await;
        assert_eq!((right.state, right.believe()), (IdentityState::Verified, Ok(())));
        assert_eq!(right.arn.as_deref(), Some("arn:aws:sts::111122223333:assumed-role/observe/moored-observe"));

        let wrong = asked(200, &caller("444455556666")).await;
        assert_eq!(wrong.state, IdentityState::Mismatch);
        let failure = wrong.believe().unwrap_err();
        assert_eq!(failure.reason, Reason::IdentityMismatch);
        assert!(failure.detail.starts_with("credentials belong to account 444455556666, declared is 111122223333"));
    }

    #[tokio::test]
    async fn a_simulated_cloud_must_name_the_declared_account_too() {
        let context = context_on(&Wire::always(200, &caller(DECLARED)), &Requests::default()).await;
        assert_eq!(check(&context, DECLARED, true).await.state, IdentityState::Simulated);
        assert_eq!(check(&context, "444455556666", true).await.state, IdentityState::Mismatch);
    }

    #[tokio::test]
    async fn credentials_that_sts_refuses_keep_their_own_reason() {
        let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>\
                       <Message>The security token is invalid</Message></Error></ErrorResponse>";
        let identity = asked(403, refused).await;
        assert_eq!(identity.state, IdentityState::Unverified);
        assert_eq!(identity.believe().unwrap_err().reason, Reason::Credentials);
    }

    #[tokio::test]
    async fn an_answer_without_an_account_proves_nothing() {
        let nobody = "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>";
        let identity = asked(200, nobody).await;
        assert_eq!(identity.state, IdentityState::Unverified);
        assert_eq!(identity.believe().unwrap_err().reason, Reason::IdentityUnverified);
    }
}
