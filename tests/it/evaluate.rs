//! `mlops evaluate`: the same numbers as in training, other data, the gate.

use super::support::{TestProject, config, points_csv};

#[test]
fn the_test_rows_give_the_numbers_of_training() {
    let project = TestProject::with_points();
    let trained = project.train("forest", &[]);
    for part in ["train", "validation", "test"] {
        let answer = project.run(&["--json", "evaluate", "points", "--split", part]).ok().json();
        let (now, then) = (&answer["metrics"], &trained["metrics"][part]);
        assert_eq!(now["confusion"], then["confusion"], "{part}");
        for (name, estimate) in then["metrics"].as_object().unwrap() {
            assert_eq!(now["metrics"][name]["value"], estimate["value"], "{part} {name}");
        }
    }
    let default = project.run(&["--json", "evaluate", "points"]).ok().json();
    assert_eq!(default["metrics"], trained["metrics"]["test"]);
}

#[test]
fn it_is_told_as_text_and_recorded() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let answer = project.run(&["evaluate", "points", "--gate"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    points v1 on 40 rows (test rows of data/points.csv)

    metric  value  95 %
    f1  0.8571  0.726–0.937
    accuracy  0.8500  0.737–0.950
    log_loss  0.3604  0.280–0.435
    average_precision  0.9733  0.931–0.997
    balanced_accuracy  0.8535  0.741–0.943
    brier  0.1066  0.072–0.138
    brier_calibrated  0.1066  0.072–0.138
    ece  0.1797
    f1_macro  0.8496  0.733–0.948
    f1_micro  0.8500  0.737–0.950
    f1_weighted  0.8504  0.738–0.950
    log_loss_calibrated  0.3604  0.280–0.435
    mcc  0.7035  0.476–0.898
    precision  0.9000  0.774–1.000
    precision_macro  0.8500  0.735–0.951
    precision_micro  0.8500  0.737–0.950
    precision_weighted  0.8550  0.746–0.952
    recall  0.8182  0.632–0.947
    recall_macro  0.8535  0.741–0.943
    recall_micro  0.8500  0.737–0.950
    recall_weighted  0.8500  0.737–0.950
    roc_auc  0.9646  0.919–0.996

    predicted 0  predicted 1  support
    is 0  16  2  18
    is 1  4  18  22
    precision, recall and f1 are those of class 1 (average: binary)
    a row is called 1 from a score of 0.5 on

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

    gate  f1  >= 0.55  0.8571  yes
    checked the minimum metrics only; for the comparison with production run `mlops promote --dry-run`
    run  <run>  experiments/lr/runs/<run id>
    ");
    let run = project.run(&["--json", "runs", "show", "@latest"]).ok().json()["run"].take();
    assert_eq!((run["command"].as_str(), run["status"].as_str()), (Some("evaluate"), Some("FINISHED")));
    assert!(run["metrics"]["f1"].is_number(), "{run}");
}

#[test]
fn a_made_split_is_not_made_again_over_other_rows() {
    let project = TestProject::with_points();
    project.train("lr", &["--set", "data.split={train: 0.6, validation: 0.2, test: 0.2}"]);
    project.run(&["evaluate", "points"]).ok();
    let mut rows = std::fs::read_to_string(project.path("data/points.csv")).unwrap();
    rows.push_str("extra,0.5,0.5,1,train\n");
    project.write("data/points.csv", rows);
    let answer = project.run(&["evaluate", "points"]).code(2);
    assert!(answer.stderr.contains("its split cannot be made again"), "{}", answer.stderr);
}

#[test]
fn other_data_need_no_split_and_no_ids() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let rows: Vec<String> = points_csv()
        .lines()
        .filter(|line| line.ends_with("test") || line.starts_with("id"))
        .map(|line| line.split(',').skip(1).take(3).collect::<Vec<_>>().join(","))
        .collect();
    project.write("june.csv", rows.join("\n") + "\n");
    let [of_file, of_split] = [&["--data", "june.csv"][..], &["--split", "test"]]
        .map(|more| project.run(&[&["--json", "evaluate", "points"], more].concat()).ok().json()["metrics"].take());
    assert_eq!(of_file["metrics"]["f1"]["value"], of_split["metrics"]["f1"]["value"]);
    assert_eq!(of_file["rows"], 40);
}

#[test]
fn the_gate_answers_no_with_3_and_without_rules_with_2() {
    let project = TestProject::with_points();
    project.write("experiments/lr/config.yaml", config("lr", "logistic_regression").replace("min: 0.55", "min: 0.99"));
    project.train("lr", &[]);
    project.run(&["evaluate", "points"]).ok();
    project.run(&["evaluate", "points", "--gate"]).code(3);
    project.write(
        "experiments/lr/config.yaml",
        config("lr", "logistic_regression").replace("[{metric: f1, min: 0.55}]", "[]"),
    );
    project.train("lr", &[]);
    project.run(&["evaluate", "points/2", "--gate"]).code(2);
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.write("other.csv", "a,b,label\n0.1,0.2,maybe\n");
    let label = project.run(&["evaluate", "points", "--data", "other.csv"]).code(2);
    assert!(label.stderr.contains("maybe"), "{}", label.stderr);
    project.write("narrow.csv", "a,label\n0.1,1\n");
    let column = project.run(&["evaluate", "points", "--data", "narrow.csv"]).code(2);
    assert!(column.stderr.contains("`b`"), "{}", column.stderr);
    project.run(&["evaluate", "points", "--data", "absent.csv"]).code(2);
    project.run(&["evaluate", "nobody"]).code(4);
    project.run(&["evaluate", "points/9"]).code(4);
}

#[test]
fn one_class_in_the_rows_makes_auc_undefined_never_a_number() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.write("ones.csv", "a,b,label\n0.5,0.5,1\n0.9,0.1,1\n");
    let answer = project.run(&["--json", "evaluate", "points", "--data", "ones.csv"]).ok().json();
    let auc = &answer["metrics"]["metrics"]["roc_auc"];
    assert!(auc["value"].is_null() && auc["reason"].is_string(), "{auc}");
}

#[test]
fn rows_of_training_are_left_out_of_other_data() {
    let project = TestProject::with_points();
    project.train("lr", &["--set", "promotion.minimum={rows: 50}"]);
    let (header, rows) =
        project.read("data/points.csv").split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let learned: Vec<&str> = rows.lines().filter(|row| !row.ends_with("test")).collect();
    let unknown: Vec<&str> = rows.lines().filter(|row| row.ends_with("test")).collect();
    // 60 rows that the model was trained on, and its 40 test rows, which it has not seen.
    assert!(learned.len() >= 60 && unknown.len() == 40, "{} {}", learned.len(), unknown.len());
    let write = |name: &str, rows: &[&str]| project.write(name, format!("{header}\n{}\n", rows.join("\n")));
    write("data/mixed.csv", &[&learned[..60], &unknown[..]].concat());
    write("data/unknown.csv", &unknown);
    write("data/learned.csv", &learned);
    let evaluate = |more: &[&str]| project.run(&[&["--json", "evaluate", "points", "--data"], more].concat());
    let mixed = evaluate(&["data/mixed.csv"]).ok();
    assert!(
        mixed.stderr.contains("60 of 100 rows were used in training points v1 and are left out"),
        "{}",
        mixed.stderr
    );
    let mixed = mixed.json();
    let only = evaluate(&["data/unknown.csv"]).ok().json();
    assert_eq!((&mixed["skipped_known"], &only["skipped_known"]), (&60.into(), &0.into()));
    assert_eq!(mixed["metrics"]["rows"], 40);
    assert_eq!(mixed["metrics"]["metrics"], only["metrics"]["metrics"]);
    // What is left is counted against the gate's minimum of 50 rows.
    evaluate(&["data/mixed.csv", "--gate"]).code(3);
    let kept = evaluate(&["data/mixed.csv", "--include-known", "--gate"]);
    assert_eq!(kept.json()["metrics"]["rows"], 100);
    assert_eq!(kept.json()["skipped_known"], 0);
    let refused = evaluate(&["data/learned.csv"]).code(2);
    assert!(refused.stdout.contains("nothing is left to evaluate on"), "{}", refused.stdout);
    // Who asks for the training part wants it.
    let train = evaluate(&["data/mixed.csv", "--split", "train"]).ok().json();
    assert_eq!(train["skipped_known"], 0);
}

#[test]
fn queries_of_training_are_left_out_of_other_rankings() {
    let project = TestProject::with_rankings(&["listnet"]);
    project.train("listnet", &[]);
    let mixed = project.read("data/vali.txt") + &project.read("data/test.txt");
    project.write("data/mixed.txt", mixed);
    let evaluate = |data: &str| project.run(&["--json", "evaluate", "ranker", "--data", data]).ok().json();
    let (mixed, test) = (evaluate("data/mixed.txt"), evaluate("data/test.txt"));
    assert_eq!((&mixed["skipped_known"], &test["skipped_known"]), (&64.into(), &0.into()));
    assert_eq!(mixed["metrics"]["metrics"], test["metrics"]["metrics"]);
}
