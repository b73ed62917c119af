//! Long texts, compressed: the page opens a pack when somebody looks at a text in it.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;

/// Texts of one pack, in bytes before compression: enough for the dictionary to pay, little enough to
/// open at once.
const PACK_BYTES: usize = 128 << 10;

/// Where a text lies: the pack, and its place there.
pub(super) type Place = (usize, usize);

/// Packs of JSON values, each a zlib stream (RFC 1950, a browser's `DecompressionStream("deflate")`)
/// in base64. It takes no more values once `budget` bytes are used, and exceeds it by one pack at most.
pub(super) struct Packer {
    packs: Vec<String>,
    used: usize,
    budget: usize,
    open: Vec<u8>,
    values: usize,
}

impl Packer {
    pub(super) fn new(budget: usize) -> Self {
        Self {
            packs: Vec::new(),
            used: 0,
            budget,
            open: Vec::new(),
            values: 0,
        }
    }

    /// `None` if there is no room left.
    ///
    /// # Errors
    /// The value cannot be JSON.
    pub(super) fn add(&mut self, value: &impl Serialize) -> serde_json::Result<Option<Place>> {
        if !self.has_room() {
            return Ok(None);
        }
        let place = (self.packs.len(), self.values);
        self.open.push(if self.values == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut self.open, value)?;
        self.values += 1;
        if self.open.len() >= PACK_BYTES {
            self.close();
        }
        Ok(Some(place))
    }

    /// Starts a new budget after the packs so far.
    pub(super) fn allow(&mut self, budget: usize) {
        self.close();
        self.budget = self.used + budget;
    }

    pub(super) fn has_room(&self) -> bool {
        self.used < self.budget
    }

    pub(super) fn finish(mut self) -> Vec<String> {
        self.close();
        self.packs
    }

    fn close(&mut self) {
        if self.values == 0 {
            return;
        }
        self.open.push(b']');
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let written = encoder
            .write_all(&self.open)
            .and_then(|()| encoder.finish());
        let pack = STANDARD.encode(written.expect("memory takes everything"));
        self.used += pack.len();
        self.packs.push(pack);
        self.open.clear();
        self.values = 0;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read as _;

    use super::*;

    pub(in super::super) fn opened(pack: &str) -> serde_json::Value {
        let bytes = STANDARD.decode(pack).expect("base64");
        let mut text = String::new();
        flate2::read::ZlibDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .expect("zlib");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn every_value_is_where_it_was_said_to_be() {
        let mut packer = Packer::new(usize::MAX);
        let texts: Vec<String> = (0..40_000).map(|n| format!("text number {n}")).collect();
        let places: Vec<Place> = texts
            .iter()
            .map(|text| packer.add(text).expect("JSON").expect("room"))
            .collect();
        let packs: Vec<_> = packer.finish().iter().map(|pack| opened(pack)).collect();
        assert!(packs.len() > 3);
        for (text, (pack, place)) in texts.iter().zip(places) {
            assert_eq!(packs[pack][place], text.as_str());
        }
    }

    #[test]
    fn keeps_to_its_budget_but_for_one_pack() {
        let mut packer = Packer::new(100_000);
        let mut state = 1_u64;
        for _ in 0..1000 {
            // Noise does not compress.
            let noise: Vec<u64> = (0..200)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    state
                })
                .collect();
            packer.add(&noise).expect("JSON");
        }
        assert!(!packer.has_room());
        let bytes: usize = packer.finish().iter().map(String::len).sum();
        assert!((100_000..300_000).contains(&bytes), "{bytes} bytes");
    }
}
