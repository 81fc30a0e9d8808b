//! The registry's folders: where each version lives, its manifest, selectors. Stages and aliases are rows of `tracking`.

mod checksums;
mod layout;
mod manifest;
mod pointer;
mod reading;
mod selector;
mod store;

pub use checksums::check_beside;
pub use layout::Layout;
pub use manifest::{FileFacts, Manifest, facts_of};
pub use pointer::{check_pointers, model_folder, pointed};
pub use reading::{Reading, Unread, is_read, remove_unread};
pub use selector::Selector;
pub use store::{
    check_folder, discard_foreign_releases, is_released, manifest_sha256, mirror_production, mirror_staging,
    prepare_production, publish, release, versions_in, versions_on_disk,
};
