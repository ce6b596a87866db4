//! JSON for programs, which may well be read at a terminal: what could steer one is written as an escape, and so the
//! document says the same. Messages are without the secrets of the process; data is what it is.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::messages::Masking;
use ledger::store::private::is_plain;

/// One indented document and the end of its line.
pub fn pretty(to: &mut dyn Write, answer: &impl Serialize) -> io::Result<()> {
    written(to, answer, PrettyFormatter::new())?;
    writeln!(to)
}

/// One document on one line.
pub fn compact(to: &mut dyn Write, answer: &impl Serialize) -> io::Result<()> {
    part(to, answer)?;
    writeln!(to)
}

/// A part of a document that is written bit by bit.
pub fn part(to: &mut dyn Write, answer: &impl Serialize) -> io::Result<()> {
    written(to, answer, CompactFormatter)
}

fn written(to: &mut dyn Write, answer: &impl Serialize, formatter: impl Formatter) -> io::Result<()> {
    let mut writing = Serializer::with_formatter(Escaping(to), Masking::new(formatter));
    Ok(answer.serialize(&mut writing)?)
}

/// Writes on what the serialiser gives it, which is whole texts.
struct Escaping<'a>(&'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut written = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| *c != '\n' && !is_plain(*c)) {
            self.0.write_all(&bytes[written..at])?;
            match c {
                // Inside strings the serialiser escapes control characters. Between them they are white space, out of
                // other people's JSON that is passed on as it is, and a return would write over its own line.
                '\0'..' ' => self.0.write_all(b" ")?,
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.0, "\\u{unit:04x}")?;
                    }
                }
            }
            written = at + c.len_utf8();
        }
        self.0.write_all(&bytes[written..])?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostile;
    use super::*;

    #[test]
    fn s4_json_says_the_same_and_cannot_steer_a_terminal() {
        let all: String = ('\0'..=char::MAX).collect();
        let texts = [hostile::texts(), vec![all]].concat();
        for write in [pretty, compact] as [fn(&mut dyn Write, &Vec<String>) -> io::Result<()>; 2] {
            let mut bytes = Vec::new();
            write(&mut bytes, &texts).unwrap();
            let json = String::from_utf8(bytes).unwrap();
            assert!(json.chars().all(|c| c == '\n' || is_plain(c)));
            assert!(
                json.contains(r"\u009b2J") && json.contains(r"\u202egpj.exe") && json.contains("Łódź, 東京")
            );
            assert!(json.contains(r"\udb40\udc41"), "what takes two units is a pair");
            assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), texts);
        }
    }

    #[test]
    fn s4_white_space_of_others_does_not_write_over_a_line() {
        let raw =
            serde_json::value::RawValue::from_string("{\"a\"\r:\t1.0,\r\n\"b\": 2}".to_owned()).unwrap();
        let mut bytes = Vec::new();
        part(&mut bytes, &raw).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "{\"a\" : 1.0, \n\"b\": 2}");
    }
}
