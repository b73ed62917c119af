//! `report.html`: one file that holds all of it and asks nobody for anything.
//!
//! The overview is plain HTML from a template with autoescaping; the lists are made by the page's own
//! script from data that lies in the page as JSON. A content security policy lets nothing but that
//! script and that style sheet, by their hashes, and no request at all; text becomes text nodes only,
//! which the policy enforces too (`require-trusted-types-for`).

mod data;
mod overview;
mod pack;
pub(crate) mod page;
mod safe_json;
mod timeline;

#[cfg(test)]
pub(super) mod tests;
