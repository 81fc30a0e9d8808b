//! Writing to stdout.

use std::io::Write;

/// Prints text to stdout. A reader that has gone away (`| head`) ends the process quietly.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}
