//! Lossless streams written bit by bit: each rule of the format by itself.

use super::super::lossless::check_pixels;
use super::{Work, lossless};
use crate::limits::PICTURE_WORK_MAX;

/// Bits as they stand in a file: each number's lowest first.
#[derive(Clone, Default)]
struct Stream(Vec<bool>);

impl Stream {
    fn put(mut self, number: u32, bits: u32) -> Self {
        self.0.extend((0..bits).map(|bit| number >> bit & 1 == 1));
        self
    }

    /// A code of one symbol.
    fn one(self, symbol: u32) -> Self {
        self.put(0b101, 3).put(symbol, 8)
    }

    /// A code of two symbols of one bit each: the smaller symbol is 0.
    fn two(self, a: u32, b: u32) -> Self {
        self.put(0b111, 3).put(a, 8).put(b, 8)
    }

    /// Five codes for green as given, and one value for all else; distances are 1.
    fn rest(self) -> Self {
        self.one(0).one(0).one(0).one(1)
    }

    /// A normal code whose lengths are 1, 2, 2 or less, each written with two bits: 0, 1, 2.
    fn normal(mut self, lengths: &[u32]) -> Self {
        // The code for lengths: 0 is 0, 1 is 10, 2 is 11.
        self = self.put(0, 1).put(1, 4);
        for length in [0, 0, 1, 2, 2] {
            self = self.put(length, 3);
        }
        self = self.put(1, 1).put(0, 3).put(lengths.len() as u32 - 2, 2);
        lengths.iter().fold(self, |stream, length| match length {
            0 => stream.put(0, 1),
            1 => stream.put(0b01, 2),
            _ => stream.put(0b11, 2),
        })
    }

    fn why(&self, width: u32, height: u32) -> String {
        let bytes: Vec<u8> = self
            .0
            .chunks(8)
            .map(|bits| bits.iter().enumerate().map(|(at, bit)| u8::from(*bit) << at).sum())
            .collect();
        let checked = check_pixels(&bytes, width, height, &mut Work::new());
        checked.map_or_else(|why| why.to_string(), |()| "taken".to_owned())
    }
}

/// No transform, no cache, one group.
fn begin() -> Stream {
    Stream::default().put(0, 3)
}

#[test]
fn s2_one_colour_takes_no_bits() {
    assert_eq!(begin().one(9).rest().why(10_000, 10_000), "taken");
    // The last code is cut.
    let cut = Stream(begin().one(9).rest().0[..40].to_vec());
    assert!(cut.why(10, 10).contains("truncated"));
}

#[test]
fn s2_each_pixel_needs_its_bits() {
    let stream = begin().two(3, 9).rest();
    let bits = stream.0.len() as u32;
    let filled = stream.put(0, 32 - bits % 8);
    let room = filled.0.len() as u32 - bits;
    assert_eq!(filled.why(room, 1), "taken");
    assert!(filled.why(room + 1, 1).contains("truncated: the data ends in row 1 of 1"));
}

#[test]
fn s2_a_copy_lies_within_the_picture() {
    let green = begin_with_lengths;
    let literal_then_copy = green([1, 2, 2]).put(0, 1).put(0b01, 2);
    assert_eq!(literal_then_copy.clone().why(2, 1), "taken");
    let copy_first = green([1, 2, 2]).put(0b01, 2);
    assert!(copy_first.why(2, 1).contains("copies what is not there"));
    // Two pixels are copied where one is left.
    let too_long = green([1, 2, 2]).put(0, 1).put(0b11, 2);
    assert!(too_long.why(2, 1).contains("copies what is not there"));
    assert_eq!(too_long.why(3, 1), "taken");
}

/// Green is 255, 256 (a copy of one) or 257 (a copy of two), by codes of these lengths.
fn begin_with_lengths(lengths: [u32; 3]) -> Stream {
    // The code for lengths: 1, 2 and 18, which stands for 11 to 138 zeros. Order: 17, 18, 0, 1, 2.
    let mut stream = begin().put(0, 1).put(1, 4);
    for length in [0, 1, 0, 2, 2] {
        stream = stream.put(length, 3);
    }
    // As codes: 18 is 0, 1 is 10, 2 is 11.
    stream = stream.put(0, 1).put(0, 1).put(127, 7).put(0, 1).put(255 - 138 - 11, 7);
    for length in lengths {
        stream = stream.put(if length == 1 { 0b01 } else { 0b11 }, 2);
    }
    // 280 - 258 zeros are left.
    stream.put(0, 1).put(22 - 11, 7).rest()
}

#[test]
fn s2_a_prefix_code_is_complete() {
    assert_eq!(begin().normal(&[1, 2, 2]).rest().put(0, 8).why(1, 1), "taken");
    for lengths in [&[1, 2][..], &[1, 1, 2], &[0, 0], &[2, 2, 2]] {
        assert!(begin().normal(lengths).rest().put(0, 8).why(1, 1).contains("prefix code"), "{lengths:?}");
    }
    // One symbol is enough, however long its code says to be.
    assert_eq!(begin().normal(&[0, 2]).rest().why(5, 5), "taken");
    // A distance of 40 and above is none.
    assert!(begin().one(9).one(0).one(0).one(0).one(40).why(1, 1).contains("prefix code"));
}

#[test]
fn s2_a_colour_cache_has_1_to_11_bits() {
    for (bits, whole) in [(0, false), (1, true), (11, true), (12, false)] {
        let stream = Stream::default().put(0, 1).put(1, 1).put(bits, 4).put(0, 1).one(9).rest();
        assert_eq!(stream.why(3, 3) == "taken", whole, "{bits}");
    }
}

#[test]
fn s2_a_transform_comes_once() {
    let green = |times: u32| (0..times).fold(Stream::default(), |stream, _| stream.put(1, 1).put(2, 2));
    assert_eq!(green(1).put(0, 3).one(9).rest().why(2, 2), "taken");
    assert!(green(2).put(0, 3).one(9).rest().why(2, 2).contains("twice"));
}

#[test]
fn s2_few_colours_share_a_pixel() {
    // A table of two colours packs eight pixels: 17 are three.
    let table = Stream::default().put(1, 1).put(3, 2).put(1, 8).put(0, 1).one(1).rest();
    let stream = table.put(0, 3).two(0, 7).rest();
    let room = 8 - stream.0.len() as u32 % 8;
    let padded = stream.put(0, room);
    assert_eq!(padded.why(8 * room, 1), "taken");
    assert!(padded.why(8 * room + 1, 1).contains("truncated"));
}

#[test]
fn s2_time_is_bounded() {
    // Work that is nearly used up: the pixels are no longer looked at.
    let bytes = lossless(64, 64, 200);
    let mut work = Work::new();
    work.spend(PICTURE_WORK_MAX - 4_096).unwrap();
    let why = super::super::check(&bytes, &mut work).unwrap_err().to_string();
    assert!(why.contains("more work than allowed"), "{why}");
}
