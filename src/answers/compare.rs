//! A comparison: the runs, the params that differ, the paired tests, what changed. As an answer, and as a paper with the
//! verdict first and plots.

use super::format::{count, optional, plain, plural, probability};
use crate::comparison::{Difference, Unit, Verdict};
use crate::error::Result;
use crate::report::document::{Align, Block, Document, Figure, Line, Table, Tone, bad, cells, dim, emphasis, good};
use crate::report::plots::comparison::{self, Comparison, Entry};
use crate::report::plots::gains::{Gains, gains};
use crate::tracking::Run;
use crate::workflows::compare::{Flips, MovedDocument, Outcome, QueryChange, QueryChanges, Row};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// As much as a terminal holds; `--json` has all of it.
    Screen,
    /// Everything but very long lists.
    Paper,
}

impl Extent {
    /// Params in the table.
    fn params(self) -> usize {
        if self == Self::Screen { 6 } else { usize::MAX }
    }

    /// Rows or queries that changed, in each direction.
    fn examples(self) -> usize {
        if self == Self::Screen { 5 } else { 10 }
    }

    /// Characters of a text.
    fn characters(self) -> usize {
        if self == Self::Screen { 80 } else { 120 }
    }

    /// The line that says how many more there are.
    fn more(self, left_out: usize) -> String {
        let all = if self == Self::Screen { " (`--json` shows all)" } else { "" };
        format!("… and {} more{all}", count(left_out))
    }
}

/// The answer.
#[must_use]
pub fn document(outcome: &Outcome) -> Document {
    let mut document = Document::new(title(outcome));
    runs(&mut document, outcome);
    params(&mut document, outcome, Extent::Screen);
    tests(&mut document, outcome);
    outcome.notes.iter().for_each(|note| document.note(note));
    for found in &outcome.flips {
        document.part(format!("answers that changed from {} to {}", found.baseline.short(), found.candidate.short()));
        flips(&mut document, found, Extent::Screen);
    }
    for found in &outcome.queries {
        let (baseline, candidate) = (found.baseline.short(), found.candidate.short());
        document.part(format!("queries whose {} changed from {baseline} to {candidate}", found.metric));
        queries(&mut document, found, Extent::Screen);
    }
    if let Some(why) = &outcome.no_test {
        document.gap();
        document.note(format!("no paired test: {why}"));
    }
    document
}

/// The paper.
///
/// # Errors
/// `Failed` when a plot cannot be drawn.
pub fn paper(outcome: &Outcome) -> Result<Document> {
    let mut document = Document::new(title(outcome));
    document.push(verdict(outcome));
    document.section("Runs");
    runs(&mut document, outcome);
    document.push(Block::Figure(plot(outcome)?));
    params(&mut document, outcome, Extent::Paper);
    document.section("Paired tests");
    if let Some(why) = &outcome.no_test {
        document.note(format!("No paired test: {why}."));
    }
    tests(&mut document, outcome);
    if let Some((_, first)) = tested(outcome).first() {
        document.text(format!(
            "A gain is positive where the candidate is better. With the {} needed, 8 of 10 tests find the gain if the one seen \
             here is the true one.",
            first.unit.name()
        ));
    }
    outcome.notes.iter().for_each(|note| document.note(note));
    for found in &outcome.flips {
        document.section(format!("Answers that changed: {} to {}", found.baseline.short(), found.candidate.short()));
        flips(&mut document, found, Extent::Paper);
    }
    for (at, found) in outcome.queries.iter().enumerate() {
        moved(&mut document, outcome, found, at)?;
    }
    Ok(document)
}

fn title(outcome: &Outcome) -> String {
    format!("Comparison by {}", outcome.metric)
}

fn model(row: &Row) -> String {
    let tag = |key: &str| row.run.tags.get(key).cloned().unwrap_or_default();
    if tag("model").is_empty() { String::new() } else { format!("{} v{}", tag("model"), tag("version")) }
}

/// A run in a few words: its id, and the version it made.
fn name(row: &Row) -> String {
    format!("{} {}", row.run.id.short(), model(row)).trim_end().to_owned()
}

/// The runs with what they are judged by.
fn runs(document: &mut Document, outcome: &Outcome) {
    let gains = outcome.rows.iter().any(|row| row.gain.is_some());
    let mut columns = vec![("run", Align::Left), ("experiment", Align::Cut), ("model", Align::Left)];
    columns.push((outcome.metric.as_str(), Align::Right));
    if gains {
        columns.push(("gain", Align::Right));
    }
    columns.push(("", Align::Left));
    columns.extend(outcome.metrics[1..].iter().map(|name| (name.as_str(), Align::Right)));
    let cells = |row: &Row| {
        let mut cells = cells![row.run.id.short(), &row.run.experiment, model(row), optional(row.value)];
        if gains {
            cells
                .push(row.gain.filter(|_| !row.baseline).map_or_else(String::new, |gain| format!("{gain:+.4}")).into());
        }
        let marks = [(row.best, good("best")), (row.baseline, dim("baseline"))];
        cells.push(Line::joined(marks.into_iter().filter(|(on, _)| *on).map(|(_, mark)| mark), " "));
        let value = |name: &String| Line::from(optional(row.columns.get(name).copied().flatten()));
        cells.extend(outcome.metrics[1..].iter().map(value));
        cells
    };
    document.table(Table::of(&columns).with(outcome.rows.iter().map(cells)));
    if outcome.left_out > 0 {
        document.text(format!("… and {} with a lower place", plural(outcome.left_out, "run")));
    }
}

fn params(document: &mut Document, outcome: &Outcome, extent: Extent) {
    if outcome.params.is_empty() {
        return;
    }
    document.part("params that differ");
    let shown = &outcome.params[..outcome.params.len().min(extent.params())];
    document.table(params_of(outcome.rows.iter().map(|row| (row.run.id.short().to_owned(), &row.run)), shown));
    if outcome.params.len() > shown.len() {
        document.text(extent.more(outcome.params.len() - shown.len()));
    }
}

/// The values of these params in each run, under the run's name.
#[must_use]
pub fn params_of<'a>(runs: impl Iterator<Item = (String, &'a Run)>, params: &[String]) -> Table {
    let mut columns = vec![("run", Align::Left)];
    columns.extend(params.iter().map(|name| (name.as_str(), Align::Right)));
    let row = |(name, run): (String, &Run)| {
        let value = |param: &String| run.params.get(param).map_or_else(|| "–".into(), Line::from);
        std::iter::once(name.into()).chain(params.iter().map(value)).collect()
    };
    Table::of(&columns).with(runs.map(row))
}

/// The candidates that were tested.
fn tested(outcome: &Outcome) -> Vec<(&Row, &Difference)> {
    outcome.rows.iter().filter_map(|row| Some((row, row.difference.as_ref()?))).collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn effect(found: &Difference) -> String {
    found.effect.map_or_else(|| "n/a".into(), |effect| format!("{effect:+.4}"))
}

fn interval(found: &Difference) -> Option<String> {
    found.low.zip(found.high).map(|(low, high)| format!("[{low:+.4}, {high:+.4}]"))
}

/// What the paired tests say, one line a candidate.
fn tests(document: &mut Document, outcome: &Outcome) {
    let tested = tested(outcome);
    let Some((_, first)) = tested.first() else { return };
    let baseline = outcome.rows.iter().find(|row| row.baseline).map_or_else(String::new, |row| {
        let model = model(row);
        if model.is_empty() { format!("run {}", row.run.id.short()) } else { model }
    });
    let by = if first.unit == Unit::Queries { "query by query" } else { "row by row" };
    document.part(format!("{} against {baseline}, {by}", first.metric));
    let unit = first.unit.name();
    let needed = format!("{unit} needed (80 % power)");
    let columns = [
        ("run", Align::Left),
        ("model", Align::Left),
        ("gain", Align::Right),
        ("95 % interval", Align::Left),
        (if tested.len() > 1 { "p (Holm)" } else { "p" }, Align::Right),
        ("verdict", Align::Left),
        (needed.as_str(), Align::Right),
        (unit, Align::Right),
        ("test", Align::Cut),
    ];
    let cells = |(row, found): &(&Row, &Difference)| {
        let verdict = match found.verdict {
            Verdict::Better => good(word(found.verdict)),
            Verdict::Worse => bad(word(found.verdict)),
            Verdict::Inconclusive => emphasis(word(found.verdict)),
        };
        cells![
            row.run.id.short(),
            model(row),
            effect(found),
            interval(found).unwrap_or_else(|| "–".into()),
            probability(found.adjusted_p.or(found.p)),
            verdict,
            found.rows_needed.map_or_else(|| "–".into(), |rows| count(rows as usize)),
            count(found.n as usize),
            &found.test,
        ]
    };
    document.table(Table::of(&columns).with(tested.iter().map(cells)));
    for (row, found) in tested {
        for note in [&found.reason, &found.note].into_iter().flatten() {
            document.text(Line::from(row.run.id.short()) + "  " + dim(note));
        }
    }
}

/// The rows whose answer changed.
fn flips(document: &mut Document, found: &Flips, extent: Extent) {
    let (won, lost) = (plural(found.won, "row"), plural(found.lost, "row"));
    document.text(format!("{won} won, {lost} lost of {}", count(found.rows)));
    let columns = [
        ("", Align::Left),
        ("id", Align::Left),
        ("label", Align::Left),
        ("baseline", Align::Left),
        ("candidate", Align::Left),
        ("score of the label", Align::Left),
        ("text", Align::Cut),
    ];
    let mut table = Table::of(&columns);
    for kind in [false, true] {
        for flip in found.examples.iter().filter(|flip| flip.won == kind).take(extent.examples()) {
            let text = flip.text.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            table.rows.push(cells![
                if kind { good("won") } else { bad("lost") },
                &flip.id,
                &flip.label,
                &flip.baseline,
                &flip.candidate,
                format!("{:.3} > {:.3}", flip.baseline_score, flip.candidate_score),
                text.chars().take(extent.characters()).collect::<String>(),
            ]);
        }
    }
    examples(document, table, found.examples.len(), extent);
}

/// The queries that moved, those that lost first.
fn queries(document: &mut Document, found: &QueryChanges, extent: Extent) {
    let (better, worse, all) = (count(found.better), count(found.worse), count(found.queries));
    document.text(format!("{better} better, {worse} worse of {all}"));
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
    let moved = |one: &MovedDocument| {
        format!("{} (grade {}) {} > {}", plain(&one.id), one.grade, one.baseline_rank, one.candidate_rank)
    };
    let mut table = Table::of(&columns);
    for kind in [false, true] {
        let wanted = |query: &&QueryChange| (query.gain > 0.0) == kind;
        for query in found.examples.iter().filter(wanted).take(extent.examples()) {
            table.rows.push(cells![
                if kind { good("better") } else { bad("worse") },
                &query.query,
                count(query.documents),
                count(query.relevant),
                format!("{:.4}", query.baseline),
                format!("{:.4}", query.candidate),
                format!("{:+.4}", query.gain),
                query.moved.iter().map(moved).collect::<Vec<_>>().join(", "),
            ]);
        }
    }
    examples(document, table, found.examples.len(), extent);
}

/// A table of examples, and how many more there are.
fn examples(document: &mut Document, table: Table, all: usize, extent: Extent) {
    let more = all.saturating_sub(table.rows.len());
    if !table.rows.is_empty() {
        document.table(table);
    }
    if more > 0 {
        document.text(extent.more(more));
    }
}

/// The answer in one sentence.
fn verdict(outcome: &Outcome) -> Block {
    let tested = tested(outcome);
    let baseline = outcome.rows.iter().find(|row| row.baseline).map_or_else(String::new, name);
    if let [(row, found)] = tested.as_slice() {
        let tone = match found.verdict {
            Verdict::Better => Tone::Good,
            Verdict::Worse => Tone::Bad,
            Verdict::Inconclusive => Tone::Neutral,
        };
        let effect = found.effect.map_or_else(|| "not defined".into(), |effect| format!("{effect:+.4}"));
        let interval = interval(found).map_or_else(String::new, |interval| format!(" {interval}"));
        let (name, word) = (name(row), word(found.verdict));
        let text = format!("{name} against {baseline}: {word} by {effect} in {}{interval}", outcome.metric);
        return Block::Verdict(tone, text.into());
    }
    let best = outcome.rows.iter().find(|row| row.best).map_or_else(|| "none".into(), name);
    let of = |verdict| tested.iter().filter(|(_, found)| found.verdict == verdict).count();
    let counts =
        [Verdict::Better, Verdict::Worse, Verdict::Inconclusive].map(|one| format!("{} {}", of(one), word(one)));
    let against =
        if tested.is_empty() { String::new() } else { format!("; against {baseline}: {}", counts.join(", ")) };
    Block::Verdict(Tone::Neutral, format!("Best by {}: {best}{against}", outcome.metric).into())
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

/// The queries that moved with one candidate: the gain of each as a plot, and those that moved most in both directions.
fn moved(document: &mut Document, outcome: &Outcome, found: &QueryChanges, at: usize) -> Result<()> {
    let row = outcome.rows.iter().find(|row| row.run.id == found.candidate);
    let candidate = row.map_or_else(|| found.candidate.short().to_owned(), name);
    let baseline = outcome.rows.iter().find(|row| row.run.id == found.baseline);
    let baseline = baseline.map_or_else(|| found.baseline.short().to_owned(), name);
    document.section(format!("Queries that moved: {baseline} to {candidate}"));
    let difference = row.and_then(|row| row.difference.as_ref());
    let mean = difference.and_then(|found| {
        let interval = interval(found).map_or_else(String::new, |interval| format!(" {interval}"));
        Some(format!(", mean gain {:+.4}{interval}", found.effect?))
    });
    let title = format!("Gain of each query: {candidate} against {baseline}");
    let subtitle = format!("{} queries{}", count(found.queries), mean.unwrap_or_default());
    let axis = format!("gain in {}", found.metric);
    let svg = gains(&Gains { title: &title, subtitle: &subtitle, metric: &axis, gains: &found.gains })?;
    let name = if at == 0 { "gains".to_owned() } else { format!("gains_{}", at + 1) };
    document.push(Block::Figure(Figure { name, caption: format!("{title}; {subtitle}"), svg }));
    queries(document, found, Extent::Paper);
    Ok(())
}
