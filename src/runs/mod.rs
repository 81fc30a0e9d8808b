//! What a run keeps, and how it is read back: its row in the database, the files of its folder, its tags.
//!
//! `record` writes a run; `predictions`, `ranking_files`, `known_rows`, `data_window` and `stored_config` are its files, `tags`
//! its tags, `seed` and `timestamp` what goes into them. `stored` reads all of a run, `paired` and `paired_ranking` lay the
//! answers of two runs side by side.

pub mod data_window;
pub mod known_rows;
pub mod metrics_file;
pub mod opened;
pub mod paired;
pub mod paired_ranking;
pub mod predictions;
pub mod ranking_files;
pub mod record;
pub mod recorded;
pub mod seed;
pub mod stored;
pub mod stored_config;
pub mod tags;
pub mod timestamp;
