//! `mlops completions` and `mlops man`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::ui::print;
use crate::error::{Context, Result};
use crate::fs::{create_dir, write_atomic};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mlops completions bash > /etc/bash_completion.d/mlops\n  mlops completions zsh > ~/.zfunc/_mlops"
)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write one page a command into this folder [default: the main page to stdout]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args, mut program: clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "mlops", &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).context(|| "cannot write the manual page".into())?;
    Ok(page)
}

pub fn man(args: &ManArgs, mut program: clap::Command) -> Result<ExitCode> {
    program.build();
    let Some(folder) = &args.dir else {
        print(&String::from_utf8_lossy(&page(program)?));
        return Ok(ExitCode::SUCCESS);
    };
    create_dir(folder)?;
    let mut open = vec![("mlops".to_owned(), program)];
    while let Some((name, command)) = open.pop() {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            open.push((format!("{name}-{}", inner.get_name()), inner.clone()));
        }
        write_atomic(&folder.join(format!("{name}.1")), &page(command)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
