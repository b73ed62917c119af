//! `JUnit` XML, the exchange format: what other programs wrote into a report, and our report into what
//! other programs read.
//!
//! From bytes to cases in four steps, each blind to the next one: [`decode`] makes text of the bytes,
//! [`xml`] makes elements of the text, [`read`] collects the elements of a test case, and [`dialect`]
//! alone knows what they mean in which program's report.
//!
//! Other formats ([`format`] tells them apart) have a reader each, which says in `JUnit`'s words what
//! it finds: [`nunit`], [`xunit_net`], [`trx`], [`tap`], [`dart`] and [`mocha`].

pub(crate) mod agree;
pub(crate) mod found;
pub(crate) mod read;
pub(crate) mod unite;
pub(crate) mod write;

mod collect;
mod dart;
mod decode;
mod dialect;
mod fold;
mod format;
mod mocha;
mod nunit;
mod tap;
mod trx;
mod visible;
mod xml;
mod xunit_net;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod producers;
