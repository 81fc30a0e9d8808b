//! Groups of rows, calibration, the chosen threshold, averages and positive labels: `train` and `evaluate`.

use serde_json::{Value, json};

use super::support::{Parquet, TestProject, config, points};

/// The points with a city (missing for some), an age and a grade of three classes.
fn wide_csv() -> String {
    let mut text = "id,a,b,city,age,label,grade,split\n".to_owned();
    for (row, a, b, label, split) in points() {
        let city = ["Seoul", "부산", "Seoul", "", "Seoul", "Jeju"][row % 6];
        // Jeju has one class in the test rows.
        let label = if city == "Jeju" && split == "test" { 1 } else { label };
        let grade = if a + b > 0.7 {
            "high"
        } else if a + b < -0.4 {
            "low"
        } else {
            "mid"
        };
        text += &format!("p{row},{a:.6},{b:.6},{city},{},{label},{grade},{split}\n", 18 + row % 60);
    }
    text
}

fn wide() -> TestProject {
    let project = TestProject::with_points();
    project.write("data/points.csv", wide_csv());
    project
}

fn with_evaluation(project: &TestProject, more: &str) {
    let text = config("lr", "logistic_regression").replace("bootstrap: 100}", &format!("bootstrap: 100, {more}}}"));
    project.write("experiments/lr/config.yaml", text);
}

fn evaluated(project: &TestProject, more: &[&str]) -> Value {
    project.run(&[&["--json", "evaluate", "points"], more].concat()).ok().json()["metrics"].take()
}

#[test]
fn groups_are_shown_by_size_with_small_ones_marked() {
    let project = wide();
    project.train("lr", &[]);
    let answer = project.run(&["evaluate", "points", "--by", "city", "--by", "age"]).ok();
    let text = project.redact(&answer.stdout);
    let groups = &text[text.find("by age").unwrap()..text.find("run  <run>").unwrap()];
    insta::assert_snapshot!(groups, @"
    by age  12 values
    value  rows  of class 1  f1  95 %  accuracy  95 %  log_loss  95 %
    22 *  4  4  n/a (1 class)  1  0.510–1.000  0.1224  0.093–0.167
    27 *  4  1  0.6667  0.000–1.000  0.7500  0.250–1.000  0.4450  0.294–0.667
    32 *  4  0  n/a (1 class)  1  0.510–1.000  0.2124  0.182–0.239
    37 *  4  4  n/a (1 class)  0.5000  0.119–0.881  0.7055  0.499–0.940
    42 *  3  1  0.6667  0.000–1.000  0.6667  0.158–1.000  0.6697  0.531–0.845
    47 *  3  3  n/a (1 class)  1  0.439–1.000  0.3833  0.315–0.452
    52 *  3  2  0  0.3333  0.000–0.667  0.6882  0.421–1.023
    57 *  3  0  n/a (1 class)  1  0.439–1.000  0.1466  0.101–0.193
    62 *  3  3  n/a (1 class)  1  0.439–1.000  0.2490  0.155–0.343
    67 *  3  3  n/a (1 class)  1  0.439–1.000  0.2417  0.128–0.355
    72 *  3  0  n/a (1 class)  1  0.439–1.000  0.0740  0.053–0.095
    77 *  3  3  n/a (1 class)  0.3333  0.000–0.667  1.1245  0.703–1.546
    * fewer than 30 rows: read the intervals, not the values

    by city  3 values
    value  rows  of class 1  f1  95 %  accuracy  95 %  log_loss  95 %
    Seoul *  20  10  0.8421  0.612–1.000  0.8500  0.700–1.000  0.3191  0.206–0.446
    (missing) *  7  1  0.6667  0.000–1.000  0.8571  0.571–1.000  0.3171  0.188–0.523
    부산 *  7  7  n/a (1 class)  0.7143  0.286–1.000  0.5067  0.296–0.740
    Jeju *  6  6  n/a (1 class)  0.6667  0.333–1.000  0.7539  0.385–1.120
    * fewer than 30 rows: read the intervals, not the values
    ");
    let seoul: usize = points().iter().filter(|point| point.4 == "test" && [0, 2, 4].contains(&(point.0 % 6))).count();
    let found = &evaluated(&project, &["--by", "city"])["subgroups"]["city"];
    assert_eq!((found["values"].clone(), found["groups"][0]["value"].clone()), (json!(3), json!("Seoul")));
    assert_eq!(found["groups"][0]["rows"], seoul);
    let jeju = found["groups"].as_array().unwrap().iter().find(|group| group["value"] == "Jeju").unwrap();
    assert_eq!(jeju["metrics"]["f1"], json!({"value": null, "reason": "1 class"}));
    assert!(jeju["metrics"]["accuracy"]["value"].is_number() && jeju["few"] == true);
}

#[test]
fn a_column_that_is_not_there_is_refused_with_a_guess() {
    let project = wide();
    project.train("lr", &[]);
    let answer = project.run(&["evaluate", "points", "--by", "citty"]).code(2);
    assert!(
        answer.stderr.contains("no column `citty`") && answer.stderr.contains("did you mean `city`?"),
        "{}",
        answer.stderr
    );
    with_evaluation(&project, "subgroups: [town]");
    let answer = project.run(&["train", "experiments/lr/config.yaml"]).code(2);
    assert!(answer.stderr.contains("no column `town`"), "{}", answer.stderr);
}

#[test]
fn groups_of_the_config_are_stored_with_the_run_and_its_predictions() {
    let project = wide();
    with_evaluation(&project, "subgroups: [city]");
    let trained = project.train("lr", &[]);
    let stored: Value = serde_json::from_str(&project.read("experiments/lr/metrics.json")).unwrap();
    let test = &stored["splits"]["test"];
    assert_eq!(test["subgroups"]["city"]["groups"][0]["value"], "Seoul");
    assert!(stored["splits"]["validation"].get("subgroups").is_none(), "groups are of the test rows");
    assert_eq!(evaluated(&project, &[]), *test, "`evaluate` says the same without being asked");
    let folder = trained["run_folder"].as_str().unwrap();
    let predictions = Parquet::read(&project.path(folder).join("predictions.parquet"));
    let cities = predictions.texts("by:city");
    let rows = |city: &str| {
        let parts = predictions.texts("split");
        cities.iter().zip(parts).filter(|(value, part)| *value == city && part == "test").count()
    };
    for group in test["subgroups"]["city"]["groups"].as_array().unwrap() {
        assert_eq!(group["rows"], rows(group["value"].as_str().unwrap()), "{group}");
    }
    assert!(rows("(missing)") > 0);
    // Other data need not have the column of the config.
    project.write("june.csv", "a,b,label\n0.5,0.5,1\n-0.9,0.1,0\n");
    let june = project.run(&["--json", "evaluate", "points", "--data", "june.csv"]).ok().json();
    assert!(june["metrics"].get("subgroups").is_none());
    project.run(&["evaluate", "points", "--data", "june.csv", "--by", "city"]).code(2);
}

#[test]
fn calibration_is_told_beside_what_chance_would_show() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let answer = project.run(&["evaluate", "points"]).ok();
    let text = project.redact(&answer.stdout);
    let table = &text[text.find("calibration").unwrap()..text.find("run  <run>").unwrap()];
    insta::assert_snapshot!(table, @"
    calibration  how often a row is of class 1, by predicted probability
    probability  predicted  observed  95 %  rows
    0.048–0.106  0.074  0.000  0.000–0.490  4
    0.119–0.173  0.156  0.000  0.000–0.490  4
    0.187–0.225  0.204  0.000  0.000–0.490  4
    0.246–0.346  0.318  0.250  0.046–0.699  4
    0.346–0.498  0.442  0.750  0.301–0.954  4
    0.543–0.597  0.573  0.500  0.150–0.850  4
    0.606–0.662  0.636  1.000  0.510–1.000  4
    0.692–0.746  0.708  1.000  0.510–1.000  4
    0.814–0.879  0.836  1.000  0.510–1.000  4
    0.894–0.916  0.906  1.000  0.510–1.000  4
    ECE 0.1797 over 10 bins of equal count: as calibrated as so many rows can show
    a perfectly calibrated model would show 0.1711, at most 0.2356 95 times in 100
    ");
    let reliability = evaluated(&project, &[])["reliability"].take();
    let bins = reliability["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 10);
    let gap: f64 = bins
        .iter()
        .map(|bin| {
            bin["rows"].as_f64().unwrap()
                * (bin["predicted"].as_f64().unwrap() - bin["observed"].as_f64().unwrap()).abs()
        })
        .sum();
    assert!((gap / 40.0 - reliability["ece"].as_f64().unwrap()).abs() < 1e-12);
    assert!(reliability["null"]["mean"].as_f64().unwrap() > 0.0);
    let run = project.run(&["--json", "runs", "show", "@latest"]).ok().json()["run"].take();
    assert_eq!(run["metrics"]["ece"], reliability["ece"]);
}

#[test]
fn class_weights_are_seen_in_the_calibration_of_the_scores() {
    let project = TestProject::with_points();
    project.train("lr", &["--set", "model.params.class_weight={0: 1, 1: 8}"]);
    let metrics = evaluated(&project, &[]);
    let of = |name: &str| metrics[name]["ece"].as_f64().unwrap();
    assert!(of("reliability_of_scores") > of("reliability") + 0.1, "{metrics}");
}

#[test]
fn a_threshold_is_chosen_on_validation_rows_and_kept() {
    let project = TestProject::with_points();
    with_evaluation(&project, "threshold: {choose: f1}");
    let answer =
        project.run(&["train", "experiments/lr/config.yaml", "--set", "model.params.class_weight={0: 1, 1: 8}"]).ok();
    let text = project.redact(&answer.stdout);
    let told = &text[text.find("threshold").unwrap()..text.find("model  ").unwrap()];
    insta::assert_snapshot!(told, @"
    threshold  0.8541, the best for f1 on 40 validation rows: 0.9000 (at 0.5 0.7170)
    at 0.5  f1 0.7719, accuracy 0.6750 (test)
    ");
    let stored: Value = serde_json::from_str(&project.read("experiments/lr/metrics.json")).unwrap();
    let chosen = &stored["threshold_chosen"];
    let threshold = stored["threshold"].as_f64().unwrap();
    assert!(threshold != 0.5 && chosen["threshold"] == threshold && chosen["rows"] == 40, "{chosen}");
    assert_eq!(chosen["value"], stored["splits"]["validation"]["metrics"]["f1"]["value"]);
    assert_eq!(chosen["at_half"], stored["splits"]["validation"]["at_half"]["f1"]["value"]);
    let test = &stored["splits"]["test"];
    assert!(test["at_half"]["f1"]["value"].is_number() && test["at_half"].get("roc_auc").is_none());
    let schema: Value = serde_json::from_str(&project.read("checkpoints/experiments/points/v1/schema.json")).unwrap();
    assert_eq!(schema["threshold"], threshold);
    assert!(project.read("checkpoints/experiments/points/v1/config.yaml").contains("choose: f1"));
    let again = project.run(&["evaluate", "points"]).ok();
    assert!(again.stdout.contains("chosen for f1 on the validation rows"), "{}", again.stdout);
    assert_eq!(evaluated(&project, &[]), *test);
    // The decisions of the test rows, at the threshold and at 0.5, by their stored scores.
    let runs = project.run(&["--json", "runs", "list"]).ok().json();
    let first =
        runs["items"].as_array().unwrap().iter().find(|run| run["command"] == "train").unwrap()["run_id"].clone();
    let path = format!("experiments/lr/runs/{}/predictions.parquet", first.as_str().unwrap());
    let predictions = Parquet::read(&project.path(&path));
    for (score, predicted) in predictions.numbers("score").iter().zip(predictions.texts("predicted")) {
        assert_eq!(predicted, if *score >= threshold { "1" } else { "0" });
    }
}

#[test]
fn a_threshold_that_cannot_be_chosen_is_told_before_the_fit() {
    let refused = |evaluation: &str, more: &[&str], message: &str| {
        let project = wide();
        with_evaluation(&project, evaluation);
        let answer = project.run(&[&["train", "experiments/lr/config.yaml"], more].concat()).code(2);
        assert!(answer.stderr.contains(message), "{}", answer.stderr);
        assert!(!project.path("checkpoints/experiments/points").exists());
    };
    let choose = "threshold: {choose: f1}";
    refused(
        choose,
        &["--set", "data.columns.label=grade", "--set", "promotion.require=[]"],
        "needs two classes, the data have 3",
    );
    refused(
        choose,
        &["--set", "data.split={train: 0.8, test: 0.2}"],
        "chosen on validation rows, and the split makes none",
    );
    refused("threshold: {choose: roc_auc}", &[], "`roc_auc` does not depend on the decision threshold");
    refused("threshold: {choose: f2}", &[], "unknown metric `f2`");
    refused("threshold: {min_recall: 0.5}", &[], "`evaluation.threshold.choose` is missing");
    refused("threshold: {choose: f1, min_recall: 2}", &[], "a least value lies between 0 and 1, got 2");
    refused("threshold: f1", &[], "{choose: f1}");
    refused(
        "threshold: {choose: recall, min_precision: 0.999, min_recall: 0.999}",
        &[],
        "no threshold keeps precision >= 0.999 and recall >= 0.999 on 40 rows",
    );
    refused("subgroups: [city, city]", &[], "the column `city` stands there twice");
    let project = wide();
    project.write("data/points.csv", wide_csv().replace(",validation", ",train"));
    with_evaluation(&project, choose);
    let answer = project.run(&["train", "experiments/lr/config.yaml"]).code(2);
    assert!(answer.stderr.contains("needs validation rows, and there are none"), "{}", answer.stderr);
}

#[test]
fn averages_and_positive_labels_are_those_that_were_asked_for() {
    let project = wide();
    project.train("lr", &[]);
    let default = evaluated(&project, &[]);
    let value = |metrics: &Value, name: &str| metrics["metrics"][name]["value"].as_f64().unwrap();
    for average in ["macro", "weighted", "micro"] {
        let found = evaluated(&project, &["--average", average]);
        for name in ["precision", "recall", "f1"] {
            assert_eq!(value(&found, name), value(&default, &format!("{name}_{average}")), "{name} {average}");
        }
        assert_eq!((found["average"].as_str(), found["positive"].as_str()), (Some(average), Some("1")));
    }
    let zero = evaluated(&project, &["--pos-label", "0"]);
    let cell = |truth: usize, called: usize| default["confusion"][truth][called].as_f64().unwrap();
    assert!((value(&zero, "precision") - cell(0, 0) / (cell(0, 0) + cell(1, 0))).abs() < 1e-15);
    assert!((value(&zero, "recall") - cell(0, 0) / (cell(0, 0) + cell(0, 1))).abs() < 1e-15);
    assert!((value(&zero, "roc_auc") - value(&default, "roc_auc")).abs() < 1e-12);
    assert!(value(&zero, "average_precision") != value(&default, "average_precision"));
    assert_eq!((zero["positive"].as_str(), &zero["confusion"]), (Some("0"), &default["confusion"]));
    let unknown = project.run(&["evaluate", "points", "--pos-label", "yes"]).code(2);
    assert!(unknown.stderr.contains("no class `yes`") && unknown.stderr.contains("known: 0, 1"), "{}", unknown.stderr);
    project.run(&["evaluate", "points", "--average", "mean"]).code(2);
    project.run(&["evaluate", "points", "--average", "macro", "--gate"]).code(2);
    let noted = project.run(&["evaluate", "points", "--average", "macro", "--pos-label", "0"]).ok();
    assert!(noted.stderr.contains("`--pos-label 0` changes nothing in precision"), "{}", noted.stderr);
}

#[test]
fn one_of_three_classes_can_be_held_against_the_rest() {
    let project = wide();
    project.train("lr", &["--set", "data.columns.label=grade", "--set", "promotion.require=[]"]);
    let refused = project.run(&["evaluate", "points", "--average", "binary"]).code(2);
    assert!(refused.stderr.contains("needs two classes, the model has 3"), "{}", refused.stderr);
    let default = evaluated(&project, &[]);
    assert_eq!(
        (default["average"].as_str(), &default["positive"], &default["reliability"]["positive"]),
        (Some("macro"), &Value::Null, &Value::Null)
    );
    let high = evaluated(&project, &["--pos-label", "high"]);
    assert_eq!((high["average"].as_str(), high["positive"].as_str()), (Some("binary"), Some("high")));
    let place = default["labels"].as_array().unwrap().iter().position(|label| label == "high").unwrap();
    let cell = |truth: usize, called: usize| default["confusion"][truth][called].as_f64().unwrap();
    let called: f64 = (0..3).map(|truth| cell(truth, place)).sum();
    let precision = high["metrics"]["precision"]["value"].as_f64().unwrap();
    assert!((precision - cell(place, place) / called).abs() < 1e-15);
    let text = project.run(&["evaluate", "points", "--average", "weighted"]).ok().stdout;
    assert!(
        text.contains("precision, recall and f1 are weighted averages; roc_auc and average_precision are macro"),
        "{text}"
    );
}
