//! What the environment variables of this process say.
//!
//! | variable | what it says |
//! |---|---|
//! | `MLOPS_NOW` | where the clock of a rehearsal stands |
//! | `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME` | where the local Hugging Face cache lies |
//! | `HF_ENDPOINT` | another hub than Hugging Face's |
//! | `HF_HUB_OFFLINE` | nothing is downloaded |
//! | `MLOPS_CRASH_AT` | for the tests: where this process aborts, see `crash_point` |

use std::path::PathBuf;

/// A variable that is set to something.
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The local Hugging Face cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`.
pub fn hub_cache() -> Option<PathBuf> {
    path("HF_HUB_CACHE")
        .or_else(|| path("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/huggingface/hub")))
}

/// Whether the Hugging Face libraries' own switch forbids downloads.
pub fn is_offline() -> bool {
    text("HF_HUB_OFFLINE").is_some_and(|value| !matches!(value.as_str(), "0" | "false"))
}

/// The crash point that the tests have asked this process for.
pub fn crash_point() -> Option<String> {
    armed(&text("MLOPS_CRASH_AT")?, std::os::unix::process::parent_id())
}

/// The point of `POINT@PID` when PID is that of the process that has started this one. A variable that was left in a
/// shell, a container or a service file does not name the parent, so that only whoever starts a process can make it abort.
fn armed(value: &str, parent: u32) -> Option<String> {
    let (point, pid) = value.rsplit_once('@')?;
    (pid.parse() == Ok(parent)).then(|| point.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_starts_this_one_arms_a_crash_point() {
        assert_eq!(armed("promote.after_rows@71", 71).as_deref(), Some("promote.after_rows"));
        for other in ["promote.after_rows@72", "promote.after_rows", "promote.after_rows@", "@", ""] {
            assert_eq!(armed(other, 71), None, "{other}");
        }
    }
}
