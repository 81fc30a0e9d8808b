//! The door: opens the project, listens to the work, prints the answer.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::embedding_args::{EmbeddingArgs, hub_cache};
use super::global::Global;
use super::surroundings::surroundings;
use super::ui::progress::Screen;
use super::ui::{error, print};
use crate::embeddings::truncation::Truncation;
use crate::embeddings::{EmbedContext, LazyCache};
use crate::error::{Context, Error, Result};
use crate::project::Project;
use crate::registry::Layout;
use crate::workflows::{Progress, Session};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What the commands are given.
pub struct Door {
    /// The arguments that every command takes.
    pub global: Global,
    /// What embedders may use.
    embedding: EmbeddingArgs,
}

/// Whether a command records runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// It does: git is asked about the commit.
    Runs,
    /// It only reads.
    Nothing,
}

impl Door {
    /// A door with these arguments.
    pub fn new(global: Global, embedding: EmbeddingArgs) -> Self {
        Self { global, embedding }
    }

    /// The project's root: the flag, or found upward from here.
    fn layout(&self) -> Result<Layout> {
        if let Some(root) = &self.global.root {
            if !root.is_dir() {
                return Err(Error::invalid(format!("there is no folder `{}`", root.display())).hint("check `--root`"));
            }
            if !["experiments", "production"].iter().any(|name| root.join(name).is_dir()) {
                return Err(Error::invalid(format!("`{}` is no project: it has no `experiments/`", root.display()))
                    .hint("`mlops init DIR` makes one"));
            }
            return Ok(Layout::new(root.clone()));
        }
        let here = std::env::current_dir().context(|| "the current folder is gone".into())?;
        let layout = Layout::find(&here).ok_or_else(|| {
            Error::invalid(format!("no project at `{}` or above it: there is no `experiments/`", here.display()))
                .hint("`mlops init` makes one here; `--root DIR` names another")
        })?;
        // A root that is here is written as `.`, so that messages show short paths.
        Ok(if layout.root() == here { Layout::new(PathBuf::from(".")) } else { layout })
    }

    /// Runs the work in a project that need not be one: a model's folder is enough to predict with.
    pub fn work_with<T>(
        &self,
        model: &str,
        records: Records,
        work: impl FnOnce(&Session<'_>) -> Result<T>,
    ) -> Result<T> {
        let folder = Path::new(model);
        let bare = ["manifest.json", "active/manifest.json"].iter().any(|name| folder.join(name).is_file());
        let layout = match self.layout() {
            Err(_) if bare => Layout::new(PathBuf::from(".")),
            layout => layout?,
        };
        self.work_in(layout, records, work)
    }

    /// Runs the work in the project, or where there is none: it needs files only.
    pub fn work_anywhere<T>(&self, records: Records, work: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        match self.layout() {
            Err(_) if self.global.root.is_none() => {
                self.work_in(Layout::new(PathBuf::from(".")), Records::Nothing, work)
            }
            layout => self.work_in(layout?, records, work),
        }
    }

    /// Runs the work in a folder that becomes a project.
    pub fn work_at<T>(&self, root: &Path, work: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        self.work_in(Layout::new(root.to_path_buf()), Records::Runs, work)
    }

    /// Opens the project, runs the work with progress on stderr, and prints what the project wants to be known.
    pub fn work<T>(&self, records: Records, work: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        self.work_in(self.layout()?, records, work)
    }

    fn work_in<T>(&self, layout: Layout, records: Records, work: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        if let Some(threads) = self.global.threads {
            // Only the first call can set it, and this is the first.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global();
        }
        let surroundings = surroundings(layout.root(), records == Records::Runs);
        let project = Project::new(layout, surroundings);
        // When a second handler cannot be set, the default one stays: an interrupt then ends the process at once.
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            error::say("\ninterrupted: stopping after this step; once more stops at once\n");
        });
        let screen = Screen::new(self.global.quiet || self.global.json, self.global.verbose);
        let listen = |progress: &Progress<'_>| screen.hear(progress);
        let texts = |done, total| screen.hear(&Progress::Texts { done, total });
        let (hub, endpoint) = (hub_cache(), std::env::var("HF_ENDPOINT").ok().filter(|url| !url.is_empty()));
        let embedding = EmbedContext {
            root: project.layout.root(),
            hub: hub.as_deref(),
            network: self.embedding.network(),
            endpoint: endpoint.as_deref(),
            embedder: self.embedding.embedder(),
            // A folder that is no project, or a deployed one, is not written into.
            cache: if self.embedding.cached() && project.layout.experiments().is_dir() {
                LazyCache::at(project.layout.vector_cache())
            } else {
                LazyCache::none()
            },
            device: self.embedding.device()?,
            now_ms: project.now_ms(),
            stage: &|what| screen.hear(&Progress::Stage(what)),
            progress: &texts,
            interrupted: &INTERRUPTED,
        };
        let session = Session {
            project: &project,
            listen: &listen,
            interrupted: &INTERRUPTED,
            embedding,
            texts: Mutex::default(),
        };
        if records == Records::Runs {
            project.heal();
        }
        let result = work(&session);
        screen.clear();
        if !self.global.quiet {
            let report = session.take_texts();
            let truncated = report.truncation.as_ref().and_then(Truncation::told);
            report.notes.iter().chain(&truncated).for_each(|note| error::note(note));
            project.take_notes().iter().for_each(|note| error::note(note));
        }
        result
    }

    /// Prints the answer: one JSON document, or the text.
    pub fn answer(&self, command: &str, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if !self.global.json {
            print(&text());
            return Ok(());
        }
        let mut value = serde_json::to_value(document).context(|| "cannot write the answer as JSON".into())?;
        let mut answer = serde_json::json!({"format_version": 1, "command": command});
        match (&mut value, answer.as_object_mut()) {
            (serde_json::Value::Object(fields), Some(answer)) => answer.append(fields),
            (_, Some(answer)) => {
                answer.insert("items".into(), value);
            }
            _ => {}
        }
        print(&(serde_json::to_string_pretty(&answer).context(|| "cannot write the answer as JSON".into())? + "\n"));
        Ok(())
    }

    /// Asks before something that cannot be undone; without a terminal only `--yes` goes on.
    pub fn confirm(&self, question: &str) -> Result<()> {
        use std::io::{IsTerminal, Write};
        if self.global.yes {
            return Ok(());
        }
        let refused =
            || Error::invalid(format!("not confirmed: {question}")).hint("add `--yes` to go on without asking");
        if !std::io::stdin().is_terminal() {
            return Err(refused());
        }
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        if line.trim().eq_ignore_ascii_case("y") || line.trim().eq_ignore_ascii_case("yes") {
            Ok(())
        } else {
            Err(refused())
        }
    }
}

/// Refuses an output that is the input itself.
pub fn refuse_overwriting(input: &str, output: &Path) -> Result<()> {
    let same = |path: &Path| path.canonicalize().ok();
    if same(Path::new(input)).is_some_and(|path| Some(path) == same(output)) {
        return Err(Error::invalid(format!("`{}` is the input: it would be overwritten", output.display())));
    }
    Ok(())
}

/// A path as a person would write it: without a leading `./`.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// A path of the command line as the project will find it: made absolute, unless it names a format (`sqlite:…`) or is
/// absolute already. Paths in configs are relative to the root; paths on the command line to where the user stands.
pub fn from_here(location: &str) -> String {
    let scheme = location.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    match std::env::current_dir() {
        Ok(here) if !scheme && !Path::new(location).is_absolute() && !location.starts_with("${") => {
            here.join(location).display().to_string()
        }
        _ => location.to_owned(),
    }
}
