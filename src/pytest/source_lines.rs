//! The logical lines of a Python source, without comments and without what stands in strings.
//!
//! Not a parser: it reads any bytes once, from the start to the end, and goes on after anything it
//! does not understand.

/// One logical line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Columns, a tab reaching to the next multiple of eight.
    pub(crate) indent: usize,
    /// The code; every string in it is `""`.
    pub(crate) code: &'a [u8],
    /// Whether it starts with a string that holds an example of doctest.
    pub(crate) doctest: bool,
}

/// Hands every logical line that is not empty to `sink`.
pub(crate) fn logical_lines(source: &[u8], mut sink: impl FnMut(Line<'_>)) {
    let mut code = Vec::new();
    let mut at = if source.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    while at < source.len() {
        let indent = indentation(source, &mut at);
        code.clear();
        let mut depth = 0_usize;
        let mut doctest = false;
        while let Some(&byte) = source.get(at) {
            match byte {
                b'\n' if depth == 0 => {
                    at += 1;
                    break;
                }
                // A bracket that is still open here was only thought to be one.
                b'\n' if starts_a_statement(&source[at + 1..]) => {
                    at += 1;
                    break;
                }
                b'\n' | b'\r' => {
                    code.push(b' ');
                    at += 1;
                }
                b'\\' => {
                    code.push(b' ');
                    at += 1 + usize::from(source.get(at + 1) == Some(&b'\r'));
                    at += usize::from(source.get(at) == Some(&b'\n'));
                }
                b'#' => {
                    at += source[at..]
                        .iter()
                        .position(|b| *b == b'\n')
                        .unwrap_or(source.len() - at);
                }
                b'"' | b'\'' => {
                    let string = string(&source[at..]);
                    doctest |= is_prefix(&code) && has_doctest(string);
                    code.extend_from_slice(b"\"\"");
                    at += string.len();
                }
                _ => {
                    match byte {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    code.push(byte);
                    at += 1;
                }
            }
        }
        let code = code.trim_ascii();
        if !code.is_empty() {
            sink(Line {
                indent,
                code,
                doctest,
            });
        }
    }
}

fn indentation(source: &[u8], at: &mut usize) -> usize {
    let mut indent = 0;
    while let Some(byte) = source.get(*at) {
        match byte {
            b' ' => indent += 1,
            b'\t' => indent = (indent / 8 + 1) * 8,
            b'\x0c' => indent = 0,
            _ => break,
        }
        *at += 1;
    }
    indent
}

fn starts_a_statement(line: &[u8]) -> bool {
    [&b"def "[..], b"class ", b"async def ", b"@", b"import "]
        .iter()
        .any(|word| line.starts_with(word))
}

/// The string literal at the start, with its quotes; a string of one line ends with its line at
/// the latest.
fn string(source: &[u8]) -> &[u8] {
    let quote = source[0];
    let triple = source.get(1) == Some(&quote) && source.get(2) == Some(&quote);
    let mut at = if triple { 3 } else { 1 };
    while let Some(&byte) = source.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' if !triple => return &source[..at],
            _ if byte == quote && !triple => return &source[..=at],
            _ if byte == quote && source[at..].starts_with(&[quote; 3]) => {
                return &source[..at + 3];
            }
            _ => {}
        }
        at += 1;
    }
    source
}

/// Whether a string that comes next is the first thing of its line.
fn is_prefix(code: &[u8]) -> bool {
    code.len() <= 2 && code.iter().all(|byte| b"rRuU".contains(byte))
}

fn has_doctest(string: &[u8]) -> bool {
    string.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii_start();
        let line = line
            .strip_prefix(b"\"\"\"")
            .or(line.strip_prefix(b"'''"))
            .unwrap_or(line);
        line.trim_ascii_start().starts_with(b">>> ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(source: &str) -> Vec<(usize, String, bool)> {
        let mut lines = Vec::new();
        logical_lines(source.as_bytes(), |line| {
            lines.push((
                line.indent,
                String::from_utf8_lossy(line.code).into_owned(),
                line.doctest,
            ));
        });
        lines
    }

    #[test]
    fn strings_and_comments_leave_no_code_behind() {
        let source = "x = 'def a' # def b\n\"\"\"\ndef c\n\\\"\"\" def d\n\"\"\"\n\n  # e\ny = r'\\'' 'z\nw\n";
        let code: Vec<_> = lines(source).into_iter().map(|(_, code, _)| code).collect();
        assert_eq!(code, ["x = \"\"", "\"\"", "y = r\"\" \"\"", "w"]);
    }

    #[test]
    fn a_line_goes_on_in_brackets_and_after_a_backslash() {
        let code: Vec<_> = lines("f(1,\n  2)\na \\\r\n  b\n\tc\n")
            .into_iter()
            .collect();
        assert_eq!(code[0].1, "f(1,   2)");
        assert_eq!(code[1].1, "a    b");
        assert_eq!((code[2].0, code[2].1.as_str()), (8, "c"));
    }

    #[test]
    fn a_bracket_that_never_closes_takes_no_function_with_it() {
        assert_eq!(
            lines("x = f\"{a[\"(\"]}\"; y = (\ndef test(): pass\n").len(),
            2
        );
    }

    #[test]
    fn finds_doctests_only_in_docstrings() {
        assert!(lines("\"\"\"\n  >>> 1\n\"\"\"")[0].2);
        assert!(lines("r''' >>> 1'''")[0].2);
        assert!(!lines("x = ''' >>> 1'''")[0].2);
        assert!(!lines("'''a >>> 1'''")[0].2);
    }
}
