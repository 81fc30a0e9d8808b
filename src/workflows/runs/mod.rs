//! The verbs of `runs`: `search` lists runs, `show` gives one of them whole, `history` the steps of a metric, `manual`
//! records a run that a script makes, `lifecycle` deletes and restores.

mod history;
mod lifecycle;
mod manual;
mod search;
mod show;

pub use history::{MetricHistory, history};
pub use lifecycle::{Deleted, Restored, delete, restore};
pub use manual::{Entries, ManualRun, NewManualRun, Point, create, finish, log};
pub use search::{Filter, SearchRequest, search};
pub use show::{BestRequest, RunDetails, best, show};
