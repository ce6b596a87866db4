//! The body of an answer as a browser sees it: without the `Content-Encoding` it came in, piece by piece, and bounded
//! (requirement S2).
//!
//! Nobody is asked for a compressed body. Stores send one nevertheless, when the object was put there so, and browsers
//! undo it without a word. Codings that no browser knows (`binary`, `utf-8`, `aws-chunked`) are passed over, as browsers
//! do; `br` and `zstd`, which browsers know and this program does not, are refused.

use std::io::{self, Write};
use std::time::Duration;

use bytes::{Buf, Bytes};
use flate2::Decompress;
use flate2::write::{GzDecoder, ZlibDecoder};
use ledger::trouble::TroubleKind;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderMap};

use super::Trouble;
use super::http::{Patience, next_chunk, plain};
use crate::limits::{CODINGS_MAX, FINDING_CHARS_MAX};

/// Whether an answer carries a whole file: 200; 203, which only says that a proxy has had a hand in it; and a 206 whose
/// range is all there is.
pub(crate) fn is_whole(status: StatusCode, headers: &HeaderMap) -> bool {
    match status.as_u16() {
        200 | 203 => true,
        206 => headers.get(CONTENT_RANGE).and_then(|range| is_all(range.to_str().ok()?)).unwrap_or(false),
        _ => false,
    }
}

/// Whether `bytes 0-99/100` names all bytes.
fn is_all(range: &str) -> Option<bool> {
    let (unit, range) = range.trim().split_once(' ')?;
    let (bytes, total) = range.split_once('/')?;
    let (first, last) = bytes.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let all = number(last)?.checked_add(1)? == number(total)?;
    Some(unit.eq_ignore_ascii_case("bytes") && number(first)? == 0 && all)
}

/// Whether the length of an answer is that of the file in it.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    codings(headers).is_ok_and(|codings| codings.is_empty())
}

/// A body that is being read.
pub(crate) struct Incoming {
    response: reqwest::Response,
    /// The outermost coding first, which was put on last.
    layers: Vec<Layer>,
    bytes_max: u64,
    /// Received so far.
    bytes: u64,
    /// Time in which more of it was waited for.
    waited: Duration,
    patience: Patience,
    whom: &'static str,
}

impl Incoming {
    /// The body of an answer. Neither it nor any of its decompressed forms is read beyond `bytes_max` bytes, nor is it
    /// waited for longer than `patience` says, in which only the other side's time counts.
    ///
    /// # Errors
    /// `invalid_image` when it came in a coding that cannot be undone here.
    pub(crate) fn of(
        response: reqwest::Response,
        bytes_max: u64,
        patience: Patience,
        whom: &'static str,
    ) -> Result<Self, Trouble> {
        let codings = codings(response.headers()).map_err(|why| undecodable(whom, &why))?;
        let layers = codings.into_iter().rev().map(Layer::new).collect();
        Ok(Self { response, layers, bytes_max, bytes: 0, waited: Duration::ZERO, patience, whom })
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `file_too_large` behind the piece that crossed the bound, `invalid_image` when what it came in is damaged, and
    /// whatever the connection brings.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            let made = self.layers.iter().map(|layer| layer.bytes).max().unwrap_or(0);
            if made.max(self.bytes) > self.bytes_max {
                return Err(too_large(self.bytes_max));
            }
            let (at, piece) = match self.layers.iter().rposition(|layer| !layer.pending.is_empty()) {
                Some(at) => {
                    let made = self.layers[at].step().map_err(|error| damaged(self.whom, &error))?;
                    (at + 1, made.into())
                }
                None => match self.receive().await? {
                    Some(chunk) => (0, chunk),
                    None => {
                        // What was cut off is damaged, whatever could be made of it so far.
                        let mut ended = self.layers.iter_mut().map(Layer::finish);
                        return ended
                            .try_for_each(|end| end)
                            .map(|()| None)
                            .map_err(|e| damaged(self.whom, &e));
                    }
                },
            };
            match self.layers.get_mut(at) {
                Some(next) => next.pending = piece,
                None if piece.is_empty() => {}
                None => return Ok(Some(piece)),
            }
        }
    }

    /// The next piece as it comes over the wire.
    async fn receive(&mut self) -> Result<Option<Bytes>, Trouble> {
        let so_far = (self.bytes, &mut self.waited);
        let chunk = next_chunk(&mut self.response, so_far, self.patience, self.whom).await?;
        self.bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }
}

/// The trouble of an image that has more bytes than are taken.
pub(crate) fn too_large(bytes_max: u64) -> Trouble {
    Trouble::new(TroubleKind::FileTooLarge, format!("the image has more than {bytes_max} bytes"))
}

fn damaged(whom: &str, error: &io::Error) -> Trouble {
    undecodable(whom, &format!("compressed, and it cannot be decompressed: {error}"))
}

fn undecodable(whom: &str, why: &str) -> Trouble {
    Trouble::new(TroubleKind::InvalidImage, format!("{whom} sent it {why}"))
}

/// A coding that is undone here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// The codings that a body came in and that are to be undone, in the order in which they were put on; or words for why
/// they cannot be.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, String> {
    let mut known = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for coding in String::from_utf8_lossy(value.as_bytes()).split(',') {
            match coding.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => known.push(Coding::Gzip),
                "deflate" => known.push(Coding::Deflate),
                coding @ ("br" | "zstd" | "dcb" | "dcz" | "compress" | "x-compress") => {
                    let coding = plain(coding, FINDING_CHARS_MAX);
                    return Err(format!("compressed as {coding}, which is not understood here"));
                }
                _ => {}
            }
        }
    }
    match known.len() {
        0..=CODINGS_MAX => Ok(known),
        n => Err(format!("compressed {n} times over")),
    }
}

/// One coding being undone.
struct Layer {
    coding: Coding,
    inflater: Option<Inflater>,
    pending: Bytes,
    /// Made so far.
    bytes: u64,
}

enum Inflater {
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Layer {
    fn new(coding: Coding) -> Self {
        Self { coding, inflater: None, pending: Bytes::new(), bytes: 0 }
    }

    /// Takes some of what is pending, and gives what came of it: some tens of kilobytes at most, since the decoders stop
    /// whenever their own buffer is full.
    fn step(&mut self) -> io::Result<Vec<u8>> {
        let (coding, first) = (self.coding, self.pending[0]);
        let inflater = self.inflater.get_or_insert_with(|| Inflater::new(coding, first));
        let (taken, made) = match inflater {
            Inflater::Gzip(decoder) => (write(decoder, &self.pending)?, std::mem::take(decoder.get_mut())),
            Inflater::Deflate(decoder) => (write(decoder, &self.pending)?, std::mem::take(decoder.get_mut())),
        };
        match taken {
            // Behind the end browsers read nothing any more.
            0 => self.pending.clear(),
            taken => self.pending.advance(taken),
        }
        self.bytes += made.len() as u64;
        Ok(made)
    }

    /// Sees that the end has come. An empty body is as good as one that was never compressed.
    fn finish(&mut self) -> io::Result<()> {
        match &mut self.inflater {
            Some(Inflater::Gzip(decoder)) => decoder.try_finish(),
            Some(Inflater::Deflate(decoder)) => decoder.try_finish(),
            None => Ok(()),
        }
    }
}

impl Inflater {
    fn new(coding: Coding, first: u8) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(GzDecoder::new(Vec::new())),
            // Some servers send it bare, and browsers tell by the first byte: zlib's says "method 8".
            Coding::Deflate => {
                let has_header = first & 0x0f == 8;
                Self::Deflate(ZlibDecoder::new_with_decompress(Vec::new(), Decompress::new(has_header)))
            }
        }
    }
}

fn write(decoder: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let taken = decoder.write(bytes)?;
    decoder.flush()?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_all_there_is_or_it_is_not() {
        let whole = |status: u16, range: Option<&'static str>| {
            let headers = range.map(|range| (CONTENT_RANGE, range.parse().unwrap()));
            is_whole(status.try_into().unwrap(), &headers.into_iter().collect())
        };
        assert!(whole(200, None) && whole(203, None) && whole(200, Some("bytes 1-2/9")));
        assert!(whole(206, Some("bytes 0-99/100")) && whole(206, Some("Bytes  0-0/1")));
        for part in
            ["bytes 0-98/100", "bytes 1-99/100", "bytes 0-99/*", "bytes */100", "pages 0-9/10", "0-9/10"]
        {
            assert!(!whole(206, Some(part)), "{part}");
        }
        assert!(
            !whole(206, Some("bytes 0-18446744073709551615/0")) && !whole(206, None) && !whole(204, None)
        );
    }
}
