//! What is plainly wrong with a column, by name: never "KL = ∞".
//!
//! | finding | when | drift |
//! |---|---|---|
//! | `missing_column` | the data lack the column | severe |
//! | `all_null` | no value, which the reference makes less likely than α/100 | severe; else a note |
//! | `type_change` | more than half of the values are no numbers where numbers were, or the reverse | severe |
//! | `null_rate` | the share of rows without a value has changed; tested with the columns, as two bins | by its KL, at least slight |
//! | `constant` | one value only, which the reference makes less likely than α/100 | significant |
//! | `unseen_categories` | values that the reference never had | with its column's verdict |
//! | `not_a_number`, `infinite`, `out_of_range` | some cells are | a note |
//! | `few_rows` | less than 20 values: they are not judged, and what would be `all_null` or `constant` is a note | a note |
//!
//! Cells that hold something else than a number count as rows without a value.
//!
//! How likely a window without a value, or of one value only, is without drift: of n + m rows in any order, all k that are
//! otherwise lie in the reference, C(n, k) / C(n + m, k) (Fisher's exact test). That the reference itself is a sample is
//! in it: with one of 1,000 rows otherwise, a window of 10,000 like the other 999 is no wonder (1/11).

use serde::Serialize;

use super::current::{NumbersSeen, Seen, Values, WordsSeen};
use super::decision::Verdict;
use super::pair::number;
use super::profile::{Column, Content, Numbers, Words};
use super::statistic::FEW;
use crate::tracking::Severity;

/// Something that is wrong with a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The column; empty for the whole check.
    pub column: String,
    /// Its name in the list above.
    pub finding: &'static str,
    /// What it is, in words.
    pub message: String,
    /// Whether it counts as drift.
    pub drift: bool,
    /// How bad it is.
    pub severity: Severity,
}

/// A note about values out of range: this share, and so many times what chance gives.
const OUTSIDE: (f64, f64) = (0.01, 10.0);

fn note(column: &str, finding: &'static str, message: String) -> Finding {
    Finding { column: column.to_owned(), finding, message, drift: false, severity: Severity::Normal }
}

fn alarm(column: &str, finding: &'static str, severity: Severity, message: String) -> Finding {
    Finding { column: column.to_owned(), finding, message, drift: true, severity }
}

/// A share as people read it.
#[must_use]
pub fn percent(share: f64) -> String {
    let share = 100.0 * share;
    match share {
        0.0 => "0 %".to_owned(),
        share if share < 0.1 => "< 0.1 %".to_owned(),
        share if share < 10.0 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

/// The column that the data lack.
#[must_use]
pub fn missing(column: &Column) -> Finding {
    let message = "the current data have no such column".to_owned();
    alarm(&column.name, "missing_column", Severity::Severe, message)
}

/// True when nothing of the column can be compared: what is wrong says it already.
#[must_use]
pub fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| ["missing_column", "all_null", "type_change"].contains(&finding.finding))
}

/// True when not even the share of rows without a value can be compared. A column without values that may be chance is
/// left to the test of that share.
#[must_use]
pub fn is_lost(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.drift && is_broken(std::slice::from_ref(finding)))
}

/// Whether a window of m rows without any of the k that the reference has among its n is less likely than α/100: many
/// columns may be asked, so each must be far less likely than a false alarm.
fn is_wonder(k: u64, n: u64, m: u64, alpha: f64) -> bool {
    let bar = (alpha / 100.0).ln();
    let mut chance = 0.0;
    (0..k.min(n)).any(|met| {
        let left = (n - met) as f64;
        chance += (left / (left + m as f64)).ln();
        chance < bar
    })
}

/// What can be told without a test. `alpha` is how unlikely a constant column must be.
#[must_use]
pub fn of_column(column: &Column, seen: &Seen, alpha: f64) -> Vec<Finding> {
    let mut found = match (&column.content, &seen.values) {
        (Content::Numeric(numbers), Values::Numbers(current)) => of_numbers(column, numbers, seen, current),
        (Content::Categorical(words), Values::Words(current)) => of_words(column, words, seen, current),
        _ => Vec::new(),
    };
    if found.is_empty() && seen.rows > 0 && seen.present() == 0 && column.values() > 0 {
        let message = format!("no row has a value ({} of the reference's lack one)", null_share(column));
        let chance = seen.rows < FEW || !is_wonder(column.values(), column.n, seen.rows, alpha);
        found.push(if chance {
            note(&column.name, "all_null", message)
        } else {
            alarm(&column.name, "all_null", Severity::Severe, message)
        });
    }
    if !is_broken(&found) {
        if seen.present() < FEW {
            let rows = if seen.present() == 1 { "1 value".to_owned() } else { format!("{} values", seen.present()) };
            found.push(note(&column.name, "few_rows", format!("{rows}: too few to judge, {FEW} are needed")));
        } else {
            found.extend(constant(column, seen, alpha));
        }
    }
    found
}

fn null_share(column: &Column) -> String {
    percent(column.nulls as f64 / column.n.max(1) as f64)
}

fn of_numbers(column: &Column, numbers: &Numbers, seen: &Seen, current: &NumbersSeen) -> Vec<Finding> {
    let mut found = Vec::new();
    let example = current.example.as_deref().unwrap_or_default();
    let filled = current.wrong + seen.present();
    if current.wrong * 2 > filled {
        let share = percent(current.wrong as f64 / filled as f64);
        let message = format!("numbers in the reference, but {share} of the values are none, such as `{example}`");
        return vec![alarm(&column.name, "type_change", Severity::Severe, message)];
    }
    if current.wrong > 0 {
        let message = format!("{} values are no numbers, such as `{example}`; they count as missing", current.wrong);
        found.push(note(&column.name, "not_a_number", message));
    }
    if current.infinite > 0 {
        found.push(note(&column.name, "infinite", format!("{} values are infinite", current.infinite)));
    }
    let (n, m) = (column.values() as f64, seen.present() as f64);
    let outside = current.outside as f64 / m.max(1.0);
    if n > 0.0 && outside > OUTSIDE.0 && outside > OUTSIDE.1 * 2.0 / (n + 1.0) && numbers.min < numbers.max {
        let message = format!(
            "{} of the values lie outside the reference's range {} … {} (now {} … {})",
            percent(outside),
            number(numbers.min),
            number(numbers.max),
            number(current.min),
            number(current.max)
        );
        found.push(note(&column.name, "out_of_range", message));
    }
    found
}

fn of_words(column: &Column, words: &Words, seen: &Seen, current: &WordsSeen) -> Vec<Finding> {
    let (n, m) = (column.values(), seen.present());
    // Unless most of what is unseen reads as numbers, it is only new words.
    if n > 0 && words.numbers * 10 < n && current.numbers * 2 > m {
        let share = percent(current.numbers as f64 / m as f64);
        let example = current.examples.keys().next().cloned().unwrap_or_default();
        let message = format!("words in the reference, but {share} of the values are numbers, such as `{example}`");
        return vec![alarm(&column.name, "type_change", Severity::Severe, message)];
    }
    Vec::new()
}

/// One value only, where the reference has several, and too many for chance.
fn constant(column: &Column, seen: &Seen, alpha: f64) -> Option<Finding> {
    let m = seen.present();
    let all = column.values();
    let (like_it, value) = match (&column.content, &seen.values) {
        (Content::Numeric(numbers), Values::Numbers(current)) => {
            if current.finite != m || current.min < current.max || numbers.min >= numbers.max {
                return None;
            }
            let cell = numbers.grid().cell(current.min);
            (numbers.counts.get(cell).copied().unwrap_or(0), number(current.min))
        }
        (Content::Categorical(words), Values::Words(current)) => {
            let different = words.categories.len() + usize::from(words.other > 0);
            let named = words.categories.iter().zip(&current.counts).find(|(_, count)| **count == m);
            let ((word, count), _) = named.filter(|_| different > 1)?;
            (*count, word.clone())
        }
        _ => return None,
    };
    is_wonder(all - like_it, all, m, alpha).then(|| {
        let share = like_it as f64 / all as f64;
        let message = format!("all {m} values are `{value}`, which {} of the reference are", percent(share));
        alarm(&column.name, "constant", Severity::Significant, message)
    })
}

/// The share of rows without a value, when its test says that it has changed.
#[must_use]
pub fn null_rate(column: &Column, seen: &Seen, verdict: &Verdict) -> Option<Finding> {
    verdict.drift.then(|| {
        let now = percent(seen.nulls as f64 / seen.rows.max(1) as f64);
        let message = format!(
            "{now} of the rows are without a value, {} in the reference (p {})",
            null_share(column),
            p(verdict.p_holm)
        );
        alarm(&column.name, "null_rate", verdict.severity.max(Severity::Slight), message)
    })
}

/// Values that the reference never had; drift when the column drifts.
#[must_use]
pub fn unseen(column: &Column, seen: &Seen, verdict: Option<&Verdict>) -> Option<Finding> {
    let Values::Words(current) = &seen.values else { return None };
    if current.unseen == 0 {
        return None;
    }
    let examples = current.examples.keys().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let share = percent(current.unseen as f64 / seen.present().max(1) as f64);
    let values = if current.unseen == 1 { "1 value".to_owned() } else { format!("{} values", current.unseen) };
    let message = format!("{values} ({share}) of categories that the reference never had: {examples}");
    Some(match verdict.filter(|verdict| verdict.drift) {
        Some(verdict) => alarm(&column.name, "unseen_categories", verdict.severity, message),
        None => note(&column.name, "unseen_categories", message),
    })
}

/// A p-value: three digits, and a bound where it is smaller.
#[must_use]
pub fn p(p: f64) -> String {
    if p < 0.001 { "< .001".into() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::super::profile::{Role, Room};
    use super::*;

    fn numeric() -> Column {
        Column::of_numbers(("x", Role::Column), "train", (0..1000).map(f64::from).collect(), 0, Room::ALL)
    }

    fn words(counts: &[(&str, usize)]) -> Column {
        let cells: Vec<Option<String>> =
            counts.iter().flat_map(|(word, n)| vec![Some((*word).to_owned()); *n]).collect();
        Column::of_cells("c", "train", &cells, Room::ALL)
    }

    fn found(column: &Column, fill: impl FnOnce(&mut Seen)) -> Vec<&'static str> {
        let mut seen = Seen::new(column, 100);
        fill(&mut seen);
        of_column(column, &seen, 0.01).iter().map(|finding| finding.finding).collect()
    }

    #[test]
    fn each_has_its_name() {
        let column = numeric();
        let many: Vec<f64> = (0..100).map(|row| f64::from(row) * 10.0).collect();
        assert_eq!(found(&column, |seen| seen.add_numbers(0, &many)), [""; 0]);
        assert_eq!(found(&column, |seen| seen.add_numbers(0, &[f64::NAN; 30])), ["all_null"]);
        assert_eq!(found(&column, |seen| seen.add_numbers(0, &[5.0; 30])), ["constant"]);
        assert_eq!(found(&column, |seen| seen.add_numbers(0, &[5.0])), ["few_rows"]);
        assert_eq!(
            found(&column, |seen| seen.add_numbers(0, &[1e9, f64::INFINITY])),
            ["infinite", "out_of_range", "few_rows"]
        );
        let wrong = |cells: u64| {
            let numbers: Vec<f64> = many
                .iter()
                .enumerate()
                .map(|(row, value)| if (row as u64) < cells { f64::NAN } else { *value })
                .collect();
            found(&column, |seen| {
                seen.add_numbers(0, &numbers);
                seen.add_wrong(cells, Some("abc"));
            })
        };
        assert_eq!(wrong(3), ["not_a_number"]);
        assert_eq!(wrong(80), ["type_change"]);
        assert_eq!(wrong(100), ["type_change"]);
        assert_eq!(missing(&column).severity, Severity::Severe);
    }

    #[test]
    fn words_that_become_numbers_or_one_word() {
        let column = words(&[("a", 600), ("b", 400)]);
        let fill = |word: &'static str| move |seen: &mut Seen| seen.add_words(std::iter::repeat_n(Some(word), 50));
        assert_eq!(found(&column, fill("17")), ["type_change"]);
        assert_eq!(found(&column, fill("a")), ["constant"]);
        assert_eq!(found(&column, fill("new")), [""; 0]);
        let often = words(&[("a", 9999), ("b", 1)]);
        assert_eq!(found(&often, fill("a")), [""; 0], "all of the likely value is no finding");
        let numbers = words(&[("1", 500), ("x", 500)]);
        assert_eq!(found(&numbers, fill("17")), [""; 0]);
    }

    #[test]
    fn no_value_is_an_alarm_where_chance_does_not_give_it() {
        let told = |values: usize, nulls: u64, rows: usize| {
            let values = (0..values).map(|row| row as f64).collect();
            let column = Column::of_numbers(("x", Role::Column), "train", values, nulls, Room::ALL);
            let mut seen = Seen::new(&column, 100);
            seen.add_numbers(0, &vec![f64::NAN; rows]);
            let found = of_column(&column, &seen, 0.01);
            assert_eq!((found.len(), found[0].finding), (1, "all_null"));
            found[0].drift
        };
        // 99.9 % without a value: half of all windows of 1,000 rows have none, and so has every eleventh of 10,000.
        assert_eq!([told(1, 999, 1000), told(1, 999, 10_000), told(10, 990, 100)], [false; 3]);
        assert_eq!([told(1000, 0, 30), told(100, 900, 1000), told(10, 990, 10_000)], [true; 3]);
    }

    #[test]
    fn the_chance_of_none_is_that_of_drawing_without_return() {
        // scipy 1.17.1: hypergeom.pmf(0, n + m, k, m) is 0.000954733.
        assert!(is_wonder(10, 1000, 1000, 0.095_5) && !is_wonder(10, 1000, 1000, 0.094_5));
        assert!(!is_wonder(0, 1000, 1000, 0.4));
    }

    #[test]
    fn unseen_values_are_named_and_weigh_with_their_column() {
        let column = words(&[("a", 600), ("b", 400)]);
        let mut seen = Seen::new(&column, 0);
        seen.add_words(["a", "new", "b", "newer"].into_iter().map(Some));
        let finding = unseen(&column, &seen, None).unwrap();
        assert_eq!(finding.message, "2 values (50 %) of categories that the reference never had: `new`, `newer`");
        assert!(!finding.drift);
        let verdict = Verdict { p: 0.0, p_holm: 0.0, q: 0.0, threshold: 0.1, drift: true, severity: Severity::Severe };
        assert_eq!(unseen(&column, &seen, Some(&verdict)).unwrap().severity, Severity::Severe);
        assert!(null_rate(&column, &seen, &verdict).unwrap().message.starts_with("0 % of the rows"));
    }

    #[test]
    fn shares_read_well() {
        assert_eq!([0.0, 0.0001, 0.0123, 0.5].map(percent), ["0 %", "< 0.1 %", "1.2 %", "50 %"]);
    }
}
