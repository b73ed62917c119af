//! Our files into the artifacts of a GitHub run, where the last job finds them.

use anyhow::{Context as _, Result};
use camino::Utf8Path;

use super::console;
use crate::github::artifact::{ArtifactName, ArtifactService};
use crate::github::context::Context;
use crate::model::plan::Plan;
use crate::model::shard::Shard;
use crate::workspace::{COVERAGE_FILE, EVENTS_FILE, LOG_FILE, MANIFEST_FILE, PLAN_FILE};

/// What publish needs of a shard, and what people look at afterwards.
const SHARD_FILES: [&str; 5] = [MANIFEST_FILE, EVENTS_FILE, "junit.xml", COVERAGE_FILE, LOG_FILE];
