//! Writes a report, with the functions of those files whose sources are known.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::super::visible::printable;
use crate::model::coverage::{Arc, Coverage, FileCoverage, Line, RegionKind, unnamed};

/// `skip_empty` leaves out files without statements.
pub(crate) fn write(coverage: &Coverage, skip_empty: bool, mut out: impl Write) -> io::Result<()> {
    for (path, file) in &coverage.files {
        if skip_empty && file.totals().statements == 0 {
            continue;
        }
        writeln!(out, "SF:{}", printable(path.as_str()))?;
        write_lines(file, &mut out)?;
        write_functions(file, &mut out)?;
        if coverage.branch {
            write_branches(file, &mut out)?;
        }
        writeln!(out, "end_of_record")?;
    }
    out.flush()
}

fn write_lines(file: &FileCoverage, out: &mut impl Write) -> io::Result<()> {
    for line in &file.executed | &file.missing {
        writeln!(out, "DA:{line},{}", u8::from(file.executed.contains(&line)))?;
    }
    let totals = file.totals();
    if totals.statements > 0 {
        writeln!(out, "LF:{}\nLH:{}", totals.statements, totals.covered)?;
    }
    Ok(())
}

fn write_functions(file: &FileCoverage, out: &mut impl Write) -> io::Result<()> {
    let regions = file
        .regions
        .iter()
        .filter(|region| region.kind == RegionKind::Function && !region.name.is_empty());
    let mut functions = Vec::new();
    for region in regions {
        if let (Some((first, _)), Some((_, last))) = (region.lines.first(), region.lines.last()) {
            let (first, last) = ((*first).min(region.start), (*last).max(region.start));
            functions.push((first, last, region.name.as_str(), &region.lines));
        }
    }
    if functions.is_empty() {
        return Ok(());
    }
    functions.sort_by_key(|(first, last, ..)| (*first, *last));
    let mut names = BTreeSet::new();
    let (mut found, mut hit) = (0, 0);
    for (first, last, name, lines) in functions {
        let totals = file.within(lines).totals();
        if totals.statements == 0 {
            continue;
        }
        let ran = u8::from(totals.covered > 0);
        found += 1;
        hit += usize::from(ran);
        let mut name = printable(name).into_owned();
        if !names.insert(name.clone()) {
            name = format!("{name}@{first}");
        }
        writeln!(out, "FN:{first},{last},{name}\nFNDA:{ran},{name}")?;
    }
    writeln!(out, "FNF:{found}\nFNH:{hit}")
}

fn write_branches(file: &FileCoverage, out: &mut impl Write) -> io::Result<()> {
    let executed = &file.executed_arcs | &file.uncounted_arcs;
    let mut arcs: Vec<(Arc, bool)> = executed.iter().map(|arc| (*arc, true)).collect();
    arcs.extend(file.missing_arcs.iter().map(|arc| (*arc, false)));
    // Ways out of the function come after those within it.
    arcs.sort_by_key(|((from, to), _)| (*from, *to < 0, *to));
    for chunk in arcs.chunk_by(|one, two| one.0.0 == two.0.0) {
        let line = chunk[0].0.0;
        let waived = Line::try_from(line).is_ok_and(|line| file.waived.contains_key(&line));
        let counted = chunk
            .iter()
            .any(|(arc, taken)| *taken && !file.uncounted_arcs.contains(arc));
        for (index, (arc, taken)) in chunk.iter().enumerate() {
            // Where no way was taken, the line may never have come to decide.
            let hit = match (taken, counted || waived) {
                (true, _) => "1",
                (false, true) => "0",
                (false, false) => "-",
            };
            writeln!(out, "BRDA:{line},0,{},{hit}", describe(*arc, index, file))?;
        }
    }
    let totals = file.totals();
    if totals.branches > 0 {
        writeln!(
            out,
            "BRF:{}\nBRH:{}",
            totals.branches, totals.covered_branches
        )?;
    }
    Ok(())
}

fn describe(arc: Arc, index: usize, file: &FileCoverage) -> String {
    if let Some(exit) = file.exits.get(&arc) {
        return printable(exit).into_owned();
    }
    match arc.1 {
        to if to > 0 => format!("jump to line {to}"),
        to if unnamed::is_way(to) => index.to_string(),
        _ => "jump to the function exit".to_owned(),
    }
}
