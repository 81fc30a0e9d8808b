//! `mlops evaluate` with a ranking model: the numbers of training, other data, other conventions, the gate.

use serde_json::Value;

use super::support::{Parquet, TestProject};

fn trained(kind: &str, more: &[&str]) -> (TestProject, Value) {
    let project = TestProject::with_rankings(&[kind]);
    let outcome = project.train(kind, more);
    (project, outcome)
}

#[test]
fn each_part_gives_the_numbers_of_training() {
    let (project, outcome) = trained("lambdamart", &[]);
    for part in ["train", "validation", "test"] {
        let answer = project.run(&["--json", "evaluate", "ranker", "--split", part]).ok().json();
        let (now, then) = (&answer["metrics"], &outcome["metrics"][part]);
        assert_eq!((&now["support"], &now["ranking"]), (&then["support"], &then["ranking"]), "{part}");
        for (name, estimate) in then["metrics"].as_object().unwrap() {
            assert_eq!(now["metrics"][name]["value"], estimate["value"], "{part} {name}");
        }
    }
    let default = project.run(&["--json", "evaluate", "ranker"]).ok().json();
    assert_eq!(default["metrics"], outcome["metrics"]["test"]);
    // What was said of each document and query is kept, the same as in training.
    let file = |run: &Value, name: &str| Parquet::read(&project.path(run["run_folder"].as_str().unwrap()).join(name));
    let (now, then) = (file(&default, "per_query.parquet"), file(&outcome, "per_query.parquet"));
    assert_eq!((now.height(), then.height()), (12, 8 + 12));
    assert_eq!(now.columns(), then.columns());
    assert_eq!(now.numbers("ndcg@10"), then.numbers("ndcg@10")[8..]);
    let (now, then) = (file(&default, "predictions.parquet"), file(&outcome, "predictions.parquet"));
    assert_eq!(now.numbers("score"), then.numbers("score")[64..]);
    assert_eq!(now.texts("query"), then.texts("query")[64..]);
}

#[test]
fn it_is_told_with_its_conventions() {
    let (project, _) = trained("lambdamart", &[]);
    let answer = project.run(&["evaluate", "ranker", "--gate", "--letor-compat"]).ok();
    insta::assert_snapshot!(project.redact(&answer.stdout), @"
    ranker v1 on 96 documents of 12 queries (test queries of data/test.txt)

    metric  value  95 %  empty skipped  empty as 1
    ndcg@10  0.8981  0.740–0.999  0.9798  0.9815
    map  0.9147  0.749–1.000  0.9978  0.9980
    mrr  0.9167  0.750–1.000  1.0000  1.0000
    err@10  0.7137  0.548–0.832  0.7786  0.7137
    ndcg  0.8981  0.740–0.999  0.9798  0.9815
    ndcg@1  0.8611  0.694–1.000  0.9394  0.9444
    ndcg@3  0.8835  0.733–1.000  0.9638  0.9668
    ndcg@5  0.8982  0.740–1.000  0.9799  0.9816
    precision@1  0.9167  0.750–1.000  1.0000  0.9167
    precision@10  0.5583  0.446–0.642  0.6091  0.5583
    precision@5  0.9000  0.741–1.000  0.9818  0.9000
    recall@10  0.9167  0.750–1.000  1.0000  1.0000

    over 12 queries; 1 of them without a relevant document, which count 0
    gain 2^grade − 1, discount log2(rank + 1), equal scores in the order of the data, AP over all relevant documents; relevant from grade 1, highest grade 2
    documents by grade  0: 29, 1: 44, 2: 23

    as LETOR 4.0's Eval-Score-4.0.pl counts
    k  NDCG@k  P@k
    1  0.8611  0.9167
    2  0.8750  0.9167
    3  0.8901  0.9167
    4  0.9021  0.9167
    5  0.9031  0.9000
    6  0.8992  0.8333
    7  0.9030  0.7738
    8  0.9031  0.6979
    9  0.0000  0.6204
    10  0.0000  0.5583
    MAP 0.9147  MeanNDCG 0.8921
    its discounts are 1, 1, log2(3), log2(4), …; NDCG@k is 0 for a query with fewer than k documents

    gate  ndcg@10  >= 0.3  0.8981  yes
    checked the minimum metrics only; for the comparison with production run `mlops promote --dry-run`
    run  <run>  experiments/lambdamart/runs/<run id>
    ");
}

#[test]
fn other_data_and_other_words_for_empty_queries() {
    let (project, _) = trained("lambdamart", &[]);
    let ask = |more: &[&str]| project.run(&[&["--json", "evaluate", "ranker"], more].concat()).ok().json();
    let of_config = ask(&[]);
    let of_file = ask(&["--data", "data/test.txt"]);
    assert_eq!(of_file["metrics"]["metrics"], of_config["metrics"]["metrics"]);
    assert_eq!(
        (&of_file["part"], &of_file["source"]),
        (&Value::Null, &project.path("data/test.txt").display().to_string().into())
    );
    let value = |answer: &Value, metric: &str| answer["metrics"]["metrics"][metric]["value"].as_f64().unwrap();
    let facts = &of_config["metrics"]["ranking"];
    for (at, word) in ["zero", "skip", "one"].into_iter().enumerate() {
        let answer = ask(&["--empty", word]);
        assert_eq!(value(&answer, "ndcg@10"), facts["by_empty"]["ndcg@10"][at].as_f64().unwrap(), "{word}");
        assert_eq!(answer["metrics"]["ranking"]["convention"]["empty"], word);
        assert_eq!(answer["gate"], Value::Array(Vec::new()), "the gate is about the config's own");
    }
    // One query of twelve is empty.
    let [zero, one] = ["zero", "one"].map(|word| value(&ask(&["--empty", word]), "ndcg@10"));
    assert!((one - zero - 1.0 / 12.0).abs() < 1e-12);
    let run = of_file["run_id"].as_str().unwrap();
    let shown = project.run(&["--json", "runs", "show", run]).ok().json().to_string();
    assert!(shown.contains("ndcg@10") && shown.contains("per_query.parquet"), "{shown}");
}

#[test]
fn letors_own_script_is_another_convention() {
    let (project, _) = trained("listmle", &[]);
    let answer = project.run(&["--json", "evaluate", "ranker", "--letor-compat"]).ok().json();
    let script = &answer["letor_script"];
    assert_eq!((script["ndcg"].as_array().unwrap().len(), script["precision"].as_array().unwrap().len()), (10, 10));
    let value = |metric: &str| answer["metrics"]["metrics"][metric]["value"].as_f64().unwrap();
    // The same by either convention, where empty queries count 0.
    for (theirs, ours) in
        [(&script["map"], "map"), (&script["ndcg"][0], "ndcg@1"), (&script["precision"][4], "precision@5")]
    {
        assert!((theirs.as_f64().unwrap() - value(ours)).abs() < 1e-12, "{ours}");
    }
    // Queries of 8 documents have no NDCG@10 there.
    assert_eq!(script["ndcg"][9], 0.0);
    assert!(script["ndcg"][7].as_f64().unwrap() > 0.0);
}

#[test]
fn the_gate_has_its_exit_code() {
    let (project, _) = trained("lambdamart", &["--set", "promotion.require=[{metric: ndcg@10, min: 0.99}]"]);
    let failed = project.run(&["evaluate", "ranker", "--gate"]).code(3);
    assert!(failed.stdout.contains("ndcg@10"), "{}", failed.stdout);
}

#[test]
fn options_of_the_other_task_are_refused() {
    let (project, _) = trained("lambdamart", &[]);
    for (arguments, told) in [
        (&["--average", "macro"][..], "`--average` is for classification, and the model ranks"),
        (&["--pos-label", "1"], "`--pos-label` is for classification"),
        (&["--by", "qid"], "`--by` is for classification"),
        (&["--data", "data/test.txt", "--split", "test"], "needs a split column"),
    ] {
        let answer = project.run(&[&["evaluate", "ranker"], arguments].concat()).code(2);
        assert!(answer.stderr.contains(told), "{told} is not in\n{}", answer.stderr);
    }
    project.run(&["evaluate", "ranker", "--gate", "--empty", "one"]).code(2);
    project.run(&["evaluate", "ranker", "--empty", "two"]).code(2);
    project.write("no.csv", "qid,docid,1,2,3,4\na,b,1,1,1,1\n");
    let unlabelled = project.run(&["evaluate", "ranker", "--data", "no.csv"]).code(2);
    assert!(unlabelled.stderr.contains("`label`"), "{}", unlabelled.stderr);
    let points = TestProject::with_points();
    points.train("lr", &[]);
    for option in [&["--letor-compat"][..], &["--empty", "one"]] {
        let answer = points.run(&[&["evaluate", "points"], option].concat()).code(2);
        assert!(answer.stderr.contains("is for rankings, and the model is a classifier"), "{}", answer.stderr);
    }
}
