//! The confusion matrix: rows by true class and predicted class, as counts and as shares of the true class.
//!
//! Shade follows the share; the numbers stand in the cells, so that nothing depends on the shade. Beyond `MOST` classes
//! the most frequent ones are shown, the others together as one.

use plotters::style::{RGBColor, WHITE};

use super::canvas::{
    Area, EDGE, Fault, GREY, HEAD, INK, MIDDLE, RIGHT, Sheet, Style, drawn, filled, fitted, int, plain, px, text,
    upright, width_of,
};
use crate::error::Result;
use crate::report::numbers::count;

/// The most classes that have a row of their own.
const MOST: usize = 12;

/// A confusion matrix.
#[derive(Debug, Clone, Copy)]
pub struct Confusion<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Rows, accuracy.
    pub subtitle: &'a str,
    /// The class names.
    pub labels: &'a [String],
    /// Rows by true class (first index) and predicted class.
    pub counts: &'a [Vec<usize>],
}

/// The matrix with at most `MOST` classes: the rarer ones joined.
fn joined(labels: &[String], counts: &[Vec<usize>]) -> (Vec<String>, Vec<Vec<usize>>) {
    let n = labels.len();
    if n <= MOST {
        return (labels.to_vec(), counts.to_vec());
    }
    let mut order: Vec<usize> = (0..n).collect();
    let support = |class: usize| counts[class].iter().sum::<usize>();
    order.sort_by_key(|class| (std::cmp::Reverse(support(*class)), *class));
    let mut place = vec![MOST - 1; n];
    let mut own = order[..MOST - 1].to_vec();
    own.sort_unstable();
    own.iter().enumerate().for_each(|(at, class)| place[*class] = at);
    let mut matrix = vec![vec![0; MOST]; MOST];
    for (truth, row) in counts.iter().enumerate() {
        for (predicted, rows) in row.iter().enumerate() {
            matrix[place[truth]][place[predicted]] += rows;
        }
    }
    let mut names: Vec<String> = own.iter().map(|class| labels[*class].clone()).collect();
    names.push(format!("({} others)", n - own.len()));
    (names, matrix)
}

/// White to blue, by share.
fn shade(share: f64) -> RGBColor {
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    RGBColor(mix(247.0, 0.0), mix(250.0, 92.0), mix(253.0, 152.0))
}

/// Where the cells lie, in pixels of the sheet.
struct Cells {
    left: i32,
    top: i32,
    cell: (i32, i32),
}

/// Draws a confusion matrix.
///
/// # Errors
/// `Failed` when plotters does.
pub fn confusion(given: &Confusion<'_>) -> Result<String> {
    let (labels, counts) = joined(given.labels, given.counts);
    let n = int(labels.len().max(1));
    let widest = labels.iter().map(|label| width_of(label, 11.5)).max().unwrap_or(0);
    let name = widest.clamp(px(40), px(150));
    let cell = ((600 / n).clamp(44, 110), (320 / n).clamp(30, 64));
    let turned = widest > px(cell.0 - 6);
    let foot = if turned { name.min(px(120)) } else { px(20) };
    let height = HEAD + 12 + cell.1 * n + foot / 2 + 34;
    let wide = (EDGE + 24 + name / 2 + 10 + cell.0 * n + EDGE).max(440);
    let cells = Cells { left: px(EDGE + 24) + name + px(10), top: px(HEAD + 10), cell: (px(cell.0), px(cell.1)) };
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: (wide, height) };
    drawn(&sheet, |root| {
        let middle = cells.top + cells.cell.1 * n / 2;
        upright(root, (px(EDGE + 6), middle), "true class", plain(12.0), MIDDLE)?;
        for (at, label) in labels.iter().enumerate() {
            let along = int(at);
            let y = cells.top + cells.cell.1 * along + cells.cell.1 / 2;
            text(root, (cells.left - px(8), y), &fitted(label, 11.5, name), plain(11.5), RIGHT)?;
            let x = cells.left + cells.cell.0 * along + cells.cell.0 / 2;
            let below = cells.top + cells.cell.1 * n;
            if turned {
                upright(root, (x, below + px(6)), &fitted(label, 11.5, foot), plain(11.5), RIGHT)?;
            } else {
                text(root, (x, below + px(12)), &fitted(label, 11.5, cells.cell.0), plain(11.5), MIDDLE)?;
            }
            numbers(root, &cells, at, &counts[at])?;
        }
        let x = cells.left + cells.cell.0 * n / 2;
        text(root, (x, px(height - 14)), "predicted class", plain(12.0), MIDDLE)
    })
}

/// One row of cells: the counts, and their shares where there is room.
fn numbers(root: &Area<'_>, cells: &Cells, row: usize, counts: &[usize]) -> Result<(), Fault> {
    let whole: usize = counts.iter().sum();
    for (column, rows) in counts.iter().enumerate() {
        let share = if whole == 0 { 0.0 } else { *rows as f64 / whole as f64 };
        let x = cells.left + cells.cell.0 * int(column);
        let y = cells.top + cells.cell.1 * int(row);
        filled(root, (x, y), (x + cells.cell.0 - 2, y + cells.cell.1 - 2), &shade(share))?;
        let colour = if share > 0.55 { WHITE } else { INK };
        let style = |size: f64| Style { colour, ..plain(size) };
        let (middle, y) = (x + cells.cell.0 / 2, y + cells.cell.1 / 2);
        let told = count(*rows);
        let size = if width_of(&told, 13.0) < cells.cell.0 - px(4) { 13.0 } else { 9.0 };
        if cells.cell.1 >= px(38) {
            text(root, (middle, y - px(8)), &told, style(size), MIDDLE)?;
            let colour = if share > 0.55 { WHITE } else { GREY };
            let percent = if whole == 0 { "–".into() } else { format!("{:.1} %", 100.0 * share) };
            text(root, (middle, y + px(9)), &percent, Style { colour, ..plain(10.5) }, MIDDLE)?;
        } else {
            text(root, (middle, y), &told, style(size.min(11.0)), MIDDLE)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::check;

    fn matrix(n: usize) -> (Vec<String>, Vec<Vec<usize>>) {
        let labels = (0..n).map(|at| format!("아주 긴 한국어 분류 이름 {at} <b>")).collect();
        let counts = (0..n).map(|t| (0..n).map(|p| if t == p { 100 * (n - t) } else { t + p }).collect()).collect();
        (labels, counts)
    }

    #[test]
    fn two_ten_and_many_classes() {
        for n in [1, 2, 10, 30] {
            let (labels, counts) = matrix(n);
            let given = Confusion { title: "혼동 행렬", subtitle: "n", labels: &labels, counts: &counts };
            let svg = check(|| confusion(&given).unwrap());
            assert_eq!(svg.contains("others)"), n > MOST, "{n}");
            assert!(!svg.contains("<b>"));
        }
        let (labels, counts) = matrix(30);
        let (names, matrix) = joined(&labels, &counts);
        assert_eq!((names.len(), names[11].as_str()), (12, "(19 others)"));
        let sum = |counts: &[Vec<usize>]| counts.iter().flatten().sum::<usize>();
        assert_eq!(sum(&matrix), sum(&counts));
    }

    #[test]
    fn a_class_without_rows_has_no_share() {
        let labels = ["a".to_owned(), "b".to_owned()];
        let given = Confusion { title: "", subtitle: "", labels: &labels, counts: &[vec![2, 0], vec![0, 0]] };
        assert!(check(|| confusion(&given).unwrap()).contains('–'));
    }
}
