//! Precision over recall, one curve a class, with the share of the class as the line of chance.

use super::canvas::{HEAD, REFERENCE, SIZE, Sheet, drawn, plane, unit};
use super::curves::Curve;
use super::roc::{curves, draw_labelled_curves};
use crate::error::Result;

/// Precision–recall curves of one set of rows.
#[derive(Debug, Clone, Copy)]
pub struct PrecisionRecall<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Rows and interval.
    pub subtitle: &'a str,
    /// The curves.
    pub curves: &'a [Curve],
    /// What a model that knows nothing reaches: the share of the class; of several classes the mean share.
    pub share: f64,
}

/// Draws precision–recall curves.
///
/// # Errors
/// `Failed` when plotters does.
pub fn precision_recall(given: &PrecisionRecall<'_>) -> Result<String> {
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: SIZE };
    let axes = unit("recall", "precision");
    drawn(&sheet, |root| {
        let plane = plane(root, (4, HEAD), (372, 362), &axes)?;
        plane.line(&[(0.0, given.share), (1.0, given.share)], &REFERENCE)?;
        curves(&plane, given.curves)?;
        draw_labelled_curves(&plane, given.curves, "AP", ("chance", given.share))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::{check, curve};

    #[test]
    fn curves_and_the_line_of_chance() {
        let given = [curve("긍정", 2)];
        let draw = || {
            let given = PrecisionRecall { title: "PR", subtitle: "n = 5", curves: &given, share: 0.25 };
            precision_recall(&given).unwrap()
        };
        let svg = check(draw);
        assert!(svg.contains("AP 0.250  chance") && svg.contains("긍정"), "{svg}");
    }
}
