//! `mlops schedule print`: a retrain or a drift check as lines for a clock.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records, shown};
use crate::answers;
use crate::error::{Context, Result};
use crate::schedule::Kind;
use crate::workflows::schedule::{Request, schedule};

const EXAMPLES: &str = "\
Examples:
  mlops schedule print retrain experiments/reviews/retrain.yaml --cron
  mlops schedule print retrain experiments/reviews/retrain.yaml --systemd --timezone Asia/Seoul --output /etc/systemd/system
  mlops schedule print retrain experiments/reviews/retrain.yaml --k8s --image registry.example.com/mlops:1
  mlops schedule print retrain experiments/reviews/retrain.yaml --airflow > dags/reviews.py
  mlops schedule print drift-check reviews --cron --at '30 6 * * mon-fri' -- --notify alerts.yaml

What stands after `--` is added to the command. Nothing is installed: the output says how.";

/// The commands below `schedule`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the lines that make a clock run a retrain or a drift check
    #[command(after_help = EXAMPLES)]
    Print(Args),
}

/// What is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// `mlops retrain CONFIG`
    Retrain,
    /// `mlops drift-check MODEL --from-log`
    DriftCheck,
}

/// What is to run, by which clock, and when.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("clock").required(true).args(["cron", "systemd", "k8s", "airflow", "github"])))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// What is to run
    #[arg(value_enum)]
    what: What,
    /// The config of a retrain, the model of a drift check
    #[arg(value_name = "CONFIG|MODEL")]
    target: String,
    /// Lines for `crontab -e`
    #[arg(long)]
    cron: bool,
    /// A systemd service and its timer
    #[arg(long)]
    systemd: bool,
    /// A Kubernetes `CronJob`
    #[arg(long)]
    k8s: bool,
    /// An Airflow DAG
    #[arg(long)]
    airflow: bool,
    /// A GitHub Actions workflow
    #[arg(long)]
    github: bool,
    /// When: minute, hour, day of the month, month, day of the week [default: `0 3 1 * *` for a retrain, `0 6 * * *` for
    /// a drift check]
    #[arg(long, value_name = "CRON")]
    at: Option<String>,
    /// The time zone, such as `Asia/Seoul` [default: the clock's own]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Append the output to this file [default for --cron: experiments/NAME.log in the project]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The model of a retrain, for the drift check and the report of --airflow [default: that of the config's candidates]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The container image, for --k8s
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The program [default: this one; for --k8s `mlops` of the image]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// The job's name [default: made of the config's folder or the model]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write the files into this folder instead of printing them
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// More arguments of the command, after `--`
    #[arg(last = true, value_name = "ARGUMENT")]
    more: Vec<String>,
}

impl Args {
    fn clock(&self) -> &'static str {
        let flags = [
            (self.cron, "cron"),
            (self.systemd, "systemd"),
            (self.k8s, "k8s"),
            (self.airflow, "airflow"),
            (self.github, "github"),
        ];
        flags.into_iter().find(|(given, _)| *given).map_or("cron", |(_, name)| name)
    }

    fn request(&self) -> Result<Request> {
        let this_binary = std::env::current_exe();
        Ok(Request {
            kind: match self.what {
                What::Retrain => Kind::Retrain,
                What::DriftCheck => Kind::DriftCheck,
            },
            target: self.target.clone(),
            clock: self.clock().to_owned(),
            at: self.at.clone(),
            timezone: self.timezone.clone(),
            log: self.log.clone(),
            model: self.model.clone(),
            image: self.image.clone(),
            binary: self.binary.clone(),
            name: self.name.clone(),
            more: self.more.clone(),
            this_binary: this_binary.context(|| "cannot tell where this program is; name it by `--binary`".into())?,
        })
    }
}

pub fn run(door: &Door, command: &Command) -> Result<ExitCode> {
    let Command::Print(args) = command;
    let request = args.request()?;
    let mut schedule = door.work(Records::Nothing, |session| schedule(session, &request))?;
    if let Some(folder) = &args.output {
        for path in schedule.replaced(folder) {
            door.confirm(&format!("`{}` is there already: write over it?", shown(&path)))?;
        }
        schedule.write(folder)?;
    }
    door.show("schedule", &schedule, || answers::project::schedule(&schedule))?;
    Ok(ExitCode::SUCCESS)
}
