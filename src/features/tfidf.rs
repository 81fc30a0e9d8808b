//! `tfidf`: texts as weighted counts of their n-grams, each row scaled to length 1.
//!
//! ```text
//! tf(t, d)  = 1 + ln(count)                 (the count itself without `sublinear_tf`)
//! idf(t)    = ln((1 + n) / (1 + df(t))) + 1 (1 without `use_idf`), n = number of training texts
//! x(d, t)   = tf · idf / ‖row‖₂             (without `norm: none`)
//! ```
//! The meaning of every parameter is that of scikit-learn 1.9's `TfidfVectorizer`, down to the padding of `char_wb`, the
//! order of the columns (terms by code points) and smooth idf; arithmetic in f64, result in f32. Two differences: texts
//! pass `text::clean` first, and among equally frequent terms at the edge of `max_features` the earlier one stays.
//! A text without any known term is a row of zeros.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;

use crate::catalog::{Named, Param, ParamKind, ParamProblem, Params};
use crate::data::dataset::{Csr, Features};
use crate::embeddings::{EmbedContext, TextReport};
use crate::error::{Context, Error, Result};
use crate::features::analyzer::{Analyzer, Finder, Hits, Keep, Terms, Unit, count};
use crate::features::batch::{Batch, Signal};
use crate::features::step::{Fitted, Outside, Step, StepKind, Takes};
use crate::fs::write_atomic;
use crate::onnx::{Graph, Kind, Value};
use crate::tensors::Tensors;
use crate::text::{self, CleaningCounts};

/// The step kind `tfidf`.
pub struct Tfidf;

const DF: ParamKind = ParamKind::Custom(
    "a number of texts, or a fraction of them with a decimal point",
    r#"{"anyOf": [{"type": "integer", "minimum": 1}, {"type": "number", "exclusiveMinimum": 0, "maximum": 1}]}"#,
);

const fn param(name: &'static str, kind: ParamKind, default: &'static str, about: &'static str) -> Param {
    Param { name, kind, default, about }
}

const PARAMS: &[Param] = &[
    param(
        "analyzer",
        ParamKind::Choice(&["char_wb", "char", "word"]),
        r#""char_wb""#,
        "n-grams of characters within words, of characters, or of words",
    ),
    param("ngram", ParamKind::Range, "[2, 4]", "shortest and longest n-gram"),
    param("min_df", DF, "2", "drop terms in fewer texts: a number, or a fraction such as 0.01"),
    param("max_df", DF, "1.0", "drop terms in more texts: a number, or a fraction such as 0.9"),
    param("sublinear_tf", ParamKind::Bool, "true", "1 + ln(count) rather than the count"),
    param("max_features", ParamKind::Integer { min: 1 }, "null", "keep only this many of the most frequent terms"),
    param("lowercase", ParamKind::Bool, "true", "fold upper case"),
    param("norm", ParamKind::Choice(&["l2", "none"]), r#""l2""#, "scale each row to length 1, or leave it"),
    param("use_idf", ParamKind::Bool, "true", "weight rare terms higher"),
];

/// How many texts a term must or may be in.
#[derive(Debug, Clone, Copy)]
enum Df {
    Texts(u64),
    Fraction(f64),
}

impl Df {
    fn parse(params: &Params, name: &str) -> Result<Self, ParamProblem> {
        let value = params.get(name);
        match (value.as_u64(), value.as_f64()) {
            (Some(texts), _) if texts >= 1 => Ok(Self::Texts(texts)),
            (None, Some(fraction)) if fraction > 0.0 && fraction <= 1.0 => Ok(Self::Fraction(fraction)),
            _ => Err(ParamProblem {
                name: name.into(),
                message: format!(
                    "`{name}` expects a whole number of at least 1 or a fraction in (0, 1], got `{value}`"
                ),
                hint: Some("1 means one text, 1.0 means all texts".into()),
            }),
        }
    }

    fn of(self, n_texts: usize) -> f64 {
        match self {
            Self::Texts(texts) => texts as f64,
            Self::Fraction(fraction) => fraction * n_texts as f64,
        }
    }
}

/// How counts become values.
#[derive(Debug, Clone, Copy)]
struct Weighting {
    sublinear: bool,
    unit_length: bool,
}

struct Configured {
    analyzer: Analyzer,
    weighting: Weighting,
    min_df: Df,
    max_df: Df,
    max_features: Option<usize>,
    use_idf: bool,
}

fn analyzer(params: &Params) -> Analyzer {
    let unit = match params.str("analyzer") {
        "word" => Unit::Word,
        "char" => Unit::Char,
        _ => Unit::CharWb,
    };
    Analyzer { unit, ngram: params.range("ngram"), lowercase: params.bool("lowercase") }
}

fn weighting(params: &Params) -> Weighting {
    Weighting { sublinear: params.bool("sublinear_tf"), unit_length: params.str("norm") == "l2" }
}

impl Named for Tfidf {
    fn name(&self) -> &'static str {
        "tfidf"
    }

    fn about(&self) -> &'static str {
        "weighted counts of character or word n-grams"
    }
}

impl StepKind for Tfidf {
    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn takes(&self) -> Takes {
        Takes::Texts
    }

    fn configure(&self, params: &Params) -> Result<Box<dyn Step>, ParamProblem> {
        let (min_df, max_df) = (Df::parse(params, "min_df")?, Df::parse(params, "max_df")?);
        if let (Df::Texts(min), Df::Texts(max)) = (min_df, max_df)
            && max < min
        {
            return Err(ParamProblem {
                name: "max_df".into(),
                message: format!("`max_df` {max} is below `min_df` {min}"),
                hint: Some("1 means one text, 1.0 means all texts".into()),
            });
        }
        Ok(Box::new(Configured {
            analyzer: analyzer(params),
            weighting: weighting(params),
            min_df,
            max_df,
            max_features: params.usize_opt("max_features"),
            use_idf: params.bool("use_idf"),
        }))
    }

    fn load(&self, params: &Params, folder: &Path, prefix: &str) -> Result<Box<dyn Fitted>> {
        let (numbers, vocabulary) = files(folder, prefix);
        let (_, idf) = Tensors::load(&numbers)?.take_f64("idf")?;
        let text =
            std::fs::read_to_string(&vocabulary).context(|| format!("cannot read `{}`", vocabulary.display()))?;
        let terms = read_terms(&text);
        let damaged = |why: String| Error::failed(format!("`{}` is damaged: {why}", vocabulary.display()));
        if terms.len() != idf.len() {
            return Err(damaged(format!("expected {} terms, got {}", idf.len(), terms.len())));
        }
        let finder = Finder::new(analyzer(params), &terms)
            .ok_or_else(|| damaged("a term is repeated or does not fit the analyzer".into()))?;
        Ok(Box::new(FittedTfidf { analyzer: analyzer(params), weighting: weighting(params), terms, idf, finder }))
    }
}

impl Step for Configured {
    fn fit_transform(
        &self,
        train: Batch,
        _context: &EmbedContext<'_>,
    ) -> Result<(Box<dyn Fitted>, Features, TextReport)> {
        let texts = texts_of(train.signal)?;
        let (min_df, max_df) = (self.min_df.of(texts.len()), self.max_df.of(texts.len()));
        let prepared = self.analyzer.prepare(&texts);
        let counted = count(&self.analyzer, &prepared, &Keep { min_df, max_df, max_features: self.max_features });
        if counted.terms.is_empty() {
            let n_texts = texts.len();
            return Err(Error::invalid(format!(
                "no term is in at least {min_df} (`min_df`) and at most {max_df} (`max_df`) of {n_texts} texts"
            ))
            .hint("lower `min_df`, raise `max_df`, or look at the text column"));
        }
        let n_texts = texts.len() as f64;
        let idf = |df: &u32| if self.use_idf { ((1.0 + n_texts) / (1.0 + f64::from(*df))).ln() + 1.0 } else { 1.0 };
        let idf: Vec<f64> = counted.df.iter().map(idf).collect();
        let features = weigh(&counted.chunks, &idf, self.weighting);
        let finder = Finder::new(self.analyzer, &counted.terms).expect("the terms came from this analyzer");
        let fitted =
            FittedTfidf { analyzer: self.analyzer, weighting: self.weighting, terms: counted.terms, idf, finder };
        Ok((Box::new(fitted), features, report_of(&texts)))
    }
}

/// What cleaning does to these texts.
fn report_of(texts: &[String]) -> TextReport {
    TextReport { cleaning: CleaningCounts::of(texts), ..TextReport::default() }
}

struct FittedTfidf {
    analyzer: Analyzer,
    weighting: Weighting,
    terms: Terms,
    idf: Vec<f64>,
    finder: Finder,
}

impl Fitted for FittedTfidf {
    fn transform(&self, rows: Batch, _context: &EmbedContext<'_>) -> Result<(Features, TextReport)> {
        let texts = texts_of(rows.signal)?;
        let prepared: Vec<Cow<'_, str>> = self.analyzer.prepare(&texts);
        Ok((weigh(&self.finder.find(&prepared), &self.idf, self.weighting), report_of(&texts)))
    }

    fn n_features(&self) -> usize {
        self.terms.len()
    }

    fn feature_names(&self) -> Option<Vec<String>> {
        Some(self.terms.iter().map(str::to_owned).collect())
    }

    fn outside(&self) -> Option<Outside> {
        let unit = match self.analyzer.unit {
            Unit::CharWb => "char_wb",
            Unit::Char => "char",
            Unit::Word => "word",
        };
        let description = json!({
            "step": "tfidf",
            "analyzer": unit,
            "ngram_range": [self.analyzer.ngram.0, self.analyzer.ngram.1],
            "lowercase": self.analyzer.lowercase,
            "cleaning": text::CLEANING,
            "lowercasing": if self.analyzer.lowercase { "Unicode lower case, as Python's str.lower" } else { "none" },
            "ngrams": rules(self.analyzer.unit),
            "counts": "how often each term of the vocabulary is among the n-grams; other n-grams are left out",
            "sublinear_tf": self.weighting.sublinear,
            "norm": if self.weighting.unit_length { "l2" } else { "none" },
            "vocabulary": self.terms.iter().collect::<Vec<_>>(),
            "idf": self.idf,
        });
        Some(Outside { input: "term_counts", description })
    }

    fn graph_input(&self, rows: Batch, _context: &EmbedContext<'_>) -> Result<(Array2<f32>, TextReport)> {
        let texts = texts_of(rows.signal)?;
        let mut counts = Array2::zeros((texts.len(), self.terms.len()));
        let found = self.finder.find(&self.analyzer.prepare(&texts));
        let mut row = counts.rows_mut().into_iter();
        for chunk in &found {
            let mut hits = chunk.hits.iter();
            for (length, mut row) in chunk.lengths.iter().zip(row.by_ref()) {
                hits.by_ref().take(*length).for_each(|(column, count)| row[*column as usize] = *count as f32);
            }
        }
        Ok((counts, TextReport::default()))
    }

    fn onnx(&self, graph: &mut Graph, input: &Value) -> Value {
        let counts = graph.cast(input, Kind::Float64);
        let tf = if self.weighting.sublinear {
            // 0 for 0, else 1 + ln(count), without a branch.
            let one = graph.number(1.0);
            let (low, high) = (graph.binary("Min", &counts, &one), graph.binary("Max", &counts, &one));
            let logarithm = graph.unary("Log", &high);
            graph.binary("Add", &low, &logarithm)
        } else {
            counts
        };
        let idf = graph.numbers(&[self.idf.len()], &self.idf);
        let mut values = graph.binary("Mul", &tf, &idf);
        if self.weighting.unit_length {
            let squares = graph.binary("Mul", &values, &values);
            let sums = graph.row_sums(&squares);
            // A row without a known term stays a row of zeros.
            let least = graph.number(f64::MIN_POSITIVE);
            let sums = graph.binary("Max", &sums, &least);
            let length = graph.unary("Sqrt", &sums);
            let scale = graph.unary("Reciprocal", &length);
            values = graph.binary("Mul", &values, &scale);
        }
        graph.cast(&values, Kind::Float32)
    }

    fn save(&self, folder: &Path, prefix: &str) -> Result<()> {
        let (numbers, vocabulary) = files(folder, prefix);
        Tensors::new().f64("idf", &[self.idf.len()], self.idf.clone()).save(&numbers)?;
        write_atomic(&vocabulary, write_terms(&self.terms).as_bytes())
    }
}

/// How a text becomes n-grams, for another system.
fn rules(unit: Unit) -> &'static str {
    match unit {
        Unit::CharWb => {
            "runs of characters other than white space (Python's str.isspace), each with a space put before and after; all \
             runs of ngram_range code points within them; a padded word shorter than the shortest counts once, whole"
        }
        Unit::Char => {
            "each run of two and more white-space characters becomes one space; all runs of ngram_range code points"
        }
        Unit::Word => {
            "words are the matches of the regular expression (?u)\\b\\w\\w+\\b of Python's re; all runs of ngram_range \
             words, joined by a space"
        }
    }
}

fn files(folder: &Path, prefix: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{prefix}tfidf.safetensors")), folder.join(format!("{prefix}vocabulary.txt")))
}

fn texts_of(signal: Signal) -> Result<Vec<String>> {
    match signal {
        Signal::Texts(texts) => Ok(texts),
        Signal::Matrix(_) => Err(Error::invalid_rows("`tfidf` takes texts, got a matrix")),
    }
}

/// The weighted rows of counted texts.
fn weigh(chunks: &[Hits], idf: &[f64], weighting: Weighting) -> Features {
    let values = chunks.par_iter().map(|chunk| {
        let mut values: Vec<f32> = Vec::with_capacity(chunk.hits.len());
        let (mut row, mut rest) = (Vec::new(), chunk.hits.as_slice());
        for length in &chunk.lengths {
            let (hits, after) = rest.split_at(*length);
            rest = after;
            row.clear();
            row.extend(hits.iter().map(|(column, count)| {
                let tf = match (count, weighting.sublinear) {
                    (1, _) => 1.0,
                    (count, true) => 1.0 + f64::from(*count).ln(),
                    (count, false) => f64::from(*count),
                };
                tf * idf[*column as usize]
            }));
            let squares: f64 = row.iter().map(|value| value * value).sum();
            let scale = if weighting.unit_length && squares > 0.0 { squares.sqrt().recip() } else { 1.0 };
            values.extend(row.iter().map(|value| (value * scale) as f32));
        }
        values
    });
    let values: Vec<Vec<f32>> = values.collect();
    let mut indptr = vec![0];
    let mut end = 0;
    indptr.extend(chunks.iter().flat_map(|chunk| &chunk.lengths).map(|length| {
        end += length;
        end
    }));
    let mut indices = Vec::with_capacity(end);
    indices.extend(chunks.iter().flat_map(|chunk| &chunk.hits).map(|(column, _)| *column));
    Features::Sparse(Csr { n_cols: idf.len(), indptr, indices, values: values.concat() })
}

/// One term per line, `\` and line feeds escaped: the only characters that a cleaned term could be misread by.
fn write_terms(terms: &Terms) -> String {
    let mut text = String::new();
    for term in terms.iter() {
        for letter in term.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                letter => text.push(letter),
            }
        }
        text.push('\n');
    }
    text
}

fn read_terms(text: &str) -> Terms {
    let mut terms = Terms::default();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        terms.push_with(|out| {
            let mut escaped = false;
            for letter in line.chars() {
                match (escaped, letter) {
                    (false, '\\') => escaped = true,
                    (true, 'n') => {
                        out.push('\n');
                        escaped = false;
                    }
                    (_, letter) => {
                        out.push(letter);
                        escaped = false;
                    }
                }
            }
        });
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::samples::no_queries;

    const TEXTS: [&str; 11] = [
        "재미있는 영화, 정말 재미있는 영화!",
        "영화가 재미없다",
        "A good film. a GOOD film!",
        "b",
        "",
        "  겹친   공백\t과\t\t탭\n ",
        "👍🏽 최고 👍🏽 ㅋㅋㅋㅋ",
        "cafe\u{301} Cafe\u{301} na\u{ef}ve",
        "a b c film",
        "스토리도 별로 영화도 별로 별로",
        "\u{feff}첫 줄\r\n둘째 줄 x_1 2024년",
    ];

    fn texts() -> Signal {
        let jamo = "\u{1112}\u{1161}\u{11ab}글 한글 film 영화";
        Signal::Texts(TEXTS.into_iter().chain([jamo]).map(String::from).collect())
    }

    fn params(json: &str) -> Params {
        Params::checked(PARAMS, &serde_json::from_str(json).unwrap()).unwrap()
    }

    fn fit(json: &str, train: Signal) -> Result<(Box<dyn Fitted>, Features)> {
        let (step, train) = (Tfidf.configure(&params(json)).unwrap(), no_queries(train));
        let (fitted, features, _) = step.fit_transform(train, &EmbedContext::bare(".".as_ref()))?;
        Ok((fitted, features))
    }

    fn transformed(fitted: &dyn Fitted, rows: Signal) -> Features {
        fitted.transform(no_queries(rows), &EmbedContext::bare(".".as_ref())).unwrap().0
    }

    fn csr(features: Features) -> Csr {
        match features {
            Features::Sparse(matrix) => matrix,
            Features::Dense(_) => unreachable!("tfidf gives a sparse matrix"),
        }
    }

    /// Sum of the values, and of the values weighted by place: (row + 1) · √(column + 1).
    fn sums(matrix: &Csr) -> (f64, f64) {
        let (mut plain, mut placed) = (0.0, 0.0);
        for row in 0..matrix.n_rows() {
            let (columns, values) = matrix.row(row);
            assert!(columns.is_sorted_by(|left, right| left < right));
            for (column, value) in columns.iter().zip(values) {
                plain += f64::from(*value);
                placed += f64::from(*value) * (row + 1) as f64 * f64::from(column + 1).sqrt();
            }
        }
        (plain, placed)
    }

    #[test]
    fn agrees_with_scikit_learn() {
        // scikit-learn 1.9.1, TfidfVectorizer on the cleaned texts: columns, entries, both sums, the term in column
        // n / 3; entries and sum of the new text. For `max_features` its vocabulary was set by (-count, term).
        type Golden = (&'static str, usize, usize, f64, f64, &'static str, usize, f64);
        let goldens: [Golden; 9] = [
            (r#"{"min_df":1}"#, 225, 266, 51.162_966_3, 3_227.013_55, "02", 34, 5.780_545_38),
            (
                r#"{"analyzer":"char","ngram":[1,3],"min_df":1}"#,
                249,
                306,
                54.183_368,
                3_765.629_52,
                "c",
                37,
                6.016_414_43,
            ),
            (
                r#"{"analyzer":"word","ngram":[1,2],"min_df":1}"#,
                39,
                42,
                19.574_740_4,
                539.042_798,
                "겹친",
                3,
                1.721_005,
            ),
            ("{}", 26, 67, 21.302_966_5, 479.655_279, " 영", 20, 4.457_365_28),
            (
                r#"{"max_df":0.15,"min_df":1,"lowercase":false}"#,
                220,
                220,
                43.857_806_1,
                2_804.660_56,
                "1 ",
                14,
                3.741_657_39,
            ),
            (r#"{"max_features":20,"min_df":1}"#, 20, 52, 17.856_330_5, 368.451_231, " 별", 13, 3.598_937_24),
            (
                r#"{"analyzer":"char","ngram":[3,9],"min_df":1,"norm":"none"}"#,
                612,
                627,
                1_926.376_06,
                208_934.159,
                "afé",
                22,
                58.327_617_6,
            ),
            (
                r#"{"ngram":[4,30],"min_df":1,"sublinear_tf":false,"use_idf":false}"#,
                107,
                118,
                32.967_982_4,
                1_389.328_58,
                " 스토리도",
                14,
                3.741_657_39,
            ),
            (r#"{"analyzer":"word","ngram":[2,3],"min_df":1}"#, 31, 31, 15.669_869_4, 409.040_571, "둘째 x_1", 0, 0.0),
        ];
        let near = |got: f64, expected: f64| (got - expected).abs() <= 1e-6 * expected.abs().max(1.0);
        for (json, columns, entries, plain, placed, term, new_entries, new_plain) in goldens {
            let (fitted, features) = fit(json, texts()).unwrap();
            assert_eq!(transformed(&*fitted, texts()), features, "{json}");
            let matrix = csr(features);
            assert_eq!((matrix.n_cols, matrix.values.len(), matrix.n_rows()), (columns, entries, 12), "{json}");
            let got = sums(&matrix);
            assert!(near(got.0, plain) && near(got.1, placed), "{json}: {got:?}");
            assert_eq!(fitted.feature_names().unwrap()[columns / 3], term, "{json}");
            let new = csr(transformed(&*fitted, Signal::Texts(vec!["새 영화 film café b 년!".into()])));
            assert_eq!(new.values.len(), new_entries, "{json}");
            assert!(near(sums(&new).0, new_plain), "{json}: {:?}", sums(&new));
        }
    }

    #[test]
    fn loads_what_it_saved() {
        let folder = tempfile::tempdir().unwrap();
        let train = || Signal::Texts(vec!["a\\n \\ \n b".into(), "\\\\\nb 한".into()]);
        for json in [r#"{"min_df":1,"analyzer":"char"}"#, r#"{"min_df":1}"#] {
            let (fitted, features) = fit(json, train()).unwrap();
            fitted.save(folder.path(), "step0_").unwrap();
            let loaded = Tfidf.load(&params(json), folder.path(), "step0_").unwrap();
            assert_eq!(loaded.feature_names(), fitted.feature_names());
            assert_eq!(transformed(&*loaded, train()), features);
        }
        std::fs::write(folder.path().join("step0_vocabulary.txt"), "ab\n").unwrap();
        assert!(Tfidf.load(&params("{}"), folder.path(), "step0_").is_err());
    }

    #[test]
    fn same_bytes_for_any_number_of_threads_and_over_many_batches() {
        // About 5 MB, so more than one batch of chunks; each text depends on its number.
        let text = |at: usize| {
            (0..40).map(|word| ((at * 7919 + word * word * 31) % 5003).to_string()).collect::<Vec<_>>().join(" ")
        };
        let train: Vec<String> = (0..20_000).map(text).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (fitted, features) = fit(r#"{"ngram":[2,3]}"#, Signal::Texts(train.clone())).unwrap();
                let alone = transformed(&*fitted, Signal::Texts(train[19_990..].to_vec()));
                (fitted.feature_names(), features, alone)
            })
        };
        let (one, four) = (run(1), run(4));
        assert!(one == four);
        let (all, alone) = (csr(one.1), csr(one.2));
        for row in 0..10 {
            assert_eq!(all.row(19_990 + row), alone.row(row));
        }
    }

    #[test]
    fn refuses_what_has_no_terms_and_wrong_frequencies() {
        let empty = fit("{}", Signal::Texts(vec!["a".into(), "b".into()])).err().unwrap();
        assert_eq!(empty.message, "no term is in at least 2 (`min_df`) and at most 2 (`max_df`) of 2 texts");
        for json in [r#"{"min_df":0}"#, r#"{"max_df":1.5}"#, r#"{"min_df":"x"}"#, r#"{"min_df":3,"max_df":2}"#] {
            assert!(Tfidf.configure(&params(json)).is_err(), "{json}");
        }
    }
}
