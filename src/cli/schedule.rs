//! `mlops schedule print`: a retrain or a drift check as lines for a clock.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::door::{Door, Records, shown};
use super::ui::format;
use super::ui::style::dim;
use crate::catalog::find;
use crate::config::{load, outline};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::write_atomic;
use crate::registry::Selector;
use crate::schedule::{Cron, Job, Kind, SCHEDULERS, Sheet, check_name, check_timezone, name_of};
use crate::workflows::Session;

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
}

/// An argument that names a file or a folder from here, made absolute: a clock stands elsewhere.
fn from_root(word: &str) -> Result<String> {
    let (flag, value) = match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value),
        _ => (String::new(), word),
    };
    let named = !value.is_empty() && !value.starts_with('-') && Path::new(value).exists();
    Ok(if named { format!("{flag}{}", absolute(Path::new(value))?) } else { word.to_owned() })
}

pub fn run(door: &Door, command: &Command) -> Result<ExitCode> {
    let Command::Print(args) = command;
    let clock = find("clock", SCHEDULERS, args.clock())?;
    let job = door.work(Records::Nothing, |session| job(session, args))?;
    let sheets = clock.sheets(&job)?;
    let mut written = Vec::new();
    if let Some(folder) = &args.output {
        written = sheets.iter().map(|sheet| folder.join(&sheet.name)).collect();
        save(door, &sheets, &written)?;
    }
    let document = json!({
        "clock": clock.name(),
        "name": job.name,
        "command": job.words(),
        "at": job.cron.text(),
        "timezone": job.timezone,
        "files": sheets.iter().map(|sheet| json!({"name": sheet.name, "text": sheet.text})).collect::<Vec<_>>(),
        "written": written,
    });
    door.answer("schedule", &document, || {
        if written.is_empty() {
            return sheets.iter().map(|sheet| sheet.text.as_str()).collect::<Vec<_>>().join("\n");
        }
        let lines = written.iter().map(|path| format!("wrote     {}\n", shown(path)));
        lines.collect::<String>() + &dim("the first lines of each file say how it is installed\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the files; asks before another content is written over.
fn save(door: &Door, sheets: &[Sheet], paths: &[PathBuf]) -> Result<()> {
    for (sheet, path) in sheets.iter().zip(paths) {
        let other = std::fs::read(path).is_ok_and(|there| there != sheet.text.as_bytes());
        if other {
            door.confirm(&format!("`{}` is there already: write over it?", shown(path)))?;
        }
    }
    sheets.iter().zip(paths).try_for_each(|(sheet, path)| write_atomic(path, sheet.text.as_bytes()))
}

/// A path as text, absolute; one that is not UTF-8 cannot be written into a schedule.
fn absolute(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).context(|| format!("cannot make `{}` absolute", path.display()))?;
    let text = path.to_str().ok_or_else(|| Error::invalid(format!("`{}` is not UTF-8", path.display())))?;
    // `absolute` keeps the `.` at the end of `/srv/shop/.`.
    let text = text.trim_end_matches("/.").trim_end_matches('/');
    Ok(if text.is_empty() { "/".into() } else { text.to_owned() })
}

fn job(session: &Session<'_>, args: &Args) -> Result<Job> {
    let project = session.project;
    let kind = match args.what {
        What::Retrain => Kind::Retrain,
        What::DriftCheck => Kind::DriftCheck,
    };
    let cron = Cron::parse(args.at.as_deref().unwrap_or(kind.usual_time()))?;
    let timezone = args.timezone.as_deref().map(check_timezone).transpose()?;
    let root = absolute(project.layout.root())?;
    if args.model.is_some() && kind != Kind::Retrain {
        return Err(Error::invalid("`--model` goes with a retrain").hint("a drift check names its model itself"));
    }
    let (target, model, variables, usual_name) = match kind {
        Kind::Retrain => {
            let config = Path::new(&args.target);
            let outline = outline(config)?;
            // Wrong candidates are told by `retrain`; here they only leave the model unknown.
            let first = || load(&project.layout.root().join(outline.candidate.as_ref()?), &[]).ok();
            let model = args.model.clone().or(outline.model);
            let model = model.or_else(|| first().map(|experiment| experiment.config.model.name.to_string()));
            (absolute(config)?, model, outline.variables.into_iter().collect(), config_name(config))
        }
        Kind::DriftCheck => {
            let model = known_model(session, &args.target)?;
            (model.clone(), Some(model.clone()), Vec::new(), model)
        }
    };
    let name = match &args.name {
        Some(name) => check_name(name).map(|()| name.clone())?,
        None => name_of(kind, &usual_name),
    };
    let log = match &args.log {
        Some(log) => Some(checked_log(log)?),
        // A crontab without a redirection sends its output by mail, which hardly a machine has.
        None if args.cron => Some(format!("{root}/experiments/{name}.log")),
        None => None,
    };
    if args.image.is_some() && !args.k8s {
        return Err(Error::invalid("`--image` goes with `--k8s`"));
    }
    let program = |path: &PathBuf| match path.to_str() {
        // A bare name is looked up where the job runs.
        Some(name) if !name.is_empty() && !name.contains('/') => Ok(name.to_owned()),
        _ => absolute(path),
    };
    let this = std::env::current_exe().context(|| "cannot tell where this program is; name it by `--binary`".into())?;
    Ok(Job {
        kind,
        name,
        target,
        model,
        root,
        binary: args.binary.as_ref().map(program).transpose()?,
        this_binary: absolute(&this)?,
        more: args.more.iter().map(|word| from_root(word)).collect::<Result<_>>()?,
        cron,
        timezone,
        log,
        image: args.image.clone(),
        variables,
    })
}

/// What a config is called: its file, or its folder where the file's name says nothing.
fn config_name(config: &Path) -> String {
    let text =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = text(config.file_stem());
    let folder = std::path::absolute(config).ok();
    let folder = text(folder.as_deref().and_then(Path::parent).and_then(Path::file_name));
    if ["retrain", "config"].contains(&stem.as_str()) && !folder.is_empty() { folder } else { stem }
}

/// A model as the job will name it: a folder by its absolute path. One that is not there yet may come, but a slip of the
/// finger should be seen.
fn known_model(session: &Session<'_>, model: &str) -> Result<String> {
    let name = match Selector::parse(model)? {
        Selector::Name(name) | Selector::Version(name, _) | Selector::At(name, _) => name,
        Selector::Folder(folder) => return absolute(&folder),
        Selector::Run(_) => return Ok(model.to_owned()),
    };
    let missing = |tracker: &crate::tracking::Tracker| {
        tracker.model(name.as_str()).is_err_and(|error| error.kind == ErrorKind::NotFound)
    };
    if session.project.tracker_for_reading().is_none_or(missing) {
        session.note(format!("there is no model `{name}` yet"));
    }
    Ok(model.to_owned())
}

/// A log file as every clock can name it.
fn checked_log(log: &Path) -> Result<String> {
    let text = absolute(log)?;
    if text.chars().any(char::is_control) || text.ends_with(['\\', ' ']) {
        return Err(Error::invalid(format!("`{}` cannot be the name of a log file", format::plain(&text)))
            .hint("no line breaks, and no `\\` or space at its end"));
    }
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty());
    if log.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Error::invalid(format!(
            "`{}` cannot be the name of a log file: its folder is not there",
            log.display()
        ))
        .hint("the job would not even start"));
    }
    Ok(text)
}
