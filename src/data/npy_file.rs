//! Matrices as NumPy's `.npy` files: writing f32, reading f32 and f64.
//!
//! A file is `\x93NUMPY`, a version, the length of the header, the header (a Python dictionary with `descr`,
//! `fortran_order` and `shape`, padded so that the numbers begin at a multiple of 64 bytes), and the numbers. Written is
//! version 1.0 in row-major order, byte for byte as `numpy.save` does it (NumPy 2.4.6). Read are versions 1.0 to 3.0
//! with two dimensions, in either order; what else a file may hold is refused by name. Python objects are a pickle,
//! which is a program: it is never run.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use crate::error::{Context, Error, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;
/// `numpy.save` leaves room for so many digits of the number of rows.
const ROOM: usize = 21;
/// Bytes in flight between file and numbers.
const BLOCK: usize = 1 << 18;
/// A header longer than this is damage: `numpy.save` needs 128 bytes for a matrix.
const LONGEST_HEADER: usize = 1 << 16;

/// Writes a matrix, `n_rows × n_columns`.
///
/// # Errors
/// `Failed` when the disk refuses.
pub fn write(mut output: impl Write, matrix: ArrayView2<'_, f32>) -> Result<()> {
    let mut write = |bytes: &[u8]| output.write_all(bytes).context(|| "cannot write a .npy file".into());
    write(&preamble(matrix.nrows(), matrix.ncols()))?;
    let mut block: Vec<[u8; 4]> = Vec::with_capacity(BLOCK / 4);
    for row in matrix.rows() {
        let row = row.as_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed);
        for part in row.chunks(BLOCK / 4) {
            if block.len() + part.len() > BLOCK / 4 {
                write(block.as_flattened())?;
                block.clear();
            }
            block.extend(part.iter().map(|value| value.to_le_bytes()));
        }
    }
    write(block.as_flattened())
}

fn preamble(n_rows: usize, n_columns: usize) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {n_columns}), }}");
    let room = ROOM.saturating_sub(n_rows.to_string().len());
    let end = MAGIC.len() + 4 + header.len() + room + 1;
    let padding = room + (ALIGNMENT - end % ALIGNMENT);
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = header.len() as u16;
    [MAGIC.as_slice(), &[1, 0], length.to_le_bytes().as_slice(), header.as_bytes()].concat()
}

/// Reads a matrix of f32 or f64 numbers, `n_rows × n_columns`, row-major; f64 is rounded to f32.
///
/// # Errors
/// `Invalid` when the file is no `.npy` file, holds other numbers or another number of dimensions, or a number too large
/// for f32; `NotFound` when there is none; `Failed` when it is cut short or cannot be read.
pub fn read(path: &Path) -> Result<Array2<f32>> {
    let name = path.display();
    let cannot = || format!("cannot read `{name}`");
    let mut file = File::open(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!("`{name}` is not there")),
        _ => Error::failed(cannot()).caused_by(cause),
    })?;
    let size = file.metadata().context(cannot)?.len();
    let header = Header::read(&mut file, path)?;
    let (n_rows, n_columns) = header.shape;
    let expected = (n_rows as u128 * n_columns as u128).saturating_mul(header.width as u128);
    let got = u128::from(size.saturating_sub(header.length));
    if expected != got {
        let message =
            format!("`{name}` tells of {n_rows} × {n_columns} numbers, {expected} bytes, and has {got} bytes");
        return Err(if got < expected { Error::failed(message) } else { Error::invalid(message) });
    }
    let mut values = Vec::with_capacity(n_rows * n_columns);
    let mut block = vec![0; BLOCK];
    let mut left = got as usize;
    while left > 0 {
        let bytes = &mut block[..left.min(BLOCK)];
        file.read_exact(bytes).context(cannot)?;
        left -= bytes.len();
        if header.width == 4 {
            values.extend(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        } else {
            for bytes in bytes.as_chunks::<8>().0 {
                let number = f64::from_le_bytes(*bytes);
                let rounded = number as f32;
                if rounded.is_infinite() && number.is_finite() {
                    let at = values.len();
                    let row = if header.is_fortran { at % n_rows } else { at / n_columns };
                    return Err(Error::invalid(format!("`{name}`: row {}: {number} is too large for f32", row + 1)));
                }
                values.push(rounded);
            }
        }
    }
    let matrix = Array2::from_shape_vec((n_rows, n_columns).set_f(header.is_fortran), values);
    let matrix = matrix.context(|| format!("`{name}`: no matrix has {n_rows} × {n_columns} numbers"))?;
    Ok(if header.is_fortran { matrix.as_standard_layout().into_owned() } else { matrix })
}

struct Header {
    /// Bytes before the numbers.
    length: u64,
    /// Bytes of a number.
    width: usize,
    is_fortran: bool,
    shape: (usize, usize),
}

impl Header {
    fn read(file: &mut File, path: &Path) -> Result<Self> {
        let name = path.display();
        let not_npy = || Error::invalid(format!("`{name}` is not a .npy file"));
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(|_| not_npy())?;
        if start[..6] != *MAGIC {
            return Err(not_npy().hint("a .npz archive holds several: save one matrix with `numpy.save`"));
        }
        let cut = || format!("the header of `{name}` is cut short");
        let (fixed, length) = match start[6] {
            1 => {
                let mut length = [0; 2];
                file.read_exact(&mut length).context(cut)?;
                (10, u16::from_le_bytes(length) as usize)
            }
            2 | 3 => {
                let mut length = [0; 4];
                file.read_exact(&mut length).context(cut)?;
                (12, u32::from_le_bytes(length) as usize)
            }
            version => {
                let message = format!("`{name}` has .npy version {version}.{}, expected 1.0 to 3.0", start[7]);
                return Err(Error::invalid(message));
            }
        };
        if length > LONGEST_HEADER {
            let message = format!("the header of `{name}` has {length} bytes, expected at most {LONGEST_HEADER}");
            return Err(Error::failed(message));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text).context(cut)?;
        let text = String::from_utf8_lossy(&text);
        let field = |key: &str| {
            field(&text, key)
                .ok_or_else(|| Error::failed(format!("the header of `{name}` has no `{key}`: {}", text.trim())))
        };
        let width = match field("descr")? {
            "'<f4'" => 4,
            "'<f8'" => 8,
            "'|O'" => {
                return Err(Error::invalid(format!("`{name}` holds Python objects, expected numbers"))
                    .hint("objects are a pickle, which is not run; save it with `.astype(\"float32\")`"));
            }
            other => {
                let other = other.trim_matches('\'');
                return Err(Error::invalid(format!("`{name}` holds `{other}`, expected `<f4` or `<f8`"))
                    .hint("save it with `.astype(\"float32\")`"));
            }
        };
        let is_fortran = match field("fortran_order")? {
            "True" => true,
            "False" => false,
            other => return Err(Error::failed(format!("`{name}`: fortran_order is `{other}`"))),
        };
        let shape = field("shape")?;
        let lengths = shape.trim_matches(['(', ')']).split(',').map(str::trim).filter(|length| !length.is_empty());
        let lengths: Vec<_> = lengths.map(|length| length.trim_end_matches('L').parse::<usize>()).collect();
        let [Ok(n_rows), Ok(n_columns)] = lengths[..] else {
            return Err(Error::invalid(format!("`{name}` has shape {shape}, expected two dimensions"))
                .hint("one row per vector: save it with `.reshape(-1, DIMENSIONS)`"));
        };
        Ok(Self { length: (fixed + length) as u64, width, is_fortran, shape: (n_rows, n_columns) })
    }
}

/// The text of one entry of the header's dictionary.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    let rest = rest.trim_start();
    let end = match rest.chars().next()? {
        '\'' => rest[1..].find('\'')? + 2,
        '(' => rest.find(')')? + 1,
        '[' => rest.rfind(']')? + 1,
        _ => rest.find([',', '}'])?,
    };
    Some(rest[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use ndarray::{array, s};

    use super::*;
    use crate::error::ErrorKind;

    /// numpy.save, NumPy 2.4.6, of [[1.5, -2.0, 3.25], [0.1, 5.0, 6.0]] as float32.
    const HEADER: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

    fn file(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC.as_slice(), &[version, 0]].concat();
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        [bytes.as_slice(), header.as_bytes(), numbers].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Array2<f32>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        read(&path).map_err(|mut error| {
            error.message = error.message.replace(path.to_str().unwrap(), "a.npy");
            error
        })
    }

    #[test]
    fn bytes_are_those_of_numpy() {
        let matrix = array![[1.5, -2.0, 3.25], [0.1, 5.0, 6.0]];
        let mut bytes = Vec::new();
        write(&mut bytes, matrix.view()).unwrap();
        let numbers = "0000c03f000000c000005040cdcccc3d0000a0400000c040";
        assert_eq!(bytes[..10], *b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(bytes[10..128], *format!("{HEADER:<117}\n").as_bytes());
        assert_eq!(crate::fs::hex(&bytes[128..]), numbers);
        assert_eq!(parse(&bytes).unwrap(), matrix);
        // Rows that do not lie together, and a row longer than a block.
        let mut transposed = Vec::new();
        write(&mut transposed, matrix.t().as_standard_layout().view().t()).unwrap();
        assert_eq!(transposed, bytes);
        let long = Array2::from_shape_fn((3, 100_000), |(row, column)| (row * 7 + column) as f32);
        let mut bytes = Vec::new();
        write(&mut bytes, long.slice(s![.., ..])).unwrap();
        assert_eq!(parse(&bytes).unwrap(), long);
        for empty in [Array2::zeros((0, 768)), Array2::zeros((4, 0))] {
            let mut bytes = Vec::new();
            write(&mut bytes, empty.view()).unwrap();
            assert_eq!(parse(&bytes).unwrap(), empty);
        }
    }

    #[test]
    fn f64_columns_first_and_the_newer_versions_are_read() {
        let numbers: Vec<u8> =
            [1.0, 3.0, 5.0, 2.0, 4.0, 0.1_f64].iter().flat_map(|value| value.to_le_bytes()).collect();
        let header = "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }  \n";
        let expected = array![[1.0, 2.0], [3.0, 4.0], [5.0, 0.1]];
        for version in 1..=3 {
            let got = parse(&file(version, header, &numbers)).unwrap();
            assert_eq!(got, expected);
            assert!(got.is_standard_layout());
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let refused = |bytes: &[u8]| {
            let error = parse(bytes).unwrap_err();
            (error.kind, error.message)
        };
        let with = |descr: &str, shape: &str, n_bytes: usize| {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
            refused(&file(1, &header, &vec![0; n_bytes]))
        };
        let invalid = |message: &str| (ErrorKind::Invalid, message.to_owned());
        let failed = |message: &str| (ErrorKind::Failed, message.to_owned());
        assert_eq!(with("'>f4'", "(1, 2)", 8), invalid("`a.npy` holds `>f4`, expected `<f4` or `<f8`"));
        assert_eq!(with("'<f2'", "(1, 2)", 4), invalid("`a.npy` holds `<f2`, expected `<f4` or `<f8`"));
        assert_eq!(
            with("[('a', '<f4'), ('b', '<i8')]", "(1,)", 12),
            invalid("`a.npy` holds `[('a', '<f4'), ('b', '<i8')]`, expected `<f4` or `<f8`")
        );
        assert_eq!(with("'|O'", "(1, 2)", 40), invalid("`a.npy` holds Python objects, expected numbers"));
        assert_eq!(with("'<f4'", "(5,)", 20), invalid("`a.npy` has shape (5,), expected two dimensions"));
        assert_eq!(with("'<f4'", "(1, 2, 3)", 24), invalid("`a.npy` has shape (1, 2, 3), expected two dimensions"));
        assert_eq!(with("'<f4'", "(3, 2)", 20), failed("`a.npy` tells of 3 × 2 numbers, 24 bytes, and has 20 bytes"));
        assert_eq!(with("'<f4'", "(3, 2)", 25), invalid("`a.npy` tells of 3 × 2 numbers, 24 bytes, and has 25 bytes"));
        let most = usize::MAX;
        assert_eq!(with("'<f4'", &format!("({most}, {most})"), 20).0, ErrorKind::Failed);
        assert_eq!(with("'<f4'", &format!("(0, {most})"), 0).0, ErrorKind::Failed);
        assert_eq!(refused(b"PK\x03\x04 an archive"), invalid("`a.npy` is not a .npy file"));
        assert_eq!(refused(b""), invalid("`a.npy` is not a .npy file"));
        assert_eq!(refused(b"\x93NUMPY\x01\x00\x76\x00{'descr'"), failed("the header of `a.npy` is cut short"));
        assert_eq!(refused(b"\x93NUMPY\x09\x01"), invalid("`a.npy` has .npy version 9.1, expected 1.0 to 3.0"));
        assert_eq!(
            refused(&file(2, "{'descr': '<f4', 'shape': (1, 1), }", &[0; 4])),
            failed("the header of `a.npy` has no `fortran_order`: {'descr': '<f4', 'shape': (1, 1), }")
        );
        let numbers: Vec<u8> =
            [1.0, f64::INFINITY, 1.0, 1e300].iter().flat_map(|value: &f64| value.to_le_bytes()).collect();
        let large = refused(&file(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", &numbers));
        assert!(large.1.starts_with("`a.npy`: row 2: 1000000") && large.1.ends_with("is too large for f32"));
        assert_eq!(read(Path::new("/no/such.npy")).unwrap_err().kind, ErrorKind::NotFound);
    }
}
