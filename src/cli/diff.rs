//! `moored diff --since 22:00`: what changed in the world, between which readings, and who did it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::changes::{self, CAUTION, DIM};
use super::options::{Filters, Format, Manifests, Server, check_environments};
use super::render::{clean, moment, styled};
use super::{Outcome, history, output, setup, when};
use crate::clock::Clock;
use crate::core::filter::Filter;
use crate::core::identity::ScopeKey;
use crate::core::index::Index;
use crate::core::record::Change;
use crate::core::redact::Redactor;
use crate::store::{self, ChangeQuery, History as _, Reach, SqliteHistory};

/// A scope that was not read for longer than this is worth a word: every scope is read more often.
const QUIET_FOR: SignedDuration = SignedDuration::from_mins(15);

/// So many scopes are named one by one.
const NAMED: usize = 5;

/// Show what changed in the world, with who did it where the cloud's log says so
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  moored diff --since 22:00 --state /var/lib/moored/state.db\n  moored diff --since 2h --server http://127.0.0.1:9470 -l app=deployer-api"
)]
pub struct Diff {
    /// From when on: 22:00 (the latest one, UTC), 2h (ago), 2026-01-31, or 2026-01-31T22:00:00Z
    #[arg(long, value_name = "TIME")]
    since: String,
    /// Up to when (default: now)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The daemon's state file
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    /// The manifests, with --state: they say where an environment lives and what its things are called
    #[arg(long = "desired-state", env = "MOORED_DESIRED_STATE", value_delimiter = ':', value_name = "PATH")]
    roots: Vec<PathBuf>,
    #[command(flatten)]
    filters: Filters,
    /// Only this scope, such as hosted_zone/111122223333/global/example.com
    #[arg(long, value_name = "SCOPE", help_heading = "Filters")]
    scope: Vec<String>,
    /// The newest so many
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What the record answers, from either side.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    changes: Vec<Change>,
    more_changes: bool,
    recorded: Vec<Reach>,
    /// Whether anything in the record is called as asked.
    #[serde(skip)]
    matched: bool,
}

impl Diff {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let now = Clock::wall().now();
        let since = when::parse(&self.since, now).context("--since")?;
        let until = self.until.as_deref().map(|text| when::parse(text, now)).transpose().context("--until")?;
        if until.is_some_and(|until| until < since) {
            bail!("--until {} is before --since {}", moment(until.unwrap_or(now)), moment(since));
        }
        let filter = self.filters.build()?;
        let scopes = self.scopes()?;
        let answer = match (&self.server.server, &self.state) {
            (Some(_), _) => self.ask(since, until, &scopes)?,
            (None, Some(state)) => self.look(state, &filter, since, until, scopes)?,
            (None, None) => bail!("give the daemon's --state file or its --server"),
        };
        if !answer.matched && !answer.recorded.is_empty() {
            bail!(
                "nothing in the record is called {}: names are the cloud's own (a record's name, a health check's id); with --desired-state, or from --server, those of manifests too",
                self.filters.name.join(" or ")
            );
        }
        match self.format {
            Format::Json => output::json(&serde_json::json!({
                "since": since, "until": until.unwrap_or(now),
                "changes": answer.changes, "moreChanges": answer.more_changes, "recorded": answer.recorded,
            }))?,
            Format::Table => output::text(page(&answer, since, until.unwrap_or(now), self.limit))?,
        }
        Ok(Outcome::Fine)
    }

    fn scopes(&self) -> anyhow::Result<Option<BTreeSet<ScopeKey>>> {
        if self.scope.is_empty() {
            return Ok(None);
        }
        let parse = |text: &String| {
            ScopeKey::parse(text)
                .with_context(|| format!("--scope {text}: write it like hosted_zone/111122223333/global/example.com"))
        };
        self.scope.iter().map(parse).collect::<anyhow::Result<_>>().map(Some)
    }

    /// From the state file, beside the daemon that writes it.
    fn look(
        &self,
        state: &Path,
        filter: &Filter,
        since: Timestamp,
        until: Option<Timestamp>,
        scopes: Option<BTreeSet<ScopeKey>>,
    ) -> anyhow::Result<Answer> {
        let record = SqliteHistory::open_read_only(state)?;
        let limit = usize::from(self.limit);
        let mut query = ChangeQuery { since: Some(since), until, scopes, ..ChangeQuery::of(filter, limit + 1) };
        if !self.roots.is_empty() {
            // No value is compared, so that any key will do.
            let redactor = Redactor::new(&store::key::ephemeral_key()?);
            let (_, desired) = setup::load(&Manifests { roots: self.roots.clone() }, &redactor)?;
            check_environments(filter, &desired)?;
            query = query.declared(filter, &desired, &Index::new(&desired));
        } else if !filter.environments.is_empty() || !filter.labels.is_empty() {
            bail!("--environment and -l need the manifests: add --desired-state, or ask the daemon with --server");
        }
        let mut changes = record.changes(&query)?;
        let more_changes = changes.len() > limit;
        if more_changes {
            changes.remove(0);
        }
        let mut recorded = record.reach()?;
        recorded.retain(|reach| query.covers(&reach.scope));
        let matched = query.names.is_empty() || !record.things(&ChangeQuery { limit: 1, ..query })?.is_empty();
        Ok(Answer { changes, more_changes, recorded, matched })
    }

    /// The same from a running daemon.
    fn ask(
        &self,
        since: Timestamp,
        until: Option<Timestamp>,
        scopes: &Option<BTreeSet<ScopeKey>>,
    ) -> anyhow::Result<Answer> {
        let mut query = vec![("since", since.to_string()), ("limit", self.limit.to_string())];
        query.extend(until.map(|until| ("until", until.to_string())));
        query.extend(scopes.iter().flatten().map(|scope| ("scope", scope.to_string())));
        query.extend(history::filters(&self.filters));
        if !self.filters.name.is_empty() {
            // What the named things were then tells whether anything is called so.
            query.push(("at", since.to_string()));
        }
        let body = self.server.get("/api/v1/history", &query)?;
        let facts = body.get("facts").and_then(serde_json::Value::as_array);
        let matched = facts.is_none_or(|facts| !facts.is_empty());
        let answer: Answer = serde_json::from_value(body)
            .context("the daemon's answer cannot be understood; is it the same version?")?;
        Ok(Answer { matched, ..answer })
    }
}

/// Changes, and what the record cannot know.
fn page(answer: &Answer, since: Timestamp, until: Timestamp, limit: u16) -> String {
    let mut page = changes::sheet(&answer.changes);
    let mut say = |style, line: String| {
        page.push_str(&styled(style, line));
        page.push('\n');
    };
    if answer.recorded.is_empty() {
        let hint = "start the daemon with a state file (`moored run --state PATH`); an Environment and an Inventory are enough";
        say(CAUTION, format!("nothing is recorded: {hint}"));
        return page;
    }
    if answer.changes.is_empty() {
        let scopes = answer.recorded.len();
        say(DIM, format!("nothing changed between {} and {} in {scopes} scope(s)", moment(since), moment(until)));
    } else {
        say(DIM, format!("\n{} change(s) since {}", answer.changes.len(), moment(since)));
    }
    if answer.more_changes {
        say(CAUTION, format!("only the newest {limit} are shown: narrow it with --kind, --name or --until"));
    }
    let late = answer.recorded.iter().filter(|reach| reach.begins > since).map(|reach| {
        let scope = clean(&reach.scope.to_string());
        format!("the record of {scope} begins at {}: what changed before is not known", moment(reach.begins))
    });
    let quiet = answer.recorded.iter().filter(|reach| until.duration_since(reach.read_at) > QUIET_FOR).map(|reach| {
        let scope = clean(&reach.scope.to_string());
        format!("{scope} was read last at {}: what changed since is not known", moment(reach.read_at))
    });
    let unseen = answer.recorded.iter().filter(|reach| reach.unseen > 0).map(|reach| {
        let scope = clean(&reach.scope.to_string());
        format!("{} thing(s) of {scope} were lacking at its last reading, and nothing proves them gone", reach.unseen)
    });
    few(late).into_iter().chain(few(quiet)).chain(few(unseen)).for_each(|line| say(CAUTION, line));
    page
}

/// The first few, the last of which tells how many more there are.
fn few(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = lines.collect();
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if let Some(last) = all.last_mut()
        && more > 0
    {
        last.push_str(&format!(" (and so for {more} more scopes)"));
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn page_of(reaches: &[(i64, i64)]) -> String {
        page_with(reaches, 0)
    }

    fn page_with(reaches: &[(i64, i64)], unseen: u64) -> String {
        let recorded = (0..).zip(reaches).map(|(number, (begins, read_at))| Reach {
            scope: ScopeKey::parse(&format!("hosted_zone/111122223333/global/zone{number}")).unwrap(),
            begins: at(*begins),
            read_at: at(*read_at),
            unseen,
        });
        let answer = Answer { changes: Vec::new(), more_changes: false, recorded: recorded.collect(), matched: true };
        anstream::adapter::strip_str(&page(&answer, at(100), at(200), 10)).to_string()
    }

    #[test]
    fn that_nothing_changed_is_said_with_what_cannot_be_known() {
        let page = page_of(&[(50, 199)]);
        assert!(page.contains("nothing changed") && !page.contains("not known"), "{page}");
        let page = page_of(&[(120, 199), (50, 150)]);
        assert!(page.contains("zone0 begins at 1970-01-01 02:00:00Z: what changed before is not known"), "{page}");
        assert!(page.contains("zone1 was read last at 1970-01-01 02:30:00Z"), "{page}");
        assert!(page_of(&[]).contains("nothing is recorded"));
    }

    #[test]
    fn what_the_last_reading_lacked_without_proof_is_counted() {
        let page = page_with(&[(50, 199)], 3);
        assert!(page.contains("3 thing(s) of hosted_zone/111122223333/global/zone0 were lacking"), "{page}");
        assert!(!page_of(&[(50, 199)]).contains("lacking"));
    }

    #[test]
    fn many_blind_spots_are_a_few_lines() {
        let page = page_of(&[(120, 199); 50]);
        assert_eq!(page.lines().count(), 1 + NAMED, "{page}");
        assert!(page.contains("(and so for 45 more scopes)"), "{page}");
    }
}
