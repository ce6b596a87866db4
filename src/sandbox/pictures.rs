//! The photographs of the sandbox: real, decodable, each with bytes of its own, and cheap.
//!
//! Encoding a picture takes tens of milliseconds, so that three thousand of them would keep a demonstration waiting.
//! Hence a template is encoded once per process for each of several dozen looks, and a picture is its template with
//! a comment of its own, which every format has a place for.

mod comment;
mod templates;

use ledger::ids::Format;

/// One picture: what it looks like is drawn from its seed and key, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    seed: u64,
    key: String,
    template: usize,
}

impl Picture {
    /// The picture of a key in the world of a seed. Two keys never share bytes.
    pub fn new(seed: u64, key: &str) -> Self {
        Self { seed, key: key.to_owned(), template: templates::pick(&mut rng(seed, key)) }
    }

    /// The real format, whatever the extension of its URL.
    pub fn format(&self) -> Format {
        templates::look_of(self.template).format
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        templates::look_of(self.template).width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        templates::look_of(self.template).height
    }

    /// The whole file: 20 KB to 1 MB.
    pub fn bytes(&self) -> Vec<u8> {
        let note = format!("Longshore sandbox, seed {}, {}", self.seed, self.key);
        comment::insert(self.format(), templates::encoded(self.template), &note)
    }
}

/// A generator that depends on nothing but a seed and a word.
pub(super) fn rng(seed: u64, word: &str) -> fastrand::Rng {
    let hash = blake3::Hasher::new().update(&seed.to_le_bytes()).update(word.as_bytes()).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    fastrand::Rng::with_seed(u64::from_le_bytes(first))
}
