//! The recipe of a folder: what happens to a text before the network and to its vectors behind it.
//!
//! `modules.json` lists the steps in order: `Transformer`, `Pooling`, then `Dense`, `LayerNorm`, `Dropout`, `Normalize`. Both
//! generations of the format are read: the older names its modules `sentence_transformers.models.*` and its pooling by
//! flags (`pooling_mode_mean_tokens`), the newer `sentence_transformers.base.modules.*` and `pooling_mode: mean`. The
//! meaning is that of sentence-transformers 6.2 (`base/model.py`, `modules/*.py`). A folder without `modules.json` gets
//! mean pooling, as there, and a note that says so. What is not built here is refused by name.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::embeddings::folder::document::{self, Document};
use crate::embeddings::folder::encoder_config::EncoderConfig;
use crate::embeddings::folder::modules::{MODES, Pooling, PoolingMode, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::Activation;

/// What happens to a text before the network and to its vectors behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The steps behind the network, in order.
    pub steps: Vec<Step>,
    /// `max_seq_length` of the folder, if it says so.
    pub max_seq_length: Option<usize>,
    /// Texts become lower case before they are tokenised.
    pub lower_case: bool,
    /// What may be put before a text, by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt that is used when none is asked for.
    pub default_prompt: Option<String>,
    /// What a person should know about the folder.
    pub notes: Vec<String>,
}

impl Recipe {
    /// The steps of a folder without `modules.json`.
    fn plain(folder: &Path) -> Self {
        let note = format!("`{}` has no `modules.json`: mean pooling, no normalisation", folder.display());
        Self {
            steps: vec![Step::Pooling(Pooling { modes: vec![PoolingMode::Mean], include_prompt: true })],
            max_seq_length: None,
            lower_case: false,
            prompts: BTreeMap::new(),
            default_prompt: None,
            notes: vec![note],
        }
    }

    /// Width of the final vectors, given the network's.
    #[must_use]
    pub fn dimensions(&self, hidden_size: usize) -> usize {
        self.steps.iter().fold(hidden_size, |width, step| match step {
            Step::Pooling(pooling) => width * pooling.modes.len(),
            Step::Dense { n_out, .. } => *n_out,
            Step::LayerNorm { .. } | Step::Normalize => width,
        })
    }

    /// Whether the tokens of a prompt count in pooling.
    #[must_use]
    pub fn includes_prompt(&self) -> bool {
        self.steps.iter().all(|step| !matches!(step, Step::Pooling(pooling) if !pooling.include_prompt))
    }

    /// Whether the last step scales vectors to length 1.
    #[must_use]
    pub fn normalizes(&self) -> bool {
        self.steps.last() == Some(&Step::Normalize)
    }
}

/// Reads a folder's recipe. Gives the folder of the transformer, its sizes and the recipe.
///
/// # Errors
/// `NotFound` for a missing file, `Failed` for a damaged one, `Invalid` for what is not supported.
pub(super) fn read(folder: &Path) -> Result<(PathBuf, EncoderConfig, Recipe)> {
    let modules = match document::json(&folder.join("modules.json")) {
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Ok((folder.to_owned(), EncoderConfig::read(folder)?, Recipe::plain(folder)));
        }
        modules => modules?,
    };
    let modules = list(folder, &modules)?;
    let Some(((kind, transformer), behind)) = modules.split_first() else {
        return Err(Error::invalid(format!("`{}` lists no modules", folder.join("modules.json").display())));
    };
    if kind != "Transformer" {
        return Err(unsupported(folder, &format!("the first module `{kind}`")).hint("it must be a `Transformer`"));
    }
    let config = EncoderConfig::read(transformer)?;
    let mut recipe = Recipe { steps: Vec::new(), notes: Vec::new(), ..Recipe::plain(folder) };
    read_transformer(transformer, &mut recipe)?;
    let mut width = config.hidden_size;
    for (kind, path) in behind {
        if recipe.steps.is_empty() && kind != "Pooling" {
            return Err(unsupported(folder, &format!("the module `{kind}` before `Pooling`")));
        }
        match kind.as_str() {
            "Pooling" if recipe.steps.is_empty() => recipe.steps.push(Step::Pooling(pooling(path, width)?)),
            "Dense" => recipe.steps.push(dense(path, width)?),
            "LayerNorm" => recipe.steps.push(layer_norm(path, width)?),
            "Normalize" => recipe.steps.push(normalize(path)?),
            // Leaves vectors alone once a network is trained.
            "Dropout" => {}
            _ => return Err(unsupported(folder, &format!("the module `{kind}` at this place"))),
        }
        width = recipe.dimensions(config.hidden_size);
    }
    if recipe.steps.is_empty() {
        return Err(unsupported(folder, "a folder without a `Pooling` module"));
    }
    read_prompts(folder, &mut recipe)?;
    Ok((transformer.clone(), config, recipe))
}

fn unsupported(folder: &Path, what: &str) -> Error {
    Error::invalid(format!("{what} is not supported (`{}`)", folder.join("modules.json").display()))
}

/// The class and folder of every module.
fn list(folder: &Path, modules: &Value) -> Result<Vec<(String, PathBuf)>> {
    const FAMILIES: [&str; 3] = [
        "sentence_transformers.models.",
        "sentence_transformers.base.modules.",
        "sentence_transformers.sentence_transformer.modules.",
    ];
    let wrong = |what: &str| Error::invalid(format!("`{}`: {what}", folder.join("modules.json").display()));
    let modules = modules.as_array().ok_or_else(|| wrong("it should be a list of modules"))?;
    let module = |module: &Value| {
        let text = |key: &str| module.get(key).and_then(Value::as_str);
        let kind = text("type").ok_or_else(|| wrong("a module has no `type`"))?;
        let path = Path::new(text("path").ok_or_else(|| wrong("a module has no `path`"))?);
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(wrong(&format!("the path `{}` leaves the folder", path.display())));
        }
        if !FAMILIES.iter().any(|family| kind.starts_with(family)) {
            return Err(unsupported(folder, &format!("the module type `{kind}`")));
        }
        let class = kind.rsplit('.').next().unwrap_or_default();
        Ok((class.to_owned(), if path.as_os_str().is_empty() { folder.to_owned() } else { folder.join(path) }))
    };
    modules.iter().map(module).collect()
}

/// The files that may hold the transformer's settings; the first that is there and not empty counts.
pub(super) const SETTINGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

fn read_transformer(folder: &Path, recipe: &mut Recipe) -> Result<()> {
    for name in SETTINGS {
        let Some(settings) = Document::find(&folder.join(name))? else { continue };
        if settings.entries().next().is_none() {
            continue;
        }
        for (key, value) in settings.entries() {
            check_setting(&settings, key, value)?;
        }
        recipe.max_seq_length = settings.count("max_seq_length")?;
        recipe.lower_case = settings.flag("do_lower_case")?.unwrap_or(false);
        return Ok(());
    }
    Ok(())
}

/// Refuses settings that would change the vectors and are not built here.
fn check_setting(settings: &Document, key: &str, value: &Value) -> Result<()> {
    let harmless = match key {
        "max_seq_length" | "do_lower_case" | "unpad_inputs" => true,
        "transformer_task" => value == "feature-extraction",
        "module_output_name" => value == "token_embeddings",
        "modality_config" => {
            let text = value.get("text");
            let part = |key: &str| text.and_then(|text| text.get(key)).and_then(Value::as_str);
            part("method") == Some("forward") && part("method_output_name") == Some("last_hidden_state")
        }
        _ => is_empty(value),
    };
    if harmless {
        return Ok(());
    }
    let value: String = value.to_string().chars().take(80).collect();
    Err(settings.unsupported(format!("the setting `{key}: {value}`")))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn pooling(folder: &Path, width: usize) -> Result<Pooling> {
    let config = Document::read(&folder.join("config.json"))?;
    let stated = config.count("embedding_dimension")?.or(config.count("word_embedding_dimension")?);
    if let Some(stated) = stated.filter(|stated| *stated != width) {
        return Err(
            config.invalid(format!("pooling expects vectors of {stated} dimensions, the network gives {width}"))
        );
    }
    let mode =
        |name: &str| PoolingMode::find(name).ok_or_else(|| config.unsupported(format!("the pooling mode `{name}`")));
    let mut modes = Vec::new();
    match config.get("pooling_mode") {
        Some(Value::String(name)) => modes.push(mode(name)?),
        Some(Value::Array(names)) => {
            for name in names {
                modes.push(mode(name.as_str().unwrap_or_default())?);
            }
        }
        Some(other) => {
            return Err(config.invalid(format!("`pooling_mode` should be a name or a list, it is `{other}`")));
        }
        None => {
            for (_, flag, mode) in MODES {
                if config.flag(flag)? == Some(true) {
                    modes.push(mode);
                }
            }
            if let Some((flag, _)) = config.entries().find(|(key, value)| {
                key.starts_with("pooling_mode_") && !is_empty(value) && !MODES.iter().any(|(_, flag, _)| flag == key)
            }) {
                return Err(config.unsupported(format!("the pooling `{flag}`")));
            }
            if modes.is_empty() {
                modes.push(PoolingMode::Mean);
            }
        }
    }
    if modes.is_empty() {
        return Err(config.invalid("`pooling_mode` is an empty list"));
    }
    Ok(Pooling { modes, include_prompt: config.flag("include_prompt")?.unwrap_or(true) })
}

fn dense(folder: &Path, width: usize) -> Result<Step> {
    let config = Document::read(&folder.join("config.json"))?;
    on_sentences(&config)?;
    let count = |key: &str| {
        let count = config.count(key)?.filter(|count| *count > 0);
        count.ok_or_else(|| config.invalid(format!("there is no `{key}`")))
    };
    let (n_in, n_out) = (count("in_features")?, count("out_features")?);
    if n_in != width {
        return Err(config.invalid(format!("the layer expects {n_in} dimensions, the step before it gives {width}")));
    }
    if config.flag("use_residual")? == Some(true) {
        return Err(config.unsupported("`use_residual: true`"));
    }
    let activation = match config.text("activation_function")? {
        None | Some("torch.nn.modules.activation.Tanh") => Activation::Tanh,
        Some("torch.nn.modules.linear.Identity") => Activation::Identity,
        Some("torch.nn.modules.activation.ReLU") => Activation::Relu,
        Some("torch.nn.modules.activation.GELU") => Activation::Gelu,
        Some("torch.nn.modules.activation.SiLU") => Activation::Silu,
        Some("torch.nn.modules.activation.Sigmoid") => Activation::Sigmoid,
        Some(other) => return Err(config.unsupported(format!("the activation `{other}`"))),
    };
    Ok(Step::Dense { folder: folder.to_owned(), n_in, n_out, bias: config.flag("bias")?.unwrap_or(true), activation })
}

/// Refuses a module that works on the vectors of tokens or on named vectors of its own.
fn on_sentences(config: &Document) -> Result<()> {
    for key in ["module_input_name", "module_output_name"] {
        if let Some(name) = config.text(key)?.filter(|name| *name != "sentence_embedding") {
            return Err(config.unsupported(format!("`{key}: {name}`")));
        }
    }
    Ok(())
}

fn layer_norm(folder: &Path, width: usize) -> Result<Step> {
    let config = Document::read(&folder.join("config.json"))?;
    match config.count("dimension")? {
        Some(stated) if stated == width => Ok(Step::LayerNorm { folder: folder.to_owned(), width }),
        Some(stated) => {
            Err(config.invalid(format!("the norm expects {stated} dimensions, the step before gives {width}")))
        }
        None => Err(config.invalid("there is no `dimension`")),
    }
}

fn normalize(folder: &Path) -> Result<Step> {
    if let Some(config) = Document::find(&folder.join("config.json"))? {
        on_sentences(&config)?;
    }
    Ok(Step::Normalize)
}

fn read_prompts(folder: &Path, recipe: &mut Recipe) -> Result<()> {
    let Some(config) = Document::find(&folder.join("config_sentence_transformers.json"))? else { return Ok(()) };
    if let Some(kind) = config.text("model_type")?.filter(|kind| *kind != "SentenceTransformer") {
        return Err(config.unsupported(format!("a model of the type `{kind}`")));
    }
    if let Some(prompts) = config.get("prompts") {
        let prompts = prompts.as_object().ok_or_else(|| config.invalid("`prompts` should be an object"))?;
        for (name, prompt) in prompts {
            let text = match prompt {
                Value::Null => "",
                prompt => prompt.as_str().ok_or_else(|| config.invalid(format!("the prompt `{name}` is no text")))?,
            };
            recipe.prompts.insert(name.clone(), text.to_owned());
        }
    }
    recipe.default_prompt = config.text("default_prompt_name")?.map(str::to_owned);
    match &recipe.default_prompt {
        // These two exist in every model, and are empty where it says nothing.
        Some(name) if !recipe.prompts.contains_key(name) && name != "query" && name != "document" => {
            Err(config.invalid(format!("the default prompt `{name}` is not among `prompts`")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::embeddings::folder::fixtures::{Copied, models};
    use crate::embeddings::folder::model_folder::Folder;
    use crate::embeddings::folder::modules::Module;

    fn modes(folder: &Folder) -> Vec<&'static str> {
        let pooling = folder.recipe.steps.iter().find_map(|step| match step {
            Step::Pooling(pooling) => Some(pooling.modes.iter().map(|mode| mode.name()).collect()),
            _ => None,
        });
        pooling.unwrap()
    }

    #[test]
    fn the_small_models_are_as_golden_says() {
        let golden = document::json(&models().join("golden.json")).unwrap();
        for (name, model) in golden["models"].as_object().unwrap() {
            let folder = Folder::open(&models().join(name)).unwrap();
            assert_eq!(modes(&folder), [model["pooling"].as_str().unwrap()], "{name}");
            assert_eq!(folder.max_length as u64, model["max_seq_length"].as_u64().unwrap(), "{name}");
            assert_eq!(folder.dimensions() as u64, model["dimensions"].as_u64().unwrap(), "{name}");
            assert_eq!(folder.recipe.normalizes(), model["normalize"].as_bool().unwrap(), "{name}");
            assert_eq!(folder.recipe.notes, Vec::<String>::new());
            let modules = folder.modules().unwrap();
            assert_eq!(modules.iter().any(|module| matches!(module, Module::Dense { .. })), !model["dense"].is_null());
        }
    }

    #[test]
    fn both_generations_of_pooling_are_read() {
        let copied = Copied::of("tiny-bert-mean");
        for (config, expected) in [
            (json!({"pooling_mode": "lasttoken"}), vec!["lasttoken"]),
            // A list keeps its order, flags have one of their own.
            (json!({"pooling_mode": ["mean", "cls"]}), vec!["mean", "cls"]),
            (json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}), vec!["cls", "mean"]),
            (
                json!({"pooling_mode_weightedmean_tokens": true, "pooling_mode_max_tokens": true, "pooling_mode_mean_sqrt_len_tokens": true}),
                vec!["max", "mean_sqrt_len_tokens", "weightedmean"],
            ),
            (json!({"pooling_mode_mean_tokens": false}), vec!["mean"]),
            (json!({"word_embedding_dimension": 32}), vec!["mean"]),
            // The newer key counts where both are there.
            (json!({"pooling_mode": "max", "pooling_mode_mean_tokens": true}), vec!["max"]),
        ] {
            let folder = copied.write("1_Pooling/config.json", config.to_string()).open().unwrap();
            assert_eq!(modes(&folder), expected);
            assert_eq!(folder.dimensions(), 32 * expected.len());
        }
        for (config, named) in [
            (json!({"pooling_mode": "median"}), "the pooling mode `median`"),
            (json!({"pooling_mode": []}), "an empty list"),
            (json!({"pooling_mode_median": true}), "`pooling_mode_median`"),
            (json!({"embedding_dimension": 64}), "expects vectors of 64 dimensions, the network gives 32"),
        ] {
            let message = copied.write("1_Pooling/config.json", config.to_string()).refusal();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn a_folder_without_modules_gets_mean_pooling_and_says_so() {
        let copied = Copied::of("tiny-bert-cls-normalized");
        let folder = copied.remove("modules.json").open().unwrap();
        assert_eq!(modes(&folder), ["mean"]);
        assert!(!folder.recipe.normalizes() && folder.recipe.notes[0].contains("has no `modules.json`"));
    }

    #[test]
    fn a_transformer_may_lie_in_a_folder_of_its_own() {
        let copied = Copied::of("tiny-bert-legacy");
        let inside = copied.path().join("0_Transformer");
        std::fs::create_dir(&inside).unwrap();
        for file in
            ["config.json", "pytorch_model.bin", "vocab.txt", "tokenizer_config.json", "sentence_bert_config.json"]
        {
            std::fs::rename(copied.path().join(file), inside.join(file)).unwrap();
        }
        let list = json!([
            {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]);
        let folder = copied.write("modules.json", list.to_string()).open().unwrap();
        assert_eq!((folder.transformer.as_path(), folder.max_length), (inside.as_path(), 64));
        assert!(folder.recipe.normalizes() && folder.weights().unwrap().names().count() > 0);
    }

    #[test]
    fn the_length_is_that_of_sentence_transformers() {
        // Transformer 6.2: max_seq_length, else min(model_max_length, max_position_embeddings).
        for (settings, tokenizer, expected) in [
            (json!({"max_seq_length": 16}), json!({"model_max_length": 24}), 16),
            (json!({"max_seq_length": null}), json!({"model_max_length": 24}), 24),
            (json!({}), json!({"model_max_length": 1e30}), 64),
            (json!({}), json!({"model_max_length": null}), 64),
            // There, longer texts than 64 fail.
            (json!({"max_seq_length": 100}), json!({}), 64),
        ] {
            let copied = Copied::of("tiny-bert-mean");
            copied.set("sentence_bert_config.json", &settings).set("tokenizer_config.json", &tokenizer);
            let folder = copied.open().unwrap();
            assert_eq!(folder.max_length, expected);
            assert_eq!(folder.recipe.notes.len(), usize::from(settings["max_seq_length"] == 100));
            assert_eq!(folder.max_length(Some(10)).unwrap(), 10);
            assert!(folder.max_length(Some(65)).unwrap_err().message.contains("`max_length` is 65"));
        }
        // RoBERTa's first positions belong to padding.
        let copied = Copied::of("tiny-roberta-mean");
        copied.set("tokenizer_config.json", &json!({"model_max_length": 512}));
        let folder = copied.open().unwrap();
        assert_eq!((folder.max_length, folder.recipe.notes.len()), (64, 1));
    }

    #[test]
    fn settings_of_other_names_and_prompts_are_read() {
        let copied = Copied::of("tiny-bert-mean");
        copied.remove("sentence_bert_config.json");
        copied.write("sentence_roberta_config.json", r#"{"max_seq_length": 20, "do_lower_case": true}"#);
        let prompts = json!({"prompts": {"query": "query: ", "passage": null}, "default_prompt_name": "query"});
        let folder = copied.set("config_sentence_transformers.json", &prompts).open().unwrap();
        let recipe = &folder.recipe;
        assert!(recipe.lower_case && recipe.max_seq_length == Some(20));
        assert_eq!((recipe.prompts["query"].as_str(), recipe.prompts["passage"].as_str()), ("query: ", ""));
        assert_eq!(recipe.default_prompt.as_deref(), Some("query"));
        copied.set("config_sentence_transformers.json", &json!({"default_prompt_name": "other"}));
        assert!(copied.refusal().contains("the default prompt `other`"));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let module = |name: &str, path: &str| json!({"type": name, "path": path});
        let transformer = module("sentence_transformers.models.Transformer", "");
        let pooling = module("sentence_transformers.models.Pooling", "1_Pooling");
        let normalize = module("sentence_transformers.models.Normalize", "3_Normalize");
        let copied = Copied::of("tiny-bert-mean");
        for (list, named) in [
            (json!([module("sentence_transformers.models.WordEmbeddings", ""), pooling]), "`WordEmbeddings`"),
            (json!([module("sentence_transformers.base.modules.router.Router", "")]), "`Router`"),
            (json!([transformer, module("modeling_x.Custom", "")]), "`modeling_x.Custom`"),
            (
                json!([
                    transformer,
                    module("sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling", "")
                ]),
                "SpladePooling",
            ),
            (json!([transformer, pooling, module("sentence_transformers.models.CNN", "2")]), "`CNN`"),
            (json!([transformer, pooling, pooling]), "`Pooling` at this place"),
            (json!([transformer, normalize, pooling]), "`Normalize` before `Pooling`"),
            (json!([transformer]), "without a `Pooling`"),
            (json!([transformer, module("sentence_transformers.models.Pooling", "../x")]), "leaves the folder"),
            (json!([]), "lists no modules"),
            (json!({}), "should be a list"),
            (json!([{"path": ""}]), "has no `type`"),
        ] {
            let message = copied.write("modules.json", list.to_string()).refusal();
            assert!(message.contains(named), "{message}");
        }
        for (file, changes, named) in [
            ("sentence_bert_config.json", json!({"transformer_task": "fill-mask"}), "`transformer_task"),
            ("sentence_bert_config.json", json!({"model_args": {"torch_dtype": "float16"}}), "`model_args"),
            ("sentence_bert_config.json", json!({"query_expansion": {"length": 32}}), "`query_expansion"),
            ("config_sentence_transformers.json", json!({"model_type": "SparseEncoder"}), "`SparseEncoder`"),
        ] {
            let copied = Copied::of("tiny-bert-mean");
            let message = copied.set(file, &changes).refusal();
            assert!(message.contains(named), "{message}");
        }
        for (changes, named) in [
            (json!({"activation_function": "torch.nn.modules.activation.PReLU"}), "PReLU"),
            (json!({"use_residual": true}), "use_residual"),
            (json!({"module_input_name": "token_embeddings"}), "token_embeddings"),
            (json!({"in_features": 33}), "expects 33 dimensions, the step before it gives 32"),
        ] {
            let message = Copied::of("tiny-bert-max-dense").set("2_Dense/config.json", &changes).refusal();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn layers_behind_pooling_are_loaded() {
        let copied = Copied::of("tiny-bert-max-dense");
        let folder = copied.open().unwrap();
        let modules = folder.modules().unwrap();
        let Module::Dense { weight, bias, n_in, n_out, activation } = &modules[1] else { panic!("{modules:?}") };
        assert_eq!((*n_in, *n_out, *activation), (32, 16, Activation::Tanh));
        assert_eq!((weight.len(), bias.as_ref().map(Vec::len)), (512, Some(16)));
        copied.remove("2_Dense/model.safetensors");
        assert!(copied.open().unwrap().modules().unwrap_err().message.contains("2_Dense"));
        // A layer norm of torch 2.15: safetensors of `norm.weight` 1, 2 and `norm.bias` 3, 4.
        let floats: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let header = r#"{"norm.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"norm.bias":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#;
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &floats].concat();
        copied.write("3_LayerNorm/model.safetensors", file);
        let step = Step::LayerNorm { folder: copied.path().join("3_LayerNorm"), width: 2 };
        let expected = Module::LayerNorm { weight: vec![1.0, 2.0], bias: vec![3.0, 4.0], eps: 1e-5 };
        assert_eq!(step.load().unwrap(), expected);
    }
}
