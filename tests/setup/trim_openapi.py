#!/usr/bin/env python3
"""Trims GitHub's OpenAPI description to the paths that parallel-pytest uses.

    trim_openapi.py api.github.com.json trimmed.json

The whole description takes Prism a minute to read; what is left takes seconds.
"""

import json
import sys

PATHS = (
    "/repos/{owner}/{repo}/check-runs",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations",
    "/repos/{owner}/{repo}/commits",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/pulls/{pull_number}/files",
    "/repos/{owner}/{repo}/actions/artifacts",
    "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
    "/repos/{owner}/{repo}/compare/{basehead}",
    "/repos/{owner}/{repo}/git/commits",
    "/repos/{owner}/{repo}/git/commits/{commit_sha}",
    "/repos/{owner}/{repo}/git/ref/{ref}",
    "/repos/{owner}/{repo}/git/refs",
    "/repos/{owner}/{repo}/git/refs/{ref}",
    "/repos/{owner}/{repo}/git/trees",
    "/user",
)


def references(node):
    """Every `#/a/b` that is referred to below `node`."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def steps(reference):
    return [part.replace("~1", "/").replace("~0", "~") for part in reference.removeprefix("#/").split("/")]


def trim(description):
    missing = [path for path in PATHS if path not in description["paths"]]
    if missing:
        raise SystemExit(f"GitHub's description has no longer: {', '.join(missing)}")
    trimmed = {
        key: value
        for key, value in description.items()
        if key not in ("paths", "components", "x-webhooks", "webhooks", "tags")
    }
    trimmed["paths"] = {path: description["paths"][path] for path in PATHS}
    wanted, seen = list(references(trimmed)), set()
    while wanted:
        reference = wanted.pop()
        if reference in seen:
            continue
        seen.add(reference)
        source, target = description, trimmed
        *folders, name = steps(reference)
        for folder in folders:
            source, target = source[folder], target.setdefault(folder, {})
        target[name] = source[name]
        wanted.extend(references(source[name]))
    return trimmed


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        trimmed = trim(json.load(file))
    with open(target, "w", encoding="utf-8") as file:
        json.dump(trimmed, file)


if __name__ == "__main__":
    main()
