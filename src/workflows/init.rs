//! `init`: a new project with folders, real sample data and configs that run as they are.

use std::path::PathBuf;

use serde::Serialize;

use super::light::{COMMANDS, Light, write_light};
use super::session::Session;
use crate::config::schema::schema;
use crate::error::{Error, Result};
use crate::fs::{create_dir, write_atomic};

/// The files of a new project: path and content.
const FILES: &[(&str, &str)] = &[
    ("data/reviews.csv", include_str!("../../data/reviews.csv")),
    ("experiments/reviews_lr/config.yaml", include_str!("../../experiments/reviews_lr/config.yaml")),
    ("experiments/reviews_hashing/config.yaml", include_str!("../../experiments/reviews_hashing/config.yaml")),
    ("experiments/reviews_forest/config.yaml", include_str!("../../experiments/reviews_forest/config.yaml")),
    (".gitignore", include_str!("../../data/gitignore.txt")),
];

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The project's root.
    pub root: PathBuf,
    /// Files that were written.
    pub written: Vec<String>,
    /// Files that were there already and stayed as they were.
    pub kept: Vec<String>,
}

/// Makes a project at the session's root; files that are there stay as they are.
///
/// # Errors
/// `Invalid` when it is a file, `Failed` when the disk refuses.
pub fn init(session: &Session<'_>) -> Result<Outcome> {
    let (project, started_ms) = (session.project, session.project.now_ms());
    let root = project.layout.root();
    if root.is_file() {
        return Err(Error::invalid(format!("`{}` is a file", root.display())));
    }
    for folder in ["experiments", "data", "checkpoints", "production"] {
        create_dir(&root.join(folder))?;
    }
    let mut outcome = Outcome { root: root.to_path_buf(), written: Vec::new(), kept: Vec::new() };
    let schema = serde_json::to_string_pretty(&schema()).unwrap_or_default() + "\n";
    let files = FILES.iter().copied().chain([("experiments/config.schema.json", schema.as_str())]);
    for (name, content) in files {
        let path = root.join(name);
        if path.exists() {
            outcome.kept.push(name.to_owned());
        } else {
            write_atomic(&path, content.as_bytes())?;
            outcome.written.push(name.to_owned());
        }
    }
    let record = Light {
        experiment: COMMANDS.to_owned(),
        command: "init",
        name: "init".to_owned(),
        started_ms,
        metrics: vec![("files_written", outcome.written.len() as f64)],
        ..Light::default()
    };
    if let Err(error) = write_light(session, &record) {
        session.note(format!("this init was not recorded: {}", error.message));
    }
    Ok(outcome)
}
