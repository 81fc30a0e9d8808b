//! The same rows in every format: the same fingerprint, the same metrics. What does not fit is told with its place.

use std::fmt::Write as _;

use mlops::data::parquet_file::{self, Values};
use ndarray::Array2;
use serde_json::{Value, json};

use super::support::{REVIEWS, TestProject, config, points};

/// id, text, label, split: reviews, and texts that formats must quote or escape.
fn reviews() -> Vec<[String; 4]> {
    let mut rows: Vec<[String; 4]> = REVIEWS
        .lines()
        .skip(1)
        .filter(|line| !line.contains('"') && line.matches(',').count() == 3)
        .take(300)
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap())
        .collect();
    for (row, text) in
        ["a, \"quoted\" film", "two\nlines", "탭\there", "back\\slash 😀", "'single' {\"json\": 1}"].iter().enumerate()
    {
        rows.push([format!("x{row}"), (*text).to_owned(), (row % 2).to_string(), "train".to_owned()]);
    }
    // The first rows of the sample are all for training: every fifth goes to the test.
    for (row, cells) in rows.iter_mut().enumerate() {
        ["train", "train", "train", "validation", "test"][row % 5].clone_into(&mut cells[3]);
    }
    rows
}

const NAMES: [&str; 4] = ["id", "text", "label", "split"];

fn separated(rows: &[[String; 4]], separator: char) -> String {
    let cell = |text: &String| {
        if text.contains(['"', '\n', separator]) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() }
    };
    let mut text = NAMES.join(&separator.to_string()) + "\n";
    for row in rows {
        text += &(row.iter().map(cell).collect::<Vec<_>>().join(&separator.to_string()) + "\n");
    }
    text
}

fn objects(rows: &[[String; 4]]) -> Vec<Value> {
    rows.iter()
        .map(|row| NAMES.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect())
        .collect()
}

fn sqlite(project: &TestProject, name: &str, rows: &[[String; 4]]) {
    let connection = rusqlite::Connection::open(project.path(name)).unwrap();
    connection.execute_batch("CREATE TABLE reviews (id TEXT, text TEXT, label INTEGER, split TEXT); BEGIN").unwrap();
    for row in rows {
        connection.execute("INSERT INTO reviews VALUES (?1, ?2, ?3, ?4)", row.clone()).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

fn text_config(source: &str) -> String {
    format!(
        "experiment: {{name: texts}}
data:
  source: \"{source}\"
  columns: {{id: id, text: text, label: label}}
  split: {{column: split}}
features: [{{tfidf: {{}}}}]
model: {{name: texts, kind: logistic_regression}}
evaluation: {{bootstrap: 0}}
"
    )
}

/// Trains on a source; gives the fingerprint of the data and the metrics on the test rows.
#[track_caller]
fn train(project: &TestProject, source: &str, config: &str) -> (String, Value) {
    project.write("experiments/x/config.yaml", config.replace("SOURCE", source));
    let trained = project.train("x", &[]);
    let run = project.run(&["--json", "runs", "show", trained["run_id"].as_str().unwrap()]).ok().json();
    let fingerprint = run["run"]["tags"]["data_fingerprint"].as_str().unwrap().to_owned();
    (fingerprint, trained["metrics"]["test"].clone())
}

#[test]
fn texts_are_the_same_in_every_format() {
    let project = TestProject::new();
    let rows = reviews();
    project.write("data/r.csv", separated(&rows, ','));
    project.write("data/crlf.csv", separated(&rows[..300], ',').replace('\n', "\r\n"));
    project.write("data/lf.csv", separated(&rows[..300], ','));
    project.write("data/bom.csv", format!("\u{feff}{}", separated(&rows, ',')));
    project.write("data/r.tsv", separated(&rows, '\t'));
    let objects = objects(&rows);
    project.write("data/r.ndjson", objects.iter().map(|one| format!("{one}\n")).collect::<String>());
    project.write("data/r.json", serde_json::to_string_pretty(&objects).unwrap());
    project.write("data/parts/1.csv", separated(&rows[..100], ','));
    project.write("data/parts/2.csv", separated(&rows[100..], ','));
    sqlite(&project, "data/r.db", &rows);
    let columns: Vec<Vec<String>> = (0..4).map(|at| rows.iter().map(|row| row[at].clone()).collect()).collect();
    let written: Vec<(&str, Values)> =
        NAMES.iter().zip(&columns).map(|(name, column)| (*name, Values::Text(column))).collect();
    parquet_file::write(&project.path("data/r.parquet"), &written, &[]).unwrap();

    let config = text_config("SOURCE");
    let expected = train(&project, "data/r.csv", &config);
    assert_eq!(expected.1["rows"], 61);
    let others = ["bom.csv", "r.tsv", "r.ndjson", "r.json", "r.db", "r.parquet", "parts/*.csv"];
    for source in others.map(|name| format!("data/{name}")).into_iter().chain(["sqlite:data/r.db".to_owned()]) {
        // Tab-separated texts are read literally unless the config says that quotes enclose fields.
        let quoted = config.replace("  source:", "  quoting: minimal\n  source:");
        let config = if source == "data/r.tsv" { &quoted } else { &config };
        assert_eq!(train(&project, &source, config), expected, "{source}");
    }
    assert_eq!(train(&project, "data/crlf.csv", &config), train(&project, "data/lf.csv", &config));
    let query =
        config.replace("source: \"SOURCE\"", "source: data/r.db\n  query: SELECT split, label, text, id FROM reviews");
    assert_eq!(train(&project, "", &query), expected, "a query with the columns in another order");
    // One letter more in one row is other data.
    project.write("data/r.csv", project.read("data/r.csv").replacen("train", "test", 1));
    assert_ne!(train(&project, "data/r.csv", &config).0, expected.0);
}

#[test]
fn numbers_and_vectors_are_the_same_in_every_format() {
    let project = TestProject::new();
    let rows = points();
    let (mut csv, mut numbers, mut ndjson) =
        ("id,v,label,split\n".to_owned(), "id,a,b,label,split\n".to_owned(), String::new());
    // Quarters are the same number in text, f32 and f64.
    let round = |value: f64| (value * 4.0).round() / 4.0;
    for (row, a, b, label, split) in &rows {
        let (a, b) = (round(*a), round(*b));
        writeln!(csv, "p{row},\"{a},{b}\",{label},{split}").unwrap();
        writeln!(numbers, "p{row},{a},{b},{label},{split}").unwrap();
        writeln!(ndjson, "{}", json!({"id": format!("p{row}"), "v": [a, b], "label": label, "split": split})).unwrap();
    }
    project.write("data/v.csv", csv);
    project.write("data/n.csv", numbers);
    project.write("data/v.ndjson", ndjson);
    let vectors = Array2::from_shape_fn((rows.len(), 2), |(row, at)| {
        round(if at == 0 { rows[row].1 } else { rows[row].2 }) as f32
    });
    let ids: Vec<String> = rows.iter().map(|row| format!("p{}", row.0)).collect();
    let labels: Vec<String> = rows.iter().map(|row| row.3.to_string()).collect();
    let parts: Vec<String> = rows.iter().map(|row| row.4.to_owned()).collect();
    let columns = [
        ("id", Values::Text(&ids)),
        ("label", Values::Text(&labels)),
        ("split", Values::Text(&parts)),
        ("v", Values::Vectors(vectors.view())),
    ];
    parquet_file::write(&project.path("data/v.parquet"), &columns, &[]).unwrap();

    let config = config("x", "logistic_regression").replace("data/points.csv", "SOURCE");
    let expected = train(&project, "data/n.csv", &config);
    let vector = config.replace("features: [a, b]", "embedding: v");
    for source in ["data/v.csv", "data/v.ndjson", "data/v.parquet"] {
        assert_eq!(train(&project, source, &vector), expected, "{source}");
    }
}

#[test]
fn a_prediction_in_parquet_is_read_again() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["predict", "points/1", "--input", "data/points.csv", "--output", "data/answers.parquet"]).ok();
    let config = config("x", "logistic_regression")
        .replace("data/points.csv", "data/answers.parquet")
        .replace("features: [a, b], label: label", "features: [probability], label: prediction")
        .replace("{column: split}", "{train: 0.5, test: 0.5}");
    let (_, metrics) = train(&project, "", &config);
    let accuracy = metrics["metrics"]["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy > 0.97, "the probability tells the prediction: {metrics}");
}

#[test]
fn rows_without_a_label_or_an_input_are_skipped_and_counted() {
    let project = TestProject::with_points();
    let mut rows = project.read("data/points.csv");
    rows += "n1,0.1,0.2,,train\nn2,0.1,0.2,,test\nn3,,,1,train\n";
    project.write("data/points.csv", rows);
    let trained = project.train("lr", &[]);
    let count = |key: &str| trained["rows"][key].as_u64().unwrap();
    assert_eq!((count("read"), count("skipped_without_label"), count("skipped_without_input")), (203, 2, 1));
    assert_eq!((count("train"), count("validation"), count("test")), (120, 40, 40));
}

#[test]
fn a_made_split_is_stratified_repeatable_and_keeps_groups_together() {
    let project = TestProject::with_points();
    let made = |split: &str| {
        project
            .write("experiments/x/config.yaml", config("x", "logistic_regression").replace("{column: split}", split));
        let trained = project.train("x", &[]);
        let part = |name: &str| {
            trained["metrics"][name]["support"]
                .as_array()
                .map(|both| both.iter().map(|one| one.as_u64().unwrap()).collect::<Vec<_>>())
        };
        let run = project.run(&["--json", "runs", "show", "@latest"]).ok().json();
        (part("train"), part("test"), run["run"]["tags"]["test_ids"].clone())
    };
    let first = made("{train: 0.5, validation: 0.25, test: 0.25}");
    let (train, test) = (first.0.clone().unwrap(), first.1.clone().unwrap());
    assert_eq!(train.iter().sum::<u64>() + 2 * test.iter().sum::<u64>(), 200);
    let share = |support: &[u64]| support[1] as f64 / support.iter().sum::<u64>() as f64;
    assert!((share(&train) - share(&test)).abs() < 0.02, "{train:?} {test:?}");
    assert_eq!(made("{train: 0.5, validation: 0.25, test: 0.25}"), first);
    let mut grouped = "id,a,b,label,split,user\n".to_owned();
    for (row, a, b, label, split) in points() {
        writeln!(grouped, "p{row},{a},{b},{label},{split},u{}", row / 10).unwrap();
    }
    project.write("data/points.csv", grouped);
    let by_group = made("{train: 0.5, validation: 0.25, test: 0.25, group: user}");
    assert_eq!(by_group.1.unwrap().iter().sum::<u64>() % 10, 0, "whole groups of ten rows");
    assert_ne!(by_group.2, first.2);
}

/// What a wrong file says, with the exit code.
fn refusal(name: &str, content: &str, columns: &str) -> String {
    let project = TestProject::with_points();
    project.write(&format!("data/{name}"), content);
    let config = config("x", "logistic_regression")
        .replace("data/points.csv", &format!("data/{name}"))
        .replace("{id: id, features: [a, b], label: label}", columns);
    project.write("experiments/x/config.yaml", config);
    let answer = project.run(&["train", "experiments/x/config.yaml"]);
    assert!(answer.stdout.is_empty() && !project.path("checkpoints/experiments/points/v1").exists());
    format!("exit {}: {}", answer.code.unwrap(), answer.stderr)
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    const NUMBERS: &str = "{id: id, features: [a], label: label}";
    const VECTOR: &str = "{id: id, embedding: v, label: label}";
    let cases = [
        ("short.csv", "id,a,label,split\n1,0.5,1,train\n2,0.5\n", NUMBERS),
        ("word.csv", "id,a,label,split\n1,0.5,1,train\n2,half,0,train\n", NUMBERS),
        ("column.csv", "id,A,label,split\n1,0.5,1,train\n", NUMBERS),
        ("quote.csv", "id,a,label,split\n1,\"0.5,1,train\n2,0.5,0,train\n", NUMBERS),
        ("empty.csv", "", NUMBERS),
        ("twice.csv", "id,a,label,split\n1,0.5,1,train\n1,0.6,0,train\n2,0.7,0,test\n", NUMBERS),
        ("split.csv", "id,a,label,split\n1,0.5,1,train\n2,0.6,0,trian\n", NUMBERS),
        ("one_class.csv", "id,a,label,split\n1,0.5,1,train\n2,0.6,1,test\n", NUMBERS),
        ("broken.ndjson", "{\"id\": 1, \"a\": 0.5, \"label\": 1, \"split\": \"train\"}\n{\"id\": 2,\n", NUMBERS),
        ("object.json", "{\"id\": 1}", NUMBERS),
        (
            "width.ndjson",
            "{\"id\":1,\"v\":[1,2],\"label\":1,\"split\":\"train\"}\n\
             {\"id\":2,\"v\":[1],\"label\":0,\"split\":\"train\"}\n",
            VECTOR,
        ),
        ("nan.csv", "id,a,label,split\n1,nan,1,train\n2,0.6,0,train\n3,1,0,test\n", NUMBERS),
        ("table.xyz", "a", NUMBERS),
        ("fake.parquet", "no parquet", NUMBERS),
        ("fake.db", "no database", NUMBERS),
    ];
    let told: Vec<String> = cases.iter().map(|(name, content, columns)| refusal(name, content, columns)).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    exit 2: error: data/short.csv: row 2: expected 4 fields, got 2
    hint: a field that holds the delimiter must be quoted; where quotes are characters, write `quoting: none`

    exit 2: error: data/word.csv: row 2, column `a`: expected a number, got `half`

    exit 2: error: `data/column.csv` has no column `a`
    hint: did you mean `A`? the columns are id, A, label, split

    exit 2: error: data/quote.csv: row 1: a quoted field has no closing quote

    exit 2: error: `data/empty.csv` is empty

    exit 2: error: data/twice.csv: row 2, column `id`: the id `1` stands there a second time
    hint: ids must be unique

    exit 2: error: data/split.csv: row 2, column `split`: `trian` is no split
    hint: train, validation, test

    exit 2: error: the label column `label` has one class only: only `1`
    hint: a classifier needs rows of at least two classes

    exit 2: error: data/broken.ndjson: row 2 is not a JSON object
      because: EOF while parsing a value at line 1 column 9
    hint: one object per line

    exit 2: error: `data/object.json` is not a JSON array of objects
      because: invalid type: map, expected a sequence at line 1 column 0
    hint: one object per line is NDJSON: name the file .ndjson

    exit 2: error: data/width.ndjson: row 2, column `v`: expected 2 numbers, got 1

    exit 2: error: data/nan.csv: row 1, column `a`: expected a finite number, got `nan`

    exit 2: error: cannot tell the format of `data/table.xyz` from its name
    hint: .csv .tsv .ndjson .jsonl .json .parquet .db .sqlite .letor are known; or write `csv:PATH`, `letor:PATH`, …

    exit 2: error: `data/fake.parquet` is not a Parquet file that can be read
      because: parquet: File out of specification: A Parquet file must contain a header and footer with at least 12 bytes

    exit 2: error: `data/fake.db` is not a SQLite database
      because: file is not a database
    ");
}
