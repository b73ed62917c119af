//! Which options of pytest and of its common plugins take a separate value, so that a value is not
//! mistaken for a path.
//!
//! Taken from the parsers of pytest 7.0 to 9.2 and of some fifty plugins; options that are always
//! written with `=` need no line here.

/// How an option takes a value that is not joined to it by `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// The next argument.
    Value,
    /// The next argument unless it is an option.
    Perhaps,
    Unknown,
}

/// pytest's own short options: `-k` and its kind take a value.
pub(crate) fn short(option: char) -> Takes {
    match option {
        'c' | 'k' | 'm' | 'n' | 'o' | 'p' | 'r' | 'W' => Takes::Value,
        'd' | 'f' | 'h' | 'l' | 'q' | 's' | 'v' | 'x' | 'V' => Takes::Nothing,
        _ => Takes::Unknown,
    }
}

/// Of a long option, written with its dashes and without a value.
pub(crate) fn long(option: &str) -> Takes {
    if FLAGS.contains(&option) {
        Takes::Nothing
    } else if PERHAPS.contains(&option) {
        Takes::Perhaps
    } else if VALUES.contains(&option) {
        Takes::Value
    } else {
        Takes::Unknown
    }
}

const PERHAPS: &[&str] = &[
    "--benchmark-compare",
    "--benchmark-cprofile-dump",
    "--benchmark-histogram",
    "--benchmark-netrc",
    "--benchmark-warmup",
    "--cache-show",
    "--cov",
    "--debug",
    "--django-debug-mode",
    "--doctest-plus-generate-diff",
    "--picked",
];

/// Only what people put right before a path; an unknown option is taken for a flag before a path
/// that exists.
const FLAGS: &[&str] = &[
    "--collect-only",
    "--cov-append",
    "--cov-branch",
    "--create-db",
    "--doctest-modules",
    "--exitfirst",
    "--failed-first",
    "--ff",
    "--last-failed",
    "--lf",
    "--migrations",
    "--new-first",
    "--nf",
    "--no-cov",
    "--no-header",
    "--no-migrations",
    "--no-summary",
    "--nomigrations",
    "--pyargs",
    "--quiet",
    "--reuse-db",
    "--runxfail",
    "--showlocals",
    "--snapshot-update",
    "--stepwise",
    "--strict",
    "--strict-config",
    "--strict-markers",
    "--verbose",
];

const VALUES: &[&str] = &[
    // pytest
    "--assert",
    "--basetemp",
    "--capture",
    "--code-highlight",
    "--color",
    "--confcutdir",
    "--config-file",
    "--deselect",
    "--doctest-glob",
    "--doctest-report",
    "--durations",
    "--durations-min",
    "--ignore",
    "--ignore-glob",
    "--import-mode",
    "--junit-prefix",
    "--junit-xml",
    "--junitprefix",
    "--junitxml",
    "--last-failed-no-failures",
    "--lfnf",
    "--log-auto-indent",
    "--log-cli-date-format",
    "--log-cli-format",
    "--log-cli-level",
    "--log-date-format",
    "--log-disable",
    "--log-file",
    "--log-file-date-format",
    "--log-file-format",
    "--log-file-level",
    "--log-file-mode",
    "--log-format",
    "--log-level",
    "--max-warnings",
    "--maxfail",
    "--override-ini",
    "--pastebin",
    "--pdbcls",
    "--pythonwarnings",
    "--report-chars",
    "--rootdir",
    "--show-capture",
    "--tb",
    "--verbosity",
    // pytest-cov
    "--cov-config",
    "--cov-context",
    "--cov-fail-under",
    "--cov-precision",
    "--cov-report",
    // pytest-xdist
    "--dist",
    "--max-worker-restart",
    "--maxprocesses",
    "--maxschedchunk",
    "--numprocesses",
    "--px",
    "--rsyncdir",
    "--rsyncignore",
    "--testrunuid",
    "--tx",
    // pytest-rerunfailures, pytest-retry, pytest-repeat, pytest-flakefinder
    "--count",
    "--cumulative-timing",
    "--flake-max-minutes",
    "--flake-runs",
    "--force-reruns",
    "--max-suite-reruns",
    "--only-rerun",
    "--repeat-scope",
    "--rerun-except",
    "--rerun-exclude-path",
    "--reruns",
    "--reruns-delay",
    "--reruns-delay-backoff-factor",
    "--reruns-mode",
    "--retries",
    "--retry-delay",
    "--retry-outcome",
    // pytest-timeout
    "--session-timeout",
    "--timeout",
    "--timeout-method",
    "--timeout_method",
    // order: pytest-randomly, pytest-random-order, pytest-order
    "--order-group-scope",
    "--order-marker-prefix",
    "--order-scope",
    "--order-scope-level",
    "--random-order-bucket",
    "--random-order-seed",
    "--randomly-seed",
    // parts: pytest-split, pytest-shard, pytest-test-groups, pytest-picked, pytest-testmon, pytest-parallel
    "--durations-path",
    "--group",
    "--mode",
    "--num-shards",
    "--parent-branch",
    "--shard-id",
    "--splits",
    "--splitting-algorithm",
    "--test-group",
    "--test-group-by",
    "--test-group-count",
    "--test-group-random-seed",
    "--testmon-env",
    "--tests-per-worker",
    "--workers",
    // web: pytest-django, pytest-flask, pytest-playwright, pytest-selenium, pytest-base-url
    "--base-url",
    "--browser",
    "--browser-channel",
    "--capability",
    "--dc",
    "--device",
    "--driver",
    "--driver-path",
    "--ds",
    "--event-listener",
    "--live-server-host",
    "--live-server-port",
    "--live-server-wait",
    "--liveserver",
    "--output",
    "--playwright-debug",
    "--screenshot",
    "--selenium-host",
    "--selenium-port",
    "--sensitive-url",
    "--slowmo",
    "--tracing",
    "--variables",
    "--video",
    // reports: pytest-html, pytest-json-report, allure-pytest, pytest-reportlog, pytest-metadata
    "--allure-epics",
    "--allure-features",
    "--allure-ids",
    "--allure-label",
    "--allure-link-pattern",
    "--allure-severities",
    "--allure-stories",
    "--alluredir",
    "--css",
    "--html",
    "--json-report-file",
    "--json-report-indent",
    "--json-report-omit",
    "--json-report-verbosity",
    "--metadata",
    "--metadata-from-json",
    "--metadata-from-json-file",
    "--report-log",
    // pytest-benchmark
    "--benchmark-calibration-precision",
    "--benchmark-columns",
    "--benchmark-compare-fail",
    "--benchmark-confidence",
    "--benchmark-cprofile",
    "--benchmark-cprofile-loops",
    "--benchmark-cprofile-top",
    "--benchmark-group-by",
    "--benchmark-json",
    "--benchmark-max-time",
    "--benchmark-min-rounds",
    "--benchmark-min-time",
    "--benchmark-name",
    "--benchmark-precision",
    "--benchmark-save",
    "--benchmark-sort",
    "--benchmark-storage",
    "--benchmark-time-unit",
    "--benchmark-timer",
    "--benchmark-warmup-iterations",
    // hypothesis, pytest-asyncio, pytest-bdd, pytest-mypy, nbmake, syrupy, pytest-recording,
    // pytest-socket, pytest-postgresql, pytest-env, pytest-profiling, pytest-doctestplus
    "--allow-hosts",
    "--allowed-hosts",
    "--asyncio-mode",
    "--cucumber-json",
    "--cucumberjson",
    "--diff-width",
    "--doctest-plus-atol",
    "--doctest-plus-rtol",
    "--element-number",
    "--envfile",
    "--feature",
    "--hypothesis-profile",
    "--hypothesis-seed",
    "--hypothesis-verbosity",
    "--mypy-config-file",
    "--mypy-report-style",
    "--nbmake-kernel",
    "--nbmake-timeout",
    "--postgresql-dbname",
    "--postgresql-exec",
    "--postgresql-host",
    "--postgresql-load",
    "--postgresql-options",
    "--postgresql-password",
    "--postgresql-port",
    "--postgresql-startparams",
    "--postgresql-unixsocketdir",
    "--postgresql-user",
    "--pstats-dir",
    "--record-mode",
    "--snapshot-default-extension",
    "--snapshot-diff-mode",
    "--snapshot-dirname",
    "--text-file-format",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_is_of_two_kinds() {
        let mut all: Vec<_> = [VALUES, FLAGS, PERHAPS].concat();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
