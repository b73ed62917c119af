"""The timeline of the job summary, drawn by what GitHub draws it with."""

import re

from conftest import CACHE


def test_mermaid_draws_a_bar_for_each_shard(browser, report):
    summary = (report.parent / "summary.md").read_text()
    (diagram,) = re.findall(r"^```mermaid\n(.*?)^```", summary, re.M | re.S)
    tab = browser.new_page()
    (script,) = (CACHE / "mermaid").glob("mermaid-*.js")
    tab.add_script_tag(path=script)
    drawn = tab.evaluate(
        """async (diagram) => {
            mermaid.initialize({ startOnLoad: false });
            document.body.innerHTML = (await mermaid.render("timeline", diagram)).svg;
            const bars = [...document.querySelectorAll("rect.task")];
            const sections = [...document.querySelectorAll("text.sectionTitle")].map((text) => text.textContent);
            bars.sort((one, two) => one.y.baseVal.value - two.y.baseVal.value);
            return { sections, ends: bars.map((bar) => bar.x.baseVal.value + bar.width.baseVal.value) };
        }""",
        diagram,
    )
    tab.close()
    assert drawn["sections"] == ["1/4", "2/4", "3/4", "4/4"]
    seconds = [int(end) for end in re.findall(r", (\d+)$", diagram, re.M)]
    longest = max(range(4), key=seconds.__getitem__)
    assert max(drawn["ends"]) == drawn["ends"][longest]
    assert len(drawn["ends"]) == 4
