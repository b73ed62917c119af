//! Which format a report has, by how it begins.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `JUnit`, `NUnit`, xUnit.net or TRX: the root element tells. Also whatever is none of all.
    Xml,
    /// <https://testanything.org>
    Tap,
    /// A line of JSON for each event: <https://github.com/dart-lang/test/blob/master/pkgs/test/doc/json_reporter.md>
    Dart,
    /// <https://mochajs.org/#json>
    Mocha,
}

impl Format {
    /// `start` is the beginning of the text; 256 bytes are enough.
    pub(super) fn of(start: &[u8]) -> Self {
        let start = String::from_utf8_lossy(start);
        let start = start.trim_start_matches('\u{feff}').trim_start();
        let line = start.lines().next().unwrap_or_default();
        let has = |key: &str| start.contains(key);
        match start.chars().next() {
            Some('{') if has("\"protocolVersion\"") => Self::Dart,
            Some('{') if has("\"stats\"") => Self::Mocha,
            // Flutter begins with what is no event of a test.
            Some('[') if has("[{\"event\":") => Self::Dart,
            _ if is_tap(line) => Self::Tap,
            _ => Self::Xml,
        }
    }
}

fn is_tap(line: &str) -> bool {
    let plan = line.split_once("..").is_some_and(|(one, rest)| {
        one == "1" && rest.starts_with(|digit: char| digit.is_ascii_digit())
    });
    plan || ["TAP version ", "ok ", "not ok ", "# Subtest"]
        .iter()
        .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_formats_apart_by_content() {
        for (start, expected) in [
            ("<?xml version='1.0'?><testsuite/>", Format::Xml),
            ("\u{feff}  TAP version 13\n", Format::Tap),
            ("1..4\nok 1\n", Format::Tap),
            ("1..a\n", Format::Xml),
            ("not ok 1 - a\n", Format::Tap),
            ("okay\n", Format::Xml),
            (
                "{\"protocolVersion\":\"0.1.1\",\"type\":\"start\"}",
                Format::Dart,
            ),
            (
                "[{\"event\":\"test.startedProcess\"}]\n{\"protocolVersion\"",
                Format::Dart,
            ),
            ("{\n  \"stats\": {\n    \"suites\": 1", Format::Mocha),
            ("{\"meta\": {}}", Format::Xml),
            ("", Format::Xml),
        ] {
            assert_eq!(Format::of(start.as_bytes()), expected, "{start}");
        }
    }
}
