//! The calibration error in words, for reports and model cards.

use crate::metrics::Reliability;

/// The calibration error beside what chance alone makes of it.
#[must_use]
pub fn ece(found: &Reliability) -> String {
    let ece = format!("Expected calibration error {:.4} over {} bins of equal count", found.ece, found.bins.len());
    match &found.null {
        Some(null) => format!(
            "{ece}; a perfectly calibrated model would show {:.4} on average and at most {:.4} in 95 of 100 cases.",
            null.mean, null.high
        ),
        None => format!("{ece}."),
    }
}
