//! Compares two models in one metric: picks the test that fits, runs it, and says what it proves.
//!
//! | metric | default | also |
//! |---|---|---|
//! | accuracy | McNemar, exact below 25 discordant rows, else mid-p | bootstrap, permutation, t, wilcoxon |
//! | other metrics of labels (F1 …) | paired bootstrap over cells | |
//! | `roc_auc`, two classes | `DeLong` | bootstrap |
//! | `log_loss`, `brier` and calibrated | paired bootstrap of row losses | permutation, t, wilcoxon |
//! | other metrics of scores | paired bootstrap of rows | |
//! | values per query | sign-flip permutation | t, bootstrap, wilcoxon |
//!
//! The effect of permutation, t and Wilcoxon is the mean difference. Permutation and Wilcoxon have no interval of their
//! own: theirs is the bootstrap's. Its one-sided bounds alone would call one of two equal rankers better 6 to 10 % of the
//! time at α = .05 and below 100 queries, so they are widened to 0 where the one-sided sign flips (half of p) do not agree. Same seed, same result, whatever the number of threads.

use super::difference::{Difference, Discordant, Evidence, Unit};
use super::options::Options;
use super::paired::Pair;
use super::resampling::{differences, of_labels, of_scores, of_values};
use super::test_kind::TestKind;
use crate::catalog::Named as _;
use crate::error::{Cause, Error, Result};
use crate::metrics::metric::{Direction, Metric, Reads};
use crate::metrics::roc_auc::RocAuc;
use crate::stats::delong::{DeLong, delong};
use crate::stats::mcnemar::{self, Method};
use crate::stats::paired_t::PairedT;
use crate::stats::sign_flip::sign_flip;
use crate::stats::wilcoxon::wilcoxon;
use crate::text::thousands;

/// The tests that fit a metric, the default first.
#[must_use]
pub fn fitting_tests(metric: &dyn Metric, n_classes: usize) -> Vec<TestKind> {
    use TestKind::{Bootstrap, DeLong, McNemar, Permutation, T, Wilcoxon};
    // Without a row there is no value, but whether rows have values can be seen.
    let of_rows = metric.of_rows(&crate::metrics::Scored::new(&[], &[], &[], n_classes)).is_some();
    let mut fitting = Vec::new();
    if of_rows && metric.reads() == Reads::Labels {
        fitting.push(McNemar);
    }
    if metric.name() == RocAuc.name() && n_classes == 2 {
        fitting.push(DeLong);
    }
    fitting.push(Bootstrap);
    if of_rows {
        fitting.extend([Permutation, T, Wilcoxon]);
    }
    fitting
}

fn pick(what: &str, fitting: &[TestKind], asked: TestKind) -> Result<TestKind> {
    match asked {
        TestKind::Auto => Ok(fitting[0]),
        kind if fitting.contains(&kind) => Ok(kind),
        kind => {
            let names: Vec<String> = fitting.iter().map(|kind| format!("`{}`", kind.name())).collect();
            Err(Error::invalid(format!("the test `{}` does not fit {what}", kind.name()))
                .hint(format!("those that fit: {}", names.join(", ")))
                .because(Cause::NotComparable))
        }
    }
}

/// Compares two models on the same rows.
///
/// # Errors
/// `Invalid` when answers do not fit the rows, an option is out of range, or the test does not fit the metric.
pub fn compare(metric: &dyn Metric, pair: &Pair<'_>, options: &Options) -> Result<Difference> {
    options.check()?;
    pair.check().map_err(|error| error.because(Cause::NotComparable))?;
    let what = format!("`{}` with {} classes", metric.name(), pair.n_classes);
    let kind = pick(&what, &fitting_tests(metric, pair.n_classes), options.test)?;
    let sides = pair.scored(metric);
    let areas = if kind == TestKind::DeLong { areas_by_delong(pair) } else { None };
    let values = match &areas {
        Some(found) => found.test.areas.map(Ok),
        None => sides.map(|side| metric.score(&side)),
    };
    let difference = Difference::of(metric.name(), metric.direction(), pair.rows(), values, (kind, options));
    if values.iter().any(Result::is_err) {
        return Ok(difference);
    }
    if pair.rows() < 2 {
        return Ok(difference.untested("1 row"));
    }
    if !metric.has_interval() {
        return Ok(difference.untested("resampled rows say nothing about this metric"));
    }
    let found = match kind {
        TestKind::McNemar => Some(by_mcnemar(pair, options)),
        TestKind::DeLong => areas.map(|found| by_delong(&found, options)),
        TestKind::Auto | TestKind::Bootstrap if metric.reads() == Reads::Labels => of_labels(metric, pair, options),
        TestKind::Auto | TestKind::Bootstrap => of_scores(metric, pair, options),
        TestKind::Permutation | TestKind::T | TestKind::Wilcoxon => {
            let [baseline, candidate] = sides.map(|side| metric.of_rows(&side).expect("the test fits the metric"));
            by_values(kind, &differences(metric.direction(), &baseline, &candidate), options)
        }
    };
    Ok(match found {
        Some(evidence) => difference.judged(evidence),
        None if kind == TestKind::DeLong => difference.untested("fewer than 2 rows of a class"),
        None => difference.untested("not defined in most replicates"),
    })
}

/// Compares two lists of values of the same queries, in the same order, such as NDCG per query. The values that are
/// compared are the means.
///
/// # Errors
/// `Invalid` when the lists do not fit, hold NaN or infinities, or the test needs more than values.
pub fn compare_values(
    metric: &str,
    direction: Direction,
    (baseline, candidate): (&[f64], &[f64]),
    options: &Options,
) -> Result<Difference> {
    options.check()?;
    let fitting = [TestKind::Permutation, TestKind::T, TestKind::Bootstrap, TestKind::Wilcoxon];
    let kind = pick(&format!("the values of `{metric}`"), &fitting, options.test)?;
    if baseline.len() != candidate.len() {
        let (left, right) = (baseline.len(), candidate.len());
        let what = format!("{left} values of the baseline, {right} of the candidate");
        return Err(Error::invalid(what).because(Cause::NotComparable));
    }
    for (side, values) in [("baseline", baseline), ("candidate", candidate)] {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let value = values[at];
            let what = format!("`{metric}` of the {side} is {value} in place {}", at + 1);
            return Err(Error::invalid(what).because(Cause::NotComparable));
        }
    }
    let n = baseline.len();
    let means = [baseline, candidate].map(|values| match n {
        0 => Err("no queries"),
        _ => Ok(values.iter().sum::<f64>() / n as f64),
    });
    let difference = Difference { unit: Unit::Queries, ..Difference::of(metric, direction, n, means, (kind, options)) };
    match n {
        0 => Ok(difference),
        1 => Ok(difference.untested("1 query")),
        _ => Ok(match by_values(kind, &differences(direction, baseline, candidate), options) {
            Some(evidence) => difference.judged(evidence),
            None => difference.untested("not defined in most replicates"),
        }),
    }
}

fn by_mcnemar(pair: &Pair<'_>, options: &Options) -> Evidence {
    let (mut gained, mut lost) = (0, 0);
    for ((truth, baseline), candidate) in pair.truth.iter().zip(pair.baseline.predicted).zip(pair.candidate.predicted) {
        gained += u64::from(baseline != truth && candidate == truth);
        lost += u64::from(baseline == truth && candidate != truth);
    }
    let found = mcnemar::Discordant { gained, lost, rows: pair.rows() as u64 };
    let method = found.method();
    let word = if method == Method::Exact { "exact" } else { "mid-p" };
    Evidence {
        effect: found.effect(),
        interval: found.interval(options.level, method),
        bounds: found.interval(1.0 - 2.0 * options.alpha, method),
        se: found.standard_error(),
        p: found.p(method),
        test: format!("McNemar, {word}"),
        method: format!("Tango's score interval, widened to the {word} test"),
        differing: gained + lost,
        discordant: Some(Discordant { n01: gained, n10: lost }),
    }
}

/// `DeLong`'s test, which counts the areas on the way, and the rows that the two score differently.
struct Areas {
    test: DeLong,
    differing: u64,
}

fn areas_by_delong(pair: &Pair<'_>) -> Option<Areas> {
    let positive: Vec<bool> = pair.truth.iter().map(|class| *class == 1).collect();
    let of_positive = |scores: &[f64]| scores.iter().skip(1).step_by(2).copied().collect::<Vec<f64>>();
    let (baseline, candidate) = (of_positive(pair.baseline.scores), of_positive(pair.candidate.scores));
    let differing = baseline.iter().zip(&candidate).filter(|(left, right)| left != right).count() as u64;
    Some(Areas { test: delong(&positive, &baseline, &candidate)?, differing })
}

fn by_delong(Areas { test, differing }: &Areas, options: &Options) -> Evidence {
    Evidence {
        effect: test.effect(),
        interval: test.interval(options.level),
        bounds: test.interval(1.0 - 2.0 * options.alpha),
        se: test.standard_error,
        p: test.p(),
        test: "DeLong".into(),
        method: "DeLong".into(),
        differing: *differing,
        discordant: None,
    }
}

/// Of per-row gains.
fn by_values(kind: TestKind, gains: &[f64], options: &Options) -> Option<Evidence> {
    if kind == TestKind::T {
        let found = PairedT::of(gains)?;
        return Some(Evidence {
            effect: found.mean,
            interval: found.interval(options.level),
            bounds: found.interval(1.0 - 2.0 * options.alpha),
            se: found.standard_error,
            p: found.p(),
            test: "paired t".into(),
            method: "Student's t".into(),
            differing: gains.iter().filter(|gain| **gain != 0.0).count() as u64,
            discordant: None,
        });
    }
    let mut bootstrap = of_values(gains, options)?;
    let (p, test) = match kind {
        TestKind::Permutation => {
            let found = sign_flip(gains, options.replicates, options.seed);
            let draws = if found.exact { "exact".into() } else { thousands(options.replicates as u64) };
            let mut widen = |p: f64, edge: f64| {
                if p / 2.0 > options.alpha {
                    bootstrap.bounds = (bootstrap.bounds.0.min(edge), bootstrap.bounds.1.max(edge));
                }
            };
            widen(found.p, 0.0);
            if options.edge != 0.0 {
                let beyond: Vec<f64> = gains.iter().map(|gain| gain - options.edge).collect();
                widen(sign_flip(&beyond, options.replicates, options.seed).p, options.edge);
            }
            (found.p, format!("paired sign-flip permutation, {draws}"))
        }
        TestKind::Wilcoxon => {
            let found = wilcoxon(gains);
            let word = if found.exact { "exact" } else { "normal approximation" };
            (found.p, format!("Wilcoxon signed-rank, {word}"))
        }
        _ => (bootstrap.p, bootstrap.test),
    };
    Some(Evidence { p, test, ..bootstrap })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::difference::Verdict;
    use crate::comparison::paired::Answers;
    use crate::metrics::METRICS;
    use crate::metrics::table::{ACCURACY, BRIER, F1, F1_MACRO};

    fn noise(row: usize, step: f64) -> f64 {
        ((row + 1) as f64 * step).fract()
    }

    /// True classes, and scores that know as much of them as `knows`.
    struct Model {
        truth: Vec<usize>,
        scores: Vec<f64>,
        predicted: Vec<usize>,
    }

    fn model(rows: usize, classes: usize, step: f64, knows: f64) -> Model {
        let truth: Vec<usize> = (0..rows).map(|row| (noise(row, 0.754_877_666) * classes as f64) as usize).collect();
        let mut scores = Vec::new();
        let mut predicted = Vec::new();
        for (row, truth) in truth.iter().enumerate() {
            let raw = |class: usize| knows * f64::from(u8::from(class == *truth)) + noise(row * classes + class, step);
            let sum: f64 = (0..classes).map(raw).sum();
            scores.extend((0..classes).map(|class| raw(class) / sum));
            predicted.push((0..classes).max_by(|a, b| raw(*a).total_cmp(&raw(*b))).expect("there are classes"));
        }
        Model { truth, scores, predicted }
    }

    fn paired<'a>(baseline: &'a Model, candidate: &'a Model, n_classes: usize) -> Pair<'a> {
        let answers =
            |of: &'a Model| Answers { predicted: &of.predicted, scores: &of.scores, probabilities: &of.scores };
        Pair { truth: &baseline.truth, n_classes, baseline: answers(baseline), candidate: answers(candidate) }
    }

    fn quick(test: TestKind) -> Options {
        Options { test, replicates: 500, ..Options::default() }
    }

    /// A pair of two-class answers with the given rows that only one gets right.
    fn discordant(gained: usize, lost: usize, rows: usize) -> Difference {
        let truth = vec![1; rows];
        let right = |wrong: std::ops::Range<usize>| (0..rows).map(|row| usize::from(!wrong.contains(&row))).collect();
        let (baseline, candidate): (Vec<usize>, Vec<usize>) = (right(0..gained), right(gained..gained + lost));
        let scores = vec![0.5; 2 * rows];
        let answers = |predicted| Answers { predicted, scores: &scores, probabilities: &scores };
        let pair = Pair { truth: &truth, n_classes: 2, baseline: answers(&baseline), candidate: answers(&candidate) };
        compare(&ACCURACY, &pair, &Options::default()).expect("everything fits")
    }

    #[test]
    fn accuracy_is_judged_by_mcnemar() {
        let exact = discordant(12, 5, 100);
        assert_eq!((exact.test.as_str(), exact.verdict), ("McNemar, exact", Verdict::Inconclusive));
        assert!((exact.p.expect("tested") - 0.143_463_134_8).abs() < 1e-9);
        assert!((exact.effect.expect("tested") - 0.07).abs() < 1e-12);
        assert_eq!(exact.discordant.map(|found| (found.n01, found.n10)), Some((12, 5)));
        // (1.959964·√.17 + .841621·√(.17 − .0049))²/.0049 = 269.9.
        assert_eq!(exact.rows_needed, Some(270));
        let better = discordant(40, 22, 500);
        assert_eq!((better.test.as_str(), better.verdict), ("McNemar, mid-p", Verdict::Better));
        assert_eq!(better.rows_needed, None);
        assert_eq!(discordant(22, 40, 500).verdict, Verdict::Worse);
        // One-sided at 5 %: the interval at 90 %.
        assert!(better.lower > better.low && better.upper < better.high);
    }

    #[test]
    fn roc_auc_is_judged_by_delong() {
        let positive = [0.9, 0.8, 0.7, 0.6, 0.35, 0.5, 0.4, 0.3, 0.3, 0.2, 0.1, 0.05];
        let other = [0.9, 0.5, 0.6, 0.4, 0.35, 0.7, 0.5, 0.3, 0.2, 0.4, 0.1, 0.2];
        let of = |scores: &[f64; 12]| Model {
            truth: (0..12).map(|row| usize::from(row < 5)).collect(),
            scores: scores.iter().flat_map(|p| [1.0 - p, *p]).collect(),
            predicted: scores.iter().map(|p| usize::from(*p >= 0.5)).collect(),
        };
        let (baseline, candidate) = (of(&other), of(&positive));
        let found = compare(&RocAuc, &paired(&baseline, &candidate, 2), &Options::default()).expect("it fits");
        assert_eq!((found.test.as_str(), found.verdict), ("DeLong", Verdict::Inconclusive));
        assert!((found.p.expect("tested") - 0.107_229).abs() < 1e-6);
        assert!((found.effect.expect("tested") - 0.171_429).abs() < 1e-6);
        // The areas are the metric's own values, to the last bit.
        let values = paired(&baseline, &candidate, 2).scored(&RocAuc).map(|side| RocAuc.score(&side).ok());
        assert_eq!([found.baseline, found.candidate], values);
        assert!(found.rows_needed > Some(12));
    }

    #[test]
    fn every_metric_has_a_test_and_finds_the_better_model() {
        for classes in [2, 3] {
            for rows in [200, 900] {
                let (poor, good) = (model(rows, classes, 0.569_840_29, 0.15), model(rows, classes, 0.618_033_989, 0.6));
                // The model that tells classes apart better need not be the better calibrated one.
                for metric in METRICS.iter().filter(|metric| metric.name() != "ece") {
                    for test in fitting_tests(*metric, classes) {
                        let there = compare(*metric, &paired(&poor, &good, classes), &quick(test)).expect("it fits");
                        let back = compare(*metric, &paired(&good, &poor, classes), &quick(test)).expect("it fits");
                        let name = format!("{}, {}, {classes} classes", metric.name(), there.test);
                        assert_eq!(
                            (there.verdict, back.verdict),
                            (Verdict::Better, Verdict::Worse),
                            "{name}: {there:?}"
                        );
                        let same = compare(*metric, &paired(&good, &good, classes), &quick(test)).expect("it fits");
                        assert_eq!((same.verdict, same.effect), (Verdict::Inconclusive, Some(0.0)), "{name}");
                        assert_eq!((same.p, same.rows_needed), (Some(1.0), None), "{name}");
                        assert_eq!(same.note.as_deref(), Some("no row tells the two apart"), "{name}");
                        let written = serde_json::to_string(&there).expect("plain data");
                        assert_eq!(serde_json::from_str::<Difference>(&written).expect("what was written"), there);
                    }
                }
            }
        }
    }

    #[test]
    fn cells_and_rows_give_the_same_bootstrap() {
        // The multinomial over cells and the draws of rows are one distribution: bounds agree within their noise.
        let (poor, good) = (model(600, 3, 0.569_840_29, 0.5), model(600, 3, 0.618_033_989, 0.55));
        let pair = paired(&poor, &good, 3);
        let options = Options { replicates: 4000, ..Options::default() };
        let cells = of_labels(&F1_MACRO, &pair, &options).expect("defined");
        let rows = of_scores(&F1_MACRO, &pair, &options).expect("defined");
        let near = |left: f64, right: f64| (left - right).abs() < 0.15 * cells.se;
        assert!((cells.effect - rows.effect).abs() < 1e-12);
        assert!(near(cells.se, rows.se) && near(cells.interval.0, rows.interval.0), "{} {}", cells.se, rows.se);
        assert!(near(cells.interval.1, rows.interval.1) && near(cells.bounds.0, rows.bounds.0));
        assert_eq!(rows.differing, 600);
    }

    #[test]
    fn names_say_everything() {
        let (poor, good) = (model(900, 2, 0.569_840_29, 0.15), model(900, 2, 0.618_033_989, 0.6));
        let small = (model(90, 2, 0.569_840_29, 0.15), model(90, 2, 0.618_033_989, 0.6));
        let name = |metric: &dyn Metric, pair: &Pair<'_>, test| {
            let options = Options { test, ..Options::default() };
            let found = compare(metric, pair, &options).expect("it fits");
            [found.test, found.interval].join(" | ")
        };
        let (large, small) = (paired(&poor, &good, 2), paired(&small.0, &small.1, 2));
        let percentile = "bootstrap, 10,000 replicates, percentile";
        assert_eq!(name(&F1, &large, TestKind::Auto), format!("paired {percentile} | {percentile}"));
        assert!(name(&F1, &small, TestKind::Auto).starts_with("paired bootstrap, 10,000 replicates, BCa"));
        assert_eq!(
            name(&BRIER, &large, TestKind::Permutation),
            format!("paired sign-flip permutation, 10,000 | {percentile}")
        );
        assert!(name(&BRIER, &small, TestKind::Wilcoxon).starts_with("Wilcoxon signed-rank, normal approximation"));
        assert_eq!(name(&BRIER, &small, TestKind::T), "paired t | Student's t");
    }

    #[test]
    fn a_test_that_does_not_fit_is_refused() {
        let good = model(50, 2, 0.618_033_989, 0.6);
        let pair = paired(&good, &good, 2);
        let error = compare(&F1, &pair, &quick(TestKind::McNemar)).expect_err("it does not fit");
        assert_eq!(error.message, "the test `mcnemar` does not fit `f1` with 2 classes");
        assert_eq!(error.hint.as_deref(), Some("those that fit: `bootstrap`"));
        let three = model(50, 3, 0.618_033_989, 0.6);
        let error = compare(&RocAuc, &paired(&three, &three, 3), &quick(TestKind::DeLong)).expect_err("three classes");
        assert_eq!(error.hint.as_deref(), Some("those that fit: `bootstrap`"));
        let error = compare(&ACCURACY, &pair, &quick(TestKind::DeLong)).expect_err("no scores");
        assert_eq!(
            error.hint.as_deref(),
            Some("those that fit: `mcnemar`, `bootstrap`, `permutation`, `t`, `wilcoxon`")
        );
        let lists: (&[f64], &[f64]) = (&[0.1], &[0.2]);
        let error = compare_values("ndcg", Direction::Maximize, lists, &quick(TestKind::McNemar)).expect_err("lists");
        assert_eq!(error.message, "the test `mcnemar` does not fit the values of `ndcg`");
    }

    #[test]
    fn options_are_checked() {
        let wrong = |options: Options| options.check().expect_err("out of range").message;
        let plain = Options::default();
        assert_eq!(wrong(Options { level: 95.0, ..plain }), "`level` is 95, expected 0.5 to below 1");
        assert_eq!(wrong(Options { alpha: f64::NAN, ..plain }), "`alpha` is NaN, expected above 0 to 0.5");
        assert_eq!(wrong(Options { replicates: 5, ..plain }), "5 replicates, expected 100 to 10,000,000");
    }

    #[test]
    fn what_is_not_defined_has_a_reason() {
        let mut one_class = model(50, 2, 0.618_033_989, 0.6);
        one_class.truth.fill(0);
        let found = compare(&RocAuc, &paired(&one_class, &one_class, 2), &Options::default()).expect("no error");
        assert_eq!((found.reason.as_deref(), found.baseline, found.p), (Some("1 class"), None, None));
        assert_eq!(found.verdict, Verdict::Inconclusive);
        one_class.truth[0] = 1;
        let found = compare(&RocAuc, &paired(&one_class, &one_class, 2), &Options::default()).expect("no error");
        assert_eq!((found.reason.as_deref(), found.effect), (Some("fewer than 2 rows of a class"), Some(0.0)));
        let none = compare_values("ndcg", Direction::Maximize, (&[], &[]), &Options::default()).expect("no error");
        assert_eq!(none.reason.as_deref(), Some("no queries"));
        let one = compare_values("err", Direction::Minimize, (&[0.5], &[0.2]), &Options::default()).expect("no error");
        assert_eq!((one.reason.as_deref(), one.effect), (Some("1 query"), Some(0.3)));
    }

    #[test]
    fn few_rows_prove_nothing() {
        // Every replicate of a perfect model against a wrong one is the same: the bootstrap alone would be certain.
        let truth = [0, 1, 0, 1];
        let scores = [0.5; 8];
        let answers = |predicted| Answers { predicted, scores: &scores, probabilities: &scores };
        let pair = Pair { truth: &truth, n_classes: 2, baseline: answers(&[1, 0, 1, 0]), candidate: answers(&truth) };
        for metric in [&F1 as &dyn Metric, &ACCURACY] {
            let found = compare(metric, &pair, &Options::default()).expect("it fits");
            assert_eq!((found.effect, found.verdict), (Some(1.0), Verdict::Inconclusive));
            assert!((found.p.expect("tested") - 0.125).abs() < 1e-12);
            assert!(found.low <= Some(0.0) && found.lower <= Some(0.0), "{found:?}");
            let note = "only 4 rows are answered differently: too few to prove anything";
            assert_eq!(found.note.as_deref(), Some(note));
        }
    }

    #[test]
    fn values_of_queries_are_judged_by_sign_flips() {
        let gains = [0.05, -0.05, 0.2, 0.05, 0.2, -0.02, 0.1, 0.2];
        let (baseline, candidate) = ([0.4; 8], gains.map(|gain| 0.4 + gain));
        let lists: (&[f64], &[f64]) = (&baseline, &candidate);
        let found = compare_values("ndcg@10", Direction::Maximize, lists, &Options::default()).expect("they fit");
        assert_eq!(
            (found.test.as_str(), found.verdict),
            ("paired sign-flip permutation, exact", Verdict::Inconclusive)
        );
        assert!((found.p.expect("tested") - 0.0625).abs() < 1e-12);
        let loss = compare_values("loss", Direction::Minimize, lists, &Options::default()).expect("they fit");
        assert!((loss.effect.expect("tested") + 0.091_25).abs() < 1e-12 && !loss.maximize);
        let error = compare_values("ndcg", Direction::Maximize, (&[0.1, f64::NAN], &[0.1, 0.2]), &Options::default());
        assert_eq!(error.expect_err("NaN").message, "`ndcg` of the baseline is NaN in place 2");
        let error = compare_values("ndcg", Direction::Maximize, (&[0.1], &[0.1, 0.2]), &Options::default());
        assert_eq!(error.expect_err("two lengths").message, "1 values of the baseline, 2 of the candidate");
    }

    #[test]
    fn the_result_does_not_depend_on_the_threads() {
        let (poor, good) = (model(400, 2, 0.569_840_29, 0.5), model(400, 2, 0.618_033_989, 0.6));
        let with = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let options = Options { seed, ..quick(TestKind::Bootstrap) };
            pool.install(|| {
                METRICS
                    .iter()
                    .map(|metric| compare(*metric, &paired(&poor, &good, 2), &options).expect("it fits"))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(with(1, 3), with(4, 3));
        assert_ne!(with(2, 4), with(2, 3));
    }
}
