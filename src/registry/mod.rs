//! The registry's folders: where each version lives, its manifest, selectors. Stages and aliases are rows of `tracking`.

mod layout;
mod manifest;
mod selector;
mod store;

pub use layout::Layout;
pub use manifest::{FileFacts, Manifest, facts_of};
pub use selector::{Selector, model_folder};
pub use store::{
    check_folder, is_released, mirror_production, mirror_staging, prepare_production, publish, release, versions_in,
    versions_on_disk,
};
