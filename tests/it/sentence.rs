//! Sentence encoders through the command line: parity with sentence-transformers, cache, outputs, and bad folders.

use std::path::{Path, PathBuf};

use mlops::data::npy_file;
use ndarray::Array2;
use serde_json::{Value, json};

use super::support::{Parquet, TestProject};

/// The five small folders and what sentence-transformers gives for 32 texts; `golden.json` names the versions.
fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(models().join("golden.json")).unwrap()).unwrap()
}

fn model(name: &str) -> String {
    models().join(name).display().to_string()
}

/// A project with the 32 golden texts as NDJSON, which keeps blanks, controls and line breaks as they are.
fn project() -> TestProject {
    let project = TestProject::new();
    let golden = golden();
    let texts = golden["texts"].as_array().unwrap().iter().enumerate();
    let lines: String = texts.map(|(row, text)| format!("{}\n", json!({"id": row + 1, "text": text}))).collect();
    project.write("data/texts.ndjson", lines);
    project
}

const TEXTS: [&str; 8] =
    ["embed", "--input", "data/texts.ndjson", "--text-column", "text", "--id-column", "id", "--no-normalize-unicode"];

fn embed(project: &TestProject, more: &[&str]) -> Value {
    let answer = project.run(&[&["--json"], &TEXTS[..], more].concat()).ok();
    answer.json()
}

fn vectors(project: &TestProject, name: &str) -> Array2<f32> {
    npy_file::read(&project.path(name)).unwrap()
}

fn largest_difference(ours: &Array2<f32>, expected: &Value) -> f64 {
    let expected = expected.as_array().unwrap();
    assert_eq!(ours.nrows(), expected.len());
    let rows = ours.outer_iter().zip(expected);
    let differences = rows.flat_map(|(ours, expected)| {
        let expected = expected.as_array().unwrap().clone();
        assert_eq!(ours.len(), expected.len());
        let ours = ours.to_vec();
        ours.into_iter().zip(expected).map(|(ours, expected)| (f64::from(ours) - expected.as_f64().unwrap()).abs())
    });
    differences.fold(0.0, f64::max)
}

#[test]
fn every_folder_gives_the_vectors_of_sentence_transformers() {
    let (project, golden) = (project(), golden());
    for (name, expected) in golden["models"].as_object().unwrap() {
        let answer = embed(&project, &["--model", &model(name), "--output", "v.npy", "--no-cache"]);
        assert_eq!((&answer["rows"], &answer["dimensions"]), (&json!(32), &expected["dimensions"]));
        let difference = largest_difference(&vectors(&project, "v.npy"), &expected["embeddings"]);
        assert!(difference < 1e-5, "{name}: {difference}");
        // What is too long is told, not hidden.
        assert_eq!(answer["truncation"]["max_length"], expected["max_seq_length"], "{answer}");
        assert!(answer["truncation"]["truncated"].as_u64().unwrap() >= 1);
    }
}

/// More folders, made by `tests/fixtures/embeddings/make_golden.py`, which names the versions.
#[test]
fn every_variant_of_the_format_gives_the_vectors_of_sentence_transformers() {
    let project = project();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embeddings");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("golden.json")).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 18);
    for case in cases {
        let name = case["folder"].as_str().unwrap();
        let model = folder.join(name).display().to_string();
        let prompt = case["prompt_name"].as_str().map_or(Vec::new(), |prompt| vec!["--prompt-name", prompt]);
        let wanted = ["--model", &model, "--output", "v.npy", "--no-cache"];
        embed(&project, &[&wanted[..], &prompt].concat());
        let difference = largest_difference(&vectors(&project, "v.npy"), &case["vectors"]);
        assert!(difference < 1e-5, "{name} {prompt:?}: {difference}");
    }
}

#[test]
fn one_text_alone_and_in_any_company_has_the_same_vector() {
    let project = project();
    for name in ["tiny-bert-mean", "tiny-roberta-mean"] {
        embed(&project, &["--model", &model(name), "--output", "all.npy", "--no-cache", "--threads", "2"]);
        let all = vectors(&project, "all.npy");
        for row in [0, 7, 20] {
            let text = project.read("data/texts.ndjson").lines().nth(row).unwrap().to_owned();
            project.write("data/one.ndjson", format!("{text}\n"));
            let alone = ["embed", "--input", "data/one.ndjson", "--text-column", "text", "--no-normalize-unicode"];
            project.run(&[&alone[..], &["--model", &model(name), "--output", "one.npy", "--no-cache"]].concat()).ok();
            let one = vectors(&project, "one.npy");
            let difference = (&one.row(0) - &all.row(row)).iter().fold(0f32, |most, value| most.max(value.abs()));
            assert!(difference <= 1e-6, "{name}, text {row}: {difference}");
        }
    }
}

#[test]
fn the_second_run_comes_from_the_cache_and_gives_the_same_bytes() {
    let project = project();
    let model = model("tiny-bert-cls-normalized");
    let run = |output: &str, more: &[&str]| embed(&project, &[&["--model", &model, "--output", output], more].concat());
    let first = run("first.npy", &[]);
    assert_eq!(first["cached"], 0);
    assert!(project.path("data/cache/embeddings.db").is_file());
    let second = run("second.npy", &[]);
    assert_eq!((&second["cached"], &second["texts_per_second"]), (&json!(32), &Value::Null));
    assert_eq!(second["truncation"], first["truncation"], "truncation is told of cached texts, too");
    assert_eq!(std::fs::read(project.path("first.npy")).unwrap(), std::fs::read(project.path("second.npy")).unwrap());
    // Another length is another embedder.
    assert_eq!(run("third.npy", &["--max-length", "16"])["cached"], 0);
    assert_eq!(run("fourth.npy", &["--no-cache"])["cached"], 0);
    // A file that is no cache is left as it is, and the work goes on.
    project.write("data/cache/embeddings.db", "this is no database, and a long text at that ".repeat(100));
    for left in ["data/cache/embeddings.db-wal", "data/cache/embeddings.db-shm"] {
        let _ = std::fs::remove_file(project.path(left));
    }
    let answer = project.run(&[&TEXTS[..], &["--model", &model, "--output", "fifth.npy"]].concat()).ok();
    assert!(answer.stderr.contains("not cached"), "{}", answer.stderr);
    assert_eq!(vectors(&project, "fifth.npy"), vectors(&project, "first.npy"));
}

/// Where a process dies that puts vectors into the cache.
pub const CRASH_POINT: &str = "cache.before_commit";

#[test]
fn a_process_that_dies_while_it_caches_leaves_a_cache_that_works() {
    let project = project();
    let model = model("tiny-bert-mean");
    let arguments = [&TEXTS[..], &["--model", &model, "--output", "v.npy"]].concat();
    assert_eq!(project.crash_at(CRASH_POINT, &arguments).signal, Some(6));
    assert!(!project.path("v.npy").exists());
    project.run(&arguments).ok();
    let again = project.run(&[&["--json"], &arguments[..]].concat()).ok().json();
    assert_eq!(again["cached"], 32);
}

#[test]
fn the_vectors_can_be_read_back_from_every_format() {
    let project = project();
    let model = model("tiny-bert-mean");
    for name in ["v.npy", "v.parquet", "v.csv", "v.ndjson"] {
        embed(&project, &["--model", &model, "--output", name]);
    }
    let expected = vectors(&project, "v.npy");
    let frame = Parquet::read(&project.path("v.parquet"));
    assert_eq!((frame.height(), frame.columns()), (32, vec!["id".to_owned(), "embedding".to_owned()]));
    let facts = mlops::data::parquet_file::facts(&project.path("v.parquet")).unwrap();
    assert!(facts["mlops.embedder"].starts_with("bert-32-"), "{facts:?}");
    let identity: Value = serde_json::from_str(&facts["mlops.embedder_identity"]).unwrap();
    assert_eq!((&identity["max_length"], &identity["dtype"]), (&json!(64), &json!("f32")));
    for line in [0, 31] {
        let row: Value = serde_json::from_str(project.read("v.ndjson").lines().nth(line).unwrap()).unwrap();
        let numbers: Vec<f32> = serde_json::from_value(row["embedding"].clone()).unwrap();
        assert_eq!((numbers, &row["id"]), (expected.row(line).to_vec(), &json!((line + 1).to_string())));
    }
    let csv = project.read("v.csv");
    assert_eq!(csv.lines().next(), Some("id,embedding_array"));
    let text = csv.lines().nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
    let numbers: Vec<f32> = text.split(',').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers, expected.row(0).to_vec());
}

#[test]
fn vectors_go_back_into_the_table_that_the_texts_came_from() {
    let project = TestProject::new();
    let database = rusqlite::Connection::open(project.path("app.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE letters (id INTEGER PRIMARY KEY, text TEXT);
             INSERT INTO letters VALUES (5, '저는 성실합니다'), (9, 'Hello world'), (2, NULL);",
        )
        .unwrap();
    drop(database);
    let query = "SELECT id, text FROM letters WHERE text IS NOT NULL";
    let model = model("tiny-bert-mean");
    let arguments = ["embed", "--input", "app.db", "--query", query, "--text-column", "text", "--id-column", "id"];
    let back = ["--model", &model, "--write-back", "letters.embedding_array"];
    project.run(&[&arguments[..], &back].concat()).ok();
    let database = rusqlite::Connection::open(project.path("app.db")).unwrap();
    let stored: Vec<(i64, Option<String>)> = database
        .prepare("SELECT id, embedding_array FROM letters ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!((stored[0].0, &stored[0].1, stored.len()), (2, &None, 3));
    assert_eq!(stored[1].1.as_ref().unwrap().split(',').count(), 32);
    // Labels, texts and keys are not written over; vectors are.
    project.run(&[&arguments[..], &back].concat()).ok();
    for (column, word) in [("text", "made from"), ("id", "made from"), ("label", "something else than vectors")] {
        let database = rusqlite::Connection::open(project.path("app.db")).unwrap();
        let _ = database.execute_batch("ALTER TABLE letters ADD COLUMN label INTEGER; UPDATE letters SET label = 1;");
        let target = format!("letters.{column}");
        let refused = project.run(&[&arguments[..], &["--model", &model, "--write-back", &target]].concat()).code(2);
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    // A table that is not there leaves the database alone.
    let wrong = ["--model", &model, "--write-back", "lettres.embedding_array"];
    assert!(project.run(&[&arguments[..], &wrong].concat()).code(2).stderr.contains("no table `lettres`"));
}

const CONFIG: &str = "
experiment: {name: letters}
data:
  source: data/letters.csv
  columns: {id: id, text: text, label: label}
  split: {train: 0.6, validation: 0.2, test: 0.2, stratify: true}
features: [{embedding: {model: models/tiny, max_length: 32}}]
model: {name: letters, kind: logistic_regression}
";

/// A project with a model folder of its own and a config that embeds with it.
fn letters() -> TestProject {
    let project = TestProject::new();
    copy(&models().join("tiny-bert-mean"), &project.path("models/tiny"));
    let rows: String = (0..60)
        .map(|row| {
            let text =
                if row % 2 == 0 { "저는 성실하고 좋은 사람입니다" } else { "별로 나쁜 영화 world" };
            format!("{row},{text} {row},{}\n", row % 2)
        })
        .collect();
    project.write("data/letters.csv", format!("id,text,label\n{rows}"));
    project.write("experiments/letters/config.yaml", CONFIG);
    project
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::write(target, std::fs::read(&path).unwrap()).unwrap();
        }
    }
}

#[test]
fn a_config_trains_from_text_and_another_embedder_is_refused_field_by_field() {
    let project = letters();
    project.run(&["train", "experiments/letters/config.yaml", "--promote"]).ok();
    let predict = ["--json", "predict", "letters", "--input", "data/letters.csv"];
    let answer = project.run(&predict).ok().json();
    assert_eq!(answer["rows"].as_array().unwrap().len(), 60);
    assert_eq!(project.run(&[&predict[..], &["--no-cache"]].concat()).ok().json()["rows"], answer["rows"]);
    // Weights are not copied into the version: who the embedder is, is.
    let names: Vec<String> = std::fs::read_dir(project.path("production/letters/v1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.contains(&"step0_embedder.json".to_owned()), "{names:?}");
    // The same folder with another tokenizer and another pooling is another embedder.
    let config = project.read("models/tiny/1_Pooling/config.json");
    project.write("models/tiny/1_Pooling/config.json", config.replace("\"mean\"", "\"cls\""));
    let refused = project.run(&predict).code(2).json();
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("modules") && hint.contains("mean") && hint.contains("cls"), "{hint}");
    assert!(!hint.contains("weights_sha256"), "{hint}");
    std::fs::remove_dir_all(project.path("models/tiny")).unwrap();
    project.run(&predict).code(4);
}

#[test]
fn items_are_recommended_with_similarity_and_probability() {
    let project = letters();
    project.run(&["train", "experiments/letters/config.yaml", "--promote"]).ok();
    let ask = |more: &[&str]| {
        let base = ["--json", "recommend", "letters", "--items", "data/letters.csv"];
        project.run(&[&base[..], more].concat()).ok().json()
    };
    let answer = ask(&["--query", "4", "--top", "5", "--show", "text"]);
    let found = answer["answers"][0]["recommendations"].as_array().unwrap();
    assert_eq!(found.len(), 5);
    let scores: Vec<f64> = found.iter().map(|one| one["similarity_score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|left, right| left >= right), "{scores:?}");
    assert!(found.iter().all(|one| one["id"] != "4" && one["columns"]["text"].is_string()));
    let one = &found[0];
    let (similarity, success) =
        (one["similarity_score"].as_f64().unwrap(), one["success_probability"].as_f64().unwrap());
    assert!((one["combined_score"].as_f64().unwrap() - f64::midpoint(similarity, success)).abs() < 1e-12);
    assert!((0.0..=1.0).contains(&success));
    // More than there are; a text; items embedded before; and by probability.
    assert_eq!(ask(&["--query", "4", "--top", "500"])["answers"][0]["recommendations"].as_array().unwrap().len(), 59);
    assert_eq!(ask(&["--text", "좋은 사람", "--top", "1"])["answers"][0]["query"], Value::Null);
    project.run(&["recommend", "letters", "--items", "data/letters.csv", "--query", "nobody"]).code(4);
    let best = ask(&["--query", "4", "--top", "60", "--by", "probability"]);
    let by: Vec<f64> = best["answers"][0]["recommendations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["success_probability"].as_f64().unwrap())
        .collect();
    assert!(by.is_sorted_by(|left, right| left >= right), "{by:?}");
}

#[test]
fn vectors_of_another_embedder_are_not_mixed() {
    let project = letters();
    project.run(&["train", "experiments/letters/config.yaml", "--promote"]).ok();
    let embed = |more: &[&str], output: &str| {
        let base = ["embed", "--input", "data/letters.csv", "--text-column", "text", "--id-column", "id"];
        project.run(&[&base[..], &["--model", "models/tiny", "--output", output], more].concat()).ok();
    };
    embed(&["--max-length", "32"], "same.parquet");
    embed(&["--max-length", "16"], "other.parquet");
    let ask = |items: &str| {
        project.run(&["--json", "recommend", "letters", "--items", items, "--embedding", "embedding", "--query", "4"])
    };
    let texts =
        project.run(&["--json", "recommend", "letters", "--items", "data/letters.csv", "--query", "4"]).ok().json();
    assert_eq!(ask("same.parquet").ok().json()["answers"], texts["answers"]);
    assert!(ask("other.parquet").code(2).stdout.contains("another embedder"));
}

#[test]
fn the_input_is_not_written_over() {
    let project = project();
    let before = project.read("data/texts.ndjson");
    let model = model("tiny-bert-mean");
    let arguments = [&TEXTS[..], &["--model", &model, "--output", "data/texts.ndjson"]].concat();
    assert!(project.run(&arguments).code(2).stderr.contains("is the input"));
    assert_eq!(project.read("data/texts.ndjson"), before);
}

#[test]
fn a_bad_folder_is_told_by_file_and_reason() {
    let project = project();
    let broken = |change: &dyn Fn(&Path)| {
        let folder = project.path("models/broken");
        let _ = std::fs::remove_dir_all(&folder);
        copy(&models().join("tiny-bert-mean"), &folder);
        change(&folder);
        project.run(&[&TEXTS[..], &["--model", "models/broken", "--output", "v.npy"]].concat())
    };
    let edit = |folder: &Path, file: &str, from: &str, to: &str| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    let told = |answer: super::support::Answer, code: i32, words: &[&str]| {
        let answer = answer.code(code);
        words.iter().for_each(|word| assert!(answer.stderr.contains(word), "{word}: {}", answer.stderr));
    };
    let remove = |file: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(file)).unwrap();
    told(broken(&remove("config.json")), 4, &["config.json"]);
    told(broken(&remove("model.safetensors")), 4, &["model.safetensors"]);
    told(broken(&remove("tokenizer.json")), 4, &["tokenizer"]);
    told(broken(&|folder| edit(folder, "config.json", "\"bert\"", "\"t5\"")), 2, &["t5"]);
    told(
        broken(&|folder| edit(folder, "config.json", "\"intermediate_size\": 64", "\"intermediate_size\": 65")),
        1,
        &["65"],
    );
    let fewer = |folder: &Path| edit(folder, "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    told(broken(&fewer), 2, &["says 1 layers", "layer.1."]);
    told(broken(&|folder| edit(folder, "config.json", "\"absolute\"", "\"relative_key\"")), 2, &["relative_key"]);
    told(broken(&|folder| edit(folder, "modules.json", "pooling.Pooling", "router.Router")), 2, &["Router"]);
    told(
        broken(&|folder| {
            let path = folder.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        1,
        &["model.safetensors"],
    );
    assert!(!project.path("v.npy").exists());
    told(
        project.run(&[&TEXTS[..], &["--model", "models/nowhere/at/all", "--output", "v.npy"]].concat()),
        4,
        &["nowhere"],
    );
    let offline = ["--model", "nobody/no-such-model", "--output", "v.npy", "--offline"];
    told(project.run(&[&TEXTS[..], &offline].concat()), 4, &["nobody/no-such-model", "--offline"]);
}
