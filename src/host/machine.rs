//! What this process runs on and for whom: randomness, user, process, git, machine.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::clock::{Clock, machine_ms};
use crate::project::Surroundings;
use crate::tracking::Process;

fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    match std::fs::File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut bytes)) {
        Ok(()) => u128::from_le_bytes(bytes),
        // Without the device, time and process still make an id that no other run of this machine has.
        Err(_) => (u128::from(machine_ms().unsigned_abs()) << 64) | u128::from(std::process::id()),
    }
}

/// The name of this process's user, where the environment does not say it (cron, containers).
fn user() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = table.lines().find(|line| line.split(':').nth(2) == Some(id.as_str()));
    Some(line.and_then(|line| line.split(':').next()).map_or(format!("uid {id}"), str::to_owned))
}

/// The boot of the machine and the PID namespace: within both, a process number means one process.
fn boot_id() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{}/{}", boot.trim(), crate::fs::namespace())
}

/// When a process began, in clock ticks since the boot.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in brackets and may hold anything; field 22 is the 20th after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// A process of another container on this machine cannot be seen from here: it counts as alive.
fn is_alive(process: &Process) -> bool {
    let ours = boot_id();
    let boot = |id: &str| id.split('/').next().unwrap_or_default().to_owned();
    if boot(&process.boot_id) != boot(&ours) {
        return false;
    }
    process.boot_id != ours || started(process.pid) == Some(process.started)
}

/// The commit and whether tracked files differ from it, asked in the background: git takes longer than a small fit.
fn git(root: &Path) -> impl FnOnce() -> BTreeMap<String, String> + use<> {
    let ask = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        command.spawn()
    };
    let commit = ask(&["rev-parse", "HEAD"]);
    let status = ask(&["status", "--porcelain", "--untracked-files=no"]);
    move || {
        let mut facts = BTreeMap::new();
        let output = |child: std::io::Result<std::process::Child>| {
            let output = child.ok()?.wait_with_output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        if let Some(commit) = output(commit) {
            facts.insert("git_commit".to_owned(), commit);
            facts.insert("git_dirty".to_owned(), output(status).is_some_and(|text| !text.is_empty()).to_string());
        } else {
            output(status);
        }
        facts
    }
}

fn machine() -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut fact = |key: &str, value: String| facts.insert(key.to_owned(), value);
    fact("mlops_version", env!("CARGO_PKG_VERSION").to_owned());
    fact("os", std::env::consts::OS.to_owned());
    fact("arch", std::env::consts::ARCH.to_owned());
    fact("threads", rayon::current_num_threads().to_string());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    fact("cores", cores.to_string());
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        fact("host", name.trim().to_owned());
    }
    if let Ok(kernel) = std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        fact("kernel", kernel.trim().to_owned());
    }
    let command: Vec<String> = std::env::args().collect();
    fact("command_line", command.join(" "));
    facts
}

/// The surroundings of this process; `recording` says whether runs will be recorded, so that git is asked in time.
pub fn surroundings(root: &Path, recording: bool, clock: Clock) -> Surroundings {
    let named = |name: &&str| std::env::var(name).ok().filter(|name| !name.is_empty());
    let actor = ["USER", "LOGNAME"].iter().find_map(named);
    let pid = std::process::id();
    let waiting = Mutex::new(recording.then(|| git(root)));
    let known: Mutex<BTreeMap<String, String>> = Mutex::default();
    Surroundings {
        now_ms: Box::new(move || clock.now_ms()),
        random_bits,
        actor: actor.or_else(user).unwrap_or_else(|| "unknown".into()),
        process: Process { pid, boot_id: boot_id(), started: started(pid).unwrap_or_default() },
        is_alive,
        environment: Box::new(move || {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
                known.extend(answer());
            }
            known.clone().into_iter().chain(machine()).collect()
        }),
        variable: |name| std::env::var(name).ok(),
    }
}
