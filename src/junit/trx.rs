//! TRX, what `dotnet test --logger trx` writes (`vstst.xsd` of Visual Studio).

use std::collections::HashMap;
use std::io::Read;

use super::collect::Add;
use super::dialect::RawCase;
use super::xml::{Element, Elements, Stop};

/// A result: the id of its test, its name, and what it says.
struct UnitTest {
    id: String,
    name: String,
    case: RawCase,
}

/// Results come before what tells their classes.
pub(super) fn read<R: Read>(elements: &mut Elements<R>, add: Add<'_>) -> Result<(), Stop> {
    let mut tests = Vec::new();
    let mut classes = HashMap::new();
    let end = sections(elements, &mut tests, &mut classes);
    for test in tests {
        let UnitTest { id, name, mut case } = test;
        let class: &str = classes.get(&id).map_or("", String::as_str);
        let in_class = name
            .strip_prefix(class)
            .and_then(|rest| rest.strip_prefix('.'));
        let seconds = case.element.text("time");
        case.element = RawCase::made(class, in_class.unwrap_or(&name), &seconds).element;
        add(case);
    }
    end
}

fn sections<R: Read>(
    elements: &mut Elements<R>,
    tests: &mut Vec<UnitTest>,
    classes: &mut HashMap<String, String>,
) -> Result<(), Stop> {
    while let Some(section) = elements.child()? {
        match section.name() {
            "Results" => results(elements, tests)?,
            "TestDefinitions" => {
                while let Some(test) = elements.child()? {
                    definition(elements, &test.text("id"), classes)?;
                }
            }
            _ => elements.skip()?,
        }
    }
    Ok(())
}

fn results<R: Read>(elements: &mut Elements<R>, tests: &mut Vec<UnitTest>) -> Result<(), Stop> {
    while let Some(element) = elements.child()? {
        if element.name().ends_with("Result") {
            result(elements, &element, tests)?;
        } else {
            elements.skip()?;
        }
    }
    Ok(())
}

fn result<R: Read>(
    elements: &mut Elements<R>,
    element: &Element,
    tests: &mut Vec<UnitTest>,
) -> Result<(), Stop> {
    let before = tests.len();
    let mut case = RawCase::made("", "", &seconds(&element.text("duration")));
    let mut said = <(String, String)>::default();
    while let Some(child) = elements.child()? {
        match child.name() {
            "Output" => {
                while let Some(output) = elements.child()? {
                    match output.name() {
                        "StdOut" => case.stdout.push_str(&elements.text()?),
                        "StdErr" => case.stderr.push_str(&elements.text()?),
                        "ErrorInfo" => said = elements.message_and_details()?,
                        _ => elements.skip()?,
                    }
                }
            }
            "InnerResults" => results(elements, tests)?,
            _ => elements.skip()?,
        }
    }
    let (message, details) = said;
    let outcome = element.text("outcome");
    match outcome.as_str() {
        "Failed" => case.mark("failure", &message, &details),
        "Error" | "Timeout" | "Aborted" | "NotRunnable" | "Disconnected" => {
            let message = if message.is_empty() {
                &outcome
            } else {
                &message
            };
            case.mark("error", message, &details);
        }
        "NotExecuted" | "Inconclusive" | "Pending" => case.mark("skipped", &message, &details),
        // It began and never ended.
        "InProgress" => case.mark("error", "never finished", ""),
        _ => {}
    }
    // Of a test with rows the rows count.
    if tests.len() == before {
        tests.push(UnitTest {
            id: element.text("testId"),
            name: element.text("testName"),
            case,
        });
    }
    Ok(())
}

fn definition<R: Read>(
    elements: &mut Elements<R>,
    id: &str,
    classes: &mut HashMap<String, String>,
) -> Result<(), Stop> {
    while let Some(child) = elements.child()? {
        if let Some(class) = child.attribute("className") {
            // The assembly comes behind it.
            let class = class.split(',').next().unwrap_or_default();
            classes.insert(id.to_owned(), class.to_owned());
        }
        elements.skip()?;
    }
    Ok(())
}

/// `hours:minutes:seconds` in seconds.
fn seconds(text: &str) -> String {
    let parts = text.split(':').map(|part| part.parse::<f64>().ok());
    let sum = parts.reduce(|sum, part| Some(sum? * 60.0 + part?));
    sum.flatten().unwrap_or_default().to_string()
}
