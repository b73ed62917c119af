//! Elements of an untrusted XML document, one after another, in bounded memory.
//!
//! No document type, no entities but the predefined ones and character references, no namespaces:
//! prefixes are dropped.

use std::io::Read;

use memchr::memchr;
use quick_xml::Reader;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::decode::Decoded;
use super::visible::{every, visible};

pub(super) const MAX_DEPTH: usize = 64;
pub(super) const MAX_ATTRIBUTES: usize = 64;
/// Of one tag or one piece of text, in bytes of UTF-8.
pub(super) const MAX_TOKEN: usize = 16 << 20;

/// Why there is nothing more to read. Offsets are in bytes of the document as UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The document ends in the middle of an element.
    Truncated { at: u64 },
    Broken {
        element: String,
        at: u64,
        message: String,
    },
}

/// What an open element holds next.
pub(super) enum Token {
    Open(Element),
    /// To be taken by [`Elements::append`].
    Text,
    Close,
}

/// The tag of an element: its name, then keys and values in turn, one behind another.
#[derive(Default)]
pub(super) struct Element {
    text: String,
    name_ends: usize,
    /// Of a key and its value.
    attributes_end: Vec<(usize, usize)>,
}

impl Element {
    /// One that no document holds.
    pub(super) fn made(name: &str, attributes: &[(&str, &str)]) -> Self {
        let mut element = Self::default();
        element.rename(name);
        for (name, value) in attributes {
            element.add(name, value);
        }
        element
    }

    /// With no attributes yet.
    fn rename(&mut self, name: &str) {
        self.text.clear();
        self.attributes_end.clear();
        self.text.push_str(name);
        self.name_ends = self.text.len();
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.add_with(name, |text| text.push_str(value));
    }

    fn add_with(&mut self, name: &str, push_value: impl FnOnce(&mut String)) {
        self.text.push_str(name);
        let key_ends = self.text.len();
        push_value(&mut self.text);
        self.attributes_end.push((key_ends, self.text.len()));
    }

    /// One of a document, as it is written there.
    fn add_read(&mut self, name: &str, value: &str) -> Result<(), String> {
        if self.attributes_end.len() == MAX_ATTRIBUTES {
            return Err(format!(
                "a tag <{}> has more than {MAX_ATTRIBUTES} attributes",
                self.name()
            ));
        }
        self.add_with(name, |text| push_value(text, value));
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.text[..self.name_ends]
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let mut start = self.name_ends;
        for (key_ends, value_ends) in &self.attributes_end {
            // Most are told apart by one byte.
            if self.text.as_bytes()[start..*key_ends]
                .iter()
                .eq(name.as_bytes())
            {
                return Some(&self.text[*key_ends..*value_ends]);
            }
            start = *value_ends;
        }
        None
    }

    /// The attribute, or nothing.
    pub(super) fn text(&self, name: &str) -> String {
        self.attribute(name).unwrap_or_default().to_owned()
    }
}

pub(super) struct Elements<R> {
    reader: Reader<Decoded<R>>,
    buffer: Vec<u8>,
    /// The piece of text that came last.
    text: String,
    /// The names of the open elements, with `/` between, and where each ends.
    path: String,
    path_ends: Vec<usize>,
    /// The element was opened by a tag that closes it too.
    is_closing: bool,
    /// Memory to be used again.
    spare: Vec<Element>,
}

impl<R: Read> Elements<R> {
    pub(super) fn new(input: Decoded<R>) -> Self {
        let mut reader = Reader::from_reader(input);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        Self {
            reader,
            buffer: Vec::new(),
            text: String::new(),
            path: String::new(),
            path_ends: Vec::new(),
            is_closing: false,
            spare: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.reader.buffer_position()
    }

    pub(super) fn unknown_encoding(&self) -> Option<&str> {
        self.reader.get_ref().unknown_encoding()
    }

    /// The next element at the top of the document; `None` at its end.
    pub(super) fn root(&mut self) -> Result<Option<Element>, Stop> {
        loop {
            match self.next()? {
                Some(Token::Open(element)) => return Ok(Some(element)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next element inside the open one; `None` where that one closes. Text is passed over.
    pub(super) fn child(&mut self) -> Result<Option<Element>, Stop> {
        loop {
            match self.content()? {
                Token::Open(element) => return Ok(Some(element)),
                Token::Text => {}
                Token::Close => return Ok(None),
            }
        }
    }

    /// What the open element holds next.
    pub(super) fn content(&mut self) -> Result<Token, Stop> {
        self.next()?.ok_or_else(|| Stop::Truncated {
            at: self.position(),
        })
    }

    /// All text up to the end of the open element, that of elements inside it too.
    pub(super) fn text(&mut self) -> Result<String, Stop> {
        let mut all = String::new();
        let depth = self.path_ends.len();
        loop {
            match self.content()? {
                Token::Text => self.append(&mut all)?,
                Token::Close if self.path_ends.len() < depth => return Ok(all),
                Token::Open(_) | Token::Close => {}
            }
        }
    }

    /// The message and the traceback in the open element, as .NET's programs name them.
    pub(super) fn message_and_details(&mut self) -> Result<(String, String), Stop> {
        let (mut message, mut details) = (String::new(), String::new());
        while let Some(child) = self.child()? {
            match child.name() {
                "message" | "Message" => message = self.text()?,
                "stack-trace" | "StackTrace" => details = self.text()?,
                _ => self.skip()?,
            }
        }
        Ok((message, details))
    }

    /// Passes over the rest of the open element.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        let depth = self.path_ends.len();
        while self.path_ends.len() >= depth {
            self.content()?;
        }
        Ok(())
    }

    /// Joins pieces of one text, which references cut into many.
    pub(super) fn append(&self, all: &mut String) -> Result<(), Stop> {
        if all.len() + self.text.len() > MAX_TOKEN {
            return Err(self.broken(too_long()));
        }
        all.push_str(&self.text);
        Ok(())
    }

    /// Takes back an element that nobody needs any more.
    pub(super) fn recycle(&mut self, element: Element) {
        self.spare.push(element);
    }

    pub(super) fn broken(&self, message: impl Into<String>) -> Stop {
        Stop::Broken {
            element: self.path.clone(),
            at: self.position(),
            message: message.into(),
        }
    }

    fn next(&mut self) -> Result<Option<Token>, Stop> {
        if std::mem::take(&mut self.is_closing) {
            return Ok(Some(self.close()));
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().allow(MAX_TOKEN);
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.stop(&error)),
            };
            self.text.clear();
            match event {
                Event::Start(start) => {
                    let mut element = self.spare.pop().unwrap_or_default();
                    let filled = fill(&mut element, &start);
                    return self.open(element, filled).map(Some);
                }
                Event::Empty(start) => {
                    let mut element = self.spare.pop().unwrap_or_default();
                    let filled = fill(&mut element, &start);
                    self.is_closing = true;
                    return self.open(element, filled).map(Some);
                }
                Event::End(_) => return Ok(Some(self.close())),
                Event::Text(text) => self.text.push_str(&visible(&text.xml10_content())),
                Event::CData(text) => self.text.push_str(&visible(&text.xml10_content())),
                Event::GeneralRef(reference) => self.text.push_str(&resolved(&reference)),
                Event::DocType(_) => {
                    let message = "it has a document type (<!DOCTYPE …>), which no report needs and \
                                   which is refused as it can hide anything";
                    return Err(self.broken(message));
                }
                Event::Eof if self.path_ends.is_empty() => return Ok(None),
                Event::Eof => {
                    return Err(Stop::Truncated {
                        at: self.position(),
                    });
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            }
            return Ok(Some(Token::Text));
        }
    }

    fn open(&mut self, element: Element, filled: Result<(), String>) -> Result<Token, Stop> {
        filled.map_err(|message| self.broken(message))?;
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(element.name());
        self.path_ends.push(self.path.len());
        if self.path_ends.len() > MAX_DEPTH {
            return Err(self.broken(format!(
                "its elements are nested more than {MAX_DEPTH} deep"
            )));
        }
        Ok(Token::Open(element))
    }

    fn close(&mut self) -> Token {
        self.path_ends.pop();
        let parent_ends = self.path_ends.last().copied().unwrap_or_default();
        self.path.truncate(parent_ends);
        Token::Close
    }

    fn stop(&self, error: &XmlError) -> Stop {
        match error {
            // The only one that is not about the end of the document.
            XmlError::Syntax(quick_xml::errors::SyntaxError::InvalidBangMarkup) => {
                self.broken("`<!` begins neither a comment nor text")
            }
            XmlError::Syntax(_) => Stop::Truncated {
                at: self.position(),
            },
            XmlError::Io(error) if error.kind() == std::io::ErrorKind::Other => {
                self.broken(too_long())
            }
            other => self.broken(visible(&other.to_string())),
        }
    }
}

fn too_long() -> String {
    format!("a tag or a text is longer than {} MiB", MAX_TOKEN >> 20)
}

fn fill(element: &mut Element, start: &BytesStart<'_>) -> Result<(), String> {
    element.rename(&visible(start.local_name().into_inner()));
    let mut rest = start.attributes_raw();
    while let Some((key, value, after)) = plain_attribute(rest) {
        element.add_read(key, value)?;
        rest = after;
    }
    let read = start.len() - rest.len();
    // The checks for attributes given twice take quadratic time: the first one counts.
    for attribute in Attributes::new(start, read).with_checks(false) {
        let name = element.name();
        let attribute = attribute.map_err(|error| format!("a tag <{name}> is broken: {error}"))?;
        let key = visible(attribute.key.local_name().into_inner());
        element.add_read(&key, &attribute.value)?;
    }
    Ok(())
}

/// An attribute as nearly every program writes it, and what is behind it: that is found in a fraction
/// of the time that any attribute takes.
fn plain_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.strip_prefix(' ')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let (key, value) = text.split_at(text.bytes().position(|byte| !is_plain(byte))?);
    let value = value.strip_prefix("=\"").filter(|_| !key.is_empty())?;
    let end = memchr(b'"', value.as_bytes())?;
    Some((key, &value[..end], &value[end + 1..]))
}

/// References resolved, other white space as blanks (<https://www.w3.org/TR/xml/#AVNormalize>).
fn push_value(value: &mut String, raw: &str) {
    if every(raw, |byte| matches!(byte, b' '..=b'%' | b'\''..=b'~')) {
        value.push_str(raw);
        return;
    }
    let blanks = raw.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
    let mut rest = blanks.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        value.push_str(&visible(before));
        rest = match after.split_once(';') {
            Some((name, after)) if !name.contains(['&', '<']) => {
                value.push_str(&resolved(&BytesRef::new(name)));
                after
            }
            _ => {
                value.push('&');
                after
            }
        };
    }
    value.push_str(&visible(rest));
}

/// An unknown entity stays as it is written.
fn resolved(reference: &BytesRef<'_>) -> String {
    let name: &str = reference;
    let unresolved = || format!("&{};", visible(name));
    match reference.resolve_char_ref() {
        Ok(Some(c)) => visible(c.encode_utf8(&mut [0; 4])).into_owned(),
        Ok(None) => resolve_predefined_entity(name).map_or_else(unresolved, ToOwned::to_owned),
        Err(_) => unresolved(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The document as names, attributes and texts, and how it ended.
    fn outline(document: &[u8]) -> (String, Option<Stop>) {
        let mut elements = Elements::new(Decoded::new(document));
        let mut seen = String::new();
        loop {
            match elements.next() {
                Ok(Some(Token::Open(element))) => {
                    let _ = write!(seen, "<{}", element.name());
                    let mut start = element.name_ends;
                    for (key_ends, value_ends) in &element.attributes_end {
                        let (key, value) = (start..*key_ends, *key_ends..*value_ends);
                        let _ = write!(seen, " {}=`{}`", &element.text[key], &element.text[value]);
                        start = *value_ends;
                    }
                    seen.push('>');
                }
                Ok(Some(Token::Text)) => seen.push_str(&elements.text),
                Ok(Some(Token::Close)) => seen.push_str("</>"),
                Ok(None) => return (seen, None),
                Err(stop) => return (seen, Some(stop)),
            }
        }
    }

    fn whole(document: &str) -> String {
        let (seen, stop) = outline(document.as_bytes());
        assert_eq!(stop, None);
        seen
    }

    fn message(document: &str) -> String {
        match outline(document.as_bytes()).1 {
            Some(Stop::Broken {
                element, message, ..
            }) => format!("{element}: {message}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn resolves_only_what_every_document_may_use() {
        assert_eq!(
            whole(
                "<a x='&lt;&#65;&#x1b;&#10;&e; & &amp\n\t'>&lt;&#65;&e;&#0;&#xd800; & <![CDATA[&lt;]]>\r\n</a>"
            ),
            "<a x=`<A\\x1b\n&e; & &amp  `><A&e;&#0;&#xd800; & &lt;\n</>"
        );
    }

    #[test]
    fn drops_prefixes_comments_and_instructions() {
        assert_eq!(
            whole(
                "<?xml version='1.0'?><n:a xmlns:n='urn:x' n:k='1'><!-- - --><?php ?><b/></n:a>\n"
            ),
            "<a n=`urn:x` k=`1`><b></></>\n"
        );
    }

    #[test]
    fn shows_control_characters_and_bytes_that_are_no_text() {
        let (seen, stop) = outline(b"<a k='\x1b[0m\0'>\x08 \xff \xe2\x80\xae</a>");
        assert_eq!(
            (seen.as_str(), stop),
            ("<a k=`\\x1b[0m\\x00`>\\x08 \\xff \\u{202e}</>", None)
        );
    }

    #[test]
    fn tells_an_end_too_early_from_a_mistake() {
        for document in [
            "<a>",
            "<a><b",
            "<a>text",
            "<a><![CDATA[",
            "<a>&am",
            "<a k='",
        ] {
            let at = document.len() as u64;
            assert_eq!(
                outline(document.as_bytes()).1,
                Some(Stop::Truncated { at }),
                "{document}"
            );
        }
        insta::assert_snapshot!(message("<a><b></a>"), @"a/b: ill-formed document: expected `</b>`, but `</a>` was found");
        insta::assert_snapshot!(message("<a><b k></b></a>"), @"a: a tag <b> is broken: position 3: attribute key must be directly followed by `=` or space");
        insta::assert_snapshot!(message("<a><!x></a>"), @"a: `<!` begins neither a comment nor text");
    }

    #[test]
    fn refuses_what_only_an_attacker_writes() {
        let message_of = |document: String| message(&document);
        assert!(
            message("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>")
                .starts_with(": it has a document type")
        );
        assert!(message("<a><!doctype b></a>").starts_with("a: it has a document type"));
        assert!(
            message_of("<a>".repeat(65)).ends_with("its elements are nested more than 64 deep")
        );
        let attributes = " k=''".repeat(100_000);
        assert_eq!(
            message_of(format!("<a{attributes}/>")),
            ": a tag <a> has more than 64 attributes"
        );
        let long = "x".repeat(MAX_TOKEN);
        for document in [
            format!("<a>{long}x</a>"),
            format!("<a k='{long}'/>"),
            format!("<!--{long}--><a/>"),
        ] {
            assert!(message_of(document).ends_with(": a tag or a text is longer than 16 MiB"));
        }
    }

    #[test]
    fn text_in_many_pieces_has_the_same_limit() {
        let document = format!(
            "<a>{}</a>",
            format!("&lt;{}", "x".repeat(1 << 20)).repeat(16)
        );
        let mut elements = Elements::new(Decoded::new(document.as_bytes()));
        assert!(elements.root().is_ok_and(|root| root.is_some()));
        assert!(matches!(elements.text(), Err(Stop::Broken { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_document_makes_it_panic(
            pieces in proptest::collection::vec(proptest::prop_oneof![
                "<[!?/]?[a-c]{0,2}[ =\"'>/]{0,3}", "[&;#x0-9a]{0,4}", "(<!--|-->|<!\\[CDATA\\[|\\]\\]>|<!DOCTYPE|<\\?xml|\\?>)", "\\PC{0,3}",
            ], 0..12)
        ) {
            outline(pieces.concat().as_bytes());
        }
    }
}
