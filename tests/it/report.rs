//! `mlops report`: a run, an experiment, a model version as Markdown and as one page.

use super::support::{TestProject, config};

/// Two experiments of one model; the first version serves.
fn served() -> TestProject {
    let project = TestProject::with_points();
    project.train("lr", &[]);
    project.run(&["promote", "points/1"]).ok();
    project.train("forest", &[]);
    project
}

#[test]
fn the_verdict_comes_first_and_every_section_is_there() {
    let project = served();
    let text = project.run(&["report", "points/1"]).ok().stdout;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "# points v1");
    assert!(lines[1].starts_with("**✅ points v1 meets its gate: f1 0.8571 [0."), "{}", lines[1]);
    assert!(lines[1].contains(" >= 0.55; in production since 20"), "{}", lines[1]);
    let heads: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = [
        "Gate",
        "Data window",
        "Metrics",
        "Errors and curves",
        "Learning curves",
        "Feature importance",
        "Parameters",
        "Environment",
        "History",
    ];
    assert_eq!(heads, expected);
    for line in [
        "| rows | train 120, validation 40, test 40 |",
        "| skipped | 0 without a label, 0 without an input, of 200 read |",
        "| f1 | \\>= 0.55 | 0.8571 | yes |",
        "_Figure: ROC: points v1; test rows, n = 40, roc_auc 0.9646",
        "| promoted | None | Production |",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn another_version_stands_beside_the_one_that_serves() {
    let project = served();
    let text = project.run(&["report", "points/2"]).ok().stdout;
    assert!(text.contains("## v2 against v1 (in production)"), "{text}");
    let f1 = "| f1 | 0.8571 | 0.8837 | +0.0266 [-0.101, +0.167] | 0.716 | paired bootstrap, 10,000 replicates, BCa | 40 | inconclusive |";
    assert!(text.contains(f1), "{text}");
    // Less loss is better: a loss that rises is a step back.
    let loss = text.lines().find(|line| line.starts_with("| log_loss | 0.3604 | 1.1413 |")).unwrap();
    assert!(loss.starts_with("| log_loss | 0.3604 | 1.1413 | -0.7809 |"), "{loss}");
    assert!(loss.ends_with("|  |  |  |  |"), "{loss}");
}

#[test]
fn a_gate_that_refuses_is_told() {
    let project = TestProject::with_points();
    project.write("experiments/lr/config.yaml", config("lr", "logistic_regression").replace("0.55", "0.99"));
    project.train("lr", &[]);
    project.run(&["promote", "points/1"]).code(3);
    let document = project.run(&["--json", "report", "points"]).ok().json();
    let verdict = document["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("points v1 does not meet its gate: f1 0.8571 (needs >= 0.99); in staging since"),
        "{verdict}"
    );
    assert_eq!(document["subject"], "model");
    assert!(document["markdown"].as_str().unwrap().contains("**❌ points v1 does not meet"));
}

#[test]
fn the_same_store_gives_the_same_bytes() {
    let project = served();
    for (item, name) in [("points/1", "a.md"), ("lr", "a.html"), ("@latest", "b.html")] {
        project.run(&["report", item, "--out", name]).ok();
        let tree = project.tree();
        project.run(&["report", item, "--out", name]).ok();
        assert!(project.tree() == tree, "{item}");
    }
    let plots: Vec<String> = ["confusion", "learning", "precision_recall", "reliability", "roc"]
        .map(|name| project.read(&format!("a_files/{name}.svg")))
        .into();
    assert!(plots.iter().all(|plot| plot.starts_with("<svg ") && plot.ends_with("</svg>\n")));
    let text = project.read("a.md");
    assert!(text.contains("](a_files/roc.svg)") && text.chars().count() < 65_536);
    let page = project.read("a.html");
    assert_eq!(page.matches("<svg ").count(), 6, "comparison needs two runs");
    assert!(page.contains("Best of 1 finished run by f1"));
    for outside in ["<script", "<link", "src=", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn an_experiment_is_a_leaderboard() {
    let project = TestProject::with_points();
    for c in ["0.01", "1.0", "100.0"] {
        project.train("lr", &["--set", &format!("model.params.C={c}")]);
    }
    let text = project.run(&["report", "lr"]).ok().stdout;
    assert!(text.contains("Best of 3 finished runs by f1: "), "{text}");
    assert!(text.contains("_Figure: f1 of the runs of lr; 3 runs best first, test rows, n = 40"), "{text}");
    let table: Vec<&str> = text.lines().skip_while(|line| *line != "## Params that differ").skip(2).take(5).collect();
    assert!(table[0].starts_with("| run | model.C |") && table[4].ends_with(" |"), "{table:?}");
    let place: Vec<&str> = text.lines().filter(|line| line.starts_with("| 1 |") || line.starts_with("| 3 |")).collect();
    assert_eq!(place.len(), 2, "{place:?}");
}

#[test]
fn what_is_gone_is_told_and_nothing_fails() {
    let project = served();
    let run = project.run(&["--json", "runs", "list"]).ok().json();
    let id = run["items"].as_array().unwrap().iter().find(|run| run["experiment"] == "lr").unwrap()["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let folder = project.path(&format!("experiments/lr/runs/{id}"));
    std::fs::remove_file(folder.join("predictions.parquet")).unwrap();
    let text = project.run(&["report", &id]).ok().stdout;
    assert!(text.contains("> No curves: its predictions are not stored"), "{text}");
    std::fs::write(folder.join("metrics.json"), "{").unwrap();
    let text = project.run(&["report", &id]).ok().stdout;
    assert!(text.contains("> metrics.json of the run is damaged and was left out."), "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
    let text = project.run(&["report", "points/1"]).ok().stdout;
    assert!(text.contains("> The run's metrics.json is not stored") && text.contains("| f1 | 0.8571 |"), "{text}");
}

#[test]
fn an_evaluation_of_other_rows_has_its_own_part() {
    let project = served();
    project.run(&["evaluate", "points/1", "--data", "data/points.csv", "--include-known"]).ok();
    let text = project.run(&["report", "@latest"]).ok().stdout;
    assert!(text.contains("(evaluate of points v1) finished: f1 ") && text.contains("on 200 all rows"), "{text}");
    assert!(text.contains("_Figure: ROC: points v1; all rows, n = 200"), "{text}");
}

#[test]
fn labels_and_names_with_markup_stay_text() {
    let project = TestProject::with_points();
    let odd = ["no, \\\"<b>|never</b>\\\"", "yes, <script>alert(1)</script>"];
    let points = project.read("data/points.csv");
    let csv = points.lines().enumerate().map(|(row, line)| {
        let cells: Vec<&str> = line.split(',').collect();
        let label = if row == 0 {
            "label".to_owned()
        } else {
            format!("\"{}\"", odd[cells[3].parse::<usize>().unwrap()].replace("\\\"", "\"\""))
        };
        format!("{},{},{},{label},{}\n", cells[0], cells[1], cells[2], cells[4])
    });
    project.write("data/points.csv", csv.collect::<String>());
    project.train("lr", &[]);
    project.run(&["report", "points", "--out", "r.html"]).ok();
    let page = project.read("r.html");
    assert!(!page.contains("<script") && !page.contains("<b>") && page.contains("&lt;script&gt;alert(1)"));
    assert_eq!(page.matches("<svg ").count(), 6, "labels with commas are read back");
    let text = project.run(&["report", "points"]).ok().stdout;
    assert!(text.contains("\\<script>alert(1)\\</script>") && !text.contains("\n<script"), "{text}");
}

#[test]
fn wrong_requests_have_their_exit_codes() {
    let project = served();
    let answer = project.run(&["report", "points", "--out", "report.pdf"]).code(2);
    assert!(answer.stderr.contains("cannot tell the form of `report.pdf`"), "{}", answer.stderr);
    project.run(&["report", "nothing"]).code(4);
    project.run(&["report", "points/9"]).code(4);
    project.run(&["report", "@best:nothing"]).code(4);
    project.run(&["report", "points", "--out", "data"]).code(2);
    project.write("notes.md", "mine");
    let answer = project.run(&["report", "points", "--out", "notes.md"]).code(2);
    assert!(answer.stderr.contains("`notes.md` was not written by `mlops report`"), "{}", answer.stderr);
    assert_eq!(project.read("notes.md"), "mine");
    project.run(&["--yes", "report", "points", "--out", "notes.md"]).ok();
    project.run(&["report", "points", "--out", "notes.md"]).ok();
    let answer = project.run(&["report", "points", "--out", "-"]).ok();
    assert!(answer.stdout.starts_with("# points v1\n"));
}
