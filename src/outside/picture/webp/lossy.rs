//! Lossy WebP: a key frame of VP8 (RFC 6386). Its bits depend on each other through an arithmetic decoder, so every mode
//! and every coefficient is read, in the order of section 19, and none is kept: no prediction, no transform, no filter.
//! A frame is whole when no bit was read behind a partition's end, and no partition has much left over: an arithmetic
//! decoder accepts any bits, but after damage it seldom reads as many as were written.

use super::super::{InvalidPicture, Work};
use super::bools::Bools;
use super::tables::{BANDS, COEFFICIENTS, KEPT, MODES};
use crate::limits::{WEBP_BLOCK_STEPS, WEBP_COEFFICIENT_STEPS};

/// Probabilities of one kind of block, by position and context.
type Probabilities = [[[u8; 11]; 3]; 17];

/// What the macroblocks below, or to the right, depend on.
#[derive(Clone, Copy, Default)]
struct Edge {
    /// The modes of its four 4×4 blocks there.
    modes: [u8; 4],
    /// Which blocks there have coefficients: four of luma, two and two of chroma, and the one of luma's averages.
    filled: [bool; 9],
}

/// Width and height, where these bytes begin a frame that browsers show (section 9.1).
pub(super) fn sides(frame: &[u8]) -> Option<(u32, u32)> {
    let &[tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = frame.first_chunk::<10>()? else { return None };
    let (key, version, shown) = (tag & 1 == 0, tag >> 1 & 7, tag >> 4 & 1 == 1);
    // The upper two bits ask for scaling, which browsers ignore.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let (width, height) = (side(w0, w1), side(h0, h1));
    (key && version <= 3 && shown && width > 0 && height > 0).then_some((width, height))
}

/// Memory that [`check`] takes: a row of macroblocks, and the probabilities.
pub(super) fn memory(width: u32) -> u64 {
    u64::from(width.div_ceil(16)) * size_of::<Edge>() as u64 + 4 * size_of::<Probabilities>() as u64
}

/// Checks that a frame has all its macroblocks. `chunk` is the size of its chunk; `frame` has the padding behind it, too,
/// since browsers read that as data.
pub(super) fn check(frame: &[u8], chunk: usize, work: &mut Work) -> Result<(), InvalidPicture> {
    let no_frame = || InvalidPicture::damaged("a lossy frame has no header that is allowed");
    let (width, height) = sides(frame).ok_or_else(no_frame)?;
    let (tag, rest) = frame.split_at(10);
    let first = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]) as usize >> 5;
    let rest = rest.split_at_checked(first).filter(|_| first < chunk);
    let (first, rest) =
        rest.ok_or_else(|| InvalidPicture::damaged("truncated: partition 0 is not all there"))?;
    let mut modes = Bools::new(first);
    let header = Header::read(&mut modes);
    let mut partitions = partitions(rest, header.partitions)
        .ok_or_else(|| InvalidPicture::damaged("truncated: the last partition is not there"))?;

    let (columns, rows) = (width.div_ceil(16) as usize, height.div_ceil(16) as usize);
    let mut above = vec![Edge::default(); columns];
    for row in 0..rows {
        work.spend(columns as u64 * WEBP_BLOCK_STEPS)?;
        let partition = row % header.partitions;
        let tokens = &mut partitions[partition];
        let mut left = Edge::default();
        let mut coefficients = 0;
        for above in &mut above {
            let (split, skipped) = header.read_modes(&mut modes, &mut above.modes, &mut left.modes);
            if skipped {
                // A macroblock without averages leaves their context as it was.
                let blocks = if split { 8 } else { 9 };
                above.filled[..blocks].fill(false);
                left.filled[..blocks].fill(false);
            } else {
                coefficients += header.read_blocks(tokens, split, &mut above.filled, &mut left.filled);
            }
        }
        if modes.is_over() || tokens.is_over() {
            let partition = if modes.is_over() { 0 } else { partition + 1 };
            let row = row + 1;
            let why = format!("truncated: partition {partition} ends in row {row} of {rows} macroblock rows");
            return Err(InvalidPicture::damaged(why));
        }
        work.spend(u64::from(coefficients) * WEBP_COEFFICIENT_STEPS)?;
    }
    let read = std::iter::once(&modes).chain(&partitions[..header.partitions]);
    match read.zip(0..).find(|(partition, _)| partition.is_left_over()) {
        Some((_, number)) => Err(InvalidPicture::damaged(format!("data is left over in partition {number}"))),
        None => Ok(()),
    }
}

/// The partitions of coefficients (section 9.5): a row of macroblocks takes the next one of them. A size that reaches
/// beyond the end only counts when its bits are asked for, but the last partition has to begin before the end.
fn partitions(bytes: &[u8], count: usize) -> Option<[Bools<'_>; 8]> {
    let (sizes, mut bytes) = bytes.split_at_checked(3 * (count - 1))?;
    let mut partitions = [Bools::default(); 8];
    for (partition, size) in partitions.iter_mut().zip(sizes.chunks_exact(3)) {
        let size = u32::from_le_bytes([size[0], size[1], size[2], 0]) as usize;
        let (own, rest) = bytes.split_at(size.min(bytes.len()));
        *partition = Bools::new(own);
        bytes = rest;
    }
    partitions[count - 1] = Bools::new(bytes);
    (!bytes.is_empty()).then_some(partitions)
}

/// What a frame's header says about its macroblocks.
struct Header {
    /// The tree of a macroblock's segment, where there is one.
    segments: Option<[u8; 3]>,
    /// 1, 2, 4 or 8.
    partitions: usize,
    /// For luma without averages, averages, chroma, and whole luma.
    kinds: Box<[Probabilities; 4]>,
    /// How likely a macroblock has coefficients, where those without are marked.
    skip: Option<u8>,
}

impl Header {
    /// Sections 9.2 to 9.11.
    fn read(bools: &mut Bools<'_>) -> Self {
        // Colour space and clamping.
        bools.number(2);
        let segments = Self::read_segments(bools);
        // The loop filter's kind, level and sharpness, and what is added to them.
        bools.number(10);
        if bools.bit(128) && bools.bit(128) {
            (0..8).for_each(|_| bools.skip_optional(6));
        }
        let partitions = 1 << bools.number(2);
        // Quantisers.
        bools.number(7);
        (0..5).for_each(|_| bools.skip_optional(4));
        // Whether the probabilities are for later frames, too.
        bools.number(1);
        let kinds = Self::read_probabilities(bools);
        let skip = bools.bit(128).then(|| bools.number(8) as u8);
        Self { segments, partitions, kinds, skip }
    }

    fn read_segments(bools: &mut Bools<'_>) -> Option<[u8; 3]> {
        if !bools.bit(128) {
            return None;
        }
        let mapped = bools.bit(128);
        if bools.bit(128) {
            bools.number(1);
            (0..4).for_each(|_| bools.skip_optional(7));
            (0..4).for_each(|_| bools.skip_optional(6));
        }
        mapped.then(|| [(); 3].map(|()| if bools.bit(128) { bools.number(8) as u8 } else { 255 }))
    }

    fn read_probabilities(bools: &mut Bools<'_>) -> Box<[Probabilities; 4]> {
        let mut all = COEFFICIENTS;
        for (one, kept) in all.iter_mut().zip(KEPT) {
            if bools.bit(kept) {
                *one = bools.number(8) as u8;
            }
        }
        let mut kinds = Box::new([[[[0; 11]; 3]; 17]; 4]);
        for (kind, places) in kinds.iter_mut().enumerate() {
            for (place, band) in places.iter_mut().zip(BANDS) {
                for (context, one) in place.iter_mut().enumerate() {
                    let at = 11 * (3 * (8 * kind + band) + context);
                    one.copy_from_slice(&all[at..at + 11]);
                }
            }
        }
        kinds
    }

    /// A macroblock's segment, mark and modes (sections 9.3, 11.1 to 11.5): whether luma's blocks have modes of their own,
    /// and whether there are no coefficients.
    #[inline(always)]
    fn read_modes(&self, bools: &mut Bools<'_>, above: &mut [u8; 4], left: &mut [u8; 4]) -> (bool, bool) {
        if let Some(segments) = self.segments {
            let upper = bools.bit(segments[0]);
            bools.bit(segments[1 + usize::from(upper)]);
        }
        let skipped = self.skip.is_some_and(|skip| bools.bit(skip));
        let split = !bools.bit(145);
        if split {
            for left in left {
                for above in &mut *above {
                    let at = 9 * (10 * usize::from(*above) + usize::from(*left));
                    let mode = read_mode(bools, &MODES[at..at + 9]);
                    (*above, *left) = (mode, mode);
                }
            }
        } else {
            let (zero, modes) = if bools.bit(156) { (128, [3, 1]) } else { (163, [0, 2]) };
            let mode = modes[usize::from(bools.bit(zero))];
            (*above, *left) = ([mode; 4], [mode; 4]);
        }
        let _ = bools.bit(142) && bools.bit(114) && bools.bit(183);
        (split, skipped)
    }

    /// A macroblock's coefficients (section 13): how many places and bits behind them were looked at.
    #[inline(always)]
    fn read_blocks(
        &self,
        bools: &mut Bools<'_>,
        split: bool,
        above: &mut [bool; 9],
        left: &mut [bool; 9],
    ) -> u32 {
        let mut steps = 0;
        let mut read = |kind: usize, first: usize, above: &mut bool, left: &mut bool| {
            let (end, bits) =
                read_block(bools, &self.kinds[kind], usize::from(*above) + usize::from(*left), first);
            (*above, *left) = (end > first, end > first);
            steps += end as u32 + bits;
        };
        let (luma, first) = if split { (3, 0) } else { (0, 1) };
        if !split {
            read(1, 0, &mut above[8], &mut left[8]);
        }
        for (kind, first, blocks) in [(luma, first, 0..4), (2, 0, 4..6), (2, 0, 6..8)] {
            for y in blocks.clone() {
                for x in blocks.clone() {
                    read(kind, first, &mut above[x], &mut left[y]);
                }
            }
        }
        steps
    }
}

/// The tree of a 4×4 block's modes, numbered as [`MODES`] has them (section 11.2).
#[inline(always)]
fn read_mode(bools: &mut Bools<'_>, zero: &[u8]) -> u8 {
    if !bools.bit(zero[0]) {
        0
    } else if !bools.bit(zero[1]) {
        1
    } else if !bools.bit(zero[2]) {
        2
    } else if !bools.bit(zero[3]) {
        if !bools.bit(zero[4]) { 3 } else { 4 + u8::from(bools.bit(zero[5])) }
    } else if !bools.bit(zero[6]) {
        6
    } else if !bools.bit(zero[7]) {
        7
    } else {
        8 + u8::from(bools.bit(zero[8]))
    }
}

/// One block: behind which place its last coefficient stands, and the bits of large ones.
#[inline]
fn read_block(bools: &mut Bools<'_>, kind: &Probabilities, mut context: usize, first: usize) -> (usize, u32) {
    // A copy lives in registers.
    let mut own = *bools;
    let (mut place, mut bits) = (first, 0);
    'block: while place < 16 {
        let mut zero = &kind[place][context];
        if !own.bit(zero[0]) {
            break;
        }
        while !own.bit(zero[1]) {
            place += 1;
            if place == 16 {
                break 'block;
            }
            zero = &kind[place][0];
        }
        place += 1;
        context = 1;
        if own.bit(zero[2]) {
            bits += read_large(&mut own, zero);
            context = 2;
        }
        // Its sign.
        own.pass();
    }
    *bools = own;
    (place, bits)
}

/// The rest of a coefficient of two and above (section 13.2): how many bits its value has behind its tree.
#[inline(always)]
fn read_large(bools: &mut Bools<'_>, zero: &[u8; 11]) -> u32 {
    let bits: &[u8] = if !bools.bit(zero[3]) {
        if bools.bit(zero[4]) { std::slice::from_ref(&zero[5]) } else { &[] }
    } else if !bools.bit(zero[6]) {
        if bools.bit(zero[7]) { &[165, 145] } else { &[159] }
    } else if !bools.bit(zero[8]) {
        if bools.bit(zero[9]) { &[176, 155, 140, 135] } else { &[173, 148, 140] }
    } else if !bools.bit(zero[10]) {
        &[180, 157, 141, 134, 130]
    } else {
        &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129]
    };
    for &zero in bits {
        bools.bit(zero);
    }
    bits.len() as u32
}
