//! `report`: a run, an experiment or a model version as a paper: the verdict first, then what it rests on.
//!
//! Everything comes from the store (the database and the run's folder), times too, so that the same store gives the same
//! bytes. What is not there (a deleted folder, a run of an older build) is told in its section.

mod experiment;
mod figures;
mod one;
mod ranking;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::fs::{is_written_to, write_atomic};
use crate::names::ExperimentName;
use crate::project::{Prefer, Project};
use crate::report::document::{Block, Document};
use crate::report::html::html;
use crate::report::markdown::{Figures, markdown};
use crate::workflows::Session;
use crate::workflows::compare::{find_run, runs_of};

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// One run.
    Run,
    /// All training runs of an experiment.
    Experiment,
    /// A model version.
    Model,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// As the user named it.
    pub item: String,
    /// What it is.
    pub subject: Subject,
    /// The report's title.
    pub title: String,
    /// The answer in one sentence.
    pub verdict: String,
    /// The plots, by name.
    pub figures: Vec<String>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// The whole report as Markdown, where no file was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub markdown: Option<String>,
    /// The report.
    #[serde(skip)]
    pub document: Document,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Markdown with its plots in a folder beside it.
    Markdown,
    /// One HTML page.
    Html,
}

impl Form {
    /// The form of a file, by its name.
    ///
    /// # Errors
    /// `Invalid` when the extension is another one.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("md" | "markdown") => Ok(Self::Markdown),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Error::invalid(format!("cannot tell the form of `{}` from its name", path.display()))
                .hint("`report.md` is Markdown with its plots beside it, `report.html` one page that holds them")),
        }
    }
}

/// Makes the report of a run, an experiment or a model version.
///
/// # Errors
/// `NotFound` when there is no such thing, `Failed` when the store is damaged.
pub fn report(session: &Session<'_>, item: &str) -> Result<Outcome> {
    let project = session.project;
    session.stage(&format!("reading {item}"))?;
    let (subject, document) = match find_run(session, item) {
        Ok(run) => (Subject::Run, one::of_run(project, run)?),
        Err(error) if !error.is_unknown_name() || item.starts_with('@') => return Err(error),
        Err(_) if is_experiment(project, item) => {
            let runs = runs_of(session, item)?;
            (Subject::Experiment, experiment::of_experiment(session, item, runs)?)
        }
        Err(_) => {
            // The run of the version, or what `compare` too says of a name that is none.
            let run = runs_of(session, item)?.swap_remove(0);
            let located = session.locate(item, Prefer::ProductionElseLatest)?;
            (Subject::Model, one::of_version(project, located, run)?)
        }
    };
    let verdict = document.blocks.iter().find_map(|block| match block {
        Block::Verdict(_, verdict) => Some(verdict.to_string()),
        _ => None,
    });
    Ok(Outcome {
        item: item.to_owned(),
        subject,
        title: document.title.clone(),
        verdict: verdict.unwrap_or_default(),
        figures: document.figures().map(|figure| figure.name.clone()).collect(),
        files: Vec::new(),
        markdown: None,
        document,
    })
}

fn is_experiment(project: &Project, item: &str) -> bool {
    let known = || project.reader().and_then(|tracker| tracker.experiment(item));
    ExperimentName::parse(item).is_ok() && known().is_ok()
}

/// What stands in every file that `report` writes, by which it knows its own.
const MARKS: [&str; 3] =
    ["<!-- written by mlops report -->", "<meta name=\"generator\" content=\"mlops\">", "<desc>drawn by mlops</desc>"];

/// The files of a report: their paths and contents.
#[must_use]
pub fn files(document: &Document, path: &Path, form: Form) -> Vec<(PathBuf, String)> {
    if form == Form::Html {
        return vec![(path.to_path_buf(), html(document))];
    }
    let stem = path.file_stem().map_or_else(|| "report".into(), |stem| stem.to_string_lossy().into_owned());
    let folder = format!("{stem}_files");
    let text = format!("{}\n\n{}", MARKS[0], markdown(document, Figures::In(&folder)));
    let beside = path.with_file_name(&folder);
    let plots = document.figures().map(|figure| (beside.join(format!("{}.svg", figure.name)), figure.svg.clone()));
    std::iter::once((path.to_path_buf(), text)).chain(plots).collect()
}

/// The first of these files that is there already and was not written by `report`.
///
/// # Errors
/// `Invalid` when a folder stands in the way.
pub fn foreign(files: &[(PathBuf, String)]) -> Result<Option<&Path>> {
    for (path, _) in files {
        if path.is_dir() {
            return Err(Error::invalid(format!("`{}` is a folder, not a file", path.display())));
        }
        // A device or a pipe is written to, and not read.
        if path.exists() && !is_written_to(path) && !std::fs::read(path).is_ok_and(|bytes| is_ours(&bytes)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Whether `report` wrote this: its mark is near the beginning.
fn is_ours(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    MARKS.iter().any(|mark| head.contains(mark))
}

/// Writes the files of a report, the report itself last, so that it never names a plot that is not there.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write(files: &[(PathBuf, String)]) -> Result<()> {
    for (path, text) in files.iter().rev() {
        write_atomic(path, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_name_says_the_form() {
        assert_eq!(Form::of(Path::new("a/b.MD")).unwrap(), Form::Markdown);
        assert_eq!(Form::of(Path::new("b.html")).unwrap(), Form::Html);
        for other in ["b.pdf", "b", ".md", "md"] {
            assert_eq!(Form::of(Path::new(other)).unwrap_err().kind, ErrorKind::Invalid, "{other}");
        }
    }

    #[test]
    fn own_files_are_known_and_others_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let document = Document::new("x");
        for (name, form) in [("r.md", Form::Markdown), ("r.html", Form::Html)] {
            let path = folder.path().join(name);
            std::fs::write(&path, "my notes about mlops report").unwrap();
            let files = files(&document, &path, form);
            assert_eq!(foreign(&files).unwrap(), Some(path.as_path()));
            write(&files).unwrap();
            assert_eq!(foreign(&files).unwrap(), None);
        }
        let files = files(&document, folder.path(), Form::Html);
        assert_eq!(foreign(&files).unwrap_err().kind, ErrorKind::Invalid);
    }
}
