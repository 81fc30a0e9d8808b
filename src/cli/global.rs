//! The arguments that every command takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Global {
    /// The project's root [default: found upward from here]
    #[arg(long, global = true, env = "MLOPS_ROOT", value_name = "DIR", help_heading = "Everywhere")]
    pub root: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Print results and errors only
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// Say more about what happens
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub verbose: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value = "auto", help_heading = "Everywhere")]
    pub color: Color,
    /// Threads to use [default: all cores]
    #[arg(long, global = true, env = "MLOPS_THREADS", value_name = "N", help_heading = "Everywhere")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Answer yes where a question would be asked
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub yes: bool,
}
