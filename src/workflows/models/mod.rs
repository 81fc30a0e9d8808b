//! The verbs of `models`: `versions` lists and shows them, today and in the past; `folders` holds what lies on disk
//! against the rows; `alias`, `pin`, `archive` and `delete` change one of them; `verify` hashes its files.

mod alias;
mod archive;
mod delete;
mod folders;
mod pin;
mod verify;
mod versions;

pub use alias::{AliasChange, AliasRequest, alias};
pub use archive::{Archival, Archived, archive, archive_by_hand, plan_archival};
pub use delete::{Deleted, Deletion, delete, plan_deletion};
pub use folders::{Folders, Place, version_or_nothing};
pub use pin::{PinChange, PinRequest, pin};
pub use verify::{Verified, verify};
pub use versions::{Listed, Shown, ShownVersion, Then, at, history, list, named_version, readable, show};
