//! GitHub-flavoured Markdown: the one place where text from elsewhere becomes part of a document.
//!
//! Two rules keep everything else out. What a test or a branch has chosen stands in a code span or a
//! fence, where Markdown (<https://github.github.com/gfm/>) and GitHub's own filters (mentions, issue
//! and commit references, autolinks, emoji, mathematics) leave it alone; and of words outside of code
//! only those are left as they are that cannot mean anything to either.

use super::sentence::{Part, Sentence};
use super::visible;

/// A code span of one line.
pub(crate) fn inline_code(text: &str) -> String {
    let text = visible::line(text);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    // A parser takes one space off both ends if both have one.
    let both = text.starts_with(' ') && text.ends_with(' ') && !text.trim_matches(' ').is_empty();
    let space = if both || text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A name inside of HTML, where Markdown means nothing; GitHub's filters leave code alone there too.
pub(crate) fn html_code(text: &str) -> String {
    let text = visible::line(text);
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("<code>{escaped}</code>")
}

/// Words of one line. Every run of words that Markdown or GitHub could take for more than words
/// becomes a code span.
pub(crate) fn text(text: &str) -> String {
    let text = visible::line(text);
    let mut shown = String::with_capacity(text.len());
    let mut unsafe_words: Vec<&str> = Vec::new();
    let flush = |shown: &mut String, words: &mut Vec<&str>| {
        if !words.is_empty() {
            push_separated(shown, &inline_code(&words.join(" ")));
            words.clear();
        }
    };
    for (position, word) in text.split(' ').enumerate() {
        if word.is_empty() {
            continue;
        }
        if is_plain(
            word,
            shown.trim_start().is_empty() && unsafe_words.is_empty(),
        ) {
            flush(&mut shown, &mut unsafe_words);
            if position > 0 && !shown.ends_with(' ') {
                shown.push(' ');
            }
            shown.push_str(word);
        } else {
            if unsafe_words.is_empty() && position > 0 && !shown.ends_with(' ') {
                shown.push(' ');
            }
            unsafe_words.push(word);
        }
    }
    flush(&mut shown, &mut unsafe_words);
    if text.ends_with(' ') && !shown.is_empty() {
        shown.push(' ');
    }
    shown
}

pub(crate) fn sentence(sentence: &Sentence) -> String {
    let mut shown = String::new();
    // Words that meet may mean together what neither means alone.
    let mut met = String::new();
    for part in sentence.parts() {
        match part {
            Part::Words(words) => met += words,
            Part::Name(name) => {
                push_separated(&mut shown, &text(&std::mem::take(&mut met)));
                push_separated(&mut shown, &inline_code(name));
            }
        }
    }
    push_separated(&mut shown, &text(&met));
    shown
}

/// A block of code, with a fence longer than any inside.
pub(crate) fn fence(text: &str) -> String {
    let text = visible::lines(text);
    let fence = "`".repeat((longest_run(&text, '`') + 1).max(3));
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Inline Markdown inside of a table: in a table a pipe ends a cell even in code
/// (<https://github.github.com/gfm/#example-200>).
pub(crate) fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}

/// A line of a table.
pub(crate) fn row<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text.as_ref())).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A link around inline Markdown that holds no link; without the link if the address is odd.
pub(crate) fn link(markdown: &str, url: Option<&str>) -> String {
    match url {
        Some(url) if is_plain_url(url) => format!("[{markdown}]({url})"),
        _ => markdown.to_owned(),
    }
}

/// Text behind a fold; `summary` is ours and has no markup.
pub(crate) fn fold(summary: &str, body: &str) -> String {
    format!(
        "<details><summary>{summary}</summary>\n\n{}\n\n</details>\n",
        body.trim_end_matches('\n')
    )
}

pub(crate) fn is_plain_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#@%&=+,".contains(&byte))
    })
}

/// Two code spans side by side would become one.
fn push_separated(shown: &mut String, part: &str) {
    if shown.ends_with('`') && part.starts_with('`') {
        shown.push(' ');
    }
    shown.push_str(part);
}

/// A word of letters and digits, with the punctuation of prose around it, that neither Markdown nor
/// GitHub's filters can take for anything else.
///
/// The first word of a text may also begin a list.
fn is_plain(word: &str, first: bool) -> bool {
    if word
        .chars()
        .all(|character| "–…·%,;:.?()".contains(character))
    {
        return true;
    }
    let opened = word.trim_start_matches(['(', '"']);
    let core = opened.trim_end_matches([',', ';', ':', '.', '!', '?', ')', '"', '%', '…']);
    let tail = &opened[core.len()..];
    let characters: Vec<char> = core.chars().collect();
    let inner = |position: usize, character: char| {
        let between_digits = || {
            let digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
            position > 0 && digit(position - 1) && digit(position + 1)
        };
        match character {
            '.' | ',' | '/' => between_digits(),
            '\'' | '’' => position > 0,
            // `ABC-123` may be a reference to another tracker.
            '-' => {
                position > 0
                    && characters
                        .get(position + 1)
                        .is_some_and(|next| next.is_alphabetic())
            }
            _ => character.is_alphanumeric(),
        }
    };
    let starts_a_list = || {
        first
            && opened.len() == word.len()
            && core.chars().all(|character| character.is_ascii_digit())
            && tail.starts_with(['.', ')'])
    };
    // Seven digits of a hash are a reference to a commit.
    let is_a_hash =
        || core.len() >= 7 && core.chars().all(|character| character.is_ascii_hexdigit());
    characters
        .first()
        .is_some_and(|first| first.is_alphanumeric())
        && characters
            .iter()
            .enumerate()
            .all(|(position, character)| inner(position, *character))
        && !starts_a_list()
        && !is_a_hash()
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.chars()
        .fold((0, 0), |(longest, run), character| {
            let run = if character == wanted { run + 1 } else { 0 };
            (longest.max(run), run)
        })
        .0
}

/// The first line of a table; the last `numbers` columns are aligned to the right.
pub(super) fn table_head<T: AsRef<str>>(heads: &[T], numbers: usize) -> String {
    let left = heads.len() - numbers;
    let rule: String = (0..heads.len())
        .map(|at| if at < left { "---|" } else { "---:|" })
        .collect();
    format!("{}|{rule}\n", row(heads))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::gfm::{assert_no_reference, hostile, parsed};

    #[test]
    fn quotes_names_as_code() {
        assert_eq!(
            inline_code("tests/a.py::test_x[1]"),
            "`tests/a.py::test_x[1]`"
        );
        assert_eq!(inline_code("a`b"), "``a`b``");
        assert_eq!(inline_code("`"), "`` ` ``");
        assert_eq!(inline_code(" x "), "`  x  `");
        assert_eq!(inline_code("a\nb"), "`a\\nb`");
        assert_eq!(inline_code(""), "(empty)");
    }

    #[test]
    fn leaves_prose_alone() {
        let prose =
            "shard 3/6 (attempt 2) gave no results, though its job's re-run took 4.2s: 87.4%";
        assert_eq!(text(prose), prose);
        assert_eq!(text(" a – b … "), " a – b … ");
        assert_eq!(text("79.20 %, below"), "79.20 %, below");
        let said = Sentence::words("x (")
            .name("a b")
            .and("): ")
            .name("c")
            .and("; d");
        assert_eq!(sentence(&said), "x (`a b`): `c`; d");
        let met = Sentence::words("see :").and("tada: @").and("octocat");
        assert_eq!(sentence(&met), "see `:tada: @octocat`");
    }

    #[test]
    fn puts_into_code_what_is_no_prose() {
        assert_eq!(
            text("ask @octocat or see #12 now"),
            "ask `@octocat` or see `#12` now"
        );
        assert_eq!(
            text("below the 80 % of --cov-fail-under"),
            "below the 80 % of `--cov-fail-under`"
        );
        assert_eq!(text("<b>no way</b>"), "`<b>no way</b>`");
        assert_eq!(text("1. one"), "`1.` one");
        assert_eq!(
            text("www.example.com GH-12 deadbeef1"),
            "`www.example.com GH-12 deadbeef1`"
        );
        assert_eq!(text("a:tada: b_c"), "`a:tada: b_c`");
    }

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        assert_eq!(fence("a\n````\nb"), "`````text\na\n````\nb\n`````\n");
        assert_eq!(fence("x\n\n"), "```text\nx\n```\n");
    }

    #[test]
    fn links_only_to_plain_addresses() {
        assert_eq!(
            link("x", Some("https://h/o/r/blob/s/a%20b.py#L3")),
            "[x](https://h/o/r/blob/s/a%20b.py#L3)"
        );
        for odd in [
            "javascript:alert(1)",
            "https://h/a b",
            "https://h/)",
            "https://h/<",
            "https://",
        ] {
            assert_eq!(link("x", Some(odd)), "x");
        }
    }

    fn many() -> ProptestConfig {
        ProptestConfig {
            cases: 20_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_code_span_is_one_code_span_whatever_is_in_it(name in hostile()) {
            let seen = parsed(&format!("see {} there", inline_code(&name)));
            if visible::line(&name).is_empty() {
                prop_assert_eq!(seen.text.concat(), "see (empty) there");
                return Ok(());
            }
            prop_assert_eq!(&seen.kinds, &["code"]);
            prop_assert_eq!(&seen.code[0], &visible::line(&name));
            prop_assert_eq!(seen.text.concat(), "see  there");
        }

        #[test]
        fn text_has_nothing_but_words_and_code(words in hostile()) {
            for document in [text(&words), format!("- {}", text(&words)), format!("so {}\n", text(&words))] {
                let mut seen = parsed(&document);
                if document.starts_with("- ") {
                    seen.kinds.drain(..2);
                }
                prop_assert!(seen.kinds.iter().all(|kind| *kind == "code"), "{document:?}: {seen:?}");
                assert_no_reference(&seen.text);
            }
        }

        #[test]
        fn a_sentence_has_nothing_but_words_and_code(parts in proptest::collection::vec((any::<bool>(), hostile()), 0..5)) {
            let said = parts.into_iter().fold(Sentence::default(), |said, (name, part)| {
                if name { said.name(part) } else { said.and(part) }
            });
            let seen = parsed(&format!("so {}", sentence(&said)));
            prop_assert!(seen.kinds.iter().all(|kind| *kind == "code"), "{said:?}: {seen:?}");
            assert_no_reference(&seen.text);
        }

        #[test]
        fn a_fence_holds_everything(code in hostile(), after in hostile()) {
            let document = format!("{}\n{}\n", fence(&code), fence(&after));
            let seen = parsed(&document);
            prop_assert_eq!(&seen.kinds, &["fence", "fence"]);
            let shown = visible::lines(&code);
            prop_assert_eq!(seen.fences[0].trim_end_matches('\n'), shown.trim_end_matches('\n'));
        }

        #[test]
        fn a_table_keeps_its_rows_and_cells(a in hostile(), b in hostile()) {
            let document = [
                row(&["x", "y", "z"]),
                "|---|---|---|\n".to_owned(),
                row(&[inline_code(&a), text(&b), "1".to_owned()]),
                row(&[link(&inline_code(&b), Some("https://h/x")), inline_code(&a), "2".to_owned()]),
            ]
            .concat();
            let seen = parsed(&document);
            prop_assert_eq!((seen.count("row"), seen.count("cell"), seen.count("link")), (3, 9, 1), "{}", document);
            prop_assert_eq!(seen.count("code") + 1 + 3 + 9 + 1, seen.kinds.len(), "{:?}", seen);
            for name in [&a, &b].map(|name| visible::line(name)) {
                // Behind a backslash comrak keeps the one of the pipe; cmark-gfm, which is GitHub's, does not.
                let odd = name.is_empty() || name.contains("\\|");
                prop_assert!(odd || seen.code.contains(&name), "{name:?} in {seen:?}");
            }
            assert_no_reference(&seen.text);
        }
    }
}
