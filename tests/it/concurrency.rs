//! Several processes at once: every train gets a version of its own, exactly one version is in production.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use super::support::{Answer, TestProject};

fn start(project: &TestProject, arguments: &[&str]) -> Child {
    project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(children: Vec<Child>) -> Vec<Answer> {
    children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

#[test]
fn parallel_trains_and_promotions_agree_in_the_end() {
    let project = TestProject::with_points();
    let seeds: Vec<String> = (1..=6).map(|seed| format!("model.params.C={seed}")).collect();
    let trains =
        seeds.iter().map(|seed| start(&project, &["--json", "train", "experiments/lr/config.yaml", "--set", seed]));
    let answers = finish(trains.collect());
    let versions: BTreeSet<u64> =
        answers.into_iter().map(|answer| answer.ok().json()["trained"][0]["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (1..=6).collect());
    let runs = project.run(&["--json", "runs", "search", "status = 'FINISHED'"]).ok().json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 6);

    let selectors: Vec<String> = versions.iter().map(|version| format!("points/{version}")).collect();
    let promotions = selectors.iter().map(|selector| start(&project, &["promote", selector]));
    for answer in finish(promotions.collect()) {
        answer.ok();
    }
    let stages = project.stages();
    let active: Vec<usize> = (0..6).filter(|at| stages[*at] == "Production").collect();
    assert_eq!(active.len(), 1, "{stages:?}");
    assert!(stages.iter().enumerate().all(|(at, stage)| at == active[0] || stage == "Archived"), "{stages:?}");
    assert_eq!(project.link("active"), Some(format!("v{}", active[0] + 1)));

    // The ledger is a chain: whoever is promoted takes over from the one before.
    let history = project.run(&["--json", "models", "history", "points"]).ok().json();
    let entries = history["items"].as_array().unwrap();
    let promoted: Vec<(u64, Option<u64>)> = entries
        .iter()
        .filter(|entry| entry["action"] == "promoted")
        .map(|entry| (entry["version"].as_u64().unwrap(), entry["previous"].as_u64()))
        .collect();
    assert_eq!(promoted.len(), 6);
    assert_eq!(promoted[0].1, None);
    for pair in promoted.windows(2) {
        assert_eq!(pair[1].1, Some(pair[0].0), "{promoted:?}");
    }
    assert_eq!(promoted[5].0 as usize, active[0] + 1);
    assert_eq!(entries.iter().filter(|entry| entry["action"] == "archived").count(), 5);
    project.run(&["doctor"]).ok();
}

#[test]
fn a_reader_never_sees_a_gap_while_versions_switch() {
    let project = TestProject::with_points();
    for c in ["1", "0.01"] {
        project.train("lr", &["--set", &format!("model.params.C={c}")]);
        project.run(&["promote", "points"]).ok();
    }
    let ask = |model: &str| project.run(&["predict", model, "--input", "data/points.csv", "--no-record"]).ok().stdout;
    let known = [ask("points/1"), ask("points/2")];
    let mut seen = BTreeSet::new();
    for turn in 0..4 {
        let switch: &[&str] = if turn % 2 == 0 { &["rollback", "points"] } else { &["promote", "points/2"] };
        let switch = start(&project, switch);
        let readers: Vec<Child> = (0..3)
            .map(|_| start(&project, &["predict", "points", "--input", "data/points.csv", "--no-record"]))
            .collect();
        for answer in finish(readers) {
            let answer = answer.ok();
            assert!(known.contains(&answer.stdout), "an answer that is neither the old nor the new one");
            seen.insert(answer.stdout);
        }
        finish(vec![switch]).remove(0).ok();
    }
    assert_eq!(seen.len(), 2, "both versions answered in turn");
}
