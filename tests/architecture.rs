//! The floor plan, held by code: who may know whom, where each foreign crate lives, and what no room may do.
//!
//! Each rule is one test that names every offender. A small lexer blanks comments, strings and character literals, so
//! that a rule sees code only; `the_scanner_sees_what_it_must` plants offenders and checks that each rule finds them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/doors.rs"]
mod doors;
#[path = "architecture/homes.rs"]
mod homes;

use homes::{FREE, HOMES};

/// The floors from top to bottom. A room knows the floors below its own; of its own floor, only what `SIBLINGS` says.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["host"],
    &["answers"],
    &["workflows"],
    &["tasks"],
    &["notify", "report", "schedule"],
    &["runs"],
    &["bundle", "config", "project"],
    &["comparison", "drift", "impact", "models"],
    &["features", "metrics", "tracking"],
    &["data", "embeddings", "registry", "retrieval", "secrets", "timezone"],
    &["cancellation", "catalog", "names", "fs", "kernels", "mounts", "once", "onnx", "tensors", "text", "stats"],
    &["counted", "error"],
];

/// Rooms of one floor that know each other: tensors are files, and files are written whole or not at all.
const SIBLINGS: &[(&str, &str)] = &[("tensors", "fs")];

/// The longest file, in lines.
const LONGEST: usize = 600;

struct Source {
    /// The path below its root, such as `data/sources/csv.rs`.
    path: String,
    /// The same with comments, strings and characters blanked.
    code: String,
    /// The same without `#[cfg(test)]` items.
    shipped: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = blanked(text);
        Self { path: path.to_owned(), shipped: without_tests(&code).0, code }
    }

    /// The room: the first folder, or the file's own name.
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn is_in(&self, homes: &[&str]) -> bool {
        homes.iter().any(|home| if home.ends_with('/') { self.path.starts_with(home) } else { self.path == *home })
    }
}

fn collect(root: &Path, below: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort();
    found
}

/// All of `src/`; files that only `#[cfg(test)] mod x;` brings in ship no code.
fn house(files: &[(String, String)]) -> Vec<Source> {
    let mut sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    let test_only: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let folder = source.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            without_tests(&source.code).1.into_iter().map(move |module| format!("{folder}{module}.rs"))
        })
        .collect();
    for source in &mut sources {
        if test_only.contains(&source.path) {
            source.shipped.clear();
        }
    }
    sources
}

fn src() -> Vec<Source> {
    house(&files("src"))
}

/// Blanks comments, string and character literals; line breaks stay where they are.
fn blanked(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |from: usize, to: usize| -> String {
        letters[from..to].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }).collect()
    };
    while at < letters.len() {
        let rest = |offset: usize| letters.get(at + offset).copied().unwrap_or('\0');
        let previous = if at == 0 { '\0' } else { letters[at - 1] };
        let mut end = at;
        if rest(0) == '/' && rest(1) == '/' {
            while end < letters.len() && letters[end] != '\n' {
                end += 1;
            }
        } else if rest(0) == '/' && rest(1) == '*' {
            end = (at + 2..letters.len())
                .find(|end| letters[end - 1] == '*' && letters[*end] == '/')
                .map_or(letters.len(), |end| end + 1);
        } else if rest(0) == 'r' && (rest(1) == '"' || rest(1) == '#') && !is_name(previous) {
            let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
            if rest(1 + hashes) == '"' {
                let close: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                end = at + 2 + hashes;
                while end < letters.len() && letters[end..].iter().take(close.len()).collect::<String>() != close {
                    end += 1;
                }
                end = (end + close.len()).min(letters.len());
            }
        } else if rest(0) == '"' {
            end += 1;
            while end < letters.len() && letters[end] != '"' {
                end += if letters[end] == '\\' { 2 } else { 1 };
            }
            end = (end + 1).min(letters.len());
        } else if rest(0) == '\'' && (rest(1) == '\\' || rest(2) == '\'') {
            end += if rest(1) == '\\' { 3 } else { 2 };
            while end < letters.len() && letters[end] != '\'' {
                end += 1;
            }
            end += 1;
        }
        if end > at {
            code += &blank(at, end);
            at = end;
        } else {
            code.push(letters[at]);
            at += 1;
        }
    }
    code
}

/// Takes out the items after `#[cfg(test)]`; gives the names of the modules that are files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut kept, mut modules, mut rest) = (String::new(), Vec::new(), code);
    while let Some((before, after)) = rest.split_once(MARK) {
        kept += before;
        let end = after.find(['{', ';']).unwrap_or(after.len());
        let head = &after[..end];
        if after[end..].starts_with('{') {
            let mut depth = 0_i32;
            let close = after[end..].char_indices().find(|(_, letter)| {
                depth += i32::from(*letter == '{') - i32::from(*letter == '}');
                depth == 0
            });
            let close = close.map_or(after.len(), |(close, _)| end + close + 1);
            kept += &"\n".repeat(after[..close].matches('\n').count());
            rest = &after[close..];
        } else {
            modules.extend(head.split_whitespace().skip_while(|word| *word != "mod").nth(1).map(str::to_owned));
            kept += &"\n".repeat(head.matches('\n').count());
            rest = after[end..].trim_start_matches(';');
        }
    }
    (kept + rest, modules)
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The places where `word` stands in `code`, not as part of a longer name or path: (line, byte offset after the word).
fn places(code: &str, word: &str) -> Vec<(usize, usize)> {
    let whole = |at: usize| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let begins = !is_name(word.chars().next().unwrap()) || !(is_name(before) || before == ':');
        let after = code[at + word.len()..].chars().next().unwrap_or(' ');
        begins && (!is_name(word.chars().next_back().unwrap()) || !is_name(after))
    };
    let found = code.match_indices(word).map(|(at, _)| at).filter(|at| whole(*at));
    found.map(|at| (code[..at].matches('\n').count() + 1, at + word.len())).collect()
}

/// The rooms that a file names as `crate::room` or inside `crate::{…}`, with the line.
fn known_rooms(source: &Source) -> Vec<(usize, String)> {
    let mut rooms = Vec::new();
    for root in ["crate::", "mlops::"] {
        for (line, after) in places(&source.code, root) {
            let rest = &source.code[after..];
            if let Some(group) = rest.strip_prefix('{') {
                let mut depth = 0;
                let mut item = String::new();
                for letter in group.chars() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => rooms.push((line, std::mem::take(&mut item))),
                        letter if depth == 0 => item.push(letter),
                        _ => {}
                    }
                }
                rooms.push((line, item));
            } else {
                rooms.push((line, rest.to_owned()));
            }
        }
    }
    let first = |text: &str| text.trim_start().chars().take_while(|letter| is_name(*letter)).collect::<String>();
    rooms.into_iter().map(|(line, text)| (line, first(&text))).filter(|(_, room)| !room.is_empty()).collect()
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

fn imports(house: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in house.iter().filter(|source| source.path != "lib.rs") {
        let from = source.room();
        for (line, to) in known_rooms(source).into_iter().filter(|(_, to)| to != from) {
            let place = format!("{}:{line}", source.path);
            match (floor_of(from), floor_of(&to)) {
                (None, _) => offenders.push(format!("{place}: `{from}` stands on no floor")),
                (_, None) => offenders.push(format!("{place}: `{to}` stands on no floor")),
                (Some(above), Some(below)) if above > below => {
                    offenders.push(format!("{place}: `{from}` looks up to `{to}`"));
                }
                (Some(one), Some(other)) if one == other && !SIBLINGS.contains(&(from, &to)) => {
                    offenders.push(format!("{place}: `{from}` knows its sibling `{to}`"));
                }
                _ => {}
            }
        }
    }
    offenders
}

/// `super::super::…` that leads out of a room would be an import that the rule above does not see.
fn escapes(house: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in house {
        let face = source.path.ends_with("mod.rs");
        let depth = source.path.split('/').count() - usize::from(face);
        let way_out = "super::".repeat(depth);
        // A module inside the file goes one up to reach the file itself, so only shipped code is looked at.
        let found = places(&source.shipped, &way_out).into_iter();
        offenders.extend(found.map(|(line, _)| format!("{}:{line}: `{way_out}` leaves the room", source.path)));
    }
    offenders
}

fn homes(house: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for (foreign, homes) in HOMES {
        for source in house.iter().filter(|source| !source.is_in(homes)) {
            let named = places(&source.code, &format!("{foreign}::"));
            offenders.extend(
                named.iter().map(|(line, _)| format!("{}:{line}: `{foreign}` lives in {homes:?}", source.path)),
            );
        }
    }
    offenders
}

/// Words that stand in code outside the given homes.
fn words(house: &[Source], part: fn(&Source) -> &str, words: &[&str], homes: &[&str]) -> Vec<String> {
    let outside = house.iter().filter(|source| !source.is_in(homes));
    let found = outside.flat_map(|source| {
        let one = move |word: &&str| {
            let word = (*word).to_owned();
            let lines = places(part(source), &word).into_iter();
            lines.map(move |(line, _)| format!("{}:{line}: `{word}`", source.path)).collect::<Vec<_>>()
        };
        words.iter().flat_map(one).collect::<Vec<_>>()
    });
    found.collect()
}

fn prints(house: &[Source]) -> Vec<String> {
    words(house, |source| &source.code, &["println!", "eprintln!", "print!", "eprint!", "dbg!"], &[])
}

fn environment(house: &[Source]) -> Vec<String> {
    words(house, |source| &source.shipped, &["std::env", "env::var", "env::args"], &doors::READERS)
}

fn clock(house: &[Source]) -> Vec<String> {
    words(house, |source| &source.code, &["SystemTime", "Timestamp::now", "Zoned::now"], &["host/"])
}

fn panics(house: &[Source]) -> Vec<String> {
    words(house, |source| &source.shipped, &[".unwrap()", ".unwrap_err()", "panic!", "todo!", "unimplemented!"], &[])
}

fn allows(house: &[Source]) -> Vec<String> {
    words(house, |source| &source.code, &["#[allow", "#![allow"], &[])
}

fn long_files(files: &[(String, String)]) -> Vec<String> {
    let lines = files.iter().map(|(path, text)| (path, text.lines().count()));
    lines.filter(|(_, lines)| *lines > LONGEST).map(|(path, lines)| format!("{path}: {lines} lines")).collect()
}

fn vague_names(house: &[Source]) -> Vec<String> {
    const VAGUE: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "core", "manager", "base"];
    let vague = |path: &str| path.trim_end_matches(".rs").split('/').any(|part| VAGUE.contains(&part));
    house.iter().filter(|source| vague(&source.path)).map(|source| source.path.clone()).collect()
}

fn without_a_head(files: &[(String, String)]) -> Vec<String> {
    files.iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path.clone()).collect()
}

/// The face of a wing: modules, re-exports, a catalog; no logic.
fn faces(house: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for face in house.iter().filter(|source| source.path.ends_with("mod.rs")) {
        let (mut depth, mut items) = (0, vec![String::new()]);
        for letter in face.code.chars() {
            depth += i32::from("{[(".contains(letter)) - i32::from("}])".contains(letter));
            if letter == ';' && depth == 0 { items.push(String::new()) } else { items.last_mut().unwrap().push(letter) }
        }
        for item in items.iter().map(|item| item.trim()) {
            // Which modules there are may depend on the target: `#[cfg(…)] mod x;`.
            let item = if item.starts_with("#[cfg(") { item.split_once(']').unwrap().1.trim_start() } else { item };
            let shared = item.starts_with("pub(").then(|| item.split_once(')').unwrap().1.trim_start());
            let head = shared.unwrap_or(item.trim_start_matches("pub "));
            if !item.is_empty() && !["mod ", "use ", "const "].iter().any(|known| head.starts_with(known)) {
                offenders.push(format!("{}: {}", face.path, item.lines().next().unwrap_or_default()));
            }
        }
        for word in ["fn", "impl"] {
            let found = places(&face.code, word).into_iter();
            offenders.extend(found.map(|(line, _)| format!("{}:{line}: `{word}`", face.path)));
        }
    }
    offenders
}

/// Every dependency of Cargo.toml is free or has a home: a new crate gets one when it moves in.
fn homeless(manifest: &str) -> Vec<String> {
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    let names = names.map(|line| line.split([' ', '=']).next().unwrap().replace('-', "_"));
    names.filter(|name| !FREE.contains(&name.as_str()) && !HOMES.iter().any(|(known, _)| known == name)).collect()
}

fn holds(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn imports_look_down() {
    holds("imports look down, and rooms of one floor do not know each other", &imports(&src()));
}

#[test]
fn no_path_leaves_its_room_by_super() {
    holds("another room is named as `crate::room`", &escapes(&src()));
}

#[test]
fn foreign_crates_stay_at_home() {
    holds("each foreign crate has its home", &homes(&src()));
}

#[test]
fn every_dependency_has_a_home() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nclap = "), "the manifest is read");
    holds("every dependency is free or has a home in this file", &homeless(&manifest));
}

#[test]
fn nothing_prints_by_macro() {
    holds("only `cli/ui` prints, and it writes to locked streams", &prints(&src()));
}

#[test]
fn the_environment_is_read_by_the_host() {
    holds("no `std::env` but in `host/` and at the door", &environment(&src()));
}

#[test]
fn the_clock_is_read_by_the_host() {
    holds("no clock but in `host/`: time comes from `Project`", &clock(&src()));
}

#[test]
fn shipped_code_does_not_panic_by_habit() {
    holds("no unwrap, panic, todo, unimplemented outside tests", &panics(&src()));
}

#[test]
fn lints_are_expected_not_allowed() {
    holds("`#[expect(…, reason = …)]`, never `#[allow]`", &allows(&src()));
}

#[test]
fn no_file_is_too_long() {
    let all = [files("src"), files("tests")].concat();
    holds("no file is longer than 600 lines", &long_files(&all));
}

#[test]
fn no_room_has_a_vague_name() {
    holds("a name says what is inside", &vague_names(&src()));
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = [files("src"), files("tests")].concat();
    holds("every file begins with `//! `", &without_a_head(&all));
}

#[test]
fn faces_hold_no_logic() {
    holds("mod.rs holds modules, re-exports and a catalog", &faces(&src()));
}

#[test]
fn every_module_of_the_crate_stands_on_a_floor() {
    let house = src();
    let lib = house.iter().find(|source| source.path == "lib.rs").unwrap();
    let declared: BTreeSet<&str> =
        lib.code.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut planned: BTreeSet<&str> = FLOORS.concat().into_iter().collect();
    planned.remove("main");
    assert_eq!(declared, planned);
    assert_eq!(FLOORS.concat().len(), planned.len() + 1, "no room stands on two floors");
}

#[test]
fn the_scanner_sees_what_it_must() {
    let house = src();
    assert!(house.len() >= 120, "only {} files were seen", house.len());
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in &house {
        edges.entry(source.room()).or_default().extend(known_rooms(source).into_iter().map(|(_, room)| room));
    }
    for (from, to) in [
        ("main", "cli"),
        ("cli", "host"),
        ("cli", "workflows"),
        ("host", "workflows"),
        ("workflows", "bundle"),
        ("config", "models"),
        ("models", "data"),
        ("features", "embeddings"),
        ("metrics", "stats"),
        ("data", "error"),
    ] {
        assert!(edges[from].contains(to), "the edge {from} -> {to} is not seen: {:?}", edges[from]);
    }
    let foreign = |name: &str| house.iter().any(|source| !places(&source.code, &format!("{name}::")).is_empty());
    assert_eq!(
        HOMES.iter().map(|(name, _)| *name).filter(|name| !foreign(name)).collect::<Vec<_>>(),
        [""; 0],
        "unseen crates"
    );
}

#[test]
fn planted_offenders_are_found() {
    type Rule = fn(&[Source]) -> Vec<String>;
    let plant = |path: &str, text: &str| house(&[(path.to_owned(), text.to_owned())]);
    let found: [(Rule, &str, &str); 19] = [
        (imports, "data/x.rs", "use crate::models::Family;"),
        (imports, "metrics/x.rs", "use crate::{error::Error, features::Chain};"),
        (imports, "config/x.rs", "fn f() -> crate::project::Project {}"),
        (imports, "novel.rs", "use crate::error::Error;"),
        (escapes, "bundle.rs", "use super::cli::main;"),
        (escapes, "data/x.rs", "use super::super::cli::main;"),
        (homes, "models/x.rs", "fn f() { rusqlite::Connection::open(a) }"),
        (homes, "cli/train.rs", "use indicatif::ProgressBar;"),
        (prints, "cli/x.rs", "fn f() { println!(\"a\") }"),
        (environment, "project.rs", "fn f() { std::env::var(a); }"),
        (environment, "cli/train.rs", "fn f() { std::env::var(a); }"),
        (clock, "workflows/x.rs", "use std::time::{Duration, SystemTime};"),
        (panics, "data/x.rs", "fn f() { a.unwrap(); }\n#[cfg(test)]\nmod tests { fn g() {} }"),
        (panics, "data/x.rs", "#[cfg(test)]\nmod tests { fn g() { '{' } }\nfn f() { panic!() }"),
        (allows, "data/x.rs", "#[allow(dead_code)]"),
        (vague_names, "data/utils.rs", ""),
        (vague_names, "core/x.rs", ""),
        (faces, "data/mod.rs", "pub mod x;\n\npub fn f() {}\n"),
        (faces, "data/mod.rs", "//! Face.\nimpl A {}\n"),
    ];
    for (rule, path, text) in found {
        assert_eq!(rule(&plant(path, text)).len().min(1), 1, "{path}: {text}");
    }
    let clean: [(Rule, &str, &str); 8] = [
        (imports, "models/x.rs", "use crate::data::Features; // crate::cli"),
        (imports, "tensors.rs", "use crate::fs::write_atomic;"),
        (escapes, "data/sources/x.rs", "use super::super::Table;"),
        (homes, "data/x.rs", "use super::sources::sqlite; // rusqlite::Connection"),
        (prints, "cli/x.rs", "fn f() { print(\"println!\"); let a = 'p'; sprint!() }"),
        (
            panics,
            "data/x.rs",
            "fn f<'a>() { \"panic! \\\" .unwrap()\" }\n#[cfg(test)]\nmod tests { fn g() { a.unwrap() } }",
        ),
        (panics, "data/x.rs", "const A: &str = r#\"panic!(\"a\")\"#; /* todo! */"),
        (
            faces,
            "data/mod.rs",
            "mod x;\n\npub use x::{\n    A, B,\n};\n\n/// All.\npub const ALL: &[&dyn A] =\n    &[&x::A, &x::B];\n",
        ),
    ];
    for (rule, path, text) in clean {
        assert_eq!(rule(&plant(path, text)), [""; 0], "{path}: {text}");
    }
    assert_eq!(
        long_files(&[("a.rs".into(), "x\n".repeat(601)), ("b.rs".into(), "x\n".repeat(600))]),
        ["a.rs: 601 lines"]
    );
    assert_eq!(without_a_head(&[("a.rs".into(), "use x;".into())]), ["a.rs"]);
    assert_eq!(homeless("[dependencies]\nserde = 1\nnew-crate = \"1\"\n[dev-dependencies]\nx = 1"), ["new_crate"]);
    let test_only = house(&[
        ("data/mod.rs".into(), "#[cfg(test)]\npub(crate) mod samples;\nmod rows;".into()),
        ("data/samples.rs".into(), "fn f() { a.unwrap() }".into()),
        ("data/rows.rs".into(), "fn f() { a.unwrap() }".into()),
    ]);
    assert_eq!(panics(&test_only), ["data/rows.rs:1: `.unwrap()`"]);
}
