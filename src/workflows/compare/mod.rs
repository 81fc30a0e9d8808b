//! `compare`: runs side by side on the same test rows, and whether what differs is more than noise.
//!
//! `request` is what is asked, `select` turns names into runs, `column` reads what a column shows, `table` puts the rows together, `paired_test`
//! holds the candidates against the baseline, `flips` names the rows whose answer changed, `queries` the queries that moved;
//! `conventions` keeps ranking metrics of one name and two meanings apart.

mod column;
mod conventions;
mod flips;
mod paired_test;
mod queries;
mod request;
mod select;
mod table;

pub use column::{Column, direction};
pub use flips::{Flip, Flips};
pub use queries::{MovedDocument, QueryChange, QueryChanges};
pub use request::{Made, Request, Wish};
pub use select::{find_run, runs_of};
pub use table::{Outcome, Row, compare, differing};
