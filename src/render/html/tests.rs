//! The page under a real HTML parser, with hostile text and with very much of it.

use std::sync::OnceLock;

use camino::Utf8Path;
use proptest::prelude::*;
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

use crate::model::case::{Location, Outcome, ProblemKind, TestCase};
use crate::model::coverage::{Coverage, FileCoverage};
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;
use crate::model::shard::Shard;
use crate::model::verdict::Reason;
use crate::render::gfm::hostile;
use crate::render::stories::{self, Story, problem};
use crate::render::view::{Links, View, ViewInput};
use crate::render::visible;

const MEGABYTE: usize = 1_000_000;

fn rendered(story: &Story, source: &str) -> String {
    stories::page(&story.view(), Some(source))
}

fn parsed(page: &str) -> Html {
    let parsed = Html::parse_document(page);
    assert_eq!(parsed.errors, Vec::<String>::new());
    parsed
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    let selector = Selector::parse(selector).expect("a selector");
    page.select(&selector).collect()
}

fn text(element: ElementRef<'_>) -> String {
    let words: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
    words.join(" ")
}

fn data(page: &Html) -> Value {
    serde_json::from_str(&text_as_it_is(all(page, "#data")[0])).expect("JSON")
}

fn text_as_it_is(element: ElementRef<'_>) -> String {
    element.text().collect()
}

fn index(value: &Value) -> usize {
    serde_json::from_value(value.clone()).expect("an index")
}

/// Everything of a document but its text, the values of its attributes, and its places, which are
/// links only where their addresses are plain.
fn skeleton(page: &Html) -> Vec<String> {
    let elements = page
        .root_element()
        .descendants()
        .filter_map(ElementRef::wrap)
        .filter(|element| element.attr("class") != Some("place"));
    elements
        .map(|element| {
            let value = element.value();
            let names: Vec<&str> = value.attrs().map(|(name, _)| name).collect();
            format!("{} {}", value.name(), names.join(" "))
        })
        .collect()
}

/// A run in which everything that is not ours says `text(n)`, another n each time.
fn saying(text: &dyn Fn(usize) -> String) -> Story {
    const TESTS: usize = 50;
    let mut next = 0;
    let mut say = || {
        next += 1;
        text(next)
    };
    let cases = (0..TESTS).map(|_| {
        let mut case = TestCase::new(NodeId::new(say()));
        case.outcome = Outcome::Failed;
        case.shard = Some(stories::shard(1, 2));
        case.stdout = say();
        case.stderr = say();
        let mut said = problem(ProblemKind::Failure, &say(), &say(), 3);
        said.location = Some(Location {
            path: say().into(),
            line: 3,
        });
        said.subtest = Some(say());
        case.problems = vec![said];
        case
    });
    let mut story = Story::new(&[Some(1.0), Some(2.0)], cases.collect()).because([
        Reason::JobFailed {
            job: say(),
            result: say(),
        },
        Reason::BelowThreshold { what: say() },
    ]);
    story.report.suite = say();
    story.report.warnings = vec![say()];
    let muted = NodeId::new(story.report.cases.get(0).id());
    story.quarantined = vec![Quarantined {
        id: muted,
        reason: say(),
        owner: say(),
        expires: say(),
    }];
    let names = [say(), say(), say()];
    story.comparison = Some(stories::compared(&story, names.each_ref()));
    let file = FileCoverage {
        executed: [1].into(),
        missing: [2].into(),
        ..FileCoverage::default()
    };
    story.coverage = Some(Coverage {
        branch: false,
        files: [(say().into(), file)].into(),
    });
    story
}

/// The page of a run that says nothing hostile.
fn tame() -> &'static Vec<String> {
    static TAME: OnceLock<Vec<String>> = OnceLock::new();
    TAME.get_or_init(|| skeleton(&parsed(&rendered(&saying(&|n| format!("a{n:03}")), ""))))
}

/// The page of a run of so many failed tests has the elements of any other such page, and addresses of ours.
pub(crate) fn assert_is_our_page(story: &Story) {
    static ANY: OnceLock<Vec<String>> = OnceLock::new();
    let page = parsed(&rendered(story, "x\n"));
    assert_eq!(&skeleton(&page), ANY.get_or_init(|| skeleton(&page)));
    for element in all(&page, "[href], [src], [action]") {
        let address = element.attr("href").unwrap_or("none");
        assert!(
            address.starts_with('#') || address.starts_with("https://github.com/o/r/"),
            "{address}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// 60 pages of 400 strings each, in every place that has one.
    #[test]
    fn text_from_elsewhere_stays_text(texts in proptest::collection::vec(hostile(), 400), source in hostile()) {
        // Never empty, and all different: the tame page has the same tests in the same order.
        let told = |n: usize| format!("a{n:03}{}", texts[n % texts.len()]);
        let story = saying(&told);
        let page = parsed(&rendered(&story, &source));
        prop_assert_eq!(&skeleton(&page), tame());
        for element in all(&page, "[href], [src], [action]") {
            let address = element.attr("href").unwrap_or("none");
            prop_assert!(address.starts_with('#') || address.starts_with("https://github.com/o/r/"), "{}", address);
        }
        let data = data(&page);
        let first = &story.view().failed[0].id;
        let names = data["tests"].as_array().expect("rows").iter().map(|row| {
            format!("{}{}", data["files"][index(&row[0])].as_str().unwrap_or(""), row[1].as_str().unwrap_or(""))
        });
        prop_assert!(names.into_iter().any(|name| name == visible::line(first.as_str())));
    }
}

#[test]
fn nothing_in_the_page_runs_or_loads_but_our_own() {
    let story = stories::one_failure();
    let page = parsed(&rendered(&story, "x\n"));
    let scripts = all(&page, "script");
    let kinds: Vec<Option<&str>> = scripts.iter().map(|script| script.attr("type")).collect();
    assert_eq!(kinds, [Some("application/json"), None]);
    let policy = all(&page, "meta[http-equiv]")[0]
        .attr("content")
        .expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(!policy.contains("unsafe"));
    for element in page
        .root_element()
        .descendants()
        .filter_map(ElementRef::wrap)
    {
        for (name, _) in element.value().attrs() {
            let harmful = name.starts_with("on")
                || ["style", "src", "srcdoc", "action", "xlink:href"].contains(&name);
            assert!(!harmful, "{} has {name}", element.value().name());
        }
    }
}

#[test]
fn the_overview_tells_what_happened() {
    let story = stories::one_failure();
    let page = parsed(&rendered(&story, ""));
    assert_eq!(text(all(&page, "h1")[0]), "1 failed of 5 tests in 4.0s");
    assert_eq!(
        text(all(&page, "[aria-label=Failed] li")[0]),
        "test_total[a|b] tests/test_shop.py assert 7 == 8 tests/test_shop.py:14 shard 2/2 420ms"
    );
    let story = stories::a_missing_shard();
    let page = parsed(&rendered(&story, ""));
    assert_eq!(
        text(all(&page, "h1")[0]),
        "4 tests passed in 4.0s, but shard 2/3 gave no results"
    );
    assert_eq!(
        text(all(&page, ".timeline tbody tr")[1]),
        "2/3 no results 1m 0s 0"
    );
    let story = stories::nothing_ran();
    let page = parsed(&rendered(&story, ""));
    assert!(text(all(&page, "main")[0]).contains("no test ran"));
}

#[test]
fn long_texts_are_where_the_data_says() {
    let story = stories::one_failure();
    let data = data(&parsed(&rendered(&story, "")));
    let place = &data["notes"]["0"]["text"];
    let pack = data["texts"][index(&place[0])].as_str().expect("a pack");
    let said = super::pack::tests::opened(pack)[index(&place[1])].clone();
    assert_eq!(said["out"], "adding 3\nadding 4");
    assert_eq!(
        said["problems"][0]["place"],
        serde_json::json!(["tests/test_shop.py", 14])
    );
    assert!(
        said["problems"][0]["text"]
            .as_str()
            .expect("a text")
            .contains("E       assert 7 == 8")
    );
}

#[test]
fn a_source_of_another_version_is_not_coloured() {
    let story = stories::all_green_with_coverage();
    let marks = |source: &str| {
        let data = data(&parsed(&rendered(&story, source)));
        let place = &data["sources"][0][5];
        let pack = data["texts"][index(&place[0])].as_str().expect("a pack");
        super::pack::tests::opened(pack)[index(&place[1])].clone()
    };
    assert_eq!(marks("a\nb\nc\nd\n\n")["marks"], "pccm ");
    assert_eq!(
        marks("a\nb\nc\nd\n\n")["partial"],
        serde_json::json!([[1, [3]]])
    );
    assert_eq!(marks("a\nb\n")["source"], "");
}

/// A row of pseudo-random numbers, the same every time.
fn noise() -> impl FnMut() -> u64 {
    let mut state = 7_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

fn suite(
    tests: u64,
    mut name: impl FnMut(u64) -> String,
    mut output: impl FnMut(u64) -> String,
) -> Story {
    let shard = |n: u64| Shard::new(u16::try_from(n % 8).expect("few") + 1, 8).expect("a shard");
    let cases = (0..tests).map(|n| {
        let failed = n % 50 == 0;
        let outcome = if failed {
            Outcome::Failed
        } else {
            Outcome::Passed
        };
        let mut case = stories::test(&name(n), outcome, n % 977, shard(n));
        case.stdout = output(n);
        if failed {
            case.problems = vec![problem(
                ProblemKind::Failure,
                "assert 7 == 8",
                &output(n),
                14,
            )];
        }
        case
    });
    let failed = usize::try_from(tests / 50).expect("few");
    Story::new(&[Some(60.0); 8], cases.collect())
        .because([Reason::TestsFailed { failed, errors: 0 }])
}

#[test]
fn fifty_thousand_tests_and_two_thousand_files_are_below_twenty_megabytes() {
    const WORDS: [&str; 16] = [
        "self.", "price", "return ", "order", "customer", "if ", "not ", "total", " = ", "(", ")",
        "items", ":", "None", "for ", "in ",
    ];
    let mut random = noise();
    let mut words = |count: u64| -> String {
        (0..count)
            .map(|_| WORDS[(random() % 16) as usize])
            .collect()
    };
    let lines: Vec<String> = (0..200_000)
        .map(|_| format!("        {}", words(7)))
        .collect();
    let name = |n: u64| {
        format!(
            "tests/unit/area_{}/test_module_{}.py::TestCase{}::test_it_does_what_it_says[{n}-value]",
            n / 2000,
            n / 40,
            n / 10
        )
    };
    let mut story = suite(50_000, name, |n| {
        format!("request {n} took {} ms\n", n % 77).repeat(5)
    });
    let file = FileCoverage {
        executed: (1..=200).collect(),
        missing: (201..=240).collect(),
        ..FileCoverage::default()
    };
    let path = |n: usize| format!("src/package_{}/module_{n}.py", n / 20);
    story.coverage = Some(Coverage {
        branch: false,
        files: (0..2000).map(|n| (path(n).into(), file.clone())).collect(),
    });
    let read = |path: &Utf8Path| {
        let number: usize = path.as_str().rsplit(['_', '.']).nth(1)?.parse().ok()?;
        Some(lines[number * 97..number * 97 + 300].join("\n"))
    };
    let page = stories::page_of(&story.view(), &read);
    assert!(page.len() < 20 * MEGABYTE, "{} bytes", page.len());
    let data = data(&parsed(&page));
    assert_eq!(data["tests"].as_array().map(Vec::len), Some(50_000));
    let cut = data["notes"]
        .as_object()
        .expect("notes")
        .values()
        .filter(|note| note["cut"] == true);
    assert_eq!((data["hidden"].as_u64(), cut.count()), (Some(0), 0));
    assert!(
        data["sources"]
            .as_array()
            .expect("files")
            .iter()
            .all(|file| file[5].is_array())
    );
}

#[test]
fn what_does_not_compress_is_left_out_and_said() {
    let mut random = noise();
    let mut letters = |count: u64| -> String {
        (0..count)
            .map(|_| char::from(b'!' + (random() % 90) as u8))
            .collect()
    };
    let names: Vec<String> = (0..30_000).map(|_| letters(600)).collect();
    let output = letters(34_000);
    let story = suite(
        30_000,
        |n| names[usize::try_from(n).expect("few")].clone(),
        |n| {
            let start = usize::try_from(n).expect("few");
            output[start..start + 4000].to_owned()
        },
    );
    let page = stories::page(&story.view(), None);
    assert!(page.len() < 20 * MEGABYTE, "{} bytes", page.len());
    let data = data(&parsed(&page));
    assert!(data["hidden"].as_u64() > Some(1000));
    assert!(
        data["notes"]
            .as_object()
            .expect("notes")
            .values()
            .any(|note| note["cut"] == true)
    );
}

#[test]
fn an_odd_server_is_not_linked_to() {
    let story = stories::one_failure();
    let Story {
        report,
        verdict,
        coverage,
        comparison,
        patch,
        quarantined,
        ends,
    } = &story;
    let links = Links {
        run_url: Some("javascript:alert(1)".to_owned()),
        report: None,
        blob_base: Some("javascript:alert(1)//".to_owned()),
        sha: None,
        workflow: None,
    };
    let view = View::new(ViewInput {
        title: None,
        report,
        verdict,
        coverage: coverage.as_ref(),
        comparison: comparison.as_ref(),
        not_compared: None,
        patch: patch.as_ref(),
        quarantined,
        ends,
        links,
    });
    let page = stories::page(&view, None);
    assert!(!page.contains("javascript:alert"));
}
