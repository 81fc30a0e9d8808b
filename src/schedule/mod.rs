//! Schedules: the lines that make a machine run a retrain or a drift check by the clock, for five kinds of clocks.
//!
//! A [`Job`] says what runs and when (`cron` reads the expression, `calendar` turns it into systemd's); a
//! [`Scheduler`] writes it down for one clock as [`Sheet`]s; `quote` holds the quoting rules of all of them.
//! What every sheet promises: absolute paths, any name quoted right, the program's own lock (exit code 75), and that a
//! "no" (exit codes 3 and 5) is no failure of the job.

mod airflow;
mod calendar;
mod cron;
mod crontab;
mod github;
mod job;
mod kubernetes;
mod quote;
mod scheduler;
mod systemd;

pub use cron::Cron;
pub use job::{Job, Kind, check_name, name_of};
pub use scheduler::{Scheduler, Sheet};

/// All clocks.
pub const SCHEDULERS: &[&dyn Scheduler] =
    &[&crontab::Crontab, &systemd::Systemd, &kubernetes::Kubernetes, &airflow::Airflow, &github::GitHub];
