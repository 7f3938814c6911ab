//! EcsService: a service of an ECS cluster.
//!
//! Decides when a service is proven gone and whether a service that is as declared also works.
//! Never reads ECS itself: `scopes::ecs_cluster` does. One line of [`crate::kinds::KINDS`].

pub mod definition;
pub mod image;
mod import;
pub mod live;
pub mod rollout;
pub mod spec;

use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::identity::Ask;
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::world::World;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::{Declaration, KindEntry};
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;
use spec::EcsServiceSpec;

/// The kind's name.
pub const KIND: &str = "EcsService";

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &EcsService,
    summary: "A service of an ECS cluster: its count, its task definition and whether its rollout works.",
    schema,
    declare,
    import: Some(import::IMPORT),
};

/// A service of an ECS cluster.
#[derive(Debug)]
pub struct EcsService;

fn schema() -> Schema {
    schemars::schema_for!(EcsServiceSpec)
}

fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: EcsServiceSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    spec::resolve(&spec, setting)
}

impl Kind for EcsService {
    fn name(&self) -> &'static str {
        KIND
    }

    /// The proof (design section 4, reference "Absence and identity"). The cluster is ACTIVE, or
    /// there is no reading at all; then one of:
    ///
    /// 1. DescribeServices says INACTIVE with the createdAt that we knew: ECS itself says that this
    ///    incarnation was deleted.
    /// 2. DescribeServices says INACTIVE of an incarnation that we did not know, and a complete
    ///    ListServices of the same reading lacks the name.
    /// 3. DescribeServices says MISSING, and a complete ListServices of the same reading lacks the
    ///    name. A list alone proves nothing: it leaves DRAINING services out.
    ///
    /// A reading does not carry the list itself. That the list lacks the name is the reader's
    /// promise (`scopes::ecs_cluster`): where a list was part of the reading, a name in it never
    /// has INACTIVE or MISSING for an answer, but Unknown, and the name is read again.
    fn absence(&self, ask: &Ask, reading: &Reading, known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        let remembered = known.and_then(|known| known.incarnation.as_ref());
        let listed = reading.listed && reading.complete;
        match reading.answers.get(ask) {
            Some(NamedAnswer::Inactive(Some(created))) if remembered == Some(created) => Ok(Proof {
                sentence: format!("DescribeServices says INACTIVE, the incarnation created at {created} that we knew"),
                deleted: true,
            }),
            Some(NamedAnswer::Inactive(Some(created)))
                if remembered.is_some_and(|remembered| live::is_later(remembered, created)) =>
            {
                Err(Failure::new(
                    Reason::Stale,
                    format!(
                        "DescribeServices says INACTIVE of the incarnation created at {created}, but a later one was seen: the answer is an old one"
                    ),
                ))
            }
            Some(NamedAnswer::Inactive(created)) if listed => Ok(Proof {
                sentence: match created {
                    Some(created) => {
                        format!("DescribeServices says INACTIVE (created at {created}), and the complete list lacks it")
                    }
                    None => "DescribeServices says INACTIVE, and the complete list lacks it".to_owned(),
                },
                deleted: false,
            }),
            Some(NamedAnswer::Missing) if listed => Ok(Proof {
                sentence: "DescribeServices says MISSING, and the complete list lacks it".to_owned(),
                deleted: false,
            }),
            Some(NamedAnswer::Inactive(_) | NamedAnswer::Missing) => Err(Failure::new(
                Reason::Unconfirmed,
                format!(
                    "DescribeServices does not know {}, but no complete list of the cluster confirms it yet",
                    ask.select
                ),
            )),
            Some(NamedAnswer::Unknown(failure)) => Err(failure.clone()),
            Some(NamedAnswer::NotFound | NamedAnswer::NoItem) | None => Err(Failure::new(
                Reason::Unconfirmed,
                format!("the last reading of the cluster did not ask for {}", ask.select),
            )),
        }
    }

    /// INACTIVE is for ever: what is made again under the name has a createdAt of its own.
    fn revives(&self) -> bool {
        false
    }

    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        rollout::judge(&live.fields, &declared.expects, declared.policy.settle, world.now)
    }
}

#[cfg(test)]
mod tests;
