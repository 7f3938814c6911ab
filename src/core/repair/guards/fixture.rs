//! A case in which every guard passes; tests change one fact of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Case, Intent, Ownership};
use crate::core::desired::{Class, WhenParentGone};
use crate::core::drift::Root;
use crate::core::identity::{ObjectKey, ScopeKey, ScopeKind};
use crate::core::observation::{IdentityState, Live};
use crate::core::repair::before::BeforeImage;
use crate::core::repair::evidence::{Confirmation, Evidence, Sighting, observe};
use crate::core::repair::policy::{Circumstances, Mode, Policy};
use crate::core::repair::target::Step;
use crate::core::value::Fields;

pub const PASS: SignedDuration = SignedDuration::from_mins(1);

/// Everything a case borrows.
pub struct Room {
    pub now: Timestamp,
    pub policy: Policy,
    pub circumstances: Circumstances,
    pub root: Root,
    pub scope: ScopeKey,
    pub live: Live,
    pub evidence: Option<Evidence>,
    pub trips: Vec<String>,
    pub before: BeforeImage,
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_secs(1_795_000_000 + second)).unwrap_or(Timestamp::MAX)
}

/// Confirmed at these seconds.
pub fn confirmed(seconds: &[i64]) -> Option<Evidence> {
    seconds.iter().fold(None, |known: Option<Evidence>, second| {
        let confirmation = Confirmation {
            incarnation: "one".into(),
            object_read: at(*second - 2),
            parent_read: at(*second - 1),
            complete: at(*second),
        };
        observe(known.as_ref(), &Sighting::Confirmed(confirmation), PASS, at(*second))
    })
}

impl Room {
    /// A load balancer that may go.
    pub fn ready() -> Self {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/50dc6c495c0c9188";
        let mut fields = Fields::default();
        fields.set("deletionProtection", false);
        let live = Live {
            key: ObjectKey::new("LoadBalancer", "api"),
            id: arn.into(),
            incarnation: Some(arn.into()),
            fields,
            addresses: Box::default(),
            references: Box::default(),
        };
        Self {
            now: at(130),
            policy: Policy {
                class: Class::Production,
                prune: BTreeMap::from([("StateTable", Mode::Approve)]),
                heal: BTreeMap::new(),
                has_key: true,
                lease: Some("moored-lease".into()),
            },
            circumstances: Circumstances::default(),
            root: Root { kind: "EcsService".into(), name: "api".into() },
            scope: ScopeKey::new(ScopeKind::LoadBalancers, "111122223333", "eu-west-1", ""),
            before: BeforeImage::of(Step::LoadBalancer, &live),
            live,
            evidence: confirmed(&[0, 60, 120]),
            trips: Vec::new(),
        }
    }

    pub fn case(&self) -> Case<'_> {
        Case {
            now: self.now,
            policy: Some(&self.policy),
            circumstances: Some(&self.circumstances),
            root: &self.root,
            account: Some("111122223333"),
            step: Step::LoadBalancer,
            scope: &self.scope,
            id: &self.live.id,
            live: Some(&self.live),
            intent: Intent::Table(WhenParentGone::Prune),
            reviewed: true,
            unread_roots: Vec::new(),
            account_declared: true,
            identity: Some(IdentityState::Verified),
            ownership: Ownership::LeftOver("DescribeServices says INACTIVE".to_owned()),
            evidence: self.evidence.as_ref(),
            pass: PASS,
            settling: None,
            trips: &self.trips,
            uncounted: None,
            of_its_kind: 40,
            outside: Vec::new(),
            unlisted: None,
            staying: Vec::new(),
            before: &self.before,
            doubts: Vec::new(),
        }
    }

    /// The group that somebody else clears.
    pub fn another_group() -> Root {
        Root { kind: "EcsService".into(), name: Arc::from("other") }
    }
}
