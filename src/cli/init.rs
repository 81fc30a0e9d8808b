//! `mlops init`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::door::Door;
use crate::answers;
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
    door.show("init", &outcome, || answers::project::new_project(&outcome, &args.dir))?;
    Ok(ExitCode::SUCCESS)
}
