//! Reports of xUnit.net, version 1 to 3 (<https://xunit.net/docs/format-xml-v2>).

use std::io::Read;

use super::collect::Add;
use super::dialect::RawCase;
use super::xml::{Element, Elements, Stop};

/// What `<assemblies>` or anything in it holds.
pub(super) fn read<R: Read>(elements: &mut Elements<R>, add: Add<'_>) -> Result<(), Stop> {
    while let Some(child) = elements.child()? {
        match child.name() {
            "assembly" | "collection" | "class" | "errors" => read(elements, add)?,
            "test" => test(elements, &child, add)?,
            "error" => error(elements, &child, add)?,
            _ => elements.skip()?,
        }
    }
    Ok(())
}

fn test<R: Read>(elements: &mut Elements<R>, element: &Element, add: Add<'_>) -> Result<(), Stop> {
    let class = element.text("type");
    let name = element.text("name");
    let in_class = name
        .strip_prefix(class.as_str())
        .and_then(|rest| rest.strip_prefix('.'));
    let mut case = RawCase::made(&class, in_class.unwrap_or(&name), &element.text("time"));
    let mut said = <(String, String)>::default();
    while let Some(child) = elements.child()? {
        match child.name() {
            "failure" => said = elements.message_and_details()?,
            "reason" => said.0 = elements.text()?,
            "output" => case.stdout.push_str(&elements.text()?),
            "traits" => {
                while let Some(property) = elements.child()? {
                    case.properties
                        .push((property.text("name"), property.text("value")));
                    elements.skip()?;
                }
            }
            _ => elements.skip()?,
        }
    }
    match element.attribute("result") {
        Some("Fail") => case.mark("failure", &said.0, &said.1),
        Some("Skip" | "NotRun") => case.mark("skipped", &said.0, &said.1),
        _ => {}
    }
    add(case);
    Ok(())
}

/// What went wrong outside of a test.
fn error<R: Read>(elements: &mut Elements<R>, element: &Element, add: Add<'_>) -> Result<(), Stop> {
    let kind = element.text("type");
    let mut case = RawCase::made(&element.text("name"), &kind, "");
    let mut said = <(String, String)>::default();
    while let Some(child) = elements.child()? {
        match child.name() {
            "failure" => said = elements.message_and_details()?,
            _ => elements.skip()?,
        }
    }
    case.mark("error", &said.0, &said.1);
    add(case);
    Ok(())
}
