//! `.coveragerc`, setup.cfg and tox.ini, as Python's configparser reads them.

/// Sections in order, each with its options in order; names of options are in lower case.
pub(super) type Document = Vec<(String, Vec<(String, String)>)>;

/// # Errors
/// The line that belongs to nothing, counted from 1.
pub(super) fn parse(text: &str) -> Result<Document, usize> {
    let mut document = Document::new();
    let mut option: Option<(usize, String, Vec<&str>)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim();
        let indent = line.len() - line.trim_start().len();
        if content.starts_with(['#', ';']) {
            continue;
        }
        if let Some((level, _, values)) = &mut option
            && (content.is_empty() || indent > *level)
        {
            values.push(content);
            continue;
        }
        if content.is_empty() {
            continue;
        }
        close(&mut document, option.take());
        if let Some(name) = content
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            document.push((name.0.to_owned(), Vec::new()));
            continue;
        }
        let split = content.find(['=', ':']).filter(|_| !document.is_empty());
        let Some(at) = split else {
            return Err(number);
        };
        let name = content[..at].trim().to_lowercase();
        option = Some((indent, name, vec![content[at + 1..].trim()]));
    }
    close(&mut document, option);
    Ok(document)
}

fn close(document: &mut Document, option: Option<(usize, String, Vec<&str>)>) {
    if let (Some((_, options)), Some((_, name, values))) = (document.last_mut(), option) {
        options.push((name, values.join("\n").trim_end().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_configparser_reads() {
        let text = "# a\n[run]\nBranch = True\nomit =\n    a.py\n\n    # no\n    b.py ; kept\nsource: x\n\n[report]\n; b\nexclude_lines =\n  one = two\n  [three]\n";
        let document = parse(text).expect("settings");
        let expected = [
            (
                "run",
                vec![
                    ("branch", "True"),
                    ("omit", "\na.py\n\nb.py ; kept"),
                    ("source", "x"),
                ],
            ),
            ("report", vec![("exclude_lines", "\none = two\n[three]")]),
        ];
        let owned = expected.map(|(name, options)| {
            let options = options
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()));
            (name.to_owned(), options.collect::<Vec<_>>())
        });
        assert_eq!(document, owned);
        assert_eq!(parse("[a]\nnothing\n"), Err(2));
        assert_eq!(parse("a = 1\n"), Err(1));
    }
}
