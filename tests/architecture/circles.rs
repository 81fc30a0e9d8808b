//! Circles inside a room: files that import each other, directly or through other files of the same room.
//!
//! A path counts for the file that defines what it names: re-exports of a `mod.rs` (and private imports of a parent,
//! which its children may use) are followed to their end. A public re-export is no import of the `mod.rs` itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, is_name, places};

/// Rooms that have circles which are to go; an entry that no circle needs fails the test.
const ALLOWED: &[&str] = &[];

/// A name that a file brings into scope, with its path as it was written.
struct Import {
    name: String,
    path: Vec<String>,
    /// Whether it is a `pub use`, at any visibility.
    exported: bool,
}

/// A file with the module that it is.
struct Module<'a> {
    source: &'a Source,
    imports: Vec<Import>,
    /// The code without its `use` items.
    code: String,
}

/// The files by their module paths, such as `["drift", "psi"]`.
type Modules<'a> = BTreeMap<Vec<String>, Module<'a>>;

fn module_path(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    segments.pop_if(|last| last == "mod");
    segments
}

/// The paths of a `use` tree: `a::{b, c as d, e::{self, f}}`.
fn expand(prefix: &[String], tree: &str, found: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    let head = tree.find('{').map_or(tree, |brace| &tree[..brace]);
    let (head, alias) = head.split_once(" as ").map_or((head, None), |(head, alias)| (head, Some(alias.trim())));
    let mut path = prefix.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned));
    if let Some(group) = tree.find('{').map(|brace| &tree[brace + 1..tree.rfind('}').unwrap_or(tree.len())]) {
        let mut depth = 0_i32;
        let parts = group.split(|letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ',' && depth == 0
        });
        parts.filter(|part| !part.trim().is_empty()).for_each(|part| expand(&path, part, found));
        return;
    }
    path.pop_if(|last| last == "self");
    let name = alias.map_or_else(|| path.last().cloned().unwrap_or_default(), str::to_owned);
    found.push((path, name));
}

/// The imports of a file, and its code without them.
fn imports(code: &str) -> (Vec<Import>, String) {
    let (mut imports, mut rest, mut last) = (Vec::new(), String::new(), 0);
    for (_, after) in places(code, "use") {
        let Some(length) = code[after..].find(';').filter(|_| after > last) else { continue };
        let before = &code[last..after - "use".len()];
        let line = before.rsplit(['\n', ';', '}']).next().unwrap_or_default().trim();
        // `use<'a>` is no import.
        if code[after..].starts_with('<') {
            continue;
        }
        rest += before;
        let mut found = Vec::new();
        expand(&[], &code[after..after + length], &mut found);
        let exported = line.starts_with("pub");
        imports.extend(found.into_iter().map(|(path, name)| Import { name, path, exported }));
        last = after + length + 1;
    }
    rest += &code[last..];
    (imports, rest)
}

/// The paths of at least two segments that stand in code: `super::table::Row`, `psi::Psi`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let begin = rest[..at]
            .rfind(|letter| !is_name(letter))
            .map_or(0, |before| before + rest[before..].chars().next().map_or(1, char::len_utf8));
        let mut segments = vec![rest[begin..at].to_owned()];
        rest = &rest[at..];
        while let Some(after) = rest.strip_prefix("::") {
            let length = after.find(|letter| !is_name(letter)).unwrap_or(after.len());
            if length == 0 {
                rest = after;
                break;
            }
            segments.push(after[..length].to_owned());
            rest = &after[length..];
        }
        if !segments[0].is_empty() && segments.len() > 1 {
            found.push(segments);
        }
    }
    found
}

/// A path that a module has written, from the root of the crate; none for foreign crates.
fn absolute(modules: &Modules<'_>, from: &[String], path: &[String]) -> Option<Vec<String>> {
    match path.first().map(String::as_str)? {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([from, &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            Some([from.get(..from.len().checked_sub(ups)?)?, &path[ups..]].concat())
        }
        first => {
            let child = [from, &[first.to_owned()]].concat();
            modules.contains_key(&child).then(|| [from, path].concat())
        }
    }
}

/// The module that defines what a path names; `depth` bounds the re-exports that are followed.
fn definer(modules: &Modules<'_>, path: &[String], depth: usize) -> Option<Vec<String>> {
    let length = (1..=path.len()).take_while(|length| modules.contains_key(&path[..*length])).last()?;
    let (module, rest) = path.split_at(length);
    let Some(name) = rest.first() else { return Some(module.to_vec()) };
    let follow = |import: &Import, more: &[String]| {
        let target = absolute(modules, module, &import.path)?;
        definer(modules, &[target.as_slice(), more].concat(), depth.checked_sub(1)?)
    };
    match modules[module].imports.iter().find(|import| import.name == *name) {
        Some(import) => follow(import, &rest[1..]),
        None => Some(module.to_vec()),
    }
}

/// For each file of a room the other files of it that it imports.
fn edges<'a>(modules: &Modules<'a>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, module) in modules {
        let is_face = module.source.path.ends_with("mod.rs");
        let imported = module.imports.iter().filter(|import| !(is_face && import.exported)).map(|import| &import.path);
        let mut named: Vec<Vec<String>> = imported.filter_map(|path| absolute(modules, from, path)).collect();
        for path in paths(&module.code) {
            let alias = module.imports.iter().find(|import| import.name == path[0]);
            let whole = match alias {
                Some(import) => absolute(modules, from, &import.path).map(|target| [&target, &path[1..]].concat()),
                None => absolute(modules, from, &path),
            };
            named.extend(whole);
        }
        let targets = named.iter().filter_map(|path| definer(modules, path, 8));
        let inside = targets.filter(|to| to != from && to.first() == from.first());
        edges.entry(&module.source.path).or_default().extend(inside.map(|to| modules[&to].source.path.as_str()));
    }
    edges
}

/// All files that one imports, directly or through others.
fn reach<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        open.extend(edges.get(at).into_iter().flatten().filter(|next| seen.insert(**next)));
    }
    seen
}

/// The circles: files, each of which reaches all others of its circle, with the imports among them.
pub fn circles<'a>(house: &'a [Source]) -> Vec<String> {
    let module = |source: &'a Source| {
        let Source { path, shipped, .. } = source;
        let (imports, code) = imports(shipped);
        (module_path(path), Module { source, imports, code })
    };
    let modules: Modules<'_> = house.iter().map(module).collect();
    let edges = edges(&modules);
    let reached: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (*file, reach(&edges, file))).collect();
    let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            circles.insert(others.iter().filter(|other| reached[*other].contains(file)).copied().collect());
        }
    }
    let shown = |circle: &Vec<&str>| {
        let inside = circle.iter().map(|file| {
            let to: Vec<&str> = circle.iter().filter(|to| edges[file].contains(*to)).copied().collect();
            format!("{file} -> {}", to.join(" "))
        });
        format!("{} files: {}", circle.len(), inside.collect::<Vec<_>>().join("; "))
    };
    circles.iter().map(shown).collect()
}

fn room_of(circle: &str) -> &str {
    circle.split_once(": ").map_or(circle, |(_, files)| files.split(['/', '.']).next().unwrap_or_default())
}

/// The circles outside the rooms that may have some, and the rooms that are allowed circles and have none.
pub fn offenders(house: &[Source], allowed: &[&str]) -> Vec<String> {
    let all = circles(house);
    let free = allowed.iter().filter(|room| all.iter().all(|circle| room_of(circle) != **room));
    let free: Vec<String> =
        free.map(|room| format!("`{room}` has no circle any more: take it out of ALLOWED")).collect();
    all.into_iter().filter(|circle| !allowed.contains(&room_of(circle))).chain(free).collect()
}

#[test]
fn files_of_a_room_do_not_import_each_other() {
    super::holds("no circles inside a room", &offenders(&super::src(), ALLOWED));
}

#[test]
fn planted_circles_are_found() {
    let circles_of = |files: &[(&str, &str)]| {
        let files: Vec<(String, String)> = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        circles(&super::house(&files))
    };
    let face = ("drift/mod.rs", "mod a;\nmod b;\npub use a::{A, Other as Renamed};\npub(crate) use b::B;");
    // Through the re-exports of the face, through a path in code, through an alias, through a group, over three files.
    for (a, b) in [
        ("use super::B;", "use crate::drift::A;"),
        ("fn f() { super::b::g() }", "use super::a;\nfn g() { a::f() }"),
        ("use crate::{drift::{b::B as C, X}, error::Error};", "fn g() -> super::Renamed {}"),
        ("use super::*;\nfn f(b: super::B) {}", "fn f() { crate::drift::a::f() }"),
    ] {
        let found = circles_of(&[face, ("drift/a.rs", a), ("drift/b.rs", b)]);
        assert_eq!(found, ["2 files: drift/a.rs -> drift/b.rs; drift/b.rs -> drift/a.rs"], "{a} {b}");
    }
    let three = [("x/a.rs", "use super::b::B;"), ("x/b.rs", "use super::c::C;"), ("x/c.rs", "use super::a::A;")];
    assert_eq!(circles_of(&[&[("x/mod.rs", "mod a;\nmod b;\nmod c;")], three.as_slice()].concat()).len(), 1);
    // A constant of the face belongs to the face, which knows what stands in it; so does a file with a folder of its own.
    let catalog = ("drift/mod.rs", "mod a;\npub const ALL: &[&str] = &[a::NAME];");
    assert_eq!(circles_of(&[catalog, ("drift/a.rs", "fn f() { super::ALL; }")]).len(), 1);
    let parent = ("x/table.rs", "mod row;\nfn f() { row::g() }");
    assert_eq!(circles_of(&[("x/mod.rs", "mod table;"), parent, ("x/table/row.rs", "use super::f;")]).len(), 1);
    // One way is no circle; what tests import does not count; neither do other rooms, comments and foreign crates.
    for (a, b) in [
        ("use super::B;", "use std::fmt; // super::A"),
        ("use super::B;", "#[cfg(test)]\nmod tests { use super::super::a::A; }"),
        ("use super::b::f;\nfn a() -> impl use<'_> {}", "fn f() { a::g(); \"super::a::A\" }"),
        ("use super::B;", "use crate::models::a::A;"),
    ] {
        assert_eq!(circles_of(&[face, ("drift/a.rs", a), ("drift/b.rs", b)]), [""; 0], "{a} {b}");
    }
    let files = [("drift/mod.rs", "mod a;\nmod b;"), ("drift/a.rs", "use super::b;"), ("drift/b.rs", "use super::a;")];
    let files: Vec<(String, String)> = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
    let house = super::house(&files);
    assert_eq!(offenders(&house, &[]).len(), 1);
    assert_eq!(offenders(&house, &["drift"]), [""; 0]);
    assert_eq!(
        offenders(&house, &["drift", "tracking"]),
        ["`tracking` has no circle any more: take it out of ALLOWED"]
    );
}
