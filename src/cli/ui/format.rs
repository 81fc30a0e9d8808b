//! Numbers and times as people read them.

pub use crate::answers::format::*;
