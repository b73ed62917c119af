//! The comment of `publish`: when there is one, in whose words, and of whom.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use fs_err as fs;

use super::conclude::Conclusion;
use super::console;
use super::job::Job;
use crate::github::client::Client;
use crate::github::comment::{Need, Renewal, upsert};
use crate::github::pull_request;
use crate::github::shared_comment::{Place, Wanted, share};
use crate::model::exit::UsageError;
use crate::render::shared_comment::compose::{compose, marker};
use crate::render::shared_comment::section::Own;
use crate::render::template::Template;
use crate::render::view::View;
use crate::render::{comment, result_json, workflow_command};

#[derive(Args, Clone, Debug)]
pub(crate) struct CommentArgs {
    /// When to comment on the pull request
    #[arg(long, value_name = "WHEN", default_value = "always")]
    comment: CommentOn,

    /// Suites that give the same name share one comment, a section each; each has its own without
    #[arg(long, value_name = "NAME")]
    comment_name: Option<String>,

    /// What becomes of the comment of an earlier run; one that suites share is always updated in place
    #[arg(
        long,
        value_name = "HOW",
        default_value = "in-place",
        conflicts_with = "comment_name"
    )]
    comment_update: CommentUpdate,

    /// Template of minijinja for the comment; it has `comment`, `headline` and `result`, which is
    /// result.json
    #[arg(long, value_name = "FILE")]
    comment_template: Option<Utf8PathBuf>,
}

/// When there is a comment. One of an earlier run is always brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CommentOn {
    Always,
    /// If something is different from the baseline, or there is none
    OnChange,
    /// If the result is red
    OnFailure,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CommentUpdate {
    /// It is edited, which notifies nobody
    InPlace,
    /// It is made anew, at the end of the conversation
    Recreate,
}

impl CommentOn {
    /// `None` for none at all.
    fn need(self, view: &View<'_>) -> Option<Need> {
        let wanted = match self {
            Self::Always => true,
            Self::OnChange => view.has_changes(),
            Self::OnFailure => !view.green,
            Self::Off => return None,
        };
        Some(if wanted { Need::Wanted } else { Need::IfThere })
    }
}

impl CommentArgs {
    /// # Errors
    /// The file cannot be read or is no template.
    pub(super) fn template(&self) -> Result<Option<Template>> {
        self.comment_template
            .as_deref()
            .map(read_template)
            .transpose()
    }

    /// How a suite is called where others are shown beside it.
    pub(super) fn title<'a>(&self, suite: &'a str) -> Option<&'a str> {
        self.comment_name.as_ref().map(|_| suite)
    }

    /// # Errors
    /// GitHub's.
    pub(super) async fn publish(
        &self,
        client: &Client,
        job: &Job,
        template: Option<&Template>,
        conclusion: &Conclusion,
        view: &View<'_>,
    ) -> Result<()> {
        let Some(need) = self.comment.need(view) else {
            return Ok(());
        };
        let Some(number) = pull_request::of_run(client, &job.context).await? else {
            return Ok(());
        };
        let said = template.and_then(|template| in_own_words(template, conclusion, view));
        let of_suite = comment::marker(view.suite);
        let Some(name) = &self.comment_name else {
            let body = said.unwrap_or_else(|| comment::comment(view));
            let renewal = match self.comment_update {
                CommentUpdate::InPlace => Renewal::InPlace,
                CommentUpdate::Recreate => Renewal::Anew,
            };
            upsert(
                client,
                &job.context,
                number,
                &of_suite,
                &body,
                need,
                renewal,
            )
            .await?;
            return Ok(());
        };
        let said = said.map(|said| said.trim_start_matches(&of_suite).trim_start().to_owned());
        let run = job.context.reported_run();
        let own = Own::new(view, (run.id, run.attempt), said);
        let place = Place {
            pull_request: number,
            marker: &marker(name),
        };
        let wanted = |now: &[&str]| {
            let composed = compose(now, &own, name);
            Wanted {
                body: composed.text,
                waits: composed.waits,
            }
        };
        share(client, &job.context, place, need, wanted).await?;
        Ok(())
    }
}

fn read_template(path: &Utf8Path) -> Result<Template> {
    let usage = |what: String| UsageError(format!("--comment-template {path}: {what}"));
    let text = fs::read_to_string(path).map_err(|error| usage(error.to_string()))?;
    Ok(Template::parse(text).map_err(usage)?)
}

/// The comment in the project's words; `None` where those do not work.
fn in_own_words(template: &Template, conclusion: &Conclusion, view: &View<'_>) -> Option<String> {
    let result = result_json::result_json(view, conclusion.exit().code());
    let said = template.comment(view, &result);
    said.map_err(|what| {
        let warning = format!("the comment's template is not used: {what}");
        console::print(workflow_command::warning(&warning));
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::cases::Cases;
    use crate::model::comparison::Comparison;
    use crate::model::report::Report;
    use crate::model::verdict::{Reason, Verdict};
    use crate::render::view::{Links, ViewInput};

    #[test]
    fn a_comment_is_made_when_it_is_wanted() {
        let report = Report {
            suite: "s".to_owned(),
            cases: Cases::default(),
            shards: Vec::new(),
            environments: Vec::new(),
            warnings: Vec::new(),
        };
        let red = Verdict {
            reasons: vec![Reason::NothingRan],
            muted: Vec::new(),
        };
        let (green, same) = (Verdict::default(), Comparison::default());
        let need = |mode: CommentOn, verdict: &Verdict, comparison: Option<&Comparison>| {
            mode.need(&View::new(ViewInput {
                title: None,
                report: &report,
                verdict,
                coverage: None,
                comparison,
                not_compared: None,
                patch: None,
                quarantined: &[],
                ends: &BTreeMap::new(),
                links: Links::default(),
            }))
        };
        let (wanted, if_there) = (Some(Need::Wanted), Some(Need::IfThere));
        assert_eq!(need(CommentOn::Always, &green, Some(&same)), wanted);
        assert_eq!(need(CommentOn::OnFailure, &green, None), if_there);
        assert_eq!(need(CommentOn::OnFailure, &red, None), wanted);
        assert_eq!(need(CommentOn::OnChange, &red, None), wanted);
        assert_eq!(need(CommentOn::OnChange, &green, Some(&same)), if_there);
        assert_eq!(need(CommentOn::Off, &red, None), None);
    }
}
