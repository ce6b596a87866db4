//! Damage at each kind of place.

use proptest::prelude::*;

use super::{GROUPS, LOSSY, MIXED, PARTITIONS, WITH_ALPHA, check, lossless, why};

/// Where the chunks of a picture that is no animation begin.
fn chunks(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 12;
    while let Some(size) = bytes.get(at + 4..at + 8) {
        found.push(at);
        let size = u32::from_le_bytes(size.try_into().unwrap()) as usize;
        at += 8 + size + size % 2;
    }
    found
}

/// The same picture with `size` bytes fewer in a chunk from `from` on, and sizes that fit.
fn cut(bytes: &[u8], chunk: usize, from: usize, size: usize) -> Vec<u8> {
    let old = u32::from_le_bytes(bytes[chunk + 4..chunk + 8].try_into().unwrap()) as usize;
    let start = chunk + 8;
    let mut own = [&bytes[start..start + from], &bytes[start + from + size..start + old]].concat();
    let new = own.len() as u32;
    own.resize(own.len().next_multiple_of(2), 0);
    let rest = &bytes[start + old.next_multiple_of(2)..];
    let mut cut = [&bytes[..chunk + 4], &new.to_le_bytes(), &own, rest].concat();
    let all = cut.len() as u32 - 8;
    cut[4..8].copy_from_slice(&all.to_le_bytes());
    cut
}

#[test]
fn s2_a_file_that_stops_early_is_refused() {
    for bytes in [LOSSY, PARTITIONS, WITH_ALPHA, GROUPS, MIXED] {
        for sixteenth in 0..16 {
            let stopped = &bytes[..bytes.len() * sixteenth / 16];
            assert!(why(stopped).contains("truncated"), "{sixteenth}: {}", why(stopped));
        }
    }
}

#[test]
fn s2_a_frame_that_stops_early_is_refused_though_all_sizes_fit() {
    for bytes in
        [LOSSY.to_vec(), PARTITIONS.to_vec(), WITH_ALPHA.to_vec(), GROUPS.to_vec(), lossless(50, 40, 90)]
    {
        for chunk in chunks(&bytes) {
            let kind = &bytes[chunk..chunk + 4];
            let size = u32::from_le_bytes(bytes[chunk + 4..chunk + 8].try_into().unwrap()) as usize;
            if kind == b"VP8X" {
                continue;
            }
            for sixteenth in 0..16 {
                let from = size * sixteenth / 16;
                let stopped = cut(&bytes, chunk, from, size - from);
                assert!(check(&stopped).is_err(), "{} {sixteenth}", kind.escape_ascii());
            }
        }
    }
}

#[test]
fn s2_a_hole_in_lossy_data_is_refused() {
    // What comes behind a hole is read as something else, and ends too early or too late; only the former shows.
    let size = PARTITIONS.len() - 20;
    let refused = (1..12).filter(|&twelfth| check(&cut(PARTITIONS, 12, size * twelfth / 12, 60)).is_err());
    assert!(refused.count() >= 9);
}

#[test]
fn s2_the_row_of_the_end_is_said() {
    let size = GROUPS.len() - 20;
    let half = cut(GROUPS, 12, size / 2, size / 2 - 1);
    assert!(why(&half).contains("truncated: the data ends in row 3"), "{}", why(&half));
    let size = PARTITIONS.len() - 20;
    let half = cut(PARTITIONS, 12, size - 40, 40);
    assert!(why(&half).contains("of 10 macroblock rows"), "{}", why(&half));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn s2_no_bytes_make_it_panic(
        which in 0_usize..5,
        other in 0_usize..5,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        splice in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
        end in any::<prop::sample::Index>(),
    ) {
        let pictures = [LOSSY, PARTITIONS, WITH_ALPHA, GROUPS, MIXED];
        let mut bytes = pictures[which].to_vec();
        if let Some((to, from)) = splice {
            bytes.truncate(to.index(bytes.len()));
            bytes.extend(&pictures[other][from.index(pictures[other].len())..]);
        }
        // The first 21 bytes are not touched most of the time, so that something is parsed.
        for (at, value) in flips {
            let at = at.index(bytes.len().max(1) * 8 / 7);
            if let Some(byte) = bytes.get_mut(at.max(21)) {
                *byte ^= value;
            }
        }
        let _ = check(&bytes[..end.index(bytes.len() + 1)]);
        if let Some(size) = bytes.len().checked_sub(8) && size > 4 {
            bytes[4..8].copy_from_slice(&(size as u32).to_le_bytes());
        }
        let _ = check(&bytes);
        let _ = super::super::header(&bytes);
    }
}
