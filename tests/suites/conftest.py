"""The table at the end of the run: what was compared with what, and how large it was."""

ROWS = []
COLUMNS = (
    "suite",
    "tests",
    "N",
    "union = serial",
    "lines",
    "branches",
    "coverage = combine",
    "serial s",
    "local s",
)


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    terminalreporter.section("real suites")
    table = [COLUMNS, *[tuple(str(row.get(column, "")) for column in COLUMNS) for row in ROWS]]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        terminalreporter.write_line(
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths))
            )
        )
