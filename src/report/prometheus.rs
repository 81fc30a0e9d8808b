//! Metrics for Prometheus: its text format 0.0.4, files for `node_exporter`'s textfile collector, and the metrics of a
//! retrain and of a drift check.
//!
//! A family is a name with one `# HELP`, one `# TYPE` and all its samples together; families stand in the order of their
//! names, samples in the order of their labels, so the same facts give the same bytes. In help `\` and line breaks are
//! escaped, in label values `"` as well. Values are written `NaN`, `+Inf`, `-Inf`. No timestamps: the collector refuses
//! files that have them. Names follow `promtool check metrics` (promlint of `client_golang` 1.23): base units, no type in a
//! name, no `_total` on a gauge. Ids are no labels: a series for each version or run would live forever.
//!
//! | metric | meaning |
//! |---|---|
//! | `mlops_retrain_last_success_timestamp_seconds{model}` | when a retrain last ended well; a failed one keeps it |
//! | `mlops_retrain_last_completion_timestamp_seconds{model}` | when one last ended, however |
//! | `mlops_retrain_duration_seconds{model,step}` | how long each step took |
//! | `mlops_retrain_rows{model}` | rows of the snapshot |
//! | `mlops_retrain_promoted{model}` | 1 when the new version went to production |
//! | `mlops_retrain_rolled_back{model}` | 1 when it had to be taken back |
//! | `mlops_retrain_exit_code{model}` | 0 done, 1 failed, 3 refused, 5 inconclusive |
//! | `mlops_drift_last_check_timestamp_seconds{model}` | when the last check ended |
//! | `mlops_drift_kl_divergence{model,feature}` | and so for each statistic that was computed |
//! | `mlops_drift_detected{model}` | 1 when a column drifts by the rule: significant and large enough |
//! | `mlops_drift_severity{model}` | 0 normal, 1 slight, 2 significant, 3 severe |
//! | `mlops_drift_should_retrain{model}` | 1 when the retrain rule says so |
//! | `mlops_drift_window_rows{model}` | current rows that were looked at |

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::fs::write_with;

/// Metrics as text.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    families: BTreeMap<String, (String, BTreeMap<String, f64>)>,
}

impl Exposition {
    /// Sets a gauge; the same name and labels again replace the value. The first help of a name stays.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let family = self.families.entry(name.to_owned()).or_insert_with(|| (help.to_owned(), BTreeMap::new()));
        family.1.insert(labels, value);
        self
    }

    /// The text, with a final line break.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, (help, samples)) in &self.families {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {}", number(*value));
            }
        }
        text
    }
}

/// A value as Prometheus reads it.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:?}")
    }
}

/// The value of a sample in an earlier text: `name` with exactly these labels, in this order.
#[must_use]
pub fn value_of(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut wanted = Exposition::default();
    let rendered = wanted.gauge(name, "", labels, 0.0).render();
    let sample = rendered.lines().last()?.strip_suffix(" 0")?;
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.trim().parse().ok())
}

/// How a retrain ended, for its metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetrainFacts {
    /// The model.
    pub model: String,
    /// When it ended, milliseconds since the epoch.
    pub completed_ms: i64,
    /// When a retrain last ended well: `completed_ms` when this one did, else what [`last_success_ms`] finds.
    pub last_success_ms: Option<i64>,
    /// Seconds that each step took, in the order of the steps.
    pub steps: Vec<(String, f64)>,
    /// Rows of the snapshot, when it came to one.
    pub rows: Option<u64>,
    /// True when the new version went to production and stayed there.
    pub promoted: bool,
    /// True when the new version was taken back after its smoke test.
    pub rolled_back: bool,
    /// The exit code.
    pub exit_code: u8,
}

const LAST_SUCCESS: &str = "mlops_retrain_last_success_timestamp_seconds";

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// The metrics of a retrain.
#[must_use]
pub fn retrain_metrics(facts: &RetrainFacts) -> String {
    let model = [("model", facts.model.as_str())];
    let mut text = Exposition::default();
    if let Some(ms) = facts.last_success_ms {
        text.gauge(LAST_SUCCESS, "When a retrain of the model last ended well.", &model, seconds(ms));
    }
    text.gauge(
        "mlops_retrain_last_completion_timestamp_seconds",
        "When a retrain of the model last ended, however it ended.",
        &model,
        seconds(facts.completed_ms),
    );
    for (step, took) in &facts.steps {
        let labels = [model[0], ("step", step.as_str())];
        text.gauge("mlops_retrain_duration_seconds", "How long a step of the last retrain took.", &labels, *took);
    }
    if let Some(rows) = facts.rows {
        text.gauge("mlops_retrain_rows", "Rows of the snapshot of the last retrain.", &model, rows as f64);
    }
    let promoted = "Whether the version of the last retrain went to production.";
    let rolled_back = "Whether the version of the last retrain was taken back after its smoke test.";
    let exit_code = "How the last retrain ended: 0 done, 1 failed, 2 wrong request, 3 refused, 5 inconclusive.";
    text.gauge("mlops_retrain_promoted", promoted, &model, flag(facts.promoted))
        .gauge("mlops_retrain_rolled_back", rolled_back, &model, flag(facts.rolled_back))
        .gauge("mlops_retrain_exit_code", exit_code, &model, f64::from(facts.exit_code))
        .render()
}

/// What a drift check found, for its metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriftFacts {
    /// The model.
    pub model: String,
    /// When the check ended, milliseconds since the epoch.
    pub checked_ms: i64,
    /// The worst band: 0 normal, 1 slight, 2 significant, 3 severe.
    pub severity: u8,
    /// Whether a column drifts.
    pub detected: bool,
    /// Whether the retrain rule says that it is time.
    pub should_retrain: bool,
    /// Current rows that were looked at.
    pub window_rows: u64,
    /// Feature, statistic (`kl`, `psi`, …) and value.
    pub statistics: Vec<(String, String, f64)>,
}

/// The metrics of a drift check.
#[must_use]
pub fn drift_metrics(facts: &DriftFacts) -> String {
    let model = [("model", facts.model.as_str())];
    let mut text = Exposition::default();
    for (feature, statistic, value) in &facts.statistics {
        let (name, help) = statistic_metric(statistic);
        text.gauge(&name, &help, &[model[0], ("feature", feature.as_str())], *value);
    }
    let checked = "When the last drift check of the model ended.";
    let severity = "The worst band of the last drift check: 0 normal, 1 slight, 2 significant, 3 severe.";
    let retrain = "Whether the retrain rule says that the model should be trained anew.";
    text.gauge("mlops_drift_last_check_timestamp_seconds", checked, &model, seconds(facts.checked_ms))
        .gauge("mlops_drift_severity", severity, &model, f64::from(facts.severity))
        .gauge("mlops_drift_detected", "Whether a column drifts by the rule.", &model, flag(facts.detected))
        .gauge("mlops_drift_should_retrain", retrain, &model, flag(facts.should_retrain))
        .gauge(
            "mlops_drift_window_rows",
            "Current rows that the last drift check looked at.",
            &model,
            facts.window_rows as f64,
        )
        .render()
}

/// The metric of a statistic, by its name in configs.
fn statistic_metric(statistic: &str) -> (String, String) {
    let word: String = statistic
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' })
        .collect();
    let word = if word == "kl" { "kl_divergence" } else { word.as_str() };
    let help = format!("How far the current rows of a feature are from those of training: `{word}`.");
    (format!("mlops_drift_{word}"), help)
}

/// When a retrain of this model last ended well, as an earlier file says it.
#[must_use]
pub fn last_success_ms(dir: &Path, file_stem: &str, model: &str) -> Option<i64> {
    let text = std::fs::read_to_string(dir.join(format!("{file_stem}.prom"))).ok()?;
    let seconds = value_of(&text, LAST_SUCCESS, &[("model", model)])?;
    seconds.is_finite().then(|| (seconds * 1000.0).round() as i64)
}

/// Writes `<file_stem>.prom` for `node_exporter`: under a name that it does not read, then by rename, readable for every
/// user whatever the umask says, because `node_exporter` is another one.
///
/// # Errors
/// `Invalid` when there is no such folder (one that was made here would be read by nobody) or the stem is no file name,
/// `Failed` when the disk refuses; an earlier file is then still there.
pub fn write_textfile(dir: &Path, file_stem: &str, text: &str) -> Result<PathBuf> {
    if !dir.is_dir() {
        return Err(Error::invalid(format!("there is no folder `{}` for metrics", dir.display()))
            .hint("it is node_exporter's `--collector.textfile.directory`"));
    }
    if file_stem.is_empty() || file_stem.starts_with('.') || file_stem.contains(['/', '\0']) {
        return Err(Error::invalid(format!("`{file_stem}` cannot be the name of a file of metrics")));
    }
    let path = dir.join(format!("{file_stem}.prom"));
    write_with(&path, |file| {
        let written =
            file.set_permissions(std::fs::Permissions::from_mode(0o644)).and_then(|()| file.write_all(text.as_bytes()));
        written.context(|| format!("cannot write `{}`", path.display()))
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrain() -> RetrainFacts {
        RetrainFacts {
            model: "합격 \"예측\"".into(),
            completed_ms: 1_793_502_729_500,
            last_success_ms: Some(1_793_502_729_500),
            steps: vec![("extract".into(), 1.25), ("train".into(), 60.0)],
            rows: Some(100_000),
            promoted: true,
            rolled_back: false,
            exit_code: 0,
        }
    }

    fn drift() -> DriftFacts {
        DriftFacts {
            model: "reviews".into(),
            checked_ms: 1_793_502_729_000,
            severity: 2,
            detected: true,
            should_retrain: true,
            window_rows: 1000,
            statistics: vec![
                ("text_length".into(), "kl".into(), 0.6),
                ("label".into(), "jensen-shannon".into(), 0.01),
                ("a\\b\n\"c\"".into(), "kl".into(), f64::INFINITY),
            ],
        }
    }

    #[test]
    fn a_retrain_as_text() {
        let expected = r#"# HELP mlops_retrain_duration_seconds How long a step of the last retrain took.
# TYPE mlops_retrain_duration_seconds gauge
mlops_retrain_duration_seconds{model="합격 \"예측\"",step="extract"} 1.25
mlops_retrain_duration_seconds{model="합격 \"예측\"",step="train"} 60
# HELP mlops_retrain_exit_code How the last retrain ended: 0 done, 1 failed, 2 wrong request, 3 refused, 5 inconclusive.
# TYPE mlops_retrain_exit_code gauge
mlops_retrain_exit_code{model="합격 \"예측\""} 0
# HELP mlops_retrain_last_completion_timestamp_seconds When a retrain of the model last ended, however it ended.
# TYPE mlops_retrain_last_completion_timestamp_seconds gauge
mlops_retrain_last_completion_timestamp_seconds{model="합격 \"예측\""} 1793502729.5
# HELP mlops_retrain_last_success_timestamp_seconds When a retrain of the model last ended well.
# TYPE mlops_retrain_last_success_timestamp_seconds gauge
mlops_retrain_last_success_timestamp_seconds{model="합격 \"예측\""} 1793502729.5
# HELP mlops_retrain_promoted Whether the version of the last retrain went to production.
# TYPE mlops_retrain_promoted gauge
mlops_retrain_promoted{model="합격 \"예측\""} 1
# HELP mlops_retrain_rolled_back Whether the version of the last retrain was taken back after its smoke test.
# TYPE mlops_retrain_rolled_back gauge
mlops_retrain_rolled_back{model="합격 \"예측\""} 0
# HELP mlops_retrain_rows Rows of the snapshot of the last retrain.
# TYPE mlops_retrain_rows gauge
mlops_retrain_rows{model="합격 \"예측\""} 100000
"#;
        assert_eq!(retrain_metrics(&retrain()), expected);
    }

    #[test]
    fn drift_as_text() {
        let text = drift_metrics(&drift());
        for line in [
            r#"mlops_drift_kl_divergence{model="reviews",feature="a\\b\n\"c\""} +Inf"#,
            r#"mlops_drift_kl_divergence{model="reviews",feature="text_length"} 0.6"#,
            r#"mlops_drift_jensen_shannon{model="reviews",feature="label"} 0.01"#,
            r#"mlops_drift_severity{model="reviews"} 2"#,
            r#"mlops_drift_should_retrain{model="reviews"} 1"#,
            r#"mlops_drift_last_check_timestamp_seconds{model="reviews"} 1793502729"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn values_as_prometheus_reads_them() {
        let shown =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -3.0, 0.1, 1e-9, 1e300, 1_793_502_729.5].map(number);
        assert_eq!(shown, ["NaN", "+Inf", "-Inf", "0", "-3", "0.1", "1e-9", "1e300", "1793502729.5"]);
    }

    /// The rules of promlint (`client_golang` 1.23.2, `prometheus/testutil/promlint/validations`) that apply to gauges, and
    /// of the text format itself.
    fn lint(text: &str) -> Vec<String> {
        const TYPES: [&str; 6] = ["counter", "gauge", "histogram", "summary", "untyped", "info"];
        const SHORT: [&str; 22] = [
            "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d", "min", "hr", "hrs", "mins",
            "secs", "msec", "pct", "percent",
        ];
        const LONG: [&str; 10] = [
            "milliseconds",
            "microseconds",
            "nanoseconds",
            "minutes",
            "hours",
            "days",
            "weeks",
            "kilobytes",
            "megabytes",
            "bits",
        ];
        let (mut problems, mut seen, mut samples, mut family) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        for line in text.lines() {
            let mut hold = |good: bool, what: &str| problems.extend((!good).then(|| format!("{what}: {line}")));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                let words: Vec<&str> = name.split('_').collect();
                let lower = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
                hold(!seen.contains(&name.to_owned()), "family twice");
                hold(!help.is_empty(), "no help");
                hold(lower && !name.starts_with(|first: char| first.is_ascii_digit()), "name");
                hold(!words.iter().any(|word| TYPES.contains(word)), "type in name");
                hold(!words.iter().any(|word| SHORT.contains(word) || LONG.contains(word)), "unit");
                hold(!["total", "bucket", "count", "sum"].contains(words.last().unwrap()), "reserved ending");
                seen.push(name.to_owned());
                name.clone_into(&mut family);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                hold(rest == format!("{family} gauge"), "type");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap_or((line, ""));
                let label = |name: &&str| sample.contains(&format!("{{{name}")) || sample.contains(&format!(",{name}"));
                hold(sample.split('{').next() == Some(&family), "sample outside its family");
                hold(value.parse::<f64>().is_ok(), "value");
                hold(!["le=", "quantile=", "id=", "run", "version="].iter().any(label), "label");
                hold(!samples.contains(&sample.to_owned()), "sample twice");
                samples.push(sample.to_owned());
            }
        }
        problems.extend((!text.ends_with('\n')).then(|| "no final line break".to_owned()));
        problems
    }

    #[test]
    fn promlint_finds_nothing() {
        for text in [retrain_metrics(&retrain()), drift_metrics(&drift()), retrain_metrics(&RetrainFacts::default())] {
            assert_eq!(lint(&text), [""; 0], "{text}");
        }
        for (wrong, why) in [
            ("# HELP a_total x\n# TYPE a_total gauge\n", "reserved ending"),
            ("# HELP a_ms x\n# TYPE a_ms gauge\n", "unit"),
            ("# HELP a \n# TYPE a gauge\n", "no help"),
            ("# HELP a x\n# TYPE a gauge\nb 1\n", "sample outside"),
            ("# HELP a x\n# TYPE a gauge\na 1\na 2\n", "sample twice"),
            ("# HELP a x\n# TYPE a gauge\na one\n", "value"),
        ] {
            assert!(lint(wrong).iter().any(|problem| problem.starts_with(why)), "{wrong}: {:?}", lint(wrong));
        }
    }

    #[test]
    fn a_last_success_survives_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_success_ms(folder.path(), "mlops_retrain", "reviews"), None);
        let first = retrain();
        write_textfile(folder.path(), "mlops_retrain", &retrain_metrics(&first)).unwrap();
        let kept = last_success_ms(folder.path(), "mlops_retrain", &first.model);
        assert_eq!(kept, Some(1_793_502_729_500));
        assert_eq!(last_success_ms(folder.path(), "mlops_retrain", "another"), None);
        let failed = RetrainFacts {
            completed_ms: 1_796_000_000_000,
            last_success_ms: kept,
            exit_code: 1,
            ..RetrainFacts::default()
        };
        let failed = RetrainFacts { model: first.model.clone(), ..failed };
        write_textfile(folder.path(), "mlops_retrain", &retrain_metrics(&failed)).unwrap();
        assert_eq!(last_success_ms(folder.path(), "mlops_retrain", &first.model), kept);
    }

    #[test]
    fn a_textfile_is_whole_and_readable_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_textfile(folder.path(), "mlops drift 합격", "a 1\n").unwrap();
        assert_eq!(path, folder.path().join("mlops drift 합격.prom"));
        write_textfile(folder.path(), "mlops drift 합격", "a 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a 2\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // What is being written is not read by node_exporter.
        assert!(!crate::fs::temporary(&path).to_string_lossy().ends_with(".prom"));
        for (dir, stem) in [("none", "a"), ("", "../a"), ("", ""), ("", ".a")] {
            assert!(write_textfile(&folder.path().join(dir), stem, "").is_err(), "{dir} {stem}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
