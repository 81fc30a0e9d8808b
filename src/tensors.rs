//! Named numeric arrays in one safetensors file: how models and feature steps keep their numbers.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Context, Error, Result};
use crate::fs::{sha256, write_atomic};

/// The name of the digest among the arrays.
const DIGEST: &str = "digest";

/// Named arrays, each with a shape, in row-major order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, (Vec<usize>, Array)>);

#[derive(Debug, Clone, PartialEq)]
enum Array {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U32(Vec<u32>),
}

impl Array {
    fn bytes(&self) -> (Dtype, Vec<u8>) {
        match self {
            Self::F32(values) => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Self::F64(values) => (Dtype::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Self::U32(values) => (Dtype::U32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }
}

fn numbers<const SIZE: usize, T>(bytes: &[u8], read: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks::<SIZE>().0.iter().map(|chunk| read(*chunk)).collect()
}

impl Tensors {
    /// No arrays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &str, shape: &[usize], array: Array) -> Self {
        self.0.insert(name.into(), (shape.to_vec(), array));
        self
    }

    /// Adds an array of f32.
    #[must_use]
    pub fn f32(self, name: &str, shape: &[usize], values: Vec<f32>) -> Self {
        self.with(name, shape, Array::F32(values))
    }

    /// Adds an array of f64.
    #[must_use]
    pub fn f64(self, name: &str, shape: &[usize], values: Vec<f64>) -> Self {
        self.with(name, shape, Array::F64(values))
    }

    /// Adds an array of u32.
    #[must_use]
    pub fn u32(self, name: &str, shape: &[usize], values: Vec<u32>) -> Self {
        self.with(name, shape, Array::U32(values))
    }

    /// SHA-256 of all names, shapes and numbers.
    fn digest(&self) -> String {
        let mut all = Vec::new();
        for (name, (shape, array)) in &self.0 {
            let (dtype, bytes) = array.bytes();
            all.extend(format!("{name} {dtype:?} {shape:?} ").into_bytes());
            all.extend(bytes);
        }
        sha256(&all)
    }

    /// Adds the digest of all arrays, which `unsealed` holds against them: for a file that no manifest lists.
    #[must_use]
    pub fn sealed(self) -> Self {
        let digest: Vec<u32> = self.digest().bytes().map(u32::from).collect();
        self.u32(DIGEST, &[digest.len()], digest)
    }

    /// The arrays without their digest; `None` when they are not what it was made of. Files of older builds have none.
    #[must_use]
    pub fn unsealed(mut self) -> Option<Self> {
        let Some((_, Array::U32(digest))) = self.0.remove(DIGEST) else { return Some(self) };
        let same = self.digest().bytes().map(u32::from).eq(digest);
        same.then_some(self)
    }

    /// Writes them all into one file, atomically; same arrays, same bytes.
    ///
    /// # Errors
    /// `Failed` when the disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let cannot = || format!("cannot write `{}`", path.display());
        let bytes: Vec<_> = self.0.iter().map(|(name, (shape, array))| (name, shape, array.bytes())).collect();
        let views = bytes
            .iter()
            .map(|(name, shape, (dtype, data))| Ok((name, TensorView::new(*dtype, (*shape).clone(), data)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .context(cannot)?;
        write_atomic(path, &safetensors::serialize(views, None).context(cannot)?)
    }

    /// Reads a file that `save` wrote.
    ///
    /// # Errors
    /// `Failed` when it is missing or damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).context(|| format!("cannot read `{}`", path.display()))?;
        let damaged = || format!("`{}` is damaged", path.display());
        let file = SafeTensors::deserialize(&bytes).context(damaged)?;
        let mut arrays = Self::new();
        for (name, view) in file.iter() {
            let array = match view.dtype() {
                Dtype::F32 => Array::F32(numbers(view.data(), f32::from_le_bytes)),
                Dtype::F64 => Array::F64(numbers(view.data(), f64::from_le_bytes)),
                Dtype::U32 => Array::U32(numbers(view.data(), u32::from_le_bytes)),
                other => return Err(Error::failed(damaged()).hint(format!("unexpected type {other:?}"))),
            };
            arrays.0.insert(name.into(), (view.shape().to_vec(), array));
        }
        Ok(arrays)
    }

    fn take(&mut self, name: &str) -> Result<(Vec<usize>, Array)> {
        self.0.remove(name).ok_or_else(|| Error::failed(format!("the model file has no array `{name}`")))
    }

    /// Takes an array of f32 with its shape.
    ///
    /// # Errors
    /// `Failed` when there is none of that name and type.
    pub fn take_f32(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        match self.take(name)? {
            (shape, Array::F32(values)) => Ok((shape, values)),
            _ => Err(Error::failed(format!("array `{name}` of the model file is not f32"))),
        }
    }

    /// Takes an array of f64 with its shape.
    ///
    /// # Errors
    /// `Failed` when there is none of that name and type.
    pub fn take_f64(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        match self.take(name)? {
            (shape, Array::F64(values)) => Ok((shape, values)),
            _ => Err(Error::failed(format!("array `{name}` of the model file is not f64"))),
        }
    }

    /// Takes an array of u32 with its shape.
    ///
    /// # Errors
    /// `Failed` when there is none of that name and type.
    pub fn take_u32(&mut self, name: &str) -> Result<(Vec<usize>, Vec<u32>)> {
        match self.take(name)? {
            (shape, Array::U32(values)) => Ok((shape, values)),
            _ => Err(Error::failed(format!("array `{name}` of the model file is not u32"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let arrays = Tensors::new().f64("w", &[1, 2], vec![0.1, -0.0]).u32("i", &[3], vec![1, 2, u32::MAX]).f32(
            "x",
            &[0],
            Vec::new(),
        );
        arrays.save(&path).unwrap();
        assert_eq!(Tensors::load(&path).unwrap(), arrays);
        std::fs::write(&path, b"rubbish").unwrap();
        assert!(Tensors::load(&path).is_err());
    }
}
