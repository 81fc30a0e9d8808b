//! Which lists come when: the order of an epoch, and how a batch is cut into groups.
//!
//! Both depend on the seed, the epoch and the data alone. A group has about 200 documents: enough for the matrix products to
//! run at full speed, few enough that its numbers stay in the second-level cache, and there are enough groups for the threads.

use rand::Rng as _;

use crate::stats::generator::generator;

/// Documents that a group aims at.
const AIM: usize = 200;
/// Groups at most: each has a gradient of its own.
const MOST: usize = 64;

/// The order of the lists in an epoch: drawn anew each time (Fisher and Yates).
#[must_use]
pub fn shuffled(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut random = generator(*b"listsord", seed, epoch);
    for last in (1..n).rev() {
        // The high half of a 64 × 64-bit product: a whole number below last + 1.
        let other = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, other as usize);
    }
    order
}

/// Cuts a batch into groups of whole lists with about as many documents each.
#[must_use]
pub fn divided(batch: &[usize], n_documents: impl Fn(usize) -> usize) -> Vec<&[usize]> {
    let total: usize = batch.iter().map(|list| n_documents(*list)).sum();
    let wanted = total.div_ceil(AIM).next_multiple_of(2).min(MOST).min(batch.len()).max(1);
    let (mut groups, mut rest, mut seen) = (Vec::with_capacity(wanted), batch, 0);
    for group in 1..=wanted {
        let end = total * group / wanted;
        let mut n_lists = 0;
        // A list belongs where its middle lies.
        while n_lists < rest.len() && seen + n_documents(rest[n_lists]) / 2 < end {
            seen += n_documents(rest[n_lists]);
            n_lists += 1;
        }
        let n_lists = if group == wanted { rest.len() } else { n_lists };
        let (here, after) = rest.split_at(n_lists);
        if !here.is_empty() {
            groups.push(here);
        }
        rest = after;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{divided, shuffled};

    #[test]
    fn an_epoch_holds_each_list_once_in_its_own_order() {
        let mut order = shuffled(100, 1, 2);
        assert_ne!(order, shuffled(100, 1, 3));
        assert_ne!(order, shuffled(100, 2, 2));
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn groups_are_even_and_whole() {
        let batch: Vec<usize> = (0..16).collect();
        assert_eq!(divided(&batch, |_| 100).iter().map(|group| group.len()).collect::<Vec<_>>(), [2; 8]);
        assert_eq!(divided(&batch, |_| 20).iter().map(|group| group.len()).collect::<Vec<_>>(), [8; 2]);
        let uneven = |list: usize| if list == 3 { 5000 } else { 1 };
        let groups = divided(&batch, uneven);
        assert_eq!(groups.concat(), batch);
        assert_eq!(divided(&batch[..1], |_| 1), [[0]]);
    }
}
