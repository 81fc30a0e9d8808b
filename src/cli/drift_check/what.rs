//! What is checked, on what, and by which rule: the arguments that a check and its explanation share.

use crate::cli::door::{Door, Records, from_here};
use crate::cli::embedding_args::EmbeddingArgs;
use crate::drift::decision::alpha_of;
use crate::drift::{Rule, Statistic};
use crate::error::{Error, Result};
use crate::workflows::drift_check::files::Request as Files;
use crate::workflows::drift_check::model::nothing_to_check;
use crate::workflows::drift_check::{Current, Outcome, Request, Tell, Wishes, check_files, drift_check, tell};

/// Whether drift becomes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// It does.
    Recorded,
    /// The check leaves nothing behind.
    No,
}

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct What {
    /// A model: its version in production, else the newest; `reviews/3`, a folder
    model: Option<String>,
    /// The current rows: a file, a glob, or a database with --query
    #[arg(long, value_name = "FILE", conflicts_with = "from_log")]
    current: Option<String>,
    /// The last full window of the model's prediction log (`predict --log`)
    #[arg(long)]
    from_log: bool,
    /// Without a model: the rows to compare with
    #[arg(long, value_name = "FILE", requires = "current", conflicts_with_all = ["model", "from_log"])]
    reference: Option<String>,
    /// Without a model: these columns only [default: all of the reference]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "reference")]
    columns: Vec<String>,
    /// The query, for a database
    #[arg(long, value_name = "SQL", requires = "current")]
    query: Option<String>,
    /// The column that says when a row happened (ISO 8601, or seconds since 1970) [default: now]
    #[arg(long, value_name = "COLUMN", requires = "current")]
    time: Option<String>,
    /// The statistic [default: the config's, else kl]; `mlops schema --list statistics` shows all
    #[arg(long, value_name = "NAME", help_heading = "Decision")]
    statistic: Option<String>,
    /// The chance of a false alarm in one check, over all columns [default: the config's, else 0.01]
    #[arg(long, value_name = "SHARE", conflicts_with = "false_alarms", help_heading = "Decision")]
    alpha: Option<f64>,
    /// The false alarms that are allowed, in place of --alpha: `1/month`; α is this divided by --checks
    #[arg(long, value_name = "RATE", help_heading = "Decision")]
    false_alarms: Option<String>,
    /// How often the check is made, for --false-alarms
    #[arg(long, value_name = "RATE", default_value = "1/day", requires = "false_alarms", help_heading = "Decision")]
    checks: String,
    /// Smaller values of the statistic are no drift [default: its own floor, 0.01 for kl]
    #[arg(long, value_name = "VALUE", help_heading = "Decision")]
    effect_floor: Option<f64>,
    /// What counts as drift: `significant` (and large enough), or `bands` (KL > 0.3, without a test)
    #[arg(long, value_name = "RULE", value_parser = ["significant", "bands"], help_heading = "Decision")]
    rule: Option<String>,
    /// Predictions that make a window [default: the config's, else 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000_000), help_heading = "Decision")]
    window: Option<u64>,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

impl What {
    fn wishes(&self) -> Result<Wishes> {
        let of_alarms = self.false_alarms.as_deref().map(|alarms| alpha_of(alarms, &self.checks)).transpose()?;
        let rule = self.rule.as_deref();
        if let Some(floor) = self.effect_floor.filter(|floor| !(*floor >= 0.0 && floor.is_finite())) {
            return Err(Error::invalid(format!("`--effect-floor {floor}` is no floor")).hint("a number of at least 0"));
        }
        Ok(Wishes {
            statistic: self.statistic.as_deref().map(Statistic::parse).transpose()?,
            alpha: self.alpha.or(of_alarms),
            effect_floor: self.effect_floor,
            window: self.window,
            rule: Rule::NAMES.into_iter().find(|(name, _)| Some(*name) == rule).map(|(_, rule)| rule),
        })
    }

    /// Checks.
    pub fn check(&self, door: &Door, events: Events, to: &Tell) -> Result<Outcome> {
        let wishes = self.wishes()?;
        let current = self.current.as_deref().map(from_here);
        if let Some(reference) = &self.reference {
            let request = Files {
                reference: from_here(reference),
                current: current.unwrap_or_default(),
                query: self.query.clone(),
                time: self.time.clone(),
                columns: self.columns.clone(),
                wishes,
                record: events == Events::Recorded,
            };
            let records = if request.record { Records::Runs } else { Records::Nothing };
            let outcome = door.work_anywhere(records, |session| check_files(session, &request))?;
            return Ok(self.named(outcome));
        }
        let Some(model) = &self.model else {
            return Err(Error::invalid("what is to be checked?").hint(
                "`mlops drift-check MODEL --current FILE`, `MODEL --from-log`, or `--reference FILE --current FILE`",
            ));
        };
        let current = match (current, self.from_log) {
            (Some(source), _) => Current::File { source, query: self.query.clone(), time: self.time.clone() },
            (None, true) => Current::Log,
            (None, false) => return Err(nothing_to_check(model)),
        };
        let request = Request { model: model.clone(), current, wishes, events: events == Events::Recorded };
        let records = if request.events { Records::Runs } else { Records::Nothing };
        door.work_with(model, records, |session| {
            let outcome = self.named(drift_check(session, &request)?);
            // Without events every check is news.
            tell(session, &outcome, to, events == Events::No || outcome.events_recorded > 0);
            Ok(outcome)
        })
    }

    /// The current rows are called what the person has called them.
    fn named(&self, mut outcome: Outcome) -> Outcome {
        if let Some(current) = &self.current {
            outcome.window.source.clone_from(current);
        }
        outcome
    }
}
