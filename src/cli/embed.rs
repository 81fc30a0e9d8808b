//! `mlops embed`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::door::{Door, Records, from_here, refuse_overwriting};
use super::embedding_args::EmbeddingArgs;
use super::reading_args::ReadingArgs;
use crate::answers;
use crate::data::sources::sqlite_column::Target;
use crate::error::{Error, Result};
use crate::workflows::audit::audit_file;
use crate::workflows::embed::{Empty, FileRequest, embed_config, embed_file};

const EXAMPLES: &str = "\
Examples:
  mlops embed experiments/reviews_hashing/config.yaml
  mlops embed --input new.csv --text-column text --model models/ko-sbert --output new.parquet
  mlops embed --input app.db --query 'SELECT id, text FROM letters' --id-column id --text-column text \\
      --model snunlp/KR-SBERT-V40K-klueNLI-augSTS --write-back letters.embedding_array
  mlops embed --audit --input new.csv --text-column text --model models/ko-sbert";

/// Arguments of `embed`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An experiment config with an `embedding` step
    #[arg(value_name = "CONFIG", conflicts_with = "input", required_unless_present = "input")]
    config: Option<PathBuf>,
    /// Another value for a key of the config
    #[arg(long, value_name = "KEY=VALUE", requires = "config")]
    set: Vec<String>,
    /// A file of rows
    #[arg(long, short, value_name = "FILE", requires = "text_column")]
    input: Option<String>,
    /// The query, when the input is a database
    #[arg(long, value_name = "SQL", requires = "input")]
    query: Option<String>,
    /// The text column; several are joined
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', conflicts_with = "config")]
    text_column: Vec<String>,
    /// Fields of a JSON text, in this order
    #[arg(long, value_name = "FIELD", value_delimiter = ',', requires = "input")]
    json_fields: Vec<String>,
    /// The id column [default: row numbers]
    #[arg(long, value_name = "COLUMN", conflicts_with = "config")]
    id_column: Option<String>,
    /// The file to write: .parquet, .npy, .ndjson or .csv [default with a config: embeddings.parquet beside it]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the vectors into a column of the SQLite table that the texts came from, in one transaction
    #[arg(long, value_name = "TABLE.COLUMN", requires = "id_column", conflicts_with = "config")]
    write_back: Option<String>,
    /// Look at the texts only: lengths, truncation, unknown tokens, encoding; needs no weights
    #[arg(long, conflicts_with_all = ["output", "write_back", "config"])]
    audit: bool,
    /// The embedder: `hashing`, a sentence-transformers folder, or a name on the Hugging Face hub
    #[arg(long, default_value = "hashing", conflicts_with = "config")]
    model: String,
    /// Length of a vector, for `hashing` [default: 768]
    #[arg(long, value_name = "N", conflicts_with = "config")]
    dimensions: Option<u32>,
    /// Another pooling than the folder's
    #[arg(long, value_name = "MODE", conflicts_with = "config")]
    pooling: Option<String>,
    /// Another maximal length in tokens than the folder's
    #[arg(long, value_name = "TOKENS", conflicts_with = "config")]
    max_length: Option<u32>,
    /// Scale vectors to length 1, or do not, whatever the folder says
    #[arg(long, value_name = "true|false", conflicts_with = "config")]
    normalize: Option<bool>,
    /// Text that is put before each text
    #[arg(long, value_name = "TEXT", conflicts_with = "config")]
    prompt: Option<String>,
    /// One of the folder's own prompts
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "prompt"])]
    prompt_name: Option<String>,
    /// Numbers of the linear layers: f32 (exact), bf16, int8
    #[arg(long, value_name = "DTYPE", conflicts_with = "config")]
    dtype: Option<String>,
    /// Texts that are too long: warn (and cut), error, head-tail, chunk-mean
    #[arg(long, value_name = "POLICY", conflicts_with = "config")]
    truncate: Option<String>,
    /// Take texts as they are: no Unicode NFC, no invisible characters removed
    #[arg(long, conflicts_with = "config")]
    no_normalize_unicode: bool,
    /// Rows without a text: embed (as an empty text), zero, skip, error
    #[arg(long, value_name = "POLICY", default_value = "embed", conflicts_with = "config")]
    #[arg(value_parser = ["embed", "zero", "skip", "error"])]
    empty: String,
    /// How text files are read
    #[command(flatten)]
    reading: ReadingArgs,
    /// What embedders may use
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

impl Args {
    /// The parameters of the `embedding` step: those that were given.
    fn params(&self) -> BTreeMap<String, Value> {
        let mut params = BTreeMap::from([("model".to_owned(), here(&self.model).into())]);
        let given: [(&str, Option<Value>); 8] = [
            ("dimensions", self.dimensions.map(Value::from)),
            ("pooling", self.pooling.clone().map(Value::from)),
            ("max_length", self.max_length.map(Value::from)),
            ("normalize", self.normalize.map(Value::from)),
            ("prompt", self.prompt.clone().map(Value::from)),
            ("prompt_name", self.prompt_name.clone().map(Value::from)),
            ("dtype", self.dtype.clone().map(Value::from)),
            ("truncate", self.truncate.clone().map(Value::from)),
        ];
        params.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        if self.no_normalize_unicode {
            params.insert("normalize_unicode".to_owned(), false.into());
        }
        params
    }

    fn request(&self, input: &str) -> Result<FileRequest> {
        Ok(FileRequest {
            input: from_here(input),
            query: self.query.clone(),
            reading: self.reading.reading()?,
            text_columns: self.text_column.clone(),
            json_fields: self.json_fields.clone(),
            id_column: self.id_column.clone(),
            params: self.params(),
            empty: match self.empty.as_str() {
                "zero" => Empty::Zero,
                "skip" => Empty::Skip,
                "error" => Empty::Refuse,
                _ => Empty::Embed,
            },
            output: self.output.clone(),
            write_back: self.write_back.as_deref().map(Target::parse).transpose()?,
        })
    }
}

/// A model's folder as the project will find it: a path of the command line starts where the user stands.
fn here(model: &str) -> String {
    if std::path::Path::new(model).is_dir() { from_here(model) } else { model.to_owned() }
}

pub fn run(door: &Door, args: &Args) -> Result<ExitCode> {
    let outcome = match (&args.config, &args.input) {
        (Some(config), _) => {
            let experiment = super::train::load(config, &args.set)?;
            door.work(Records::Runs, |session| embed_config(session, &experiment, args.output.clone()))?
        }
        (None, Some(input)) if args.audit => {
            let request = args.request(input)?;
            let audit = door.work(Records::Nothing, |session| audit_file(session, &request))?;
            door.answer("embed", &audit, || answers::embed::audit(&audit))?;
            return Ok(ExitCode::SUCCESS);
        }
        (None, Some(input)) => {
            if args.output.is_none() && args.write_back.is_none() {
                return Err(Error::invalid("nowhere to write the vectors")
                    .hint("`--output FILE`, or `--write-back TABLE.COLUMN` for a SQLite database"));
            }
            args.output.iter().try_for_each(|output| refuse_overwriting(input, output))?;
            let request = args.request(input)?;
            door.work(Records::Runs, |session| embed_file(session, &request))?
        }
        (None, None) => return Err(Error::invalid("nothing to embed").hint("name a config, or `--input FILE`")),
    };
    door.answer("embed", &outcome, || answers::embed::document(&outcome))?;
    Ok(ExitCode::SUCCESS)
}
