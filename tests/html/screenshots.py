#!/usr/bin/env python3
"""Makes the pictures of the README: the report and the comment of the example suite with its red tests.

    make screenshots        needs tests/setup/browser and a binary, as the group html does
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "stub"))
import conftest as stub_room  # noqa: E402  the stub's, which has no other name

DOCS = HERE.parents[1] / "docs"
MOST_BYTES = 150_000
REPO, HEAD, MERGE = "acme/bookshop", "2" * 40, "3" * 40
# As near as need be to what GitHub does with a comment.
STYLE = """
body { margin: 0; padding: 20px; width: 860px; font: 14px/1.5 "DejaVu Sans", sans-serif; color: #1f2328; background: #fff }
.box { border: 1px solid #d1d9e0; border-radius: 6px } .who { padding: 8px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0; color: #59636e }
.body { padding: 4px 16px 12px } h2 { font-size: 20px; border-bottom: 1px solid #d1d9e0b3; padding-bottom: 6px } h3 { font-size: 16px; margin: 18px 0 8px }
a { color: #0969da; text-decoration: none } code { font: 12px "DejaVu Sans Mono", monospace; background: #818b981f; border-radius: 6px; padding: 2px 5px }
table { border-collapse: collapse; margin: 8px 0 } th, td { border: 1px solid #d1d9e0; padding: 5px 12px } summary { cursor: pointer; margin: 6px 0 }
pre { background: #f6f8fa; padding: 12px; border-radius: 6px; overflow: hidden } pre code { background: none; padding: 0 }
"""
RED = [f"red/test_red.py::{name}" for name in ("test_a_comparison_fails", "test_its_setup_fails")]
# Signs that a machine without a font for emoji can draw.
SIGNS = {"❌": ("✗", "#d1242f"), "✅": ("✓", "#1a7f37"), "⚠️": ("⚠", "#9a6700")}
PULL = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"sha": HEAD, "ref": "fix", "repo": {"full_name": REPO, "owner": {"login": "acme"}}},
                     "base": {"sha": "1" * 40, "ref": "main"}},
    "repository": {"default_branch": "main"},
}


def call(binary, folder, *arguments, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "ACTIONS_", "INPUT_", "PARALLEL_PYTEST_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run([binary, *map(str, arguments)], cwd=folder, env={**clean, "PATH": path, **variables}, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def example(binary, folder):
    """The suite with a test that is fine the second time, beside a baseline in which one of the failures is known."""
    suite = folder / "suite"
    shutil.copytree(HERE.parent / "example", suite, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", ".parallel-pytest", "report"))
    subprocess.run(["git", "init", "-q", suite], check=True)
    flaky = "seen = []\n\ndef test_is_fine_the_second_time():\n    seen.append(1)\n    assert len(seen) == 2, 'the socket was not there yet'\n"
    (suite / "red/test_flaky.py").write_text(flaky)
    call(binary, suite, "local", "--shards", 4, "--retries", 1, "--", "pytest", "tests", "bookshop", "red/test_flaky.py", *RED, "--cov", "--cov-branch", "-p", "no:cacheprovider")
    result = json.loads((suite / "report/result.json").read_text())
    failed = [test for test in result["tests"] if test["outcome"] in ("failed", "error")]
    failed[0]["outcome"] = "passed"
    result["tests"] = [test for test in result["tests"] if "isbn" not in test["id"]]
    result["commit"], result["coverage"]["covered"] = "1" * 40, result["coverage"]["covered"] - 20
    (folder / "baseline.json").write_text(json.dumps(result))
    return suite


def comment(binary, folder, suite):
    """What the stub of GitHub was told to say."""
    stub = stub_room.Stub(folder / "stub")
    event = folder / "event.json"
    event.write_text(json.dumps(PULL))
    patch = "@@ -0,0 +1,200 @@\n" + "\n".join(f"+{number}" for number in range(200))
    answers = {f"GET /repos/{REPO}/git/commits/{MERGE}": {"parents": [{"sha": "1" * 40}, {"sha": HEAD}]},
               f"GET /repos/{REPO}/compare/{'1' * 40}...{MERGE}": {"files": [{"filename": "bookshop/pricing.py", "patch": patch}]}}
    stub.send("PUT", "/_stub/state", {"answers": answers})
    call(binary, suite, "publish", "--reports", ".parallel-pytest", "--baseline", folder / "baseline.json", GITHUB_ACTIONS="true",
         GITHUB_REPOSITORY=REPO, GITHUB_SHA=MERGE, GITHUB_RUN_ID="42", GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(event),
         GITHUB_API_URL=stub.url, GITHUB_WORKFLOW="tests", INPUT_TOKEN="token")
    (said,) = stub.send("GET", "/_stub/state").body["comments"]
    stub_room.ended(stub.process)
    return said["body"]


def as_page(markdown):
    body = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(re.sub(r"^<!--.*?-->\n", "", markdown))
    for emoji, (sign, colour) in SIGNS.items():
        body = body.replace(emoji, f"<span style='color:{colour}'>{sign}</span>")
    who = "<div class=who><b>github-actions</b> bot commented</div>"
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><div class=box>{who}<div class=body>{body}</div></div>"


def main():
    binary = os.environ["PARALLEL_PYTEST_BINARY"]
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = Path(folder)
        suite = example(binary, folder)
        (folder / "comment.html").write_text(as_page(comment(binary, folder, suite)))
        # Containers that run as root have no namespaces for chromium's own sandbox.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, file, width, height in (("report", suite / "report/report.html", 1200, 800), ("comment", folder / "comment.html", 900, 900)):
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.goto(file.as_uri())
            picture = DOCS / f"{name}.png"
            tab.screenshot(path=picture)
            size = picture.stat().st_size
            print(f"{picture.relative_to(DOCS.parent)}: {size:,} bytes")
            assert size < MOST_BYTES, "too large for a README"
        browser.close()


if __name__ == "__main__":
    main()
