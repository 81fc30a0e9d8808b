//! `mlops init`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::{Door, shown};
use super::ui::style::bold;
use crate::error::Result;
use crate::workflows;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder [default: this one]
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let outcome = door.work_at(&args.dir, workflows::init::init)?;
    door.answer("init", &outcome, || {
        let mut text = String::new();
        outcome.written.iter().for_each(|name| text += &format!("wrote {name}\n"));
        outcome.kept.iter().for_each(|name| text += &format!("kept  {name} (it was there already)\n"));
        let go = if args.dir.as_os_str() == "." { String::new() } else { format!("cd {} && ", shown(&args.dir)) };
        text + &format!("\nnext: {}\n", bold(&format!("{go}mlops train experiments/reviews_lr/config.yaml --promote")))
    })?;
    Ok(ExitCode::SUCCESS)
}
