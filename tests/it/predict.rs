//! `mlops predict`: every form in and out, rows without an input, calibrated probabilities, a deployed folder.

use serde_json::Value;

use super::support::{Parquet, TestProject, points, points_csv};

fn project() -> TestProject {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points"]).ok();
    project
}

fn ndjson(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_form_of_stdin_gives_the_same_answer() {
    let project = project();
    let rows = points();
    let picked = &rows[..5];
    let csv: String = picked.iter().map(|(row, a, b, ..)| format!("p{row},{a},{b}\n")).collect();
    let object =
        |(row, a, b, ..): &(usize, f64, f64, usize, &str)| format!("{{\"id\": \"p{row}\", \"a\": {a}, \"b\": {b}}}");
    let objects: Vec<String> = picked.iter().map(object).collect();
    let ask = |input: &str| {
        let answer = project.pipe(input, &["predict", "points", "--input", "-", "--format", "ndjson"]).ok();
        ndjson(&answer.stdout)
    };
    let answers = ask(&objects.join("\n"));
    assert_eq!(answers.len(), 5);
    assert_eq!(answers[0]["id"], "p0");
    assert_eq!(ask(&format!("[{}]", objects.join(","))), answers);
    assert_eq!(ask(&format!("id,a,b\n{csv}")), answers);
    let empty = project.pipe("", &["predict", "points", "--input", "-"]).code(2);
    assert!(empty.stderr.contains("stdin is empty"), "{}", empty.stderr);
    assert_eq!(std::fs::read_dir(project.path("tmp")).unwrap().count(), 0, "the copy of stdin is removed");
}

#[test]
fn the_form_follows_the_names() {
    let project = project();
    let csv = project.run(&["predict", "points", "--input", "data/points.csv"]).ok().stdout;
    assert_eq!(csv.lines().next(), Some("id,prediction,probability"));
    assert_eq!(csv.lines().count(), 201);
    let told = project.run(&["predict", "points", "--input", "data/points.csv", "--output", "out.ndjson"]).ok();
    assert_eq!(told.stdout, "points v1: 200 rows -> out.ndjson\n");
    let rows = ndjson(&project.read("out.ndjson"));
    for (line, row) in csv.lines().skip(1).zip(&rows) {
        let probability = row["probability"].as_f64().unwrap();
        assert_eq!(
            line,
            format!("{},{},{probability:.6}", row["id"].as_str().unwrap(), row["prediction"].as_str().unwrap())
        );
    }
    project.run(&["predict", "points", "--input", "data/points.csv", "--output", "out.parquet"]).ok();
    let frame = Parquet::read(&project.path("out.parquet"));
    assert_eq!(frame.columns(), ["id", "prediction", "probability"]);
    assert_eq!(
        frame.numbers("probability"),
        rows.iter().map(|row| row["probability"].as_f64().unwrap()).collect::<Vec<_>>()
    );
    project.run(&["predict", "points", "--input", "data/points.csv", "--output", "out.xlsx"]).code(2);
    project.run(&["predict", "points", "--input", "data/points.csv", "--format", "parquet"]).code(2);
}

#[test]
fn rows_keep_their_order_and_those_without_an_input_are_empty() {
    let project = project();
    let input = "{\"id\": \"z\", \"a\": 0.9, \"b\": 0.9}\n\
        {\"id\": \"y\", \"a\": null, \"b\": null}\n\
        {\"id\": \"x\", \"a\": -0.9, \"b\": -0.9}\n";
    let answer = project.pipe(input, &["predict", "points", "--input", "-"]).ok();
    let rows = ndjson(&answer.stdout);
    assert_eq!(rows.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), ["z", "y", "x"]);
    assert_eq!(rows.iter().map(|row| row["prediction"].as_str()).collect::<Vec<_>>(), [Some("1"), None, Some("0")]);
    assert!(rows[1]["probability"].is_null());
    assert_eq!(answer.stderr, "warning: 1 row without a prediction: all feature columns are empty\n");
    let half = project.pipe("{\"a\": null, \"b\": 0.1}\n", &["predict", "points", "--input", "-"]).code(2);
    assert!(half.stderr.contains("stdin: row 1, column `a`: the value is missing"), "{}", half.stderr);
}

#[test]
fn a_text_that_is_null_is_a_row_without_an_input() {
    let project = TestProject::with_reviews();
    project.train("reviews_lr", &[]);
    project.run(&["promote", "reviews"]).ok();
    let input = "{\"id\": 1, \"text\": \"최고의 영화\"}\n{\"id\": 2, \"text\": null}\n\
        {\"id\": 3, \"text\": \"정말 지루하고 재미없다\"}\n";
    let answer = project.pipe(input, &["predict", "reviews", "--input", "-"]).ok();
    let predictions: Vec<Value> = ndjson(&answer.stdout).into_iter().map(|mut row| row["prediction"].take()).collect();
    assert_eq!(predictions, [Value::from("1"), Value::Null, Value::from("0")]);
}

#[test]
fn class_weights_are_undone_by_the_closed_form() {
    // Balanced weights are n / (2 n_c): the odds of the score times n_1 / n_0 are the odds of the probability.
    let project = TestProject::with_points();
    // Every second training row of class 1 loses its label, so that the classes are uneven.
    let mut seen = 0;
    let thinned = |line: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if cells[3] == "1" && cells[4] == "train" {
            seen += 1;
            if seen % 2 == 0 {
                cells[3] = "";
            }
        }
        cells.join(",")
    };
    let rows: Vec<String> = points_csv().lines().map(thinned).collect();
    project.write("data/points.csv", rows.join("\n"));
    let count = |label: &str| rows.iter().filter(|row| row.ends_with(&format!(",{label},train"))).count() as f64;
    let (negative, positive) = (count("0"), count("1"));
    assert!(negative > 1.5 * positive, "{negative} {positive}");
    let trained = project.train("lr", &["--set", "model.params.class_weight=balanced"]);
    let path = format!("experiments/lr/runs/{}/predictions.parquet", trained["run_id"].as_str().unwrap());
    let frame = Parquet::read(&project.path(&path));
    assert_eq!(frame.columns(), ["id", "split", "label", "predicted", "probability", "score"]);
    assert_eq!(frame.height(), 80);
    for (probability, score) in frame.numbers("probability").into_iter().zip(frame.numbers("score")) {
        let odds = score / (1.0 - score) * positive / negative;
        assert!((probability - odds / (1.0 + odds)).abs() < 1e-12, "{score} -> {probability}");
        assert!(probability < score);
    }
    // `predict` gives the same calibrated probability; the decision is by the score.
    project.run(&["promote", "points", "--force", "--reason", "test"]).ok();
    let answer = project.run(&["--json", "predict", "points", "--input", "data/points.csv"]).ok().json();
    assert_eq!(answer["calibrated"], true);
    for (row, (id, probability)) in frame.texts("id").into_iter().zip(frame.numbers("probability")).enumerate() {
        let told = answer["rows"].as_array().unwrap().iter().find(|row| row["id"] == *id).unwrap();
        assert!((told["probabilities"][1].as_f64().unwrap() - probability).abs() < 1e-12, "{id}");
        assert_eq!(told["prediction"] == "1", frame.numbers("score")[row] >= 0.5, "{id}");
    }
}

#[test]
fn a_missing_model_or_version_is_4_and_a_missing_file_2() {
    let project = TestProject::with_points();
    project.run(&["predict", "points", "--input", "data/points.csv"]).code(4);
    project.train("lr", &[]);
    let answer = project.run(&["predict", "points", "--input", "data/points.csv"]).code(4);
    insta::assert_snapshot!(answer.stderr, @"
    error: model `points` has no version in production
    hint: promote one (`mlops promote points`) or name a version (`points/1`)
    ");
    project.run(&["predict", "points/7", "--input", "data/points.csv"]).code(4);
    project.run(&["predict", "points/1", "--input", "data/none.csv"]).code(2);
    project.run(&["predict", "points/1", "--input", "data/points.csv"]).ok();
}

#[test]
fn a_deployed_folder_answers_without_its_database() {
    let project = project();
    let expected = project.run(&["predict", "points", "--input", "data/points.csv", "--no-record"]).ok().stdout;
    for removed in ["experiments", "checkpoints"] {
        std::fs::remove_dir_all(project.path(removed)).unwrap();
    }
    std::fs::create_dir(project.path("experiments")).unwrap();
    for model in ["points", "points@production", "production/points/active", "points/1"] {
        let arguments = ["--root", ".", "predict", model, "--input", "data/points.csv", "--no-record"];
        let answer = project.run(&arguments).ok();
        assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), (expected.as_str(), ""), "{model}");
    }
    assert!(!project.path("experiments/tracking.db").exists());
    // A changed file is noticed without the database, too.
    let path = project.path("production/points/v1/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    project.run(&["--root", ".", "predict", "points", "--input", "data/points.csv", "--no-record"]).code(1);
}

#[test]
fn a_prediction_is_recorded_unless_not_wanted() {
    let project = project();
    let count = || {
        project.run(&["--json", "runs", "search", "command = 'predict'"]).ok().json()["items"].as_array().unwrap().len()
    };
    project.run(&["predict", "points", "--input", "data/points.csv", "--no-record"]).ok();
    assert_eq!(count(), 0);
    project.run(&["predict", "points", "--input", "data/points.csv"]).ok();
    assert_eq!(count(), 1);
    let run = project.run(&["--json", "runs", "list", "--commands"]).ok().json()["items"][0].take();
    assert_eq!((&run["metrics"]["rows"], &run["tags"]["version"]), (&Value::from(200.0), &Value::from("1")), "{run}");
    let latest = project.run(&["--json", "runs", "show", "@latest"]).ok().json();
    assert_eq!(latest["run"]["command"], "train", "a prediction is not what `@latest` asks for");
}
