//! A comment in the words of its project: a template of minijinja
//! (<https://docs.rs/minijinja/latest/minijinja/syntax/>) with the result as its data.
//!
//! What it may use: `comment`, the whole usual text; `headline`; and `result`, all of `result.json`. Text
//! from tests is made harmless where it is printed, as everywhere; `|safe` prints it as it is.

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, context};

use serde::Serialize;

use super::comment::{COMMENT_BYTES, comment, marker};
use super::markdown::text;
use super::sentence::Sentence;
use super::view::View;

const NAME: &str = "the comment's template";

pub(crate) struct Template(Environment<'static>);

impl std::fmt::Debug for Template {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Template")
    }
}

impl Template {
    /// # Errors
    /// The line and what is wrong in it.
    pub(crate) fn parse(source: String) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(write);
        let added = environment.add_template_owned(NAME, source);
        added.map_err(|error| described(&error))?;
        Ok(Self(environment))
    }

    /// The comment with its marker, at most [`COMMENT_BYTES`].
    ///
    /// # Errors
    /// The template uses what is not there, or the result is too long.
    pub(crate) fn comment(
        &self,
        view: &View<'_>,
        result: &impl Serialize,
    ) -> Result<String, String> {
        let template = self
            .0
            .get_template(NAME)
            .map_err(|error| described(&error))?;
        let usual = comment(view);
        let marker = format!("{}\n", marker(view.suite));
        let usual = usual.strip_prefix(&marker).unwrap_or(&usual).to_owned();
        let data = context! {
            comment => Value::from_safe_string(usual),
            headline => Sentence::plain(&view.headline),
            result => Value::from(Serde(result)),
        };
        let body = template.render(data).map_err(|error| described(&error))?;
        let length = marker.len() + body.len();
        if length > COMMENT_BYTES {
            return Err(format!(
                "it makes a comment of {length} bytes, GitHub takes {COMMENT_BYTES}"
            ));
        }
        Ok(marker + &body)
    }
}

fn write(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        let kind = minijinja::ErrorKind::UndefinedError;
        return Err(minijinja::Error::new(kind, "there is no such value"));
    }
    let shown = value.to_string();
    match value.kind() {
        ValueKind::Number | ValueKind::Bool => out.write_str(&shown)?,
        ValueKind::None => {}
        _ if value.is_safe() => out.write_str(&shown)?,
        _ => out.write_str(&text(&shown))?,
    }
    Ok(())
}

fn described(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!("line {line}: "));
    format!("{}{error}", line.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::gfm::{assert_no_reference, parsed};
    use crate::render::result_json::result_json;
    use crate::render::stories;

    fn rendered(source: &str) -> Result<String, String> {
        let story = stories::one_failure();
        let view = story.view();
        Template::parse(source.to_owned())?.comment(&view, &result_json(&view, 1))
    }

    #[test]
    fn a_project_may_say_it_in_its_own_words() {
        let source = "{% if result.verdict == 'red' %}# Oh no, {{ headline }}\n{% endif %}\
            {% for test in result.tests if test.outcome == 'failed' %}- {{ test.id }} ({{ test.attempts }})\n{% endfor %}{{ result.commit }}";
        insta::assert_snapshot!(rendered(source).expect("a comment"), @r"
        <!-- parallel-pytest:tests -->
        # Oh no, 1 failed of 5 tests in 4.0s
        - `tests/test_shop.py::test_total[a|b]` (1)
        `0123abcd4567`
        ");
        let usual = rendered("Hello\n\n{{ comment }}").expect("a comment");
        assert!(usual.contains("Hello\n\n## ❌ 1 failed"));
    }

    #[test]
    fn text_of_tests_is_harmless_in_it() {
        let mut story = stories::one_failure();
        story.report.cases.whole_mut()[0].id =
            crate::model::node_id::NodeId::new("@octocat <b>[x](http://e.vil) #1");
        let view = story.view();
        let template = Template::parse(
            "{% for test in result.tests %}{{ test.id }}\n\n{% endfor %}".to_owned(),
        );
        let text = template
            .expect("a template")
            .comment(&view, &result_json(&view, 1));
        let seen = parsed(&text.expect("a comment"));
        assert!(seen.urls.is_empty(), "{seen:?}");
        assert_no_reference(&seen.text);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let refused = |source: &str| rendered(source).expect_err("refused");
        assert!(refused("a\n{% if %}").starts_with("line 2: "));
        assert!(refused("{{ nothing }}").starts_with("line 1: "));
        assert!(
            refused("{% for n in range(90000) %}x{{ n }}{% endfor %}")
                .contains("GitHub takes 65536")
        );
    }
}
