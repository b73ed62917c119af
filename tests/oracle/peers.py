"""What coverage.py makes of data files, in a form to be compared."""

import json
import re

import coverage


def combined(files, settings, folder):
    """The data file that coverage.py combines."""
    cov = coverage.Coverage(data_file=str(folder / "combined"), config_file=str(settings), messages=False)
    cov.combine(files, strict=True, keep=True)
    cov.save()
    return folder / "combined"


def reports(data_file, settings, target, html=True):
    """Writes every report of coverage.py on one data file."""
    target.mkdir()
    cov = coverage.Coverage(data_file=str(data_file), config_file=str(settings), messages=False)
    cov.load()
    cov.json_report(outfile=str(target / "coverage.json"))
    cov.xml_report(outfile=str(target / "coverage.xml"))
    cov.lcov_report(outfile=str(target / "lcov.info"))
    with open(target / "table.txt", "w") as table:
        cov.report(file=table)
    if html:
        cov.html_report(directory=str(target / "html"))


def comparable(folder):
    """Each report without who wrote it when and where the sources are."""
    report = json.loads((folder / "coverage.json").read_text())
    del report["meta"]["timestamp"], report["meta"]["version"]
    text = (folder / "coverage.xml").read_text()
    for pattern in (r' (version|timestamp)="[^"]*"', r"<!--.*-->", r"(?s)<sources>.*</sources>"):
        text = re.sub(pattern, "", text)
    return {"json": report, "xml": text, "lcov": (folder / "lcov.info").read_text()}
