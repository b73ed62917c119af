//! Percentages as coverage.py shows and judges them (`coverage/results.py`).

/// A percentage without its sign; 0 and 100 only for exactly that.
pub(crate) fn display(percent: f64, precision: usize) -> String {
    let least = 1.0 / 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    let shown = match percent {
        low if 0.0 < low && low < least => least,
        high if 100.0 - least < high && high < 100.0 => 100.0 - least,
        other => other,
    };
    format!("{shown:.precision$}")
}

/// What to say if `total` is below the threshold, both in per cent. It is compared with as many
/// digits as are shown, or as the threshold has.
pub(crate) fn too_low(total: f64, threshold: f64, precision: usize) -> Option<String> {
    let text = threshold.to_string();
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let precision = precision.max(digits);
    let rounded = format!("{total:.precision$}");
    let full = threshold >= 100.0;
    let fails = if full {
        total < 100.0
    } else {
        rounded.parse().is_ok_and(|total: f64| total < threshold)
    };
    let shown = if full {
        display(total, precision)
    } else {
        rounded
    };
    fails.then(|| format!("{shown} % is less than {threshold:.precision$} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_0_and_100_only_what_is() {
        let shown =
            [0.0, 0.1, 0.5, 1.5, 2.5, 98.6, 99.6, 99.99, 100.0].map(|percent| display(percent, 0));
        assert_eq!(shown, ["0", "1", "1", "2", "2", "99", "99", "99", "100"]);
        let shown = [0.001, 33.333_333, 99.999, 66.665].map(|percent| display(percent, 2));
        // Python: coverage.results.display_covered(…, 2)
        assert_eq!(shown, ["0.01", "33.33", "99.99", "66.67"]);
    }

    #[test]
    fn a_threshold_is_met_as_far_as_digits_are_shown() {
        assert_eq!(too_low(79.6, 80.0, 0), None);
        assert_eq!(
            too_low(79.6, 80.0, 1).as_deref(),
            Some("79.6 % is less than 80.0 %")
        );
        assert_eq!(
            too_low(79.94, 79.95, 0).as_deref(),
            Some("79.94 % is less than 79.95 %")
        );
        assert_eq!(
            too_low(99.999, 100.0, 0).as_deref(),
            Some("99 % is less than 100 %")
        );
        assert_eq!(too_low(100.0, 100.0, 0), None);
    }
}
