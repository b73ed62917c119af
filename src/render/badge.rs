//! Badges: a small picture, and the JSON from which shields.io draws one
//! (<https://shields.io/badges/endpoint-badge>).

use serde::Serialize;
use unicode_width::UnicodeWidthChar as _;

use super::view::View;
use super::words;

/// The stems of all files that there may be.
pub(crate) const NAMES: [&str; 2] = ["tests", "coverage"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Badge {
    /// One of [`NAMES`].
    pub(crate) name: &'static str,
    message: String,
    colour: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Green,
    LightGreen,
    Yellow,
    Orange,
    Red,
}

impl Colour {
    /// By shields.io, and in the picture.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Green => ("brightgreen", "#2c8a45"),
            Self::LightGreen => ("green", "#5f8f1d"),
            Self::Yellow => ("yellow", "#97760b"),
            Self::Orange => ("orange", "#b35c12"),
            Self::Red => ("red", "#c7303d"),
        }
    }

    fn of_percent(percent: f64) -> Self {
        match percent {
            p if p >= 90.0 => Self::Green,
            p if p >= 80.0 => Self::LightGreen,
            p if p >= 65.0 => Self::Yellow,
            p if p >= 50.0 => Self::Orange,
            _ => Self::Red,
        }
    }
}

/// `tests`, and `coverage` where there is one.
pub(crate) fn badges(view: &View<'_>) -> Vec<Badge> {
    let totals = view.totals;
    let bad = totals.failed + totals.error;
    let message = match (totals.all(), bad, totals.lost) {
        (0, _, _) => "none".to_owned(),
        (_, 0, 0) => format!("{} passed", words::number(totals.passed + totals.flaky)),
        (_, bad, 0) => format!("{} failed", words::number(bad)),
        (_, 0, lost) => format!("{} lost", words::number(lost)),
        (_, bad, lost) => format!(
            "{} failed, {} lost",
            words::number(bad),
            words::number(lost)
        ),
    };
    // Red without a failed test: something else is wrong with the run.
    let message = match (view.green, bad + totals.lost) {
        (false, 0) if totals.all() > 0 => "red".to_owned(),
        _ => message,
    };
    let tests = Badge {
        name: "tests",
        message,
        colour: if view.green {
            Colour::Green
        } else {
            Colour::Red
        },
    };
    let coverage = view.coverage.as_ref().map(|coverage| {
        let percent = coverage.totals.percent();
        Badge {
            name: "coverage",
            message: words::percent(percent),
            colour: Colour::of_percent(percent),
        }
    });
    [Some(tests), coverage].into_iter().flatten().collect()
}

impl Badge {
    /// An endpoint of shields.io.
    pub(crate) fn endpoint(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Endpoint<'a> {
            schema_version: u32,
            label: &'a str,
            message: &'a str,
            color: &'a str,
        }
        serde_json::to_string(&Endpoint {
            schema_version: 1,
            label: self.name,
            message: &self.message,
            color: self.colour.names().0,
        })
        .expect("a badge is always JSON")
    }

    /// A picture that needs no font but any: the width of each text is set.
    pub(crate) fn svg(&self) -> String {
        let (label, message) = (self.name, &self.message);
        let (left, right) = (width(label), width(message));
        let (left_box, right_box) = (left + 12, right + 12);
        let whole = left_box + right_box;
        let colour = self.colour.names().1;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{label}: {message}">
<title>{label}: {message}</title>
<clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{left_box}" height="20" fill="#4a4f57"/><rect x="{left_box}" width="{right_box}" height="20" fill="{colour}"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
<text x="6" y="14" textLength="{left}">{label}</text>
<text x="{message_x}" y="14" textLength="{right}">{message}</text>
</g>
</svg>
"##,
            message_x = left_box + 6,
        )
    }
}

/// Pixels of Verdana at 11 pixels, roughly: the texts are ours, of letters, digits and little else.
fn width(text: &str) -> usize {
    let tenths = |character: char| match character {
        '.' | ',' | ' ' | 'i' | 'l' | 't' | 'f' => 42,
        'm' | 'w' | '%' => 105,
        character => 70 * character.width().unwrap_or(0),
    };
    text.chars().map(tenths).sum::<usize>().div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stories::{self, Story};

    fn messages(story: &Story) -> Vec<String> {
        let badges = badges(&story.view());
        let told = badges.iter().map(|badge| {
            format!(
                "{} {} {}",
                badge.name,
                badge.message,
                badge.colour.names().0
            )
        });
        told.collect()
    }

    #[test]
    fn say_the_result_in_two_words() {
        assert_eq!(
            messages(&stories::all_green_with_coverage()),
            ["tests 12 passed brightgreen", "coverage 54.5% orange"]
        );
        assert_eq!(messages(&stories::one_failure()), ["tests 1 failed red"]);
        assert_eq!(messages(&stories::a_crashed_shard()), ["tests 2 lost red"]);
        assert_eq!(messages(&stories::a_missing_shard()), ["tests red red"]);
        assert_eq!(messages(&stories::nothing_ran()), ["tests none red"]);
    }

    #[test]
    fn are_what_shields_io_and_a_browser_take() {
        let story = stories::all_green_with_coverage();
        let badge = &badges(&story.view())[1];
        assert_eq!(
            badge.endpoint(),
            r#"{"schemaVersion":1,"label":"coverage","message":"54.5%","color":"orange"}"#
        );
        let svg = scraper::Html::parse_fragment(&badge.svg());
        let shown = scraper::Selector::parse("title, text").expect("a selector");
        let texts: Vec<String> = svg
            .select(&shown)
            .map(|text| text.text().collect())
            .collect();
        assert_eq!(texts, ["coverage: 54.5%", "coverage", "54.5%"]);
    }
}
