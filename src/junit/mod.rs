//! `JUnit` XML, the exchange format: what other programs wrote into a report, and our report into what
//! other programs read.
//!
//! From bytes to cases in four steps, each blind to the next one: [`decode`] makes text of the bytes,
//! [`xml`] makes elements of the text, [`read`] collects the elements of a test case, and [`dialect`]
//! alone knows what they mean in which program's report.

pub(crate) mod read;
pub(crate) mod unite;
pub(crate) mod write;

mod decode;
mod dialect;
mod fold;
mod visible;
mod xml;

#[cfg(test)]
mod fixtures;
