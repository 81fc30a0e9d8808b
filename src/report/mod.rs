//! Papers: results as documents and plots. Plain data in, text out: Markdown, HTML, SVG, a model card, metadata.

pub mod calibration;
pub mod document;
pub mod html;
pub mod markdown;
pub mod metadata;
pub mod model_card;
pub mod numbers;
pub mod plots;
pub mod prometheus;
pub mod sections;

pub use document::{Align, Block, Document, Figure, Table, Tone};
