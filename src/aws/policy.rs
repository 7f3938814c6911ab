//! The least policy for observing, from the read allow-list and the manifests.
//!
//! Decides which actions on which resources an account's observing role needs: what the declared
//! scopes read, and who changed what is in them, and nothing that writes. `moored iam observe` prints it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::allow_list::{CLOUDTRAIL_LOOKUP_EVENTS, IamResource, Operation, STS_ASSUME_ROLE};
use crate::core::desired::Desired;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::index::Index;
use crate::scopes;

/// Actions by what they can be narrowed to, and the resources.
type Statements = BTreeMap<(IamResource, BTreeSet<String>), BTreeSet<&'static str>>;

/// One policy document per account number.
pub fn observe(desired: &Desired) -> BTreeMap<String, Value> {
    let index = Index::new(desired);
    let mut accounts: BTreeMap<String, Statements> = BTreeMap::new();
    for account in desired.environments.values().flat_map(|environment| environment.accounts.values()) {
        accounts.entry(account.id.to_string()).or_default();
    }
    for (account, statements) in &mut accounts {
        for kind in ScopeKind::ALL {
            let keys: Vec<&ScopeKey> =
                index.scopes.keys().filter(|key| key.kind == kind && *key.account == **account).collect();
            if keys.is_empty() {
                continue;
            }
            for operation in
                scopes::operations(kind).iter().filter(|operation| operation.resource != IamResource::Unneeded)
            {
                let resources = keys.iter().map(|key| resource(operation, key)).collect();
                statements.entry((operation.resource, resources)).or_default().insert(operation.iam);
            }
            // CloudTrail never tells who wrote a table's items.
            if kind != ScopeKind::Table {
                let everywhere = (CLOUDTRAIL_LOOKUP_EVENTS.resource, BTreeSet::from(["*".to_owned()]));
                statements.entry(everywhere).or_default().insert(CLOUDTRAIL_LOOKUP_EVENTS.iam);
            }
        }
    }
    assume(desired, &mut accounts);
    accounts.into_iter().map(|(account, statements)| (account, document(statements))).collect()
}

/// Whoever starts without a role of its own must be allowed to assume the others' of its environment.
fn assume(desired: &Desired, accounts: &mut BTreeMap<String, Statements>) {
    for environment in desired.environments.values() {
        let roles: BTreeSet<String> = environment
            .accounts
            .values()
            .filter_map(|account| account.observe_role.as_deref())
            .map(str::to_owned)
            .collect();
        let holders = environment.accounts.values().filter(|account| account.observe_role.is_none());
        for holder in holders.filter(|_| !roles.is_empty()) {
            let statements = accounts.entry(holder.id.to_string()).or_default();
            statements.entry((IamResource::Role, roles.clone())).or_default().insert(STS_ASSUME_ROLE.iam);
        }
    }
}

fn document(statements: Statements) -> Value {
    let statements: Vec<Value> = statements
        .into_iter()
        .enumerate()
        .map(|(at, ((_, resources), actions))| {
            json!({ "Sid": format!("MooredObserve{at}"), "Effect": "Allow", "Action": actions, "Resource": resources })
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The narrowest resource that an operation's permission can name for a scope.
fn resource(operation: &Operation, key: &ScopeKey) -> String {
    let (account, region, thing) = (&key.account, &key.region, &key.thing);
    match operation.resource {
        // `ecs:cluster` is no key of every one of these actions in every partition; `*` is honest.
        IamResource::Unneeded | IamResource::Any | IamResource::AnyInCluster | IamResource::Role => "*".to_owned(),
        IamResource::Cluster => format!("arn:aws:ecs:{region}:{account}:cluster/{thing}"),
        IamResource::ServicesOfCluster => format!("arn:aws:ecs:{region}:{account}:service/{thing}/*"),
        IamResource::Table => format!("arn:aws:dynamodb:{region}:{account}:table/{thing}"),
        // The zone's id is not in the manifests.
        IamResource::Zone => "arn:aws:route53:::hostedzone/*".to_owned(),
        IamResource::HealthCheck => "arn:aws:route53:::healthcheck/*".to_owned(),
    }
}
