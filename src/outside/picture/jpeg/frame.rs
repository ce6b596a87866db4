//! What is read before the data of scans: the frame header, scan headers and tables (T.81 B.2).

use super::huffman::{Table, standard};
use crate::outside::picture::InvalidPicture;

/// One colour of the picture.
pub(super) struct Component {
    id: u8,
    /// Blocks of it in an MCU of several components, across and down.
    pub(super) sampling: (u32, u32),
    pub(super) quantisation: usize,
    /// Blocks in a scan of this component alone: those that touch the picture (A.2.2 and A.2.4).
    pub(super) blocks: u64,
    /// For each coefficient how many of its low bits are not sent yet; `None` before its first scan.
    pub(super) missing: [Option<u32>; 64],
    /// Progressive only: for each block which coefficients are not 0. Later scans send correction bits of these (G.1.2.3).
    pub(super) history: Vec<u64>,
}

/// libjpeg, and with it browsers, takes no longer sides.
const SIDE_MAX: u32 = 65_500;

/// The frame header.
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// MCUs of a scan with several components.
    mcus: u64,
}

impl Frame {
    /// From the marker's code and the segment's body. Takes what browsers show: Huffman codes and 8 bits. Arithmetic codes
    /// are refused: Chromium shows them only where it is built with its system's libjpeg.
    pub(super) fn parse(code: u8, body: &[u8]) -> Result<Self, InvalidPicture> {
        let kind = match code {
            0xc0 | 0xc1 => "",
            0xc2 => "progressive",
            0xc9..=0xcf => "it is arithmetically coded",
            0xc3 => "it is lossless",
            _ => "it is hierarchical",
        };
        if code > 0xc2 {
            return Err(InvalidPicture::damaged(format!("{kind}, which browsers do not show")));
        }
        let Some((&[precision, h1, h0, w1, w0, count], rest)) = body.split_first_chunk() else {
            return Err(InvalidPicture::damaged("its frame header is too short"));
        };
        if precision != 8 {
            let why = format!("it has {precision} bits a sample, and browsers show 8");
            return Err(InvalidPicture::damaged(why));
        }
        let (width, height) =
            (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
        if width.max(height) > SIDE_MAX {
            let why = format!("it is {width} × {height}, and browsers show up to {SIDE_MAX} a side");
            return Err(InvalidPicture::damaged(why));
        }
        if !matches!(count, 1 | 3 | 4) || rest.len() != 3 * usize::from(count) {
            return Err(InvalidPicture::damaged(format!("its frame header does not fit {count} colours")));
        }
        let sampling = |sides: u8| (u32::from(sides >> 4), u32::from(sides & 15));
        let (across, down) = rest.chunks_exact(3).fold((1, 1), |(across, down), colour| {
            let (h, v) = sampling(colour[1]);
            (across.max(h), down.max(v))
        });
        let mut components = Vec::new();
        for colour in rest.chunks_exact(3) {
            let (h, v) = sampling(colour[1]);
            // libjpeg stretches by whole numbers only.
            if h * v == 0 || across > 4 || down > 4 || across % h != 0 || down % v != 0 {
                return Err(InvalidPicture::damaged(format!(
                    "a colour is sampled {h}×{v} of {across}×{down}"
                )));
            }
            let side =
                |pixels: u32, own: u32, most: u32| u64::from((pixels * own).div_ceil(most).div_ceil(8));
            components.push(Component {
                id: colour[0],
                sampling: (h, v),
                quantisation: usize::from(colour[2]),
                blocks: side(width, h, across) * side(height, v, down),
                missing: [None; 64],
                history: Vec::new(),
            });
        }
        let mcus = u64::from(width.div_ceil(8 * across)) * u64::from(height.div_ceil(8 * down));
        Ok(Self { width, height, progressive: code == 0xc2, components, mcus })
    }

    /// Bytes that the components' history takes.
    pub(super) fn memory(&self) -> u64 {
        if self.progressive {
            8 * self.components.iter().map(|component| component.blocks).sum::<u64>()
        } else {
            0
        }
    }

    /// Makes room for the history.
    pub(super) fn remember(&mut self) {
        if self.progressive {
            for component in &mut self.components {
                component.history = vec![0; component.blocks as usize];
            }
        }
    }

    /// Checks that every bit of every coefficient was sent. A scan that was cut out looks like one that was never written,
    /// so a picture that was written without its finest scans is refused, too.
    pub(super) fn finished(&self) -> Result<(), InvalidPicture> {
        for (number, component) in (1..).zip(&self.components) {
            if let Some(at) = component.missing.iter().position(|&missing| missing != Some(0)) {
                let why = format!("it is truncated: no scan completes coefficient {at} of colour {number}");
                return Err(InvalidPicture::damaged(why));
            }
        }
        Ok(())
    }
}

/// A component's part in a scan: its place in the frame, and its Huffman tables.
pub(super) struct Part {
    pub(super) component: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// A scan header.
pub(super) struct Scan {
    pub(super) parts: Vec<Part>,
    /// The first coefficient, and the one behind the last.
    pub(super) band: (usize, usize),
    /// Whether it makes coefficients more precise that an earlier scan began.
    pub(super) refines: bool,
    /// Low bits that it does not send.
    pub(super) low: u32,
    /// MCUs, or blocks where it has one component only.
    pub(super) units: u64,
}

impl Scan {
    /// Reads a scan header and marks in the frame what the scan sends. Bits that an earlier scan sent are refused: no
    /// encoder repeats them. Otherwise scans may come in any order, as in browsers.
    pub(super) fn parse(frame: &mut Frame, body: &[u8]) -> Result<Self, InvalidPicture> {
        let wrong = |what: &str| InvalidPicture::damaged(format!("a scan header {what}"));
        let (&count, rest) = body.split_first().ok_or_else(|| wrong("is empty"))?;
        let count = usize::from(count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(wrong("has the wrong length"));
        }
        let (list, progression) = rest.split_at(2 * count);
        let mut parts: Vec<Part> = Vec::new();
        for part in list.chunks_exact(2) {
            // In the frame's order (B.2.3), which also distinguishes components of the same id.
            let first = parts.last().map_or(0, |last| last.component + 1);
            let found = frame.components.iter().skip(first).position(|component| component.id == part[0]);
            let component = first + found.ok_or_else(|| wrong("names an unknown colour"))?;
            parts.push(Part { component, dc: usize::from(part[1] >> 4), ac: usize::from(part[1] & 15) });
        }
        let (start, last, high, low) = match frame.progressive {
            true => (progression[0], progression[1], progression[2] >> 4, progression[2] & 15),
            // A sequential scan sends all, whatever its header says: libjpeg only warns.
            false => (0, 63, 0, 0),
        };
        let band = (usize::from(start), usize::from(last) + 1);
        let alone = parts.len() == 1;
        let in_order =
            if start == 0 { last == 0 || !frame.progressive } else { start <= last && last < 64 && alone };
        if !in_order || low > 13 || high != 0 && high != low + 1 {
            return Err(wrong("asks for a progression that is not allowed"));
        }
        let blocks: u32 =
            parts.iter().map(|part| frame.components[part.component].sampling).map(|(h, v)| h * v).sum();
        if !alone && blocks > 10 {
            return Err(wrong("has more than 10 blocks in an MCU"));
        }
        let refines = high != 0;
        let before = refines.then_some(u32::from(high));
        for part in &parts {
            let missing = &mut frame.components[part.component].missing[band.0..band.1];
            if missing.iter().any(|&missing| missing != before) {
                return Err(wrong("does not continue where the scan before it ended"));
            }
            missing.fill(Some(u32::from(low)));
        }
        let units = if alone { frame.components[parts[0].component].blocks } else { frame.mcus };
        Ok(Self { parts, band, refines, low: u32::from(low), units })
    }
}

/// The tables in force. Any of them may be sent again between scans.
#[derive(Default)]
pub(super) struct Tables {
    dc: [Slot; 4],
    ac: [Slot; 4],
    quantisation: [Option<[u16; 64]>; 4],
    /// Units between two restart markers; 0 for none.
    pub(super) restart_every: u64,
}

impl Tables {
    /// Fills in the standard's Huffman tables where a file has none: browsers do so before the first scan.
    pub(super) fn complete(&mut self) {
        for (ac, slots) in [(false, &mut self.dc), (true, &mut self.ac)] {
            for (index, slot) in slots.iter_mut().enumerate() {
                *slot = slot.take().or_else(|| standard(ac, index).map(Some));
            }
        }
    }

    /// Reads a DHT segment. A table that contradicts itself matters once a scan uses it.
    pub(super) fn huffman(&mut self, mut body: &[u8]) -> Result<(), InvalidPicture> {
        let wrong = || InvalidPicture::damaged("a Huffman table is wrong");
        while let Some((&[which, ref counts @ ..], rest)) = body.split_first_chunk::<17>() {
            let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) =
                rest.split_at_checked(symbols).filter(|_| symbols <= 256).ok_or_else(wrong)?;
            let slots = if which & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = slots.get_mut(usize::from(which & !0x10)).ok_or_else(wrong)?;
            *slot = Some(Table::new(counts, symbols));
            body = rest;
        }
        if body.is_empty() { Ok(()) } else { Err(wrong()) }
    }

    /// Reads a DQT segment.
    pub(super) fn quantisation(&mut self, mut body: &[u8]) -> Result<(), InvalidPicture> {
        let wrong = || InvalidPicture::damaged("a quantisation table is wrong");
        while let Some((&which, rest)) = body.split_first() {
            let wide = usize::from(which >> 4 != 0);
            let (values, rest) = rest.split_at_checked(64 << wide).ok_or_else(wrong)?;
            let slot = self.quantisation.get_mut(usize::from(which & 15)).ok_or_else(wrong)?;
            let mut values = values.chunks_exact(1 << wide);
            let value = |bytes: &[u8]| bytes.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
            *slot = Some(std::array::from_fn(|_| values.next().map_or(0, value)));
            body = rest;
        }
        Ok(())
    }

    /// Reads a DRI segment.
    pub(super) fn restart(&mut self, body: &[u8]) -> Result<(), InvalidPicture> {
        let &[high, low] = body else {
            return Err(InvalidPicture::damaged("its restart intervals are wrong"));
        };
        self.restart_every = u64::from(u16::from_be_bytes([high, low]));
        Ok(())
    }

    /// A Huffman table of DC coefficients. Its symbols are sizes of differences; browsers take up to 15.
    pub(super) fn dc(&self, index: usize) -> Result<&Table, InvalidPicture> {
        let table = table(&self.dc, index)?;
        match table.largest_symbol() {
            0..=15 => Ok(table),
            size => Err(InvalidPicture::damaged(format!("a Huffman table has differences of {size} bits"))),
        }
    }

    /// A Huffman table of AC coefficients.
    pub(super) fn ac(&self, index: usize) -> Result<&Table, InvalidPicture> {
        table(&self.ac, index)
    }

    /// How large a component's coefficients may be in a scan that does not send their `low` lowest bits.
    pub(super) fn bounds(&self, component: &Component, low: u32) -> Result<Bounds, InvalidPicture> {
        let table = self.quantisation.get(component.quantisation).and_then(Option::as_ref);
        let table = table.ok_or_else(|| InvalidPicture::damaged("a colour lacks its quantisation table"))?;
        let most = table.map(|step| (COEFFICIENT_MAX / u32::from(step).max(1) + 1) >> low);
        Ok(Bounds { dc: most[0] + 1, sizes: most.map(|most| most.max(1).ilog2() + 1) })
    }
}

fn table(slots: &[Slot; 4], index: usize) -> Result<&Table, InvalidPicture> {
    let slot = slots.get(index).and_then(Option::as_ref);
    let table = slot.ok_or_else(|| InvalidPicture::damaged("a scan lacks its Huffman table"))?;
    table.as_ref().ok_or_else(|| InvalidPicture::damaged("a scan's Huffman table is wrong"))
}

/// A Huffman table; `None` before one was sent, and `Some(None)` for one that contradicts itself.
type Slot = Option<Option<Table>>;

/// The largest coefficient that is taken. Samples of 8 bits give up to 8 × 128 (A.3.3); a quarter more is for encoders that
/// overshoot on purpose where a picture is black or white. A damaged scan soon exceeds this.
const COEFFICIENT_MAX: u32 = 1024 * 5 / 4;

/// The largest coefficients possible in a component's blocks.
pub(super) struct Bounds {
    /// The largest DC coefficient, without its sign.
    pub(super) dc: u32,
    /// For each coefficient the most bits of its magnitude.
    pub(super) sizes: [u32; 64],
}
