//! The binary: parse, run, print the error, exit code.

fn main() -> std::process::ExitCode {
    mlops::cli::main()
}
