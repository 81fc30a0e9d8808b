//! `retrain`: newest rows → candidates → gate → production → smoke test, as a state machine that cron may run for years.
//!
//! `state` is what is known of a period's retrain, saved after each step; `begin` finds it, `work` goes from the first
//! step that is not done to the end, `run` is the verb, `request` and `outcome` what it is asked and what came of it. Each step may be cut short at any moment and done again: what it
//! changes outside the state is atomic and recognised when it is there already. `trigger` says whether there is anything
//! to do, `extract` takes the rows, `validate` looks at them, `train` trains the candidates, `decide` holds the best
//! against production and publishes it, `finish` proves that it serves, or rolls back, and prunes, `tell` writes numbers
//! and notices, `plan` says what would be done.

mod begin;
mod decide;
mod extract;
mod finish;
mod outcome;
mod period;
mod plan;
mod request;
mod run;
mod state;
mod tell;
mod train;
mod trigger;
mod validate;
mod work;

pub use extract::Extracted;
pub use outcome::Outcome;
pub use plan::{Plan, PlannedStep};
pub use request::Request;
pub use run::retrain;
pub use state::{Conclusion, Decided, End, Ended, Pruned, State, Trained, Validated, Verified};
pub use trigger::Triggered;
