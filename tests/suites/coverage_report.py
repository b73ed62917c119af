"""Run by the Python of a suite: what coverage.py itself makes of the shards' data files.

    python coverage_report.py OUTPUT CONFIG DATA_FILE…

Combines as `coverage combine --keep` does and writes OUTPUT/coverage.xml and coverage.json as
`coverage xml` and `coverage json` do, but without the setting `source`: with it coverage.py shortens
the names of files in the XML, so that two files may get the same (nedbat/coveragepy issue 578).
"""

import sys
from pathlib import Path

import coverage

output, config, data_files = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
cov = coverage.Coverage(data_file=str(output / ".coverage"), config_file=config or True)
cov.set_option("run:source", [])
cov.set_option("run:source_pkgs", [])
if data_files != [str(output / ".coverage")]:
    cov.combine(data_files, strict=True, keep=True)
    cov.save()
else:
    cov.load()
# As pytest-cov does: templates that a test ran as if they were Python are no source.
cov.xml_report(outfile=str(output / "coverage.xml"), ignore_errors=True)
cov.json_report(outfile=str(output / "coverage.json"), ignore_errors=True)
