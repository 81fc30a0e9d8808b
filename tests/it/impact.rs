//! `mlops experiments impact`: statistics and importance of parameters over real training runs.

use super::support::TestProject;

/// Trains `lr` with several values of three parameters.
fn train(project: &TestProject, count: usize) {
    for run in 0..count {
        let c = ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100", "1000", "10000"][run * 5 % 9];
        let weight = ["balanced", "null"][run % 2];
        let set = [format!("model.params.C={c}"), format!("model.params.class_weight={weight}")];
        project.train(
            "lr",
            &["--set", &set[0], "--set", &set[1], "--set", &format!("model.params.max_iter={}", 5 + run % 4 * 20)],
        );
    }
}

#[test]
fn importance_and_statistics_are_told() {
    let project = TestProject::with_points();
    train(&project, 12);
    let before = project.tree();
    let answer = project.run(&["experiments", "impact", "lr", "--metric", "log_loss"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    lr  12 finished training runs by log_loss (lower is better)
    best  log_loss 0.3316  <run>

    parameter  importance  95 %  kind  runs  values  Spearman  Pearson  best on average
    model.C  0.562  0.28–0.98  log number  12  9  -0.94  -0.93  100 to 10000
    model.max_iter  0.438  0.00–0.71  number  12  4  -0.32  -0.20  65
    model.class_weight  0.000  0.00–0.09  category  12  2  –  –  null
    importance: PED-ANOVA of the best 2 of 12 runs, 95 % over 200 resamplings of the runs
    fewer than 5 best runs are few: `--best-part 0.41` takes 5

    model.C  log_loss
    value  runs  mean  median  best
    0.0001 to 0.001  4  0.6913  0.6913  0.6863
    0.01 to 0.1  2  0.5526  0.5526  0.4697
    1 to 10  3  0.3412  0.3355  0.3316
    100 to 10000 *  3  0.3323  0.3322  0.3322

    model.max_iter  log_loss
    value  runs  mean  median  best
    5  3  0.5615  0.6355  0.3565
    25  3  0.4547  0.3355  0.3322
    45  3  0.4958  0.4697  0.3316
    65 *  3  0.4516  0.3325  0.3322

    model.class_weight  log_loss
    value  runs  mean  median  best
    balanced  6  0.5287  0.5526  0.3316
    null *  6  0.4532  0.3340  0.3322
    ");
    let document =
        project.run(&["--json", "experiments", "impact", "lr", "--metric", "log_loss", "--top", "2"]).ok().json();
    assert_eq!(
        (document["runs"].as_u64(), document["maximize"].as_bool(), document["left_out"].as_u64()),
        (Some(12), Some(false), Some(1))
    );
    assert_eq!(document["parameters"][0]["name"], "model.C");
    let weights = document["importance"]["parameters"].as_object().unwrap();
    let sum: f64 = weights.values().map(|weight| weight["value"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-12 && weights.len() == 3);
    assert_eq!(project.tree(), before, "it only reads");
    let runs = project.run(&["--json", "runs", "list", "--commands"]).ok().json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 12, "and records nothing");
}

#[test]
fn too_few_runs_have_no_importance_but_everything_else() {
    let project = TestProject::with_points();
    train(&project, 4);
    let document = project.run(&["--json", "experiments", "impact", "lr"]).ok().json();
    assert!(document["importance"].is_null());
    assert_eq!(document["importance_reason"], "needs 10 finished runs, has 4");
    assert_eq!(document["parameters"].as_array().unwrap().len(), 3);
    assert!(document["parameters"][0]["importance"].is_null());
    let text = project.run(&["experiments", "impact", "lr"]).ok().stdout;
    assert!(text.contains("importance  none: needs 10 finished runs, has 4"), "{text}");
}

#[test]
fn runs_without_a_number_are_skipped_and_counted() {
    let project = TestProject::with_points();
    train(&project, 2);
    // A forest has no loss.
    project.train("lr", &["--set", "model.kind=random_forest", "--set", "model.params={n_estimators: 3}"]);
    let document = project.run(&["--json", "experiments", "impact", "lr", "--metric", "train_loss"]).ok().json();
    assert_eq!((document["runs"].as_u64(), document["skipped_without_value"].as_u64()), (Some(2), Some(1)));
    let document = project.run(&["--json", "experiments", "impact", "lr"]).ok().json();
    let named =
        |name: &str| document["parameters"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(named("model.n_estimators")["absent"], 2);
    assert_eq!(named("model.n_estimators")["groups"][1]["value"], "(absent)");
    assert_eq!(named("model.kind")["kind"], "category");
    let other = project.run(&["experiments", "impact", "lr", "--metric", "f2"]).code(2);
    assert!(other.stderr.contains("no finished training run of `lr` has the metric `f2`"), "{}", other.stderr);
    assert!(other.stderr.contains("did you mean `f1`?"), "{}", other.stderr);
    project.run(&["experiments", "impact", "nobody"]).code(4);
    project.run(&["experiments", "create", "empty"]).ok();
    let empty = project.run(&["experiments", "impact", "empty"]).code(4);
    assert!(empty.stderr.contains("has no finished training run"), "{}", empty.stderr);
    let part = project.run(&["experiments", "impact", "lr", "--best-part", "1.5"]).code(2);
    assert!(part.stderr.contains("lies between 0 and 1, got 1.5"), "{}", part.stderr);
}
