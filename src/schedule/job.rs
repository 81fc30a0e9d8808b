//! What runs and when: the command line, the times, and the name that every clock knows the job by.

use super::cron::Cron;
use super::quote;
use crate::error::{Error, Result};
use crate::fs::sha256;

/// The longest name: Kubernetes appends eleven characters to a `CronJob`'s and takes 63.
const NAME: usize = 52;
/// How long a retrain waits for another process that works on the same model.
const WAIT: &str = "10m";

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `mlops retrain CONFIG`.
    Retrain,
    /// `mlops drift-check MODEL --from-log`.
    DriftCheck,
}

impl Kind {
    /// The command's name.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Retrain => "retrain",
            Self::DriftCheck => "drift-check",
        }
    }

    /// When it runs unless something else is said: a retrain at 03:00 on the first of each month, a drift check daily at
    /// 06:00.
    #[must_use]
    pub fn usual_time(self) -> &'static str {
        match self {
            Self::Retrain => "0 3 1 * *",
            Self::DriftCheck => "0 6 * * *",
        }
    }

    /// The exit codes that say "no", which is an answer and no failure: refused and inconclusive, drift found.
    #[must_use]
    pub fn answers(self) -> &'static [u8] {
        match self {
            Self::Retrain => &[3, 5],
            Self::DriftCheck => &[3],
        }
    }
}

/// A job for a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it does.
    pub kind: Kind,
    /// Its name: a DNS-1123 label of at most 52 characters.
    pub name: String,
    /// The config (an absolute path) of a retrain, the model of a drift check.
    pub target: String,
    /// The model, when it is known.
    pub model: Option<String>,
    /// The project's root, absolute.
    pub root: String,
    /// The program, when it was named: an absolute path, or a name to be looked up.
    pub binary: Option<String>,
    /// This very program, an absolute path.
    pub this_binary: String,
    /// Arguments that were given for it.
    pub more: Vec<String>,
    /// When.
    pub cron: Cron,
    /// In which time zone; the clock's own when absent.
    pub timezone: Option<String>,
    /// The file that its output is appended to, absolute.
    pub log: Option<String>,
    /// The container image.
    pub image: Option<String>,
    /// Environment variables that the config needs.
    pub variables: Vec<String>,
}

impl Job {
    /// The program of a machine that has the project on its disk.
    #[must_use]
    pub fn program(&self) -> &str {
        self.binary.as_deref().unwrap_or(&self.this_binary)
    }

    /// The command line on this machine.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.words_at(self.program(), &self.root, &self.target)
    }

    /// The command line with another program, root and target.
    #[must_use]
    pub fn words_at(&self, program: &str, root: &str, target: &str) -> Vec<String> {
        let given = |flag: &str| {
            let with_value = format!("{flag}=");
            self.more.iter().any(|word| word == flag || word.starts_with(&with_value))
        };
        let mut words = vec![program, self.kind.command(), target];
        match self.kind {
            Kind::Retrain if !given("--wait") => words.extend(["--wait", WAIT]),
            Kind::DriftCheck if !given("--current") && !given("--from-log") => words.push("--from-log"),
            _ => {}
        }
        if self.kind == Kind::DriftCheck && !given("--fail-on") {
            words.extend(["--fail-on", "significant"]);
        }
        words.extend(["--root", root, "--quiet"]);
        // What lies in the project lies below the other root, too.
        let here = format!("{}/", self.root);
        let moved = self.more.iter().map(|word| word.replacen(&here, &format!("{root}/"), 1));
        words.into_iter().map(str::to_owned).chain(moved).collect()
    }

    /// One line about it, for comments.
    #[must_use]
    pub fn about(&self) -> String {
        let target = match self.kind {
            Kind::Retrain => self.target.strip_prefix(&format!("{}/", self.root)).unwrap_or(&self.target),
            Kind::DriftCheck => &self.target,
        };
        quote::comment(&format!("mlops {} {target}", self.kind.command()))
    }

    /// Why `--log` cannot be had, for clocks that keep the output themselves.
    ///
    /// # Errors
    /// `Invalid` when a log file was asked for.
    pub fn refuse_log(&self, clock: &str) -> Result<()> {
        match &self.log {
            Some(_) => Err(Error::invalid(format!("`--log` does not go with {clock}, which keeps the output itself"))),
            None => Ok(()),
        }
    }
}

/// A name made of what the job is about: letters, digits and `-`. Where something was lost on the way, or the end was cut
/// off, digits of a hash are appended, so that two jobs never share a name.
#[must_use]
pub fn name_of(kind: Kind, what: &str) -> String {
    let mut slug = String::new();
    for letter in what.chars() {
        match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() => slug.push(letter),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_end_matches('-');
    let prefix = format!("mlops-{}-", kind.command());
    let readable = what.replace(['_', ' ', '.'], "-").to_ascii_lowercase();
    if slug == readable && !slug.is_empty() && prefix.len() + slug.len() <= NAME {
        return prefix + slug;
    }
    let hash = &sha256(what.as_bytes())[..8];
    let kept =
        slug.get(..slug.len().min(NAME - prefix.len() - hash.len() - 1)).unwrap_or_default().trim_end_matches('-');
    let dash = if kept.is_empty() { "" } else { "-" };
    format!("{prefix}{kept}{dash}{hash}")
}

/// Checks a name that somebody chose.
///
/// # Errors
/// `Invalid` when Kubernetes would refuse it.
pub fn check_name(name: &str) -> Result<()> {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME || !name.bytes().all(sound) || name.starts_with('-') || name.ends_with('-')
    {
        return Err(Error::invalid(format!("`{}` cannot be the name of a job", crate::text::cut(name, 60)))
            .hint(format!("lower-case letters, digits and inner `-`, at most {NAME}")));
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A job whose every word is awkward.
    pub fn awkward(kind: Kind) -> Job {
        let root = "/srv/my project/100% \"한글\" $HOME";
        Job {
            kind,
            name: "mlops-test".into(),
            target: match kind {
                Kind::Retrain => format!("{root}/experiments/it's/re train.yaml"),
                Kind::DriftCheck => "합격 예측".into(),
            },
            model: Some("합격 예측".into()),
            root: root.into(),
            binary: None,
            this_binary: "/opt/my tools/mlops".into(),
            more: Vec::new(),
            cron: Cron::parse("0 3 1 * *").unwrap(),
            timezone: None,
            log: None,
            image: Some("registry.example.com/mlops:1".into()),
            variables: vec!["SLACK_WEBHOOK_URL".into()],
        }
    }

    #[test]
    fn names_are_labels_and_differ() {
        assert_eq!(name_of(Kind::Retrain, "reviews"), "mlops-retrain-reviews");
        assert_eq!(name_of(Kind::DriftCheck, "reviews_v2"), "mlops-drift-check-reviews-v2");
        let names: Vec<String> =
            ["합격 예측", "합격", "a/b", "a b", "--", "", &"x".repeat(100), &("x".repeat(99) + "y"), "a한b"]
                .map(|what| name_of(Kind::DriftCheck, what))
                .to_vec();
        for name in &names {
            check_name(name).unwrap();
        }
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        for bad in ["", "-a", "a-", "A", "a_b", "한", &"x".repeat(53)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_given_is_not_given_twice() {
        let mut job = awkward(Kind::Retrain);
        assert_eq!(job.words()[3..5], ["--wait", "10m"]);
        job.more = vec!["--wait=1h".into()];
        assert_eq!(job.words()[3..], ["--root", job.root.as_str(), "--quiet", "--wait=1h"]);
        let mut job = awkward(Kind::DriftCheck);
        assert_eq!(job.words()[2..6], ["합격 예측", "--from-log", "--fail-on", "significant"]);
        job.more = ["--current", "new.csv", "--fail-on", "severe"].map(str::to_owned).to_vec();
        assert_eq!(job.words()[3..5], ["--root", job.root.as_str()]);
        assert_eq!(job.about(), "mlops drift-check 합격 예측");
        assert_eq!(awkward(Kind::Retrain).about(), "mlops retrain experiments/it's/re train.yaml");
    }
}
