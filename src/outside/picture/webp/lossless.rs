//! Lossless WebP (RFC 9649, section 3). How many bits a pixel takes depends only on the prefix codes and, where there are
//! several sets of them, on an image that says which set is used where. That image alone is decoded: it has at most a
//! sixteenth of the pixels. Other pixels are only counted. A frame is whole when literals and copies fill it, and no bit
//! was read behind its end.

use super::super::{InvalidPicture, Work};
use super::bits::Bits;
use super::codes::{Code, Tables};
use crate::limits::{WEBP_COPY_STEPS, WEBP_TILE_STEPS};

/// Symbols of lengths and distances before those of the colour cache.
const LITERALS: usize = 256;
const LENGTHS: usize = 24;
/// Where the 120 nearest distances lie: rows above in the upper four bits, and 8 minus columns to the left in the lower
/// (section 3.6.2.2).
#[rustfmt::skip]
const NEAR: [u8; 120] = [
    0x18, 0x07, 0x17, 0x19, 0x28, 0x06, 0x27, 0x29, 0x16, 0x1a, 0x26, 0x2a, 0x38, 0x05, 0x37, 0x39, 0x15, 0x1b, 0x36, 0x3a,
    0x25, 0x2b, 0x48, 0x04, 0x47, 0x49, 0x14, 0x1c, 0x35, 0x3b, 0x46, 0x4a, 0x24, 0x2c, 0x58, 0x45, 0x4b, 0x34, 0x3c, 0x03,
    0x57, 0x59, 0x13, 0x1d, 0x56, 0x5a, 0x23, 0x2d, 0x44, 0x4c, 0x55, 0x5b, 0x33, 0x3d, 0x68, 0x02, 0x67, 0x69, 0x12, 0x1e,
    0x66, 0x6a, 0x22, 0x2e, 0x54, 0x5c, 0x43, 0x4d, 0x65, 0x6b, 0x32, 0x3e, 0x78, 0x01, 0x77, 0x79, 0x53, 0x5d, 0x11, 0x1f,
    0x64, 0x6c, 0x42, 0x4e, 0x76, 0x7a, 0x21, 0x2f, 0x75, 0x7b, 0x31, 0x3f, 0x63, 0x6d, 0x52, 0x5e, 0x00, 0x74, 0x7c, 0x41,
    0x4f, 0x10, 0x20, 0x62, 0x6e, 0x30, 0x73, 0x7d, 0x51, 0x5f, 0x40, 0x72, 0x7e, 0x61, 0x6f, 0x50, 0x71, 0x7f, 0x60, 0x70,
];

/// Width and height, where these bytes begin a lossless frame (section 3.4).
pub(super) fn sides(frame: &[u8]) -> Option<(u32, u32)> {
    let &[0x2f, a, b, c, d] = frame.first_chunk::<5>()? else { return None };
    let bits = u32::from_le_bytes([a, b, c, d]);
    (bits >> 29 == 0).then_some((1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)))
}

/// Memory that [`check`] takes at most for a frame of these sides in a file of so many bytes: the group of each of the
/// smallest tiles, the groups, and their tables.
pub(super) fn memory(width: u32, height: u32, file: u64) -> u64 {
    let tiles = u64::from(width.div_ceil(4)) * u64::from(height.div_ceil(4));
    let groups = tiles.min(1 << 16) * (size_of::<Group>() + 2 * size_of::<Option<u32>>()) as u64;
    4 * tiles + groups + Tables::memory(file)
}

/// Checks that a frame has all its pixels.
pub(super) fn check(frame: &[u8], work: &mut Work) -> Result<(), InvalidPicture> {
    let no_frame = || InvalidPicture::damaged("a lossless frame has no header that is allowed");
    let (width, height) = sides(frame).ok_or_else(no_frame)?;
    check_pixels(&frame[5..], width, height, work)
}

/// The same without a header, as alpha is stored.
pub(super) fn check_pixels(
    bytes: &[u8],
    width: u32,
    height: u32,
    work: &mut Work,
) -> Result<(), InvalidPicture> {
    let mut bits = Bits::new(bytes);
    let (mut width, height) = (width as usize, height as usize);
    // Each transform may come once.
    let mut seen = [false; 4];
    while bits.flag() {
        let kind = bits.number(2);
        if std::mem::replace(&mut seen[kind], true) {
            return Err(InvalidPicture::damaged("a transform comes twice"));
        }
        match kind {
            // Predictors and colours, for squares of pixels.
            0 | 1 => {
                let square = 2 + bits.number(3);
                let (across, down) = (width.div_ceil(1 << square), height.div_ceil(1 << square));
                Image::read_inner(&mut bits, across, down, work)?.count(&mut bits, work)?;
            }
            // Green is subtracted: that has no numbers.
            2 => {}
            // A table of colours; pixels of few colours are packed.
            _ => {
                let colours = 1 + bits.number(8);
                Image::read_inner(&mut bits, colours, 1, work)?.count(&mut bits, work)?;
                let packed = match colours {
                    1..=2 => 8,
                    3..=4 => 4,
                    5..=16 => 2,
                    _ => 1,
                };
                width = width.div_ceil(packed);
            }
        }
    }
    Image::read(&mut bits, width, height, work)?.count(&mut bits, work)
}

/// Five prefix codes that belong together.
#[derive(Debug)]
struct Group {
    green: Code,
    others: [Code; 3],
    distance: Code,
    /// Whether red, blue and alpha have one value each, which takes no bits.
    plain: bool,
    /// Whether green has one value, too: a pixel takes no bits.
    free: bool,
    /// Whether green has one symbol that is none of its values: a pixel may take no bits, and is looked at all the same.
    copied: bool,
}

/// A coded image, read up to its pixels.
#[derive(Debug)]
struct Image {
    width: usize,
    height: usize,
    /// The colour cache's bits.
    cache: Option<u32>,
    tables: Tables,
    groups: Vec<Group>,
    /// The side of a tile that has one group, in bits.
    tile: u32,
    /// The group of each tile, where there are several.
    tiles: Vec<u32>,
}

impl Image {
    /// Reads what comes before the pixels of the picture itself.
    fn read(
        bits: &mut Bits<'_>,
        width: usize,
        height: usize,
        work: &mut Work,
    ) -> Result<Self, InvalidPicture> {
        let mut image = Self::begin(bits, width, height)?;
        let mut groups = Vec::new();
        if bits.flag() {
            image.tile = 2 + bits.number(3) as u32;
            let (across, down) = (width.div_ceil(1 << image.tile), height.div_ceil(1 << image.tile));
            // Each row of each tile looks up its codes anew, anywhere in memory.
            work.spend((across * height) as u64 * WEBP_TILE_STEPS)?;
            image.tiles = Self::read_inner(bits, across, down, work)?.decode(bits, work)?;
            // Red and green are the group's number. Groups that no tile has are only checked.
            for tile in &mut image.tiles {
                *tile = *tile >> 8 & 0xffff;
                if groups.len() <= *tile as usize {
                    groups.resize(*tile as usize + 1, None);
                }
                groups[*tile as usize] = Some(0);
            }
            (0..).zip(groups.iter_mut().flatten()).for_each(|(at, place)| *place = at);
            image.tiles.iter_mut().for_each(|tile| *tile = groups[*tile as usize].unwrap_or(0));
        } else {
            groups.push(Some(0));
        }
        image.groups.reserve_exact(groups.iter().flatten().count());
        for group in groups {
            image.read_group(bits, group.is_some(), work)?;
        }
        Ok(image)
    }

    /// The same for an image that belongs to another: it has one group.
    fn read_inner(
        bits: &mut Bits<'_>,
        width: usize,
        height: usize,
        work: &mut Work,
    ) -> Result<Self, InvalidPicture> {
        let mut image = Self::begin(bits, width, height)?;
        image.read_group(bits, true, work)?;
        Ok(image)
    }

    fn begin(bits: &mut Bits<'_>, width: usize, height: usize) -> Result<Self, InvalidPicture> {
        let cache = bits.flag().then(|| bits.number(4) as u32);
        if cache.is_some_and(|cache| !(1..=11).contains(&cache)) {
            return Err(InvalidPicture::damaged("a colour cache has a size that is not allowed"));
        }
        let (tables, groups) = (Tables::new(bits.bytes()), Vec::new());
        Ok(Self { width, height, cache, tables, groups, tile: 16, tiles: Vec::new() })
    }

    fn read_group(&mut self, bits: &mut Bits<'_>, kept: bool, work: &mut Work) -> Result<(), InvalidPicture> {
        let cached = self.cache.map_or(0, |cache| 1 << cache);
        let mut read = |alphabet| self.tables.read(bits, alphabet, kept, work);
        let green = read(LITERALS + LENGTHS + cached)?;
        let others = [read(256)?, read(256)?, read(256)?];
        let distance = read(40)?;
        if kept {
            let plain = others.iter().all(|code| self.tables.only(*code).is_some());
            let only = self.tables.only(green);
            let free = plain && only.is_some_and(|green| green < LITERALS);
            let copied = only.is_some_and(|green| green >= LITERALS);
            self.groups.push(Group { green, others, distance, plain, free, copied });
        }
        Ok(())
    }

    /// Reads the pixels and counts them.
    fn count(&self, bits: &mut Bits<'_>, work: &mut Work) -> Result<(), InvalidPicture> {
        let total = self.width * self.height;
        work.spend(total as u64)?;
        let across = self.width.div_ceil(1 << self.tile);
        let (mut at, mut x, mut y) = (0, 0, 0);
        while at < total {
            let tile = self.tiles.get((y >> self.tile) * across + (x >> self.tile));
            let group = &self.groups[tile.map_or(0, |tile| *tile as usize)];
            let end = (((x >> self.tile) + 1) << self.tile).min(self.width);
            let before = x;
            if group.free {
                x = end;
            }
            if group.copied {
                work.spend((end - x) as u64 * WEBP_COPY_STEPS)?;
            }
            while x < end {
                bits.fill();
                let symbol = self.tables.symbol(group.green, bits);
                if symbol < LITERALS {
                    if !group.plain {
                        self.pass_literal(group, bits);
                    }
                    x += 1;
                } else if symbol < LITERALS + LENGTHS {
                    let (length, distance) = self.copy(group, symbol - LITERALS, bits);
                    let here = at + (x - before);
                    if here < distance || total - here < length {
                        return Err(self.wrong_copy(bits, y));
                    }
                    x += length;
                } else {
                    x += 1;
                }
            }
            at += x - before;
            if x >= self.width {
                y += x / self.width;
                x %= self.width;
            }
            if bits.is_over() {
                return Err(self.truncated(y));
            }
        }
        Ok(())
    }

    /// Reads the pixels and keeps their values.
    fn decode(&self, bits: &mut Bits<'_>, work: &mut Work) -> Result<Vec<u32>, InvalidPicture> {
        let total = self.width * self.height;
        work.spend(total as u64)?;
        let group = &self.groups[0];
        let mut pixels = Vec::with_capacity(total);
        let mut cache = vec![0_u32; self.cache.map_or(0, |cache| 1 << cache)];
        let mut cached = 0;
        while pixels.len() < total {
            bits.fill();
            let symbol = self.tables.symbol(group.green, bits);
            if symbol < LITERALS {
                let red = self.tables.symbol(group.others[0], bits);
                let blue = self.tables.symbol(group.others[1], bits);
                bits.fill();
                let alpha = self.tables.symbol(group.others[2], bits);
                pixels.push((alpha << 24 | red << 16 | symbol << 8 | blue) as u32);
            } else if symbol < LITERALS + LENGTHS {
                let (length, distance) = self.copy(group, symbol - LITERALS, bits);
                if pixels.len() < distance || total - pixels.len() < length {
                    return Err(self.wrong_copy(bits, pixels.len() / self.width));
                }
                for _ in 0..length {
                    pixels.push(pixels[pixels.len() - distance]);
                }
            } else {
                pixels.push(cache[symbol - LITERALS - LENGTHS]);
            }
            if let Some(cache_bits) = self.cache {
                for &pixel in &pixels[cached..] {
                    cache[(pixel.wrapping_mul(0x1e35_a7bd) >> (32 - cache_bits)) as usize] = pixel;
                }
                cached = pixels.len();
            }
            if bits.is_over() {
                return Err(self.truncated(pixels.len() / self.width));
            }
        }
        Ok(pixels)
    }

    /// Skips red, blue and alpha; 41 bits are held.
    #[inline(always)]
    fn pass_literal(&self, group: &Group, bits: &mut Bits<'_>) {
        self.tables.symbol(group.others[0], bits);
        self.tables.symbol(group.others[1], bits);
        if bits.held() < 15 {
            bits.fill();
        }
        self.tables.symbol(group.others[2], bits);
    }

    /// The length and distance of a copy (section 3.6.2.2); 41 bits are held.
    #[inline]
    fn copy(&self, group: &Group, length: usize, bits: &mut Bits<'_>) -> (usize, usize) {
        let length = prefixed(length, bits);
        let distance = self.tables.symbol(group.distance, bits);
        bits.fill();
        let distance = prefixed(distance, bits);
        let Some(&near) = NEAR.get(distance - 1) else { return (length, distance - NEAR.len()) };
        let (rows, columns) = (usize::from(near >> 4), usize::from(near & 15));
        (length, (rows * self.width + 8).saturating_sub(columns).max(1))
    }

    fn wrong_copy(&self, bits: &Bits<'_>, row: usize) -> InvalidPicture {
        if bits.is_over() {
            return self.truncated(row);
        }
        InvalidPicture::damaged(format!("row {} of {} copies what is not there", row + 1, self.height))
    }

    fn truncated(&self, row: usize) -> InvalidPicture {
        let row = (row + 1).min(self.height);
        InvalidPicture::damaged(format!("truncated: the data ends in row {row} of {}", self.height))
    }
}

/// A number whose first bits are a symbol (section 3.6.2.1).
#[inline(always)]
fn prefixed(symbol: usize, bits: &mut Bits<'_>) -> usize {
    if symbol < 4 {
        return symbol + 1;
    }
    let more = (symbol - 2) >> 1;
    ((2 + (symbol & 1)) << more) + bits.held_number(more as u32) + 1
}
