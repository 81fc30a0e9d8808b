//! The weights of a folder: tensors by name, read when they are asked for.
//!
//! `model.safetensors` goes before its sharded form (`model.safetensors.index.json`), and both before
//! `pytorch_model.bin` and its sharded form, as in transformers. Every file is mapped, the older format too; a tensor is
//! copied out as f32 and its pages are given back, an embedding table stays where it lies and is read row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::embeddings::folder::document::Document;
use crate::embeddings::folder::mapped::{Mapped, Place, Stored};
use crate::embeddings::folder::{safetensors_file, torch_file};
use crate::error::{Error, Result};

/// The tensors of one folder.
#[derive(Debug)]
pub struct Weights {
    folder: PathBuf,
    tensors: BTreeMap<String, (Arc<Mapped>, Place)>,
}

impl Weights {
    /// Opens a folder's weights files and reads where their tensors lie, but no tensor.
    ///
    /// # Errors
    /// `NotFound` when the folder has no weights or a shard is missing, `Failed` for a damaged file, `Invalid` for a
    /// pickle that holds anything but tensors.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for path in files(folder)? {
            let file = Arc::new(Mapped::open(&path)?);
            let places = match path.extension() {
                Some(extension) if extension == "safetensors" => safetensors_file::tensors(&file)?,
                _ => torch_file::tensors(&file)?,
            };
            for (name, place) in places {
                tensors.insert(modern(name), (Arc::clone(&file), place));
            }
        }
        Ok(Self { folder: folder.to_owned(), tensors })
    }

    /// The names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor; `None` when there is none of this name.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(_, place)| place.shape.as_slice())
    }

    /// Reads a tensor as f32, row-major.
    ///
    /// # Errors
    /// `Failed` when there is none of this name, its shape is another, or its numbers are not floats.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (file, place) = self.find(name, shape)?;
        let mut numbers = vec![0.0; shape.iter().product()];
        place.stored.combine(&file.bytes()[place.bytes.clone()], &mut numbers, |at, number| *at = number);
        file.give_back(&place.bytes);
        Ok(numbers)
    }

    /// An embedding table (`n_rows × width`), left where it lies.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn table(&self, name: &str, shape: &[usize]) -> Result<Table> {
        let (file, place) = self.find(name, shape)?;
        let (n_rows, width) = match shape {
            [n_rows, width] => (*n_rows, *width),
            _ => return Err(Error::invalid(format!("a table has two dimensions, `{name}` has {}", shape.len()))),
        };
        Ok(Table { file: Arc::clone(file), stored: place.stored, bytes: place.bytes.clone(), n_rows, width })
    }

    fn find(&self, name: &str, shape: &[usize]) -> Result<(&Arc<Mapped>, &Place)> {
        let Some((file, place)) = self.tensors.get(name) else {
            let message = format!("the weights of `{}` have no tensor `{name}`", self.folder.display());
            return Err(Error::failed(message).hint("the weights belong to another `config.json`, or are incomplete"));
        };
        let wrong = |what: String| Error::failed(format!("`{}`: tensor `{name}` {what}", file.path().display()));
        if place.shape != shape {
            return Err(wrong(format!("should be {}, it is {}", text_of(shape), text_of(&place.shape)))
                .hint("the weights belong to another `config.json`"));
        }
        if !place.stored.is_float() {
            return Err(wrong(format!("is stored as {}, expected f32, f16, bf16 or f64", place.stored.name()))
                .hint("quantised weights are not read: quantise on the way in with `--dtype int8`"));
        }
        let n_bytes = shape.iter().try_fold(place.stored.size(), |product, length| product.checked_mul(*length));
        if n_bytes != Some(place.bytes.len()) {
            return Err(wrong(format!("of shape {} has {} bytes", text_of(shape), place.bytes.len())));
        }
        Ok((file, place))
    }
}

/// An embedding table in the weights file: `n_rows × width`, each row read as f32 when it is used.
#[derive(Debug, Clone)]
pub struct Table {
    file: Arc<Mapped>,
    stored: Stored,
    bytes: Range<usize>,
    n_rows: usize,
    width: usize,
}

impl Table {
    /// Rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Numbers in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds a row to `into`, which has the table's width.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn add_row(&self, row: usize, into: &mut [f32]) {
        assert!(row < self.n_rows && into.len() == self.width, "row {row} of {}", self.n_rows);
        let n_bytes = self.bytes.len() / self.n_rows;
        let start = self.bytes.start + row * n_bytes;
        self.stored.combine(&self.file.bytes()[start..start + n_bytes], into, |at, number| *at += number);
    }
}

/// The weights files of a folder, in the order of preference.
///
/// # Errors
/// `NotFound` when there are none, `Failed` for a damaged index.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    for (name, index) in
        [("model.safetensors", "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")]
    {
        if folder.join(name).exists() {
            return Ok(vec![folder.join(name)]);
        }
        if let Some(index) = Document::find(&folder.join(index))? {
            return shards(folder, &index);
        }
    }
    let message = format!("`{}` has no `model.safetensors` and no `pytorch_model.bin`", folder.display());
    let others = ["tf_model.h5", "flax_model.msgpack", "onnx", "openvino", "model.onnx"];
    let error = Error::not_found(message);
    Err(match others.iter().find(|other| folder.join(other).exists()) {
        Some(other) => {
            error.hint(format!("`{other}` is not read: save the model as safetensors with `save_pretrained`"))
        }
        None => error,
    })
}

fn shards(folder: &Path, index: &Document) -> Result<Vec<PathBuf>> {
    let Some(Value::Object(map)) = index.get("weight_map") else {
        return Err(index.invalid("there is no `weight_map` object"));
    };
    let mut names = BTreeSet::new();
    for file in map.values() {
        let name = file
            .as_str()
            .filter(|name| matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]));
        names
            .insert(name.ok_or_else(|| index.invalid(format!("`weight_map` names `{file}`, no file of this folder")))?);
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The name of today: checkpoints of 2018 call the two tensors of a layer norm gamma and beta.
fn modern(name: String) -> String {
    for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
        if let Some(stem) = name.strip_suffix(old) {
            return format!("{stem}{new}");
        }
    }
    name
}

/// A shape as `[768, 3072]`.
fn text_of(shape: &[usize]) -> String {
    format!("{shape:?}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::embeddings::folder::fixtures::Copied;
    use crate::error::ErrorKind;

    /// A safetensors file of one tensor `t`.
    fn safetensors(dtype: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
        let header = json!({"t": {"dtype": dtype, "shape": shape, "data_offsets": [0, bytes.len()]}}).to_string();
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), bytes].concat()
    }

    fn opened(file: impl AsRef<[u8]>) -> Result<Weights> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
        Weights::open(folder.path())
    }

    #[test]
    fn every_kind_of_float_is_read() {
        // 1.5 and -2 by IEEE 754.
        let cases: [(&str, &[u8]); 4] = [
            ("F32", &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]),
            ("F16", &[0, 0x3e, 0, 0xc0]),
            ("BF16", &[0xc0, 0x3f, 0, 0xc0]),
            ("F64", &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0]),
        ];
        for (dtype, bytes) in cases {
            let weights = opened(safetensors(dtype, &[2, 1], bytes)).unwrap();
            assert_eq!((weights.names().collect::<Vec<_>>(), weights.shape("t")), (vec!["t"], Some(&[2, 1][..])));
            assert_eq!(weights.read("t", &[2, 1]).unwrap(), [1.5, -2.0], "{dtype}");
            // Pages that were given back come again.
            assert_eq!(weights.read("t", &[2, 1]).unwrap(), [1.5, -2.0]);
            let table = weights.table("t", &[2, 1]).unwrap();
            let mut row = [0.25];
            table.add_row(1, &mut row);
            assert_eq!((table.n_rows(), table.width(), row), (2, 1, [-1.75]));
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_both_shapes() {
        let weights = opened(safetensors("F32", &[2, 3], &[0; 24])).unwrap();
        let message = weights.read("t", &[3, 2]).unwrap_err().message;
        assert!(message.contains("`t` should be [3, 2], it is [2, 3]"), "{message}");
        let error = weights.table("u", &[3, 2]).unwrap_err();
        assert!(error.kind == ErrorKind::Failed && error.message.contains("no tensor `u`"), "{}", error.message);
        let integers = opened(safetensors("I8", &[4], &[0; 4])).unwrap();
        let message = integers.read("t", &[4]).unwrap_err().message;
        assert!(message.contains("`t` is stored as i8"), "{message}");
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = safetensors("F32", &[2, 3], &[0; 24]);
        for (file, named) in [
            (
                whole[..whole.len() - 1].to_vec(),
                format!("is cut off: its header promises {} bytes, it has {}", whole.len(), whole.len() - 1),
            ),
            (whole[..20].to_vec(), "the whole file has 20".to_owned()),
            (vec![1, 2, 3], "it has 3 bytes".to_owned()),
            (Vec::new(), "is empty".to_owned()),
            (vec![0xff; 64], "its header should have 18446744073709551615 bytes, the whole file has 64".to_owned()),
            ([&[8, 0, 0, 0, 0, 0, 0, 0][..], b"not json"].concat(), "no valid safetensors".to_owned()),
            (safetensors("F32", &[2, 3], &[0; 20]), "no valid safetensors".to_owned()),
            (safetensors("F32", &[usize::MAX, 2], &[0; 24]), "no valid safetensors".to_owned()),
            (b"version https://git-lfs.github.com/spec/v1".to_vec(), "Git LFS pointer".to_owned()),
        ] {
            let error = opened(&file).unwrap_err();
            assert!(error.kind == ErrorKind::Failed && error.message.contains(&named), "{} / {named}", error.message);
        }
    }

    #[test]
    fn no_damage_is_met_with_a_panic() {
        let bin = std::fs::read(Copied::of("tiny-bert-legacy").path().join("pytorch_model.bin")).unwrap();
        let tensors = safetensors("F32", &[2, 3], &[0; 24]);
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let folder = tempfile::tempdir().unwrap();
        for (name, whole) in [("model.safetensors", &tensors), ("pytorch_model.bin", &bin)] {
            // What says where tensors lie is at the ends of these files.
            let (head, tail) = (whole.len().min(4096), whole.len().min(8192));
            for _ in 0..300 {
                let mut file = whole.clone();
                for _ in 0..=random(3) {
                    let at = if random(2) == 0 { random(head) } else { whole.len() - 1 - random(tail) };
                    file[at] = random(256) as u8;
                }
                std::fs::write(folder.path().join(name), &file).unwrap();
                if let Ok(weights) = Weights::open(folder.path()) {
                    for tensor in weights.names() {
                        let shape = weights.shape(tensor).unwrap();
                        let _ = weights.read(tensor, shape).map(|numbers| numbers.len());
                    }
                }
            }
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
    }

    #[test]
    fn shards_and_older_names_are_found() {
        let copied = Copied::of("tiny-bert-mean");
        let whole = copied.open().unwrap().weights().unwrap();
        let names: Vec<String> = whole.names().map(str::to_owned).collect();
        let map: serde_json::Map<String, Value> =
            names.iter().map(|name| (name.clone(), json!("part.safetensors"))).collect();
        std::fs::rename(copied.path().join("model.safetensors"), copied.path().join("part.safetensors")).unwrap();
        copied.write("model.safetensors.index.json", json!({"weight_map": map}).to_string());
        let sharded = copied.open().unwrap().weights().unwrap();
        assert_eq!(sharded.names().collect::<Vec<_>>(), names);
        let shape = whole.shape(&names[0]).unwrap();
        assert_eq!(sharded.read(&names[0], shape).unwrap(), whole.read(&names[0], shape).unwrap());
        copied.remove("part.safetensors");
        assert_eq!(Weights::open(copied.path()).unwrap_err().kind, ErrorKind::NotFound);
        copied.write("model.safetensors.index.json", r#"{"weight_map": {"t": "../t"}}"#);
        assert!(Weights::open(copied.path()).unwrap_err().message.contains("names `\"../t\"`"));
        copied.remove("model.safetensors.index.json").write("tf_model.h5", "x");
        let error = Weights::open(copied.path()).unwrap_err();
        assert!(error.kind == ErrorKind::NotFound && error.hint.unwrap().contains("`tf_model.h5`"));
        assert_eq!(modern("x.LayerNorm.gamma".to_owned()), "x.LayerNorm.weight");
        assert_eq!(modern("beta".to_owned()), "beta");
    }

    #[test]
    fn both_formats_hold_the_same() {
        // tiny-bert-legacy and tiny-bert-mean are one network, as golden.json shows.
        let (bin, safetensors) = (Copied::of("tiny-bert-legacy"), Copied::of("tiny-bert-mean"));
        let (bin, safetensors) =
            (bin.open().unwrap().weights().unwrap(), safetensors.open().unwrap().weights().unwrap());
        for name in safetensors.names() {
            let shape = safetensors.shape(name).unwrap();
            assert_eq!(bin.read(name, shape).unwrap(), safetensors.read(name, shape).unwrap(), "{name}");
        }
    }
}
