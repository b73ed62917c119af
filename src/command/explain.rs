//! Why a plan is as it is, for the person who asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::model::shard::Shard;
use crate::planner::plan::Planned;
use crate::planner::shard_count::{Choice, MOST_WITHOUT_HISTORY, Offer, TESTS_PER_SHARD, Why};
use crate::render::visible;
use crate::render::words::{count, duration, float, list, number};

/// A line for each shard; with `files`, also what is in it and what limits the plan.
pub(crate) fn shards(planned: &Planned, files: bool) -> String {
    let mut text = String::new();
    let mut of_shard: BTreeMap<Shard, BTreeSet<&str>> = BTreeMap::new();
    for (path, owner) in &planned.plan.files {
        let owners = planned.cut.get(path);
        let owners = owners.into_iter().flatten().chain([owner]);
        for shard in owners {
            of_shard.entry(*shard).or_default().insert(path);
        }
    }
    for shard in &planned.plan.shards {
        let predicted = shard
            .predicted_seconds
            .map_or_else(String::new, |seconds| format!("{}, ", duration(seconds)));
        let _ = writeln!(
            text,
            "  shard {}: {predicted}{}, about {}",
            shard.shard,
            count(shard.files, "file"),
            count(shard.tests, "test")
        );
        if files {
            for path in of_shard.get(&shard.shard).into_iter().flatten() {
                let part = if planned.cut.contains_key(*path) {
                    " (a part of it)"
                } else {
                    ""
                };
                let _ = writeln!(text, "    {}{part}", visible::line(path));
            }
        }
    }
    if files {
        limits(planned, &mut text);
    }
    text.truncate(text.trim_end().len());
    text
}

fn limits(planned: &Planned, text: &mut String) {
    for (path, shards) in &planned.cut {
        let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "cut: {} into {}", visible::line(path), list(&shards));
    }
    let (Some(bound), Some(fixed)) = (planned.lower_bound, planned.fixed) else {
        text.push_str("nothing is known about durations yet: the plan counts tests\n");
        return;
    };
    let longest = planned.plan.shards.iter();
    let longest = longest.filter_map(|shard| shard.predicted_seconds);
    let longest = longest.fold(0.0, f64::max);
    let _ = writeln!(
        text,
        "the longest shard takes {}, no plan can be below {}",
        duration(longest),
        duration(bound)
    );
    if fixed > 0.0 {
        let _ = writeln!(
            text,
            "each shard takes {} before and beside its files",
            duration(fixed)
        );
    }
    if let Some(unit) = &planned.longest {
        let _ = writeln!(text, "{}", held_up(unit));
    }
}

fn held_up(unit: &str) -> String {
    format!(
        "more shards would not help: {} takes that long alone",
        visible::line(unit)
    )
}

/// How the number of shards was chosen. `price` is that of a minute; `target` is in seconds.
pub(crate) fn choice(planned: &Planned, price: f64, target: Option<f64>) -> Option<String> {
    let choice = planned.choice.as_ref()?;
    let mut text = String::new();
    if !choice.options.is_empty() {
        table(choice, price, &mut text);
    }
    let shards = count(usize::from(choice.shards), "shard");
    let reason = match &choice.why {
        Why::NoHistory { tests } => format!(
            "there is no history yet, so the number of tests decides: {}, one shard for each {TESTS_PER_SHARD}, at most {MOST_WITHOUT_HISTORY}",
            number(usize::try_from(*tests).unwrap_or(usize::MAX))
        ),
        Why::WithinTarget => format!(
            "the fewest billed minutes with every job below {}",
            duration(target.unwrap_or_default())
        ),
        Why::TargetTooShort { least } => {
            let why = planned.longest.as_deref().map_or_else(
                || "more shards are not allowed or do not help".to_owned(),
                held_up,
            );
            format!(
                "{} cannot be reached, {} is the least: {why}",
                duration(target.unwrap_or_default()),
                duration(*least)
            )
        }
        Why::BestValue => "the least product of waiting time and billed minutes".to_owned(),
    };
    let _ = write!(text, "{shards}: {reason}");
    Some(text)
}

fn table(choice: &Choice, price: f64, text: &mut String) {
    let _ = writeln!(text, "   shards  longest job  billed minutes     price");
    for Offer {
        shards,
        wall,
        minutes,
    } in &choice.options
    {
        let chosen = if *shards == choice.shards { '>' } else { ' ' };
        let minutes = usize::try_from(*minutes).unwrap_or(usize::MAX);
        let _ = writeln!(
            text,
            " {chosen} {shards:>6}  {:>11}  {:>14}  {:>8}",
            duration(*wall),
            number(minutes),
            format!("${:.3}", float(minutes) * price)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::history::History;
    use crate::model::plan::PlanInputs;
    use crate::planner::estimate::SourceFile;
    use crate::planner::plan::{Dealing, ShardCount};
    use crate::planner::shard_count::AutoRequest;
    use crate::planner::{PlanRequest, plan};

    fn planned(seconds: &[(&str, &str, f64)], shards: ShardCount) -> Planned {
        let mut history = History::default();
        let mut files: BTreeMap<&str, SourceFile> = BTreeMap::new();
        for (path, name, seconds) in seconds {
            let known = history.files.entry((*path).to_owned()).or_default();
            known.import.add(0.5);
            if *seconds >= 0.0 {
                let test = known.tests.entry((*name).to_owned()).or_default();
                test.cost.add(*seconds);
            }
            let file = files.entry(path).or_default();
            file.path = (*path).to_owned();
            file.tests += 1;
            file.functions.push(((*name).to_owned(), 1));
        }
        history.start_up.add(1.0);
        plan(PlanRequest {
            suite: "pytest".into(),
            files: files.into_values().collect(),
            history,
            shards,
            keep_together: Vec::new(),
            dealing: Dealing::Planned,
            environments: Vec::new(),
            created_at: String::new(),
            inputs: PlanInputs::default(),
        })
    }

    const SUITE: [(&str, &str, f64); 4] = [
        ("tests/a.py", "one", 20.0),
        ("tests/a.py", "two", 20.0),
        ("tests/a.py", "three", 5.0),
        ("tests/\u{1b}[31m.py", "four", 10.0),
    ];

    fn auto(target: Option<f64>) -> ShardCount {
        ShardCount::Auto(AutoRequest {
            target,
            max: 256,
            job_start_up: 30.0,
        })
    }

    #[test]
    fn says_what_is_where_and_what_limits() {
        let planned = planned(&SUITE, ShardCount::Exactly(3));
        insta::assert_snapshot!(shards(&planned, true), @r"
          shard 1/3: 22s, 1 file, about 1 test
            tests/a.py (a part of it)
          shard 2/3: 22s, 1 file, about 1 test
            tests/a.py (a part of it)
          shard 3/3: 17s, 2 files, about 2 tests
            tests/.py
            tests/a.py (a part of it)
        cut: tests/a.py into 1/3, 2/3 and 3/3
        the longest shard takes 22s, no plan can be below 22s
        each shard takes 1.0s before and beside its files
        more shards would not help: tests/a.py::one takes that long alone
        ");
        assert_eq!(shards(&planned, false).lines().count(), 3);
    }

    #[test]
    fn says_why_there_are_so_many_shards() {
        let said = |target| {
            let planned = planned(&SUITE, auto(target));
            choice(&planned, 0.006, target).expect("a choice")
        };
        insta::assert_snapshot!(said(None), @r"
           shards  longest job  billed minutes     price
                1       1m 27s               2    $0.012
                2        1m 2s               3    $0.018
         >      3          52s               3    $0.018
                4          52s               4    $0.024
        3 shards: the least product of waiting time and billed minutes
        ");
        insta::assert_snapshot!(said(Some(70.0)), @r"
           shards  longest job  billed minutes     price
                1       1m 27s               2    $0.012
                2        1m 2s               3    $0.018
         >      3          52s               3    $0.018
                4          52s               4    $0.024
        3 shards: the fewest billed minutes with every job below 1m 10s
        ");
        insta::assert_snapshot!(said(Some(40.0)), @r"
           shards  longest job  billed minutes     price
                1       1m 27s               2    $0.012
                2        1m 2s               3    $0.018
         >      3          52s               3    $0.018
                4          52s               4    $0.024
        3 shards: 40s cannot be reached, 52s is the least: more shards would not help: tests/a.py::one takes that long alone
        ");
    }

    #[test]
    fn says_so_where_nothing_is_known() {
        let planned = planned(&[("a.py", "one", -1.0)], auto(None));
        insta::assert_snapshot!(choice(&planned, 0.006, None).expect("a choice"), @"1 shard: there is no history yet, so the number of tests decides: 1, one shard for each 150, at most 16");
        insta::assert_snapshot!(shards(&planned, true), @r"
          shard 1/1: 1 file, about 1 test
            a.py
        nothing is known about durations yet: the plan counts tests
        ");
    }
}
