//! A project, opened once and carried down: its folders, its tracking database, the clock, who is asking. Threads share
//! it.

mod located;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use self::located::Located;
use self::located::{followed, located};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{Lock, create_dir, is_locked};
use crate::names::{ModelName, RunId, Version};
use crate::registry::{
    Layout, Selector, check_beside, discard_foreign_releases, is_read, model_folder, pointed, remove_unread,
    versions_in, versions_on_disk,
};
use crate::secrets::SecretRedactor;
use crate::tracking::{Process, Stage, Status, Tracker, previous_holder};

/// What only the host knows: time, randomness, who is asking, where.
pub struct Surroundings {
    /// Milliseconds since the epoch.
    pub now_ms: Box<dyn Fn() -> i64 + Send + Sync>,
    /// 128 random bits.
    pub random_bits: fn() -> u128,
    /// Who is asking, for the ledger.
    pub actor: String,
    /// This process.
    pub process: Process,
    /// True when the process of a RUNNING run still lives.
    pub is_alive: fn(&Process) -> bool,
    /// Facts for `environment.json`: git commit, versions, machine.
    pub environment: Box<dyn Fn() -> BTreeMap<String, String> + Send + Sync>,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<String>,
}

/// An opened project.
pub struct Project {
    /// Where everything lies.
    pub layout: Layout,
    /// Time, randomness, who is asking.
    pub surroundings: Surroundings,
    tracker: OnceLock<Tracker>,
    /// Held while the tracking database is opened, so that it is opened once.
    opening: Mutex<()>,
    read_only: OnceLock<Option<Tracker>>,
    /// What environment variables that were asked for stand for.
    secrets: Mutex<SecretRedactor>,
}

/// A model whose folders did not say what its rows say, and do so again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healed {
    /// The model.
    pub model: ModelName,
    /// The version that `active` pointed to, if any.
    pub from: Option<Version>,
    /// The version in production, which it points to now.
    pub to: Version,
    /// What could not be mirrored beside the active version.
    pub damaged: Vec<String>,
}

/// This process works on a run.
#[derive(Debug)]
pub struct Working {
    path: PathBuf,
    _lock: Option<Lock>,
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Which version a bare model name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// The one in production; none is an error.
    Production,
    /// The newest.
    Latest,
    /// The one in production, else the newest.
    ProductionElseLatest,
}

/// How often a version is looked for again whose folder has gone meanwhile.
const ATTEMPTS: usize = 20;
/// The pause before.
const PAUSE: Duration = Duration::from_millis(5);

/// How long publishing and promoting wait for each other.
const LOCK_WAIT: Duration = Duration::from_secs(30);

impl Project {
    /// A project at this root.
    #[must_use]
    pub fn new(layout: Layout, surroundings: Surroundings) -> Self {
        Self {
            layout,
            surroundings,
            tracker: OnceLock::new(),
            opening: Mutex::default(),
            read_only: OnceLock::new(),
            secrets: Mutex::default(),
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.surroundings.now_ms)()
    }

    /// Replaces `${NAME}` by the environment variable of that name. The value may be a secret: see `redactor`.
    ///
    /// # Errors
    /// `Invalid` when it is not set.
    pub fn expand(&self, text: &str) -> Result<String> {
        let (mut expanded, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            let value = (self.surroundings.variable)(name).ok_or_else(|| {
                Error::invalid(format!("the environment variable `{name}` is not set"))
                    .hint(format!("`{text}` needs it"))
            })?;
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).remember(&format!("${{{name}}}"), &value);
            expanded += before;
            expanded += &value;
            rest = after;
        }
        expanded += rest;
        // The whole is longer than its parts: a path is shown as it was written.
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).remember(text, &expanded);
        Ok(expanded)
    }

    /// What hides the values of all environment variables that have been asked for so far.
    #[must_use]
    pub fn redactor(&self) -> SecretRedactor {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A fresh run id.
    #[must_use]
    pub fn new_run_id(&self) -> RunId {
        RunId::from_bits((self.surroundings.random_bits)())
    }

    /// The tracking database, opened (and made, and migrated) at the first use.
    ///
    /// # Errors
    /// `Failed` when it cannot be opened.
    pub fn tracker(&self) -> Result<&Tracker> {
        if let Some(tracker) = self.tracker.get() {
            return Ok(tracker);
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tracker) = self.tracker.get() {
            return Ok(tracker);
        }
        create_dir(&self.layout.root().join("experiments"))?;
        let tracker = Tracker::open(&self.layout.tracking_db())?;
        Ok(self.tracker.get_or_init(|| tracker))
    }

    /// Marks runs as KILLED that were left running by a process that died, and returns them. Without a tracking
    /// database there are none, and none is made.
    ///
    /// # Errors
    /// `Failed` when the database cannot be opened or written.
    pub fn close_dead_runs(&self) -> Result<Vec<RunId>> {
        let mut killed = Vec::new();
        if !self.layout.tracking_db().is_file() {
            return Ok(killed);
        }
        let tracker = self.tracker()?;
        for (run, process) in tracker.running_processes()? {
            let file = self.layout.working(&run);
            // A lock that is free says more than the process number, which may be one of another container.
            let is_alive = is_locked(&file).unwrap_or_else(|| (self.surroundings.is_alive)(&process));
            if !is_alive {
                tracker.finish_run(&run, Status::Killed, self.now_ms())?;
                let _ = std::fs::remove_file(file);
                killed.push(run);
            }
        }
        Ok(killed)
    }

    /// Says for as long as the result lives that this process works on a run, to processes of other containers as well.
    #[must_use]
    pub fn working(&self, run: &RunId) -> Working {
        let path = self.layout.working(run);
        // Where there are no locks, the process number alone tells.
        let lock = Lock::take(&path, "working", Duration::ZERO).ok();
        Working { path, _lock: lock }
    }

    /// The tracking database for looking things up, read-only where it cannot be written; `None` when there is none (a
    /// folder deployed without its database) or it cannot be read.
    pub fn tracker_for_reading(&self) -> Option<&Tracker> {
        let path = self.layout.tracking_db();
        if !path.is_file() {
            return None;
        }
        self.tracker().ok().or_else(|| {
            let opened = || Tracker::open_read_only(&path).ok();
            self.read_only.get_or_init(opened).as_ref()
        })
    }

    /// The tracking database for a command that only reads: made when there is none yet, read-only where it cannot be
    /// written.
    ///
    /// # Errors
    /// `Failed` when it cannot be opened at all.
    pub fn reader(&self) -> Result<&Tracker> {
        match self.tracker_for_reading() {
            Some(tracker) => Ok(tracker),
            None => self.tracker(),
        }
    }

    /// Takes the lock of a model.
    ///
    /// # Errors
    /// `Busy` when another process keeps it for longer than 30 seconds.
    pub fn lock(&self, model: &ModelName, what: &str) -> Result<Lock> {
        Lock::take(&self.layout.lock(model), &format!("{what} {model}"), LOCK_WAIT)
    }

    /// The number for the next version: above every row and every folder. Call it under the model's lock.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn next_version(&self, model: &ModelName) -> Result<Version> {
        let row = self.tracker()?.next_version(model.as_str())?;
        let folder = versions_on_disk(&self.layout, model).last().map_or(0, |version| version.0) + 1;
        Ok(Version(row.max(folder)))
    }

    /// The version in production, when there is one.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn production_version(&self, model: &ModelName) -> Result<Option<Version>> {
        match self.reader()?.model(model.as_str()) {
            Ok(row) => Ok(row.production),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds the version that a selector names and checks its folder against the manifest.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Failed` when it is damaged.
    pub fn locate(&self, selector: &str, prefer: Prefer) -> Result<Located> {
        // Outside of a project nothing is registered: a name can only be that of a folder.
        if !self.layout.is_project()
            && let Some(folder) = model_folder(Path::new(selector))
        {
            return self.located_folder(&folder);
        }
        match Selector::parse(selector)? {
            Selector::Folder(folder) => self.located_folder(&folder),
            Selector::Version(model, version) => self.located_version(&model, version),
            Selector::Name(model) => {
                let version = self.preferred(&model, prefer)?;
                self.located_version(&model, version)
            }
            Selector::At(model, what) => {
                let version = self.version_at(&model, &what)?;
                self.located_version(&model, version)
            }
            Selector::Run(run) => {
                let (model, version) = self.version_of_run(&run)?;
                self.located_version(&model, version)
            }
        }
    }

    /// The folder of a model that a bare name could have meant: one that lies in the current folder under that name and
    /// is not the registry's own.
    #[must_use]
    pub fn shadowed_folder(&self, selector: &str) -> Option<PathBuf> {
        let bare = matches!(Selector::parse(selector), Ok(Selector::Name(_) | Selector::Version(..)));
        if !bare || !self.layout.is_project() {
            return None;
        }
        let folder = model_folder(Path::new(selector))?;
        let root = self.layout.root().canonicalize().ok()?;
        let real = folder.canonicalize().ok()?;
        let registered = ["production", "checkpoints"].iter().any(|name| real.starts_with(root.join(name)));
        (!registered).then(|| PathBuf::from(selector))
    }

    /// The model version that a run made.
    ///
    /// # Errors
    /// `NotFound` when there is no such run or it made none.
    pub fn version_of_run(&self, run: &str) -> Result<(ModelName, Version)> {
        let run = self.reader()?.run(run)?;
        let made = run.tags.get("model").zip(run.tags.get("version"));
        let (model, version) = made.ok_or_else(|| {
            Error::not_found(format!("run {} made no model version", run.id.short())).hint("only `train` makes one")
        })?;
        Ok((ModelName::parse(model)?, Version::parse(version)?))
    }

    fn located_version(&self, model: &ModelName, version: Version) -> Result<Located> {
        let row = self.tracker_for_reading().map(|tracker| tracker.version(model.as_str(), version));
        let registered = match row.transpose() {
            Err(error) if error.kind == ErrorKind::NotFound => None,
            row => row?,
        };
        if registered.is_none()
            && let Some(tracker) = self.tracker_for_reading()
            && let Ok(Some(gone)) = tracker.departure(model.as_str(), version)
        {
            return Err(Error::not_found(gone).hint(format!("`mlops models history {model}` says by whom and why")));
        }
        let mut attempt = 1;
        let found = loop {
            let folder = self.folder_of(model, version)?;
            match located(&folder) {
                // It was removed a moment ago, because it serves no more: the checkpoint is the same version.
                Err(_) if attempt < ATTEMPTS && !folder.join("manifest.json").exists() => {
                    std::thread::sleep(PAUSE);
                    attempt += 1;
                }
                found => break found?,
            }
        };
        if registered.is_some_and(|row| row.manifest_sha256 != found.manifest_sha256) {
            return Err(Error::failed(format!(
                "`{}` is not what was registered as {model} {version}",
                found.folder.display()
            ))
            .hint("its manifest has another hash than the ledger's; `mlops doctor` checks all"));
        }
        self.check_release(&found)?;
        Ok(found)
    }

    /// The folder to read a version from.
    fn folder_of(&self, model: &ModelName, version: Version) -> Result<PathBuf> {
        let production = self.layout.production(model, version);
        let checkpoint = self.layout.checkpoint(model, version);
        let serves = || self.version_at(model, "production").is_ok_and(|active| active == version);
        // A copy that no longer serves may be pruned at any moment: the checkpoint is the same version, and stays.
        let copy = production.is_dir() && (serves() || !checkpoint.is_dir());
        let folder = if copy { production } else { checkpoint };
        if folder.is_dir() {
            return Ok(folder);
        }
        let known = versions_on_disk(&self.layout, model);
        let hint = match known.as_slice() {
            [] => "`mlops models list` shows all models".to_owned(),
            known => format!("there are {}", known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        Err(Error::not_found(format!("model `{model}` has no version {version}")).hint(hint))
    }

    /// A folder that a person named. What belongs to this project is held against its rows, too.
    fn located_folder(&self, folder: &Path) -> Result<Located> {
        let mut attempt = 1;
        let found = loop {
            match located(folder) {
                // A link that was switched meanwhile points elsewhere by now.
                Err(_) if attempt < ATTEMPTS && folder.is_symlink() && !followed(folder).is_dir() => {
                    std::thread::sleep(PAUSE);
                    attempt += 1;
                }
                found => break found?,
            }
        };
        check_beside(&found.folder, found.version)?;
        let places = [
            self.layout.production(&found.model, found.version),
            self.layout.validated(&found.model, found.version),
            self.layout.checkpoint(&found.model, found.version),
        ];
        let here = found.folder.canonicalize().ok();
        if here.is_none() || places.iter().all(|place| place.canonicalize().ok() != here) {
            return Ok(found);
        }
        let tracker = self.tracker_for_reading();
        let row = tracker.and_then(|tracker| tracker.version(found.model.as_str(), found.version).ok());
        if row.is_some_and(|row| row.manifest_sha256 != found.manifest_sha256) {
            let (folder, model, version) = (found.folder.display(), &found.model, found.version);
            return Err(Error::failed(format!("`{folder}` is not what was registered as {model} {version}"))
                .hint("its manifest has another hash than the ledger's; `mlops doctor` checks all"));
        }
        self.check_release(&found)?;
        Ok(found)
    }

    /// The recorded hash of the manifest of a version's release.
    #[must_use]
    pub fn recorded_release(&self, model: &ModelName, version: Version) -> Option<String> {
        self.tracker_for_reading().and_then(|tracker| tracker.release(model.as_str(), version).ok().flatten())
    }

    /// Refuses a release whose manifest is not the recorded one.
    fn check_release(&self, found: &Located) -> Result<()> {
        let Some(sha256) = &found.release_sha256 else { return Ok(()) };
        match self.recorded_release(&found.model, found.version) {
            Some(recorded) if recorded != *sha256 => Err(Error::failed(format!(
                "`{}` is not the release of {} {} that was recorded",
                found.folder.display(),
                found.model,
                found.version
            ))
            .hint("its manifest has another hash than the ledger's; `mlops doctor --fix` makes the copy again")),
            _ => Ok(()),
        }
    }

    /// Removes copies of a version that are not the recorded release; `make` and `mirror` make them again.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn discard_foreign_releases(&self, model: &ModelName, version: Version) -> Result<()> {
        let recorded = self.recorded_release(model, version);
        recorded.map_or(Ok(()), |recorded| discard_foreign_releases(&self.layout, model, version, &recorded))
    }

    fn preferred(&self, model: &ModelName, prefer: Prefer) -> Result<Version> {
        if prefer != Prefer::Latest
            && let Ok(version) = self.version_at(model, "production")
        {
            return Ok(version);
        }
        let latest = self.version_at(model, "latest")?;
        if prefer == Prefer::Production {
            return Err(Error::not_found(format!("model `{model}` has no version in production"))
                .hint(format!("promote one (`mlops promote {model}`) or name a version (`{model}/{}`)", latest.0)));
        }
        Ok(latest)
    }

    fn version_at(&self, model: &ModelName, what: &str) -> Result<Version> {
        let Some(tracker) = self.tracker_for_reading() else { return self.version_at_without_rows(model, what) };
        let row = match tracker.model(model.as_str()) {
            Err(error) if error.kind == ErrorKind::NotFound => {
                return self.version_at_without_rows(model, what).map_err(|_| error);
            }
            row => row?,
        };
        let found = match what.to_lowercase().as_str() {
            "latest" => row.latest,
            "production" => row.production,
            "staging" => row.staging.last().copied(),
            _ => row.aliases.get(what).copied(),
        };
        found.ok_or_else(|| {
            let mut known = vec!["latest".to_owned()];
            known.extend(row.production.map(|_| "production".to_owned()));
            known.extend((!row.staging.is_empty()).then(|| "staging".to_owned()));
            known.extend(row.aliases.keys().cloned());
            let known: Vec<String> = known.iter().map(|what| format!("{model}@{what}")).collect();
            Error::not_found(format!("model `{model}` has no `@{what}`"))
                .hint(format!("there are {}", known.join(", ")))
        })
    }

    /// What the folders say, for a deployment without its database.
    fn version_at_without_rows(&self, model: &ModelName, what: &str) -> Result<Version> {
        let missing = || {
            Error::not_found(format!("there is no model `{model}`@{what}")).hint("`mlops models list` shows all models")
        };
        match what {
            "production" => pointed(&self.layout.active(model)).ok_or_else(missing),
            "latest" => versions_on_disk(&self.layout, model).last().copied().ok_or_else(missing),
            _ => Err(missing()),
        }
    }

    /// Makes the folder tree of a model say what its rows say. Returns what cannot be mirrored beside the active
    /// version: a damaged version in Staging, a damaged previous one.
    ///
    /// # Errors
    /// `Failed` when the disk refuses or the active version is damaged.
    pub fn mirror(&self, model: &ModelName) -> Result<Vec<String>> {
        let mut damaged_copies = Vec::new();
        let active = self.production_version(model)?;
        let previous = self.previous_production(model)?;
        for version in active.iter().chain(&previous) {
            self.discard_foreign_releases(model, *version)?;
        }
        if let Some(damaged) = crate::registry::mirror_production(&self.layout, model, active, previous)? {
            damaged_copies
                .push(format!("the previous version cannot be kept ready for a rollback: {}", damaged.message));
        }
        for row in self.tracker()?.versions(model.as_str())? {
            if row.stage == Stage::Staging
                && self.layout.checkpoint(model, row.version).is_dir()
                && let Err(error) = crate::registry::mirror_staging(&self.layout, model, row.version)
            {
                damaged_copies.push(error.message);
            }
        }
        Ok(damaged_copies)
    }

    /// Finishes what a command that was killed left undone: where `active` does not point to what the rows say is in
    /// production, it is made to. A model that another process works on is left alone, and so is what cannot be written.
    /// Returns what was mended.
    #[must_use]
    pub fn heal(&self) -> Vec<Healed> {
        let mut healed = Vec::new();
        for model in self.models_in_production() {
            let linked = || pointed(&self.layout.active(&model));
            let differs =
                || match (self.tracker_for_reading().and(self.production_version(&model).ok().flatten()), linked()) {
                    (Some(recorded), linked) if linked != Some(recorded) => Some((recorded, linked)),
                    _ => None,
                };
            if differs().is_none() {
                self.remove_unread_copies_of(&model);
                continue;
            }
            let lock = Lock::take(&self.layout.lock(&model), &format!("mending {model}"), Duration::ZERO);
            if let (Ok(_lock), Some((to, from))) = (lock, differs())
                && let Ok(damaged) = self.mirror(&model)
            {
                healed.push(Healed { model, from, to, damaged });
            }
        }
        healed
    }

    /// Removes copies in production that neither serve nor did before, and that no command reads from any more.
    pub fn remove_unread_copies(&self) {
        self.models_in_production().iter().for_each(|model| self.remove_unread_copies_of(model));
    }

    /// The models that have a folder in production.
    fn models_in_production(&self) -> Vec<ModelName> {
        let entries = std::fs::read_dir(self.layout.root().join("production")).into_iter().flatten();
        let names = entries.filter_map(std::result::Result::ok).map(|entry| entry.file_name());
        names.filter_map(|name| ModelName::parse(name.to_str()?).ok()).collect()
    }

    fn remove_unread_copies_of(&self, model: &ModelName) {
        let stale = |version: &Version| {
            let (active, previous) = (pointed(&self.layout.active(model)), pointed(&self.layout.previous(model)));
            active.is_some() && ![active, previous].contains(&Some(*version))
        };
        let there = || versions_in(&self.layout.production_of(model));
        if !there().iter().any(|version| stale(version) && !is_read(&self.layout.production(model, *version))) {
            return;
        }
        // Without rows that say the same nobody knows what a folder is there for.
        let agrees = |production| production == pointed(&self.layout.active(model));
        if self.tracker_for_reading().is_none() || !self.production_version(model).is_ok_and(agrees) {
            return;
        }
        let Ok(_lock) = Lock::take(&self.layout.lock(model), &format!("mending {model}"), Duration::ZERO) else {
            return;
        };
        for version in there().into_iter().filter(stale) {
            // What cannot be removed now is found again by the next command.
            let _ = remove_unread(&self.layout.production(model, version));
        }
    }

    /// The version that a rollback goes to: the holder before the present one, without those that were rolled back,
    /// deleted or pruned.
    ///
    /// # Errors
    /// `Failed` when the database cannot be read.
    pub fn previous_production(&self, model: &ModelName) -> Result<Option<Version>> {
        let active = self.production_version(model)?;
        let history = match self.reader()?.history(model.as_str()) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            history => history?,
        };
        Ok(previous_holder(&history, active))
    }
}
