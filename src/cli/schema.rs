//! `mlops schema`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::door::Door;
use super::ui::print;
use crate::answers;
use crate::config::schema::{self, LISTS, list};
use crate::error::{Context, Result};

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mlops schema > experiments/config.schema.json\n  mlops schema --list metrics\n  mlops schema --config notify\n  mlops schema --retrain"
)]
pub struct Args {
    /// The kind of file
    #[arg(long, value_name = "KIND", value_parser = ["experiment", "notify"], default_value = "experiment")]
    #[arg(conflicts_with = "list")]
    config: String,
    /// What a key may name
    #[arg(long, value_name = "CATALOG", value_parser = LISTS)]
    list: Option<String>,
    /// The schema of a retrain config
    #[arg(long, conflicts_with_all = ["config", "list", "policy"])]
    retrain: bool,
    /// The schema of a policy file, for `promote --policy`
    #[arg(long, conflicts_with_all = ["config", "list"])]
    policy: bool,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let Some(catalog) = &args.list else {
        let schema = match args.config.as_str() {
            _ if args.retrain => schema::retrain_file(),
            _ if args.policy => schema::policy_file(),
            "notify" => schema::notify_file(),
            _ => schema::schema(),
        };
        let text = serde_json::to_string_pretty(&schema).context(|| "cannot write the schema".into())?;
        print(&(text + "\n"));
        return Ok(ExitCode::SUCCESS);
    };
    let entries = list(catalog)?;
    let document: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let params: serde_json::Map<String, Value> =
                entry.params.iter().map(|param| (param.name.to_owned(), param.schema.clone())).collect();
            json!({"name": entry.name, "about": entry.about, "params": params})
        })
        .collect();
    door.show("schema", &document, || answers::project::catalog(&entries))?;
    Ok(ExitCode::SUCCESS)
}
