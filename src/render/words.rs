//! Numbers, plurals, lists and durations as people read them, in one place.

/// `1,602`.
pub(crate) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 test`, `1,602 tests`; the noun is the singular of a word whose plural takes an `s`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// ` (+3)`, ` (-1)`, or nothing where nothing changed.
pub(crate) fn change(before: usize, now: usize) -> String {
    match now.cmp(&before) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!(" (+{})", number(now - before)),
        std::cmp::Ordering::Less => format!(" (-{})", number(before - now)),
    }
}

/// The same for per cents: ` (+0.3)`; a change that the figures would not show is none.
pub(crate) fn percent_change(before: f64, now: f64) -> String {
    let points = (10.0 * (now - before)).round() / 10.0;
    if points == 0.0 {
        return String::new();
    }
    format!(" ({points:+.1})")
}

/// Longer than any run; what claims more is a lie.
const MOST_SECONDS: f64 = 3.6e9;

/// `0.4ms`, `420ms`, `4.2s`, `42s`, `2m 3s`, `1h 2m`; the argument is in seconds.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = if seconds.is_nan() {
        0.0
    } else {
        seconds.clamp(0.0, MOST_SECONDS)
    };
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds < 0.00995 {
        return format!("{:.1}ms", seconds * 1e3);
    }
    if seconds < 0.9995 {
        return format!("{:.0}ms", seconds * 1e3);
    }
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let whole = whole(seconds);
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m {}s", whole / 60, whole % 60),
        _ => format!("{}h {}m", number(whole / 3600), whole % 3600 / 60),
    }
}

/// `87.4%`. As in coverage.py, 100 and 0 are only said where they are exact.
pub(crate) fn percent(percent: f64) -> String {
    let shown = match percent {
        p if p > 99.9 && p < 100.0 => 99.9,
        p if p > 0.0 && p < 0.1 => 0.1,
        p => p,
    };
    format!("{shown:.1}%")
}

/// The nearest whole number; 0 for what is none.
pub(crate) fn whole(number: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates when it becomes an integer"
    )]
    let whole = number.round() as usize;
    whole
}

/// As a float, for shares and bars.
pub(crate) fn float(count: usize) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of tests fit into an f64"
    )]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_thousands() {
        let shown = [0, 7, 999, 1000, 1602, 100_000, 1_234_567].map(number);
        assert_eq!(
            shown,
            ["0", "7", "999", "1,000", "1,602", "100,000", "1,234,567"]
        );
    }

    #[test]
    fn counts_one_in_the_singular() {
        assert_eq!(count(1, "test"), "1 test");
        assert_eq!(count(0, "test"), "0 tests");
        assert_eq!(count(1602, "test"), "1,602 tests");
    }

    #[test]
    fn tells_changes_with_their_sign() {
        assert_eq!(change(3, 3), "");
        assert_eq!(change(3, 1003), " (+1,000)");
        assert_eq!(change(3, 0), " (-3)");
        assert_eq!(percent_change(80.0, 80.04), "");
        assert_eq!(percent_change(80.0, 80.25), " (+0.3)");
        assert_eq!(percent_change(80.0, 79.0), " (-1.0)");
    }

    #[test]
    fn joins_a_list_as_in_speech() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn says_durations_in_two_units_at_most() {
        let shown = [
            0.0, 0.000_21, 0.009_94, 0.42, 0.9994, 0.9996, 4.24, 9.94, 9.96, 59.4, 59.6, 123.2,
            3599.6, 3725.0,
        ]
        .map(duration);
        assert_eq!(
            shown,
            [
                "0s", "0.2ms", "9.9ms", "420ms", "999ms", "1.0s", "4.2s", "9.9s", "10s", "59s",
                "1m 0s", "2m 3s", "1h 0m", "1h 2m"
            ]
        );
    }

    #[test]
    fn survives_durations_that_are_none() {
        assert_eq!(duration(f64::NAN), "0s");
        assert_eq!(duration(-3.0), "0s");
        assert_eq!(duration(f64::INFINITY), "1,000,000h 0m");
    }

    #[test]
    fn never_rounds_up_to_full_coverage() {
        let shown = [0.0, 0.01, 79.96, 99.96, 99.999, 100.0].map(percent);
        assert_eq!(shown, ["0.0%", "0.1%", "80.0%", "99.9%", "99.9%", "100.0%"]);
    }
}
