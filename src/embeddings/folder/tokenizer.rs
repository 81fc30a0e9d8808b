//! Texts become token ids, in parallel, each with the prompt before it and without special tokens.
//!
//! Special tokens (`[CLS]` … `[SEP]`) are put around a body of tokens by `frame`, after the policy for long texts has
//! cut it: for the tokenizers read here that is what truncation inside the tokenizer gives, and it is checked when the
//! tokenizer is opened. The prompt is part of the text, as in sentence-transformers 6.2: the text is neither stripped
//! nor cleaned, and the prompt's length is that of the prompt alone, without the special token at its end.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::embeddings::folder::model_folder::Folder;
use crate::embeddings::folder::pieces::Cuts;
use crate::embeddings::folder::tokenizer_files;
use crate::embeddings::folder::tokens::Tokens;
use crate::error::{Error, Result};

/// A folder's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    before: Vec<u32>,
    after: Vec<u32>,
    unknown: Option<u32>,
    special: Vec<u32>,
    cuts: Cuts,
    vocab_size: usize,
    include_prompt: bool,
}

/// What is put before every text, counted in tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    text: String,
    /// Tokens of it at the start of every sequence, special tokens before it included.
    n_tokens: usize,
}

impl Prompt {
    /// The prompt itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Tokenizer {
    /// Opens the tokenizer of a folder.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Failed` for a damaged file, `Invalid` for what is not supported.
    pub fn open(folder: &Folder) -> Result<Self> {
        let built = tokenizer_files::build(&folder.transformer, folder.config.architecture)?;
        let mut inner = built.tokenizer;
        if folder.recipe.lower_case {
            tokenizer_files::lower_case(&mut inner)?;
        }
        let (before, after) = frame(&inner).ok_or_else(|| {
            let at = folder.transformer.display();
            Error::invalid(format!("special tokens that are not put around a text are not supported (`{at}`)"))
        })?;
        Ok(Self {
            cuts: Cuts::of(&inner),
            inner,
            before,
            after,
            unknown: built.unknown,
            special: built.special,
            vocab_size: folder.config.vocab_size,
            include_prompt: folder.recipe.includes_prompt(),
        })
    }

    /// Special tokens around every sequence.
    #[must_use]
    pub fn n_special(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// The token for what the vocabulary lacks.
    #[must_use]
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// A prompt, counted in tokens.
    ///
    /// # Errors
    /// Those of `encode`.
    pub fn prompt(&self, text: &str) -> Result<Prompt> {
        if text.is_empty() {
            return Ok(Prompt::default());
        }
        let body = self.ids(text).map_err(|error| placed(error, "the prompt"))?;
        let mut ids = self.frame(&body, &Prompt::default()).ids;
        if ids.last().is_some_and(|last| self.special.contains(last)) {
            ids.pop();
        }
        Ok(Prompt { text: text.to_owned(), n_tokens: ids.len() })
    }

    /// The tokens of each text with the prompt before it, without special tokens. `rows` are the texts' row numbers, for
    /// errors.
    ///
    /// # Errors
    /// `Invalid` when a text gives a token that the network does not have.
    pub fn encode<S: AsRef<str> + Sync>(&self, texts: &[S], prompt: &Prompt, rows: &[usize]) -> Result<Vec<Vec<u32>>> {
        let body = |(text, row): (&S, &usize)| {
            let text = text.as_ref();
            let ids = if prompt.text.is_empty() { self.ids(text) } else { self.ids(&format!("{}{text}", prompt.text)) };
            ids.map_err(|error| placed(error, &format!("row {row}")))
        };
        // Texts of a block are much alike in length, but for a few: small jobs keep every core busy to the end.
        texts.par_iter().zip(rows).with_max_len(16).map(body).collect()
    }

    /// A sequence: the special tokens around a body of tokens.
    #[must_use]
    pub fn frame(&self, body: &[u32], prompt: &Prompt) -> Tokens {
        let ids: Vec<u32> = [&self.before, body, &self.after].into_iter().flatten().copied().collect();
        let prompt = if self.include_prompt { 0 } else { prompt.n_tokens.min(ids.len()) };
        Tokens { ids, prompt }
    }

    /// Tokens at the start of every body that belong to the prompt.
    #[must_use]
    pub fn prompt_in_body(&self, prompt: &Prompt) -> usize {
        prompt.n_tokens.saturating_sub(self.before.len())
    }

    /// The words that become the unknown token, with how often: for an audit.
    ///
    /// # Errors
    /// `Failed` when the tokenizer cannot read a text.
    pub fn unknown_words(&self, text: &str) -> Result<FxHashMap<String, usize>> {
        let mut words = FxHashMap::default();
        let Some(unknown) = self.unknown else { return Ok(words) };
        for piece in self.cuts.pieces(text) {
            let encoding = self.inner.encode(piece, false).map_err(unreadable)?;
            for (id, (start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
                if *id == unknown {
                    *words.entry(piece.get(*start..*end).unwrap_or_default().to_owned()).or_default() += 1;
                }
            }
        }
        Ok(words)
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let encode = |piece: &&str| Ok(self.inner.encode_fast(*piece, false).map_err(unreadable)?.get_ids().to_vec());
        let ids = match &self.cuts.pieces(text)[..] {
            [whole] => encode(whole)?,
            pieces => pieces.par_iter().map(encode).collect::<Result<Vec<_>>>()?.concat(),
        };
        match ids.iter().find(|id| **id as usize >= self.vocab_size) {
            Some(id) => Err(Error::invalid(format!(
                "token {id} (`{}`) is beyond the network's vocabulary of {}",
                self.inner.id_to_token(*id).unwrap_or_default(),
                self.vocab_size
            ))
            .hint("the tokenizer belongs to another model than the weights")),
            None => Ok(ids),
        }
    }
}

fn placed(mut error: Error, place: &str) -> Error {
    error.message = format!("{place}: {}", error.message);
    error
}

fn unreadable(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::failed("the text cannot be tokenised").caused_by(cause)
}

/// The special tokens before and behind a text; `None` when they are put elsewhere.
fn frame(tokenizer: &tokenizers::Tokenizer) -> Option<(Vec<u32>, Vec<u32>)> {
    // Some text that has tokens: which ones does not matter.
    let (body, framed) = ["a", "1", ".", "가", "中"].iter().find_map(|text| {
        let body = tokenizer.encode_fast(*text, false).ok()?.get_ids().to_vec();
        let framed = tokenizer.encode_fast(*text, true).ok()?;
        let start = framed.get_sequence_ids().iter().position(Option::is_some)?;
        (!body.is_empty()).then(|| (body, (framed.get_ids().to_vec(), start)))
    })?;
    let (framed, start) = framed;
    let behind = framed.get(start..)?.strip_prefix(body.as_slice())?.to_vec();
    let before = framed[..start].to_vec();
    let empty = tokenizer.encode_fast("", true).ok()?;
    (empty.get_ids() == [before.as_slice(), &behind].concat()).then_some((before, behind))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::embeddings::folder::fixtures::{Copied, models};

    fn ids(value: &Value) -> Vec<u32> {
        value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
    }

    fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
        tokenizer.encode(&[text], &Prompt::default(), &[1]).unwrap().remove(0)
    }

    /// A copy with `vocab.json` and `merges.txt` in the place of `tokenizer.json`.
    fn byte_level_files(copied: &Copied) {
        let tokenizer: Value =
            serde_json::from_slice(&std::fs::read(copied.path().join("tokenizer.json")).unwrap()).unwrap();
        let merges = tokenizer["model"]["merges"].as_array().unwrap().iter();
        let merges: Vec<String> = merges
            .map(|merge| match merge {
                Value::String(pair) => pair.clone(),
                pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
            })
            .collect();
        copied.write("vocab.json", tokenizer["model"]["vocab"].to_string());
        copied.write("merges.txt", format!("#version: 0.2\n{}\n", merges.join("\n"))).remove("tokenizer.json");
    }

    #[test]
    fn tokens_are_those_of_transformers() {
        // tests/fixtures/tokens.py, transformers 5.23.
        let golden: Value =
            serde_json::from_slice(&std::fs::read(models().with_file_name("tokens.json")).unwrap()).unwrap();
        let texts: Vec<&str> = golden["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let rows: Vec<usize> = (0..texts.len()).collect();
        for (name, case) in golden["cases"].as_object().unwrap() {
            let copied = Copied::of(case["model"].as_str().unwrap());
            if case["without"] == json!(["tokenizer.json"]) {
                byte_level_files(&copied);
            }
            copied.set("tokenizer_config.json", &case["changes"]);
            let tokenizer = Tokenizer::open(&copied.open().unwrap()).unwrap();
            let none = Prompt::default();
            let bodies = tokenizer.encode(&texts, &none, &rows).unwrap();
            for ((text, body), expected) in texts.iter().zip(bodies).zip(case["ids"].as_array().unwrap()) {
                assert_eq!(tokenizer.frame(&body, &none).ids, ids(expected), "{name}: {text:?}");
            }
            let prompt = tokenizer.prompt("query: ").unwrap();
            assert_eq!(prompt.n_tokens as u64, case["prompt"].as_u64().unwrap(), "{name}");
        }
    }

    #[test]
    fn a_prompt_is_part_of_the_text_and_may_be_left_out_of_pooling() {
        let copied = Copied::of("tiny-bert-mean");
        let tokenizer = Tokenizer::open(&copied.open().unwrap()).unwrap();
        let prompt = tokenizer.prompt("query: ").unwrap();
        let body = tokenizer.encode(&["좋아요"], &prompt, &[1]).unwrap().remove(0);
        assert_eq!(body, encode(&tokenizer, "query: 좋아요"));
        assert_eq!(tokenizer.frame(&body, &prompt).prompt, 0);
        assert_eq!((prompt.text(), tokenizer.prompt_in_body(&prompt), tokenizer.n_special()), ("query: ", 6, 2));
        copied.set("1_Pooling/config.json", &json!({"include_prompt": false}));
        let tokenizer = Tokenizer::open(&copied.open().unwrap()).unwrap();
        assert_eq!(tokenizer.frame(&body, &prompt).prompt, 7);
        assert_eq!(tokenizer.frame(&body, &Prompt::default()).prompt, 0);
    }

    #[test]
    fn lower_case_comes_first_where_the_folder_wants_it() {
        let copied = Copied::of("tiny-bert-mean");
        let cased = Tokenizer::open(&copied.open().unwrap()).unwrap();
        copied.set("sentence_bert_config.json", &json!({"do_lower_case": true}));
        let lower = Tokenizer::open(&copied.open().unwrap()).unwrap();
        assert_eq!(encode(&lower, "Hello WORLD"), encode(&cased, "hello world"));
        assert_ne!(encode(&cased, "Hello WORLD"), encode(&cased, "hello world"));
        // Special tokens are found before anything is changed.
        assert_eq!(encode(&lower, "[SEP]"), [3]);
    }

    #[test]
    fn a_body_cut_before_it_is_framed_is_what_the_library_cuts() {
        for model in ["tiny-bert-mean", "tiny-roberta-mean"] {
            let tokenizer = Tokenizer::open(&Copied::of(model).open().unwrap()).unwrap();
            let mut library = tokenizer.inner.clone();
            for max_length in [3, 8, 15, 64] {
                let truncation = tokenizers::TruncationParams { max_length, ..Default::default() };
                library.with_truncation(Some(truncation)).unwrap();
                for text in ["", "좋아요", "저는 성실하고 책임감 있는 개발자입니다. Hello world"] {
                    let body = encode(&tokenizer, text);
                    let kept = &body[..body.len().min(max_length - tokenizer.n_special())];
                    let expected = library.encode_fast(text, true).unwrap();
                    let framed = tokenizer.frame(kept, &Prompt::default()).ids;
                    assert_eq!(framed, expected.get_ids(), "{model}, {max_length}: {text}");
                }
            }
        }
    }

    #[test]
    fn long_texts_have_the_tokens_of_the_whole() {
        let pieces = [
            "가나다 ",
            "Hello, ",
            "\n",
            "  ",
            "[SEP]",
            "<mask>",
            "漢字",
            "cafe\u{301} ",
            "x.y!",
            "\0",
            "don't ",
            "\u{3000}",
            "。",
            "😀",
        ];
        let mut state = 7_u32;
        let text: String = (0..60_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                pieces[(state >> 16) as usize % pieces.len()]
            })
            .collect();
        for model in ["tiny-bert-mean", "tiny-roberta-mean"] {
            let tokenizer = Tokenizer::open(&Copied::of(model).open().unwrap()).unwrap();
            assert!(tokenizer.cuts.pieces(&text).len() > 5);
            let whole = tokenizer.inner.encode_fast(text.as_str(), false).unwrap();
            assert_eq!(encode(&tokenizer, &text), whole.get_ids(), "{model}");
        }
    }

    #[test]
    fn unknown_words_are_shown_as_they_stand_in_the_text() {
        let tokenizer = Tokenizer::open(&Copied::of("tiny-bert-mean").open().unwrap()).unwrap();
        assert_eq!(tokenizer.unknown(), Some(1));
        let words = tokenizer.unknown_words("저는 ☃ 좋아요 ☃! 𓀀").unwrap();
        assert_eq!((words.get("☃"), words.get("𓀀"), words.len()), (Some(&2), Some(&1), 2));
    }

    #[test]
    fn a_token_that_the_network_lacks_is_an_error_with_its_row() {
        let copied = Copied::of("tiny-bert-mean");
        copied.set("config.json", &json!({"vocab_size": 80}));
        let tokenizer = Tokenizer::open(&copied.open().unwrap()).unwrap();
        let error = tokenizer.encode(&["", "저는"], &Prompt::default(), &[4, 9]).unwrap_err();
        assert!(error.message.starts_with("row 9: token "), "{}", error.message);
        assert!(error.message.contains("beyond the network's vocabulary of 80"), "{}", error.message);
        assert!(error.hint.unwrap().contains("another model"));
    }

    #[test]
    fn what_is_missing_damaged_or_not_supported_is_named() {
        let refusal = |copied: &Copied| Tokenizer::open(&copied.open().unwrap()).err().unwrap();
        for (changes, named) in [
            (json!({"tokenizer_class": "BertJapaneseTokenizer"}), "`BertJapaneseTokenizer`"),
            (json!({"truncation_side": "left"}), "truncation_side"),
            (json!({"added_tokens_decoder": {"7": {"content": "[NEW]"}}}), "`[NEW]` should have id 7"),
        ] {
            let copied = Copied::of("tiny-bert-mean");
            let message = refusal(copied.set("tokenizer_config.json", &changes)).message;
            assert!(message.contains(named), "{message}");
        }
        let copied = Copied::of("tiny-bert-mean");
        assert!(refusal(copied.write("tokenizer.json", "{}")).message.contains("is no tokenizer"));
        assert!(refusal(copied.remove("tokenizer.json")).message.contains("has no `tokenizer.json`"));
        let error = refusal(copied.write("sentencepiece.bpe.model", "x"));
        assert!(error.message.contains("`sentencepiece.bpe.model` is not read") && error.hint.is_some());
        let legacy = Copied::of("tiny-bert-legacy");
        assert!(refusal(legacy.write("vocab.txt", "[PAD]\n[UNK]\n가\n")).message.contains("lacks the token `[SEP]`"));
        assert!(refusal(legacy.write("vocab.txt", b"\xff\xfe")).message.contains("is not UTF-8"));
    }
}
