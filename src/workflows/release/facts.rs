//! What is known of a version that is released: what its metadata and its model card say.

use std::collections::BTreeMap;

use super::super::gate::Subject;
use super::super::session::Session;
use super::export::Exported;
use super::latency::Latency;
use crate::bundle::Schema;
use crate::config::ExperimentConfig;
use crate::error::Result;
use crate::metrics::{self, Estimate, Evaluation, RankingFacts};
use crate::registry::Manifest;
use crate::runs::stored::Stored;
use crate::runs::timestamp::timestamp;

/// What is known of a version.
pub(super) struct Facts<'a> {
    pub subject: &'a Subject,
    pub manifest: Manifest,
    pub schema: &'a Schema,
    pub stored: Option<Stored>,
    pub exported: &'a Exported,
    pub latency: &'a Latency,
    pub validated_at: String,
    pub forced: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub fn read(
        session: &Session<'_>,
        subject: &'a Subject,
        schema: &'a Schema,
        exported: &'a Exported,
        latency: &'a Latency,
    ) -> Result<Self> {
        let project = session.project;
        let checkpoint = project.layout.checkpoint(&subject.located.model, subject.located.version);
        let (manifest, _) = Manifest::read(&checkpoint)?;
        let stored = subject.run.clone().map(|run| Stored::of(project, run)).transpose()?;
        let validated_at = timestamp(project.now_ms());
        Ok(Self { subject, manifest, schema, stored, exported, latency, validated_at, forced: None })
    }

    pub fn config(&self) -> &ExperimentConfig {
        &self.subject.config
    }

    pub fn evaluation(&self) -> Option<&Evaluation> {
        self.stored.as_ref().and_then(Stored::judged).map(|(_, evaluation)| evaluation)
    }

    /// The metrics on the test rows; from the database, without intervals, where the run's folder is gone.
    pub fn metrics(&self) -> BTreeMap<String, Estimate> {
        let known = self.evaluation().map(|evaluation| evaluation.metrics.clone());
        known.unwrap_or_else(|| {
            let logged = self.stored.iter().flat_map(|stored| stored.run.metrics.keys());
            // `validation_f1` and `seconds_fit` are no metrics of the test rows.
            let metrics =
                logged.filter(|name| metrics::name(self.schema.task(), name).is_ok_and(|known| known == **name));
            metrics.filter_map(|name| Some((name.clone(), self.stored.as_ref()?.estimate(name)?))).collect()
        })
    }

    /// For ranking, over which queries and by which conventions the metrics are.
    pub fn queries(&self) -> Option<RankingFacts> {
        self.evaluation().and_then(|evaluation| Some(evaluation.queries()?.facts.clone()))
    }

    pub fn rows(&self) -> BTreeMap<String, u64> {
        let inputs = self.stored.iter().flat_map(|stored| &stored.inputs);
        inputs.map(|input| (input.context.clone(), input.rows)).collect()
    }
}
