//! The arguments of every command that may turn texts into vectors.

use std::path::PathBuf;

use crate::embeddings::{Device, Network};
use crate::error::{Error, Result};
use crate::host::Embedding;

/// What embedders may use.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Embedding")]
pub struct EmbeddingArgs {
    /// Never use the network: sentence encoders come from folders and the local Hugging Face cache
    #[arg(long, env = "MLOPS_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    offline: bool,
    /// Neither read nor write the cache of vectors (data/cache/embeddings.db)
    #[arg(long)]
    no_cache: bool,
    /// What sentence encoders run on: cpu, cuda, cuda:1
    #[arg(long, env = "MLOPS_DEVICE", value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Where the sentence encoder of a trained model lies, when it has moved
    #[arg(long, env = "MLOPS_EMBEDDER", value_name = "DIR")]
    embedder: Option<PathBuf>,
}

impl EmbeddingArgs {
    /// What a request lets embedders use.
    ///
    /// # Errors
    /// `Invalid` for a device that nobody knows, or one that this build cannot use.
    pub fn choices(&self) -> Result<Embedding> {
        Ok(Embedding {
            network: if self.offline { Network::Offline } else { Network::Allowed },
            cached: !self.no_cache,
            device: self.device()?,
            embedder: self.embedder.clone(),
        })
    }

    fn device(&self) -> Result<Device> {
        let unknown =
            || Error::invalid(format!("unknown device `{}`", self.device)).hint("known: cpu, cuda, cuda:0, cuda:1, …");
        let number = match self.device.as_str() {
            "" | "cpu" => return Ok(Device::Cpu),
            "cuda" | "gpu" => 0,
            other => other.strip_prefix("cuda:").and_then(|number| number.parse().ok()).ok_or_else(unknown)?,
        };
        if cfg!(feature = "cuda") {
            Ok(Device::Cuda(number))
        } else {
            Err(Error::invalid(format!("this build cannot use `{}`", self.device))
                .hint("`cargo build --release --features cuda` makes one that can; it needs the CUDA toolkit"))
        }
    }
}
