//! What `torch.save` writes: a pickle that says where tensors lie. Read by a machine that can build nothing else.
//!
//! A pickle is a program for a stack machine. This one knows the instructions that plain values, tuples, lists and dicts
//! need. A global name is looked at when it is met: only those that tensors are made of are known, and they stand for
//! themselves; nothing is ever imported or called. Any other name (`os.system`) is refused by that name. Values live in
//! one list and refer to each other by their place there, so a pickle needs memory in proportion to its length, however
//! it nests or repeats itself.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::embeddings::folder::mapped::Stored;
use crate::error::{Error, Result};

/// Where a tensor lies within a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    pub(super) storage: Storage,
    /// In numbers, not bytes.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// In numbers; row-major where it is `None`.
    pub(super) strides: Option<Vec<usize>>,
}

/// A run of numbers of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) stored: Stored,
    pub(super) size: usize,
}

type Id = usize;

#[derive(Debug, Clone)]
enum Value {
    Mark,
    None,
    Bool,
    Int(i64),
    Float,
    Text(String),
    Global(Global),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Storage(Storage),
    Tensor(View),
}

/// The names that may stand in a pickle of tensors.
#[derive(Debug, Clone, Copy)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Stored),
}

/// Reads one pickle after another from the same bytes.
pub(super) struct Machine<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    memo: FxHashMap<usize, Id>,
}

impl<'a> Machine<'a> {
    /// A machine at the start of `bytes`; `path` is for its errors.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, at: 0, values: Vec::new(), stack: Vec::new(), memo: FxHashMap::default() }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Reads a pickle that holds a dict of tensors by name.
    ///
    /// # Errors
    /// `Invalid` for a pickle with anything else in it, `Failed` for a damaged one.
    pub(super) fn tensors(&mut self) -> Result<Vec<(String, View)>> {
        let top = self.run()?;
        let Value::Dict(entries) = &self.values[top] else {
            return Err(self.refused(&format!("{}, not a dict of tensors", self.kind_of(top))));
        };
        let entry = |(key, value): &(Id, Id)| match (&self.values[*key], &self.values[*value]) {
            (Value::Text(name), Value::Tensor(view)) => Ok((name.clone(), view.clone())),
            (Value::Text(name), _) => {
                Err(self.refused(&format!("{} under `{name}`, not a tensor", self.kind_of(*value))))
            }
            _ => Err(self.refused(&format!("{} as a tensor's name", self.kind_of(*key)))),
        };
        entries.iter().map(entry).collect()
    }

    /// Reads a pickle that holds a list of texts.
    ///
    /// # Errors
    /// As `tensors`.
    pub(super) fn texts(&mut self) -> Result<Vec<String>> {
        let top = self.run()?;
        let Value::List(items) = &self.values[top] else { return Err(self.damaged("a list is missing")) };
        let text = |item: &Id| match &self.values[*item] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.damaged("a list holds something else than texts")),
        };
        items.iter().map(text).collect()
    }

    /// Reads a pickle and forgets it.
    ///
    /// # Errors
    /// As `tensors`.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.run().map(|_| ())
    }

    fn run(&mut self) -> Result<Id> {
        self.values.clear();
        self.stack.clear();
        self.memo.clear();
        loop {
            let code = self.byte()?;
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Result<()> {
        match code {
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'0' => drop(self.pop()?),
            b'(' => self.push(Value::Mark),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool),
            b'K' => self.whole(1)?,
            b'M' => self.whole(2)?,
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(number)));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Float);
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.marked()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let first = self.stack.len().checked_sub(usize::from(code - 0x84));
                let first = first.ok_or_else(|| self.damaged("its stack runs empty"))?;
                let items = self.stack.split_off(first);
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.append(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(&items)?;
            }
            b'q' | b'r' | 0x94 => self.remember(code)?,
            b'h' | b'j' => self.recall(code)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.global(&module, &name)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b'b' => self.build()?,
            _ => return Err(self.refused(&format!("the instruction {:?} at byte {}", char::from(code), self.at - 1))),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id> {
        self.stack.pop().ok_or_else(|| self.damaged("its stack runs empty"))
    }

    fn pop_text(&mut self) -> Result<String> {
        let id = self.pop()?;
        match &self.values[id] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.damaged("a name is no text")),
        }
    }

    fn marked(&mut self) -> Result<Vec<Id>> {
        let mark = self.stack.iter().rposition(|id| matches!(self.values[*id], Value::Mark));
        let mark = mark.ok_or_else(|| self.damaged("a mark is missing"))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn top(&mut self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(|| self.damaged("its stack runs empty"))
    }

    fn append(&mut self, items: &[Id]) -> Result<()> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::List(list) => list.extend_from_slice(items),
            _ => return Err(self.damaged("items are appended to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<()> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(entries) => entries.extend(items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(self.damaged("entries are put into what is no dict")),
        }
        Ok(())
    }

    fn remember(&mut self, code: u8) -> Result<()> {
        let key = match code {
            b'q' => usize::from(self.byte()?),
            b'r' => u32::from_le_bytes(self.array()?) as usize,
            _ => self.memo.len(),
        };
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Result<()> {
        let key = if code == b'h' { usize::from(self.byte()?) } else { u32::from_le_bytes(self.array()?) as usize };
        let id = *self.memo.get(&key).ok_or_else(|| self.damaged("it refers to a value that is not there"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", _) => Global::Storage(stored(name).ok_or_else(|| self.refused(&format!("`{module}.{name}`")))?),
            _ => return Err(self.refused(&format!("`{module}.{name}`"))),
        };
        self.push(Value::Global(global));
        Ok(())
    }

    /// The persistent id `("storage", type, key, device, size)`, in older files with a sixth value.
    fn storage(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Value::Tuple(items) = &self.values[id] else { return Err(self.damaged("a storage's id is no tuple")) };
        let items: Vec<&Value> = items.iter().map(|item| &self.values[*item]).collect();
        let storage = match items[..] {
            [
                Value::Text(word),
                Value::Global(Global::Storage(stored)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(size),
            ]
            | [
                Value::Text(word),
                Value::Global(Global::Storage(stored)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(size),
                Value::None,
            ] if word == "storage" => {
                let size = usize::try_from(*size).map_err(|_| self.damaged("a storage has a negative size"))?;
                Storage { key: key.clone(), stored: *stored, size }
            }
            _ => return Err(self.refused("a reference that is no storage of numbers")),
        };
        self.push(Value::Storage(storage));
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err(self.damaged("a call has no arguments"));
        };
        let value = match (&self.values[callable], &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => Value::Dict(Vec::new()),
            (Value::Global(Global::RebuildTensor), [storage, offset, shape, strides, ..]) => {
                Value::Tensor(self.view([*storage, *offset, *shape, *strides])?)
            }
            (Value::Global(Global::RebuildParameter), [tensor, ..]) => match &self.values[*tensor] {
                Value::Tensor(view) => Value::Tensor(view.clone()),
                _ => return Err(self.refused("a parameter that is no tensor")),
            },
            _ => return Err(self.refused(&format!("a call of {}", self.kind_of(callable)))),
        };
        self.push(value);
        Ok(())
    }

    fn view(&self, [storage, offset, shape, strides]: [Id; 4]) -> Result<View> {
        let Value::Storage(storage) = &self.values[storage] else {
            return Err(self.refused("a tensor without a storage"));
        };
        let Value::Int(offset) = self.values[offset] else {
            return Err(self.damaged("a tensor's offset is no number"));
        };
        let offset = usize::try_from(offset).map_err(|_| self.damaged("a tensor's offset is negative"))?;
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        let row_major = is_row_major(&shape, &strides);
        Ok(View { storage: storage.clone(), offset, shape, strides: (!row_major).then_some(strides) })
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>> {
        let Value::Tuple(items) = &self.values[id] else { return Err(self.damaged("a tensor's shape is no tuple")) };
        // More would be malice: a view is copied wherever it is referred to.
        if items.len() > 16 {
            return Err(self.damaged(&format!("a tensor has {} dimensions", items.len())));
        }
        let size = |item: &Id| match self.values[*item] {
            Value::Int(size) => usize::try_from(size).map_err(|_| self.damaged("a tensor's size is negative")),
            _ => Err(self.damaged("a tensor's size is no number")),
        };
        items.iter().map(size).collect()
    }

    /// Attributes of an object: only a dict has some (`_metadata`: versions of modules), and they are not needed.
    fn build(&mut self) -> Result<()> {
        let (_, object) = (self.pop()?, self.top()?);
        match &self.values[object] {
            Value::Dict(_) => Ok(()),
            _ => Err(self.refused(&format!("attributes of {}", self.kind_of(object)))),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("as many bytes as were asked for"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let bytes = bytes.ok_or_else(|| self.damaged(&format!("it ends at byte {}", self.bytes.len())))?;
        self.at += length;
        Ok(bytes)
    }

    fn whole(&mut self, length: usize) -> Result<()> {
        let number = self.take(length)?.iter().rev().fold(0, |number, byte| number << 8 | i64::from(*byte));
        self.push(Value::Int(number));
        Ok(())
    }

    /// A whole number of any length, two's complement; what does not fit 64 bits is no size of anything here.
    fn long(&mut self) -> Result<()> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?;
        let mut number = [if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 }; 8];
        if length <= 8 {
            number[..length].copy_from_slice(bytes);
            self.push(Value::Int(i64::from_le_bytes(number)));
        } else {
            self.push(Value::Float);
        }
        Ok(())
    }

    fn text(&mut self, length_bytes: usize) -> Result<()> {
        let length =
            self.take(length_bytes)?.iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.damaged("a text is not UTF-8"))?;
        self.push(Value::Text(text.to_owned()));
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).ok_or_else(|| self.damaged("a name has no end"))?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn kind_of(&self, id: Id) -> String {
        match &self.values[id] {
            Value::Mark => "a mark".to_owned(),
            Value::None => "`None`".to_owned(),
            Value::Bool => "true or false".to_owned(),
            Value::Int(_) | Value::Float => "a number".to_owned(),
            Value::Text(_) => "a text".to_owned(),
            Value::Global(global) => format!("`{global:?}`"),
            Value::Tuple(_) => "a tuple".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Dict(_) => "a dict".to_owned(),
            Value::Storage(_) => "a storage".to_owned(),
            Value::Tensor(_) => "a tensor".to_owned(),
        }
    }

    fn refused(&self, what: &str) -> Error {
        Error::invalid(format!(
            "the pickle in `{}` holds {what}: only tensors are read from a pickle",
            self.path.display()
        ))
        .hint("nothing of it was executed; if you trust the model, load it in Python and save it as safetensors")
    }

    fn damaged(&self, what: &str) -> Error {
        Error::failed(format!("the pickle in `{}` is damaged: {what}", self.path.display()))
    }
}

/// The type of a storage's numbers.
fn stored(name: &str) -> Option<Stored> {
    Some(match name {
        "FloatStorage" => Stored::F32,
        "HalfStorage" => Stored::F16,
        "BFloat16Storage" => Stored::Bf16,
        "DoubleStorage" => Stored::F64,
        "LongStorage" => Stored::Other("i64", 8),
        "IntStorage" => Stored::Other("i32", 4),
        "ShortStorage" => Stored::Other("i16", 2),
        "CharStorage" => Stored::Other("i8", 1),
        "ByteStorage" => Stored::Other("u8", 1),
        "BoolStorage" => Stored::Other("bool", 1),
        _ => return None,
    })
}

/// Whether the last index runs fastest, without gaps. Strides of dimensions of length 1 mean nothing.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1_usize;
    shape.len() == strides.len()
        && shape.iter().zip(strides).rev().all(|(length, stride)| {
            let fits = *length <= 1 || *stride == step;
            step = step.saturating_mul(*length);
            fits
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn read(pickle: &[u8]) -> Result<Vec<(String, View)>> {
        Machine::new(Path::new("x.bin"), pickle).tensors()
    }

    /// A pickle of `{"w": tensor}` with what makes the tensor: `collections.OrderedDict`, protocol 2.
    fn of_tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
        let storage = b"((X\x07\0\0\0storagectorch\nHalfStorage\nX\x01\0\0\x007X\x03\0\0\0cpuK\x0atQK\x02";
        [
            &b"\x80\x02ccollections\nOrderedDict\n)Rq\0(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n"[..],
            storage,
            shape,
            strides,
            b"\x89Nt",
            b"Ru}X\x09\0\0\0_metadata}sb.",
        ]
        .concat()
    }

    #[test]
    fn a_tensor_is_where_the_pickle_says() {
        let tensors = read(&of_tensor(b"K\x02K\x03\x86", b"K\x03K\x01\x86")).unwrap();
        let storage = Storage { key: "7".to_owned(), stored: Stored::F16, size: 10 };
        let view = View { storage, offset: 2, shape: vec![2, 3], strides: None };
        assert_eq!(tensors, [("w".to_owned(), view)]);
        let transposed = read(&of_tensor(b"K\x02K\x03\x86", b"K\x01K\x02\x86")).unwrap();
        assert_eq!(transposed[0].1.strides, Some(vec![1, 2]));
        // The stride of a dimension of length 1 means nothing.
        assert_eq!(read(&of_tensor(b"K\x01K\x03\x86", b"K\x63K\x01\x86")).unwrap()[0].1.strides, None);
    }

    #[test]
    fn nothing_else_is_read_and_nothing_is_executed() {
        // Python 3.11: pickle.dumps of an object whose `__reduce__` is `(os.system, ("touch PWNED",))`, protocols 0, 2, 4.
        let protocol_0: &[u8] = b"cposix\nsystem\np0\n(Vtouch PWNED\np1\ntp2\nRp3\n.";
        let protocol_2: &[u8] = b"\x80\x02cposix\nsystem\nq\0X\x0b\0\0\0touch PWNEDq\x01\x85q\x02Rq\x03.";
        let protocol_4: &[u8] =
            b"\x80\x04\x95&\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x0btouch PWNED\x94\x85\x94R\x94.";
        for pickle in [protocol_0, protocol_2, protocol_4] {
            let error = read(pickle).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains("holds `posix.system`: only tensors"), "{}", error.message);
        }
        for (pickle, named) in [
            (&b"\x80\x02}X\x05\0\0\0epochK\x03s."[..], "a number under `epoch`"),
            (b"\x80\x02}X\x01\0\0\0a}s.", "a dict under `a`"),
            (b"\x80\x02}K\x01Ns.", "a number as a tensor's name"),
            (b"\x80\x02]K\x01a.", "a list, not a dict"),
            (b"\x80\x02ctorch\nload\n.", "`torch.load`"),
            (b"\x80\x02cbuiltins\neval\n.", "`builtins.eval`"),
            (b"\x80\x02(cposix\nsystem\nX\x01\0\0\0xo.", "`posix.system`"),
            (b"\x80\x02(X\x01\0\0\0xiposix\nsystem\n.", "the instruction 'i'"),
            (b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.", "a call of `OrderedDict`"),
            (b"\x80\x02ctorch\nFloatStorage\n}b.", "attributes of"),
        ] {
            let error = read(pickle).unwrap_err();
            assert!(error.kind == ErrorKind::Invalid && error.message.contains(named), "{}", error.message);
        }
    }

    #[test]
    fn damage_and_malice_end_in_an_error() {
        for pickle in [
            &b""[..],
            b"\x80",
            b"\x80\x02",
            b".",
            b"t.",
            b"h\x07.",
            b"X\xff\xff\xff\x7f.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"cposix",
            b"K\x01Q.",
            b"X\x01\0\0\0\xff.",
        ] {
            assert_eq!(read(pickle).unwrap_err().kind, ErrorKind::Failed, "{pickle:?}");
        }
        // A million tuples in each other, and a list that doubles a hundred times by referring to itself.
        let nested = [b")".to_vec(), b"\x85".repeat(1_000_000), b".".to_vec()].concat();
        assert!(read(&nested).unwrap_err().message.contains("a tuple, not a dict"));
        let doubling = [b"]q\0".to_vec(), b"h\0h\0\x86q\0".repeat(100), b".".to_vec()].concat();
        assert!(read(&doubling).is_err());
    }

    #[test]
    fn whole_numbers_of_any_length_are_read() {
        // pickle.dumps(-2), pickle.dumps(2**40), pickle.dumps(2**70), protocol 2.
        for (pickle, expected) in [
            (&b"\x80\x02J\xfe\xff\xff\xff."[..], Some(-2)),
            (b"\x80\x02\x8a\x06\0\0\0\0\0\x01.", Some(1 << 40)),
            (b"\x80\x02\x8a\x01\xfe.", Some(-2)),
            (b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0@.", None),
        ] {
            let mut machine = Machine::new(Path::new("x.bin"), pickle);
            let top = machine.run().unwrap();
            let found = match machine.values[top] {
                Value::Int(number) => Some(number),
                _ => None,
            };
            assert_eq!(found, expected);
        }
    }
}
