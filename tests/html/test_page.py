"""What a person does with report.html: search, filter, read a failure, look at the lines that no test ran."""

import re

import pytest
from playwright.sync_api import expect

FAILED = 9
ERRORS = 2


def rows(tab):
    return tab.locator("#tests .row")


def selected(tab):
    return tab.locator('#tests .row[aria-selected="true"] .name')


def status(tab):
    return tab.locator("#tests .count")


def test_the_verdict_comes_first(open_page):
    tab = open_page().tab
    expect(tab.locator("h1")).to_have_text(re.compile(f"{FAILED} failed, {ERRORS} errors of \\d+ tests in .+"))
    assert tab.title() == "✗ pytest"
    expect(tab.locator("#overview")).to_be_visible()
    expect(tab.locator("#tests")).to_be_hidden()
    expect(tab.locator('[aria-label="Failed"] li')).to_have_count(FAILED + ERRORS)


def test_a_link_of_the_overview_opens_the_test(open_page):
    page = open_page()
    page.tab.get_by_role("link", name="test_its_setup_fails").click()
    detail = page.tab.locator(".detail")
    expect(detail).to_contain_text("Error in its setup")
    expect(detail.locator("pre.trace i").first).to_have_text(re.compile("E +ConnectionError: the database is away\n"))
    expect(selected(page.tab)).to_contain_text("test_its_setup_fails")
    page.screenshot("failure")


def test_search_finds_names_and_messages_and_leaves_out(open_page):
    tab = open_page().tab
    tab.get_by_role("link", name="Tests", exact=False).first.click()
    all_tests = status(tab).inner_text()
    assert re.fullmatch(r"\d+ tests", all_tests)
    search = tab.get_by_label("Search tests")
    search.fill("DATABASE away")
    expect(status(tab)).to_have_text(re.compile("^1 of "))
    expect(rows(tab).first).to_contain_text("test_its_setup_fails")
    search.fill("test_red fails -setup -teardown -talks")
    expect(rows(tab)).to_have_count(1)
    search.fill("there is no such thing")
    expect(status(tab)).to_have_text(re.compile("^0 of "))
    search.fill("")
    expect(status(tab)).to_have_text(all_tests)


def test_filters_by_outcome_shard_and_order(open_page):
    page = open_page()
    tab = page.tab
    tab.goto(page.url + "#tests")
    tab.get_by_role("button", name="failed 9", exact=True).click()
    expect(rows(tab)).to_have_count(FAILED)
    tab.get_by_role("button", name="error 2").click()
    expect(rows(tab)).to_have_count(FAILED + ERRORS)
    # The address leads to the same view.
    address = tab.url
    tab.goto("about:blank")
    page.requests.pop()
    tab.goto(address)
    expect(rows(tab)).to_have_count(FAILED + ERRORS)
    tab.get_by_role("button", name="failed 9", exact=True).click()
    tab.get_by_role("button", name="error 2").click()
    tab.locator("#tests").get_by_label("Order").select_option("Slowest first")
    seconds = [float(text.split("m")[0]) / 1000 if "ms" in text else float(text[:-1]) for text in tab.locator("#tests .row > .number").all_inner_texts()]
    assert seconds == sorted(seconds, reverse=True)
    tab.get_by_label("Shard", exact=True).select_option("Shard 2")
    expect(status(tab)).to_have_text(re.compile(r"^\d+ of "))


def test_output_and_subtests_are_shown(open_page):
    tab = open_page().tab
    tab.goto(tab.url + "#tests?q=talks")
    rows(tab).first.click()
    detail = tab.locator(".detail")
    expect(detail).to_contain_text("Captured stdout")
    expect(detail.locator("pre").filter(has_text="printed to stdout").last).to_be_visible()
    tab.get_by_label("Search tests").fill("some_subtests")
    rows(tab).first.click()
    expect(detail.locator("h3", has_text="odd numbers").first).to_contain_text("n=1")


def test_hostile_names_are_only_text(open_page):
    tab = open_page().tab
    tab.goto(tab.url + "#tests?q=script")
    rows(tab).first.click()
    expect(tab.locator(".detail h2")).to_have_text("test_only_some_parameters_fail[<script>alert(1)</script>]")
    assert tab.locator("script").count() == 2


def test_everything_by_keyboard(open_page):
    tab = open_page().tab
    tab.keyboard.press("/")
    expect(tab.get_by_label("Search tests")).to_be_focused()
    tab.keyboard.type("test_red")
    tab.keyboard.press("ArrowDown")
    expect(selected(tab)).to_contain_text("test_its_setup_fails")
    tab.keyboard.press("ArrowDown")
    expect(selected(tab)).to_contain_text("test_its_teardown_fails")
    tab.keyboard.press("k")
    expect(selected(tab)).to_contain_text("test_its_setup_fails")
    tab.keyboard.press("End")
    focused = tab.locator("#tests .list")
    expect(focused).to_be_focused()
    active = focused.get_attribute("aria-activedescendant")
    assert tab.locator(f"#{active}").get_attribute("aria-posinset") == tab.locator(f"#{active}").get_attribute("aria-setsize")
    tab.keyboard.press("Enter")
    expect(tab.locator(".detail")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.locator(".detail")).to_be_hidden()
    expect(focused).to_be_focused()
    tab.keyboard.press("3")
    expect(tab.locator("#shards")).to_be_visible()
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    tab.go_back()
    expect(tab.locator("#tests")).to_be_visible()


def test_every_control_has_a_name_and_can_be_reached(open_page):
    tab = open_page().tab
    tab.goto(tab.url + "#tests?test=0")
    expect(tab.locator(".detail h2")).to_be_visible()
    unnamed = tab.evaluate("""() => [...document.querySelectorAll("a[href], button, input, select, [tabindex='0']")]
        .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.title))
        .map((node) => node.outerHTML)""")
    assert [html for html in unnamed if 'class="trace"' not in html] == []
    seen = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        seen.add(tab.evaluate("document.activeElement.textContent.trim() || document.activeElement.getAttribute('aria-label')"))
    assert {"Skip to the content", "Overview", "Copy id", "Copy command", "✕"} <= seen
    assert any(text.startswith("passed") for text in seen)


def test_shards_are_drawn_on_one_axis(open_page):
    page = open_page()
    tab = page.tab
    tab.get_by_role("link", name="Shards", exact=False).first.click()
    bars = tab.locator(".timeline tbody tr")
    expect(bars).to_have_count(4)
    page.screenshot("shards")
    widths = [tab.locator(".timeline tbody .run rect").nth(n).bounding_box()["width"] for n in range(4)]
    assert all(width > 5 for width in widths)
    tab.get_by_role("link", name="3/4").click()
    expect(tab.get_by_label("Shard", exact=True)).to_have_value("3")


def test_coverage_shows_the_lines_that_no_test_ran(open_page):
    page = open_page()
    tab = page.tab
    tab.get_by_role("link", name="bookshop/export.py").click()
    lines = tab.locator("#coverage .source")
    expect(lines.locator(".line.m")).to_have_count(3)
    expect(lines.locator(".line.c").first).to_be_visible()
    lines.focus()
    tab.keyboard.press("n")
    expect(lines.locator(".here")).to_have_class(re.compile(r"\b[mp]\b"))
    page.screenshot("coverage")
    tab.get_by_label("Search files").fill("pricing")
    expect(tab.locator("#coverage .row")).to_have_count(1)


def test_a_failure_leads_to_the_source_it_happened_in(open_page):
    tab = open_page().tab
    tab.goto(tab.url + "#tests?q=deep_in_the_project")
    rows(tab).first.click()
    tab.locator(".detail h3 ~ .place a", has_text="coverage").first.click()
    expect(tab.locator("#coverage h2")).to_have_text("bookshop/pricing.py")
    expect(tab.locator("#coverage .here")).to_contain_text("raise ValueError")


def luminance(tab):
    red, green, blue = map(int, re.findall(r"\d+", tab.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])
    return (red + green + blue) / 3


@pytest.mark.parametrize("system", ["light", "dark"])
def test_colours_follow_the_system_until_somebody_chooses(open_page, system):
    page = open_page(color_scheme=system)
    tab = page.tab
    assert (luminance(tab) < 60) == (system == "dark")
    page.screenshot(f"overview-{system}")
    tab.keyboard.press("t")
    assert luminance(tab) > 200
    tab.locator("#theme").click()
    assert luminance(tab) < 60
    tab.reload()
    assert luminance(tab) < 60


@pytest.mark.parametrize("system", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(open_page, system):
    """4.5 to 1, as WCAG asks for text (https://www.w3.org/TR/WCAG22/#contrast-minimum)."""
    tab = open_page(color_scheme=system).tab
    for part in ("overview", "tests?test=0", "shards", "coverage?file=6"):
        tab.goto(tab.url.split("#")[0] + f"#{part}")
        tab.wait_for_timeout(300)
        assert tab.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number); return { r, g, b, a }; };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility({ opacityProperty: true }) || node.closest("svg, .x, .spoken, .skip, script")) continue;
    const [one, two] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (two + 0.05);
    if (contrast < 4.5) faint.push(`${node.tagName}.${node.className} ${contrast.toFixed(2)} ${node.textContent.slice(0, 30)}`);
  }
  return faint;
}"""


def test_a_telephone_shows_it_without_scrolling_sideways(open_page):
    page = open_page()
    page.tab.set_viewport_size({"width": 390, "height": 800})
    for part in ("overview", "tests?test=0", "coverage?file=1"):
        page.tab.goto(page.url + f"#{part}")
        page.tab.wait_for_timeout(200)
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390, part
    page.tab.goto(page.url + "#overview")
    page.screenshot("telephone")


def test_without_scripts_the_overview_and_the_shards_are_there(open_page):
    tab = open_page(java_script_enabled=False).tab
    expect(tab.locator("h1")).to_be_visible()
    expect(tab.locator('[aria-label="Failed"] li')).to_have_count(FAILED + ERRORS)
    expect(tab.locator(".timeline tbody tr")).to_have_count(4)
    expect(tab.get_by_text("Without JavaScript")).to_be_visible()


def test_a_comparison_tells_what_is_new(open_page, compared):
    page = open_page(compared)
    tab = page.tab
    expect(tab.locator('[aria-label="New failures"] li')).to_have_count(1)
    expect(tab.locator('[aria-label="New failures"]')).to_contain_text("test_a_comparison_fails")
    expect(tab.locator('[aria-label="Known failures"] li')).to_have_count(FAILED + ERRORS - 1)
    changes = tab.locator('[aria-label="Compared with the baseline"]')
    for said in ("fedcba98", "1 fixed", "1 newly skipped", "1 removed", "Renamed"):
        expect(changes).to_contain_text(said)
    expect(tab.locator(".facts")).to_contain_text("(+")
    page.screenshot("compared")
    changes.get_by_role("link", name="in the list of tests").first.click()
    expect(rows(tab)).to_have_count(1)
    tab.get_by_label("Since the baseline").select_option("Renamed")
    rows(tab).first.click()
    expect(tab.locator(".detail")).to_contain_text("was red/test_red.py::test_its_set_up_fails")
    expect(tab.locator(".detail .badge")).to_have_text(["error", "known failure", "renamed"])


def test_fifty_thousand_tests_are_searched_at_once(open_page, large):
    size = large.stat().st_size
    assert size < 20_000_000
    page = open_page(large)
    tab = page.tab
    tab.goto(page.url + "#tests")
    expect(status(tab)).to_have_text("50,000 tests")
    assert rows(tab).count() < 100
    times = tab.evaluate("""() => {
        const search = document.querySelector("#tests input");
        return ["module_1200", "value", "says[49999", ""].map((text) => {
            const start = performance.now();
            search.value = text;
            search.dispatchEvent(new Event("input"));
            document.querySelector("#tests .row").getBoundingClientRect();
            return performance.now() - start;
        });
    }""")
    assert max(times) < 1000, times
    loaded = tab.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    print(f"{size:,} bytes, {loaded:.0f} ms until it is there, {max(times):.0f} ms to search")
    tab.get_by_label("Search tests").fill("module_1249 says[49999")
    expect(rows(tab)).to_have_count(1)
    tab.locator("#tests .list").focus()
    tab.get_by_label("Search tests").fill("")
    tab.locator("#tests .list").focus()
    tab.keyboard.press("End")
    expect(tab.locator('#tests .row[aria-selected="true"]')).to_have_attribute("aria-posinset", "50000")
    page.screenshot("large")
    tab.keyboard.press("4")
    expect(tab.locator("#coverage .count")).to_have_text("2,000 files")
    tab.locator("#coverage .row").first.click()
    expect(tab.locator("#coverage .line.m").first).to_be_visible()
