//! `mlops compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records};
use super::report::save;
use super::ui::style::{bad, bold, dim, good};
use super::ui::{Align, format, table};
use crate::comparison::{Difference, TestKind, Unit, Verdict};
use crate::error::Result;
use crate::metrics::Direction;
use crate::workflows::compare::{Flips, Made, MovedDocument, Outcome, QueryChanges, Request, Row, Wish, compare};
use crate::workflows::report::{Form, files, of_comparison};

const EXAMPLES: &str = "\
Examples:
  mlops compare reviews_lr reviews_forest           all runs of two experiments
  mlops compare reviews/1 reviews/2 --why           is v2 better than v1, and on which rows?
  mlops compare reviews_lr --baseline reviews@production --fail-on regression
  mlops compare reviews_lr --metric 'min train_loss' --columns 'min train_loss step,f1' --top 5

Two runs, or several and a --baseline, get a paired test on their stored predictions: the gain, its 95 % interval, p,
and better, worse or inconclusive. Several candidates share one error rate (Holm). Rankings are paired query by query
(sign flips), both by the baseline's conventions.
Exit codes with --fail-on regression: 0 better, 3 worse, 5 inconclusive.";

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Runs (ids or prefixes, `@latest`, `@best:f1`), experiments, or model versions
    #[arg(required = true, value_name = "RUN|EXPERIMENT|MODEL")]
    items: Vec<String>,
    /// What the runs are judged by: a metric, or `[first|last|min|max] METRIC [step]`
    /// [default: the first run's primary metric]
    #[arg(long)]
    metric: Option<String>,
    /// Say whether a higher or a lower value of the metric is better, where its name does not
    #[arg(long, value_name = "WHICH", value_parser = ["higher", "lower"])]
    order: Option<String>,
    /// Sort by this instead of the metric
    #[arg(long, value_name = "METRIC")]
    sort: Option<String>,
    /// Show these columns instead of the usual metrics; each as in --metric
    #[arg(long, value_name = "METRIC,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// Hold the others against this one [default: the first of two]
    #[arg(long, value_name = "ITEM")]
    baseline: Option<String>,
    /// Show the best K only [default: all]
    #[arg(long, value_name = "K", default_value_t = 0, hide_default_value = true)]
    top: usize,
    #[arg(long, value_name = "TEST", value_parser = TestKind::parse, help = test_help())]
    test: Option<TestKind>,
    /// Draw the table alone
    #[arg(long, conflicts_with_all = ["test", "baseline", "why", "fail_on"])]
    no_test: bool,
    /// Replicates of the bootstrap, or permutations
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    replicates: u32,
    /// The seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Show the rows whose answer changed; of rankings, the queries and documents that moved most
    #[arg(long)]
    why: bool,
    /// Exit with 3 when a candidate is worse than the baseline, with 5 when that is not clear
    #[arg(long, value_name = "WHAT", value_parser = ["regression"])]
    fail_on: Option<String>,
    /// Write the comparison as a paper: `.md` (with its plots beside it) or `.html`
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Compare runs that were tested on different rows; a paired test then uses the rows that both have
    #[arg(long)]
    allow_different_data: bool,
}

fn test_help() -> String {
    let names: Vec<&str> = TestKind::ALL.map(TestKind::name).to_vec();
    format!("The paired test: {}", names.join(", "))
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let asked = args.baseline.is_some() || args.test.is_some() || args.why || args.fail_on.is_some();
    let made = match (args.no_test, asked) {
        (true, _) => Made::Never,
        (false, true) => Made::Always,
        (false, false) => Made::WherePossible,
    };
    let request = Request {
        items: args.items.clone(),
        metric: args.metric.clone(),
        sort: args.sort.clone(),
        order: args
            .order
            .as_deref()
            .map(|word| if word == "higher" { Direction::Maximize } else { Direction::Minimize }),
        columns: args.columns.clone(),
        baseline: args.baseline.clone(),
        top: args.top,
        allow_different_data: args.allow_different_data,
        test: Wish { test: args.test.unwrap_or_default(), made, seed: args.seed, replicates: args.replicates as usize },
        why: args.why,
    };
    let form = args.report.as_deref().map(Form::of).transpose()?;
    let outcome = door.work(Records::Runs, |session| compare(session, &request))?;
    if let Some((path, form)) = args.report.as_deref().zip(form) {
        save(door, &files(&of_comparison(&outcome)?, path, form))?;
    }
    door.answer("compare", &outcome, || draw(&outcome))?;
    Ok(match (&args.fail_on, outcome.verdict) {
        (Some(_), Some(Verdict::Worse)) => ExitCode::from(3),
        (Some(_), Some(Verdict::Inconclusive)) => ExitCode::from(5),
        _ => ExitCode::SUCCESS,
    })
}

/// More params than this make a table that no terminal holds.
const PARAMS_SHOWN: usize = 6;

fn draw(outcome: &Outcome) -> String {
    let gains = outcome.rows.iter().any(|row| row.gain.is_some());
    let mut columns = vec![("run", Align::Left), ("experiment", Align::Cut), ("model", Align::Left)];
    columns.push((outcome.metric.as_str(), Align::Right));
    if gains {
        columns.push(("gain", Align::Right));
    }
    columns.push(("", Align::Left));
    columns.extend(outcome.metrics[1..].iter().map(|name| (name.as_str(), Align::Right)));
    let rows: Vec<Vec<String>> = outcome.rows.iter().map(|row| cells(outcome, row, gains)).collect();
    let mut text = table(&columns, &rows);
    if outcome.left_out > 0 {
        text += &format!("… and {}\n", format::plural(outcome.left_out, "run"));
    }
    if !outcome.params.is_empty() {
        text += &format!("\n{}\n{}", dim("params that differ"), params(outcome));
    }
    text += &tests(outcome);
    text += &outcome.notes.iter().map(|note| format!("{}\n", dim(note))).collect::<String>();
    text += &outcome.flips.iter().map(flips).collect::<String>();
    text += &outcome.queries.iter().map(queries).collect::<String>();
    if let Some(why) = &outcome.no_test {
        text += &format!("\n{}\n", dim(&format!("no paired test: {why}")));
    }
    text
}

fn cells(outcome: &Outcome, row: &Row, gains: bool) -> Vec<String> {
    let run = &row.run;
    let mut cells = vec![run.id.short().to_owned(), run.experiment.clone(), model(row), format::optional(row.value)];
    if gains {
        cells.push(row.gain.filter(|_| !row.baseline).map_or_else(String::new, |gain| format!("{gain:+.4}")));
    }
    let marks = [(row.best, good("best")), (row.baseline, dim("baseline"))];
    cells.push(marks.into_iter().filter(|(on, _)| *on).map(|(_, mark)| mark).collect::<Vec<_>>().join(" "));
    let value = |name: &String| format::optional(row.columns.get(name).copied().flatten());
    cells.extend(outcome.metrics[1..].iter().map(value));
    cells
}

fn model(row: &Row) -> String {
    let tag = |key: &str| row.run.tags.get(key).cloned().unwrap_or_default();
    if tag("model").is_empty() { String::new() } else { format!("{} v{}", tag("model"), tag("version")) }
}

/// What the paired tests say, one line a candidate.
fn tests(outcome: &Outcome) -> String {
    let tested: Vec<(&Row, &Difference)> =
        outcome.rows.iter().filter_map(|row| Some((row, row.difference.as_ref()?))).collect();
    let Some((_, first)) = tested.first() else { return String::new() };
    let baseline = outcome.rows.iter().find(|row| row.baseline).map_or_else(String::new, |row| {
        let model = model(row);
        if model.is_empty() { format!("run {}", row.run.id.short()) } else { model }
    });
    let adjusted = tested.len() > 1;
    let p = if adjusted { "p (Holm)" } else { "p" };
    let unit = first.unit.name();
    let decide = format!("{unit} that would decide");
    let columns = [
        ("run", Align::Left),
        ("model", Align::Left),
        ("gain", Align::Right),
        ("95 % interval", Align::Left),
        (p, Align::Right),
        ("verdict", Align::Left),
        (decide.as_str(), Align::Right),
        (unit, Align::Right),
        ("test", Align::Cut),
    ];
    let row = |(row, found): &(&Row, &Difference)| {
        let interval = found.low.zip(found.high);
        vec![
            row.run.id.short().to_owned(),
            model(row),
            found.effect.map_or_else(|| "n/a".into(), |effect| format!("{effect:+.4}")),
            interval.map_or_else(|| "–".into(), |(low, high)| format!("[{low:+.4}, {high:+.4}]")),
            found.adjusted_p.or(found.p).map_or_else(|| "–".into(), probability),
            verdict(found.verdict),
            found.rows_needed.map_or_else(|| "–".into(), |rows| format::count(rows as usize)),
            format::count(found.n as usize),
            found.test.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = tested.iter().map(row).collect();
    let by = if first.unit == Unit::Queries { "query by query" } else { "row by row" };
    let head = format!("{} against {baseline}, {by}", first.metric);
    let remark = |(row, found): &(&Row, &Difference)| {
        let notes = [found.reason.as_ref(), found.note.as_ref()].into_iter().flatten();
        notes.map(|note| format!("{}  {}\n", row.run.id.short(), dim(note))).collect::<String>()
    };
    format!("\n{}\n{}{}", dim(&head), table(&columns, &rows), tested.iter().map(remark).collect::<String>())
}

/// A p-value: three digits, and a bound where it is smaller.
fn probability(p: f64) -> String {
    if p < 0.001 { "< .001".into() } else { format!("{p:.3}") }
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Better => good("better"),
        Verdict::Worse => bad("worse"),
        Verdict::Inconclusive => bold("inconclusive"),
    }
}

/// Changed rows that are shown of each kind.
const EXAMPLES_SHOWN: usize = 5;

fn flips(flips: &Flips) -> String {
    let (won, lost) = (format::plural(flips.won, "row"), format::plural(flips.lost, "row"));
    let mut text = format!(
        "\n{} {} {}: {won} won, {lost} lost of {}\n",
        dim("answers that changed from"),
        flips.baseline.short(),
        dim(&format!("to {}", flips.candidate.short())),
        format::count(flips.rows)
    );
    let columns = [
        ("", Align::Left),
        ("id", Align::Left),
        ("label", Align::Left),
        ("baseline", Align::Left),
        ("candidate", Align::Left),
        ("score of the label", Align::Left),
        ("text", Align::Cut),
    ];
    let mut rows = Vec::new();
    for kind in [false, true] {
        for flip in flips.examples.iter().filter(|flip| flip.won == kind).take(EXAMPLES_SHOWN) {
            let shown = flip.text.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            rows.push(vec![
                if kind { good("won") } else { bad("lost") },
                flip.id.clone(),
                flip.label.clone(),
                flip.baseline.clone(),
                flip.candidate.clone(),
                format!("{:.3} > {:.3}", flip.baseline_score, flip.candidate_score),
                shown.chars().take(TEXT_SHOWN).collect(),
            ]);
        }
    }
    if !rows.is_empty() {
        text += &table(&columns, &rows);
    }
    let more = flips.examples.len() - rows.len();
    if more > 0 {
        text += &format!("… and {} more (`--json` shows all)\n", format::count(more));
    }
    text
}

/// The queries that moved, those that lost first.
fn queries(found: &QueryChanges) -> String {
    let mut text = format!(
        "\n{} {} {}: {} better, {} worse of {}\n",
        dim(&format!("queries whose {} changed from", found.metric)),
        found.baseline.short(),
        dim(&format!("to {}", found.candidate.short())),
        format::count(found.better),
        format::count(found.worse),
        format::count(found.queries)
    );
    let columns = [
        ("", Align::Left),
        ("query", Align::Left),
        ("documents", Align::Right),
        ("relevant", Align::Right),
        ("baseline", Align::Right),
        ("candidate", Align::Right),
        ("gain", Align::Right),
        ("documents that moved most: grade, rank > rank", Align::Cut),
    ];
    let document = |one: &MovedDocument| {
        format!("{} (grade {}) {} > {}", format::plain(&one.id), one.grade, one.baseline_rank, one.candidate_rank)
    };
    let mut rows = Vec::new();
    for kind in [false, true] {
        for query in found.examples.iter().filter(|query| (query.gain > 0.0) == kind).take(EXAMPLES_SHOWN) {
            rows.push(vec![
                if kind { good("better") } else { bad("worse") },
                format::plain(&query.query),
                format::count(query.documents),
                format::count(query.relevant),
                format!("{:.4}", query.baseline),
                format!("{:.4}", query.candidate),
                format!("{:+.4}", query.gain),
                query.moved.iter().map(document).collect::<Vec<_>>().join(", "),
            ]);
        }
    }
    if !rows.is_empty() {
        text += &table(&columns, &rows);
    }
    let more = found.examples.len() - rows.len();
    if more > 0 {
        text += &format!("… and {} more (`--json` shows all)\n", format::count(more));
    }
    text
}

/// Characters of a text that are shown.
const TEXT_SHOWN: usize = 80;

fn params(outcome: &Outcome) -> String {
    let shown = &outcome.params[..outcome.params.len().min(PARAMS_SHOWN)];
    let mut columns = vec![("run", Align::Left)];
    columns.extend(shown.iter().map(|name| (name.as_str(), Align::Right)));
    let rows: Vec<Vec<String>> = outcome
        .rows
        .iter()
        .map(|row| {
            let value = |name: &String| row.run.params.get(name).cloned().unwrap_or_else(|| "–".into());
            std::iter::once(row.run.id.short().to_owned()).chain(shown.iter().map(value)).collect()
        })
        .collect();
    let more = outcome.params.len() - shown.len();
    let more = if more > 0 { format!("… and {more} more (`--json` shows all)\n") } else { String::new() };
    table(&columns, &rows) + &more
}
