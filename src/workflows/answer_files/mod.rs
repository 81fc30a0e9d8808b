//! What `predict` answers, as files: `classes` of a classifier, `rankings` of a ranking model.

pub mod classes;
pub mod rankings;
