//! ROC: the rate of hits over the rate of false alarms, one curve a class, with the diagonal of chance.

use super::canvas::{Fault, HEAD, Look, Plane, REFERENCE, SIZE, Sheet, drawn, legend, look, mark, plane, unit};
use super::curves::Curve;
use crate::error::Result;

/// ROC curves of one set of rows.
#[derive(Debug, Clone, Copy)]
pub struct Roc<'a> {
    /// What stands above.
    pub title: &'a str,
    /// Rows and interval.
    pub subtitle: &'a str,
    /// The curves; one class of two has one.
    pub curves: &'a [Curve],
}

/// Draws ROC curves.
///
/// # Errors
/// `Failed` when plotters does.
pub fn roc(given: &Roc<'_>) -> Result<String> {
    let sheet = Sheet { title: given.title, subtitle: given.subtitle, size: SIZE };
    let axes = unit("false positive rate", "true positive rate");
    drawn(&sheet, |root| {
        let plane = plane(root, (4, HEAD), (372, 362), &axes)?;
        plane.line(&[(0.0, 0.0), (1.0, 1.0)], &REFERENCE)?;
        curves(&plane, given.curves)?;
        draw_labelled_curves(&plane, given.curves, "AUC", ("chance", 0.5))
    })
}

/// Draws curves with marks along them.
pub(super) fn curves(plane: &Plane<'_>, curves: &[Curve]) -> Result<(), Fault> {
    for (at, curve) in curves.iter().enumerate() {
        let look = look(at);
        plane.line(&curve.points, &look)?;
        let step = (curve.points.len() / 7).max(1);
        for point in curve.points.iter().skip(step / 2).step_by(step) {
            mark(plane.root(), plane.at(*point), &look)?;
        }
    }
    Ok(())
}

/// The legend at the right: each curve with its area, then the reference with its own.
pub(super) fn draw_labelled_curves(
    plane: &Plane<'_>,
    curves: &[Curve],
    what: &str,
    reference: (&str, f64),
) -> Result<(), Fault> {
    let entry = |(at, curve): (usize, &Curve)| (format!("{what} {:.3}  {}", curve.area, curve.name), look(at));
    let mut names: Vec<(String, Look)> = curves.iter().enumerate().map(entry).collect();
    names.push((format!("{what} {:.3}  {}", reference.1, reference.0), REFERENCE));
    legend(plane.root(), (392, HEAD + 10), 236, &names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::samples::{check, curve};

    #[test]
    fn one_curve_ten_curves_and_two_rows() {
        let ten: Vec<Curve> = (0..10).map(|at| curve(&format!("분류 <{at}> & \"따옴표\""), at)).collect();
        let two = [Curve { name: "가".into(), points: vec![(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], area: 1.0 }];
        for curves in [&ten[..], &ten[..1], &two[..], &[]] {
            let draw = || roc(&Roc { title: "ROC: 리뷰 <script>", subtitle: "n = 1,000", curves }).unwrap();
            let svg = check(draw);
            assert!(svg.contains("ROC: 리뷰 &lt;script&gt;"), "{svg}");
            assert_eq!(svg.matches("AUC").count(), curves.len() + 1);
        }
        let svg = check(|| roc(&Roc { title: "", subtitle: "", curves: &ten }).unwrap());
        assert!(svg.contains("분류 &lt;3&gt; &amp; &quot;따옴표&quot;"), "{svg}");
        assert!(svg.len() < 150_000, "{}", svg.len());
    }
}
