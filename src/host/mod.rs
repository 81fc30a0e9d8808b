//! What a process knows and no verb may ask for itself: clock, randomness, user, environment variables, machine, and where
//! a project lies. A door (the command line, later a server) opens projects here, runs requests in them, and gets the
//! outcome together with the notes; arguments and drawing stay with the door.

mod clock;
mod environment;
mod machine;
mod process;
mod root;
#[cfg(test)]
mod tests;

pub use process::{Embedding, Host, Records, Request, use_threads};
pub use root::{current_folder, find_project};
