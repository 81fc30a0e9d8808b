//! Which sequences go through the network together.
//!
//! A group's sequences are packed one behind the other, without padding, so any lengths go together. They are sorted by
//! length (longest first, equal ones in the order given) all the same: the groups get small towards the end, and short
//! sequences cut finest. A group holds about [`MOST_TOKENS`] tokens, enough for the linear layers to run at full speed and
//! little enough for the caches; with several threads at most half of what is left for each of them, so that they
//! finish together. A sequence is never cut: a longer one is a group of its own.

/// Tokens of a group, about at most.
const MOST_TOKENS: usize = 512;
/// Tokens of a group, about at least, where there are as many: fewer make the linear layers wait for their weights.
const LEAST_TOKENS: usize = 64;

/// The groups, as indices into `lengths`, in the order in which they should be begun.
#[must_use]
pub fn groups(lengths: &[usize], n_threads: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<_> = (0..lengths.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(lengths[*at]));
    let mut left: usize = lengths.iter().sum();
    let mut groups = Vec::new();
    let mut rest = &*order;
    while let Some(first) = rest.first() {
        let share = if n_threads > 1 { left / (2 * n_threads) } else { left };
        let most = share.clamp(LEAST_TOKENS, MOST_TOKENS);
        let mut n_tokens = lengths[*first];
        let more = rest[1..].iter().take_while(|at| {
            n_tokens += lengths[**at];
            n_tokens <= most
        });
        let size = 1 + more.count();
        let (group, after) = rest.split_at(size);
        left -= group.iter().map(|at| lengths[*at]).sum::<usize>();
        groups.push(group.to_vec());
        rest = after;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    fn tokens(lengths: &[usize], group: &[usize]) -> usize {
        group.iter().map(|at| lengths[*at]).sum()
    }

    #[test]
    fn every_sequence_is_in_one_group_and_the_longest_come_first() {
        let lengths: Vec<usize> = (0..500).map(|at| 1 + at * 7919 % 200).collect();
        for n_threads in [1, 2, 7, 64] {
            let groups = groups(&lengths, n_threads);
            let order = groups.concat();
            assert!(order.is_sorted_by(|a, b| (lengths[*b], a) < (lengths[*a], b) || lengths[*b] < lengths[*a]));
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..500).collect::<Vec<_>>());
            assert!(groups.iter().all(|group| tokens(&lengths, group) <= 512));
        }
    }

    #[test]
    fn the_last_groups_are_small_where_threads_share_the_work() {
        let lengths = [16; 1000];
        let sizes = |n_threads| groups(&lengths, n_threads).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(1).first(), Some(&32));
        assert_eq!(sizes(4).first(), Some(&32));
        assert!(sizes(4).last() <= Some(&4));
        assert!(sizes(4).is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_long_sequence_is_a_group_of_its_own() {
        assert_eq!(groups(&[10, 9000, 20], 1), vec![vec![1], vec![2, 0]]);
        assert!(groups(&[], 4).is_empty());
    }
}
