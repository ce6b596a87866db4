//! The bombs that are JPEGs.

use super::jpeg::{DHT, DQT, DRI, EOI, SOF0, SOS, segment};
use crate::support::pictures::jpeg as small_jpeg;

/// The start of a grey JPEG, with one code of one bit in each table.
fn grey(sof: u8, (width, height): (u16, u16), ac: u8) -> Vec<u8> {
    let [height, width] = [height, width].map(u16::to_be_bytes);
    let frame = [&[8], &height[..], &width, &[1, 1, 0x11, 0]].concat();
    let table = |class: u8, symbol: u8| {
        let lengths = [[1].as_slice(), &[0; 15]].concat();
        segment(DHT, &[&[class], &lengths[..], &[symbol]].concat())
    };
    let quantisation = segment(DQT, &[&[0], &[1; 64][..]].concat());
    [&[0xff, 0xd8], &quantisation[..], &segment(sof, &frame), &table(0, 0), &table(0x10, ac)].concat()
}

fn scan(spectrum: (u8, u8), approximation: u8, data: &[u8]) -> Vec<u8> {
    let head = segment(SOS, &[1, 1, 0, spectrum.0, spectrum.1, approximation]);
    [&head, data].concat()
}

/// Blocks of no difference take one bit each in a progressive file's first scan; the last byte is filled with ones.
fn dc_zeros(blocks: usize) -> Vec<u8> {
    let mut data = vec![0; blocks / 8];
    if !blocks.is_multiple_of(8) {
        data.push(0xff >> (blocks % 8));
    }
    data
}

/// So many blocks without a coefficient, in runs of up to 32,767: each is a code of one bit and 14 bits.
fn eob_runs(mut blocks: u32) -> Vec<u8> {
    let mut bits = Vec::new();
    while blocks >= 1 << 14 {
        let run = blocks.min((1 << 15) - 1);
        bits.push(false);
        bits.extend((0..14).rev().map(|bit| (run >> bit) & 1 == 1));
        blocks -= run;
    }
    assert_eq!(blocks, 0, "the rest has no code");
    bits.resize(bits.len().next_multiple_of(8), true);
    let bytes = bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    bytes.flat_map(|byte| if byte == 0xff { vec![0xff, 0] } else { vec![byte] }).collect()
}

pub fn scans() -> Vec<u8> {
    let blocks = 1_250 * 1_250;
    let mut bytes = grey(0xc2, (10_000, 10_000), 0xe0);
    bytes.extend(scan((0, 0), 0, &dc_zeros(blocks)));
    let runs = eob_runs(blocks as u32);
    // Each coefficient bit by bit, as the format allows; and over again.
    for number in 0..4_000_u32 {
        let (band, bit) = (1 + (number / 14 % 63) as u8, (13 - number % 14) as u8);
        let before = if bit == 13 { 0 } else { bit + 1 };
        bytes.extend(scan((band, band), before << 4 | bit, &runs));
    }
    bytes.extend([0xff, EOI]);
    bytes
}

pub fn runs() -> Vec<u8> {
    empty(65_500, 1_526)
}

/// A progressive JPEG of these sides without a coefficient.
pub fn empty(width: u16, height: u16) -> Vec<u8> {
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    let mut bytes = grey(0xc2, (width, height), 0xe0);
    bytes.extend(scan((0, 0), 0, &dc_zeros(blocks)));
    bytes.extend(scan((1, 63), 0, &eob_runs(blocks as u32)));
    bytes.extend([0xff, EOI]);
    bytes
}

pub fn restarts() -> Vec<u8> {
    let mut bytes = grey(SOF0, (8_000, 2_800), 0);
    bytes.extend(segment(DRI, &[0, 1]));
    let mut data = Vec::new();
    for block in 0..350_000_u32 {
        if block > 0 {
            data.extend([0xff, 0xd0 + ((block - 1) % 8) as u8]);
        }
        data.push(0x3f);
    }
    bytes.extend(scan((0, 63), 0, &data));
    bytes.extend([0xff, EOI]);
    bytes
}

pub fn only_restarts() -> Vec<u8> {
    let mut bytes = grey(SOF0, (64, 64), 0);
    bytes.extend(segment(DRI, &[0, 1]));
    let data: Vec<u8> = (0..500_000_u32).flat_map(|at| [0xff, 0xd0 + (at % 8) as u8]).collect();
    bytes.extend(scan((0, 63), 0, &data));
    bytes.extend([0xff, EOI]);
    bytes
}

/// A small JPEG with this behind its start.
fn small_with(more: &[u8]) -> Vec<u8> {
    let small = small_jpeg(40, 30);
    [&small[..2], more, &small[2..]].concat()
}

pub fn segments() -> Vec<u8> {
    small_with(&segment(0xfe, &[]).repeat(6_000_000))
}

pub fn fill() -> Vec<u8> {
    small_with(&vec![0xff; 24_900_000])
}

pub fn tables() -> Vec<u8> {
    let lengths = [&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 162][..], &[1; 162]].concat();
    let table = segment(DHT, &[&[0x10], &lengths[..]].concat());
    small_with(&table.repeat(100_000))
}

pub fn claim() -> Vec<u8> {
    [grey(SOF0, (20_000, 20_000), 0), scan((0, 63), 0, &[0x3f]), vec![0xff, EOI]].concat()
}
