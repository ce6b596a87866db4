//! Which texts of a JSON document are messages. Their secrets are masked (requirement S1), whoever wrote them, and so are
//! those of a ledger that an older program wrote. All else is data, to the letter.

use std::io::{self, Write};

use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use crate::secrets::masked;

/// The names under which a document has what somebody said. A row's own members are never looked at: rows are passed on
/// as they are.
const MESSAGES: [&str; 9] =
    ["message", "error_message", "advice", "why", "said", "reason", "waiting", "refused", "error"];

/// Writes as another formatter does, and masks messages.
pub struct Masking<F> {
    inner: F,
    /// The member that is being written.
    name: Vec<u8>,
    is_name: bool,
    /// The message that is being written, with its escapes.
    message: Option<Vec<u8>>,
}

impl<F> Masking<F> {
    /// On the way to this formatter.
    pub fn new(inner: F) -> Self {
        Self { inner, name: Vec::new(), is_name: false, message: None }
    }

    fn is_message(&self) -> bool {
        !self.is_name && MESSAGES.iter().any(|name| name.as_bytes() == self.name)
    }
}

impl<F: Formatter> Formatter for Masking<F> {
    fn begin_string<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.message = self.is_message().then(Vec::new);
        self.inner.begin_string(to)
    }
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        if self.is_name {
            self.name.extend_from_slice(fragment.as_bytes());
        }
        match &mut self.message {
            Some(message) => message.write_all(fragment.as_bytes()),
            None => self.inner.write_string_fragment(to, fragment),
        }
    }
    fn write_char_escape<W: ?Sized + Write>(&mut self, to: &mut W, escape: CharEscape) -> io::Result<()> {
        match &mut self.message {
            Some(message) => CompactFormatter.write_char_escape(message, escape),
            None => self.inner.write_char_escape(to, escape),
        }
    }
    fn end_string<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        if let Some(message) = self.message.take() {
            let text = String::from_utf8_lossy(&message);
            self.inner.write_string_fragment(to, &masked(&text))?;
        }
        self.inner.end_string(to)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        (self.is_name, self.name) = (true, Vec::new());
        self.inner.begin_object_key(to, first)
    }
    fn end_object_key<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.is_name = false;
        self.inner.end_object_key(to)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.inner.begin_object_value(to)
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.name.clear();
        self.inner.end_object_value(to)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.inner.begin_object(to)
    }
    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.inner.end_object(to)
    }
    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.inner.begin_array(to)
    }
    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.inner.end_array(to)
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_array_value(to, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.inner.end_array_value(to)
    }
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        self.inner.write_raw_fragment(to, fragment)
    }
}
