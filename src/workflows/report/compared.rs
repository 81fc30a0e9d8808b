//! A comparison as a paper: the verdict first, then the table, the paired tests, the plot and the rows that changed.

use crate::comparison::{Difference, Verdict};
use crate::error::Result;
use crate::report::document::{Align, Block, Document, Figure, Table, Tone};
use crate::report::numbers::{count, optional, plural};
use crate::report::plots::comparison::{self, Comparison, Entry};
use crate::report::plots::gains::{Gains, gains};
use crate::workflows::compare::{Flips, MovedDocument, Outcome, QueryChange, QueryChanges, Row};

/// Changed rows of each candidate in the table.
const CHANGED: usize = 20;

/// The report of a comparison.
///
/// # Errors
/// `Failed` when the plot cannot be drawn.
pub fn of_comparison(outcome: &Outcome) -> Result<Document> {
    let mut document = Document::new(format!("Comparison by {}", outcome.metric));
    document.push(verdict(outcome));
    document.section("Runs");
    document.push(Block::Table(runs(outcome)));
    if outcome.left_out > 0 {
        document.note(format!("… and {} with a lower place.", plural(outcome.left_out, "run")));
    }
    document.push(Block::Figure(plot(outcome)?));
    tests(&mut document, outcome);
    outcome.notes.iter().for_each(|note| document.note(note));
    for flips in &outcome.flips {
        changed(&mut document, flips);
    }
    for (at, found) in outcome.queries.iter().enumerate() {
        moved(&mut document, outcome, found, at)?;
    }
    Ok(document)
}

fn name(row: &Row) -> String {
    let tag = |key: &str| row.run.tags.get(key).cloned().unwrap_or_default();
    let model = if tag("model").is_empty() { String::new() } else { format!(" {} v{}", tag("model"), tag("version")) };
    format!("{}{model}", row.run.id.short())
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn verdict(outcome: &Outcome) -> Block {
    let tested: Vec<(&Row, &Difference)> =
        outcome.rows.iter().filter_map(|row| Some((row, row.difference.as_ref()?))).collect();
    let baseline = outcome.rows.iter().find(|row| row.baseline).map_or_else(String::new, name);
    if let [(row, found)] = tested.as_slice() {
        let tone = match found.verdict {
            Verdict::Better => Tone::Good,
            Verdict::Worse => Tone::Bad,
            Verdict::Inconclusive => Tone::Neutral,
        };
        let effect = found.effect.map_or_else(|| "not defined".into(), |effect| format!("{effect:+.4}"));
        let text = format!(
            "{} against {baseline}: {} by {effect} in {}{}",
            name(row),
            word(found.verdict),
            outcome.metric,
            interval(found)
        );
        return Block::Verdict(tone, text);
    }
    let best = outcome.rows.iter().find(|row| row.best).map_or_else(|| "none".into(), name);
    let of = |verdict| tested.iter().filter(|(_, found)| found.verdict == verdict).count();
    let counts =
        [Verdict::Better, Verdict::Worse, Verdict::Inconclusive].map(|one| format!("{} {}", of(one), word(one)));
    let against =
        if tested.is_empty() { String::new() } else { format!("; against {baseline}: {}", counts.join(", ")) };
    Block::Verdict(Tone::Neutral, format!("Best by {}: {best}{against}", outcome.metric))
}

fn interval(found: &Difference) -> String {
    let ends = found.low.zip(found.high);
    ends.map_or_else(String::new, |(low, high)| format!(" [{low:+.4}, {high:+.4}]"))
}

fn runs(outcome: &Outcome) -> Table {
    let mut columns = vec![("run", Align::Left), ("experiment", Align::Left)];
    columns.extend(outcome.metrics.iter().map(|metric| (metric.as_str(), Align::Right)));
    columns.extend(outcome.params.iter().map(|param| (param.as_str(), Align::Left)));
    let row = |row: &Row| {
        let mark = if row.best { " (best)" } else { "" };
        let mut cells = vec![format!("{}{mark}", name(row)), row.run.experiment.clone()];
        cells.extend(outcome.metrics.iter().map(|metric| optional(row.columns.get(metric).copied().flatten())));
        cells.extend(outcome.params.iter().map(|param| row.run.params.get(param).cloned().unwrap_or_default()));
        cells
    };
    Table { rows: outcome.rows.iter().map(row).collect(), ..Table::of(&columns) }
}

fn plot(outcome: &Outcome) -> Result<Figure> {
    let entry = |row: &Row| Some(Entry { name: name(row), value: row.value?, interval: None });
    let entries: Vec<Entry> = outcome.rows.iter().filter_map(entry).collect();
    let title = format!("Runs by {}", outcome.metric);
    let better = if outcome.maximize { "higher" } else { "lower" };
    let subtitle = format!("{}, {better} is better", plural(entries.len(), "run"));
    let given = Comparison { title: &title, subtitle: &subtitle, metric: &outcome.metric, entries: &entries };
    let svg = comparison::comparison(&given)?;
    Ok(Figure { name: "comparison".into(), caption: format!("{title}; {subtitle}"), svg })
}

fn tests(document: &mut Document, outcome: &Outcome) {
    document.section("Paired tests");
    if let Some(why) = &outcome.no_test {
        document.note(format!("No paired test: {why}."));
    }
    let tested: Vec<(&Row, &Difference)> =
        outcome.rows.iter().filter_map(|row| Some((row, row.difference.as_ref()?))).collect();
    if tested.is_empty() {
        return;
    }
    let unit = tested[0].1.unit;
    let decide = format!("{} that would decide", unit.name());
    let mut table = Table::of(&[
        ("candidate", Align::Left),
        ("gain [95 % interval]", Align::Right),
        (if tested.len() > 1 { "p (Holm)" } else { "p" }, Align::Right),
        ("verdict", Align::Left),
        (decide.as_str(), Align::Right),
        (unit.name(), Align::Right),
        ("test", Align::Left),
    ]);
    table.rows.extend(tested.iter().map(|(row, found)| {
        let effect = found.effect.map_or_else(|| "n/a".into(), |effect| format!("{effect:+.4}"));
        let p = found.adjusted_p.or(found.p);
        vec![
            name(row),
            format!("{effect}{}", interval(found)),
            p.map_or_else(|| "–".into(), |p| if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }),
            word(found.verdict).to_owned(),
            found.rows_needed.map_or_else(|| "–".into(), |rows| count(rows as usize)),
            count(found.n as usize),
            found.test.clone(),
        ]
    }));
    document.push(Block::Table(table));
    document.text(format!("A gain is positive where the candidate is better. The {decide} do so in 8 of 10 cases if the gain seen here is the true one."));
}

/// The queries that moved with one candidate: the gain of each as a plot, and those that moved most in both directions.
fn moved(document: &mut Document, outcome: &Outcome, found: &QueryChanges, at: usize) -> Result<()> {
    let row = outcome.rows.iter().find(|row| row.run.id == found.candidate);
    let candidate = row.map_or_else(|| found.candidate.short().to_owned(), name);
    let baseline = outcome.rows.iter().find(|row| row.run.id == found.baseline);
    let baseline = baseline.map_or_else(|| found.baseline.short().to_owned(), name);
    document.section(format!("Queries that moved: {baseline} to {candidate}"));
    let (better, worse, all) = (count(found.better), count(found.worse), count(found.queries));
    document.text(format!("{better} better, {worse} worse in {} of {all} queries.", found.metric));
    let difference = row.and_then(|row| row.difference.as_ref());
    let sure = difference.and_then(|found| Some(format!(", mean gain {:+.4}{}", found.effect?, interval(found))));
    let title = format!("Gain of each query: {candidate} against {baseline}");
    let subtitle = format!("{all} queries{}", sure.unwrap_or_default());
    let axis = format!("gain in {}", found.metric);
    let svg = gains(&Gains { title: &title, subtitle: &subtitle, metric: &axis, gains: &found.gains })?;
    let name = if at == 0 { "gains".to_owned() } else { format!("gains_{}", at + 1) };
    document.push(Block::Figure(Figure { name, caption: format!("{title}; {subtitle}"), svg }));
    let mut table = Table::of(&[
        ("", Align::Left),
        ("query", Align::Left),
        ("documents", Align::Right),
        ("relevant", Align::Right),
        ("baseline", Align::Right),
        ("candidate", Align::Right),
        ("gain", Align::Right),
        ("documents that moved most: grade, rank to rank", Align::Left),
    ]);
    let document_of = |one: &MovedDocument| {
        format!("{} (grade {}) {} to {}", one.id, one.grade, one.baseline_rank, one.candidate_rank)
    };
    for better in [false, true] {
        let kind = |query: &&QueryChange| (query.gain > 0.0) == better;
        table.rows.extend(found.examples.iter().filter(kind).take(CHANGED / 2).map(|query| {
            vec![
                if better { "better" } else { "worse" }.to_owned(),
                query.query.clone(),
                count(query.documents),
                count(query.relevant),
                format!("{:.4}", query.baseline),
                format!("{:.4}", query.candidate),
                format!("{:+.4}", query.gain),
                query.moved.iter().map(document_of).collect::<Vec<_>>().join(", "),
            ]
        }));
    }
    let more = found.examples.len() - table.rows.len();
    document.push(Block::Table(table));
    if more > 0 {
        document.note(format!("… and {} more.", count(more)));
    }
    Ok(())
}

fn changed(document: &mut Document, flips: &Flips) {
    document.section(format!("Answers that changed: {} to {}", flips.baseline.short(), flips.candidate.short()));
    let (won, lost) = (plural(flips.won, "row"), plural(flips.lost, "row"));
    document.text(format!("{won} won, {lost} lost of {}.", count(flips.rows)));
    let columns = ["", "id", "label", "baseline", "candidate", "text"].map(|name| (name, Align::Left));
    let row = |flip: &crate::workflows::compare::Flip| {
        let kind = if flip.won { "won" } else { "lost" };
        let text = flip.text.as_deref().unwrap_or_default().chars().take(120).collect();
        let [id, label, old, new] = [&flip.id, &flip.label, &flip.baseline, &flip.candidate].map(Clone::clone);
        vec![kind.to_owned(), id, label, old, new, text]
    };
    let rows = flips.examples.iter().take(CHANGED).map(row).collect();
    document.push(Block::Table(Table { rows, ..Table::of(&columns) }));
    let more = flips.examples.len().saturating_sub(CHANGED);
    if more > 0 {
        document.note(format!("… and {} more.", count(more)));
    }
}
