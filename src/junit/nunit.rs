//! Reports of `NUnit` 3 (<https://docs.nunit.org/articles/nunit/technical-notes/usage/Test-Result-XML-Format.html>)
//! and 2 (<https://nunit.org/files/testresult_25.txt>).

use std::io::Read;

use super::collect::Add;
use super::dialect::RawCase;
use super::xml::{Element, Elements, Stop};

pub(super) fn read_3<R: Read>(elements: &mut Elements<R>, add: Add<'_>) -> Result<(), Stop> {
    while let Some(child) = elements.child()? {
        match child.name() {
            "test-suite" => suite(elements, &child, add)?,
            "test-case" => case_3(elements, &child, add)?,
            _ => elements.skip()?,
        }
    }
    Ok(())
}

fn suite<R: Read>(elements: &mut Elements<R>, suite: &Element, add: Add<'_>) -> Result<(), Stop> {
    // A suite also fails because of what is in it.
    let own = matches!(suite.attribute("site"), Some("SetUp" | "TearDown"));
    let mut problem = None;
    while let Some(child) = elements.child()? {
        match child.name() {
            "test-suite" => self::suite(elements, &child, add)?,
            "test-case" => case_3(elements, &child, add)?,
            "failure" if own => problem = Some(elements.message_and_details()?),
            _ => elements.skip()?,
        }
    }
    if let Some((message, details)) = problem {
        let mut case = RawCase::made("", &suite.text("fullname"), "");
        case.mark("error", &message, &details);
        // A suite is no test: its total leaves it out, and so it is none unless it fails.
        add(case);
    }
    Ok(())
}

fn case_3<R: Read>(
    elements: &mut Elements<R>,
    element: &Element,
    add: Add<'_>,
) -> Result<(), Stop> {
    let (mut class, mut name) = (element.text("classname"), element.text("name"));
    let whole = element.text("fullname");
    if class.is_empty() {
        (class, name) = split_name(&whole, &name);
    }
    let mut case = RawCase::made(&class, &name, &element.text("duration"));
    let (message, details) = fill(elements, &mut case)?;
    let label = element.attribute("label");
    match (element.attribute("result"), label) {
        (Some("Failed"), Some("Error" | "Invalid" | "Cancelled")) => {
            case.mark("error", &message, &details);
        }
        (Some("Failed"), _) => case.mark("failure", &message, &details),
        (Some("Skipped" | "Inconclusive"), _) => case.mark("skipped", &message, &details),
        _ => {}
    }
    add(case);
    Ok(())
}

pub(super) fn read_2<R: Read>(elements: &mut Elements<R>, add: Add<'_>) -> Result<(), Stop> {
    while let Some(child) = elements.child()? {
        match child.name() {
            "test-suite" | "results" => read_2(elements, add)?,
            "test-case" => case_2(elements, &child, add)?,
            _ => elements.skip()?,
        }
    }
    Ok(())
}

fn case_2<R: Read>(
    elements: &mut Elements<R>,
    element: &Element,
    add: Add<'_>,
) -> Result<(), Stop> {
    let whole = element.text("name");
    let (class, name) = split_name(&whole, &whole);
    let mut case = RawCase::made(&class, &name, &element.text("time"));
    let (message, details) = fill(elements, &mut case)?;
    let executed = element.attribute("executed") != Some("False");
    match element.attribute("result") {
        Some("Failure") => case.mark("failure", &message, &details),
        Some("Error" | "NotRunnable" | "Cancelled") => case.mark("error", &message, &details),
        Some("Ignored" | "Skipped" | "Inconclusive") => case.mark("skipped", &message, &details),
        // Before 2.5 there was no result.
        None if !executed => case.mark("skipped", &message, &details),
        None if element.attribute("success") == Some("False") => {
            case.mark("failure", &message, &details);
        }
        _ => {}
    }
    add(case);
    Ok(())
}

/// What a case holds: its message with the details, and its properties and output.
fn fill<R: Read>(elements: &mut Elements<R>, case: &mut RawCase) -> Result<(String, String), Stop> {
    let mut said = <(String, String)>::default();
    while let Some(child) = elements.child()? {
        match child.name() {
            "failure" | "reason" => said = elements.message_and_details()?,
            "output" => case.stdout.push_str(&elements.text()?),
            "properties" => {
                while let Some(property) = elements.child()? {
                    case.properties
                        .push((property.text("name"), property.text("value")));
                    elements.skip()?;
                }
            }
            _ => elements.skip()?,
        }
    }
    Ok(said)
}

/// Class and name of `Shop.CartTest.Sums("a.b")`.
fn split_name(whole: &str, name: &str) -> (String, String) {
    let plain = whole.split('(').next().unwrap_or_default();
    match plain.rsplit_once('.') {
        Some((class, _)) => (class.to_owned(), whole[class.len() + 1..].to_owned()),
        None => (String::new(), name.to_owned()),
    }
}
