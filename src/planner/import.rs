//! What other programs know about durations, as a first history.

use std::collections::{BTreeMap, HashMap};

use crate::model::case::{Outcome, TestCase};
use crate::model::history::History;
use crate::model::node_id::NodeId;

/// One test as another program saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reported {
    pub(crate) name: ReportedName,
    pub(crate) seconds: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReportedName {
    NodeId(NodeId),
    /// JUnit's attributes: which file the class is in has to be found out.
    Junit {
        classname: String,
        name: String,
    },
}

/// How much of it could be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    pub(crate) tests: usize,
    /// They are in no file that is here.
    pub(crate) unknown: usize,
}

/// Reads pytest-split's `.test_durations`: an object of seconds by node id, in old versions a list of
/// pairs (`pytest_split/plugin.py`). `None` for anything else.
pub(crate) fn durations(bytes: &[u8]) -> Option<Vec<Reported>> {
    let pairs: Vec<(String, f64)> = match serde_json::from_slice::<BTreeMap<String, f64>>(bytes) {
        Ok(map) => map.into_iter().collect(),
        Err(_) => serde_json::from_slice(bytes).ok()?,
    };
    if !pairs.iter().any(|(id, _)| id.contains("::")) {
        return None;
    }
    let reported = pairs.into_iter().map(|(id, seconds)| Reported {
        name: ReportedName::NodeId(NodeId::new(id)),
        seconds,
    });
    Some(reported.collect())
}

/// The tests of a JUnit report that went their normal way.
pub(crate) fn cases(cases: impl IntoIterator<Item = TestCase>) -> Vec<Reported> {
    let normal = |case: &TestCase| {
        let passed = matches!(
            case.outcome,
            Outcome::Passed | Outcome::Xfailed | Outcome::Xpassed
        );
        passed && case.attempts == 1
    };
    let reported = cases.into_iter().filter(normal).map(|case| Reported {
        seconds: case.duration().as_secs_f64(),
        name: match case.file {
            Some(_) => ReportedName::NodeId(case.id),
            None => ReportedName::Junit {
                classname: case.classname,
                name: case.name,
            },
        },
    });
    reported.collect()
}

/// Adds what is reported about tests of these files.
pub(crate) fn learn<'a>(
    history: &mut History,
    reported: &[Reported],
    files: impl Iterator<Item = &'a str>,
) -> Learnt {
    let places = Places::of(files);
    let mut learnt = Learnt::default();
    for Reported { name, seconds } in reported {
        let place = match name {
            ReportedName::NodeId(id) => places.of_id(id.as_str()),
            ReportedName::Junit { classname, name } => places.of_class(classname, name),
        };
        let Some((file, name)) = place else {
            learnt.unknown += 1;
            continue;
        };
        let file = history.files.entry(file.to_owned()).or_default();
        file.tests.entry(name).or_default().cost.add(*seconds);
        learnt.tests += 1;
    }
    learnt
}

/// Finds a file by its path or module, whole or from some folder on: pytest's rootdir may be another
/// folder than ours.
struct Places<'a> {
    paths: Ends<'a>,
    modules: Ends<'a>,
}

/// Files by each end of their names; `None` where several end like that.
type Ends<'a> = HashMap<String, Option<&'a str>>;

impl<'a> Places<'a> {
    fn of(files: impl Iterator<Item = &'a str>) -> Self {
        let mut places = Self {
            paths: HashMap::new(),
            modules: HashMap::new(),
        };
        let files: Vec<&str> = files.collect();
        for file in &files {
            let mut rest = *file;
            while let Some((_, end)) = rest.split_once('/') {
                add(&mut places.paths, end.to_owned(), file);
                add(&mut places.modules, module(end), file);
                rest = end;
            }
        }
        // A whole path beats the end of another one.
        for file in &files {
            places.paths.insert((*file).to_owned(), Some(file));
            places.modules.insert(module(file), Some(file));
        }
        places
    }

    fn of_id(&self, id: &str) -> Option<(&'a str, String)> {
        let (path, name) = id.split_once("::")?;
        let file = (*self.paths.get(path)?)?;
        Some((file, name.to_owned()))
    }

    /// `tests.test_a.TestX` is the class of a module, or a module: the longest module counts.
    fn of_class(&self, classname: &str, name: &str) -> Option<(&'a str, String)> {
        let ends = classname.match_indices('.').map(|(at, _)| at);
        let ends: Vec<usize> = ends.chain([classname.len()]).collect();
        let found = ends.into_iter().rev().find_map(|end| {
            let file = (*self.modules.get(&classname[..end])?)?;
            Some((file, &classname[end..]))
        });
        let (file, classes) = found?;
        let classes = classes.trim_start_matches('.');
        if classes.is_empty() {
            return Some((file, name.to_owned()));
        }
        Some((file, format!("{}::{name}", classes.replace('.', "::"))))
    }
}

fn add<'a>(ends: &mut Ends<'a>, end: String, file: &'a str) {
    let known = ends.entry(end).or_insert(Some(file));
    if *known != Some(file) {
        *known = None;
    }
}

/// As pytest mangles it for JUnit.
fn module(path: &str) -> String {
    path.strip_suffix(".py").unwrap_or(path).replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] = [
        "tests/test_a.py",
        "tests/v1.2/test_q.py",
        "svc/tests/test_s.py",
        "one/test_twice.py",
        "two/test_twice.py",
    ];

    fn learnt(reported: &[Reported]) -> (Vec<String>, Learnt) {
        let mut history = History::default();
        let learnt = learn(&mut history, reported, FILES.into_iter());
        let tests = history.files.iter().flat_map(|(path, file)| {
            let shown = move |(name, test): (&String, &crate::model::history::TestHistory)| {
                format!("{path} {name} {:?}", test.cost.value())
            };
            file.tests.iter().map(shown)
        });
        (tests.collect(), learnt)
    }

    #[test]
    fn reads_both_shapes_of_durations() {
        let new = br#"{"tests/test_a.py::test_x[1]": 0.5, "gone.py::test": 1, "no id": 2}"#;
        let old = br#"[["tests/test_a.py::test_x[1]", 0.5], ["gone.py::test", 1], ["no id", 2]]"#;
        let (tests, learnt) = learnt(&durations(new).expect("durations"));
        assert_eq!(tests, ["tests/test_a.py test_x[1] Some(0.5)"]);
        assert_eq!((learnt.tests, learnt.unknown), (1, 2));
        assert_eq!(
            durations(old).expect("durations").len(),
            durations(new).expect("durations").len()
        );
        assert!(durations(b"[1, 2]").is_none());
        assert!(durations(br#"{"a::b": "c"}"#).is_none());
        assert!(durations(br#"{"version": 1}"#).is_none());
    }

    #[test]
    fn finds_the_file_of_a_class() {
        let junit = |classname: &str, name: &str| Reported {
            name: ReportedName::Junit {
                classname: classname.to_owned(),
                name: name.to_owned(),
            },
            seconds: 1.0,
        };
        let (tests, learnt) = learnt(&[
            junit("tests.test_a", "test_1"),
            junit("tests.test_a.TestX.TestY", "test_2[a.b]"),
            junit("tests.v1.2.test_q", "test_3"),
            junit("tests.test_s.TestX", "test_4"),
            junit("test_twice", "test_5"),
            junit("one.test_twice", "test_6"),
            junit("", "tests.test_a"),
        ]);
        assert_eq!(
            tests,
            [
                "one/test_twice.py test_6 Some(1.0)",
                "svc/tests/test_s.py TestX::test_4 Some(1.0)",
                "tests/test_a.py TestX::TestY::test_2[a.b] Some(1.0)",
                "tests/test_a.py test_1 Some(1.0)",
                "tests/v1.2/test_q.py test_3 Some(1.0)",
            ]
        );
        assert_eq!(learnt.unknown, 2);
    }

    #[test]
    fn several_reports_are_several_samples() {
        let one = |seconds: f64| Reported {
            name: ReportedName::NodeId(NodeId::new("tests/test_a.py::test_x")),
            seconds,
        };
        let (tests, _) = learnt(&[one(1.0), one(9.0), one(2.0), one(f64::NAN), one(-1.0)]);
        assert_eq!(tests, ["tests/test_a.py test_x Some(2.0)"]);
    }

    #[test]
    fn only_what_passed_at_once_tells_how_long_it_takes() {
        let case = |outcome: Outcome, attempts: u32| TestCase {
            outcome,
            attempts,
            ..TestCase::new(NodeId::new("a.py::x"))
        };
        let told = cases(vec![
            case(Outcome::Passed, 1),
            case(Outcome::Passed, 2),
            case(Outcome::Failed, 1),
            case(Outcome::Skipped, 1),
        ]);
        assert_eq!(told.len(), 1);
    }
}
