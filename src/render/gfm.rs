//! A parser of GitHub's Markdown as the judge of ours, and text that tries to break it.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;

/// What a document is made of, as a GFM parser sees it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Kinds of nodes in the order of the document, without text and line breaks.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) code: Vec<String>,
    pub(crate) fences: Vec<String>,
    pub(crate) html: Vec<String>,
    pub(crate) urls: Vec<String>,
    pub(crate) text: Vec<String>,
}

impl Parsed {
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.kinds.iter().filter(|seen| **seen == kind).count()
    }
}

/// GitHub's dialect, everything that GitHub understands switched on.
pub(crate) fn parsed(markdown: &str) -> Parsed {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.alerts = true;
    options.extension.shortcodes = true;
    let arena = Arena::new();
    let mut seen = Parsed::default();
    for node in parse_document(&arena, markdown, &options).descendants() {
        let value = &node.data.borrow().value;
        let kind = match value {
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::SoftBreak
            | NodeValue::LineBreak => continue,
            NodeValue::Text(text) => {
                seen.text.push(text.to_string());
                continue;
            }
            NodeValue::Code(code) => {
                seen.code.push(code.literal.clone());
                "code"
            }
            NodeValue::CodeBlock(block) => {
                assert!(block.fenced, "indented code in {markdown:?}");
                seen.fences.push(block.literal.clone());
                "fence"
            }
            NodeValue::HtmlBlock(html) => {
                seen.html.push(html.literal.clone());
                "html"
            }
            NodeValue::HtmlInline(html) => {
                seen.html.push(html.clone());
                "html"
            }
            NodeValue::Link(link) => {
                seen.urls.push(link.url.clone());
                "link"
            }
            NodeValue::Heading(_) => "heading",
            NodeValue::Table(_) => "table",
            NodeValue::TableRow(_) => "row",
            NodeValue::TableCell => "cell",
            NodeValue::List(_) => "list",
            NodeValue::Item(_) => "item",
            NodeValue::Strong => "strong",
            _ => "other",
        };
        seen.kinds.push(kind);
    }
    seen
}

/// What GitHub's own filters look for in text outside of code.
pub(crate) fn assert_no_reference(text: &[String]) {
    let whole = text.join("\u{0}");
    for hostile in [
        "@", "#", "://", "www.", "<", ">", "[", "]", "$", "`", "*", "_", "~", "|", "\\", "&",
    ] {
        assert!(!whole.contains(hostile), "{hostile} in {whole:?}");
    }
}

pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "`",
        "``",
        "```",
        "~~~",
        "|",
        "\\",
        "\\|",
        "\n",
        "\r",
        "\r\n",
        "\t",
        " ",
        "    ",
        "@octocat",
        "@a/b",
        "#12",
        "GH-12",
        "a/b#1",
        "a@b.c",
        "JIRA-1",
        "0123456789abcdef",
        "<script>",
        "<!--",
        "-->",
        "</details>",
        "<details>",
        "<img src=x>",
        "[l](http://e)",
        "![i](http://e)",
        "[^1]",
        "[x]: http://e",
        "http://e.com/x",
        "https://",
        "www.e.com",
        "mailto:a@b.c",
        ":tada:",
        "$x$",
        "$`x`$",
        "$$",
        "# h",
        "===",
        "---",
        "- x",
        "+ x",
        "* x",
        "1. x",
        "2) x",
        "> q",
        "> [!NOTE]",
        "**b**",
        "_e_",
        "~~s~~",
        "&amp;",
        "&#64;",
        "&lt;",
        "\u{1b}[31m",
        "\u{1b}]8;;http://e\u{7}",
        "\u{0}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\u{e0041}",
        "😀",
        "é",
        "word",
        "[ ]",
        "- [x]",
        "]]>",
        "]]",
        "|---|",
        "::error::x",
        "\u{2028}",
        "\u{85}",
        "\u{c}",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[ -~]{1,6}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}
