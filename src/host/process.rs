//! The host of this process: opens projects and runs requests in them.

use std::path::PathBuf;
use std::sync::Mutex;

use super::clock::Clock;
use super::{environment, machine};
use crate::cancellation::Cancellation;
use crate::embeddings::truncation::Truncation;
use crate::embeddings::{Device, EmbedContext, LazyCache, Network};
use crate::error::Result;
use crate::names::ModelName;
use crate::project::{Healed, Project};
use crate::registry::Layout;
use crate::workflows::{Notes, Progress, Session};

/// What this process knows of its surroundings. One host serves any number of projects and requests.
#[derive(Debug, Clone, Default)]
pub struct Host {
    clock: Clock,
    /// The moment at which the clock of a rehearsal began.
    rehearsal: Option<String>,
    /// The local Hugging Face cache.
    hub: Option<PathBuf>,
    /// Another hub than Hugging Face's.
    endpoint: Option<String>,
    /// Nothing is downloaded.
    offline: bool,
}

/// Whether a request records runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// It does: git is asked about the commit, and what a killed command left undone is finished first.
    Runs,
    /// It only reads.
    Nothing,
}

/// What a request lets embedders use.
#[derive(Debug, Clone, Default)]
pub struct Embedding {
    /// Whether models may be downloaded.
    pub network: Network,
    /// Whether vectors are cached.
    pub cached: bool,
    /// What sentence encoders run on.
    pub device: Device,
    /// Where the sentence encoder of a trained model lies, when it has moved.
    pub embedder: Option<PathBuf>,
}

/// A request to a project.
pub struct Request<'a> {
    /// Whether it records runs.
    pub records: Records,
    /// What it lets embedders use.
    pub embedding: Embedding,
    /// Hears what happens meanwhile.
    pub listen: &'a (dyn Fn(&Progress<'_>) + Sync),
    /// Says when the work shall stop.
    pub cancellation: &'a Cancellation,
}

impl<'a> Request<'a> {
    /// A request without a listener, a network, or a cache.
    #[must_use]
    pub fn silent(records: Records, cancellation: &'a Cancellation) -> Self {
        Self { records, embedding: Embedding::default(), listen: &|_| {}, cancellation }
    }
}

impl Host {
    /// The host that the environment variables of this process describe.
    ///
    /// # Errors
    /// `Invalid` when `MLOPS_NOW` is no moment.
    pub fn from_environment() -> Result<Self> {
        if let Some(point) = environment::crash_point() {
            crate::fs::arm_crash_point(point);
        }
        let rehearsal = environment::text("MLOPS_NOW");
        let clock = rehearsal.as_deref().map(Clock::starting_at).transpose()?.unwrap_or_default();
        Ok(Self {
            clock,
            rehearsal,
            hub: environment::hub_cache(),
            endpoint: environment::text("HF_ENDPOINT"),
            offline: environment::is_offline(),
        })
    }

    /// The moment at which the clock of a rehearsal began, where this is one.
    #[must_use]
    pub fn rehearsal(&self) -> Option<&str> {
        self.rehearsal.as_deref()
    }

    /// Opens a project; threads may share it. `records` says whether a request will record runs: git is then asked now,
    /// in the background.
    #[must_use]
    pub fn open(&self, layout: Layout, records: Records) -> Project {
        let surroundings = machine::surroundings(layout.root(), records == Records::Runs, self.clock);
        Project::new(layout, surroundings)
    }

    /// Runs a request in a project. The notes are returned beside the result, also when the work has failed.
    pub fn run<T>(
        &self,
        project: &Project,
        request: Request<'_>,
        work: impl FnOnce(&Session<'_>) -> Result<T>,
    ) -> (Result<T>, Vec<String>) {
        let Request { records, embedding: wished, listen, cancellation } = request;
        let stage = |what: &str| listen(&Progress::Stage(what));
        let progress = |done, total| listen(&Progress::Texts { done, total });
        // A folder that is no project, or a deployed one, is not written into.
        let cached = wished.cached && project.layout.experiments().is_dir();
        let embedding = EmbedContext {
            root: project.layout.root(),
            hub: self.hub.as_deref(),
            network: if self.offline { Network::Offline } else { wished.network },
            endpoint: self.endpoint.as_deref(),
            embedder: wished.embedder.as_deref(),
            cache: if cached { LazyCache::at(project.layout.vector_cache()) } else { LazyCache::none() },
            device: wished.device,
            now_ms: project.now_ms(),
            stage: &stage,
            progress: &progress,
            interrupted: cancellation.flag(),
        };
        let notes = Notes::default();
        let healed = mend(project, records, &notes);
        let session = Session { project, listen, cancellation, notes, healed, embedding, texts: Mutex::default() };
        let result = work(&session);
        if records == Records::Runs {
            // A copy that a rollback had to leave because this command read from it can go now.
            project.remove_unread_copies();
        }
        let report = session.take_texts();
        let mut notes = report.notes;
        notes.extend(report.cleaning.describe());
        notes.extend(report.truncation.as_ref().and_then(Truncation::told));
        notes.extend(session.notes.take());
        let redactor = project.redactor();
        (result.map_err(|error| redactor.error(error)), notes.iter().map(|note| redactor.text(note)).collect())
    }
}

/// Finishes what processes that died have left undone; gives the models whose folders were mended.
fn mend(project: &Project, records: Records, notes: &Notes) -> Vec<ModelName> {
    // A database that cannot be opened or written is an error of the verb that needs it.
    let killed = project.close_dead_runs().unwrap_or_default();
    notes.extend(
        killed.iter().map(|run| format!("run {} was left running by a process that died; marked KILLED", run.short())),
    );
    if records == Records::Nothing {
        return Vec::new();
    }
    let healed = project.heal();
    for Healed { model, from, to, damaged } in &healed {
        let was = from.map_or("nothing".to_owned(), |version| version.to_string());
        notes.extend(damaged.iter().cloned());
        notes.add(format!(
            "a command was killed before its end: `production/{model}/active` pointed to {was}, now to {to}"
        ));
    }
    healed.into_iter().map(|healed| healed.model).collect()
}

/// Sets the number of threads that this process computes with; 0 stands for one a core. Only the first call, before any
/// work, has an effect.
pub fn use_threads(threads: usize) {
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}
