//! The tokenizer of a folder as transformers would build it, from whichever files are there.
//!
//! `tokenizer.json` goes first, then `vocab.txt` (BERT's) or `vocab.json` with `merges.txt` (byte-level BPE). Which
//! class a tokenizer has (`tokenizer_config.json`, else `config.json`, else the architecture's own) decides more than
//! the file does: BERT's classes put their own `do_lower_case`, `strip_accents` and `tokenize_chinese_chars` in the
//! place of what `tokenizer.json` says, RoBERTa's their `add_prefix_space`. This holds for transformers 4.57 and 5.23
//! (`models/bert/tokenization_bert.py`, `models/roberta/tokenization_roberta.py`); tokens were compared with 5.23.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, Lowercase, NormalizerWrapper, Sequence};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

use crate::embeddings::folder::document::{self, Document};
use crate::embeddings::folder::encoder_config::Architecture;
use crate::error::{Error, Result};
use crate::fs;

/// What kind of tokenizer a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Word pieces behind BERT's normaliser.
    Bert,
    /// Byte-level BPE.
    Roberta,
    /// As `tokenizer.json` says.
    AsItIs,
}

/// A tokenizer and what its settings say beside it.
pub(super) struct Built {
    pub(super) tokenizer: Tokenizer,
    /// The token for what the vocabulary lacks.
    pub(super) unknown: Option<u32>,
    /// The tokens that have a role, such as `[SEP]`.
    pub(super) special: Vec<u32>,
}

/// The longest sequence according to `tokenizer_config.json`.
///
/// # Errors
/// `Failed` for a damaged file, `Invalid` for a value that is no number.
pub(super) fn model_max_length(folder: &Path) -> Result<Option<f64>> {
    match Document::find(&folder.join("tokenizer_config.json"))? {
        Some(config) => config.number("model_max_length"),
        None => Ok(None),
    }
}

/// Builds the tokenizer of a folder.
///
/// # Errors
/// `NotFound` when there is none, `Failed` for a damaged file, `Invalid` for a class that is not supported.
pub(super) fn build(folder: &Path, architecture: Architecture) -> Result<Built> {
    let config = Document::find(&folder.join("tokenizer_config.json"))?;
    let map = Document::find(&folder.join("special_tokens_map.json"))?;
    let settings = Settings { folder, config: config.as_ref(), map: map.as_ref() };
    settings.check()?;
    let class = settings.class(architecture)?;
    let mut tokenizer = if folder.join("tokenizer.json").exists() {
        settings.of_json(class)?
    } else {
        settings.of_vocabulary(class)?
    };
    settings.add_tokens(&mut tokenizer)?;
    tokenizer.with_padding(None);
    let wrong = |cause| Error::failed(format!("the tokenizer of `{}` is damaged", folder.display())).caused_by(cause);
    tokenizer.with_truncation(None).map_err(wrong)?;
    if settings.flag("split_special_tokens")? == Some(true) {
        tokenizer.set_encode_special_tokens(true);
    }
    let id = |role: &str| Ok(tokenizer.token_to_id(&settings.role(role, class)?));
    let special = ROLES.iter().map(|(role, ..)| id(role)).collect::<Result<Vec<_>>>()?;
    Ok(Built { unknown: id("unk_token")?, special: special.into_iter().flatten().collect(), tokenizer })
}

/// Lower-cases texts before everything else, unless the normaliser does so already.
///
/// # Errors
/// `Failed` when the tokenizer cannot be changed.
pub(super) fn lower_case(tokenizer: &mut Tokenizer) -> Result<()> {
    let lowers = |one: &NormalizerWrapper| matches!(one, NormalizerWrapper::Lowercase(_));
    let mut steps = match tokenizer.get_normalizer() {
        Some(one) if lowers(one) => return Ok(()),
        Some(NormalizerWrapper::Sequence(steps)) if steps.as_ref().iter().any(lowers) => return Ok(()),
        Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().to_vec(),
        Some(other) => vec![other.clone()],
        None => Vec::new(),
    };
    steps.insert(0, NormalizerWrapper::Lowercase(Lowercase));
    tokenizer.with_normalizer(Some(Sequence::new(steps))).map(|_| ()).map_err(unchangeable)
}

fn unchangeable(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::failed("the tokenizer's normaliser cannot be changed").caused_by(cause)
}

/// Roles of special tokens with what BERT and RoBERTa call them by default.
const ROLES: [(&str, Option<&str>, Option<&str>); 7] = [
    ("unk_token", Some("[UNK]"), Some("<unk>")),
    ("sep_token", Some("[SEP]"), Some("</s>")),
    ("pad_token", Some("[PAD]"), Some("<pad>")),
    ("cls_token", Some("[CLS]"), Some("<s>")),
    ("mask_token", Some("[MASK]"), Some("<mask>")),
    ("bos_token", None, Some("<s>")),
    ("eos_token", None, Some("</s>")),
];

struct Settings<'a> {
    folder: &'a Path,
    config: Option<&'a Document>,
    map: Option<&'a Document>,
}

impl Settings<'_> {
    fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.config.map_or(Ok(None), |config| config.flag(key))
    }

    fn check(&self) -> Result<()> {
        let Some(config) = self.config else { return Ok(()) };
        if config.text("truncation_side")?.is_some_and(|side| side != "right") {
            return Err(config.unsupported("`truncation_side: left`"));
        }
        for key in ["do_basic_tokenize", "clean_text"] {
            if config.flag(key)? == Some(false) {
                return Err(config.unsupported(format!("`{key}: false`")));
            }
        }
        Ok(())
    }

    fn class(&self, architecture: Architecture) -> Result<Class> {
        let model = Document::find(&self.folder.join("config.json"))?;
        for (document, key) in [(self.config, "tokenizer_class"), (model.as_ref(), "tokenizer_class")] {
            let Some(document) = document else { continue };
            let Some(name) = document.text(key)? else { continue };
            return match name.strip_suffix("Fast").unwrap_or(name) {
                "BertTokenizer" | "DistilBertTokenizer" | "ElectraTokenizer" => Ok(Class::Bert),
                "RobertaTokenizer" => Ok(Class::Roberta),
                "XLMRobertaTokenizer" | "CamembertTokenizer" | "PreTrainedTokenizer" | "TokenizersBackend" => {
                    Ok(Class::AsItIs)
                }
                _ => Err(document.unsupported(format!("the tokenizer class `{name}`"))),
            };
        }
        Ok(match architecture {
            Architecture::Bert | Architecture::DistilBert => Class::Bert,
            Architecture::Roberta if self.folder.join("vocab.json").exists() => Class::Roberta,
            Architecture::Roberta | Architecture::XlmRoberta => Class::AsItIs,
        })
    }

    fn of_json(&self, class: Class) -> Result<Tokenizer> {
        let path = self.folder.join("tokenizer.json");
        let bytes = std::fs::read(&path)
            .map_err(|cause| Error::failed(format!("cannot read `{}`", path.display())).caused_by(cause))?;
        document::refuse_pointer(&path, &bytes)?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes)
            .map_err(|cause| Error::failed(format!("`{}` is no tokenizer", path.display())).caused_by(cause))?;
        match class {
            Class::Bert if matches!(tokenizer.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(_))) => {
                tokenizer.with_normalizer(Some(self.bert_normalizer()?)).map_err(unchangeable)?;
            }
            Class::Roberta => {
                if let Some(PreTokenizerWrapper::ByteLevel(level)) = tokenizer.get_pre_tokenizer() {
                    let level = level.add_prefix_space(self.flag("add_prefix_space")?.unwrap_or(false));
                    tokenizer.with_pre_tokenizer(Some(level));
                }
            }
            _ => {}
        }
        Ok(tokenizer)
    }

    fn of_vocabulary(&self, class: Class) -> Result<Tokenizer> {
        let (words, pieces) = (self.folder.join("vocab.txt"), self.folder.join("vocab.json"));
        let merges = self.folder.join("merges.txt");
        match class {
            Class::Bert if words.exists() => self.word_piece(&words),
            Class::Roberta if pieces.exists() && merges.exists() => self.byte_level(&pieces, &merges),
            _ => {
                let message = format!("`{}` has no `tokenizer.json`", self.folder.display());
                let model = ["sentencepiece.bpe.model", "spiece.model", "sentencepiece.model"];
                Err(match model.iter().find(|name| self.folder.join(name).exists()) {
                    Some(name) => Error::invalid(format!("{message}, and `{name}` is not read"))
                        .hint("load the tokenizer with transformers and save it again: that writes `tokenizer.json`"),
                    None => Error::not_found(message)
                        .hint("without it, `vocab.txt` (BERT) or `vocab.json` with `merges.txt` (RoBERTa) would do"),
                })
            }
        }
    }

    fn word_piece(&self, path: &Path) -> Result<Tokenizer> {
        let wrong = |cause| Error::failed(format!("`{}` is no vocabulary", path.display())).caused_by(cause);
        let text = fs::read_text(path)?;
        document::refuse_pointer(path, text.as_bytes())?;
        let vocabulary = WordPiece::read_bytes(text.as_bytes()).map_err(wrong)?;
        let role = |role: &str| self.role(role, Class::Bert);
        let model = WordPiece::builder().vocab(vocabulary).unk_token(role("unk_token")?).build().map_err(wrong)?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(self.bert_normalizer()?)).map_err(unchangeable)?;
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        let id = |token: String| known(&tokenizer, path, token);
        let processor = BertProcessing::new(id(role("sep_token")?)?, id(role("cls_token")?)?);
        tokenizer.with_post_processor(Some(processor));
        self.add_roles(&mut tokenizer, path, Class::Bert)?;
        Ok(tokenizer)
    }

    fn byte_level(&self, pieces: &Path, merges: &Path) -> Result<Tokenizer> {
        let wrong = |cause| {
            Error::failed(format!("`{}` or `{}` is damaged", pieces.display(), merges.display())).caused_by(cause)
        };
        let text = |path: &Path| -> Result<String> {
            document::refuse_pointer(path, fs::read_text(path)?.as_bytes())?;
            let name =
                path.to_str().ok_or_else(|| Error::invalid(format!("the path `{}` is not UTF-8", path.display())))?;
            Ok(name.to_owned())
        };
        let model = BPE::from_file(&text(pieces)?, &text(merges)?).build().map_err(wrong)?;
        let add_prefix_space = self.flag("add_prefix_space")?.unwrap_or(false);
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(add_prefix_space)));
        let id = |role: &str| known(&tokenizer, pieces, self.role(role, Class::Roberta)?);
        let processor = RobertaProcessing::new(id("sep_token")?, id("cls_token")?).add_prefix_space(add_prefix_space);
        tokenizer.with_post_processor(Some(processor));
        self.add_roles(&mut tokenizer, pieces, Class::Roberta)?;
        Ok(tokenizer)
    }

    fn bert_normalizer(&self) -> Result<BertNormalizer> {
        let chinese = self.flag("tokenize_chinese_chars")?.unwrap_or(true);
        Ok(BertNormalizer::new(true, chinese, self.flag("strip_accents")?, self.flag("do_lower_case")?.unwrap_or(true)))
    }

    /// A special token's text as the settings give it.
    fn special(&self, role: &str) -> Result<Option<String>> {
        for document in [self.config, self.map].into_iter().flatten() {
            match document.get(role) {
                Some(Value::String(text)) => return Ok(Some(text.clone())),
                Some(Value::Object(token)) => {
                    let text = token.get("content").and_then(Value::as_str);
                    let text = text.ok_or_else(|| document.invalid(format!("`{role}` has no `content`")))?;
                    return Ok(Some(text.to_owned()));
                }
                Some(other) => return Err(document.invalid(format!("`{role}` should be a token, it is `{other}`"))),
                None => {}
            }
        }
        Ok(None)
    }

    fn role(&self, role: &str, class: Class) -> Result<String> {
        let default = ROLES
            .iter()
            .find(|(name, ..)| *name == role)
            .and_then(|(_, bert, roberta)| if class == Class::Bert { *bert } else { *roberta });
        Ok(self.special(role)?.unwrap_or_else(|| default.unwrap_or_default().to_owned()))
    }

    /// Makes every token with a role one that is found in texts as a whole.
    fn add_roles(&self, tokenizer: &mut Tokenizer, path: &Path, class: Class) -> Result<()> {
        for (role, bert, roberta) in ROLES {
            let default = if class == Class::Bert { bert } else { roberta };
            if default.is_none() && self.special(role)?.is_none() {
                continue;
            }
            let token = self.role(role, class)?;
            known(tokenizer, path, token.clone())?;
            add(tokenizer, path, AddedToken::from(token, true), None)?;
        }
        Ok(())
    }

    /// The tokens that the settings add to a vocabulary.
    fn add_tokens(&self, tokenizer: &mut Tokenizer) -> Result<()> {
        if let Some(config) = self.config
            && let Some(Value::Object(decoder)) = config.get("added_tokens_decoder")
        {
            let mut tokens: Vec<(u32, &Value)> = Vec::new();
            for (id, token) in decoder {
                let id = id.parse().map_err(|_| config.invalid(format!("`added_tokens_decoder` has the id `{id}`")))?;
                tokens.push((id, token));
            }
            tokens.sort_by_key(|(id, _)| *id);
            for (id, token) in tokens {
                let flag = |key: &str| token.get(key).and_then(Value::as_bool).unwrap_or(false);
                let text = token.get("content").and_then(Value::as_str);
                let text =
                    text.ok_or_else(|| config.invalid(format!("`added_tokens_decoder` has no content for {id}")))?;
                let token = AddedToken::from(text, flag("special"))
                    .lstrip(flag("lstrip"))
                    .rstrip(flag("rstrip"))
                    .single_word(flag("single_word"))
                    .normalized(flag("normalized"));
                add(tokenizer, &self.folder.join("tokenizer_config.json"), token, Some(id))?;
            }
        }
        let path = self.folder.join("added_tokens.json");
        let Some(added) = Document::find(&path)? else { return Ok(()) };
        let mut tokens = Vec::new();
        for (text, id) in added.entries() {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            tokens.push((id.ok_or_else(|| added.invalid(format!("the token `{text}` has no id")))?, text));
        }
        tokens.sort_unstable();
        for (id, text) in tokens {
            add(tokenizer, &path, AddedToken::from(text, false), Some(id))?;
        }
        Ok(())
    }
}

/// A token with its id in the vocabulary of `path`.
fn known(tokenizer: &Tokenizer, path: &Path, token: String) -> Result<(String, u32)> {
    match tokenizer.token_to_id(&token) {
        Some(id) => Ok((token, id)),
        None => Err(Error::failed(format!("`{}` lacks the token `{token}`", path.display()))
            .hint("the vocabulary is incomplete or belongs to another tokenizer")),
    }
}

/// Adds a token unless it is there, and checks its id.
fn add(tokenizer: &mut Tokenizer, path: &Path, token: AddedToken, id: Option<u32>) -> Result<()> {
    let text = token.content.clone();
    if !tokenizer.get_added_vocabulary().get_vocab().contains_key(&text) {
        let added = if token.special { tokenizer.add_special_tokens([token]) } else { tokenizer.add_tokens([token]) };
        added.map_err(unchangeable)?;
    }
    let got = tokenizer.token_to_id(&text);
    if id.is_some() && got != id {
        let wanted = id.unwrap_or_default();
        let got = got.map_or("none".to_owned(), |got| got.to_string());
        return Err(Error::invalid(format!(
            "`{}`: the token `{text}` should have id {wanted}, it gets {got}",
            path.display()
        )));
    }
    Ok(())
}

/// The files that decide which tokens a text has.
pub(super) fn used(folder: &Path) -> Vec<PathBuf> {
    let names: &[&str] = if folder.join("tokenizer.json").exists() {
        &["tokenizer.json", "tokenizer_config.json", "added_tokens.json"]
    } else {
        &[
            "vocab.txt",
            "vocab.json",
            "merges.txt",
            "tokenizer_config.json",
            "added_tokens.json",
            "special_tokens_map.json",
        ]
    };
    names.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect()
}
