//! Bytes of a report into UTF-8, whatever they are.

use std::io::{self, BufRead, Read};

use super::visible::{push_byte, push_code};

const BLOCK: usize = 64 << 10;
/// Where an XML declaration has to have ended.
const DECLARATION: usize = 256;
/// Windows-1252 from 0x80 to 0x9f. As on the web it also serves for ISO-8859-1, whose characters
/// there are control characters (<https://encoding.spec.whatwg.org/#windows-1252>).
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

/// A stream of valid UTF-8. Bytes that are no text become visible as `\xff`.
///
/// UTF-16 is known by its bytes and not by the declaration: reports in UTF-8 that call themselves
/// UTF-16 are common, as .NET writes them.
pub(super) struct Decoded<R> {
    input: R,
    encoding: Option<Encoding>,
    block: Vec<u8>,
    /// So many bytes of it are read, but not yet a whole character.
    pending: usize,
    text: String,
    at: usize,
    allowance: usize,
    ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 {
        big_endian: bool,
    },
    Windows1252,
    /// Read as UTF-8.
    Unknown(String),
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            encoding: None,
            block: vec![0; BLOCK],
            pending: 0,
            text: String::new(),
            at: 0,
            allowance: 0,
            ended: false,
        }
    }

    /// Lets the reader take that many more bytes; beyond them reading fails.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// The start of the text.
    pub(super) fn peek(&mut self) -> &[u8] {
        self.allow(DECLARATION);
        // An error comes again.
        self.fill_buf().unwrap_or_default()
    }

    /// The next line without its end, of no more than so many bytes; `None` at the end of the text.
    ///
    /// # Errors
    /// The input's, or a line that is too long.
    pub(super) fn line(&mut self, most: usize) -> io::Result<Option<String>> {
        self.allow(most);
        let mut line = Vec::new();
        if self.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8(line).map_err(io::Error::other)?;
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// The declared encoding, if it is one that is not known here.
    pub(super) fn unknown_encoding(&self) -> Option<&str> {
        match &self.encoding {
            Some(Encoding::Unknown(name)) => Some(name),
            _ => None,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        while self.text.is_empty() && !self.ended {
            let mut filled = self.pending;
            while filled < BLOCK && !self.ended {
                match self.input.read(&mut self.block[filled..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => {
                        let read = read?;
                        self.ended = read == 0;
                        filled += read;
                    }
                }
            }
            let mut bytes = &self.block[..filled];
            let encoding = self.encoding.get_or_insert_with(|| {
                let (encoding, mark) = detect(bytes);
                bytes = &bytes[mark..];
                encoding
            });
            let used = match encoding {
                Encoding::Utf8 | Encoding::Unknown(_) => push_utf8(&mut self.text, bytes),
                Encoding::Utf16 { big_endian } => push_utf16(&mut self.text, bytes, *big_endian),
                Encoding::Windows1252 => push_windows_1252(&mut self.text, bytes),
            };
            let rest = &bytes[used..];
            if self.ended {
                for byte in rest {
                    push_byte(&mut self.text, *byte);
                }
            }
            self.pending = rest.len();
            self.block.copy_within(filled - self.pending..filled, 0);
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.text.len() {
            self.refill()?;
        }
        let rest = &self.text.as_bytes()[self.at..];
        if self.allowance == 0 && !rest.is_empty() {
            return Err(io::Error::other("a tag or a text without end"));
        }
        Ok(&rest[..rest.len().min(self.allowance)])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        self.allowance -= bytes;
    }
}

/// The encoding and the length of the byte order mark.
fn detect(start: &[u8]) -> (Encoding, usize) {
    match start {
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
        [0xff, 0xfe, ..] => (Encoding::Utf16 { big_endian: false }, 2),
        [0xfe, 0xff, ..] => (Encoding::Utf16 { big_endian: true }, 2),
        [b'<', 0, ..] => (Encoding::Utf16 { big_endian: false }, 0),
        [0, b'<', ..] => (Encoding::Utf16 { big_endian: true }, 0),
        _ => (declared(start), 0),
    }
}

fn declared(start: &[u8]) -> Encoding {
    let start = String::from_utf8_lossy(&start[..start.len().min(DECLARATION)]);
    let declaration = start
        .trim_start()
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split("?>").next());
    let value = declaration
        .and_then(|text| text.split_once("encoding"))
        .map(|(_, value)| value);
    let name = value
        .and_then(|value| value.split(['"', '\'']).nth(1))
        .unwrap_or("utf-8");
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" | "utf-16" | "utf-16le" | "utf-16be"
        | "unicode" => Encoding::Utf8,
        "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" | "windows-1252" | "cp1252" => {
            Encoding::Windows1252
        }
        _ => Encoding::Unknown(name.to_owned()),
    }
}

/// These push what they can and return how many bytes that was; the rest is part of a character.
fn push_utf8(text: &mut String, bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        let (valid, rest) = bytes[at..].split_at(error.valid_up_to());
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        at += valid.len();
        let Some(invalid) = error.error_len() else {
            return at;
        };
        rest[..invalid]
            .iter()
            .for_each(|byte| push_byte(text, *byte));
        at += invalid;
    }
    text.push_str(std::str::from_utf8(&bytes[at..]).unwrap_or_default());
    bytes.len()
}

fn push_utf16(text: &mut String, bytes: &[u8], big_endian: bool) -> usize {
    let (pairs, _) = bytes.as_chunks::<2>();
    let order = if big_endian {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    let is_first_half = |pair: &[u8; 2]| (0xd800..0xdc00).contains(&order(*pair));
    let whole = pairs.len() - usize::from(pairs.last().is_some_and(is_first_half));
    for unit in char::decode_utf16(pairs[..whole].iter().map(|pair| order(*pair))) {
        match unit {
            Ok(c) => text.push(c),
            Err(error) => push_code(text, error.unpaired_surrogate().into()),
        }
    }
    whole * 2
}

fn push_windows_1252(text: &mut String, bytes: &[u8]) -> usize {
    text.extend(bytes.iter().map(|byte| {
        match byte {
            0x80..=0x9f => WINDOWS_1252
                .chars()
                .nth(usize::from(byte - 0x80))
                .unwrap_or(char::from(*byte)),
            _ => char::from(*byte),
        }
    }));
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> String {
        let mut decoded = Decoded::new(bytes);
        decoded.allow(usize::MAX);
        let mut text = String::new();
        decoded.read_to_string(&mut text).expect("always UTF-8");
        text
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn knows_the_encodings_reports_come_in() {
        let text = "<a>é 中 🎉</a>";
        assert_eq!(decoded(text.as_bytes()), text);
        assert_eq!(decoded(format!("\u{feff}{text}").as_bytes()), text);
        assert_eq!(
            decoded(&utf16(&format!("\u{feff}{text}"), u16::to_le_bytes)),
            text
        );
        assert_eq!(
            decoded(&utf16(&format!("\u{feff}{text}"), u16::to_be_bytes)),
            text
        );
        assert_eq!(decoded(&utf16(text, u16::to_le_bytes)), text);
        assert_eq!(decoded(&utf16(text, u16::to_be_bytes)), text);
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9 \x80</a>";
        assert!(decoded(latin).ends_with("<a>é €</a>"));
        let liar = "<?xml version=\"1.0\" encoding=\"utf-16\"?><a>é</a>";
        assert_eq!(decoded(liar.as_bytes()), liar);
    }

    #[test]
    fn names_an_encoding_it_does_not_know() {
        let mut decoded = Decoded::new(b"<?xml version='1.0' encoding='koi8-r'?>\xc1".as_slice());
        decoded.allow(1000);
        let mut text = String::new();
        decoded.read_to_string(&mut text).expect("always UTF-8");
        assert_eq!(decoded.unknown_encoding(), Some("koi8-r"));
        assert!(text.ends_with("\\xc1"));
    }

    #[test]
    fn shows_bytes_that_are_no_text() {
        assert_eq!(decoded(b"a\xff\xfeb\xe2\x82"), "a\\xff\\xfeb\\xe2\\x82");
        assert_eq!(decoded(b"\xff\xfe<\0\x00\xd8<\0a"), "<\\u{d800}<\\x61");
    }

    #[test]
    fn stops_where_no_more_is_allowed() {
        let mut decoded = Decoded::new(b"abcdef".as_slice());
        decoded.allow(4);
        let mut text = Vec::new();
        decoded
            .read_to_end(&mut text)
            .expect_err("more than allowed");
        assert_eq!(text, b"abcd");
        decoded.allow(4);
        decoded
            .read_to_end(&mut text)
            .expect("no more than allowed");
        assert_eq!(text, b"abcdef");
    }

    #[test]
    fn a_character_may_be_cut_by_a_block() {
        let text = format!("<a>{}</a>", "é🎉".repeat(50_000));
        assert_eq!(decoded(text.as_bytes()), text);
        assert_eq!(decoded(&utf16(&text, u16::to_be_bytes)), text);
    }
}
