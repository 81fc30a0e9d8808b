//! `mlops predict` with a ranking model: what it reads, every form of what it writes, and what bad input gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::support::{Parquet, TestProject, letor};

/// A project whose `ranker/1` is of this kind.
fn trained(kind: &str) -> TestProject {
    let project = TestProject::with_rankings(&[kind]);
    project.train(kind, &[]);
    project
}

/// Rows of the answer as CSV: query, document, score, rank.
fn rows(csv: &str) -> Vec<(String, String, f64, usize)> {
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("qid,docid,score,rank"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0].to_owned(), cells[1].to_owned(), cells[2].parse().unwrap(), cells[3].parse().unwrap())
    };
    lines.map(row).collect()
}

/// LETOR text as a table; without the labels where those are not wanted.
fn table(letor: &str, labels: bool) -> String {
    let mut text = if labels { "label,qid,docid,1,2,3,4\n" } else { "qid,docid,1,2,3,4\n" }.to_owned();
    for line in letor.lines() {
        let (numbers, comment) = line.split_once('#').unwrap();
        let words: Vec<&str> = numbers.split_whitespace().collect();
        if labels {
            write!(text, "{},", words[0]).unwrap();
        }
        let values: Vec<&str> = words[2..].iter().map(|word| word.split_once(':').unwrap().1).collect();
        let (qid, docid) = (words[1].trim_start_matches("qid:"), comment.split('=').nth(1).unwrap().trim());
        writeln!(text, "{qid},{docid},{}", values.join(",")).unwrap();
    }
    text
}

#[test]
fn documents_come_by_query_and_rank_with_the_scores_of_training() {
    for kind in ["lambdamart", "lambdarank"] {
        let project = trained(kind);
        let answer = project.run(&["predict", "ranker/1", "--input", "data/test.txt"]).ok();
        let rows = rows(&answer.stdout);
        let found = std::fs::read_dir(project.path(&format!("experiments/{kind}/runs"))).unwrap();
        let run = found.map(|entry| entry.unwrap().path()).find(|path| path.join("predictions.parquet").exists());
        let stored = Parquet::read(&run.unwrap().join("predictions.parquet"));
        let keys = stored.texts("query").into_iter().zip(stored.texts("id"));
        let scores: BTreeMap<_, _> = keys.zip(stored.numbers("score")).collect();
        assert_eq!(rows.len(), 96);
        let queries: Vec<&String> = rows.iter().step_by(8).map(|(qid, ..)| qid).collect();
        let expected: Vec<String> = (32..44).map(|query| format!("q{query}")).collect();
        assert_eq!(queries, expected.iter().collect::<Vec<_>>(), "queries keep the order of the file");
        for of_query in rows.chunks(8) {
            for ((qid, docid, score, rank), place) in of_query.iter().zip(1..) {
                assert_eq!((qid, *rank), (&of_query[0].0, place));
                assert_eq!(scores[&(qid.clone(), docid.clone())], *score, "{kind}: {qid} {docid}");
            }
            assert!(of_query.windows(2).all(|pair| pair[0].2 >= pair[1].2), "{kind}: best first");
        }
    }
}

#[test]
fn every_form_in_and_out_gives_the_same_answer() {
    let project = trained("listnet");
    let ask = |more: &[&str]| project.run(&[&["predict", "ranker/1"], more].concat());
    let csv = ask(&["--input", "data/test.txt"]).ok().stdout;
    let expected = rows(&csv);
    // In: tables, with and without labels, and LETOR from stdin.
    let text = project.read("data/test.txt");
    project.write("with.csv", table(&text, true));
    project.write("without.csv", table(&text, false));
    for input in ["with.csv", "without.csv"] {
        assert_eq!(ask(&["--input", input]).ok().stdout, csv, "{input}");
    }
    let piped =
        project.pipe(&format!("# a comment\n{text}"), &["predict", "ranker/1", "--input", "-", "--format", "csv"]);
    assert_eq!(piped.ok().stdout, csv);
    // Out: NDJSON, Parquet, a TREC run, JSON.
    let lines = ask(&["--input", "data/test.txt", "--format", "ndjson"]).ok().stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = ask(&["--input", "data/test.txt", "--output", "ranks.run"]).ok().stdout;
    assert_eq!(told, "ranker v1: 96 documents of 12 queries -> ranks.run\n");
    ask(&["--input", "data/test.txt", "--output", "ranks.parquet"]).ok();
    let run = project.read("ranks.run");
    let parquet = Parquet::read(&project.path("ranks.parquet"));
    assert_eq!(parquet.columns(), ["qid", "docid", "score", "rank"]);
    let (scores, ranks) = (parquet.numbers("score"), parquet.numbers("rank"));
    assert_eq!((lines.len(), run.lines().count(), parquet.height()), (96, 96, 96));
    for (at, (qid, docid, score, rank)) in expected.iter().enumerate() {
        let line = &lines[at];
        assert_eq!((line["qid"].as_str(), line["docid"].as_str()), (Some(qid.as_str()), Some(docid.as_str())));
        assert_eq!((line["score"].as_f64(), line["rank"].as_u64()), (Some(*score), Some(*rank as u64)));
        assert_eq!((scores[at], ranks[at]), (*score, *rank as f64));
        assert_eq!(run.lines().nth(at), Some(format!("{qid} Q0 {docid} {rank} {score} ranker-v1").as_str()));
    }
    let document = ask(&["--input", "data/test.txt", "--json"]).ok().json();
    assert_eq!((&document["task"], &document["queries"]), (&"ranking".into(), &12.into()));
    assert_eq!(document["rows"].as_array().unwrap(), &lines);
}

#[test]
fn documents_that_are_alike_keep_their_order_and_scattered_queries_are_brought_together() {
    let project = trained("ranknet");
    let same = "0 qid:b 1:0.5 2:0.5 # docid = z\n0 qid:a 1:0.9 2:0.9 # docid = one\n0 qid:b 1:0.5 2:0.5 # docid = a\n";
    project.write("same.txt", same);
    let answer = project.run(&["predict", "ranker/1", "--input", "same.txt"]).ok();
    let places: Vec<_> = rows(&answer.stdout).into_iter().map(|(qid, docid, _, rank)| (qid, docid, rank)).collect();
    let expected = [("b", "z", 1), ("b", "a", 2), ("a", "one", 1)];
    assert_eq!(places, expected.map(|(qid, docid, rank)| (qid.to_owned(), docid.to_owned(), rank)));
    assert!(answer.stderr.contains("stand in several places"), "{}", answer.stderr);
}

#[test]
fn scaling_within_queries_sees_the_queries_of_the_input() {
    let project = TestProject::with_rankings(&["pointwise_mse"]);
    project.train("pointwise_mse", &["--set", "features=[{per_query: {}}]"]);
    let ask = |input: &str| rows(&project.run(&["predict", "ranker/1", "--input", input]).ok().stdout);
    let all = ask("data/test.txt");
    // A query alone has the scores that it has among others; with half of its documents it has not.
    let text = letor(35, 1);
    project.write("alone.txt", &text);
    let alone = ask("alone.txt");
    assert_eq!(alone, all.into_iter().filter(|(qid, ..)| qid == "q35").collect::<Vec<_>>());
    project.write("half.txt", text.lines().take(4).map(|line| format!("{line}\n")).collect::<String>());
    let score = |rows: &[(String, String, f64, usize)]| rows.iter().find(|row| row.1 == "d35-0").unwrap().2;
    assert!((score(&ask("half.txt")) - score(&alone)).abs() > 1e-6);
}

#[test]
fn what_cannot_be_ranked_is_refused() {
    let project = trained("lambdamart");
    let text = table(&letor(40, 1), false);
    project.write("named.csv", text.replacen("qid", "query_id", 1));
    project.write("few.csv", text.replacen(",4\n", ",five\n", 1));
    let blank: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(at, line)| if at == 2 { "q40,d40-1,,,,".into() } else { line.to_owned() })
        .collect();
    project.write("blank.csv", blank.join("\n") + "\n");
    project.write("wide.txt", letor(40, 1).replace(" # ", " 5:1 # "));
    project.write("spaces.txt", letor(40, 1).replace("docid = ", "").replace("d40-", "d 40-"));
    project.write("twice.txt", letor(40, 1).replace("d40-1", "d40-0"));
    let refused = |arguments: &[&str], told: &str| {
        let answer = project.run(&[&["predict", "ranker/1", "--input"], arguments].concat()).code(2);
        assert!(answer.stderr.contains(told) && answer.stdout.is_empty(), "{told} is not in\n{}", answer.stderr);
    };
    refused(&["named.csv"], "did you mean `query_id`? the model knows it as `qid`: rename it");
    refused(&["few.csv"], "has no column `4`");
    refused(&["blank.csv"], "1 of 8 documents have no features, first in row 2 (`d40-1`)");
    refused(&["wide.txt"], "wide.txt:1: feature 5");
    refused(&["spaces.txt", "--format", "trec"], "a TREC run cannot hold the document id `d 40-");
    refused(&["twice.txt", "--format", "trec"], "the document `d40-0` of query `q40` twice");
    refused(&["data/test.txt", "--log"], "`--log` keeps classes and their scores, and ranker v1 ranks");
    refused(&["data/test.txt", "--output", "ranks.xlsx"], "cannot tell the form");
    let recommended = ["recommend", "ranker/1", "--items", "data/test.txt", "--text", "a"];
    assert!(project.run(&recommended).code(2).stderr.contains("ranker v1 ranks the documents of queries"));
    let drift = ["drift-check", "ranker/1", "--current", "data/test.txt"];
    assert!(project.run(&drift).code(2).stderr.contains("ranker v1 ranks"));
}

#[test]
fn a_classifier_is_no_ranker() {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    let refused = project.run(&["predict", "points/1", "--input", "data/points.csv", "--output", "a.run"]).code(2);
    assert!(
        refused.stderr.contains("a TREC run is a ranking, and points v1 is a model of classification"),
        "{}",
        refused.stderr
    );
    assert!(!project.path("a.run").exists());
}
