//! Settings in layers: flag, then environment (`PARALLEL_PYTEST_*`, `INPUT_*`), then
//! `[tool.parallel-pytest]` in pyproject.toml, then the default.
//!
//! A setting has one name everywhere, the flag's. The lower layers become the defaults of the
//! flags, so that every value, wherever it comes from, goes through the same checks.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use crate::model::exit::UsageError;

const TABLE: &str = "tool.parallel-pytest";

/// The settings below the flags.
pub(crate) struct Settings<E> {
    environment: E,
    table: Table,
}

/// Which settings did not come from the command line, and where they came from instead.
pub(crate) type Sources = BTreeMap<String, String>;

impl<E: Fn(&str) -> Option<String>> Settings<E> {
    /// `pyproject` is the text of pyproject.toml, empty if there is none.
    ///
    /// # Errors
    /// Broken TOML; a key that no command of `cli` knows.
    pub(crate) fn read(environment: E, pyproject: &str, cli: &Command) -> Result<Self, UsageError> {
        let document: Table = pyproject.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + pyproject[..span.start].matches('\n').count());
            UsageError(format!("pyproject.toml, line {line}: {}", error.message()))
        })?;
        let table = document
            .get("tool")
            .and_then(|tool| tool.get("parallel-pytest"))
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default();
        let known = names(cli);
        for key in table.keys() {
            if !known.contains(key) {
                return Err(unknown_key(key, &known));
            }
        }
        Ok(Self { environment, table })
    }

    /// `cli` with the settings as the defaults of its flags.
    ///
    /// # Errors
    /// A value of pyproject.toml that is neither text, number, truth value nor a list of these.
    pub(crate) fn layer(&self, cli: Command) -> Result<(Command, Sources), UsageError> {
        let mut sources = Sources::new();
        let mut failure = None;
        let cli = cli.mut_subcommands(|command| {
            command.mut_args(|arg| {
                let Some(name) = name(&arg).map(str::to_owned) else {
                    return arg;
                };
                match self.find(&name) {
                    Ok(Some((text, source))) => {
                        sources.insert(name, source);
                        let values = split(&arg, &text);
                        arg.required(false).default_values(values)
                    }
                    Ok(None) => arg,
                    Err(error) => {
                        failure.get_or_insert(error);
                        arg
                    }
                }
            })
        });
        failure.map_or(Ok((cli, sources)), Err)
    }

    /// One setting as text, several values as words of a shell, and where it stands.
    pub(crate) fn find(&self, name: &str) -> Result<Option<(String, String)>, UsageError> {
        let upper = name.to_uppercase();
        let underscored = upper.replace('-', "_");
        let variables = [
            format!("PARALLEL_PYTEST_{underscored}"),
            format!("INPUT_{upper}"),
            format!("INPUT_{underscored}"),
        ];
        for variable in variables {
            // An input that is not given arrives as an empty one.
            if let Some(text) = (self.environment)(&variable).filter(|text| !text.trim().is_empty())
            {
                return Ok(Some((text, variable)));
            }
        }
        let Some(value) = self.table.get(name) else {
            return Ok(None);
        };
        Ok(Some((
            text_of(name, value)?,
            format!("[{TABLE}] in pyproject.toml"),
        )))
    }
}

/// The name of a setting: its flag, or for a positional argument its id.
pub(crate) fn name(arg: &Arg) -> Option<&str> {
    let name = arg
        .get_long()
        .or_else(|| arg.is_positional().then(|| arg.get_id().as_str()))?;
    (!matches!(name, "help" | "version")).then_some(name)
}

fn names(cli: &Command) -> Vec<String> {
    let args = cli
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .chain(cli.get_arguments());
    args.filter_map(name).map(str::to_owned).collect()
}

fn unknown_key(key: &str, known: &[String]) -> UsageError {
    let nearest = known
        .iter()
        .filter(|name| strsim::jaro_winkler(key, name) > 0.7)
        .min_by_key(|name| strsim::damerau_levenshtein(key, name))
        .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    UsageError(format!(
        "unknown setting `{key}` in [{TABLE}] of pyproject.toml{nearest}"
    ))
}

fn text_of(name: &str, value: &Value) -> Result<String, UsageError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Array(values) => {
            let texts: Result<Vec<String>, _> =
                values.iter().map(|value| text_of(name, value)).collect();
            let texts = texts?;
            let words = texts.iter().map(|text| shlex::try_quote(text));
            let words: Result<Vec<_>, _> = words.collect();
            let null = |_| {
                UsageError(format!(
                    "`{name}` in [{TABLE}] of pyproject.toml holds a null character"
                ))
            };
            Ok(words.map_err(null)?.join(" "))
        }
        Value::Datetime(_) | Value::Table(_) => Err(UsageError(format!(
            "`{name}` in [{TABLE}] of pyproject.toml is a {}: write text, a number or a list",
            value.type_str()
        ))),
    }
}

/// Commands and lists are split like a shell would.
fn split(arg: &Arg, text: &str) -> Vec<String> {
    let many = matches!(arg.get_action(), ArgAction::Append)
        || arg
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1);
    if many {
        shlex::split(text).unwrap_or_else(|| vec![text.to_owned()])
    } else {
        vec![text.trim().to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli() -> Command {
        Command::new("x").subcommand(
            Command::new("run")
                .arg(
                    Arg::new("shards")
                        .long("shards")
                        .value_parser(clap::value_parser!(u16)),
                )
                .arg(
                    Arg::new("dry_run")
                        .long("dry-run")
                        .action(ArgAction::SetTrue),
                )
                .arg(Arg::new("paths").num_args(0..))
                .arg(Arg::new("pytest").num_args(0..).last(true)),
        )
    }

    fn parse(
        typed: &[&str],
        environment: &[(&str, &str)],
        toml: &str,
    ) -> Result<clap::ArgMatches, String> {
        let environment = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let settings =
            Settings::read(environment, toml, &cli()).map_err(|error| error.to_string())?;
        let (cli, _) = settings.layer(cli()).map_err(|error| error.to_string())?;
        let words = ["x", "run"].iter().chain(typed);
        let matches = cli
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())?;
        Ok(matches.subcommand().expect("a command").1.clone())
    }

    fn shards(typed: &[&str], environment: &[(&str, &str)], toml: &str) -> Option<u16> {
        let matches = parse(typed, environment, toml).expect("settings");
        matches.get_one("shards").copied()
    }

    const TOML: &str = "[tool.parallel-pytest]\nshards = 2\n";

    #[test]
    fn a_flag_beats_the_environment_and_that_the_file() {
        let inputs = [("INPUT_SHARDS", "3")];
        let both = [("INPUT_SHARDS", "3"), ("PARALLEL_PYTEST_SHARDS", "4")];
        assert_eq!(shards(&[], &[], ""), None);
        assert_eq!(shards(&[], &[], TOML), Some(2));
        assert_eq!(shards(&[], &inputs, TOML), Some(3));
        assert_eq!(shards(&[], &both, TOML), Some(4));
        assert_eq!(shards(&["--shards", "5"], &both, TOML), Some(5));
        assert_eq!(shards(&[], &[("INPUT_SHARDS", "")], TOML), Some(2));
    }

    #[test]
    fn reads_lists_truth_values_and_commands() {
        let inputs = [
            ("INPUT_DRY-RUN", "true"),
            ("INPUT_PATHS", "a d\n 'b c' \n"),
            ("INPUT_PYTEST", "pytest -k 'one and two'\n--cov"),
        ];
        let matches = parse(&[], &inputs, "").expect("settings");
        let words = |name: &str| {
            matches
                .get_many::<String>(name)
                .expect("values")
                .collect::<Vec<_>>()
        };
        assert!(matches.get_flag("dry_run"));
        assert_eq!(words("paths"), ["a", "d", "b c"]);
        let matches = parse(&[], &[], "[tool.parallel-pytest]\npaths = ['a', 'b c']");
        let matches = matches.expect("settings");
        let paths: Vec<&String> = matches.get_many("paths").expect("values").collect();
        assert_eq!(paths, ["a", "b c"]);
        assert_eq!(words("pytest"), ["pytest", "-k", "one and two", "--cov"]);
    }

    #[test]
    fn refuses_unknown_keys_and_names_the_nearest() {
        let refused = |toml: &str| parse(&[], &[], toml).expect_err("refused");
        assert_eq!(
            refused("[tool.parallel-pytest]\nshard_count = 2"),
            "unknown setting `shard_count` in [tool.parallel-pytest] of pyproject.toml; did you mean `shards`?"
        );
        assert_eq!(
            refused("[tool.parallel-pytest]\nxyzzy = 2"),
            "unknown setting `xyzzy` in [tool.parallel-pytest] of pyproject.toml"
        );
        assert!(refused("[tool]\n[tool\n").starts_with("pyproject.toml, line 2: "));
        assert!(refused("[tool.parallel-pytest]\nshards = {a = 1}").contains("is a table"));
    }
}
