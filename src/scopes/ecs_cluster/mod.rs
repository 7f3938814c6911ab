//! The scope of one ECS cluster: its services, and the task definitions that somebody asks about.
//!
//! Decides which calls a reading takes. While every asked service is ACTIVE, one DescribeClusters
//! and a DescribeServices for each ten of them are enough; as soon as one is not, and until they
//! all are again, the whole cluster is listed and described, since a proof of absence needs the
//! list. What is listed and called gone at the same time is neither. Never judges what it reads.
//! The engine runs it through [`crate::scopes::Scope`].

mod observed;
mod past;
mod read;
mod registered;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::aws::read::ReadContext;
use crate::core::asks::{Asks, Facet};
use crate::core::identity::{Ask, ScopeKey, Select};
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::core::value::{Path, Value};
use crate::kinds::ecs_service::KIND;
use crate::kinds::ecs_service::definition::{Secrets, facts};
use crate::kinds::ecs_service::live::{Cluster, Detail, Observed, live};
use crate::scopes::{ReadFuture, Scope};
use past::Past;
use read::{Calls, Described, Tags};
use registered::Registered;

/// The reader of one cluster.
pub struct EcsCluster {
    cluster: Cluster,
    /// Whether every asked service was ACTIVE at the last reading.
    settled: bool,
    /// Whether tags were ever readable: what was and no longer is, is unknown.
    tags_were_read: bool,
    past: Past,
    definitions: Definitions,
    registered: Registered,
}

impl EcsCluster {
    /// The reader of this cluster.
    pub fn new(key: &ScopeKey) -> Self {
        Self {
            cluster: Cluster { account: key.account.clone(), region: key.region.clone(), name: key.thing.clone() },
            settled: true,
            tags_were_read: false,
            past: Past::default(),
            definitions: Definitions::default(),
            registered: Registered::default(),
        }
    }

    async fn read_once(&mut self, cx: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(cx.now());
        let cluster = self.cluster.clone();
        let calls = Calls { cx, cluster: &cluster };
        reading.counted = calls.require_active_cluster().await?;

        let (asked, misread): (BTreeSet<String>, BTreeSet<String>) =
            asked_names(asks).into_iter().partition(|name| is_a_name(name));
        let wanted = asks.things.values().any(|facets| facets.contains(&Facet::Tags));
        let mut tags = if wanted { Tags::Wanted } else { Tags::NotWanted };
        let mut described = BTreeMap::new();
        if self.settled && !asks.everything {
            calls.describe(&asked, &mut tags, &mut described).await?;
        }
        if !all_active(&asked, &described) || asks.everything {
            let listed = calls.list().await?;
            if listed.is_empty() && reading.counted.is_some_and(|counted| counted > 0) {
                let detail = format!("ListServices gave no service of {}, but the cluster counts some", cluster.arn());
                return Err(Failure::new(Reason::Incomplete, detail));
            }
            // What was described a moment ago and is there need not be described again; what was
            // not there and is listed now has come in between.
            let rest: BTreeSet<String> = listed
                .iter()
                .chain(&asked)
                .chain(self.past.names())
                .filter(|name| match described.get(*name) {
                    None => true,
                    Some(Described::There(_)) => false,
                    Some(_) => listed.contains(*name),
                })
                .cloned()
                .collect();
            calls.describe(&rest, &mut tags, &mut described).await?;
            doubt_what_is_listed(&listed, &mut described);
            reading.listed = true;
        }
        self.past.check(&mut described, cx.now());
        self.settled = all_active(&asked, &described);
        described.extend(misread.into_iter().map(|name| {
            let detail = format!("`{name}` cannot be asked for: ECS would take it for another service's ARN");
            (name, Described::Unclear(Failure::new(Reason::BadItem, detail)))
        }));
        self.fill(&mut reading, &calls, described, &tags, asks).await;
        reading.complete = true;
        reading.finished = cx.now();
        reading.api_calls = cx.calls();
        Ok(reading)
    }

    async fn fill(
        &mut self,
        reading: &mut Reading,
        calls: &Calls<'_>,
        described: BTreeMap<String, Described>,
        tags: &Tags,
        asks: &Asks,
    ) {
        let mut services = Vec::new();
        for (name, what) in described {
            let answer = match what {
                Described::There(mut observed) => {
                    if let Tags::Refused(failure) = tags
                        && observed.tags == Detail::NotAsked
                    {
                        observed.tags = unread(failure, self.tags_were_read);
                    }
                    services.push(observed);
                    continue;
                }
                Described::Inactive(created) => NamedAnswer::Inactive(created),
                Described::Missing => NamedAnswer::Missing,
                Described::Unclear(failure) => NamedAnswer::Unknown(failure),
            };
            reading.answers.insert(ask(&name), answer);
        }
        match tags {
            Tags::Refused(failure) => reading.remarks.push(failure.clone()),
            Tags::Wanted if !services.is_empty() => self.tags_were_read = true,
            Tags::Wanted | Tags::NotWanted => {}
        }
        self.definitions.fill(&mut services, calls, asks, &mut reading.remarks).await;
        let was_readable = self.definitions.were_read;
        self.registered.fill(&mut services, calls, asks, was_readable, &mut reading.remarks).await;
        for observed in services {
            reading.insert(live(&observed, &self.cluster));
        }
    }
}

impl Scope for EcsCluster {
    fn read<'a>(&'a mut self, context: &'a ReadContext, asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(self.read_once(context, asks))
    }
}

fn ask(name: &str) -> Ask {
    Ask { kind: KIND, select: Select::Key(name.into()) }
}

fn asked_names(asks: &Asks) -> BTreeSet<String> {
    asks.things
        .keys()
        .filter(|ask| ask.kind == KIND)
        .filter_map(|ask| match &ask.select {
            Select::Key(name) => Some(name.to_string()),
            Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
        })
        .collect()
}

/// What a table item calls a service may be anything. ECS takes `x/y` and `arn:…` for other things than names, and
/// answers for those: one such item must not make the answers about all other services incomplete.
fn is_a_name(text: &str) -> bool {
    !text.contains('/') && !text.starts_with("arn:")
}

fn all_active(asked: &BTreeSet<String>, described: &BTreeMap<String, Described>) -> bool {
    asked
        .iter()
        .all(|name| matches!(described.get(name), Some(Described::There(observed)) if observed.status == "ACTIVE"))
}

/// A name that ListServices gave cannot be gone: whatever DescribeServices says to the contrary is
/// no answer, and the cluster is listed again until the two agree.
fn doubt_what_is_listed(listed: &BTreeSet<String>, described: &mut BTreeMap<String, Described>) {
    for (name, what) in described.iter_mut().filter(|(name, _)| listed.contains(*name)) {
        let gone = match what {
            Described::Inactive(_) => "INACTIVE",
            Described::Missing => "MISSING",
            Described::There(_) | Described::Unclear(_) => continue,
        };
        let detail =
            format!("ListServices names {name}, but DescribeServices says that it is gone ({gone}); it is read again");
        *what = Described::Unclear(Failure::new(Reason::Incomplete, detail));
    }
}

/// What the role was never able to read is not checked; what it was, is unknown.
fn unread<T>(failure: &Failure, was_read: bool) -> Detail<T> {
    if failure.reason == Reason::Denied && !was_read {
        Detail::Unchecked(failure.detail.clone())
    } else {
        Detail::Unknown(failure.to_string().into())
    }
}

/// The facts of the task definitions in use. A revision never changes, so that each is read once
/// for a service and kept as long as the service uses it. Hashes are made per service.
#[derive(Default)]
struct Definitions {
    known: BTreeMap<String, Known>,
    /// Under which names values were kept readable: other names mean reading again.
    visible: BTreeSet<Arc<str>>,
    were_read: bool,
}

/// What is known of one service's task definition.
struct Known {
    arn: String,
    facts: Arc<[(Path, Value)]>,
}

impl Definitions {
    async fn fill(
        &mut self,
        services: &mut [Box<Observed>],
        calls: &Calls<'_>,
        asks: &Asks,
        remarks: &mut Vec<Failure>,
    ) {
        let mut known = std::mem::take(&mut self.known);
        if self.visible != asks.visible {
            known.clear();
            self.visible = asks.visible.clone();
        }
        let mut denied: Option<Failure> = None;
        for service in services {
            if !asks.wants(&ask(&service.name), Facet::TaskDefinition) {
                continue;
            }
            let Some(arn) = service.definition_in_use().map(str::to_owned) else { continue };
            let kept = known.remove(&service.name).filter(|kept| kept.arn == arn);
            let answer = if let Some(kept) = kept {
                Ok(kept.facts)
            } else if let Some(failure) = denied.clone() {
                // One refusal is the answer for all: the permission does not depend on the revision.
                Err(failure)
            } else {
                let answer = self.read(&service.name, &arn, calls, asks).await;
                if let Err(failure) = &answer {
                    remarks.push(failure.clone());
                    denied = (failure.reason == Reason::Denied).then(|| failure.clone());
                }
                answer
            };
            service.definition = match answer {
                Ok(facts) => {
                    self.known.insert(service.name.clone(), Known { arn, facts: facts.clone() });
                    Detail::Known(facts)
                }
                Err(failure) => unread(&failure, self.were_read),
            };
        }
    }

    async fn read(
        &mut self,
        service: &str,
        arn: &str,
        calls: &Calls<'_>,
        asks: &Asks,
    ) -> Result<Arc<[(Path, Value)]>, Failure> {
        let definition = calls.definition(arn).await?;
        self.were_read = true;
        let service_arn = calls.cluster.service_arn(service);
        let secrets = Secrets { service_arn: &service_arn, redactor: &calls.cx.redactor, visible: &asks.visible };
        Ok(facts(&definition, &secrets))
    }
}

#[cfg(test)]
mod tests;
