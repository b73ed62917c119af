//! A horizontal bar of block characters.

use super::words;

const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A bar of `share` (0 to 1) of so many columns, in eighths of a column; as wide as its share.
pub(crate) fn bar(share: f64, columns: usize) -> String {
    let share = if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    };
    let eighths = words::whole(share * words::float(columns * 8));
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

/// The same, filled up with spaces to all its columns.
pub(crate) fn padded(share: f64, columns: usize) -> String {
    let bar = bar(share, columns);
    let missing = columns - bar.chars().count();
    bar + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_wide_as_its_share() {
        assert_eq!(bar(0.5, 10), "█████");
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(0.55, 10), "█████▌");
        assert_eq!(padded(0.25, 4), "█   ");
        assert_eq!(bar(f64::NAN, 4), "");
        assert_eq!(padded(7.0, 2), "██");
    }
}
