//! `--set a.b=c`: one value of a config, set from outside of its file.

use super::yaml::{self, Node, Value};
use crate::error::{Error, Result};

/// One `--set a.b=c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key path.
    pub path: String,
    /// The value, as YAML.
    pub value: String,
}

impl Override {
    /// Parses `a.b=c`.
    ///
    /// # Errors
    /// `Invalid` when there is no `=` or no key.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((path, value)) if !path.trim().is_empty() => {
                Ok(Self { path: path.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(Error::invalid(format!("`--set {text}` is not `key=value`")).hint("--set model.params.C=0.1")),
        }
    }

    /// Sets the value in a tree.
    pub(super) fn apply(&self, root: &mut Node) -> Result<()> {
        let wrong = |why: String| Error::invalid(format!("`--set {}={}`: {why}", self.path, self.value));
        let (value, _) = yaml::parse(&self.value).map_err(|(message, ..)| wrong(message))?;
        let path = self.path.replace('[', ".").replace(']', "");
        let mut node = root;
        for key in path.split('.') {
            if node.value == Value::Null {
                node.value = Value::Map(Vec::new());
            }
            node = match &mut node.value {
                Value::Map(entries) => {
                    let at = entries.iter().position(|(name, ..)| name == key).unwrap_or_else(|| {
                        entries.push((key.to_owned(), Node::nowhere(Value::Null), Node::nowhere(Value::Null)));
                        entries.len() - 1
                    });
                    &mut entries[at].2
                }
                Value::List(items) => {
                    let count = items.len();
                    let item = key.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                    item.ok_or_else(|| wrong(format!("`{key}` is not one of the {count} items, counted from 0")))?
                }
                _ => return Err(wrong(format!("there is no `{key}` inside a plain value"))),
            };
        }
        *node = value.without_place();
        Ok(())
    }
}
