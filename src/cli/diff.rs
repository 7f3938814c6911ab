//! `moored diff --since 22:00`: what changed in the world, between which readings, and who did it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::changes;
use super::options::{Filters, Format, Manifests, Server, check_environments};
use super::render::{CAUTION, DIM, clean, moment, styled};
use super::{Outcome, history, output, setup, when};
use crate::clock::Clock;
use crate::core::filter::Filter;
use crate::core::identity::ScopeKey;
use crate::core::index::Index;
use crate::core::record::Change;
use crate::core::redact::Redactor;
use crate::manifest::problem::suggest;
use crate::store::{self, ChangeQuery, History as _, Reach, SqliteHistory};

/// A scope without a recorded reading for longer than this is worth a word. While nothing changes, a
/// reading is written down a minute after the one before at the earliest, so that at the usual
/// interval of a minute it may be two readings old.
const QUIET_FOR: SignedDuration = SignedDuration::from_secs(130);

/// A reading without news is written down once a minute: one that is younger is no silence.
const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(90);

/// So many scopes are named one by one.
const NAMED: usize = 5;

/// So many of what a misspelt filter could have meant.
const CANDIDATES: usize = 10;

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
    /// Show also what only followed from other changes, such as running tasks and the progress of a rollout
    #[arg(long)]
    all: bool,
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
    /// Labels that manifests give to things, as they are asked for; from a server they are asked
    /// for when they are needed.
    #[serde(skip)]
    labels: BTreeSet<String>,
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
            (None, Some(state)) => self.look(state, &filter, since, until, scopes.clone())?,
            (None, None) => bail!("give the daemon's --state file or its --server"),
        };
        self.check_recorded(&answer, scopes.as_ref())?;
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
            Format::Table => output::text(page(&answer, since, until.unwrap_or(now), self.limit, self.all))?,
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
        let mut labels = BTreeSet::new();
        if !self.roots.is_empty() {
            // No value is compared, so that any key will do.
            let redactor = Redactor::new(&store::key::ephemeral_key()?);
            let (_, desired) = setup::load(&Manifests { roots: self.roots.clone() }, &redactor)?;
            check_environments(filter, &desired)?;
            for declared in &desired.resources {
                labels.insert(format!("app={}", declared.application));
                labels.extend(declared.labels.iter().map(|(key, value)| format!("{key}={value}")));
            }
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
        recorded.retain(|reach| query.reaches(&reach.scope));
        let matched = query.names.is_empty() || !record.things(&ChangeQuery { limit: 1, ..query })?.is_empty();
        Ok(Answer { changes, more_changes, recorded, matched, labels })
    }

    /// A typo must not read as "nothing changed": what is asked about is in the record, or the record
    /// is empty, which is said otherwise.
    fn check_recorded(&self, answer: &Answer, scopes: Option<&BTreeSet<ScopeKey>>) -> anyhow::Result<()> {
        let lacks = |reaches: &[Reach], scope: &ScopeKey| !reaches.iter().any(|reach| reach.scope == *scope);
        let lacking: Vec<&ScopeKey> =
            scopes.into_iter().flatten().filter(|scope| lacks(&answer.recorded, scope)).collect();
        if lacking.is_empty() && !answer.recorded.is_empty() {
            return Ok(());
        }
        let everything = self.everything()?;
        if everything.is_empty() {
            return Ok(());
        }
        let recorded: BTreeSet<String> = everything.iter().map(|reach| reach.scope.to_string()).collect();
        if let Some(scope) = lacking.into_iter().find(|scope| lacks(&everything, scope)) {
            let scope = scope.to_string();
            bail!("--scope {}: nothing is recorded of it; {}", clean(&scope), meant(&scope, &recorded, "recorded are"));
        }
        if !answer.recorded.is_empty() {
            return Ok(());
        }
        if !self.filters.labels.is_empty() {
            let known = self.labels(answer);
            if let Some(label) = self.filters.labels.iter().find(|label| !known.contains(label.as_str())) {
                bail!("-l {}: no manifest declares it; {}", clean(label), meant(label, &known, "declared are"));
            }
            let labels = self.filters.labels.join(" -l ");
            bail!("-l {}: nothing of it is known by name in the record; narrow by --kind or --scope", clean(&labels));
        }
        bail!("nothing is recorded of what these filters leave; {}", meant("", &recorded, "recorded are"))
    }

    /// How far all of the record reaches.
    fn everything(&self) -> anyhow::Result<Vec<Reach>> {
        match (&self.server.server, &self.state) {
            (None, Some(state)) => Ok(SqliteHistory::open_read_only(state)?.reach()?),
            _ => Ok(understood(self.server.get("/api/v1/history", &[("limit", "1".to_owned())])?)?.recorded),
        }
    }

    /// The labels that could have been meant.
    fn labels(&self, answer: &Answer) -> BTreeSet<String> {
        if self.server.server.is_none() {
            return answer.labels.clone();
        }
        // The message is worth saying without them too.
        let body = self.server.get("/api/v1/applications", &[]).unwrap_or_default();
        let items = body.get("items").and_then(serde_json::Value::as_array).into_iter().flatten();
        let names = items.filter_map(|item| item.get("name").and_then(serde_json::Value::as_str));
        names.map(|name| format!("app={name}")).collect()
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
        Ok(Answer { matched, ..understood(body)? })
    }
}

fn understood(body: serde_json::Value) -> anyhow::Result<Answer> {
    serde_json::from_value(body).context("the daemon's answer cannot be understood; is it the same version?")
}

/// What a misspelt word may have meant: the one that is near, else what there is.
fn meant(word: &str, known: &BTreeSet<String>, label: &str) -> String {
    if let Some(near) = suggest(word, known.iter().map(String::as_str)) {
        return format!("did you mean {}?", clean(&near));
    }
    let named: Vec<String> = known.iter().take(CANDIDATES).map(|name| clean(name)).collect();
    let more = if known.len() > CANDIDATES { ", …" } else { "" };
    format!("{label}: {}{more}", named.join(", "))
}

/// Changes, and what the record cannot know.
fn page(answer: &Answer, since: Timestamp, until: Timestamp, limit: u16, all: bool) -> String {
    let mut page = changes::sheet(&answer.changes, all);
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
        match unchanged(&answer.recorded, since, until) {
            Some(line) => say(DIM, line),
            None => say(CAUTION, format!("whether anything changed since {} is not known", moment(since))),
        }
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
    let unread = |reach: &&Reach| is_quiet(reach, until) || reach.read_at <= since;
    let quiet = answer.recorded.iter().filter(unread).map(|reach| {
        let (scope, read_at) = (clean(&reach.scope.to_string()), moment(reach.read_at));
        let recorded = match until.duration_since(reach.read_at) > WRITTEN_EVERY {
            true => "as far as is recorded",
            false => "as far as is recorded (a reading without news is written down once a minute)",
        };
        format!("{scope} was not read since {read_at}, {recorded}: what changed after that is not known")
    });
    let unseen = answer.recorded.iter().filter(|reach| reach.unseen > 0).map(|reach| {
        let scope = clean(&reach.scope.to_string());
        format!("{} thing(s) of {scope} were lacking at its last reading, and nothing proves them gone", reach.unseen)
    });
    few(late).into_iter().chain(few(quiet)).chain(few(unseen)).for_each(|line| say(CAUTION, line));
    page
}

/// Whether the last recorded reading was long before this moment.
fn is_quiet(reach: &Reach, until: Timestamp) -> bool {
    until.duration_since(reach.read_at) > QUIET_FOR
}

/// That nothing changed, as far as readings tell: up to the oldest of the scopes' last ones. A scope
/// that was not read in that time is none of these; one that is no longer read is told of beside.
fn unchanged(recorded: &[Reach], since: Timestamp, until: Timestamp) -> Option<String> {
    let read = recorded.iter().filter(|reach| reach.read_at > since && reach.begins <= until);
    let (quiet, fresh): (Vec<&Reach>, Vec<&Reach>) = read.partition(|reach| is_quiet(reach, until));
    let told = if fresh.is_empty() { quiet } else { fresh };
    let reached = told.iter().map(|reach| reach.read_at.min(until)).min()?;
    let scopes = told.len();
    Some(format!("nothing changed between {} and {} in {scopes} scope(s)", moment(since), moment(reached)))
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
        let (recorded, labels) = (recorded.collect(), BTreeSet::new());
        let answer = Answer { changes: Vec::new(), more_changes: false, recorded, matched: true, labels };
        anstream::adapter::strip_str(&page(&answer, at(100), at(200), 10, false)).to_string()
    }

    #[test]
    fn that_nothing_changed_is_said_with_what_cannot_be_known() {
        let page = page_of(&[(50, 199)]);
        assert!(page.contains("nothing changed") && !page.contains("not known"), "{page}");
        let page = page_of(&[(120, 199), (50, 150)]);
        assert!(page.contains("zone0 begins at 1970-01-01 02:00:00Z: what changed before is not known"), "{page}");
        assert!(page.contains("zone1 was not read since 1970-01-01 02:30:00Z"), "{page}");
        assert!(page_of(&[]).contains("nothing is recorded"));
    }

    #[test]
    fn nothing_changed_is_said_of_read_scopes_and_read_time_only() {
        let page = page_of(&[(50, 199), (50, 198), (50, 150)]);
        assert!(page.contains("nothing changed between 1970-01-01 01:40:00Z and 1970-01-01 03:18:00Z in 2"), "{page}");
        let page = page_of(&[(50, 150), (50, 90)]);
        assert!(page.contains("and 1970-01-01 02:30:00Z in 1 scope(s)"), "{page}");
        assert!(page.contains("zone1 was not read since 1970-01-01 01:30:00Z"), "{page}");
        let page = page_of(&[(50, 100), (50, 90)]);
        assert!(!page.contains("nothing changed") && page.contains("whether anything changed"), "{page}");
        assert_eq!(page.matches("was not read since").count(), 2, "{page}");
    }

    #[test]
    fn a_misspelt_word_is_answered_with_what_it_may_have_meant() {
        let known: BTreeSet<String> = ["app=api", "app=worker"].map(str::to_owned).into();
        assert_eq!(meant("app=wroker", &known, "declared are"), "did you mean app=worker?");
        assert_eq!(meant("app=elsewhere", &known, "declared are"), "declared are: app=api, app=worker");
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
