//! `mlops train` for ranking: what it prints and writes, resumption, several seeds, and what bad input gets.

use serde_json::Value;

use super::support::{Parquet, RANKING_KINDS, TestProject, letor};

/// The run's folder of an outcome, as a path in the project.
fn run_folder(project: &TestProject, trained: &Value) -> String {
    let folder = trained["run_folder"].as_str().unwrap();
    folder.strip_prefix(&format!("{}/", project.root().display())).unwrap_or(folder).to_owned()
}

#[test]
fn every_kind_learns_the_order() {
    let project = TestProject::with_rankings(RANKING_KINDS);
    for kind in RANKING_KINDS {
        let trained = project.train(kind, &[]);
        let test = &trained["metrics"]["test"];
        let ndcg = test["metrics"]["ndcg@10"]["value"].as_f64().unwrap();
        // At random it is .55.
        assert!(ndcg > 0.65, "{kind}: {ndcg}");
        assert_eq!((&test["ranking"]["queries"], &test["ranking"]["empty"]), (&12.into(), &1.into()), "{kind}");
        assert_eq!(trained["n_features"], 4);
    }
}

#[test]
fn a_ranking_run_is_told_as_text() {
    let project = TestProject::with_rankings(&["lambdarank"]);
    let answer = project.run(&["train", "experiments/lambdarank/config.yaml"]).ok();
    assert_eq!(
        answer.stderr,
        "warning: 3 of 24 training queries have documents of one grade only: they teach no order\n"
    );
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    ranker v1  lambdarank of experiment lambdarank
    documents  352: 192 train, 64 validation, 96 test
    queries  24 train, 8 validation, 12 test
    fit  4 features in <duration>, 5 epochs, the best was 5

    metric  train  validation  test  95 % (test)
    ndcg@10  0.8180  0.6800  0.8652  0.716–0.960
    map  0.8209  0.6691  0.8799  0.724–0.975
    mrr  0.8750  0.7500  0.9167  0.750–1.000

    ndcg@10 0.8652 over 12 queries (1 without relevant documents count 0; skipped 0.944, as 1 0.948)
    over 12 queries; 1 of them without a relevant document, which count 0
    gain 2^grade − 1, discount log2(rank + 1), equal scores in the order of the data, AP over all relevant documents; relevant from grade 1, highest grade 2
    documents by grade  0: 29, 1: 44, 2: 23

    model  checkpoints/experiments/ranker/v1
    run  <run>  experiments/lambdarank/runs/<run id>

    next: mlops promote ranker/1
    ");
}

#[test]
fn the_run_keeps_history_predictions_and_values_of_each_query() {
    let project = TestProject::with_rankings(&["listnet"]);
    let trained = project.train("listnet", &[]);
    let folder = run_folder(&project, &trained);
    let history: Value = serde_json::from_str(&project.read(&format!("{folder}/training_history.json"))).unwrap();
    let rows = history.as_array().unwrap();
    assert_eq!(rows.len(), 5);
    for (row, epoch) in rows.iter().zip(1..) {
        assert_eq!(row["epoch"], epoch);
        for key in ["loss", "val_ndcg@10", "learning_rate", "seconds"] {
            assert!(row[key].is_f64(), "{key}: {row}");
        }
    }
    let predictions = Parquet::read(&project.path(&format!("{folder}/predictions.parquet")));
    assert_eq!(predictions.columns(), ["id", "split", "query", "label", "score"]);
    assert_eq!(predictions.height(), (8 + 12) * 8);
    assert_eq!(predictions.texts("id")[0], "d24-0");
    let per_query = Parquet::read(&project.path(&format!("{folder}/per_query.parquet")));
    assert_eq!(per_query.height(), 8 + 12);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let stored = trained["metrics"]["test"]["metrics"]["ndcg@10"]["value"].as_f64().unwrap();
    assert!((mean(&per_query.numbers("ndcg@10")[8..]) - stored).abs() < 1e-12);
    assert!(!project.path(&format!("{folder}/checkpoint.safetensors")).exists(), "a finished training needs none");
    let schema: Value = serde_json::from_str(&project.read("checkpoints/experiments/ranker/v1/schema.json")).unwrap();
    assert_eq!((&schema["task"], &schema["highest_grade"]), (&"ranking".into(), &2.into()));
}

/// The model's own files of a version: those of the manifest that do not hold a time or an id.
fn weights(project: &TestProject, version: u64) -> Vec<Vec<u8>> {
    let folder = format!("checkpoints/experiments/ranker/v{version}");
    let read = |name: &str| std::fs::read(project.path(&format!("{folder}/{name}"))).unwrap();
    ["network.safetensors", "step0_standardize.safetensors", "golden.json"].map(read).to_vec()
}

#[test]
fn a_resumed_training_ends_with_the_bytes_of_an_uninterrupted_one() {
    let project = TestProject::with_rankings(&["listmle"]);
    let config = "experiments/listmle/config.yaml";
    project.train("listmle", &[]);
    let killed = project.crash_at("train.epoch_4", &["train", config]);
    assert_eq!(killed.signal, Some(6), "{}", killed.stderr);
    let resumed = project.train("listmle", &["--resume"]);
    assert!(resumed["resumed"].is_string());
    assert_eq!(weights(&project, 1), weights(&project, 2));
    let history = |trained: &Value| {
        let mut rows: Vec<Value> =
            serde_json::from_str(&project.read(&format!("{}/training_history.json", run_folder(&project, trained))))
                .unwrap();
        rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("seconds")));
        rows
    };
    let whole = project.train("listmle", &[]);
    assert_eq!(history(&resumed), history(&whole), "the rows of before the crash are there again");
    let none = project.run(&["train", config, "--resume"]).code(4);
    assert!(none.stderr.contains("no interrupted run of `listmle` has a checkpoint"), "{}", none.stderr);
}

#[test]
fn another_config_or_other_rows_are_not_resumed() {
    let project = TestProject::with_rankings(&["ranknet"]);
    let config = "experiments/ranknet/config.yaml";
    project.crash_at("train.epoch_3", &["train", config]);
    let other = project.run(&["train", config, "--resume", "--set", "seed=2"]).code(4);
    assert!(other.stderr.contains("one is of another config"), "{}", other.stderr);
    project.write("data/vali.txt", letor(25, 8));
    let rows = project.run(&["train", config, "--resume"]).code(2);
    assert!(rows.stderr.contains("the rows are not those of run"), "{}", rows.stderr);
    project.write("data/vali.txt", letor(24, 8));
    project.run(&["train", config, "--resume"]).ok();
}

#[test]
fn several_seeds_give_mean_and_deviation() {
    let project = TestProject::with_rankings(&["approxndcg"]);
    let config = "experiments/approxndcg/config.yaml";
    let arguments = ["--json", "train", config, "--set", "seed=null", "--set", "seeds=[1, 2, 3]"];
    let document = project.run(&arguments).ok().json();
    let values: Vec<f64> = document["trained"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["metrics"]["test"]["metrics"]["ndcg@10"]["value"].as_f64().unwrap())
        .collect();
    let spread = &document["seeds"][0]["metrics"][0];
    let mean = values.iter().sum::<f64>() / 3.0;
    let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    assert_eq!(spread["metric"], "ndcg@10");
    assert!((spread["mean"].as_f64().unwrap() - mean).abs() < 1e-12 && sd > 0.0);
    assert!((spread["sd"].as_f64().unwrap() - sd).abs() < 1e-12);
    let beside = project.run(&["--json", "train", config, "--set", "seeds=[2, 3]"]).ok().json();
    let value = |one: &Value| one["metrics"]["test"]["metrics"]["ndcg@10"]["value"].as_f64();
    assert_eq!([0, 1].map(|at| value(&beside["trained"][at])), [Some(values[1]), Some(values[2])]);
}

#[test]
fn one_file_is_split_by_query() {
    let project = TestProject::with_rankings(&["lambdamart"]);
    project.write("data/all.txt", letor(0, 40));
    let config = project.read("experiments/lambdamart/config.yaml");
    let (before, after) = config.split_once("  files:").unwrap();
    let rest = after.split_once('\n').unwrap().1;
    project.write("experiments/lambdamart/config.yaml", format!("{before}  source: data/all.txt\n{rest}"));
    let trained = project.train("lambdamart", &[]);
    let counts = ["train", "validation", "test"].map(|part| trained["metrics"][part]["ranking"]["queries"].clone());
    assert_eq!(counts, [24, 8, 8].map(Value::from));
}

#[test]
fn bad_labels_features_and_files_are_told_with_their_place() {
    let project = TestProject::with_rankings(&["lambdarank"]);
    let config = "experiments/lambdarank/config.yaml";
    let good = letor(32, 12);
    let cases = [
        (good.replacen("0 qid", "32 qid", 1), "32"),
        (good.replacen("1:0", "1:nan", 1), "nan"),
        (format!("{good}1 qid:x 1:0.5 9:0.5\n"), "9"),
        (String::new(), "is empty"),
        ("# nothing here\n".to_owned(), "has no documents"),
    ];
    for (text, said) in cases {
        project.write("data/test.txt", text);
        let answer = project.run(&["train", config]).code(2);
        assert!(answer.stderr.contains("test.txt") && answer.stderr.contains(said), "{said}: {}", answer.stderr);
    }
    project.write("data/test.txt", good);
    let uniform = letor(0, 24).lines().map(|line| format!("1{}\n", &line[1..])).collect::<String>();
    project.write("data/train.txt", uniform);
    let answer = project.run(&["train", config]).code(2);
    assert!(
        answer.stderr.contains("none of the 24 training queries has documents of different grades"),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_loss_that_is_no_number_stops_with_epoch_and_batch() {
    let project = TestProject::with_rankings(&["pointwise_mse"]);
    let config = "experiments/pointwise_mse/config.yaml";
    let wild = ["--set", "training.learning_rate=1e30", "--set", "training.optimizer=sgd"];
    let answer = project.run(&[&["train", config][..], &wild].concat()).code(1);
    assert!(answer.stderr.contains("in epoch 1, batch"), "{}", answer.stderr);
    assert!(!project.path("checkpoints/experiments/ranker").exists());
}

fn ndcg(trained: &Value) -> f64 {
    trained["metrics"]["test"]["metrics"]["ndcg@10"]["value"].as_f64().unwrap()
}

#[test]
fn where_relevance_begins_moves_only_what_asks_for_it() {
    let project = TestProject::with_rankings(&["lambdamart"]);
    let usual = project.train("lambdamart", &[]);
    let strict = project.train("lambdamart", &["--set", "evaluation.ranking.relevant_from=2"]);
    assert_eq!(ndcg(&usual), ndcg(&strict));
    let map = |trained: &Value| trained["metrics"]["test"]["metrics"]["map"]["value"].as_f64().unwrap();
    assert!(map(&strict) < map(&usual));
}

#[test]
fn the_task_is_that_of_the_kind_where_it_is_not_said() {
    let project = TestProject::with_rankings(&["lambdamart"]);
    let config = project.read("experiments/lambdamart/config.yaml").replace("task: ranking\n", "");
    project.write("experiments/lambdamart/config.yaml", config);
    assert_eq!(project.train("lambdamart", &[])["task"], "ranking");
}

#[test]
fn a_file_of_absurd_width_is_refused_before_it_takes_memory() {
    let project = TestProject::with_rankings(&["lambdamart"]);
    project.write("data/train.txt", "2 qid:1 1:0.5 250000000:1\n0 qid:1 1:0.2\n");
    let answer = project.run(&["train", "experiments/lambdamart/config.yaml"]).code(2);
    assert!(answer.stderr.contains("250,000,000 features"), "{}", answer.stderr);
    assert!(answer.stderr.contains("line 1"), "{}", answer.stderr);
}

#[test]
fn a_version_reads_its_own_features_wherever_they_stand_today() {
    let project = TestProject::new();
    let table = |order: [usize; 3]| {
        let rows = (0..160).map(|row| {
            let x = [12.9898, 78.233, 37.719].map(|factor| ((f64::from(row) + 1.0) * factor).sin());
            let cells: Vec<String> = order.iter().map(|at| format!("{:.4}", x[*at])).collect();
            let part = ["train", "train", "train", "validation", "test"][row as usize / 8 % 5];
            format!("q{},{},{part},{}\n", row / 8, u8::from(x[0] > 0.0) + u8::from(x[1] > 0.0), cells.join(","))
        });
        let names: Vec<&str> = order.iter().map(|at| ["a", "b", "c"][*at]).collect();
        format!("query,grade,part,{}\n{}", names.join(","), rows.collect::<String>())
    };
    project.write("data/all.csv", table([0, 1, 2]));
    let config = "experiment: {name: table}\ndata: {source: data/all.csv, columns: {query: query, label: grade, split: part}}\n\
                  model: {kind: lambdamart, params: {n_estimators: 5, min_data_in_leaf: 4}}\nevaluation: {bootstrap: 0}\n";
    project.write("experiments/table/config.yaml", config);
    let trained = project.train("table", &[]);
    project.write("data/all.csv", table([2, 0, 1]));
    let evaluated = project.run(&["--json", "evaluate", "table"]).ok().json();
    assert_eq!(evaluated["metrics"]["metrics"]["ndcg@10"]["value"].as_f64().unwrap(), ndcg(&trained));
}

#[test]
fn the_best_is_not_looked_for_across_conventions() {
    let project = TestProject::with_rankings(&["lambdamart", "listnet"]);
    project.train("lambdamart", &[]);
    project.train("listnet", &["--set", "evaluation.ranking.empty=one"]);
    let answer = project.run(&["promote", "--best", "ndcg@10", "ranker/1", "ranker/2", "--dry-run"]).code(2);
    assert!(answer.stderr.contains("judged by different conventions"), "{}", answer.stderr);
}
