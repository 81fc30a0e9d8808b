//! cron: lines for `crontab -e`, or with a user's name added for `/etc/cron.d`.
//!
//! `CRON_TZ` is understood by cronie (Fedora, Arch, RHEL); Debian's cron and busybox go by the machine's zone, which the
//! comment says. Settings hold for the lines below them, so the block belongs at the end. A crontab ends with a line break.

use super::job::Job;
use super::quote::{comment, crontab};
use super::scheduler::{Scheduler, Sheet};
use crate::catalog::Named;
use crate::error::{Error, Result};

/// cron.
pub struct Crontab;

impl Named for Crontab {
    fn name(&self) -> &'static str {
        "cron"
    }

    fn about(&self) -> &'static str {
        "lines for `crontab -e`"
    }
}

impl Scheduler for Crontab {
    fn sheets(&self, job: &Job) -> Result<Vec<Sheet>> {
        let words = job.words();
        if let Some(word) = words.iter().find(|word| word.ends_with('\n')) {
            return Err(Error::invalid(format!(
                "`{}` ends with a line break, which a crontab cannot hold",
                comment(word)
            )));
        }
        let command = words.iter().map(|word| crontab(word)).collect::<Vec<_>>().join(" ");
        let log = job.log.as_ref().map(|log| format!(" >> {} 2>&1", crontab(log))).unwrap_or_default();
        let zone = job.timezone.as_ref().map_or_else(String::new, |zone| {
            format!("# Debian's cron does not know CRON_TZ: there the time is that of the machine's own zone.\nCRON_TZ={zone}\n")
        });
        let variables = if job.variables.is_empty() {
            String::new()
        } else {
            let names = job.variables.join(", ");
            format!(
                "# cron starts with an empty environment: set {names} above the line, or use `url_file:` in the config.\n"
            )
        };
        let text = format!(
            "# {name}: {about}\n\
             # Install: `crontab -e`, and add these lines at the end. In /etc/cron.d a user's name goes before the command.\n\
             # No flock(1) is needed: the program takes a lock itself, and ends with 75 when another one keeps it. Exit codes\n\
             # 3 and 5 say \"no\" (refused, drift, inconclusive), 1 and 2 that it is broken.\n\
             SHELL=/bin/sh\n\
             PATH=/usr/local/bin:/usr/bin:/bin\n\
             {variables}{zone}{cron} {command}{log}\n",
            name = job.name,
            about = job.about(),
            cron = job.cron.text(),
        );
        Ok(vec![Sheet { name: format!("{}.cron", job.name), text }])
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::Kind;
    use super::super::job::tests::awkward;
    use super::*;

    #[test]
    fn one_line_runs_the_job() {
        let mut job = awkward(Kind::Retrain);
        job.log = Some("/var/log/my log.txt".into());
        job.timezone = Some("Asia/Seoul".into());
        let text = Crontab.sheets(&job).unwrap().remove(0).text;
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines[..3], ["SHELL=/bin/sh", "PATH=/usr/local/bin:/usr/bin:/bin", "CRON_TZ=Asia/Seoul"]);
        assert_eq!(
            lines[3],
            "0 3 1 * * '/opt/my tools/mlops' retrain '/srv/my project/100'\\%' \"한글\" $HOME/experiments/it'\\''s/re train.yaml' \
             --wait 10m --root '/srv/my project/100'\\%' \"한글\" $HOME' --quiet >> '/var/log/my log.txt' 2>&1"
        );
        assert_eq!(lines.len(), 4);
        assert!(text.ends_with('\n') && text.contains("set SLACK_WEBHOOK_URL above"));
        job.target = "/a\n".into();
        assert!(Crontab.sheets(&job).is_err());
    }
}
