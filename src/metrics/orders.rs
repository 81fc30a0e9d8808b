//! Rows in the order of a class's probability, for the metrics that read nothing else.
//!
//! Two classes have one order, that of the positive class; more have one per class, each class against the rest.
//! A bootstrap replicate changes how often rows count, never their order: so the order is sorted once (`orders`, held
//! by `Scored::orders`), and a replicate is a walk over it in O(n).

use std::borrow::Cow;
use std::ops::Range;

use crate::metrics::metric::{Scored, Value, View};
use crate::stats::ranks::descending;

/// The classes that are ranked: the positive one where there is one, else all.
fn ranked(n_classes: usize, view: View) -> Range<usize> {
    view.positive(n_classes).map_or(0..n_classes, |positive| positive..positive + 1)
}

/// The rows from the highest to the lowest probability, one order of n rows after the other for each ranked class.
#[must_use]
pub fn orders(probabilities: &[f64], n_classes: usize) -> Vec<u32> {
    orders_seen(probabilities, n_classes, View::default())
}

/// The same for another positive class or average.
#[must_use]
pub fn orders_seen(probabilities: &[f64], n_classes: usize, view: View) -> Vec<u32> {
    ranked(n_classes, view).flat_map(|class| order(probabilities, n_classes, class)).collect()
}

fn order(probabilities: &[f64], n_classes: usize, class: usize) -> Vec<u32> {
    descending(probabilities.chunks_exact(n_classes).map(|row| row[class]))
}

/// The mean over the ranked classes of a value of their tie groups.
///
/// # Errors
/// `no rows`; and where `value` has none: `undefined` for one ranked class, for more what is missing among the rows.
pub(super) fn over_classes(
    scored: &Scored<'_>,
    undefined: &'static str,
    value: impl Fn(TieGroups<'_>) -> Option<f64>,
) -> Value {
    let (rows, classes) = (scored.truth.len(), ranked(scored.n_classes, scored.view));
    let one_class = classes.len() == 1;
    let mut counted = (0..rows).filter(|row| scored.count(*row) > 0).map(|row| scored.truth[row]);
    let first = counted.next().ok_or("no rows")?;
    let mut sum = 0.0;
    for (at, class) in classes.clone().enumerate() {
        let order = match scored.orders {
            Some(orders) => Cow::Borrowed(&orders[at * rows..(at + 1) * rows]),
            None => Cow::Owned(order(scored.probabilities, scored.n_classes, class)),
        };
        sum += match value(TieGroups { scored, class, order: &order }) {
            Some(value) => value,
            None if one_class => return Err(undefined),
            None if counted.all(|class| class == first) => return Err("1 class"),
            None => return Err("a class without rows"),
        };
    }
    Ok(sum / classes.len() as f64)
}

/// Groups of rows of equal probability, highest first: `(rows of the class, other rows)`.
pub(super) struct TieGroups<'a> {
    scored: &'a Scored<'a>,
    class: usize,
    order: &'a [u32],
}

impl Iterator for TieGroups<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        let probability = |row: u32| self.scored.probabilities[row as usize * self.scored.n_classes + self.class];
        let level = probability(*self.order.first()?);
        let (mut group, mut size) = ((0, 0), 0);
        // The order descends, so whatever is not below the first is equal to it.
        for row in self.order {
            if probability(*row) < level {
                break;
            }
            let count = self.scored.count(*row as usize);
            if self.scored.truth[*row as usize] == self.class {
                group.0 += count;
            } else {
                group.1 += count;
            }
            size += 1;
        }
        self.order = &self.order[size..];
        Some(group)
    }
}
