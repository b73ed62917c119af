//! The page as a whole.

use std::io;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest as _, Sha256};

use crate::render::view::View;

use super::data;
pub(crate) use super::data::Sources;
use super::overview::Overview;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// One script in parts; each uses those before it.
const SCRIPT: &str = concat!(
    include_str!("script/elements.js"),
    include_str!("script/data.js"),
    include_str!("script/list.js"),
    include_str!("script/address.js"),
    include_str!("script/tests.js"),
    include_str!("script/coverage.js"),
    include_str!("script/page.js"),
);

/// Where the data goes: no text of a test can be it, as its `<` would be escaped.
const DATA: &str = "<data>";

/// Writes the whole page, below 20 MB; `sources` has the files that were measured.
///
/// # Errors
/// The writer's. None that data could cause: it would be a mistake in the template.
pub(crate) fn page(
    view: &View<'_>,
    sources: Sources<'_>,
    mut out: impl io::Write,
) -> anyhow::Result<()> {
    let by_weight = data::by_weight(view);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let safe = |text: &str| Value::from_safe_string(text.to_owned());
    let frame = environment.render_named_str(
        "page.html",
        TEMPLATE,
        context! {
            policy => policy(),
            style => safe(STYLE),
            script => safe(SCRIPT),
            data => safe(DATA),
            overview => Value::from(Serde(Overview::new(view, &by_weight))),
        },
    )?;
    let (head, foot) = frame.split_once(DATA).context("it has no place for data")?;
    out.write_all(head.as_bytes())?;
    data::write(view, &by_weight, sources, &mut out)?;
    Ok(out.write_all(foot.as_bytes())?)
}

/// The content security policy (<https://www.w3.org/TR/CSP3/>): our script and our style, and nothing
/// from anywhere.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}
