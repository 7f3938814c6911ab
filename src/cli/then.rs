//! `moored show KIND/NAME --at T`: what a thing was at a moment, and what became of it since.
//!
//! Decides which recorded thing is meant: what manifests call so, else what the cloud calls so. It
//! reads no cloud, only the record: from the daemon's state file or its API. [`super::show`] calls it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Deserialize;

use super::changes;
use super::options::{Filters, Format, Manifests, Server};
use super::render::{self, BOLD, CAUTION, DIM, clean, moment, styled};
use super::{Outcome, history, output, setup};
use crate::core::identity::spoken;
use crate::core::index::Index;
use crate::core::record::{Change, FactsAt, ThingName};
use crate::core::redact::Redactor;
use crate::store::{self, ChangeQuery, History as _, SqliteHistory, ThingFacts};

/// The most changes that are shown after the facts.
const CHANGES: usize = 1_000;

/// What is asked.
pub struct Then<'a> {
    /// Such as `EcsService/deployer-api`.
    pub resource: &'a str,
    /// Kind and environments; the name is added here.
    pub filters: Filters,
    /// The name, as it was given.
    pub name: &'a str,
    /// When.
    pub at: Timestamp,
    /// Where manifests would be.
    pub manifests: &'a Manifests,
    /// Where the record is …
    pub state: Option<&'a Path>,
    /// … or who has it.
    pub server: &'a Server,
}

/// What the record answers, from either side.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    changes: Vec<Change>,
    /// Whether older ones were left out.
    more_changes: bool,
    facts: Vec<ThingFacts>,
}

impl Then<'_> {
    /// Asks and prints.
    pub fn show(mut self, format: Format) -> anyhow::Result<Outcome> {
        // A name is no pattern; a record's may begin with a star.
        self.filters.name = vec![self.name.replace('*', "\\052")];
        let filter = self.filters.build()?;
        let Answer { mut changes, more_changes, facts } = match (&self.server.server, self.state) {
            (Some(_), _) => self.ask()?,
            (None, Some(state)) => self.look(state, &filter)?,
            (None, None) => bail!("--at looks into the record: give the daemon's --state file or its --server"),
        };
        let meant: BTreeSet<ThingName> = facts.iter().map(|thing| thing.name.clone()).collect();
        changes.retain(|change| meant.contains(&name_of(change)));
        let distinct: BTreeSet<&str> = meant.iter().map(|name| &*name.key).collect();
        if meant.is_empty() {
            bail!("nothing in the record is called {}: neither manifests nor the cloud say so", self.resource);
        }
        if distinct.len() > 1 {
            let candidates: Vec<String> = distinct.iter().map(|key| clean(&spoken(key))).collect();
            bail!("{} may be any of: {}; name it in full", self.resource, candidates.join(", "));
        }
        match format {
            Format::Json => {
                let one = |thing: &ThingFacts| {
                    let since: Vec<&Change> = changes.iter().filter(|change| name_of(change) == thing.name).collect();
                    serde_json::json!({ "at": self.at, "thing": thing, "changes": since, "moreChanges": more_changes })
                };
                output::json(&facts.iter().map(one).collect::<Vec<_>>())?;
            }
            Format::Table => {
                for thing in &facts {
                    let since: Vec<Change> =
                        changes.iter().filter(|change| name_of(change) == thing.name).cloned().collect();
                    output::text(sheet(thing, self.at, &since, more_changes))?;
                }
            }
        }
        Ok(Outcome::Fine)
    }

    fn look(&self, state: &Path, filter: &crate::core::filter::Filter) -> anyhow::Result<Answer> {
        let record = SqliteHistory::open_read_only(state)?;
        let mut query = ChangeQuery { since: Some(self.at), ..ChangeQuery::of(filter, CHANGES) };
        if self.manifests.roots.iter().all(|root| root.exists()) {
            // No value is compared, so that any key will do.
            let redactor = Redactor::new(&store::key::ephemeral_key()?);
            match setup::load(self.manifests, &redactor) {
                Ok((_, desired)) => query = query.declared(filter, &desired, &Index::new(&desired)),
                // They alone say what lives where: without them this would be another question.
                Err(reason) if !filter.environments.is_empty() || !filter.labels.is_empty() => {
                    return Err(reason.context("--environment needs the manifests, and they cannot be read"));
                }
                // Broken manifests are no reason not to say what was there before them.
                Err(_) => anstream::eprintln!("warning: without manifests only the cloud's own names are known"),
            }
        } else if !filter.environments.is_empty() {
            bail!("--environment needs the manifests: add --desired-state, or ask the daemon with --server");
        }
        let query = query.resolved();
        let facts = store::facts_of(&record, &query, self.at)?;
        // One more than is shown tells whether there are more.
        let mut changes = record.changes(&ChangeQuery { limit: CHANGES + 1, ..query })?;
        let more_changes = changes.len() > CHANGES;
        if more_changes {
            changes.remove(0);
        }
        Ok(Answer { changes, more_changes, facts })
    }

    fn ask(&self) -> anyhow::Result<Answer> {
        let mut query =
            vec![("at", self.at.to_string()), ("since", self.at.to_string()), ("limit", CHANGES.to_string())];
        query.extend(history::filters(&self.filters));
        let body = self.server.get("/api/v1/history", &query)?;
        serde_json::from_value(body).context("the daemon's answer cannot be understood; is it the same version?")
    }
}

fn name_of(change: &Change) -> ThingName {
    ThingName { scope: change.scope.clone(), kind: change.kind.clone(), key: change.key.clone() }
}

/// One thing, as a person reads it.
fn sheet(thing: &ThingFacts, at: Timestamp, changes: &[Change], more: bool) -> String {
    let name = &thing.name;
    let title = format!("{}/{} at {}", clean(&name.kind), clean(&spoken(&name.key)), moment(at));
    let mut sheet = format!("{}\n", render::styled(BOLD, title));
    let mut line = |label: &str, text: String| sheet.push_str(&format!("  {label:<12} {text}\n"));
    line("scope", clean(&name.scope.to_string()));
    match &thing.then {
        FactsAt::Present { object, facts, since, until } => {
            line("stood", "present".to_owned());
            line("id", clean(object));
            line("read", format!("like this from {} to {}", moment(*since), moment(*until)));
            if *until < at {
                let reason = "no reading between then and the moment asked for showed it so";
                line("", styled(CAUTION, format!("{reason}: it may have changed already")));
            }
            let mut table = render::table(["  FIELD", "THEN"]);
            for (path, fact) in facts {
                table.add_row([format!("  {}", clean(path)), render::value(fact)]);
            }
            sheet.push_str(&format!("{table}\n"));
        }
        FactsAt::Absent { since: Some(since) } => line("stood", format!("absent, gone since {}", moment(*since))),
        FactsAt::Absent { since: None } => line("stood", "absent: it had not been seen yet".to_owned()),
        FactsAt::NotRecorded { begins: Some(begins) } => {
            line("stood", styled(CAUTION, format!("not known: its record begins at {}", moment(*begins))));
        }
        FactsAt::NotRecorded { begins: None } => line("stood", styled(CAUTION, "not known: it is not recorded")),
    }
    match changes {
        [] => sheet.push_str(&format!("{}\n\n", styled(DIM, "nothing of it changed since"))),
        some => {
            let heading = styled(BOLD, "What changed since:");
            sheet.push_str(&format!("\n{heading}\n\n{}\n", changes::sheet(some, true)));
        }
    }
    if more {
        let hint = "`moored diff` with --name and --until shows older ones";
        sheet.push_str(&format!("{}\n\n", styled(CAUTION, format!("only the newest {CHANGES} are shown: {hint}"))));
    }
    sheet
}
