//! The corpus: whole and damaged pictures, made by code from the few base files in `data/pictures`, the same to the
//! byte each time. What each one is stands in the table beside the base files, which `judge.py` writes.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use super::{apng, damaged_jpeg, gif, jpeg, png, webp};

/// One picture.
pub struct Made {
    /// A file's name: its origin, and what was done to it.
    pub name: String,
    /// The picture whose pixels this one has too, unless it is damaged.
    pub from: Option<String>,
    pub bytes: Vec<u8>,
}

/// All pictures, by name.
#[derive(Default)]
pub struct Corpus {
    pub made: Vec<Made>,
    names: BTreeSet<String>,
}

impl Corpus {
    /// Everything, in the order it is made.
    pub fn make() -> Self {
        let mut corpus = Self::default();
        jpeg::fill(&mut corpus);
        damaged_jpeg::fill(&mut corpus);
        png::fill(&mut corpus);
        apng::fill(&mut corpus);
        gif::fill(&mut corpus);
        webp::fill(&mut corpus);
        corpus
    }

    /// A picture of its own.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.push(name.to_owned(), None, bytes);
    }

    /// A picture that is to show what another shows.
    pub fn vary(&mut self, from: &str, what: &str, bytes: Vec<u8>) {
        let (stem, extension) = from.rsplit_once('.').unwrap();
        self.push(format!("{stem}+{what}.{extension}"), Some(from.to_owned()), bytes);
    }

    fn push(&mut self, name: String, from: Option<String>, bytes: Vec<u8>) {
        assert!(self.names.insert(name.clone()), "{name} is made twice");
        self.made.push(Made { name, from, bytes });
    }

    /// The bytes of one that was made before.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.made.iter().find(|made| made.name == name).expect(name).bytes.clone()
    }

    /// Cuts it at each sixteenth, and closes what is left as tools do that pass over damage.
    pub fn cut(&mut self, from: &str, close: impl Fn(&[u8]) -> Vec<u8>) {
        let bytes = self.bytes(from);
        for part in 1..16 {
            let head = &bytes[..bytes.len() * part / 16];
            self.vary(from, &format!("cut-{part:02}"), head.to_vec());
            self.vary(from, &format!("cut-{part:02}-closed"), close(head));
        }
    }

    /// Flips single bits of a part of it, at places that are the same each time.
    pub fn flip(&mut self, from: &str, part: Range<usize>, times: usize) {
        let bytes = self.bytes(from);
        for time in 0..times {
            let at = part.start + spread(time, part.len());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (time * 5 % 8);
            self.vary(from, &format!("flip-{at}"), flipped);
        }
    }
}

/// A number below `end`, well spread over what lies below it.
pub fn spread(time: usize, end: usize) -> usize {
    ((time * 2 + 1) * 40_503 % 65_536) * end / 65_536
}

/// The base files with this extension, by name.
pub fn base_files(extension: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/pictures");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

/// The bytes with others in the place of some.
pub fn replaced(bytes: &[u8], part: Range<usize>, with: &[u8]) -> Vec<u8> {
    [&bytes[..part.start], with, &bytes[part.end..]].concat()
}

/// The bytes with more in between.
pub fn inserted(bytes: &[u8], at: usize, more: &[u8]) -> Vec<u8> {
    replaced(bytes, at..at, more)
}

/// The bytes without some.
pub fn without(bytes: &[u8], part: Range<usize>) -> Vec<u8> {
    replaced(bytes, part, &[])
}

/// The bytes with zeros in the place of some.
pub fn zeroed(bytes: &[u8], part: Range<usize>) -> Vec<u8> {
    let zeros = vec![0; part.len()];
    replaced(bytes, part, &zeros)
}
