//! `model_metadata.json` of a release.

use std::path::Path;

use super::facts::Facts;
use crate::bundle::Output;
use crate::data::Input;
use crate::error::{Context, Result};
use crate::registry::facts_of;
use crate::report::metadata::{self, DataFacts, Metadata, Port};
use crate::tasks::kind_of;

impl Facts<'_> {
    fn ranking(&self) -> Option<metadata::Ranking> {
        matches!(self.schema.output, Output::Ranks { .. }).then(|| metadata::Ranking {
            query: self.schema.columns.query.clone(),
            features: match &self.schema.columns.input {
                Input::Numbers(names) => names.clone(),
                _ => Vec::new(),
            },
            highest_grade: self.schema.highest_grade(),
            metrics_are_of: self.queries(),
        })
    }

    /// `model_metadata.json` of a release in this folder.
    pub fn metadata(&self, folder: &Path) -> Result<Metadata> {
        let (config, manifest) = (self.config(), &self.manifest);
        let words = kind_of(self.schema.task()).words();
        let latency = serde_json::to_value(self.latency).context(|| "cannot write the latency".into())?;
        let parity = serde_json::to_value(&self.exported.parity).context(|| "cannot write the parity".into())?;
        Ok(Metadata {
            format_version: metadata::FORMAT_VERSION,
            model_id: format!("{}/{}", manifest.model, manifest.version.0),
            model: manifest.model.clone(),
            version: manifest.version,
            experiment_id: config.experiment.name.to_string(),
            run_id: manifest.run_id.clone(),
            task: self.schema.task().name().to_owned(),
            kind: self.schema.kind.clone(),
            created_at: manifest.created_at.clone(),
            validated_at: self.forced.is_none().then(|| self.validated_at.clone()),
            forced: self.forced.map(str::to_owned),
            status: "Production".into(),
            metrics: self.metrics(),
            input: self.exported.inputs.iter().map(|port| port_of(port, words.graph_input)).collect(),
            output: self.exported.outputs.iter().map(|port| port_of(port, words.graph_output)).collect(),
            labels: self.schema.labels().to_vec(),
            threshold: (self.schema.labels().len() == 2).then_some(self.schema.threshold()),
            ranking: self.ranking(),
            embedder: manifest.embedder_identity.clone().or_else(|| manifest.embedder.clone().map(Into::into)),
            data: DataFacts {
                source: config.data.place(),
                fingerprint: manifest.data_fingerprint.clone(),
                rows: self.rows(),
            },
            files: facts_of(folder)?,
            parity: Some(parity),
            latency: Some(latency),
        })
    }
}

fn port_of(port: &crate::onnx::Port, about: &str) -> Port {
    let extent = |extent: &String| extent.parse().ok();
    let (name, shape) = (port.name.clone(), port.shape.iter().map(extent).collect());
    let dtype = serde_json::to_value(port.dtype).ok().and_then(|name| name.as_str().map(str::to_owned));
    Port { name, dtype: dtype.unwrap_or_default(), shape, about: about.into() }
}
