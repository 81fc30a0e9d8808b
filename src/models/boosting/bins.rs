//! Finds the bins of a feature: at most `max_bin` intervals with about the same number of rows in each.
//!
//! The rules are those of LightGBM 4.7.0 (`BinMapper::FindBin`): zero has a bin of its own; the values below and above it
//! share the other bins in proportion to their rows; with few distinct values a bin ends between two of them once it
//! holds `min_data_in_bin` rows; otherwise a value that alone fills an average bin gets one for itself, and the others
//! are filled up to the average of what is left. A limit lies in the middle of two neighbouring values. LightGBM keeps
//! limits as f64; here they are rounded down to f32, which decides every f32 value alike.

/// Values this close to 0 are 0 (LightGBM's `kZeroThreshold`).
pub const ZERO: f32 = 1e-35;

/// How bins are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binning {
    /// The most bins of a feature, 2 to 255.
    pub max_bin: usize,
    /// The fewest rows of a bin.
    pub min_data_in_bin: usize,
    /// Limits are found on so many rows at most, drawn at random.
    pub sample: usize,
}

impl Default for Binning {
    fn default() -> Self {
        Self { max_bin: 255, min_data_in_bin: 3, sample: 200_000 }
    }
}

/// The bins of one feature: bin `b` holds the values above limit `b − 1`, up to and including limit `b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapper {
    /// Upper limits, ascending; the last is +∞.
    pub limits: Vec<f32>,
}

impl Mapper {
    /// The bin of a value.
    #[must_use]
    pub fn bin(&self, value: f32) -> u8 {
        // The last limit is +∞, so that every number finds a bin.
        self.limits.partition_point(|limit| *limit < value) as u8
    }

    /// Number of bins.
    #[must_use]
    pub fn n_bins(&self) -> usize {
        self.limits.len()
    }
}

/// A value and the number of rows that have it.
type Counted = (f64, usize);

/// The bins for `values`, the non-zero ones of `n_rows` rows; none when no threshold leaves `min_rows` on both sides.
///
/// `values` is sorted in place.
pub fn find(values: &mut [f32], n_rows: usize, binning: &Binning, min_rows: usize) -> Option<Mapper> {
    values.sort_unstable_by(f32::total_cmp);
    let distinct = distinct(values, n_rows - values.len());
    let limits = limits(&distinct, n_rows, binning);
    if limits.len() < 2 {
        return None;
    }
    let mapper = Mapper { limits: limits.into_iter().map(rounded_down).collect() };
    let mut counts = vec![0_usize; mapper.n_bins()];
    for (value, count) in &distinct {
        counts[mapper.bin(*value as f32) as usize] += count;
    }
    let mut below = 0;
    let useful = counts[..counts.len() - 1].iter().any(|count| {
        below += count;
        below >= min_rows && n_rows - below >= min_rows
    });
    useful.then_some(mapper)
}

/// The largest f32 that is not above `value`.
fn rounded_down(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

/// Sorted non-zero values and the number of zeros, counted.
fn distinct(values: &[f32], zeros: usize) -> Vec<Counted> {
    let mut found: Vec<Counted> = Vec::new();
    let mut last = f32::NEG_INFINITY;
    if values.first().is_none_or(|first| *first > 0.0 && zeros > 0) {
        found.push((0.0, zeros));
    }
    for value in values {
        match found.last_mut() {
            Some((_, count)) if *value == last => *count += 1,
            _ => {
                // Between the negative and the positive values zero stands even if no row has it.
                if last < 0.0 && *value > 0.0 && last > f32::NEG_INFINITY {
                    found.push((0.0, zeros));
                }
                found.push((f64::from(*value), 1));
            }
        }
        last = *value;
    }
    if values.last().is_some_and(|last| *last < 0.0 && zeros > 0) {
        found.push((0.0, zeros));
    }
    found
}

/// The upper limits, with zero in a bin of its own; the last is +∞.
fn limits(distinct: &[Counted], n_rows: usize, binning: &Binning) -> Vec<f64> {
    let zero = f64::from(ZERO);
    let left = &distinct[..distinct.partition_point(|(value, _)| *value <= -zero)];
    let right = &distinct[distinct.partition_point(|(value, _)| *value <= zero)..];
    let rows = |part: &[Counted]| part.iter().map(|(_, count)| count).sum::<usize>();
    let (in_left, in_right) = (rows(left), rows(right));
    let mut limits = Vec::new();
    if !left.is_empty() && binning.max_bin > 1 {
        let zeros = n_rows - in_left - in_right;
        let share = in_left as f64 / (n_rows - zeros) as f64 * (binning.max_bin - 1) as f64;
        limits = fill(left, (share as usize).max(1), in_left, binning.min_data_in_bin);
        if let Some(last) = limits.last_mut() {
            *last = -zero;
        }
    }
    let bins_left = (binning.max_bin - 1).saturating_sub(limits.len());
    if right.is_empty() || bins_left == 0 {
        limits.push(f64::INFINITY);
    } else {
        limits.push(zero);
        limits.extend(fill(right, bins_left, in_right, binning.min_data_in_bin));
    }
    limits
}

/// Adds the limit between two neighbouring values, unless it is the last one again.
fn push_between(limits: &mut Vec<f64>, low: f64, high: f64) -> bool {
    let limit = f64::midpoint(low, high).next_up();
    let is_new = limits.last().is_none_or(|last| limit > last.next_up());
    if is_new {
        limits.push(limit);
    }
    is_new
}

/// Cuts values, all of one sign, into at most `max_bin` bins.
fn fill(distinct: &[Counted], max_bin: usize, n_rows: usize, min_rows: usize) -> Vec<f64> {
    let mut limits = Vec::new();
    if distinct.len() <= max_bin {
        let mut in_bin = 0;
        for pair in distinct.windows(2) {
            in_bin += pair[0].1;
            if in_bin >= min_rows && push_between(&mut limits, pair[0].0, pair[1].0) {
                in_bin = 0;
            }
        }
    } else {
        for at in ends(distinct, max_bin, n_rows, min_rows) {
            push_between(&mut limits, distinct[at].0, distinct[at + 1].0);
        }
    }
    limits.push(f64::INFINITY);
    limits
}

/// The positions of the last values of all bins but the last one, where there are more values than bins.
fn ends(distinct: &[Counted], max_bin: usize, n_rows: usize, min_rows: usize) -> Vec<usize> {
    let max_bin = n_rows.checked_div(min_rows).map_or(max_bin, |most| max_bin.min(most).max(1));
    let average = n_rows as f64 / max_bin as f64;
    let is_big = |at: usize| distinct[at].1 as f64 >= average;
    let big = (0..distinct.len()).filter(|at| is_big(*at));
    let (n_big, in_big) = big.fold((0, 0), |(number, rows), at| (number + 1, rows + distinct[at].1));
    // These may pass below zero, and then mean what they mean in LightGBM: no average is reached any more.
    let (mut bins_left, mut rows_left) = (max_bin as f64 - f64::from(n_big), (n_rows - in_big) as f64);
    let mut mean = rows_left / bins_left;
    let (mut found, mut in_bin) = (Vec::new(), 0_usize);
    for (at, (_, count)) in distinct[..distinct.len() - 1].iter().enumerate() {
        if !is_big(at) {
            rows_left -= *count as f64;
        }
        in_bin += count;
        let filled = in_bin as f64;
        if is_big(at) || filled >= mean || (is_big(at + 1) && filled >= (mean * 0.5).max(1.0)) {
            found.push(at);
            if found.len() >= max_bin - 1 {
                break;
            }
            in_bin = 0;
            if !is_big(at) {
                bins_left -= 1.0;
                mean = rows_left / bins_left;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Binning = Binning { max_bin: 255, min_data_in_bin: 1, sample: 200_000 };

    #[test]
    fn few_values_have_limits_between_them_and_zero_is_alone() {
        let mapper = find(&mut [2.0, -1.0, 1.0, 1.0, -3.0], 8, &ALL, 1).unwrap();
        assert_eq!(mapper.limits, [-2.0, -ZERO, ZERO, 1.5, f32::INFINITY]);
        assert_eq!(
            [-9.0, -2.0, -1.9, 0.0, 1e-36, 1.0, 1.5, 1.6].map(|value| mapper.bin(value)),
            [0, 0, 1, 2, 2, 3, 3, 4]
        );
    }

    #[test]
    fn thresholds_that_leave_too_few_rows_make_a_feature_useless() {
        assert_eq!(find(&mut [], 10, &ALL, 1), None);
        assert_eq!(find(&mut [1.0; 3], 10, &ALL, 4), None);
        assert!(find(&mut [1.0; 3], 10, &ALL, 3).is_some());
        // Without zeros the bin of zero is empty, so one value cannot be split.
        assert_eq!(find(&mut [5.0; 10], 10, &ALL, 1), None);
    }

    #[test]
    fn frequent_values_get_bins_of_their_own() {
        let mut values: Vec<f32> = (1..=100).map(|value| value as f32).chain([50.0; 100]).collect();
        let binning = Binning { max_bin: 11, ..ALL };
        let mapper = find(&mut values, 200, &binning, 1).unwrap();
        assert!(mapper.n_bins() <= 11);

        assert!(mapper.bin(50.0) > mapper.bin(43.0) && mapper.bin(51.0) > mapper.bin(50.0));
    }

    #[test]
    fn limits_are_rounded_down() {
        // 0.5 + the f32 above it: the middle is no f32.
        let mapper = find(&mut [0.5, 0.5_f32.next_up()], 4, &ALL, 1).unwrap();
        assert_eq!(mapper.limits[1], 0.5);
        assert_eq!((mapper.bin(0.5), mapper.bin(0.5_f32.next_up())), (1, 2));
    }
}
