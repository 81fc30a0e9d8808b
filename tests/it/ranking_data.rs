//! Documents of queries in every format: the same rows, the same metrics. What does not fit is told with its place.

use std::fmt::Write as _;

use mlops::data::parquet_file::{self, Values};
use serde_json::{Value, json};

use super::support::{TestProject, letor};

/// A document of `letor`: label, query, id, features.
type Document = (String, String, String, Vec<String>);

fn documents() -> Vec<Document> {
    let document = |line: &str| {
        let (row, id) = line.split_once(" # docid = ").unwrap();
        let mut words = row.split(' ');
        let (label, query) = (words.next().unwrap(), words.next().unwrap());
        let features = words.map(|word| word.split_once(':').unwrap().1.to_owned()).collect();
        (label.to_owned(), query.strip_prefix("qid:").unwrap().to_owned(), id.to_owned(), features)
    };
    letor(0, 30).lines().map(document).collect()
}

const NAMES: [&str; 7] = ["label", "qid", "docid", "1", "2", "3", "4"];

fn cells(document: &Document) -> Vec<String> {
    let (label, query, id, features) = document;
    [label, query, id].into_iter().chain(features).cloned().collect()
}

fn separated(documents: &[Document], separator: &str) -> String {
    let rows = documents.iter().map(|document| cells(document).join(separator) + "\n");
    format!("{}\n{}", NAMES.join(separator), rows.collect::<String>())
}

fn config(data: &str) -> String {
    format!(
        "experiment: {{name: x}}
task: ranking
data: {data}
model: {{name: x, kind: lambdamart, params: {{n_estimators: 3, min_data_in_leaf: 4}}}}
evaluation: {{metrics: [ndcg@5], primary: ndcg@5, bootstrap: 0}}
"
    )
}

/// Trains; gives the fingerprint of the data, the metrics on the test queries, and the warnings about files.
#[track_caller]
fn train(project: &TestProject, data: &str) -> (String, Value, String) {
    project.write("experiments/x/config.yaml", config(data));
    let answer = project.run(&["--json", "train", "experiments/x/config.yaml"]).ok();
    let trained = answer.json()["trained"][0].clone();
    let run = project.run(&["--json", "runs", "show", trained["run_id"].as_str().unwrap()]).ok().json();
    let fingerprint = run["run"]["tags"]["data_fingerprint"].as_str().unwrap().to_owned();
    let warnings = trained["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    // What the training says of its queries is not about the files.
    let of_files: Vec<&str> = warnings.filter(|text| text.contains("data/") || text.contains("one file")).collect();
    (fingerprint, trained["metrics"]["test"].clone(), of_files.join("\n"))
}

#[test]
fn documents_are_the_same_in_every_format() {
    let project = TestProject::new();
    let (documents, text) = (documents(), letor(0, 30));
    project.write("data/d.txt", &text);
    project.write("data/d.letor", text.trim_end().replace('\n', "\r\n"));
    project.write("data/comments.dat", format!("\u{feff}# made by a formula\n\n{text}"));
    project.write("data/noname", &text);
    project.write("data/d.csv", separated(&documents, ","));
    project.write("data/d.tsv", separated(&documents, "\t"));
    let object = |document: &Document| -> Value {
        NAMES.iter().zip(cells(document)).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect()
    };
    project.write("data/d.ndjson", documents.iter().map(|one| format!("{}\n", object(one))).collect::<String>());
    let connection = rusqlite::Connection::open(project.path("data/d.db")).unwrap();
    connection.execute_batch("CREATE TABLE d (label INTEGER, qid TEXT, docid TEXT, \"1\" REAL, \"2\" REAL, \"3\" REAL, \"4\" REAL); BEGIN").unwrap();
    for document in &documents {
        let row = rusqlite::params_from_iter(cells(document));
        connection.execute("INSERT INTO d VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", row).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    let columns: Vec<Vec<String>> =
        (0..7).map(|at| documents.iter().map(|one| cells(one)[at].clone()).collect()).collect();
    let numbers: Vec<Vec<Option<f64>>> =
        columns.iter().map(|column| column.iter().map(|cell| cell.parse().ok()).collect()).collect();
    let values =
        |at: usize| if (1..3).contains(&at) { Values::Text(&columns[at]) } else { Values::Numbers(&numbers[at]) };
    let written: Vec<(&str, Values)> = NAMES.iter().enumerate().map(|(at, name)| (*name, values(at))).collect();
    parquet_file::write(&project.path("data/d.parquet"), &written, &[]).unwrap();
    // The documents of two queries take turns: their order within a query, and that of the queries, stays.
    let mut rows: Vec<&str> = text.lines().collect();
    rows[..16].sort_by_key(|line| line.rsplit('-').next().unwrap().to_owned());
    project.write("data/scattered.txt", rows.join("\n"));

    let expected = train(&project, "{source: data/d.txt}");
    assert_eq!((expected.1["rows"].as_u64(), expected.2.as_str()), (Some(48), ""));
    for source in ["d.letor", "comments.dat", "noname", "d.csv", "d.tsv", "d.ndjson", "d.db", "d.parquet"] {
        assert_eq!(train(&project, &format!("{{source: data/{source}}}")), expected, "{source}");
    }
    assert_eq!(train(&project, "{source: \"letor:data/noname\"}"), expected);
    let (fingerprint, metrics, warning) = train(&project, "{source: data/scattered.txt}");
    assert_eq!((fingerprint, metrics), (expected.0.clone(), expected.1.clone()));
    assert!(
        warning.contains("data/scattered.txt: the documents of 2 queries stand in several places (first: query `q0`)"),
        "{warning}"
    );
    // Another query for one document is other data.
    project.write("data/d.txt", text.replacen("qid:q1 ", "qid:q0 ", 1));
    assert_ne!(train(&project, "{source: data/d.txt}").0, expected.0);
}

#[track_caller]
fn refusal(project: &TestProject, data: &str) -> String {
    project.write("experiments/x/config.yaml", config(data));
    let answer = project.run(&["train", "experiments/x/config.yaml"]).code(2);
    assert!(answer.stdout.is_empty() && !project.path("checkpoints").exists(), "{}", answer.stdout);
    answer.stderr
}

#[test]
fn lines_and_rows_that_do_not_fit_are_told_with_their_place() {
    const HEAD: &str = "label,qid,docid,a,b\n1,q1,d1,0.5,1\n";
    let project = TestProject::new();
    let lines = |third: &str| format!("2 qid:a 1:0.5\n0 qid:a 1:0.1\n{third}\n1 qid:b 1:3\n");
    let cases: Vec<(&str, String)> = vec![
        ("a32.txt", lines("32 qid:b 1:1")),
        ("negative.txt", lines("-1 qid:b 1:1")),
        ("half.txt", lines("1.5 qid:b 1:1")),
        ("nan.txt", lines("1 qid:b 1:nan")),
        ("noqid.txt", lines("1 1:0.5")),
        ("twice.txt", lines("1 qid:b 1:0.5 1:0.6")),
        ("index.txt", lines("1 qid:b 400000000:1")),
        ("bare.txt", "1 qid:a\n0 qid:b\n".into()),
        ("comments.txt", "# one\n# two\n".into()),
        ("prose.txt", "once upon a time\n".into()),
        ("one.txt", "1 qid:a 1:1\n0 qid:a 1:2\n".into()),
        ("two.txt", "1 qid:a 1:1\n0 qid:b 1:2\n".into()),
        ("half.csv", format!("{HEAD}1.5,q1,d2,1,1\n")),
        ("a32.csv", format!("{HEAD}32,q1,d2,1,1\n")),
        ("unjudged.csv", format!("{HEAD},q1,d2,1,1\n")),
        ("noqid.csv", format!("{HEAD}1,,d2,1,1\n")),
        ("nan.csv", format!("{HEAD}1,q1,d2,1,NaN\n")),
        ("gap.csv", format!("{HEAD}1,q1,d2,,1\n")),
        ("gaps.csv", format!("{HEAD}1,q1,d2,,\n")),
        ("word.csv", format!("{HEAD}1,q1,d2,1,red\n")),
        ("names.csv", HEAD.replace("qid", "qids")),
        ("other.csv", HEAD.replace("qid", "query_id")),
        ("pandas.csv", HEAD.replace("label,", ",label,").replace("1,q1", "0,1,q1")),
        ("nothing.csv", "label,qid,docid\n1,q1,d1\n".into()),
    ];
    let mut told = String::new();
    for (name, text) in &cases {
        project.write(&format!("data/{name}"), text);
        writeln!(told, "{}", refusal(&project, &format!("{{source: data/{name}}}"))).unwrap();
    }
    insta::assert_snapshot!(told, @"
    error: data/a32.txt:3: expected a label, a whole number of 0 to 31, found `32`
    hint: labels are grades of relevance

    error: data/negative.txt:3: expected a label, a whole number of 0 to 31, found `-1`
    hint: labels are grades of relevance

    error: data/half.txt:3: expected a label, a whole number of 0 to 31, found `1.5`
    hint: labels are grades of relevance

    error: data/nan.txt:3: feature 1 is `nan`: NaN, infinite, or too large for f32
    hint: fill or drop such values; a missing one is left out, or `NULL`

    error: data/noqid.txt:3: expected `qid:` behind the label, found `1:0.5`
    hint: every line names its query: `2 qid:10 1:0.03`

    error: data/twice.txt:3: feature 1 stands twice

    error: `data/index.txt`: 4 rows of 400,000,000 features would take 6.0 GiB of memory, nearly all of it zeros
    hint: is feature 400000000 in line 3 meant? a few of the features can be listed under `features`

    error: no line of `data/bare.txt` has a feature
    hint: `2 qid:10 1:0.03`

    error: `data/comments.txt` has no documents
    hint: a line is a document: `2 qid:10 1:0.03`

    error: cannot tell the format of `data/prose.txt` from its name
    hint: a text file is read where its first line is LETOR's: `2 qid:10 1:0.03`; or write `csv:PATH`, …

    error: 1 query cannot be split into train, validation, test
    hint: a query is never cut: bring more queries, or files of their own under `data.files`

    error: 2 queries cannot be split into train, validation, test
    hint: a query is never cut: bring more queries, or files of their own under `data.files`

    error: data/half.csv: row 2, column `label`: the label `1.5` is no grade
    hint: ranking labels are whole numbers of 0 to 31; NDCG takes 2 to their power

    error: data/a32.csv: row 2, column `label`: the label `32` is no grade
    hint: ranking labels are whole numbers of 0 to 31; NDCG takes 2 to their power

    error: data/unjudged.csv: row 2, column `label`: the label is missing
    hint: ranking labels are whole numbers of 0 to 31; NDCG takes 2 to their power

    error: data/noqid.csv: row 2, column `qid`: the query is missing
    hint: every document names its query

    error: data/nan.csv: row 2, column `b`: expected a finite number, got `NaN`

    error: data/gap.csv: row 2, column `a`: the value is missing while others of the row are there
    hint: fill the value in, or leave the whole row out

    error: data/gaps.csv: row 2, column `a`: the value is missing, and with it all of the row's features
    hint: fill the values in, or leave the document out of the file

    error: data/word.csv: row 2, column `b`: expected a number, got `red`
    hint: every column that is not named otherwise is a feature: name it (`columns: {id: …}`), or list those that are under `features`

    error: `data/names.csv` has no column `qid`
    hint: did you mean `qids`? the columns are label, qids, docid, a, b; another name is told with `columns: {query: …}` under `data`

    error: `data/other.csv` has no column `qid`
    hint: the columns are label, query_id, docid, a, b; another name is told with `columns: {query: …}` under `data`

    error: `data/pandas.csv` has a column without a name: an index of its rows is no feature
    hint: leave it out of the file (pandas: `index=False`), or list the columns to use under `features`

    error: `data/nothing.csv` has no column for features beside docid, label, qid
    hint: every column that is not named otherwise is a feature
    ");
}

#[test]
fn files_of_an_experiment_have_the_same_features() {
    let project = TestProject::new();
    let files = "{files: {train: data/train.txt, validation: data/vali.txt, test: data/test.txt}}";
    for (name, first, count) in [("train", 0, 12), ("vali", 12, 6), ("test", 18, 6)] {
        project.write(&format!("data/{name}.txt"), letor(first, count));
    }
    let more = letor(18, 6).replace(" # docid", " 5:0 # docid");
    let mut told = String::new();
    for (name, text) in [
        ("test", more),
        ("test", letor(18, 6).replacen(" 1:", " 0:1 1:", 1)),
        ("vali", letor(12, 6).replacen("qid:q13 ", "", 1)),
    ] {
        let before = project.read(&format!("data/{name}.txt"));
        project.write(&format!("data/{name}.txt"), text);
        writeln!(told, "{}", refusal(&project, files)).unwrap();
        project.write(&format!("data/{name}.txt"), before);
    }
    insta::assert_snapshot!(told, @"
    error: data/test.txt:1: feature 5, where training had the features 1 to 4
    hint: a model takes the features that it was trained on

    error: data/test.txt:1: feature 0, where training had the features 1 to 4
    hint: this file counts its features from 0, the one that was learned from does not

    error: data/vali.txt:9: expected `qid:` behind the label, found `1:0.7299`
    hint: every line names its query: `2 qid:10 1:0.03`
    ");

    let expected = train(&project, files);
    assert_eq!(expected.2, "");
    // A file that writes all its features, but fewer; a query that was trained on.
    let narrow: String = letor(18, 6).lines().map(|line| line.split(" 4:").next().unwrap().to_owned() + "\n").collect();
    project.write("data/test.txt", narrow + letor(0, 1).split(" 4:").next().unwrap());
    let (fingerprint, _, warnings) = train(&project, files);
    assert_ne!(fingerprint, expected.0);
    insta::assert_snapshot!(warnings, @"
    data/test.txt has the features 1 to 3, training had 1 to 4: the rest counts 0
    1 query stands in more than one file (`q0` in train and test): each is taken for another query, but files that share queries do not test what was learned
    ");
}

#[test]
fn a_column_that_cuts_a_query_is_refused() {
    let project = TestProject::new();
    let with = |part: &dyn Fn(usize) -> &'static str| {
        let text = separated(&documents(), ",");
        let mut lines = text.lines().enumerate();
        let head = lines.next().unwrap().1.to_owned() + ",part\n";
        head + &lines.map(|(at, line)| format!("{line},{}\n", part(at - 1))).collect::<String>()
    };
    let data = "{source: data/d.csv, split: {column: part}}";
    project.write("data/d.csv", with(&|row| if row % 3 == 0 { "test" } else { "train" }));
    insta::assert_snapshot!(refusal(&project, data), @"
    error: column `part` cuts the query `q0`: some of its documents are for test, some for train
    hint: all documents of a query belong to one part
    ");
    project.write("data/d.csv", with(&|row| if row / 8 % 3 == 0 { "test" } else { "train" }));
    assert_eq!(train(&project, data).1["rows"], 80);
}
