//! The script: a scenario as a table of steps, and the player that goes through it.
//!
//! Decides how a step is played: a simulated person acts, then every expectation is looked for from
//! the outside until it holds or its time on the demo's clock is up. For people it tells the story,
//! says what to look at and pauses; as a check it prints one line for each expectation.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};

use super::outside::{Log, Outside, Report, Sentry, Sighting};
use super::stage::Stage;
use super::teller::Teller;
use crate::sim::wire::Cloud;
use crate::sim::world::ApiError;

/// Between two looks, in real time.
const LOOK: Duration = Duration::from_millis(100);

/// However fast the demo's clock runs, this much real time is given to the machine that plays it.
const GRACE: Duration = Duration::from_secs(10);

/// For people to read, in real time.
const PAUSE: Duration = Duration::from_secs(6);

/// What was seen, or what was seen instead.
pub type Seen = Result<String, String>;

/// One step of a scenario.
pub struct Step {
    /// What it is called.
    pub title: &'static str,
    /// What happens, for people.
    pub story: &'static str,
    /// Who does what.
    pub act: Act,
    /// Commands to look at it with; `{metrics}`, `{api}`, `{cloud}` and `{state}` are filled in.
    pub look: &'static [&'static str],
    /// Whether people are shown what `moored check` prints then.
    pub shows_check: bool,
    /// What is to be seen, one after the other.
    pub expect: Vec<Expectation>,
}

/// What happens at the beginning of a step.
pub enum Act {
    /// Nothing new.
    Nothing,
    /// Somebody acts in the cloud, or something happens to it.
    Cloud(fn(&Cloud, Timestamp) -> Result<(), ApiError>),
    /// The same, and then so much time passes.
    CloudThenWait(fn(&Cloud, Timestamp) -> Result<(), ApiError>, SignedDuration),
    /// The daemon is stopped and started again.
    RestartDaemon,
}

/// One thing that is to be seen.
pub struct Expectation {
    /// In words.
    pub name: &'static str,
    /// How soon, on the demo's clock.
    pub within: SignedDuration,
    /// How it is seen.
    pub sees: Sees,
}

/// How something is seen from the outside.
pub enum Sees {
    /// So many series of a metric, with at least these labels, stand at 1.
    Series {
        /// The metric.
        name: &'static str,
        /// Some of its labels.
        labels: &'static [(&'static str, &'static str)],
        /// How many.
        count: usize,
    },
    /// The one series of a metric with at least these labels stands at this value.
    Gauge {
        /// The metric.
        name: &'static str,
        /// Some of its labels.
        labels: &'static [(&'static str, &'static str)],
        /// Its value.
        value: f64,
    },
    /// The daemon's report says so.
    Report(fn(&Report) -> Seen),
    /// `moored check` ends with this code, and its report says so.
    Check {
        /// The exit code.
        exit: i32,
        /// What else.
        says: fn(&Report) -> Seen,
    },
    /// In no scrape since the beginning was there any finding.
    NeverAnyFinding,
    /// In no scrape since the beginning was there any finding but drift of this kind that waits for
    /// a restart or restage, and is good to know at most.
    NeverMoreThanLatent {
        /// The kind.
        kind: &'static str,
    },
}

/// Something to be seen, by its name, soon enough.
pub fn expect(name: &'static str, within: SignedDuration, sees: Sees) -> Expectation {
    Expectation { name, within, sees }
}

/// Goes through the steps of one scenario.
pub struct Player<'a> {
    stage: &'a mut Stage,
    outside: Outside,
    sentry: Sentry,
    teller: Teller,
    other_state: PathBuf,
    /// For people: with story and pauses.
    people: bool,
}

impl<'a> Player<'a> {
    /// A player on this stage; the sentry begins to watch at once.
    pub fn new(stage: &'a mut Stage, outside: Outside, teller: Teller, people: bool) -> Self {
        let (sentry, other_state) = (Sentry::post(outside.clone()), stage.other_state());
        Self { stage, outside, sentry, teller, other_state, people }
    }

    /// Plays all steps. As a check it fails at the first step that does not come out as expected;
    /// what would have followed from it says nothing.
    pub async fn play(&mut self, steps: Vec<Step>) -> anyhow::Result<()> {
        let all = steps.len();
        for (number, step) in (1..).zip(steps) {
            if self.people {
                self.teller.step(number, all, &step, self.stage.clock.now());
            }
            let failed = self.step(&step).await?;
            if self.people {
                self.linger(&step).await;
            } else if failed > 0 {
                bail!("{failed} expectation(s) of step {number} of {all} ({}) failed", step.title);
            }
        }
        Ok(())
    }

    /// Plays one step; how many expectations failed.
    async fn step(&mut self, step: &Step) -> anyhow::Result<usize> {
        match step.act {
            Act::Nothing => {}
            Act::Cloud(act) => self.act(step, act)?,
            Act::CloudThenWait(act, wait) => {
                self.act(step, act)?;
                tokio::time::sleep(self.real(wait)).await;
            }
            Act::RestartDaemon => self.stage.restart().await?,
        }
        let mut failed = 0;
        for expectation in &step.expect {
            let seen = self.watch(expectation).await;
            failed += usize::from(seen.is_err());
            self.teller.seen(step.title, expectation.name, &seen, self.stage.clock.now());
        }
        Ok(failed)
    }

    fn act(&self, step: &Step, act: fn(&Cloud, Timestamp) -> Result<(), ApiError>) -> anyhow::Result<()> {
        match act(&self.stage.cloud, self.stage.clock.now()) {
            Ok(()) => Ok(()),
            Err(error) => {
                bail!("the simulated cloud refused the step `{}`: {}: {}", step.title, error.code, error.message)
            }
        }
    }

    /// Looks until the expectation holds or its time is up.
    async fn watch(&self, expectation: &Expectation) -> Seen {
        let deadline = Instant::now() + self.real(expectation.within).max(GRACE);
        loop {
            match self.look(&expectation.sees).await {
                Ok(seen) => return Ok(seen),
                Err(seen) if Instant::now() >= deadline => return Err(seen),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn look(&self, sees: &Sees) -> Seen {
        match sees {
            Sees::Series { name, labels, count } => {
                let samples = self.outside.scrape().await?;
                let matching = samples.iter().filter(|sample| sample.is(name, labels) && sample.value == 1.0).count();
                let seen = format!("{matching} series {}", selector(name, labels));
                if matching == *count { Ok(seen) } else { Err(format!("{seen}, not {count}")) }
            }
            Sees::Gauge { name, labels, value } => {
                let samples = self.outside.scrape().await?;
                let found: Vec<f64> =
                    samples.iter().filter(|sample| sample.is(name, labels)).map(|sample| sample.value).collect();
                let seen = format!("{} is {found:?}", selector(name, labels));
                if found == [*value] { Ok(seen) } else { Err(format!("{seen}, not {value}")) }
            }
            Sees::Report(says) => says(&self.outside.report().await?),
            Sees::Check { exit, says } => {
                let state = self.other_state.display().to_string();
                let checked = self.outside.check(&["--state", &state, "--format", "json"]).await?;
                let report = checked.report()?;
                let code = checked.exit.map_or("a signal".to_owned(), |code| code.to_string());
                match says(&report) {
                    Ok(seen) if checked.exit == Some(*exit) => Ok(format!("exit {code}, {seen}")),
                    Ok(seen) | Err(seen) => Err(format!("exit {code} ({exit} is expected): {seen}")),
                }
            }
            Sees::NeverAnyFinding => never(&self.sentry.log(), |_| true),
            Sees::NeverMoreThanLatent { kind } => never(&self.sentry.log(), |seen| {
                (seen.kind.as_str(), seen.drift.as_str(), seen.severity.as_str()) != (*kind, "latent", "info")
            }),
        }
    }

    /// What people want before the next step: a look at what moored says, commands, and time.
    async fn linger(&self, step: &Step) {
        if step.shows_check {
            match self.outside.check(&[]).await {
                Ok(checked) => self.teller.output(&checked.stdout),
                Err(problem) => self.teller.output(&problem),
            }
        }
        self.teller.look(step.look);
        tokio::time::sleep(PAUSE).await;
    }

    fn real(&self, demo: SignedDuration) -> Duration {
        self.stage.clock.real(Duration::try_from(demo).unwrap_or_default())
    }
}

/// Whether a sentry that looked never saw such a finding.
fn never(log: &Log, is_such: impl Fn(&Sighting) -> bool) -> Seen {
    let seen = format!("{} scrapes, {} findings", log.scrapes, log.findings.len());
    match (log.scrapes, log.findings.iter().find(|sighting| is_such(sighting))) {
        (0, _) => Err("no scrape at all".to_owned()),
        (_, None) => Ok(seen),
        (_, Some(first)) => Err(format!("{seen}, such as {first}")),
    }
}

/// A selector as PromQL writes it.
fn selector(name: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_is_named_as_people_query_it() {
        assert_eq!(selector("moored_drift", &[("drift", "missing")]), "moored_drift{drift=\"missing\"}");
        assert_eq!(selector("moored_drift", &[]), "moored_drift");
    }
}
