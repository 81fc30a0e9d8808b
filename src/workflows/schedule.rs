//! `schedule print`: the files that make a clock run a retrain or a drift check.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::catalog::find;
use crate::config::{load, outline};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::fs::write_atomic;
use crate::registry::Selector;
use crate::schedule::{Cron, Job, Kind, SCHEDULERS, Sheet, check_name, name_of};
use crate::text::plain;
use crate::timezone::check_timezone;
use crate::workflows::Session;

/// What is to run, by which clock, and when. Paths are absolute or relative to the current folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to run.
    pub kind: Kind,
    /// The config of a retrain, the model of a drift check.
    pub target: String,
    /// The clock's name: `cron`, `systemd`, `k8s`, `airflow` or `github`.
    pub clock: String,
    /// When, as a cron expression; absent means the usual time.
    pub at: Option<String>,
    /// The time zone; absent means the clock's own.
    pub timezone: Option<String>,
    /// The file that the output is appended to.
    pub log: Option<PathBuf>,
    /// The model of a retrain; absent means that of the config's candidates.
    pub model: Option<String>,
    /// The container image, for Kubernetes.
    pub image: Option<String>,
    /// The program; absent means `this_binary`, or `mlops` of the image.
    pub binary: Option<PathBuf>,
    /// The job's name; absent means that it is made of the config's folder or the model.
    pub name: Option<String>,
    /// More arguments of the command.
    pub more: Vec<String>,
    /// The program that is running.
    pub this_binary: PathBuf,
}

/// The files for a clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// The clock's name.
    pub clock: &'static str,
    /// The job's name.
    pub name: String,
    /// The command line, in words.
    pub command: Vec<String>,
    /// When, as a cron expression.
    pub at: String,
    /// The time zone.
    pub timezone: Option<String>,
    /// The files.
    pub files: Vec<Sheet>,
    /// Where the files were written; empty before [`Schedule::write`].
    pub written: Vec<PathBuf>,
}

impl Schedule {
    /// The files with another content that [`Schedule::write`] would replace.
    #[must_use]
    pub fn replaced(&self, folder: &Path) -> Vec<PathBuf> {
        let files = self.files.iter().map(|sheet| (folder.join(&sheet.name), &sheet.text));
        let other = files.filter(|(path, text)| std::fs::read(path).is_ok_and(|there| there != text.as_bytes()));
        other.map(|(path, _)| path).collect()
    }

    /// Writes the files into a folder.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn write(&mut self, folder: &Path) -> Result<()> {
        let paths: Vec<PathBuf> = self.files.iter().map(|sheet| folder.join(&sheet.name)).collect();
        for (sheet, path) in self.files.iter().zip(&paths) {
            write_atomic(path, sheet.text.as_bytes())?;
        }
        self.written = paths;
        Ok(())
    }
}

/// The files that make a clock run the job; nothing is written.
///
/// # Errors
/// `NotFound` (clock), `Invalid` when the request or the config cannot be read or the clock cannot do what is asked.
pub fn schedule(session: &Session<'_>, request: &Request) -> Result<Schedule> {
    let clock = find("clock", SCHEDULERS, &request.clock)?;
    let job = job(session, request)?;
    let files = clock.sheets(&job)?;
    let (command, at) = (job.words(), job.cron.text());
    Ok(Schedule {
        clock: clock.name(),
        name: job.name,
        command,
        at,
        timezone: job.timezone,
        files,
        written: Vec::new(),
    })
}

fn job(session: &Session<'_>, request: &Request) -> Result<Job> {
    let project = session.project;
    let kind = request.kind;
    let cron = Cron::parse(request.at.as_deref().unwrap_or(kind.usual_time()))?;
    let timezone = request.timezone.as_deref().map(check_timezone).transpose()?;
    let root = absolute(project.layout.root())?;
    if request.model.is_some() && kind != Kind::Retrain {
        return Err(Error::invalid("`--model` goes with a retrain").hint("a drift check names its model itself"));
    }
    let (target, model, variables, usual_name) = match kind {
        Kind::Retrain => {
            let config = Path::new(&request.target);
            let outline = outline(config)?;
            // Wrong candidates are told by `retrain`; here they only leave the model unknown.
            let first = || load(&project.layout.root().join(outline.candidate.as_ref()?), &[]).ok();
            let model = request.model.clone().or(outline.model);
            let model = model.or_else(|| first().map(|experiment| experiment.config.model.name.to_string()));
            (absolute(config)?, model, outline.variables.into_iter().collect(), config_name(config))
        }
        Kind::DriftCheck => {
            let model = known_model(session, &request.target)?;
            (model.clone(), Some(model.clone()), Vec::new(), model)
        }
    };
    let name = match &request.name {
        Some(name) => check_name(name).map(|()| name.clone())?,
        None => name_of(kind, &usual_name),
    };
    let log = match &request.log {
        Some(log) => Some(checked_log(log)?),
        // A crontab without a redirection sends its output by mail, which hardly a machine has.
        None if request.clock == "cron" => Some(format!("{root}/experiments/{name}.log")),
        None => None,
    };
    if request.image.is_some() && request.clock != "k8s" {
        return Err(Error::invalid("`--image` goes with `--k8s`"));
    }
    let program = |path: &PathBuf| match path.to_str() {
        // A bare name is looked up where the job runs.
        Some(name) if !name.is_empty() && !name.contains('/') => Ok(name.to_owned()),
        _ => absolute(path),
    };
    Ok(Job {
        kind,
        name,
        target,
        model,
        root,
        binary: request.binary.as_ref().map(program).transpose()?,
        this_binary: absolute(&request.this_binary)?,
        more: request.more.iter().map(|word| resolve_argument(word)).collect::<Result<_>>()?,
        cron,
        timezone,
        log,
        image: request.image.clone(),
        variables,
    })
}

/// An argument that names a file or a folder from here, made absolute: a clock stands elsewhere.
fn resolve_argument(word: &str) -> Result<String> {
    let (flag, value) = match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value),
        _ => (String::new(), word),
    };
    let named = !value.is_empty() && !value.starts_with('-') && Path::new(value).exists();
    Ok(if named { format!("{flag}{}", absolute(Path::new(value))?) } else { word.to_owned() })
}

/// A path as text, absolute; one that is not UTF-8 cannot be written into a schedule.
fn absolute(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).context(|| format!("cannot make `{}` absolute", path.display()))?;
    let text = path.to_str().ok_or_else(|| Error::invalid(format!("`{}` is not UTF-8", path.display())))?;
    // `absolute` keeps the `.` at the end of `/srv/shop/.`.
    let text = text.trim_end_matches("/.").trim_end_matches('/');
    Ok(if text.is_empty() { "/".into() } else { text.to_owned() })
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

/// A model as the job will name it: a folder by its absolute path. One that is not there yet may come, but a typing
/// error should be seen.
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
        return Err(Error::invalid(format!("`{}` cannot be the name of a log file", plain(&text)))
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
