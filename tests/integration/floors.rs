//! A file uses its own room and the floors below it, never one above: `src/lib.rs` has the table.

use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: [&[&str]; 6] = [
    &["model"],
    &["planner", "analysis", "pytest", "junit", "coverage"],
    &["render"],
    &["github", "runner", "workspace"],
    &["command"],
    &["main", "lib", "cli", "action", "config", "fuzz"],
];

/// Rooms of one floor that may look into a neighbour, and why.
const NEIGHBOURS: [(&str, &str); 3] = [
    // The merge and the verdict are decided over event logs and united coverage.
    ("analysis", "pytest"),
    ("analysis", "coverage"),
    // The commands' files lie where the workspace says.
    ("runner", "workspace"),
];

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| {
            panic!("src/{room} stands on no floor: give it one in tests/integration/floors.rs")
        })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a source names: `crate::room::…`, also inside `use crate::{a, b::c}`.
fn rooms_used(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut taking = true;
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => taking = true,
                    ':' if depth == 0 => taking = false,
                    letter
                        if taking && depth == 0 && (letter.is_alphanumeric() || letter == '_') =>
                    {
                        word.push(letter);
                        continue;
                    }
                    _ => {}
                }
                if !word.is_empty() {
                    rooms.push(std::mem::take(&mut word));
                }
            }
            rooms.extend((!word.is_empty()).then_some(word));
        } else {
            rooms.push(
                rest.chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect(),
            );
        }
    }
    rooms
}

#[test]
fn imports_only_go_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("below src");
        let first = inside
            .components()
            .next()
            .expect("a name")
            .as_os_str()
            .to_string_lossy();
        let room = first.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).expect("readable");
        for used in rooms_used(&text) {
            let neighbour = NEIGHBOURS.contains(&(room.as_str(), used.as_str()));
            let wiring = floor(&room) == FLOORS.len() - 1;
            if used != room && !neighbour && !wiring && floor(&used) >= floor(&room) {
                wrong.push(format!(
                    "{} (floor {}) uses {used} (floor {})",
                    inside.display(),
                    floor(&room),
                    floor(&used)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that go up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn finds_the_rooms_a_source_uses() {
    let text = "use crate::model::shard::Shard;\nuse crate::{analysis::{merge, verdict}, render};\nlet x = crate::cli::run;";
    assert_eq!(rooms_used(text), ["model", "analysis", "render", "cli"]);
}
