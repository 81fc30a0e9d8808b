//! `mlops report`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, Records, shown};
use crate::answers::format::plural;
use crate::answers::report::{Form, Outcome, files, foreign, report, write};
use crate::error::Result;
use crate::report::document::{Block, Document, Line, dim};
use crate::report::markdown::{Figures, markdown};

const EXAMPLES: &str = "\
Examples:
  mlops report reviews                          the version in production, else the newest, as Markdown
  mlops report reviews/3 --out report.html      one page with all plots
  mlops report reviews_lr --out report.md       an experiment; plots go to report_files/
  mlops report @best:f1 --out best.html";

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run (id or prefix, `@latest`, `@best:f1`), an experiment, or a model version
    #[arg(value_name = "RUN|EXPERIMENT|MODEL")]
    item: String,
    /// The file to write: .md (plots beside it) or .html (one page) [default: Markdown to stdout]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let out = args.out.as_ref().filter(|out| out.as_os_str() != "-");
    let form = out.map(|out| Form::of(out)).transpose()?;
    let mut outcome = door.work(Records::Nothing, |session| report(session, &args.item))?;
    match out.zip(form) {
        None => outcome.markdown = Some(markdown(&outcome.document, Figures::Told)),
        Some((out, form)) => {
            let files = files(&outcome.document, out, form);
            save(door, &files)?;
            outcome.files = files.into_iter().map(|(path, _)| path).collect();
        }
    }
    door.show("report", &outcome, || document(&outcome))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the files of a report; asks before a file of somebody else is written over.
pub fn save(door: &Door, files: &[(PathBuf, String)]) -> Result<()> {
    if let Some(other) = foreign(files)? {
        door.confirm(&format!("`{}` was not written by `mlops report`: write over it?", shown(other)))?;
    }
    write(files)
}

/// The report itself as Markdown, or its verdict and where it was written.
fn document(outcome: &Outcome) -> Document {
    let mut document = Document::new(&outcome.title);
    if let Some(markdown) = &outcome.markdown {
        document.push(Block::Code("markdown", markdown.clone()));
        return document;
    }
    document.text(&outcome.verdict);
    let file = outcome.files.first().map_or_else(String::new, |file| shown(file));
    document.fact("report", Line::from(file + " ") + dim(format!("({})", plural(outcome.figures.len(), "plot"))));
    document
}
