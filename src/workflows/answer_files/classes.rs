//! Classes and probabilities as files: CSV, NDJSON and Parquet, a row for each row of the input.

use std::fmt::Write as _;
use std::path::Path;

use crate::data::parquet_file::{self, Values};
use crate::data::vector_files::quoted;
use crate::error::{Context, Result};
use crate::workflows::predict::{Outcome, Row};

/// A column of numbers: its name, and the number of a row.
type Column = (String, Box<dyn Fn(&Row) -> Option<f64>>);

/// The columns of numbers: for two classes the probability of the positive one, else one a class; where class weights
/// were undone also the score that the class was decided from.
fn columns(outcome: &Outcome) -> Vec<Column> {
    let probability = |class: usize| move |row: &Row| row.probabilities.get(class).copied();
    if outcome.labels.len() > 2 {
        let named = outcome.labels.iter().enumerate();
        return named
            .map(|(class, label)| -> Column { (format!("probability_{label}"), Box::new(probability(class))) })
            .collect();
    }
    let mut columns: Vec<Column> = vec![("probability".to_owned(), Box::new(probability(1)))];
    if outcome.calibrated {
        columns.push(("score".to_owned(), Box::new(|row: &Row| row.scores.get(1).copied())));
    }
    columns
}

/// The text of a form: `csv` or `ndjson`.
///
/// # Errors
/// `Failed` when a row cannot be written as JSON.
pub fn text(outcome: &Outcome, form: &str) -> Result<String> {
    match form {
        "csv" => Ok(csv(outcome)),
        _ => ndjson(outcome),
    }
}

fn csv(outcome: &Outcome) -> String {
    let columns = columns(outcome);
    let mut text = String::from("id,prediction");
    columns.iter().for_each(|(name, _)| text += &format!(",{}", quoted(name)));
    text.push('\n');
    for row in &outcome.rows {
        let _ = write!(text, "{},{}", quoted(&row.id), quoted(row.prediction.as_deref().unwrap_or_default()));
        for (_, number) in &columns {
            match number(row) {
                Some(number) => {
                    let _ = write!(text, ",{number:.6}");
                }
                None => text.push(','),
            }
        }
        text.push('\n');
    }
    text
}

fn ndjson(outcome: &Outcome) -> Result<String> {
    let columns = columns(outcome);
    let mut text = String::new();
    for row in &outcome.rows {
        let mut object = serde_json::Map::new();
        object.insert("id".into(), row.id.as_str().into());
        object.insert("prediction".into(), row.prediction.clone().into());
        for (name, number) in &columns {
            object.insert(name.clone(), number(row).into());
        }
        text += &serde_json::to_string(&object).context(|| "cannot write a row as JSON".into())?;
        text.push('\n');
    }
    Ok(text)
}

/// Writes a Parquet file.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn parquet(path: &Path, outcome: &Outcome) -> Result<()> {
    let ids: Vec<String> = outcome.rows.iter().map(|row| row.id.clone()).collect();
    let predictions: Vec<String> = outcome.rows.iter().map(|row| row.prediction.clone().unwrap_or_default()).collect();
    let names = columns(outcome);
    let numbers: Vec<Vec<Option<f64>>> =
        names.iter().map(|(_, number)| outcome.rows.iter().map(number).collect()).collect();
    let mut columns = vec![("id", Values::Text(&ids)), ("prediction", Values::Text(&predictions))];
    columns.extend(names.iter().zip(&numbers).map(|((name, _), values)| (name.as_str(), Values::Numbers(values))));
    let facts = [("mlops.model", outcome.model.to_string()), ("mlops.version", outcome.version.to_string())];
    parquet_file::write(path, &columns, &facts)
}
