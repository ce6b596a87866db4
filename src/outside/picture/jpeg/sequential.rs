//! Blocks of sequential scans (T.81 F.2.2), and what progressive ones share with them: the difference of a DC
//! coefficient to the one before, and runs of AC coefficients, of which only the positions are kept.

use super::bits::Bits;
use super::frame::Bounds;
use super::huffman::{Lookup, Table};
use super::scan::{Coding, Fault};

/// The DC coefficients of one component in a scan.
pub(super) struct Dc<'a> {
    pub(super) table: &'a Table,
    pub(super) most: u32,
    pub(super) prediction: i32,
}

impl Dc<'_> {
    #[inline(always)]
    pub(super) fn next(&mut self, bits: &mut Bits<'_>) -> Result<(), &'static str> {
        bits.refill();
        let size = u32::from(self.table.symbol(bits).ok_or(NO_CODE)?);
        if size > 11 {
            return Err("a brightness has more than 11 bits");
        }
        // Nothing for size 0. A magnitude that begins with 0 is negative, and stored less 1 (F.1.2.1).
        let magnitude = bits.take(size) as i32;
        let negative = i32::from(magnitude << 1 >> size == 0);
        self.prediction += magnitude - negative * ((1 << size) - 1);
        if self.prediction.unsigned_abs() > self.most {
            return Err("a block is brighter or darker than possible");
        }
        Ok(())
    }
}

/// AC coefficients of one component in a scan.
pub(super) struct Ac<'a> {
    pub(super) table: &'a Table,
    pub(super) lookup: Lookup,
    pub(super) bounds: Bounds,
    /// The first coefficient, and the one behind the last.
    pub(super) band: (usize, usize),
}

pub(super) const NO_CODE: &str = "no code begins like these bits";
pub(super) const BEYOND: &str = "a run goes beyond its block";

impl Ac<'_> {
    /// The coefficients of a block that are not 0. Where a run of blocks without any begins, the second is how many
    /// blocks follow this one in it: progressive scans only.
    #[inline(always)]
    pub(super) fn next<const PROGRESSIVE: bool>(
        &self,
        bits: &mut Bits<'_>,
    ) -> Result<(u64, u32), &'static str> {
        let (mut at, end) = (self.band.0 as u32, self.band.1 as u32);
        let mut set = 0;
        loop {
            bits.refill();
            let step = self.lookup.step(bits);
            let next = at + step.positions();
            if next <= end {
                bits.drop(step.bits());
                set |= step.set() << at;
                at = next;
                if step.ends_block() || at == end {
                    return Ok((set, 0));
                }
                continue;
            }
            // A long code or magnitude, the block's last coefficients, or damage: one by one.
            let symbol = u32::from(self.table.symbol(bits).ok_or(NO_CODE)?);
            let (run, size) = (symbol >> 4, symbol & 15);
            match (run, size) {
                (0, 0) => return Ok((set, 0)),
                (15, 0) => at += 16,
                (_, 0) if PROGRESSIVE => return Ok((set, (1 << run) - 1 + bits.take(run))),
                (_, 0) => return Err(NO_CODE),
                _ => {
                    at += run;
                    if at >= end {
                        return Err(BEYOND);
                    }
                    if size > 10 || size > self.bounds.sizes[at as usize] {
                        return Err("a coefficient is larger than possible");
                    }
                    bits.drop(size);
                    set |= 1 << at;
                    at += 1;
                }
            }
            if at >= end {
                return if at == end { Ok((set, 0)) } else { Err(BEYOND) };
            }
        }
    }
}

/// A sequential scan.
pub(super) struct Sequential<'a> {
    pub(super) parts: Vec<(Dc<'a>, Ac<'a>)>,
    /// For each block of an MCU the part it belongs to.
    pub(super) blocks: Vec<usize>,
}

impl Coding for Sequential<'_> {
    fn units(&mut self, bits: &mut Bits<'_>, first: u64, count: u64) -> Result<(), Fault> {
        for (dc, _) in &mut self.parts {
            dc.prediction = 0;
        }
        for unit in first..first + count {
            for &part in &self.blocks {
                let (dc, ac) = &mut self.parts[part];
                dc.next(bits).map_err(|what| Fault { unit, what })?;
                ac.next::<false>(bits).map_err(|what| Fault { unit, what })?;
            }
            if bits.overrun() {
                return Err(Fault::ended(unit));
            }
        }
        Ok(())
    }

    fn goes_on(&mut self, mut rest: Bits<'_>, _last: bool) -> bool {
        while self.units(&mut rest, 0, 1).is_ok() {
            if rest.at_end() {
                return true;
            }
        }
        false
    }

    fn empty_is_zero(&self) -> bool {
        self.parts.iter().all(|(_, ac)| ac.table.zeros() == Some(0))
    }
}
