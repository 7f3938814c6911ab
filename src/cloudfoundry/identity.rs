//! Identity: whether a foundation is the one that the manifests declare.
//!
//! Decides if anything read with a session may be believed, by the guids that a manifest pins: no
//! two foundations share one, while names are alike everywhere. An organisation that the role does
//! not see proves nothing either way. Never lets a contradiction pass. The engine checks before it
//! believes a scope, and exports the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::allow_list::ORGANIZATIONS;
use super::classify::{CallFailure, one_line};
use super::read::ReadContext;
use super::types::Organization;
use crate::aws::identity::Identity;
use crate::core::desired::Foundation;
use crate::core::observation::{Failure, IdentityState, Reason};

/// Signs in, and compares the organisations whose guid is pinned. Without one, that the
/// credentials are good here is all there is to know.
pub async fn check(context: &ReadContext, foundation: &Foundation, simulated: bool) -> Identity {
    let contradiction = contradiction(context, foundation).await;
    let (state, seen, failure) = match contradiction {
        Err(failure) => (IdentityState::Unverified, None, Some(failure.into())),
        Ok(Some(seen)) => {
            let detail = format!(
                "the foundation answers as {seen}, which is not what the manifest pins — check `api` and the guids of `organizations`; see `moored whoami`"
            );
            let failure = Failure::new(Reason::IdentityMismatch, detail);
            (IdentityState::Mismatch, Some(seen.into()), Some(failure))
        }
        Ok(None) if simulated => (IdentityState::Simulated, Some(foundation.host.clone()), None),
        Ok(None) => (IdentityState::Verified, Some(foundation.host.clone()), None),
    };
    Identity {
        account: foundation.host.clone(),
        state,
        arn: Some(foundation.auth.principal().clone()),
        seen,
        checked_at: context.now(),
        failure,
    }
}

/// What the foundation has in the place of a pinned organisation.
async fn contradiction(context: &ReadContext, foundation: &Foundation) -> Result<Option<String>, CallFailure> {
    // Names of organisations differ in more than their case.
    let pinned: BTreeMap<String, &Arc<str>> = foundation
        .organizations
        .iter()
        .filter_map(|(name, guid)| guid.as_ref().map(|guid| (name.to_lowercase(), guid)))
        .collect();
    if pinned.is_empty() {
        return context.sign_in().await.map(|()| None);
    }
    // A comma separates names, so that one within a name is encoded twice.
    let names: Vec<String> = pinned.keys().map(|name| name.replace('%', "%25").replace(',', "%2C")).collect();
    let names = names.join(",");
    let listed = context.list::<Organization>(&ORGANIZATIONS, &[("names", names.as_str())]).await?;
    let differs = |seen: &&Organization| {
        let name = seen.name.to_lowercase();
        let has_another_guid = pinned.get(&name).is_some_and(|guid| **guid != seen.guid);
        let has_anothers_guid = pinned.iter().any(|(other, guid)| *other != name && **guid == seen.guid);
        has_another_guid || has_anothers_guid
    };
    let said = |seen: &Organization| {
        format!("{} with organisation {} as {}", foundation.host, one_line(&seen.name), one_line(&seen.guid))
    };
    Ok(listed.items.iter().find(differs).map(said))
}
