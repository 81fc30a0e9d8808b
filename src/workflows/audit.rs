//! `embed --audit`: what a sentence encoder would make of the texts of a file: lengths, truncation, unknown tokens, signs of
//! a wrong encoding. Needs the tokenizer only.

use super::embed::{FileRequest, checked_params, read_texts};
use super::session::Session;
use crate::embeddings::audit::Audit;
use crate::embeddings::{EMBEDDERS, sentence};
use crate::error::{Error, Result};

/// Looks at the texts of a file.
///
/// # Errors
/// `Invalid` for an embedder without a tokenizer, or when the rows do not fit; `NotFound` for a missing folder.
pub fn audit_file(session: &Session<'_>, request: &FileRequest) -> Result<Audit> {
    let (_, params) = checked_params(&request.params)?;
    if EMBEDDERS.iter().any(|kind| kind.name() == params.str("model")) {
        return Err(Error::invalid(format!(
            "`{}` reads texts of any length: there is nothing to audit",
            params.str("model")
        ))
        .hint("`--model` names a sentence-transformers folder, or a model of the hub"));
    }
    let rows = read_texts(session, request)?;
    session.stage("auditing")?;
    let (audit, report) = sentence::audit(&params, rows.texts(), &rows.numbers, &session.embedding)?;
    session.note_texts(report);
    Ok(audit)
}
