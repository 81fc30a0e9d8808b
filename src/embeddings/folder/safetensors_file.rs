//! The tensors of a `.safetensors` file: a JSON header of names, types, shapes and byte ranges, then the bytes.
//!
//! The header is read by the `safetensors` crate, which checks that the ranges fit the shapes, do not overlap and end
//! where the file ends.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::embeddings::folder::mapped::{Mapped, Place, Stored};
use crate::error::{Error, Result};

/// Name and place of every tensor.
///
/// # Errors
/// `Failed` when the file is cut off or damaged.
pub(super) fn tensors(file: &Mapped) -> Result<Vec<(String, Place)>> {
    let bytes = file.bytes();
    let damaged = |what: String| Error::failed(format!("`{}` {what}", file.path().display()));
    let Some((length, _)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(format!("is no safetensors file: it has {} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    if length > bytes.len() as u64 - 8 {
        return Err(damaged(format!(
            "is cut off or no safetensors file: its header should have {length} bytes, the whole file has {}",
            bytes.len()
        )));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|cause| match promised(bytes, length) {
        Some(promised) if promised != bytes.len() as u64 => {
            damaged(format!("is cut off: its header promises {promised} bytes, it has {}", bytes.len()))
                .hint("copy or download it again")
        }
        _ => damaged("is no valid safetensors file".to_owned()).caused_by(cause),
    })?;
    let data = 8 + header;
    let place = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (start, end) = info.data_offsets;
        (name, Place { stored: stored(info.dtype), shape: info.shape.clone(), bytes: data + start..data + end })
    };
    Ok(metadata.tensors().into_iter().map(place).collect())
}

/// The size of the whole file according to its header.
fn promised(bytes: &[u8], length: u64) -> Option<u64> {
    let header: Value = serde_json::from_slice(bytes.get(8..8 + length as usize)?).ok()?;
    let ends = header.as_object()?.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    Some(8 + length + ends.max()?)
}

fn stored(dtype: Dtype) -> Stored {
    match dtype {
        Dtype::F16 => Stored::F16,
        Dtype::BF16 => Stored::Bf16,
        Dtype::F32 => Stored::F32,
        Dtype::F64 => Stored::F64,
        Dtype::BOOL => Stored::Other("bool", 1),
        Dtype::U8 => Stored::Other("u8", 1),
        Dtype::I8 => Stored::Other("i8", 1),
        Dtype::U16 => Stored::Other("u16", 2),
        Dtype::I16 => Stored::Other("i16", 2),
        Dtype::U32 => Stored::Other("u32", 4),
        Dtype::I32 => Stored::Other("i32", 4),
        Dtype::U64 => Stored::Other("u64", 8),
        Dtype::I64 => Stored::Other("i64", 8),
        Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E8M0 | Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ => {
            Stored::Other("f8", 1)
        }
        _ => Stored::Other("another type", 0),
    }
}
