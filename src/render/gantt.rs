//! The timeline of the shards as a Mermaid diagram, which GitHub draws in a job summary
//! (<https://mermaid.js.org/syntax/gantt.html>).

use std::fmt::Write as _;

use super::budget::{Block, Item};
use super::view::View;
use super::words;

/// More bars are a wall, and the table of the shards has them all.
const MOST_SHARDS: usize = 24;

/// Longer than any run, in seconds: what claims more is a lie.
const LONGEST: f64 = 1e7;

/// The real time of each shard over the predicted one. It is whole, or it is left out: a diagram that
/// was cut is none.
pub(super) fn gantt(view: &View<'_>) -> Option<Block> {
    if !(2..=MOST_SHARDS).contains(&view.shards.len()) {
        return None;
    }
    let origin = view
        .shards
        .iter()
        .filter_map(|row| row.run.started)
        .reduce(f64::min)?;
    // In milliseconds, since Mermaid takes nothing but whole numbers for times without a date.
    let mut text = "```mermaid\ngantt\n  dateFormat x\n  axisFormat %ss\n".to_owned();
    for row in &view.shards {
        let run = &row.run;
        let start = run.started.map_or(0.0, |started| started - origin);
        let _ = writeln!(text, "  section {}", run.name());
        let mut bar = |name: &str, tag: &str, seconds: f64| {
            let (from, to) = (milliseconds(start), milliseconds(start + seconds));
            let _ = writeln!(text, "  {name} :{tag}, {from}, {}", to.max(from + 1));
        };
        match row.seconds {
            Some(seconds) => {
                let bad = run.totals.failed + run.totals.error + run.totals.lost > 0;
                bar(
                    &words::duration(seconds),
                    if bad { "crit" } else { "active" },
                    seconds,
                );
            }
            None => bar("no results", "crit", 0.0),
        }
        if let Some(predicted) = run.predicted_seconds {
            bar(
                &format!("predicted {}", words::duration(predicted)),
                "done",
                predicted,
            );
        }
    }
    text += "```\n\n";
    Some(Block {
        items: vec![Item(vec![text])],
        ..Block::default()
    })
}

fn milliseconds(seconds: f64) -> usize {
    words::whole(1e3 * seconds.clamp(0.0, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stories;

    #[test]
    fn draws_real_and_predicted_times() {
        let story = stories::a_missing_shard();
        let block = gantt(&story.view()).expect("a diagram");
        insta::assert_snapshot!(block.items[0].0[0], @r"
        ```mermaid
        gantt
          dateFormat x
          axisFormat %ss
          section 1/3
          3.2s :active, 0, 3200
          predicted 1m 0s :done, 0, 60000
          section 2/3
          no results :crit, 0, 1
          predicted 1m 0s :done, 0, 60000
          section 3/3
          4.0s :active, 0, 4000
          predicted 1m 0s :done, 0, 60000
        ```
        ");
    }

    #[test]
    fn survives_times_that_are_none() {
        let mut story = stories::one_failure();
        story.report.shards[0].started = Some(f64::NAN);
        story.report.shards[1].ended = Some(f64::INFINITY);
        story.report.shards[1].predicted_seconds = Some(f64::INFINITY);
        let block = gantt(&story.view()).expect("a diagram");
        let text = &block.items[0].0[0];
        assert!(text.lines().filter(|line| line.contains(", ")).all(|line| {
            let numbers = line.rsplit(", ").take(2);
            numbers
                .into_iter()
                .all(|number| number.parse::<u64>().is_ok())
        }));
    }
}
