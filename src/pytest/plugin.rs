//! The plugin that travels in this binary, and the environment that loads it into any pytest.

use camino::{Utf8Path, Utf8PathBuf};

use crate::model::plan::Plan;
use crate::model::shard::Shard;

/// The module's source: standard library only, Python 3.8 or newer, pytest 7 or newer.
pub(crate) const SOURCE: &str = include_str!("plugin.py");

/// The name it is imported by.
pub(crate) const MODULE: &str = "parallel_pytest_plugin";

/// Where a shard's process finds its things. Paths as that process sees them.
#[derive(Clone, Debug)]
pub(crate) struct PluginPaths {
    /// The folder that holds the module.
    pub(crate) plugin_dir: Utf8PathBuf,
    pub(crate) plan_file: Utf8PathBuf,
    pub(crate) shard_dir: Utf8PathBuf,
    /// The folder the plan was made in.
    pub(crate) root: Utf8PathBuf,
    /// This program: it reports what the shard measured.
    pub(crate) program: Utf8PathBuf,
    /// The folder of the plan's queue, if shards take from it.
    pub(crate) queue: Option<Utf8PathBuf>,
}

/// How a shard is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) company: Company,
    pub(crate) retries: Retries,
}

/// What is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    /// A test that fails, so often, at the end of the process.
    Within(u32),
    /// This process is itself a retry, counted from 1: of the tests that [`RETRY_FILE`] names.
    Fresh(u32),
}

/// In the folder of a retry: `{"tests": […], "files": […]}`, ids and files as the event log has them.
pub(crate) const RETRY_FILE: &str = "retry.json";

/// Whether other shards work in the same folder at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    SideBySide,
}

/// The variables that make every pytest of a process tree run one shard of a plan.
///
/// `current` looks up what is set already: `PYTHONPATH` and `PYTEST_PLUGINS` are extended, and a
/// `PYTHONHASHSEED` of the user stays.
pub(crate) fn environment(
    plan: &Plan,
    shard: Shard,
    paths: &PluginPaths,
    manner: Manner,
    current: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let current = |name: &str| current(name).filter(|value| !value.is_empty());
    let in_front = |first: &str, name: &str, separator: char| match current(name) {
        Some(rest) if rest.split(separator).any(|part| part == first) => rest,
        Some(rest) => format!("{first}{separator}{rest}"),
        None => first.to_owned(),
    };
    let mut variables = vec![
        ("PARALLEL_PYTEST_PLAN", paths.plan_file.to_string()),
        ("PARALLEL_PYTEST_SHARD", shard.to_string()),
        ("PARALLEL_PYTEST_SHARD_DIR", paths.shard_dir.to_string()),
        ("PARALLEL_PYTEST_ROOT", paths.root.to_string()),
        ("PARALLEL_PYTEST_PROGRAM", paths.program.to_string()),
        (
            "PYTHONPATH",
            in_front(paths.plugin_dir.as_str(), "PYTHONPATH", ':'),
        ),
        ("PYTEST_PLUGINS", in_front(MODULE, "PYTEST_PLUGINS", ',')),
        ("COVERAGE_FILE", coverage_file(&paths.shard_dir).to_string()),
    ];
    if let Some(queue) = &paths.queue {
        variables.push(("PARALLEL_PYTEST_QUEUE", queue.to_string()));
    }
    match manner.retries {
        Retries::Within(0) => {}
        Retries::Within(times) => variables.push(("PARALLEL_PYTEST_RETRIES", times.to_string())),
        Retries::Fresh(round) => variables.push(("PARALLEL_PYTEST_RETRY", round.to_string())),
    }
    if manner.company == Company::SideBySide {
        variables.push(("PARALLEL_PYTEST_SIDE_BY_SIDE", "1".to_owned()));
    }
    if current("PYTHONHASHSEED").is_none() {
        variables.push(("PYTHONHASHSEED", plan.hash_seed.to_string()));
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A folder of its own, since pytest-cov gathers and deletes every `.coverage.*` beside its file.
fn coverage_file(shard_dir: &Utf8Path) -> Utf8PathBuf {
    shard_dir.join("coverage").join(".coverage")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::tests::plan;

    fn variables(set: &[(&str, &str)], company: Company) -> Vec<String> {
        let paths = PluginPaths {
            plugin_dir: "/w/plugin".into(),
            plan_file: "/w/plan.json".into(),
            shard_dir: "/w/shard-1-of-2".into(),
            root: "/p".into(),
            program: "/w/bin/parallel-pytest".into(),
            queue: None,
        };
        let current = |name: &str| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let shard = "1/2".parse().expect("a shard");
        let manner = Manner {
            company,
            retries: Retries::Within(2),
        };
        environment(&plan(2), shard, &paths, manner, current)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn extends_what_the_user_has_set() {
        let set = [
            ("PYTHONPATH", "/mine"),
            ("PYTEST_PLUGINS", "a,b"),
            ("PYTHONHASHSEED", "0"),
        ];
        let variables = variables(&set, Company::SideBySide);
        assert!(variables.contains(&"PYTHONPATH=/w/plugin:/mine".to_owned()));
        assert!(variables.contains(&"PYTEST_PLUGINS=parallel_pytest_plugin,a,b".to_owned()));
        assert!(
            !variables
                .iter()
                .any(|line| line.starts_with("PYTHONHASHSEED"))
        );
        assert!(variables.contains(&"PARALLEL_PYTEST_SIDE_BY_SIDE=1".to_owned()));
        assert!(variables.contains(&"PARALLEL_PYTEST_RETRIES=2".to_owned()));
    }

    #[test]
    fn an_environment_that_is_set_already_stays_as_it_is() {
        let set = [("PYTHONPATH", "/w/plugin"), ("PYTEST_PLUGINS", "")];
        let variables = variables(&set, Company::Alone);
        assert!(variables.contains(&"PYTHONPATH=/w/plugin".to_owned()));
        assert!(variables.contains(&"PYTEST_PLUGINS=parallel_pytest_plugin".to_owned()));
        assert!(variables.contains(&"PYTHONHASHSEED=7".to_owned()));
    }
}
