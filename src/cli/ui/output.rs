//! Writing to stdout.

use std::io::{ErrorKind, Write};

/// Prints text to stdout. A reader that has gone away (`| head`) ends the process quietly; any other refusal (a full
/// disk behind a redirection) ends it with 1.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(cause) => {
            let _ = writeln!(std::io::stderr().lock(), "error: cannot write to stdout\n  because: {cause}");
            std::process::exit(1);
        }
    }
}
