//! A checkpoint: all that training carries from one epoch to the next, in one file, written whole or not at all.
//!
//! Parameters, what the optimizer remembers and the best weights bit for bit (f32 and f64 as f64), and the rest as JSON. A file of
//! another shape, other settings or a newer format is refused.

use std::path::Path;

use super::network::{Network, Running};
use super::trainer::{Kept, Settings, State, Trainer};
use crate::error::{Context, Error, Result};
use crate::kernels::Real;
use crate::tensors::Tensors;

/// Of this file.
const FORMAT_VERSION: u32 = 1;

/// The part that is no array.
#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    format_version: u32,
    shape: super::network::Shape,
    settings: Settings,
    state: State,
    steps: u64,
}

impl<T: Real> Trainer<T> {
    /// Writes a checkpoint.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let head = Head {
            format_version: FORMAT_VERSION,
            shape: self.network.shape.clone(),
            settings: self.settings.clone(),
            state: self.state.clone(),
            steps: self.optimizer.steps,
        };
        let head = serde_json::to_vec(&head).context(|| "cannot write the checkpoint's head".into())?;
        let head: Vec<u32> = head.into_iter().map(u32::from).collect();
        let mut tensors = Tensors::new().u32("head", &[head.len()], head);
        let mut add = |name: &str, values: &[T]| {
            let values: Vec<f64> = values.iter().map(|value| value.wide()).collect();
            tensors = std::mem::take(&mut tensors).f64(name, &[values.len()], values);
        };
        add("parameters", self.network.parameters());
        add("first", self.optimizer.first.as_slice());
        add("second", self.optimizer.second.as_slice());
        add("best", &self.best.parameters);
        for (name, running) in [("running", &self.network.running), ("best_running", &self.best.running)] {
            for (at, Running { mean, variance }) in running.iter().enumerate() {
                add(&format!("{name}.{at}.mean"), mean);
                add(&format!("{name}.{at}.variance"), variance);
            }
        }
        tensors.sealed().save(path)
    }

    /// Goes on where a checkpoint stood. `settings` may ask for more epochs; everything else must be as it was.
    ///
    /// # Errors
    /// `Failed` when the file is missing or damaged; `Invalid` when it belongs to another network or other settings.
    pub fn resume(path: &Path, network: Network<T>, settings: Settings) -> Result<Self> {
        let damaged = || Error::failed(format!("checkpoint `{}` is damaged", path.display()));
        let mut tensors = Tensors::load(path)?.unsealed().ok_or_else(damaged)?;
        let head: Vec<u8> = tensors.take_u32("head")?.1.into_iter().map(|byte| byte as u8).collect();
        let head: Head = serde_json::from_slice(&head).map_err(|cause| damaged().caused_by(cause))?;
        if head.format_version > FORMAT_VERSION {
            return Err(Error::failed(format!("checkpoint `{}` has format {}", path.display(), head.format_version))
                .hint("a newer mlops wrote it"));
        }
        let known = Settings { epochs: settings.epochs, ..head.settings.clone() };
        if known.rows != settings.rows {
            return Err(Error::invalid(format!("checkpoint `{}` is of other rows", path.display()))
                .hint("resume with the data it was made from, or start anew without it"));
        }
        if head.shape != network.shape || known != settings {
            return Err(Error::invalid(format!("checkpoint `{}` is of other settings", path.display()))
                .hint("resume with the config it was made from, or start anew without it"));
        }
        if settings.epochs != head.settings.epochs
            && matches!(settings.schedule, super::scheduler::Schedule::Cosine { .. })
        {
            return Err(Error::invalid(format!(
                "the cosine schedule of checkpoint `{}` ends after {} epochs, not {}",
                path.display(),
                head.settings.epochs,
                settings.epochs
            )));
        }
        let mut trainer = Self::new(network, settings);
        let n = trainer.network.parameters().len();
        let mut take = |name: &str, len: usize| -> Result<Vec<T>> {
            let (_, values) = tensors.take_f64(name)?;
            if values.len() == len { Ok(values.into_iter().map(T::of).collect()) } else { Err(damaged()) }
        };
        trainer.network.set_parameters(&take("parameters", n)?);
        trainer.optimizer.first.as_mut_slice().copy_from_slice(&take("first", n)?);
        let second = trainer.optimizer.second.as_mut_slice();
        second.copy_from_slice(&take("second", second.len())?);
        let mut running = trainer.network.running.clone();
        let mut best_running = running.clone();
        for (name, running) in [("running", &mut running), ("best_running", &mut best_running)] {
            for (at, Running { mean, variance }) in running.iter_mut().enumerate() {
                *mean = take(&format!("{name}.{at}.mean"), mean.len())?;
                *variance = take(&format!("{name}.{at}.variance"), variance.len())?;
            }
        }
        trainer.network.running = running;
        trainer.best = Kept { parameters: take("best", n)?, running: best_running };
        trainer.optimizer.steps = head.steps;
        trainer.state = head.state;
        Ok(trainer)
    }
}
