//! How large the frames inside a WebP are. A canvas of one pixel can be the cover of a frame of 268 megapixels, which the
//! decoder unfolds before it finds that the two do not fit: several of those at once would take gigabytes.

/// The pixels of the largest lossy frame, 0 where there is none. Lossless ones are held against the canvas by the decoder
/// before it takes any room.
pub(super) fn largest_frame(bytes: &[u8]) -> u64 {
    bytes.get(12..).map_or(0, |chunks| largest_in(chunks, true))
}

/// The same of the chunks in a row. Frames have no frames inside them, and a file that nests them must not lead us down.
fn largest_in(mut chunks: &[u8], may_hold_frames: bool) -> u64 {
    let mut largest = 0;
    while let (Some(kind), Some(length)) = (chunks.get(..4), chunks.get(4..8)) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let held = &chunks[8..];
        let held = &held[..length.min(held.len())];
        largest = largest.max(match kind {
            b"VP8 " => key_frame(held).unwrap_or(0),
            // A frame of an animation: where and how it is shown, and then chunks of its own.
            b"ANMF" if may_hold_frames => held.get(16..).map_or(0, |chunks| largest_in(chunks, false)),
            _ => 0,
        });
        // A chunk of odd length is filled up by a byte.
        chunks = chunks.get(8 + length + length % 2..).unwrap_or_default();
    }
    largest
}

/// The pixels of a key frame, by its header: 14 bits a side, the others say how to scale.
fn key_frame(held: &[u8]) -> Option<u64> {
    let side = |at: usize| Some(u64::from(u16::from_le_bytes([*held.get(at)?, *held.get(at + 1)?]) & 0x3fff));
    Some(side(6)? * side(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSY: &[u8] = include_bytes!("../../../tests/it/data/lossy.webp");
    const ANIMATED: &[u8] = include_bytes!("../../../tests/it/data/animated.webp");

    #[test]
    fn s2_a_webps_frames_are_known_before_they_are_unfolded() {
        assert_eq!(largest_frame(LOSSY), 40 * 30);
        assert!(largest_frame(ANIMATED) <= 20 * 10);
        let animation = [
            b"RIFF\0\0\0\0WEBPANMF\x22\0\0\0",
            &[0; 16][..],
            b"VP8 \x0a\0\0\0",
            &[0, 0, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0xff],
        ];
        assert_eq!(largest_frame(&animation.concat()), 16_383 * 16_383);
        // A million frames, one inside the other.
        let mut nested = b"RIFF\0\0\0\0WEBP".to_vec();
        for _ in 0..1_000_000 {
            nested.extend(b"ANMF\xff\xff\xff\xff");
            nested.extend([0; 16]);
        }
        assert_eq!(largest_frame(&nested), 0);
        for end in 0..LOSSY.len() {
            assert!([0, 40 * 30].contains(&largest_frame(&LOSSY[..end])));
        }
    }
}
