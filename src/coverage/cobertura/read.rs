//! Reads a report of any producer. Ways out of a function have no name in it, and most producers
//! only count the branches of a line.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::bounded::Bounded;
use super::super::report::{Part, ReadError};
use crate::model::coverage::{FileCoverage, Line, unnamed};

const MAX_DEPTH: usize = 64;
const MAX_ATTRIBUTES: usize = 64;

/// Of one tag or piece of text, in bytes.
const MAX_TOKEN: usize = 16 << 20;

/// More ways out of one line than anyone writes.
const MAX_BRANCHES: usize = 10_000;

/// # Errors
/// Not a whole Cobertura report. A document type is passed by, but not if it defines anything.
pub(crate) fn read(input: impl BufRead) -> Result<Part, ReadError> {
    let mut reader = Reader::from_reader(Bounded::new(input));
    reader.config_mut().expand_empty_elements = true;
    let mut state = State::default();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let at = reader.buffer_position();
        let failed = |what: String| ReadError::Cobertura(format!("byte {at}: {what}"));
        reader.get_mut().allow(MAX_TOKEN);
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|error| match error {
            quick_xml::errors::Error::Io(_) => {
                failed("a tag or a text of more than 16 MiB".to_owned())
            }
            error => failed(error.to_string()),
        })?;
        match event {
            Event::Start(tag) => state.open(&tag).map_err(failed)?,
            Event::End(_) => state.close(),
            Event::Text(text) if state.in_source => {
                state.source.push_str(&text);
            }
            Event::GeneralRef(reference) if state.in_source => {
                let name: &str = &reference;
                let known = quick_xml::escape::resolve_predefined_entity(name);
                let character = reference
                    .resolve_char_ref()
                    .ok()
                    .flatten()
                    .map(String::from);
                state
                    .source
                    .push_str(known.or(character.as_deref()).unwrap_or_default());
            }
            Event::DocType(text) if text.contains('[') => {
                return Err(failed(
                    "a document type that defines something is not read".to_owned(),
                ));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    state.finish()
}

#[derive(Default)]
struct State {
    path: Vec<String>,
    seen_root: bool,
    /// What the root says: lines, lines that ran.
    counted: Option<(usize, usize)>,
    in_source: bool,
    source: String,
    class: Option<(String, FileCoverage)>,
    part: Part,
}

impl State {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        let name = tag.local_name().as_ref().to_owned();
        if self.path.is_empty() {
            if self.seen_root || name != "coverage" {
                return Err(format!("the root is <{name}>, not <coverage>"));
            }
            self.seen_root = true;
        }
        if self.path.len() >= MAX_DEPTH {
            return Err(format!("elements in more than {MAX_DEPTH} others"));
        }
        match name.as_str() {
            "coverage" => {
                let root = Attributes::of(
                    tag,
                    &[
                        "lines-valid",
                        "lines-covered",
                        "branches-valid",
                        "branch-rate",
                    ],
                )?;
                let [valid, covered, branches, rate] = &root.0;
                self.counted = number(valid.as_ref()).zip(number(covered.as_ref()));
                self.part.coverage.branch = number(branches.as_ref())
                    .is_some_and(|number| number > 0)
                    || (branches.is_some() && rate.as_deref().is_some_and(|rate| rate != "0"));
            }
            "source" => self.in_source = true,
            "class" => {
                let Attributes([filename, class]) = Attributes::of(tag, &["filename", "name"])?;
                let name = filename.or(class).filter(|name| !name.is_empty());
                self.class = Some((
                    name.ok_or("a class has no filename")?,
                    FileCoverage::default(),
                ));
            }
            "line" => self.line(tag)?,
            _ => {}
        }
        self.path.push(name);
        Ok(())
    }

    fn line(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        let Some((_, file)) = &mut self.class else {
            return Ok(());
        };
        let Attributes([line, hits, conditions, missing]) = Attributes::of(
            tag,
            &["number", "hits", "condition-coverage", "missing-branches"],
        )?;
        let line = number(line.as_ref())
            .and_then(|line| Line::try_from(line).ok())
            .filter(|line| *line < 1 << 24);
        let line = line.ok_or("a line has no number")?;
        let hits = hits.as_deref().unwrap_or("0").trim();
        let ran = hits
            .parse::<f64>()
            .map_err(|_| format!("line {line} has `{hits}` for hits"))?
            > 0.0;
        if ran {
            file.missing.remove(&line);
            file.executed.insert(line);
        } else if !file.executed.contains(&line) {
            file.missing.insert(line);
        }
        if let Some((taken, all)) = conditions.as_deref().and_then(fraction) {
            if all > MAX_BRANCHES {
                return Err(format!("line {line} has {all} branches"));
            }
            let mut missed = Vec::new();
            for target in missing.as_deref().unwrap_or_default().split(',') {
                match target.trim().parse::<i32>() {
                    Ok(target) if target > 0 => missed.push(target),
                    _ if target.is_empty() => {}
                    _ => missed.push(unnamed::exit(missed.len())),
                }
            }
            let open = (all - taken.min(all)).saturating_sub(missed.len());
            missed.extend((0..open).map(unnamed::way));
            // A method and its class list the same lines: the last one counts.
            let from = line.cast_signed();
            file.missing_arcs.retain(|arc| arc.0 != from);
            file.waived.remove(&line);
            let waived = all.saturating_sub(missed.len());
            file.missing_arcs
                .extend(missed.into_iter().map(|to| (from, to)));
            if waived > 0 {
                file.waived.insert(line, waived);
            }
            self.part.coverage.branch = true;
        }
        Ok(())
    }

    fn close(&mut self) {
        match self.path.pop().as_deref() {
            Some("source") => {
                self.in_source = false;
                let source = std::mem::take(&mut self.source);
                self.part.sources.push(source.trim().to_owned());
            }
            Some("class") => {
                if let Some((name, file)) = self.class.take() {
                    let known = self.part.coverage.files.entry(name.into()).or_default();
                    super::super::merge::merge_file(known, file);
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Part, ReadError> {
        if !self.seen_root || !self.path.is_empty() {
            return Err(ReadError::Cobertura("it ends in the middle".to_owned()));
        }
        let totals = self.part.coverage.totals();
        if let Some((valid, covered)) = self.counted
            && (valid, covered) != (totals.statements, totals.covered)
        {
            self.part.warnings.push(format!(
                "the report counts {covered} of {valid} lines, but lists {} of {}: what it does not list is lost, \
                 as with two files of one name below two `--cov` folders",
                totals.covered, totals.statements
            ));
        }
        Ok(self.part)
    }
}

/// Some attributes of a tag.
struct Attributes<const N: usize>([Option<String>; N]);

impl<const N: usize> Attributes<N> {
    fn of(tag: &BytesStart<'_>, names: &[&str; N]) -> Result<Self, String> {
        let mut values = [const { None }; N];
        for (index, attribute) in tag.attributes().with_checks(false).enumerate() {
            if index >= MAX_ATTRIBUTES {
                return Err(format!("a tag with more than {MAX_ATTRIBUTES} attributes"));
            }
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name = attribute.key.local_name();
            if let Some(place) = names.iter().position(|known| **known == *name.as_ref()) {
                let value = quick_xml::escape::unescape(&attribute.value)
                    .map_err(|error| error.to_string())?;
                values[place] = Some(value.into_owned());
            }
        }
        Ok(Self(values))
    }
}

fn number(text: Option<&String>) -> Option<usize> {
    text?.trim().parse().ok()
}

/// `50% (1/2)`
fn fraction(text: &str) -> Option<(usize, usize)> {
    let (_, rest) = text.split_once('(')?;
    let (taken, all) = rest.split_once(')')?.0.split_once('/')?;
    Some((taken.trim().parse().ok()?, all.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{BRANCH, LINE, read as read_json};
    use super::*;

    fn part(text: &str) -> Part {
        read(text.as_bytes()).expect("a report")
    }

    #[test]
    fn counts_what_coverage_py_counted() {
        for recording in [BRANCH, LINE] {
            let (xml, json) = (part(recording.xml), read_json(recording.json));
            assert_eq!(xml.coverage.branch, json.branch);
            assert_eq!(xml.coverage.totals(), json.totals());
            assert_eq!(
                (xml.sources, xml.warnings),
                (vec![String::new()], Vec::<String>::new())
            );
            for (path, file) in &json.files {
                // What is not printable in a name is `?` in the XML.
                if let Some(other) = xml.coverage.files.get(path) {
                    assert_eq!(
                        (&other.executed, &other.missing),
                        (&file.executed, &file.missing),
                        "{path}"
                    );
                    assert_eq!(other.totals(), file.totals(), "{path}");
                }
            }
        }
    }

    #[test]
    fn reads_the_dialects_of_others() {
        let java = r#"<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
            <coverage line-rate="0.5" branch-rate="0.5" lines-covered="2" lines-valid="3" branches-covered="1" branches-valid="2">
            <sources><source>src/main/java</source><source>a &amp; b</source></sources>
            <packages><package name="p"><classes><class name="p.A" filename="p/A.java">
            <methods><method name="m" signature="()V"><lines><line number="3" hits="7" branch="true" condition-coverage="50% (1/2)">
            <conditions><condition number="0" type="jump" coverage="50%"/></conditions></line></lines></method></methods>
            <lines><line number="3" hits="7" branch="true" condition-coverage="50% (1/2)"/><line number="4" hits="0"/></lines></class>
            <class name="p.A$B" filename="p/A.java"><methods/><lines><line number="9" hits="1"/></lines></class>
            </classes></package></packages></coverage>"#;
        let read = part(java);
        let file = &read.coverage.files[camino::Utf8Path::new("p/A.java")];
        assert_eq!(
            (&file.executed, &file.missing),
            (&[3, 9].into(), &[4].into())
        );
        assert_eq!((file.branches(), file.missing_arcs.len()), (2, 1));
        assert_eq!(read.sources, ["src/main/java", "a & b"]);
        assert!(read.coverage.branch && read.warnings.is_empty());
    }

    #[test]
    fn says_what_is_wrong() {
        let message = |text: &str| read(text.as_bytes()).expect_err("no report").to_string();
        insta::assert_snapshot!(message("<html></html>"), @"it is not a Cobertura report: byte 0: the root is <html>, not <coverage>");
        insta::assert_snapshot!(message("<coverage><packages>"), @"it is not a Cobertura report: it ends in the middle");
        insta::assert_snapshot!(message("<!DOCTYPE coverage [<!ENTITY a 'b'>]><coverage/>"), @"it is not a Cobertura report: byte 0: a document type that defines something is not read");
        insta::assert_snapshot!(message("<coverage><class filename='a'><line number='x'/></class></coverage>"), @"it is not a Cobertura report: byte 30: a line has no number");
        let collided = r#"<coverage lines-valid="13" lines-covered="8"><class filename="a"><line number="1" hits="1"/></class></coverage>"#;
        insta::assert_snapshot!(part(collided).warnings.join("\n"), @"the report counts 8 of 13 lines, but lists 1 of 1: what it does not list is lost, as with two files of one name below two `--cov` folders");
    }
}
