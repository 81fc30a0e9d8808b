//! Reading whole files.

use std::fmt::Write as _;
use std::path::Path;

use ndarray::array;

use super::*;
use crate::data::dataset::Features;
use crate::error::Result;

fn written(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.txt");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn read_text(text: &str, options: Options) -> Result<Letor> {
    let (_folder, path) = written(text.as_bytes());
    read(&path, options)
}

/// The message without the folder.
fn message(text: &str, options: Options) -> String {
    let message = read_text(text, options).unwrap_err().message;
    message.rsplit_once("train.txt").map_or(message.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn a_file_becomes_documents_by_query() {
    let text = "\u{feff}# made by hand\r\n2 qid:10 1:0.5 3:1 # docid = d1\r\n\r\n0 qid:10 2:NULL\r\n1 qid:x-7 2:4 # d3\r\n3 qid:10 2:-1";
    let letor = read_text(text, Options::default()).unwrap();
    assert_eq!(letor.queries, ["10", "x-7"]);
    assert_eq!((&letor.offsets[..], &letor.labels[..]), (&[0, 3, 4][..], &[2, 0, 3, 1][..]));
    // The NULL is filled with the smallest value of its query; what is not written is 0.
    let expected = array![[0.5, 0.0, 1.0], [0.0, -1.0, 0.0], [0.0, -1.0, 0.0], [0.0, 4.0, 0.0]];
    assert_eq!(letor.features, Features::Dense(expected));
    let ids: Vec<_> = (0..4).map(|row| letor.documents.get(row)).collect();
    assert_eq!(ids, [Some("d1"), None, None, Some("d3")]);
    assert_eq!(letor.warnings.len(), 2);
    assert!(
        letor.warnings[0].contains("1 query ") && letor.warnings[0].contains("query `10`"),
        "{}",
        letor.warnings[0]
    );
    assert!(letor.warnings[1].contains("1 value is NULL"));
    assert!(!letor.starts_at_zero);
}

#[test]
fn errors_name_file_and_line() {
    let automatic = Options::default();
    assert_eq!(
        message("1 qid:1 1:1\n\n# x\n1 qid:1 1:nan\n", automatic),
        ":4: feature 1 is `nan`: NaN, infinite, or too large for f32"
    );
    assert_eq!(message("\n\n", automatic), "` has no documents");
    assert_eq!(message("", automatic), "` has no documents");
    let one = Options { base: Base::One, ..automatic };
    assert_eq!(message("1 qid:1 0:1\n", one), ":1: a feature has the index 0, where the first is 1");
    let refuse = Options { missing: Missing::Refuse, ..automatic };
    assert_eq!(message("1 qid:1 1:1\n1 qid:1 1:NULL\n", refuse), ":2: a value is NULL");
    let (_folder, path) = written(&[0x1F, 0x8B, 8, 0]);
    assert!(read(&path, automatic).unwrap_err().message.contains("gzip"));
    let (_folder, path) = written(&[0xFF, 0xFE, b'1', 0]);
    assert!(read(&path, automatic).unwrap_err().message.contains("UTF-16"));
    assert!(read(Path::new("/no/such/file"), automatic).unwrap_err().message.contains("/no/such/file"));
    let late: String = (0..60_000)
        .map(|row| if row == 59_998 { "1 qid:1 5:x\n".into() } else { format!("1 qid:{} 1:{row}\n", row / 7) })
        .collect();
    assert_eq!(message(&late, automatic), ":59999: expected `index:value`, found `5:x`");
}

#[test]
fn rows_stay_as_written_where_that_is_asked_for() {
    let text = "2 qid:b 1:5 # x\n0 qid:a 1:NULL\n1 qid:b 1:NULL # y\n1 qid:a 1:3\n";
    let letor = read_text(text, Options { order: Order::AsWritten, ..Options::default() }).unwrap();
    assert_eq!(letor.features, Features::Dense(array![[5.0], [3.0], [5.0], [3.0]]));
    assert_eq!((&letor.labels[..], &letor.offsets[..]), (&[2, 0, 1, 1][..], &[0, 1, 2, 3, 4][..]));
    assert_eq!(letor.queries, ["b", "a", "b", "a"]);
    assert_eq!(letor.documents.get(2), Some("y"));
    assert_eq!(letor.warnings.len(), 1, "whoever brings them together says so: {:?}", letor.warnings);
}

#[test]
fn what_was_learned_from_is_what_a_file_may_have() {
    let known = |first, last| Options { known: Some((first, last)), ..Options::default() };
    let letor = read_text("1 qid:1 2:7\n0 qid:1 1:1 2:1\n", known(1, 4)).unwrap();
    assert_eq!(letor.features, Features::Dense(array![[0., 7., 0., 0.], [1., 1., 0., 0.]]));
    assert!(letor.warnings.is_empty(), "zeros may be left out");
    let letor = read_text("1 qid:1 1:0 2:7\n0 qid:1 1:1 2:1\n", known(1, 4)).unwrap();
    assert!(letor.warnings[0].contains("features 1 to 2, training had 1 to 4"), "{:?}", letor.warnings);
    let letor = read_text("1 qid:1 2:7\n", known(0, 2)).unwrap();
    assert_eq!((letor.features, letor.starts_at_zero), (Features::Dense(array![[0., 0., 7.]]), true));
    let text = "1 qid:1 1:7\n# x\n1 qid:1 5:0\n";
    assert_eq!(message(text, known(1, 4)), ":3: feature 5, where training had the features 1 to 4");
    assert_eq!(message("1 qid:1 0:7 1:3\n", known(1, 4)), ":1: feature 0, where training had the features 1 to 4");
}

#[test]
fn files_that_belong_together_have_the_same_columns() {
    let (_a, train) = written(b"1 qid:1 1:1 2:2\n0 qid:1 3:1 1:4\n");
    let (_b, test) = written(b"1 qid:2 0:5 6:1\n");
    let both = read_all(&[&train, &test], Options::default()).unwrap();
    assert_eq!(both[0].features, Features::Dense(array![[0., 1., 2., 0., 0., 0., 0.], [0., 4., 0., 1., 0., 0., 0.]]));
    assert_eq!(both[1].features, Features::Dense(array![[5., 0., 0., 0., 0., 0., 1.]]));
    assert!(both[0].starts_at_zero && both[1].starts_at_zero);
    assert!(both[0].warnings[0].contains("1 line do not ascend, first in line 2"));
}

#[test]
fn many_blocks_and_threads_give_the_same_rows() {
    // More than one block of 16 MiB, with lines of different lengths, and queries that come back.
    let mut text = String::new();
    let n_rows = 120_000_usize;
    for row in 0..n_rows {
        let _ = write!(text, "{} qid:q{}", row % 5, if row % 1000 == 999 { 3 } else { row / 12 });
        for feature in (1..30 + row % 9).filter(|feature| (row * feature) % 3 != 0) {
            let _ = write!(text, " {feature}:{}.{:04}", row % 11, (row * 31 + feature * 17) % 10_000);
        }
        let _ = writeln!(text, " # d{row}");
    }
    assert!(text.len() > 17 << 20);
    let (_folder, path) = written(text.as_bytes());
    let run = |threads, layout| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read(&path, Options { layout, ..Options::default() }).unwrap())
    };
    let one = run(1, Layout::Dense);
    assert_eq!(one, run(3, Layout::Auto));
    let Features::Dense(matrix) = &one.features else { panic!("sparse") };
    let Features::Sparse(sparse) = run(2, Layout::Sparse).features else { panic!("dense") };
    assert_eq!(matrix.iter().filter(|value| **value != 0.0).count(), sparse.values.len());
    assert_eq!(*one.offsets.last().unwrap(), n_rows);
    for at in (0..n_rows).step_by(997) {
        let row: usize = one.documents.get(at).unwrap()[1..].parse().unwrap();
        assert_eq!(usize::from(one.labels[at]), row % 5);
        let query = one.offsets.partition_point(|offset| *offset <= at) - 1;
        assert_eq!(one.queries[query], format!("q{}", if row % 1000 == 999 { 3 } else { row / 12 }));
        for feature in 1..30 + row % 9 {
            let there = !(row * feature).is_multiple_of(3);
            let text = format!("{}.{:04}", row % 11, (row * 31 + feature * 17) % 10_000);
            let expected = if there { text.parse().unwrap() } else { 0.0 };
            assert_eq!(matrix[[at, feature - 1]], expected);
        }
    }
}
