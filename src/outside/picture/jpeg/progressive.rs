//! Blocks of progressive scans (T.81 annex G). A scan sends some coefficients, or some of their bits, of all blocks.
//!
//! Bits of a coefficient that is not 0 since an earlier scan are sent without a code. So the number of bits in a block
//! depends on which coefficients these are: 64 bits for each block keep that.

use super::bits::Bits;
use super::huffman::Table;
use super::scan::{Coding, Fault};
use super::sequential::{Ac, BEYOND, Dc, NO_CODE};

/// The first scan of DC coefficients.
pub(super) struct DcFirst<'a> {
    pub(super) parts: Vec<Dc<'a>>,
    /// For each block of an MCU the part it belongs to.
    pub(super) blocks: Vec<usize>,
}

impl Coding for DcFirst<'_> {
    fn units(&mut self, bits: &mut Bits<'_>, first: u64, count: u64) -> Result<(), Fault> {
        for dc in &mut self.parts {
            dc.prediction = 0;
        }
        for unit in first..first + count {
            for &part in &self.blocks {
                self.parts[part].next(bits).map_err(|what| Fault { unit, what })?;
            }
            if bits.overrun() {
                return Err(Fault::ended(unit));
            }
        }
        Ok(())
    }
}

/// A later scan of DC coefficients: one bit for each block of an MCU.
pub(super) struct DcRefinement {
    pub(super) blocks: u32,
}

impl Coding for DcRefinement {
    fn units(&mut self, bits: &mut Bits<'_>, first: u64, count: u64) -> Result<(), Fault> {
        for unit in first..first + count {
            bits.skip(self.blocks);
            if bits.overrun() {
                return Err(Fault::ended(unit));
            }
        }
        Ok(())
    }
}

/// The first scan of some AC coefficients.
pub(super) struct AcFirst<'a> {
    pub(super) ac: Ac<'a>,
    pub(super) history: &'a mut [u64],
}

impl Coding for AcFirst<'_> {
    fn units(&mut self, bits: &mut Bits<'_>, first: u64, count: u64) -> Result<(), Fault> {
        let (mut at, end) = (first as usize, (first + count) as usize);
        while at < end {
            let fault = |what| Fault { unit: at as u64, what };
            let (set, run) = self.ac.next::<true>(bits).map_err(fault)?;
            if bits.overrun() {
                return Err(Fault::ended(at as u64));
            }
            self.history[at] |= set;
            at += 1 + run as usize;
        }
        if at > end { Err(Fault { unit: end as u64, what: RUN_TOO_LONG }) } else { Ok(()) }
    }

    fn empty_is_zero(&self) -> bool {
        let narrow = self.ac.band.1 - self.ac.band.0 <= NARROW;
        narrow || self.ac.table.zeros().is_some_and(|symbol| symbol & 15 == 0)
    }
}

/// Coefficients of a band in which many blocks in a row may be the same without being empty: in a gradient they are.
const NARROW: usize = 16;

const RUN_TOO_LONG: &str = "a run of empty blocks goes beyond the last";

/// A later scan of some AC coefficients: one more bit of those that are not 0, and those that only now are not.
pub(super) struct AcRefinement<'a> {
    pub(super) table: &'a Table,
    pub(super) band: (usize, usize),
    pub(super) history: &'a mut [u64],
}

impl Coding for AcRefinement<'_> {
    fn units(&mut self, bits: &mut Bits<'_>, first: u64, count: u64) -> Result<(), Fault> {
        let mut run = 0;
        for unit in first..first + count {
            let history = &mut self.history[unit as usize];
            if run == 0 {
                run = refine(bits, self.table, self.band, history).map_err(|what| Fault { unit, what })?;
            } else {
                bits.skip((*history & band(self.band.0, self.band.1)).count_ones());
                run -= 1;
            }
            if bits.overrun() {
                return Err(Fault::ended(unit));
            }
        }
        if run > 0 { Err(Fault { unit: first + count, what: RUN_TOO_LONG }) } else { Ok(()) }
    }
}

/// One block (G.1.2.3); gives how many blocks follow it for which nothing but correction bits is sent.
#[inline(always)]
fn refine(
    bits: &mut Bits<'_>,
    table: &Table,
    (start, end): (usize, usize),
    history: &mut u64,
) -> Result<u32, &'static str> {
    let (mut at, end) = (start as u32, end as u32);
    // From the coefficient `at` on, which ones were found to be not 0 before this scan.
    let mut before = (*history & band(start, end as usize)) >> start;
    while at < end {
        bits.refill();
        let symbol = u32::from(table.symbol(bits).ok_or(NO_CODE)?);
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run < 15 {
            let blocks = (1 << run) - 1 + bits.take(run);
            bits.skip(before.count_ones());
            return Ok(blocks);
        }
        if size > 1 {
            return Err("a refined coefficient has more than one bit");
        }
        // The run counts coefficients that are still 0; the others on the way have a correction bit each.
        let (mut next, mut zeros) = (at, run);
        while zeros >= before.trailing_zeros() {
            let passed = before.trailing_zeros();
            zeros -= passed;
            next += passed + 1;
            before = before >> passed >> 1;
        }
        next += zeros;
        before >>= zeros + 1;
        if next >= end {
            return Err(BEYOND);
        }
        bits.drop(size);
        bits.skip(next - at - run);
        *history |= u64::from(size) << next;
        at = next + 1;
    }
    Ok(0)
}

/// The bits from `first` up to `end`, which is at most 64.
fn band(first: usize, end: usize) -> u64 {
    u64::MAX.checked_shl(first as u32).unwrap_or(0) & u64::MAX.checked_shr(64 - end as u32).unwrap_or(0)
}
