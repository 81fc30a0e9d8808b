//! systemd: a service that runs the job once, and a timer that starts it; `Persistent=true` makes up for a time that was
//! missed while the machine was off.
//!
//! A "no" is in `SuccessExitStatus=`, so that the unit does not count as failed; so is 75, which means that the same job is
//! running already. Checked against systemd 252 (`systemd-analyze verify` and `calendar`).

use super::calendar::on_calendar;
use super::job::Job;
use super::quote::{Place, systemd};
use super::scheduler::{Scheduler, Sheet};
use crate::catalog::Named;
use crate::error::Result;

/// systemd.
pub struct Systemd;

impl Named for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn about(&self) -> &'static str {
        "a service and a timer"
    }
}

impl Scheduler for Systemd {
    fn sheets(&self, job: &Job) -> Result<Vec<Sheet>> {
        let name = &job.name;
        // A `\` at the end of a line would join it with the next.
        let about = job.about().replace('\\', "/").replace('%', "%%");
        let mut words = job.words();
        if words[0].contains(['"', '\'', '\\']) || words[0].chars().any(char::is_control) {
            // systemd refuses such a path as a program, but not as an argument.
            let shell = ["/bin/sh", "-c", "exec \"$@\"", "sh"].map(str::to_owned);
            words.splice(0..0, shell);
        }
        let place = |at: usize| if at == 0 { Place::Program } else { Place::Argument };
        let command: Vec<String> = words.iter().enumerate().map(|(at, word)| systemd(word, place(at))).collect();
        let codes: Vec<String> = job.kind.answers().iter().chain(&[75]).map(u8::to_string).collect();
        let log = job.log.as_ref().map_or_else(String::new, |log| {
            let log = log.replace('%', "%%");
            format!("StandardOutput=append:{log}\nStandardError=append:{log}\n")
        });
        let variables = if job.variables.is_empty() {
            String::new()
        } else {
            format!("# {} for the config, one NAME=value a line, readable for root only.\n", job.variables.join(", "))
        };
        let service = format!(
            "# /etc/systemd/system/{name}.service\n\
             # Try it: systemctl start {name}.service; journalctl -u {name}.service\n\
             [Unit]\n\
             Description={about}\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             # Run it as the owner of the project:\n\
             #User=mlops\n\
             {variables}EnvironmentFile=-/etc/mlops/{name}.env\n\
             ExecStart={command}\n\
             # \"No\" (refused, drift, inconclusive) is an answer; 75 means that it is running already.\n\
             SuccessExitStatus={codes}\n\
             TimeoutStartSec=12h\n\
             Nice=10\n\
             {log}",
            command = command.join(" "),
            codes = codes.join(" "),
        );
        let times = on_calendar(&job.cron, job.timezone.as_deref());
        let times: String = times.iter().map(|time| format!("OnCalendar={time}\n")).collect();
        let timer = format!(
            "# /etc/systemd/system/{name}.timer\n\
             # Install: systemctl daemon-reload && systemctl enable --now {name}.timer; systemctl list-timers {name}.timer\n\
             [Unit]\n\
             Description={about}, by the clock ({cron})\n\
             \n\
             [Timer]\n\
             {times}Persistent=true\n\
             RandomizedDelaySec=5min\n\
             AccuracySec=1min\n\
             \n\
             [Install]\n\
             WantedBy=timers.target\n",
            cron = job.cron.text(),
        );
        Ok(vec![
            Sheet { name: format!("{name}.service"), text: service },
            Sheet { name: format!("{name}.timer"), text: timer },
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::Kind;
    use super::super::job::tests::awkward;
    use super::*;

    #[test]
    fn a_service_and_a_timer() {
        let mut job = awkward(Kind::Retrain);
        job.log = Some("/var/log/100%.log".into());
        let sheets = Systemd.sheets(&job).unwrap();
        let service = &sheets[0].text;
        for line in [
            "ExecStart=\"/opt/my tools/mlops\" retrain \"/srv/my project/100%% \\\"한글\\\" $$HOME/experiments/it's/re train.yaml\" \
             --wait 10m --root \"/srv/my project/100%% \\\"한글\\\" $$HOME\" --quiet",
            "SuccessExitStatus=3 5 75",
            "StandardOutput=append:/var/log/100%%.log",
            "Type=oneshot",
        ] {
            assert!(service.lines().any(|found| found == line), "{line} is not in\n{service}");
        }
        for line in
            ["OnCalendar=*-*-01 03:00:00", "Persistent=true", "RandomizedDelaySec=5min", "WantedBy=timers.target"]
        {
            assert!(sheets[1].text.lines().any(|found| found == line), "{line}");
        }
        let check = Systemd.sheets(&awkward(Kind::DriftCheck)).unwrap();
        assert!(check[0].text.contains("\nSuccessExitStatus=3 75\n"));
    }
}
