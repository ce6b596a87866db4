//! The BLAKE3 chain: every event's hash covers its bytes, its place and all that came before it.
//!
//! `hash(n) = BLAKE3-derive-key("longshore ledger v1", hash(n-1) ‖ n ‖ length(body) ‖ body)`, the numbers as 64-bit
//! little endian, the body as stored. `hash(0)` is `BLAKE3-derive-key("longshore ledger v1 genesis", id)`, the id
//! being the ledger's 16 random bytes. So no row can be altered, removed, swapped or put in without every later hash
//! being wrong. A cut-off tail does not show; that is what comparing heads is for.

use crate::ids::{ContentHash, LedgerId, NotAnId, Seq};

const LINK: &str = "longshore ledger v1";
const GENESIS: &str = "longshore ledger v1 genesis";

/// The `prev` of seq 1.
pub fn genesis(ledger: LedgerId) -> ContentHash {
    ContentHash(blake3::derive_key(GENESIS, &ledger.0))
}

/// The hash of the event `body` at `seq`, behind `prev`.
pub fn link(prev: ContentHash, seq: Seq, body: &str) -> ContentHash {
    let mut hasher = blake3::Hasher::new_derive_key(LINK);
    hasher.update(&prev.0);
    hasher.update(&seq.0.to_le_bytes());
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body.as_bytes());
    ContentHash(*hasher.finalize().as_bytes())
}

/// Where a ledger ends: the last event's seq and hash. `SEQ:HASH` in text; kept elsewhere, it proves that no tail was
/// cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last seq; 0 for nothing yet.
    pub seq: Seq,
    /// Its hash.
    pub hash: ContentHash,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let parts = text.trim().split_once(':');
        let head = parts.and_then(|(seq, hash)| {
            let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
            Some(Self { seq: Seq(seq), hash: hash.parse().ok()? })
        });
        head.ok_or_else(|| NotAnId::new(text, "a head (SEQ:HASH, as each run prints it)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_counts() {
        let start = genesis(LedgerId([1; 16]));
        assert_ne!(start, genesis(LedgerId([2; 16])));
        let one = link(start, Seq(1), "{}");
        assert_ne!(one, link(start, Seq(2), "{}"));
        assert_ne!(one, link(start, Seq(1), "{} "));
        assert_ne!(one, link(one, Seq(1), "{}"));
    }

    #[test]
    fn the_chain_is_what_the_docs_say() {
        let start = genesis(LedgerId([0; 16]));
        let head = Head { seq: Seq(1), hash: link(start, Seq(1), "x") };
        let by_hand = {
            let mut bytes = start.0.to_vec();
            bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'x']);
            ContentHash(blake3::derive_key("longshore ledger v1", &bytes))
        };
        assert_eq!(head.to_string(), format!("1:{by_hand}"));
    }

    #[test]
    fn c12_a_head_reads_back_what_it_writes() {
        let head = Head { seq: Seq(7), hash: ContentHash([0xab; 32]) };
        assert_eq!(format!(" {head}\n").parse(), Ok(head));
        let hash = "ab".repeat(32);
        for text in ["", "7", "7:", "7:ab", ":ab", &format!("0:{hash}"), &format!("-1:{hash}"), &hash] {
            assert!(text.parse::<Head>().is_err(), "{text}");
        }
    }
}
