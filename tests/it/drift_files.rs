//! `drift-check` of one file against another: which columns are compared, and when nothing can be decided.

use super::support::TestProject;

/// A file of rows: an id, a number that lies around `mean`, and a word now and then.
fn numbers_csv(rows: usize, mean: f64, words: &[&str]) -> String {
    let value = |row: usize| match words.get(row) {
        Some(word) => (*word).to_owned(),
        None => format!("{:.4}", mean + ((row as f64) * 12.9898).sin()),
    };
    let lines = (0..rows).map(|row| format!("{},{},{}\n", row + 1, row / 8, value(row)));
    "id,qid,x\n".to_owned() + &lines.collect::<String>()
}

#[test]
fn a_few_words_among_numbers_hide_no_shift() {
    let project = TestProject::new();
    project.write("old.csv", numbers_csv(400, 0.0, &["unknown", "\"4,992\"", "inf"]));
    project.write("same.csv", numbers_csv(400, 0.0, &["unknown"]));
    project.write("moved.csv", numbers_csv(400, 3.0, &["unknown", "n. a."]));
    let check = |current: &str| {
        let arguments = ["--json", "drift-check", "--reference", "old.csv", "--current", current];
        project.run(&arguments).ok().json()
    };
    let moved = check("moved.csv");
    assert_eq!((&moved["drift_detected"], &moved["severity"]), (&true.into(), &"severe".into()), "{moved}");
    // Ids and queries are not compared unless they are named.
    let columns = moved["columns"].as_array().unwrap();
    assert_eq!((columns.len(), &columns[0]["name"], &columns[0]["kind"]), (1, &"x".into(), &"numeric".into()));
    assert_eq!(moved["findings"][0]["finding"], "not_a_number", "{moved}");
    let notes = moved["notes"].to_string();
    for part in ["`id` is left out", "`qid` is left out", "2 values of the reference are no numbers, such as `unknown`"]
    {
        assert!(notes.contains(part), "{notes}");
    }
    assert_eq!(check("same.csv")["drift_detected"], false);
    let named = ["--json", "drift-check", "--reference", "old.csv", "--current", "same.csv", "--columns", "id,qid"];
    assert_eq!(project.run(&named).ok().json()["columns"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_few_rows_decide_nothing() {
    let project = TestProject::new();
    project.write("old.csv", numbers_csv(400, 0.0, &[]));
    project.write("five.csv", numbers_csv(5, 50.0, &[]));
    let arguments = ["drift-check", "--reference", "old.csv", "--current", "five.csv", "--fail-on", "drift"];
    let answer = project.run(&arguments).code(5);
    assert!(answer.stdout.contains("too few rows to decide: 5 of the 20 that are needed"), "{}", answer.stdout);
    let json = project.run(&[&["--json"], &arguments[..5]].concat()).code(5).json();
    assert_eq!((&json["state"], &json["drift_detected"]), (&"few_rows 5/20".into(), &false.into()));
}
