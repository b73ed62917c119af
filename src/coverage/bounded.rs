//! An input of which no more than a limit is taken at a time.

use std::io::{self, BufRead, Read};

pub(crate) struct Bounded<R> {
    input: R,
    left: usize,
}

impl<R: BufRead> Bounded<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, left: 0 }
    }

    /// Lets so many more bytes be taken; beyond them reading fails.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = self.input.fill_buf()?;
        if self.left == 0 && !rest.is_empty() {
            return Err(io::Error::other("it is longer than what is read"));
        }
        Ok(&rest[..rest.len().min(self.left)])
    }

    fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.left -= bytes;
    }
}
