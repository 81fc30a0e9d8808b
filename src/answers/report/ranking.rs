//! What a report says of a ranking: the conventions behind its numbers, NDCG by rank, how the metric lies over the queries, the
//! queries that are ranked worst. All of it from the stored predictions, by the conventions that are stored with them.

use super::figures::{add, titled};
use crate::error::Result;
use crate::metrics::QueryDetail;
use crate::metrics::ranking::{Convention, Queries, RankingEstimate, Wanted, evaluate};
use crate::report::document::{Align, Document, Line, Table, cells};
use crate::report::numbers::{count, plural, value};
use crate::report::plots::by_rank::{ByRank, Cut, by_rank};
use crate::report::plots::spread::{Spread, spread};
use crate::runs::predictions::Predictions;
use crate::runs::stored::Stored;
use crate::stats::quantile::quantile;
use crate::stats::ranks::descending;

/// The deepest rank in the plot of NDCG.
const DEEPEST: usize = 10;
/// The queries that are named.
const WORST: usize = 10;
/// The grades of a query that are shown, from the top.
const TOP: usize = 5;

/// Under the table of metrics: what the numbers rest on, and each metric by the three ways to count queries without relevant
/// documents.
pub fn conventions(document: &mut Document, stored: &Stored, queries: &QueryDetail) {
    let QueryDetail { grades, facts } = queries;
    let Some((part, judged)) = stored.judged() else { return };
    let line = |name: &str| {
        let estimate = judged.metrics.get(name)?;
        let number = estimate.value.map_or_else(|| "n/a".to_owned(), |number| format!("{number:.3}"));
        let ends = estimate.low.zip(estimate.high);
        let interval = ends.map_or_else(String::new, |(low, high)| format!(" [{low:.3}, {high:.3}]"));
        Some(format!("{part}: {name} {number}{interval} {}.", facts.behind(name)))
    };
    if let Some(line) = line(&stored.primary) {
        document.text(line);
    }
    document.text(format!("Conventions: {}.", facts.convention.describe()));
    let support = grades.iter().map(|(grade, documents)| format!("{grade}: {}", count(*documents))).collect::<Vec<_>>();
    document.text(format!("{part}: {} by grade: {}.", plural(judged.rows, "document"), support.join(", ")));
    if facts.empty == 0 {
        return;
    }
    let mut table = Table::of(&[
        ("queries without relevant documents", Align::Left),
        ("count 0", Align::Right),
        ("are skipped", Align::Right),
        ("count 1", Align::Right),
    ]);
    table.rows.extend(facts.by_empty.iter().map(|(name, by)| {
        let cell = |number: Option<f64>| number.map_or_else(|| "–".into(), |number| Line::from(value(number)));
        std::iter::once(Line::from(name)).chain(by.iter().copied().map(cell)).collect()
    }));
    document.table(table);
}

/// The plots of the deciding part, and the queries that are ranked worst.
pub fn queries(document: &mut Document, stored: &Stored) -> Result<()> {
    document.section("Queries");
    let part = stored.judged().map_or("test", |(part, _)| part.as_str());
    let rows = match &stored.predictions {
        Ok(all) => all.part(part),
        Err(reason) => {
            document.note(format!("No plots: {reason}."));
            return Ok(());
        }
    };
    let (Some(convention), false) = (rows.convention, rows.is_empty()) else {
        document.note(format!("No plots: no predictions of {part} documents are stored."));
        return Ok(());
    };
    let primary = Wanted::parse(&stored.primary).or_else(|_| Wanted::parse("ndcg@10"))?;
    let (cuts, of_primary) = values(stored, &rows, convention, primary)?;
    let n = rows.starts().len() - 1;
    ndcg_by_rank(document, stored, (part, n), &cuts)?;
    lie(document, stored, part, &of_primary)?;
    worst(document, &rows, &of_primary, convention);
    Ok(())
}

/// NDCG at each rank with its interval, drawn as in training, and the primary metric of each query.
fn values(
    stored: &Stored,
    rows: &Predictions,
    convention: Convention,
    primary: Wanted,
) -> Result<(Vec<Cut>, RankingEstimate)> {
    let mut wanted = vec![primary];
    for k in 1..=DEEPEST {
        wanted.push(Wanted::parse(&format!("ndcg@{k}"))?);
    }
    let (grades, starts) = (rows.grades(), rows.starts());
    let queries = Queries { scores: &rows.scores, grades: &grades, starts: &starts };
    let mut found = evaluate(&queries, &wanted, &convention, stored.draws())?;
    let cuts = found.drain(1..).enumerate();
    let cuts =
        cuts.filter_map(|(at, one)| Some(Cut { k: at + 1, value: one.value?, interval: one.interval })).collect();
    Ok((cuts, found.swap_remove(0)))
}

fn ndcg_by_rank(document: &mut Document, stored: &Stored, (part, n): (&str, usize), cuts: &[Cut]) -> Result<()> {
    let sure = if cuts.iter().any(|cut| cut.interval.is_some()) { ", whiskers: 95 % interval" } else { "" };
    let title = titled("NDCG by rank", stored);
    let subtitle = format!("{part} rows, {} queries{sure}", count(n));
    let svg = by_rank(&ByRank { title: &title, subtitle: &subtitle, metric: "NDCG@k", cuts })?;
    add(document, "ndcg_by_rank", &title, &subtitle, svg);
    Ok(())
}

fn lie(document: &mut Document, stored: &Stored, part: &str, found: &RankingEstimate) -> Result<()> {
    let mut values: Vec<f64> = found.per_query.iter().copied().filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let quarters = quantile(&values, 0.25).zip(quantile(&values, 0.75));
    let quarters =
        quarters.map_or_else(String::new, |(low, high)| format!(", half of them between {low:.3} and {high:.3}"));
    let title = titled(&format!("{} of each query", found.name), stored);
    let subtitle = format!("{part} rows, {} queries{quarters}", count(values.len()));
    let svg = spread(&Spread { title: &title, subtitle: &subtitle, metric: &found.name, values: &values })?;
    add(document, "per_query", &title, &subtitle, svg);
    Ok(())
}

/// The queries with the lowest values; those without relevant documents say nothing of the model.
fn worst(document: &mut Document, rows: &Predictions, found: &RankingEstimate, convention: Convention) {
    let (starts, grades) = (rows.starts(), rows.grades());
    let relevant = |query: usize| convention.relevant(&grades[starts[query]..starts[query + 1]]);
    let mut order: Vec<usize> =
        (0..found.per_query.len()).filter(|query| relevant(*query) > 0 && !found.per_query[*query].is_nan()).collect();
    order.sort_by(|left, right| found.per_query[*left].total_cmp(&found.per_query[*right]).then(left.cmp(right)));
    if order.is_empty() {
        return;
    }
    let top = format!("grades of the first {TOP}");
    let mut table = Table::of(&[
        ("query", Align::Left),
        ("documents", Align::Right),
        ("relevant", Align::Right),
        (found.name.as_str(), Align::Right),
        (top.as_str(), Align::Left),
    ]);
    for query in order.iter().take(WORST) {
        let here = starts[*query]..starts[query + 1];
        let ranked = descending(rows.scores[here.clone()].iter().copied());
        let first = ranked.iter().take(TOP).map(|at| grades[here.start + *at as usize].to_string());
        table.rows.push(cells![
            &rows.queries[here.start],
            count(here.len()),
            count(relevant(*query)),
            value(found.per_query[*query]),
            first.collect::<Vec<_>>().join(" "),
        ]);
    }
    document.text(format!("The queries with the lowest {}, of those with a relevant document:", found.name));
    document.table(table);
}

/// Whether a run is one of ranking: as its metrics say it, else its predictions.
pub fn is_ranking(stored: &Stored) -> bool {
    let judged = stored.judged().map(|(_, judged)| judged.queries().is_some());
    judged.unwrap_or_else(|| stored.predictions.as_ref().is_ok_and(Predictions::is_ranking))
}
