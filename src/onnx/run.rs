//! Running an ONNX file with tract, a runtime that shares no code with ours: what proves that a file says what the model
//! says.
//!
//! The file has one f32 input `N × width`; N is free. Outputs are `N × width` of f32 or `N` of i64. No rows in, no rows
//! out: the runtime is not asked then.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::Array2;
use tract_onnx::prelude::{
    Datum, DatumType, Framework, InferenceModelExt, IntoRunnable, IntoTValue, TypedModel, TypedRunnableModel, tvec,
};

use crate::error::{Context, Error, Result};

/// The runtime's name and version, for reports.
pub const RUNTIME: &str = "tract 0.23.9";

/// What an output holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// `N × width`.
    Floats(Array2<f32>),
    /// `N`.
    Integers(Vec<i64>),
}

impl Tensor {
    /// The matrix, where it is one of f32.
    #[must_use]
    pub fn floats(&self) -> Option<&Array2<f32>> {
        match self {
            Self::Floats(matrix) => Some(matrix),
            Self::Integers(_) => None,
        }
    }

    /// The integers, where it holds some.
    #[must_use]
    pub fn integers(&self) -> Option<&[i64]> {
        match self {
            Self::Floats(_) => None,
            Self::Integers(values) => Some(values),
        }
    }
}

/// The outputs by name.
pub type Outputs = BTreeMap<String, Tensor>;

/// A file, opened and ready to run; it may be used by many threads.
pub struct Runtime {
    plan: Arc<TypedRunnableModel>,
    width: usize,
    /// Name, kind and width of each output; 0 for no width.
    outputs: Vec<(String, DatumType, usize)>,
}

impl Runtime {
    /// Opens a file.
    ///
    /// # Errors
    /// `Failed` when the bytes are no ONNX file, hold an operator that the runtime does not have, or have another form of
    /// input and outputs than this reader expects.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        #[cfg(test)]
        crate::counted::add("open in the runtime");
        let cannot = || format!("{RUNTIME} cannot load the ONNX file");
        let model = tract_onnx::onnx().model_for_read(&mut &*bytes).context(cannot)?;
        let names: Vec<String> = {
            let outlets = model.output_outlets().context(cannot)?;
            let name = |outlet: &_| model.outlet_label(*outlet).map(str::to_owned).unwrap_or_default();
            outlets.iter().map(name).collect()
        };
        let model: TypedModel = model.into_optimized().context(cannot)?;
        let odd = || Error::failed(format!("{}: unexpected inputs or outputs", cannot()));
        let input = model.input_fact(0).context(cannot)?;
        let width = input.shape.get(1).and_then(|width| width.to_i64().ok()).ok_or_else(odd)? as usize;
        if input.datum_type != f32::datum_type() || input.shape.len() != 2 {
            return Err(odd());
        }
        let mut outputs = Vec::new();
        for (at, name) in names.into_iter().enumerate() {
            let fact = model.output_fact(at).context(cannot)?;
            let width = fact.shape.get(1).and_then(|width| width.to_i64().ok()).unwrap_or(0) as usize;
            let integers = [i64::datum_type(), tract_onnx::prelude::TDim::datum_type()];
            let known = match (fact.datum_type, fact.shape.len()) {
                (kind, 2) => kind == f32::datum_type(),
                // The runtime takes integers that may be lengths for symbolic ones.
                (kind, 1) => integers.contains(&kind),
                _ => false,
            };
            if !known {
                return Err(Error::failed(format!("{}: its output `{name}` is {fact:?}", cannot())));
            }
            outputs.push((name, fact.datum_type, width));
        }
        let plan = model.into_runnable().context(cannot)?;
        Ok(Self { plan, width, outputs })
    }

    /// Runs rows, `N × width`.
    ///
    /// # Errors
    /// `Invalid` when the width is another; `Failed` when the runtime fails.
    pub fn run(&self, rows: &Array2<f32>) -> Result<Outputs> {
        if rows.ncols() != self.width {
            return Err(Error::invalid(format!("expected {} columns, got {}", self.width, rows.ncols())));
        }
        let n_rows = rows.nrows();
        if n_rows == 0 {
            let empty = |(name, kind, width): &(String, DatumType, usize)| {
                let floats = *kind == f32::datum_type();
                let tensor =
                    if floats { Tensor::Floats(Array2::zeros((0, *width))) } else { Tensor::Integers(Vec::new()) };
                (name.clone(), tensor)
            };
            return Ok(self.outputs.iter().map(empty).collect());
        }
        let cannot = || format!("{RUNTIME} cannot run the ONNX file");
        let rows = rows.as_standard_layout();
        let cells = rows.as_slice().expect("the standard layout is one slice");
        let input = tract_onnx::prelude::Tensor::from_shape(&[n_rows, self.width], cells).context(cannot)?;
        let answers = self.plan.run(tvec!(input.into_tvalue())).context(cannot)?;
        let mut outputs = Outputs::new();
        for ((name, kind, width), answer) in self.outputs.iter().zip(answers.iter()) {
            let tensor = if *kind == f32::datum_type() {
                let view = answer.try_as_plain_ram().context(cannot)?;
                let values = view.as_slice::<f32>().context(cannot)?.to_vec();
                Tensor::Floats(Array2::from_shape_vec((n_rows, *width), values).context(cannot)?)
            } else {
                let integers = answer.cast_to::<i64>().context(cannot)?;
                let view = integers.try_as_plain_ram().context(cannot)?;
                Tensor::Integers(view.as_slice::<i64>().context(cannot)?.to_vec())
            };
            outputs.insert(name.clone(), tensor);
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused() {
        for bytes in [&b"nothing"[..], &[]] {
            let error = Runtime::new(bytes).err().unwrap();
            assert_eq!(error.message, "tract 0.23.9 cannot load the ONNX file");
        }
    }

    #[test]
    fn the_name_is_that_of_the_crate_in_use() {
        let lock = include_str!("../../Cargo.lock");
        let version = lock.split("name = \"tract-onnx\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(Some(RUNTIME), version.map(|version| format!("tract {version}")).as_deref());
    }
}
