//! What all shards do right now: bars on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console;
use crate::model::shard::Shard;
use crate::render::progress::ProgressLine;
use crate::runner::follow::{Follower, Progress};
use crate::workspace::EVENTS_FILE;

const TICK: Duration = Duration::from_millis(200);

/// Between two lines of one shard where nobody watches live.
const LINE_EVERY: Duration = Duration::from_secs(15);

struct Watched {
    shard: Shard,
    follower: Follower,
    progress: Progress,
    bar: ProgressBar,
    told: Instant,
    told_finished: usize,
}

impl Watched {
    fn line(&self) -> ProgressLine<'_> {
        ProgressLine {
            shard: self.shard,
            done: self.progress.finished,
            total: self.progress.collected,
            failed: self.progress.failed,
            now: self
                .progress
                .running
                .first()
                .map_or("", |test| test.id.as_str()),
        }
    }
}

/// Shows the shards until it is dropped.
pub(crate) async fn show(shards: Vec<(Shard, Utf8PathBuf)>) {
    let live = console::is_terminal();
    let target = if live {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bars = MultiProgress::with_draw_target(target);
    let style =
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut watched: Vec<Watched> = shards
        .into_iter()
        .map(|(shard, folder)| Watched {
            shard,
            follower: Follower::new(folder.join(EVENTS_FILE)),
            progress: Progress::default(),
            bar: bars.add(ProgressBar::new_spinner().with_style(style.clone())),
            told: Instant::now(),
            told_finished: 0,
        })
        .collect();
    loop {
        for shard in &mut watched {
            // A log that cannot be read now is read again; only the display would miss it.
            for event in shard.follower.poll().unwrap_or_default() {
                shard.progress.apply(&event, Instant::now());
            }
            if live {
                shard
                    .bar
                    .set_message(shard.line().live(console::width(), console::style()));
            } else if shard.told.elapsed() > LINE_EVERY
                && shard.progress.finished > shard.told_finished
            {
                console::say(shard.line().plain());
                shard.told = Instant::now();
                shard.told_finished = shard.progress.finished;
            }
        }
        tokio::time::sleep(TICK).await;
    }
}
