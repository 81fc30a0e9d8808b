//! The tensors of a `pytorch_model.bin`, in the two forms that `torch.save` has written.
//!
//! Since torch 1.6 (2020) a file is a zip archive: `NAME/data.pkl` says which tensor lies in which storage, and
//! `NAME/data/KEY` holds a storage, not compressed, so that a tensor is a range of bytes of the file. Before, it was a
//! row of pickles (a magic number, a version, facts about the machine, the tensors, the keys of the storages) and then
//! the storages in the order of those keys, each behind its length. `pickle` reads the pickles and executes nothing.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

use crate::embeddings::folder::mapped::{Mapped, Place};
use crate::embeddings::folder::pickle::{Machine, View};
use crate::error::{Context, Error, Result};

/// A pickle of the number that torch's older format begins with.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Name and place of every tensor.
///
/// # Errors
/// `Failed` when the file is cut off or damaged, `Invalid` when its pickle holds anything but tensors or a tensor is not
/// stored row by row.
pub(super) fn tensors(file: &Mapped) -> Result<Vec<(String, Place)>> {
    let bytes = file.bytes();
    if bytes.starts_with(b"PK\x03\x04") {
        return of_archive(file);
    }
    // The magic number follows the pickle protocol's two bytes.
    if bytes.get(2..).is_some_and(|rest| rest.starts_with(MAGIC)) {
        return of_pickles(file);
    }
    if bytes[0] == 0x80 || bytes.starts_with(b"c") || bytes.starts_with(b"(") {
        // A bare pickle: the machine says by name what it holds.
        Machine::new(file.path(), bytes).skip()?;
    }
    Err(Error::failed(format!("`{}` is no file of `torch.save`", file.path().display())))
}

fn of_archive(file: &Mapped) -> Result<Vec<(String, Place)>> {
    let entries = entries(file)?;
    let pickle = entries.iter().find(|(name, _)| name.ends_with("/data.pkl"));
    let Some((name, pickle)) = pickle else {
        return Err(Error::failed(format!("`{}` is a zip archive without a `data.pkl`", file.path().display())));
    };
    let root = name.trim_end_matches("data.pkl");
    if entries.get(&format!("{root}byteorder")).is_some_and(|order| &file.bytes()[order.clone()] != b"little") {
        return Err(Error::invalid(format!("`{}` is stored big-endian, not little-endian", file.path().display())));
    }
    let views = Machine::new(file.path(), &file.bytes()[pickle.clone()]).tensors()?;
    let place = |(name, view): (String, View)| {
        let range = entries.get(&format!("{root}data/{}", view.storage.key)).cloned();
        place(file, name, view, range)
    };
    views.into_iter().map(place).collect()
}

/// Name and bytes of every file of the archive.
fn entries(file: &Mapped) -> Result<BTreeMap<String, Range<usize>>> {
    let damaged = || format!("`{}` is cut off or no zip archive", file.path().display());
    let mut archive = ZipArchive::new(Cursor::new(file.bytes())).context(damaged)?;
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).context(damaged)?;
        let name = entry.name().context(damaged)?.into_owned();
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(Error::invalid(format!(
                "`{}`: `{name}` is compressed, which torch never does",
                file.path().display()
            )));
        }
        let range = entry.data_start().and_then(|start| {
            let start = usize::try_from(start).ok()?;
            let end = start.checked_add(usize::try_from(entry.compressed_size()).ok()?)?;
            (end <= file.bytes().len()).then_some(start..end)
        });
        let range = range.ok_or_else(|| Error::failed(format!("{}: `{name}` runs beyond its end", damaged())))?;
        entries.insert(name, range);
    }
    Ok(entries)
}

fn of_pickles(file: &Mapped) -> Result<Vec<(String, Place)>> {
    let mut machine = Machine::new(file.path(), file.bytes());
    for _magic_version_system in 0..3 {
        machine.skip()?;
    }
    let views = machine.tensors()?;
    let keys = machine.texts()?;
    let sizes: BTreeMap<&str, usize> =
        views.iter().map(|(_, view)| (view.storage.key.as_str(), view.storage.stored.size())).collect();
    let cut_off = || Error::failed(format!("`{}` is cut off", file.path().display()));
    let (mut at, mut storages) = (machine.position(), BTreeMap::new());
    for key in &keys {
        let length = file.bytes().get(at..).and_then(<[u8]>::first_chunk::<8>).ok_or_else(cut_off)?;
        let start = at + 8;
        let size = sizes.get(key.as_str());
        let end = size.and_then(|size| size.checked_mul(usize::try_from(u64::from_le_bytes(*length)).ok()?));
        let end = end.and_then(|length| start.checked_add(length)).filter(|end| *end <= file.bytes().len());
        at = end.ok_or_else(cut_off)?;
        storages.insert(key.clone(), start..at);
    }
    let place = |(name, view): (String, View)| {
        let range = storages.get(&view.storage.key).cloned();
        place(file, name, view, range)
    };
    views.into_iter().map(place).collect()
}

/// Where a tensor lies in the file, given the bytes of its storage.
fn place(file: &Mapped, name: String, view: View, storage: Option<Range<usize>>) -> Result<(String, Place)> {
    let wrong = |what: &str| format!("`{}`: tensor `{name}` {what}", file.path().display());
    let storage = storage.ok_or_else(|| Error::failed(wrong("lies in a storage that is not there")))?;
    if let Some(strides) = &view.strides {
        let what = format!("is not stored row by row (shape {:?}, strides {strides:?})", view.shape);
        return Err(Error::invalid(wrong(&what)).hint("load it in Python and save it as safetensors"));
    }
    let size = view.storage.stored.size();
    let bytes = || {
        let length = view.shape.iter().try_fold(size, |product, length| product.checked_mul(*length))?;
        let start = storage.start.checked_add(view.offset.checked_mul(size)?)?;
        let end = start.checked_add(length)?;
        (end <= storage.end).then_some(start..end)
    };
    let bytes = bytes().ok_or_else(|| {
        let what = format!("of shape {:?} runs beyond its storage of {} bytes", view.shape, storage.len());
        Error::failed(wrong(&what))
    })?;
    Ok((name, Place { stored: view.storage.stored, shape: view.shape, bytes }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::embeddings::folder::weights::Weights;
    use crate::error::ErrorKind;

    /// `torch.save(d, path, _use_new_zipfile_serialization=False)` of torch 2.15 with
    /// `d = OrderedDict(a=arange(6.0).reshape(2, 3) / 4, b=tensor([1.5, -2, 0.25]).half(), n=tensor([7, 8]),
    /// v=arange(8.0)[2:6].reshape(2, 2))`.
    const BEFORE_ZIP: &str = "\
        80028a0a6cfc9c46f9206aa850192e80024de9032e80027d710028581000000070726f746f636f6c5f76657273696f6e71014de90358\
        0d0000006c6974746c655f656e6469616e710288580a000000747970655f73697a657371037d710428580500000073686f727471054b\
        025803000000696e7471064b0458040000006c6f6e6771074b0475752e800263636f6c6c656374696f6e730a4f726465726564446963\
        740a71002952710128580100000061710263746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a71032828\
        580700000073746f72616765710463746f7263680a466c6f617453746f726167650a7105580e00000039343035313336363837333136\
        387106580300000063707571074b064e747108514b004b024b038671094b034b0186710a8968002952710b74710c52710d5801000000\
        62710e68032828680463746f7263680a48616c6653746f726167650a710f580e0000003934303531323530313731383536711068074b\
        034e747111514b004b038571124b018571138968002952711474711552711658010000006e711768032828680463746f7263680a4c6f\
        6e6753746f726167650a7118580e0000003934303531323530313833303732711968074b024e74711a514b004b0285711b4b0185711c\
        8968002952711d74711e52711f58010000007671206803282868046805580e0000003934303531323530333230323234712168074b08\
        4e747122514b024b024b028671234b024b0186712489680029527125747126527127752e80025d710028580e00000039343035313235\
        303137313835367101580e00000039343035313235303138333037327102580e00000039343035313235303332303232347103580e00\
        000039343035313336363837333136387104652e0300000000000000003e00c000340200000000000000070000000000000008000000\
        000000000800000000000000000000000000803f0000004000004040000080400000a0400000c0400000e04006000000000000000000\
        00000000803e0000003f0000403f0000803f0000a03f\
        ";

    fn opened(bytes: &[u8]) -> Result<Weights> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        Weights::open(folder.path())
    }

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive
                .start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
                .unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    /// `{"w": tensor}`: two f32 numbers from the second of storage `0` on.
    const PICKLE: &[u8] = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x03tQK\x01K\x02\x85K\x01\x85\x89NtRs.";

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn the_format_before_zip_is_read() {
        let digits = BEFORE_ZIP.replace(' ', "");
        let bytes: Vec<u8> = digits
            .as_bytes()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let weights = opened(&bytes).unwrap();
        assert_eq!(weights.read("a", &[2, 3]).unwrap(), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
        assert_eq!(weights.read("b", &[3]).unwrap(), [1.5, -2.0, 0.25]);
        assert_eq!(weights.read("v", &[2, 2]).unwrap(), [2.0, 3.0, 4.0, 5.0]);
        assert!(weights.read("n", &[2]).unwrap_err().message.contains("stored as i64"));
        let error = opened(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(error.kind == ErrorKind::Failed && error.message.contains("is cut off"), "{}", error.message);
    }

    #[test]
    fn an_archive_is_read_where_it_lies() {
        let numbers = floats(&[1.0, 2.0, 3.0]);
        let file = archive(&[("m/data.pkl", PICKLE), ("m/byteorder", b"little"), ("m/data/0", &numbers)]);
        let weights = opened(&file).unwrap();
        assert_eq!(weights.read("w", &[2]).unwrap(), [2.0, 3.0]);
        for (files, kind, named) in [
            (&[("m/data.pkl", PICKLE)][..], ErrorKind::Failed, "a storage that is not there"),
            (
                &[("m/data.pkl", PICKLE), ("m/data/0", &numbers[..8])],
                ErrorKind::Failed,
                "of shape [2] runs beyond its storage of 8 bytes",
            ),
            (
                &[("m/data.pkl", PICKLE), ("m/byteorder", b"big"), ("m/data/0", &numbers)],
                ErrorKind::Invalid,
                "big-endian",
            ),
            (&[("m/other", PICKLE)], ErrorKind::Failed, "without a `data.pkl`"),
            (&[("m/data.pkl", b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.")], ErrorKind::Invalid, "`posix.system`"),
        ] {
            let error = opened(&archive(files)).unwrap_err();
            assert!(error.kind == kind && error.message.contains(named), "{}", error.message);
        }
        assert_eq!(opened(&file[..file.len() / 2]).unwrap_err().kind, ErrorKind::Failed);
    }

    #[test]
    fn other_files_are_refused() {
        let error = opened(b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.").unwrap_err();
        assert!(error.kind == ErrorKind::Invalid && error.message.contains("`posix.system`"));
        assert!(opened(b"GGUF....").unwrap_err().message.contains("no file of `torch.save`"));
        assert!(opened(b"\x80").unwrap_err().message.contains("damaged"));
    }
}
