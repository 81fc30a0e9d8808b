//! The rule for doors: a command asks a verb in `workflows/`. It opens neither the tracking database nor the registry's
//! folders, so that another door (an HTTP server) has the same verbs. Plain types of `tracking` may be drawn.

use super::{Source, holds, house, known_rooms, src, words};

/// Names and calls by which a store is opened.
const STORES: [&str; 6] =
    ["Tracker", "crate::tracking::Tracker", ".tracker()", ".tracker_for_reading()", ".reader()", ".locate("];
/// Who may ask the environment besides the host: arguments, the current folder, this program's path, colours.
pub const READERS: [&str; 5] = ["cli/door.rs", "cli/main.rs", "cli/schedule.rs", "cli/ui/style.rs", "host/"];
/// The file that may name the registry's `Layout`, because it finds the project's root.
const ROOT_FINDER: &str = "cli/door.rs";

fn stores(house: &[Source]) -> Vec<String> {
    let mut offenders = words(house, |source| &source.shipped, &STORES, &[]);
    for source in house.iter().filter(|source| source.path != ROOT_FINDER) {
        let registry = known_rooms(source).into_iter().filter(|(_, room)| room == "registry");
        offenders.extend(registry.map(|(line, room)| format!("{}:{line}: `crate::{room}`", source.path)));
    }
    offenders.retain(|offender| offender.starts_with("cli/"));
    offenders
}

#[test]
fn doors_open_no_store() {
    holds("`cli/` asks a verb in `workflows/`, never the tracking database or the registry", &stores(&src()));
}

#[test]
fn planted_stores_are_found() {
    let found = |path: &str, text: &str| stores(&house(&[(path.to_owned(), text.to_owned())])).len();
    for (path, text) in [
        ("cli/x.rs", "use crate::tracking::{Run, Tracker};"),
        ("cli/x.rs", "fn f(tracker: &crate::tracking::Tracker) {}"),
        ("cli/models/x.rs", "fn f() { session.project.reader()?.models() }"),
        ("cli/x.rs", "fn f() { project.tracker()?.run(id) }"),
        ("cli/x.rs", "fn f() { project.locate(selector, Prefer::Latest) }"),
        ("cli/x.rs", "use crate::registry::Selector;"),
    ] {
        assert_eq!(found(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("cli/x.rs", "use crate::tracking::{Run, Status}; // crate::tracking::Tracker"),
        ("cli/x.rs", "fn f() { print(\".tracker()\"); my_tracker(); }"),
        ("cli/door.rs", "use crate::registry::Layout;"),
        ("workflows/x.rs", "use crate::registry::Selector; fn f() { project.tracker()?.run(id) }"),
    ] {
        assert_eq!(found(path, text), 0, "{path}: {text}");
    }
}
