//! `docs/json.md` is complete: every field that a command prints with `--json` is on the page, with its kind of value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::TestProject;

/// The objects of the page by their headings: the type of each field, as the page writes it.
struct Page(BTreeMap<String, BTreeMap<String, String>>);

impl Page {
    fn read() -> Self {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut objects: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut heading = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("### ").or_else(|| line.strip_prefix("#### ")) {
                assert!(objects.insert(name.into(), BTreeMap::new()).is_none(), "`{name}` is there twice");
                heading = name.into();
            } else if let Some((names, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once("` | ")) {
                let kind = rest.split(" | ").next().unwrap();
                for name in names.split("`, `") {
                    objects.get_mut(&heading).unwrap().insert(name.into(), kind.into());
                }
            }
        }
        Self(objects)
    }

    /// The object that a type links to.
    fn linked(&self, kind: &str) -> Option<&str> {
        let anchor = kind.split_once("](#")?.1.split(')').next()?;
        let name = self.0.keys().find(|name| name.to_lowercase().replace(' ', "-") == anchor);
        Some(name.unwrap_or_else(|| panic!("`#{anchor}` is no heading")))
    }

    /// Adds what the page does not say of this value.
    fn check(&self, value: &Value, object: &str, path: &str, missing: &mut Vec<String>) {
        let fields = self.0.get(object).unwrap_or_else(|| panic!("`{object}` is no heading"));
        let Value::Object(map) = value else {
            missing.push(format!("{path} is no `{object}`"));
            return;
        };
        for (name, value) in map {
            let place = format!("{path}.{name}");
            match fields.get(name) {
                Some(kind) => self.check_kind(value, kind, &place, missing),
                None if ["command", "format_version"].contains(&name.as_str()) && !path.contains('.') => {}
                None => missing.push(format!("{place} (in `{object}`)")),
            }
        }
        for (name, kind) in fields.iter().filter(|(name, _)| !map.contains_key(*name)) {
            if !kind.contains("optional") {
                missing.push(format!("{path} has no `{name}`, which the page promises"));
            }
        }
    }

    fn check_kind(&self, value: &Value, kind: &str, path: &str, missing: &mut Vec<String>) {
        let fits = match value {
            Value::Null => kind.contains("null"),
            Value::Bool(_) => kind.starts_with("true or false"),
            Value::String(_) => kind.starts_with("text") || kind.starts_with("SHA-256"),
            Value::Number(number) => {
                kind.starts_with("number") || ((number.is_i64() || number.is_u64()) && is_whole(kind))
            }
            Value::Array(_) => kind.starts_with("list"),
            Value::Object(_) => kind.starts_with("map") || kind.starts_with('['),
        };
        if !fits {
            missing.push(format!("{path} is {value:.60}, and the page says `{kind}`"));
        }
        let Some(object) = self.linked(kind) else { return };
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.check(item, object, path, missing)),
            Value::Object(map) if kind.starts_with("map") => {
                map.values().for_each(|item| self.check(item, object, path, missing));
            }
            Value::Object(_) => self.check(value, object, path, missing),
            _ => {}
        }
    }
}

fn is_whole(kind: &str) -> bool {
    kind.starts_with("integer") || kind.starts_with("time in ms") || kind.contains("or integer")
}

/// Runs a command and gives what the page does not say of its document, which is `object` there.
fn gaps(project: &TestProject, object: &str, arguments: &[&str]) -> Vec<String> {
    let answer = project.run(&[&["--json"], arguments].concat());
    let document = answer.json();
    assert!(document.get("error").is_none() || object == "error", "{arguments:?}: {}", answer.stdout);
    let (page, mut missing) = (Page::read(), Vec::new());
    let value = if object == "error" { &document["error"] } else { &document };
    let path = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ").replace('.', "_");
    page.check(value, object, &path, &mut missing);
    missing
}

#[track_caller]
fn all_said(project: &TestProject, commands: &[(&str, &str)]) {
    let missing: Vec<String> = commands
        .iter()
        .flat_map(|(object, line)| gaps(project, object, &line.split(' ').collect::<Vec<_>>()))
        .collect();
    assert!(missing.is_empty(), "docs/json.md does not say of\n{}", missing.join("\n"));
}

#[test]
fn the_page_names_every_field_of_classification() {
    let project = TestProject::with_points();
    project.write("bad.yaml", "experiment: {nam: x}\n");
    project.write("channels.yaml", "- command: [sh, -c, 'cat > /dev/null']\n");
    let gate =
        "require: [{metric: f1, min: 0.5}]\nversus_production: {metric: f1, mode: non_inferiority, margin: 0.2}\n";
    project.write("gate.yaml", gate);
    all_said(
        &project,
        &[
            ("train", "train experiments/lr/config.yaml --promote"),
            ("train", "train experiments/lr/config.yaml --set model.params.C=0.01"),
            ("train", "train experiments/forest/config.yaml"),
            ("error", "train bad.yaml"),
            ("error", "runs show 00000000"),
            ("evaluate", "evaluate points --by split --gate"),
            ("evaluate", "evaluate points --data data/points.csv"),
            ("compare", "compare points/1 points/2 --why"),
            ("compare", "compare points/1 points/2 points/3 --baseline points/1 --metric accuracy"),
            ("promote", "promote --best f1 lr forest --dry-run"),
            ("promote", "promote points/2 --policy gate.yaml --force --reason x"),
            ("rollback", "rollback points"),
            ("predict", "predict points --input data/points.csv --log"),
            ("predict", "predict points --input data/points.csv --output answers.csv"),
            ("report", "report points"),
            ("report", "report lr --out lr.html"),
            ("export", "export points --benchmark --repetitions 3 --output served"),
            ("runs list", "runs list --commands"),
            ("runs show", "runs show @latest"),
            ("runs show", "runs best"),
            ("experiments list", "experiments list"),
            ("experiments show", "experiments show lr"),
            ("experiment", "experiments create more"),
            ("experiment", "experiments delete more"),
            ("models alias", "models alias points/1 champion"),
            ("models pin", "models pin points/2"),
            ("models list", "models"),
            ("models show", "models show points"),
            ("models show --at", "models show points --at 2100-01-01"),
            ("models history", "models history points"),
            ("models verify", "models verify points/1"),
            ("models archive", "models archive points/3"),
            ("gc", "gc --older-than 1d --keep-last 1 --dry-run"),
            ("models delete", "models delete points/3 --yes"),
            ("doctor", "doctor"),
            ("notify", "notify channels.yaml"),
            ("schedule print", "schedule print drift-check points --cron"),
            ("schema", "schema --list metrics"),
            ("drift-check", "drift-check points --current data/points.csv"),
            ("drift-check", "drift-check explain points --current data/points.csv"),
            ("drift summary", "drift-check summary points"),
            ("drift-check summary", "drift-check summary"),
            ("drift-check reset", "drift-check reset points"),
        ],
    );
}

#[test]
fn the_page_names_every_field_of_ranking() {
    let project = TestProject::with_rankings(&["lambdamart", "ranknet"]);
    all_said(
        &project,
        &[
            ("train", "train experiments/lambdamart/config.yaml --promote"),
            ("train", "train experiments/ranknet/config.yaml --set seeds=[1,2]"),
            ("evaluate", "evaluate ranker --letor-compat"),
            ("compare", "compare ranker/1 ranker/2 --why"),
            ("promote", "promote ranker/2"),
            ("predict", "predict ranker --input data/test.txt"),
            ("export", "export ranker --output served"),
        ],
    );
}

#[test]
fn the_page_names_every_field_of_texts_and_retrains() {
    let project = TestProject::with_reviews();
    let config = include_str!("../../experiments/reviews_hashing/config.yaml");
    project.write("experiments/reviews_hashing/config.yaml", config);
    let retrain = "name: monthly\ndata: {source: data/reviews.csv}\ncandidates: [experiments/reviews_lr/config.yaml]\n";
    project.write("retrain.yaml", retrain);
    let encoder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/tiny-bert-mean");
    let of_texts = "embed --input data/reviews.csv --text-column text";
    let audit = format!("{of_texts} --audit --model {encoder}");
    let embed = format!("{of_texts} --model {encoder} --dtype int8 --output vectors.parquet");
    all_said(
        &project,
        &[
            ("embed", &embed),
            ("embed --audit", &audit),
            ("embed", "embed experiments/reviews_hashing/config.yaml"),
            ("train", "train experiments/reviews_hashing/config.yaml"),
            ("recommend", "recommend reviews --items data/reviews.csv --query 9243080 --show text --top 2"),
            ("retrain", "retrain retrain.yaml --dry-run"),
            ("retrain", "retrain retrain.yaml"),
            ("retrain", "retrain retrain.yaml"),
        ],
    );
}

#[test]
fn the_page_names_every_field_of_runs_by_hand() {
    let project = TestProject::new();
    let run =
        project.run(&["--json", "runs", "create", "-e", "hand"]).ok().json()["run_id"].as_str().unwrap().to_owned();
    let line = |command: &str| command.replace("RUN", &run);
    let log = line("runs log RUN --metric loss=nan@1 --metric loss=0.5@2 --metric gain=nan --param a=1 --tag b=c");
    all_said(
        &project,
        &[
            ("runs create", &log),
            ("runs history", &line("runs history RUN loss")),
            ("runs list", "runs list"),
            ("runs create", &line("runs finish RUN")),
            ("runs delete", &line("runs delete RUN")),
            ("runs restore", &line("runs restore RUN")),
            ("init", "init elsewhere"),
        ],
    );
}

#[test]
fn the_page_names_every_field_of_an_impact() {
    let project = TestProject::with_points();
    for c in 1..=10 {
        project.run(&["train", "experiments/lr/config.yaml", "--quiet", "--set", &format!("model.params.C={c}")]).ok();
    }
    all_said(&project, &[("experiments impact", "experiments impact lr")]);
}
