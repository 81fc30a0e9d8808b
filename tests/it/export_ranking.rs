//! `mlops export` and the release of ranking models: the files, ONNX Runtime on every kind and scaling, latency, card.
//!
//! ONNX Runtime is asked where `MLOPS_TEST_PYTHON` names a Python with `onnxruntime` and `numpy` (`.ci/run` makes one).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::support::{RANKING_KINDS, TestProject};

fn document(project: &TestProject, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).unwrap()
}

#[test]
fn the_files_say_what_they_are() {
    let project = TestProject::with_rankings(&["lambdarank"]);
    project.train("lambdarank", &["--set", "features=[{standardize: {clip: 3}}, {min_max: {}}]"]);
    let told = project.run(&["export", "ranker", "--output", "out"]).ok().stdout;
    for line in [
        "ranker v1  lambdarank\n",
        "input     features float32 [N, 4]\n",
        "outputs   score float32 [N, 1]\n",
        " on 8 golden rows, allowed 1e-5  (tract 0.23.9)\n",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
    assert!(!told.contains("labels"), "{told}");
    let export = document(&project, "out/export.json");
    assert_eq!((&export["task"], &export["labels"]), (&"ranking".into(), &json!([])));
    assert!(export["export"]["parity"]["worst"].as_f64().unwrap() < 1e-6, "{export}");
    let preprocessor = document(&project, "out/preprocessor.json");
    assert_eq!(preprocessor["columns"]["input"]["numbers"], json!(["1", "2", "3", "4"]));
    assert_eq!((&preprocessor["before_the_graph"], &preprocessor["highest_grade"]), (&Value::Null, &2.into()));
    let steps = preprocessor["inside_the_graph"]["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["step"], &steps[0]["params"]["clip"]), (&"standardize".into(), &3.into()));
    let mean = steps[0]["numbers"]["mean"][0].as_f64().unwrap();
    assert!(0.3 < mean && mean < 0.7, "{mean}");
    assert_eq!(steps[1]["numbers"]["least"].as_array().unwrap().len(), 4);
    assert!(preprocessor.get("labels").is_none() && preprocessor.get("threshold").is_none());
    let about = mlops::onnx::about(&std::fs::read(project.path("out/model.onnx")).unwrap()).unwrap();
    assert_eq!((about["task"].as_str(), about["highest_grade"].as_str()), ("ranking", "2"));
}

#[test]
fn what_is_done_for_each_query_stays_outside() {
    let project = TestProject::with_rankings(&["lambdamart"]);
    project.train("lambdamart", &["--set", "features=[{per_query: {}}]"]);
    let told = project.run(&["export", "ranker", "--output", "out"]).ok().stdout;
    assert!(told.contains("input     features_scaled_per_query float32 [N, 4]\n"), "{told}");
    let preprocessor = document(&project, "out/preprocessor.json");
    assert_eq!(preprocessor["before_the_graph"]["step"], "per_query");
    assert_eq!(preprocessor["inside_the_graph"]["steps"], json!([]));
    // The golden rows know their query, so that the switch can ask the model again.
    let golden = document(&project, "checkpoints/experiments/ranker/v1/golden.json");
    assert_eq!((&golden["starts"], golden["scores"].as_array().unwrap().len()), (&json!([0, 8]), 8));
    let promoted = project.run(&["promote", "ranker"]).ok();
    assert!(promoted.stdout.contains("8 golden rows answered as in training"), "{}", promoted.stdout);
}

#[test]
fn a_release_says_what_its_numbers_are_of() {
    let project = TestProject::with_rankings(&["listnet"]);
    let trained = project.train("listnet", &[]);
    project.run(&["promote", "ranker"]).ok();
    let metadata = document(&project, "production/ranker/v1/model_metadata.json");
    assert_eq!(
        (&metadata["task"], &metadata["labels"], &metadata["threshold"]),
        (&"ranking".into(), &json!([]), &Value::Null)
    );
    let ranking = &metadata["ranking"];
    assert_eq!((&ranking["query"], &ranking["features"]), (&"qid".into(), &json!(["1", "2", "3", "4"])));
    assert_eq!((&ranking["highest_grade"], &ranking["metrics_are_of"]["queries"]), (&2.into(), &12.into()));
    assert_eq!(metadata["metrics"], trained["metrics"]["test"]["metrics"]);
    assert_eq!(metadata["output"][0]["shape"], json!([null, 1]));
    assert!(metadata["files"]["model.onnx"]["sha256"].as_str().unwrap().len() == 64, "{metadata}");
    let card = project.read("production/ranker/v1/model_card.md");
    for line in [
        "pipeline_tag: \"text-ranking\"",
        "Means over 12 queries, 1 of which have no relevant document and count 0.",
        "Scores of a ranking are no probabilities: there is nothing to calibrate.",
        "12 queries decide the metrics: look at the intervals.",
        "mlops predict ranker/1 --input documents.txt --output ranks.csv",
    ] {
        assert!(card.contains(line), "{line} is not in\n{card}");
    }
    let shown = project.run(&["models", "show", "ranker"]).ok().stdout;
    assert!(shown.contains("ndcg@10") && shown.contains("map"), "{shown}");
    project.run(&["doctor"]).ok();
}

#[test]
fn latency_is_that_of_lists() {
    let project = TestProject::with_rankings(&["lambdamart"]);
    project.train("lambdamart", &[]);
    let measure = ["export", "ranker", "--benchmark", "--repetitions", "10", "--batch-sizes", "1,20"];
    let told = project.run(&measure).ok().stdout;
    assert!(told.contains("µs for the whole query"), "{told}");
    assert!(told.contains("documents") && told.contains("mlops, from the raw features"), "{told}");
    project.run(&[&measure[..], &["--output", "out"]].concat()).ok();
    let latency = document(&project, "out/latency.json");
    let timings = latency["timings"].as_array().unwrap();
    let subjects: Vec<_> =
        timings.iter().map(|one| (one["subject"].as_str().unwrap(), one["batch_size"].as_u64().unwrap())).collect();
    let expected = [("model", 1), ("onnx", 1), ("model", 20), ("onnx", 20), ("pipeline", 1), ("pipeline", 20)];
    assert_eq!(subjects, expected);
}

/// What ONNX Runtime says of the documents of a LETOR file, by query and document, from the exported folder alone; none
/// where no Python is named.
fn onnx_runtime(project: &TestProject, folder: &str) -> Option<BTreeMap<(String, String), f64>> {
    let python = std::env::var_os("MLOPS_TEST_PYTHON")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx/rank.py");
    let output = Command::new(python)
        .arg(script)
        .args([project.path(folder), project.path("data/test.txt"), project.path("answers.json")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    let answers = document(project, "answers.json");
    assert_eq!(answers["task"], "ranking");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |one: &Value| ((text(&one[0]), text(&one[1])), one[2].as_f64().unwrap());
    Some(answers["documents"].as_array().unwrap().iter().map(one).collect())
}

#[test]
fn onnx_runtime_agrees_on_every_kind_and_scaling() {
    let scalings = [
        "[{standardize: {clip: 1}}]",
        "[{min_max: {}}]",
        "[{log1p: {}}]",
        "[{per_query: {}}]",
        "[]",
        "[{per_query: {}}, {standardize: {}}]",
    ];
    let project = TestProject::with_rankings(RANKING_KINDS);
    let networks = "model.params={hidden_dims: [8, 4], batch_norm: true, activation: gelu, dropout: 0.1}";
    let mut version = 0;
    for (at, kind) in RANKING_KINDS.iter().copied().enumerate() {
        // Each kind with two scalings, the trees with all.
        let of_kind =
            scalings.into_iter().enumerate().filter(|(scaling, _)| kind == "lambdamart" || (at + scaling) % 3 == 0);
        for (scaling, steps) in of_kind {
            version += 1;
            let mut more = vec!["--set".to_owned(), format!("features={steps}")];
            if kind != "lambdamart" && scaling % 2 == 0 {
                more.extend(["--set".to_owned(), networks.to_owned()]);
            }
            project.train(kind, &more.iter().map(String::as_str).collect::<Vec<_>>());
            let (name, folder) = (format!("ranker/{version}"), format!("out{version}"));
            project.run(&["export", &name, "--output", &folder]).ok();
            let Some(theirs) = onnx_runtime(&project, &folder) else {
                // Written past the test harness, which would swallow it.
                let _ =
                    writeln!(std::io::stderr(), "left out: {kind} in ONNX Runtime (MLOPS_TEST_PYTHON names no Python)");
                continue;
            };
            let ours = project.run(&["--json", "predict", &name, "--input", "data/test.txt"]).ok().json();
            let ours = ours["rows"].as_array().unwrap();
            assert_eq!(ours.len(), theirs.len());
            let largest = theirs.values().fold(1.0_f64, |most, score| most.max(score.abs()));
            for row in ours {
                let key = (row["qid"].as_str().unwrap().to_owned(), row["docid"].as_str().unwrap().to_owned());
                let gap = (row["score"].as_f64().unwrap() - theirs[&key]).abs();
                assert!(gap <= 1e-5 * largest, "{kind} {steps} {key:?}: {row} and {}", theirs[&key]);
            }
        }
    }
    assert!(version > 20, "{version} exports");
}
