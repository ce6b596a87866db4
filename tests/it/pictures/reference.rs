//! The corpus against the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use longshore::outside::picture::check;

use super::corpus::{Corpus, Made};

/// The table that `judge.py` wrote.
const TABLE: &str = include_str!("../data/pictures/reference.tsv");
/// Where it is said what is taken, and each difference to the table.
const PAGE: &str = include_str!("../../../docs/pictures.md");

/// What the judges say of one picture.
struct Judged {
    hash: String,
    verdict: String,
    /// Sides and whether it is animated, where it is whole.
    shows: String,
    why: String,
}

fn table() -> BTreeMap<String, Judged> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, hash, verdict, shows, why] = fields[..] else { panic!("{line}") };
        let [hash, verdict, shows, why] = [hash, verdict, shows, why].map(str::to_owned);
        (name.to_owned(), Judged { hash, verdict, shows, why })
    });
    rows.collect()
}

/// The patterns of the page's table of differences, each with what Longshore does.
fn differences() -> Vec<(&'static str, &'static str)> {
    let (_, rest) = PAGE.split_once("\n## Differences\n").expect("a section on differences");
    let rows = rest.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].trim_matches('`'), cells[2])
    })
    .collect()
}

/// Whether a name fits a pattern in which stars stand for anything.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(&name[at..], rest))
        }),
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

/// Writes the corpus into a folder for the judges, with a list of what it is.
#[test]
#[ignore = "writes the corpus for judge.py, which says how"]
fn the_corpus_is_written_for_its_judges() {
    let folder = PathBuf::from(std::env::var_os("LONGSHORE_CORPUS").expect("LONGSHORE_CORPUS"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut list = String::new();
    for Made { name, from, bytes } in Corpus::make().made {
        std::fs::write(folder.join(&name), &bytes).unwrap();
        writeln!(list, "{name}\t{}\t{}", hash(&bytes), from.unwrap_or_default()).unwrap();
    }
    std::fs::write(folder.join("list.tsv"), list).unwrap();
}

#[test]
fn e1_the_check_says_what_browsers_show() {
    let (table, corpus) = (table(), Corpus::make().made);
    assert_eq!(table.len(), corpus.len(), "the table is of another corpus: judge.py writes it anew");
    let differences = differences();
    let (mut used, mut wrong) = (BTreeSet::new(), Vec::new());
    let mut count: BTreeMap<(String, &str, &str), usize> = BTreeMap::new();
    for Made { name, bytes, .. } in &corpus {
        let Judged { hash: judged, verdict, shows, why } = &table[name];
        assert_eq!(judged, &hash(bytes), "{name} is not what was judged: judge.py writes the table anew");
        let found = check(bytes);
        let ours = match &found {
            Ok(_) => "taken",
            Err(_) => "refused",
        };
        let (_, extension) = name.rsplit_once('.').unwrap();
        *count.entry((extension.to_owned(), verdict, ours)).or_default() += 1;
        let said = match &found {
            Ok(picture) => {
                let animated = if picture.animated { " animated" } else { "" };
                format!("{}x{}{animated}", picture.width, picture.height)
            }
            Err(error) => error.to_string(),
        };
        let agree = match (verdict.as_str(), ours) {
            ("whole", "taken") => said == *shows,
            ("whole", "refused") | ("damaged", "taken") => false,
            _ => true,
        };
        if !agree {
            match differences.iter().position(|(pattern, does)| fits(name, pattern) && *does == ours) {
                Some(at) => drop(used.insert(at)),
                None => wrong.push(format!("{name}: {verdict} {shows} ({why}), and {ours}: {said}")),
            }
        }
    }
    for ((format, verdict, ours), count) in &count {
        println!("{format} {verdict} {ours}: {count}");
    }
    let stale: Vec<_> =
        (0..differences.len()).filter(|at| !used.contains(at)).map(|at| differences[at]).collect();
    assert!(wrong.is_empty(), "{} pictures are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(stale.is_empty(), "docs/pictures.md names differences that are none: {stale:?}");
}

#[test]
fn the_corpus_has_enough_pictures_of_every_kind() {
    let table = table();
    let judged = |verdict: &str| -> Vec<&str> {
        table.iter().filter(|(_, row)| row.verdict == verdict).map(|(name, _)| name.as_str()).collect()
    };
    let (whole, damaged) = (judged("whole"), judged("damaged"));
    assert!(whole.len() >= 400 && damaged.len() >= 400, "{} whole, {} damaged", whole.len(), damaged.len());
    for extension in [".jpg", ".png", ".gif", ".webp"] {
        for pictures in [&whole, &damaged] {
            let of_it = pictures.iter().filter(|name| name.ends_with(extension)).count();
            assert!(of_it >= 100, "{extension}: {of_it}");
        }
    }
    // Each kind by a word of its names: a name that nothing has is a kind that went away.
    let kinds_of_whole = [
        "jpeg-444",
        "jpeg-422",
        "jpeg-420",
        "jpeg-440",
        "jpeg-411",
        "jpeg-410",
        "jpeg-odd",
        "-prog",
        "-spectral",
        "-approximation",
        "jpeg-gradient",
        "-optimised",
        "-arithmetic",
        "-restart-1",
        "-restart-row",
        "-restart-large",
        "-grey",
        "-cmyk",
        "-adobe",
        "-orientation-8",
        "+mpo",
        "+jfif-thumbnail",
        "+behind",
        "+fill-d0",
        "+fill-d9",
        "+stray",
        "+no-huffman-tables",
        "+tables-broken-unused",
        "+tables-broken-behind",
        "-sequential-apart",
        "1x1",
        "png-c0-d1",
        "png-c2-d16",
        "png-c3-d2",
        "png-c4-d8",
        "png-c6-d16",
        "-i1",
        "-f4",
        "+each-byte",
        "+empty-first",
        "+iccp",
        "+bkgd-empty-first",
        "+ztxt",
        "+exif",
        "apng-c2-d16-i1",
        "-still-outside",
        "-disposal-2",
        "gif-87a",
        "gif-local",
        "gif-global",
        "gif-transparent",
        "+no-trailer",
        "+unknown",
        "gif-screen-0",
        "gif-frame-partly-outside",
        "gif-animated-comments",
        "webp-lossy",
        "webp-lossless",
        "webp-lossy-alpha",
        "webp-animated",
        "+extended-flag-exif",
        "webp-made",
    ];
    let kinds_of_damaged = [
        "+cut-01.",
        "+cut-15-closed",
        "+scan0-hole",
        "+scan1-second-half-gone",
        "+scan0-empty",
        "interval0-half",
        "interval0-gone",
        "+scan0-swapped",
        "+flip",
        "+zeros",
        "+lost",
        "+sector-64-swapped",
        "+sector-512-doubled",
        "-wrong-sum",
        "-long",
        "+data-hole",
        "+data-4-8",
        "+chunk-9-half",
        "+frame1-half",
        "+frame2-hole",
        "+chunk0-size",
        "+size-2-more",
        "+partition",
        "-picture-half",
        "+taller",
    ];
    for (pictures, kinds) in [(&whole, &kinds_of_whole[..]), (&damaged, &kinds_of_damaged[..])] {
        let missing: Vec<_> =
            kinds.iter().filter(|kind| !pictures.iter().any(|name| name.contains(**kind))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
