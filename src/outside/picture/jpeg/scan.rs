//! One scan from its header to the marker behind it: its restart intervals, and what may stand at their ends.

use super::bits::Bits;
use super::frame::{Component, Frame, Part, Scan, Tables};
use super::huffman::Lookup;
use super::progressive::{AcFirst, AcRefinement, DcFirst, DcRefinement};
use super::sequential::{Ac, Dc, Sequential};
use crate::limits::JPEG_STRAY_BYTES_MAX;
use crate::outside::picture::InvalidPicture;

/// How the bits of a scan are read.
pub(super) trait Coding {
    /// Reads as many units from the unit `first` on, as after a restart marker.
    fn units(&mut self, bits: &mut Bits<'_>, first: u64, count: u64) -> Result<(), Fault>;

    /// Whether the bytes between an interval's last unit and the next marker can be read as more units. In progressive
    /// scans units are so short that nearly any bytes can: there they count as units before a restart marker, and do not
    /// behind the scan's `last` unit.
    fn goes_on(&mut self, _rest: Bits<'_>, last: bool) -> bool {
        !last
    }

    /// Whether zero bits, as many as there may be, can be blocks of a picture.
    fn empty_is_zero(&self) -> bool {
        true
    }
}

/// Why a scan is not whole, and at which of its units.
pub(super) struct Fault {
    pub(super) unit: u64,
    pub(super) what: &'static str,
}

impl Fault {
    pub(super) fn ended(unit: u64) -> Self {
        Self { unit, what: ENDED }
    }
}

const ENDED: &str = "its data ends";

/// Reads the scan whose data begins here, and gives what follows it, from the next marker on. `number` is for the message.
pub(super) fn check<'a>(
    bytes: &'a [u8],
    (frame, tables): (&mut Frame, &Tables),
    (scan, number): (&Scan, usize),
) -> Result<&'a [u8], InvalidPicture> {
    let mut bits = Bits::new(bytes);
    let shows_all = !frame.progressive && scan.parts.len() == frame.components.len();
    let mut coding = coding(frame, tables, scan)?;
    let done = intervals(&mut *coding, &mut bits, (scan.units, shows_all), tables.restart_every);
    let Err(Fault { unit, what }) = done else {
        return Ok(bits.rest());
    };
    let (truncated, what) = if bits.overrun() { ("it is truncated: ", ENDED) } else { ("", what) };
    let units = scan.units;
    Err(InvalidPicture::damaged(format!("{truncated}scan {number}, block {unit} of {units}: {what}")))
}

fn coding<'a>(
    frame: &'a mut Frame,
    tables: &'a Tables,
    scan: &'a Scan,
) -> Result<Box<dyn Coding + 'a>, InvalidPicture> {
    let components = &mut frame.components;
    let blocks = || {
        let of = |part: usize| {
            let (h, v) = components[scan.parts[part].component].sampling;
            let blocks = if scan.parts.len() == 1 { 1 } else { h * v };
            std::iter::repeat_n(part, blocks as usize)
        };
        (0..scan.parts.len()).flat_map(of).collect::<Vec<_>>()
    };
    let dc = |part: &Part| {
        let most = tables.bounds(&components[part.component], scan.low)?.dc;
        Ok(Dc { table: tables.dc(part.dc)?, most, prediction: 0 })
    };
    let ac = |component: &Component, table: usize, band| {
        let table = tables.ac(table)?;
        Ok(Ac { table, lookup: Lookup::new(table), bounds: tables.bounds(component, scan.low)?, band })
    };
    if !frame.progressive {
        let part = |part: &Part| Ok((dc(part)?, ac(&components[part.component], part.ac, (1, 64))?));
        let parts = scan.parts.iter().map(part).collect::<Result<_, InvalidPicture>>()?;
        return Ok(Box::new(Sequential { parts, blocks: blocks() }));
    }
    if scan.band.0 == 0 {
        if scan.refines {
            return Ok(Box::new(DcRefinement { blocks: blocks().len() as u32 }));
        }
        let parts = scan.parts.iter().map(dc).collect::<Result<_, InvalidPicture>>()?;
        return Ok(Box::new(DcFirst { parts, blocks: blocks() }));
    }
    let part = &scan.parts[0];
    if scan.refines {
        let history = &mut components[part.component].history;
        return Ok(Box::new(AcRefinement { table: tables.ac(part.ac)?, band: scan.band, history }));
    }
    let ac = ac(&components[part.component], part.ac, scan.band)?;
    Ok(Box::new(AcFirst { ac, history: &mut components[part.component].history }))
}

/// Reads all units, and the restart markers between them (T.81 E.2.4), which count from 0 to 7 again and again. Where
/// these units are the whole picture, more intervals may follow: some scanners send rows that the picture does not have.
fn intervals(
    coding: &mut dyn Coding,
    bits: &mut Bits<'_>,
    (units, shows_all): (u64, bool),
    restart: u64,
) -> Result<(), Fault> {
    let mut unit = 0;
    for number in (0..8).cycle() {
        let count = if restart == 0 { units } else { restart.min(units - unit) };
        coding.units(bits, unit, count)?;
        unit += count;
        let last = unit == units;
        if !ends_well(coding, bits, last) {
            return Err(Fault { unit, what: "data is left over" });
        }
        // A disk's lost sectors read as zeros. No picture has hundreds of blocks with the same coefficients.
        if !coding.empty_is_zero() && bits.has_zeros() {
            return Err(Fault { unit, what: "zeros stand before it that are no blocks" });
        }
        if last {
            // Some encoders write one more restart marker, without data behind it.
            let well = !bits.restart(0..=7) || shows_all || bits.byte().is_none();
            return if well {
                Ok(())
            } else {
                Err(Fault { unit, what: "data follows the last restart marker" })
            };
        }
        if !bits.restart(number..=number) {
            return Err(Fault { unit, what: "the restart marker due here is missing" });
        }
    }
    Ok(())
}

/// Reads up to the next marker. Whether the bytes between the last unit and that marker are padding or stray bytes.
///
/// Browsers ignore whatever stands there. But a scan that is out of step after damage reaches its last unit early, and
/// leaves data over. So zeros are padding unless the last unit consists of zeros as well. Other bytes are stray ones if
/// they are few, the unit's last byte is padded as the standard says, and they cannot be read as more units that end just
/// before the marker.
fn ends_well(coding: &mut dyn Coding, bits: &mut Bits<'_>, last: bool) -> bool {
    let rest = bits.clone();
    let padded = bits.align();
    let (mut left, mut all_zero) = (0, true);
    while let Some(byte) = bits.byte() {
        left += 1;
        all_zero &= byte == 0;
    }
    if left == 0 {
        return true;
    }
    if all_zero {
        return bits.zeros_before_end() == left;
    }
    padded && left <= JPEG_STRAY_BYTES_MAX && !coding.goes_on(rest, last)
}
