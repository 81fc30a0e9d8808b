//! `mlops embed`: texts become vectors in Parquet, and a model learns the same from the file as from the texts.

use super::support::{Parquet, REVIEWS, TestProject};

/// The first 600 reviews.
fn project() -> TestProject {
    let project = TestProject::new();
    let rows: Vec<&str> = REVIEWS.lines().enumerate().filter(|(row, _)| row % 8 == 0).map(|(_, line)| line).collect();
    project.write("data/few.csv", rows.join("\n") + "\n");
    project.write(
        "experiments/few/config.yaml",
        "experiment: {name: few}
data:
  source: data/few.csv
  columns: {id: id, text: text, label: label}
  split: {column: split}
features: [{embedding: {model: hashing, dimensions: 64}}]
model: {name: few, kind: logistic_regression}
evaluation: {bootstrap: 0}
",
    );
    project
}

#[test]
fn a_config_is_embedded_and_the_file_trains_the_same_model() {
    let project = project();
    let answer = project.run(&["--json", "embed", "experiments/few/config.yaml"]).ok().json();
    assert_eq!((answer["dimensions"].as_u64(), answer["rows"].as_u64()), (Some(64), Some(625)));
    let frame = Parquet::read(&project.path("experiments/few/embeddings.parquet"));
    assert_eq!(frame.columns(), ["id", "label", "split", "embedding"]);
    assert_eq!(frame.height(), 625);

    let stored = project
        .read("experiments/few/config.yaml")
        .replace("data/few.csv", "experiments/few/embeddings.parquet")
        .replace("text: text", "embedding: embedding")
        .replace("name: few}", "name: stored}")
        .replace("features: [{embedding: {model: hashing, dimensions: 64}}]\n", "");
    project.write("experiments/stored/config.yaml", stored);
    let [of_text, of_file] = ["few", "stored"].map(|name| project.train(name, &[]));
    assert_eq!(of_text["metrics"]["test"]["rows"], of_file["metrics"]["test"]["rows"]);
    for (name, estimate) in of_text["metrics"]["test"]["metrics"].as_object().unwrap() {
        assert_eq!(of_file["metrics"]["test"]["metrics"][name], *estimate, "{name}");
    }
}

#[test]
fn a_file_is_embedded_without_a_config() {
    let project = project();
    let arguments =
        ["embed", "--input", "data/few.csv", "--text-column", "text", "--dimensions", "32", "--output", "v.parquet"];
    let answer = project.run(&arguments).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    embedded  625 rows in 32 dimensions -> v.parquet
    embedder  hashing-32-ngram1-2-idf-42de4e7c2f80
    ");
    let first = std::fs::read(project.path("v.parquet")).unwrap();
    project.run(&[&arguments[..], &["--threads", "1"]].concat()).ok();
    assert!(first == std::fs::read(project.path("v.parquet")).unwrap(), "same texts, same bytes");
}

#[test]
fn what_cannot_be_embedded_is_said() {
    let project = project();
    project.run(&["embed"]).code(2);
    project.run(&["embed", "--input", "data/few.csv", "--text-column", "body", "--output", "v.parquet"]).code(2);
    project.run(&["embed", "--input", "data/few.csv", "--text-column", "text", "--output", "v.xlsx"]).code(2);
    let model =
        ["embed", "--input", "data/few.csv", "--text-column", "text", "--output", "v.parquet", "--model", "hashin"];
    let answer = project.run(&model).code(2);
    assert!(answer.stderr.contains("did you mean `hashing`?"), "{}", answer.stderr);
    assert!(!project.path("v.parquet").exists() && !project.path("v.xlsx").exists());
    project.write(
        "experiments/few/config.yaml",
        project.read("experiments/few/config.yaml").replace("embedding: {model: hashing, dimensions: 64}", "tfidf: {}"),
    );
    let answer = project.run(&["embed", "experiments/few/config.yaml"]).code(2);
    assert!(answer.stderr.contains("no embedding step"), "{}", answer.stderr);
}
