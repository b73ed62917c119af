//! How much of everything a sink has room for.

/// Longer ids are cut where people read them; the exact ones are in `result.json` and `junit.xml`.
pub(super) const NAME_BYTES: usize = 400;
pub(super) const MESSAGE_BYTES: usize = 400;

/// How much a sink has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Tests in one list.
    pub(crate) tests: usize,
    /// Bytes of the traceback of one test.
    pub(crate) traceback_bytes: usize,
    /// Whether captured output is shown. It may hold what a log would mask.
    pub(crate) output: bool,
    /// Whether diagrams are drawn there.
    pub(crate) diagrams: bool,
}
