//! The door: finds the project, listens to the work, prints the answer.

use std::path::Path;

use serde::Serialize;

use super::embedding_args::EmbeddingArgs;
use super::global::Global;
use super::ui::progress::Screen;
use super::ui::{error, print, terminal};
pub use crate::answers::format::shown;
use crate::cancellation::Cancellation;
use crate::error::{Context, Error, Result};
pub use crate::host::Records;
use crate::host::{Host, Request, current_folder, find_project, use_threads};
use crate::registry::{Layout, model_folder};
use crate::report::Document;
use crate::workflows::{Progress, Session};

/// What the commands are given.
pub struct Door {
    /// The arguments that every command takes.
    pub global: Global,
    /// What embedders may use.
    embedding: EmbeddingArgs,
    /// What opens projects.
    host: Host,
    /// Set by Ctrl-C.
    cancellation: Cancellation,
}

impl Door {
    /// A door with these arguments.
    pub fn new(global: Global, embedding: EmbeddingArgs, host: Host) -> Self {
        Self { global, embedding, host, cancellation: Cancellation::default() }
    }

    /// The project's root: the flag, or found upward from here.
    fn layout(&self) -> Result<Layout> {
        find_project(self.global.root.as_deref())
    }

    /// Runs the work in a project that need not be one: a model's folder is enough to predict with.
    pub fn work_with<T>(
        &self,
        model: &str,
        records: Records,
        work: impl FnOnce(&Session<'_>) -> Result<T>,
    ) -> Result<T> {
        let layout = match self.layout() {
            Err(_) if self.global.root.is_none() && model_folder(Path::new(model)).is_some() => current_folder(),
            layout => layout?,
        };
        self.work_in(layout, records, work)
    }

    /// Runs the work in the project, or where there is none: it needs files only.
    pub fn work_anywhere<T>(&self, records: Records, work: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
        match self.layout() {
            Err(_) if self.global.root.is_none() => self.work_in(current_folder(), Records::Nothing, work),
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
            use_threads(usize::from(threads));
        }
        let project = self.host.open(layout, records);
        self.stop_on_interrupt();
        let screen = Screen::new(self.global.quiet || self.global.json, self.global.verbose);
        let request = Request {
            records,
            embedding: self.embedding.choices()?,
            listen: &|progress: &Progress<'_>| screen.hear(progress),
            cancellation: &self.cancellation,
        };
        let (result, notes) = self.host.run(&project, request, work);
        screen.clear();
        if !self.global.quiet {
            notes.iter().for_each(|note| error::note(note));
        }
        result
    }

    /// The first Ctrl-C asks the work to stop after its step, the second ends the process.
    fn stop_on_interrupt(&self) {
        let cancellation = self.cancellation.clone();
        // A second handler cannot be set: the first one has this door's token, too. Where none can be set at all, an
        // interrupt ends the process at once.
        let _ = ctrlc::set_handler(move || {
            if cancellation.is_requested() {
                std::process::exit(130);
            }
            cancellation.request();
            error::say("\ninterrupted: stopping after this step; once more stops at once\n");
        });
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

    /// Prints the answer: one JSON document, or what a person reads.
    pub fn show(&self, command: &str, outcome: &impl Serialize, document: impl FnOnce() -> Document) -> Result<()> {
        self.answer(command, outcome, || terminal(&document()))
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
