//! The arguments of every command that reads a text file of rows.

use crate::data::reading::{Reading, Written};
use crate::error::Result;

/// How text files are read.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Reading text files")]
pub struct ReadingArgs {
    /// The encoding: utf-8, cp949, euc-kr, latin1, … [default: utf-8]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// What separates fields: one character, or `tab` [default: by the file's ending]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// Whether a quote encloses a field: none, minimal [default: minimal for CSV, none for TSV]
    #[arg(long, value_name = "STYLE", value_parser = ["none", "minimal"])]
    quoting: Option<String>,
    /// What stands before decimals: `.` or `,` [default: .]
    #[arg(long, value_name = "CHARACTER")]
    decimal: Option<String>,
    /// What stands between groups of three digits: one character, or `space`
    #[arg(long, value_name = "CHARACTER")]
    thousands: Option<String>,
}

impl ReadingArgs {
    /// The options, checked.
    ///
    /// # Errors
    /// `Invalid` when one is not known.
    pub fn reading(&self) -> Result<Reading> {
        let written = Written {
            encoding: self.encoding.as_deref(),
            delimiter: self.delimiter.as_deref(),
            quoting: self.quoting.as_deref(),
            decimal: self.decimal.as_deref(),
            thousands: self.thousands.as_deref(),
        };
        written.reading()
    }
}
