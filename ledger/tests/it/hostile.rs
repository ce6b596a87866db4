//! Bytes that anybody may have made, given to what reads them: no panic, no end that does not come, and what is read is
//! what was there. `PROPTEST_CASES` asks for more of them than the usual few.

use std::path::Path;
use std::sync::OnceLock;

use ledger::images::{Array, Change, Found, edit};
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use ledger::wire::{decode, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::tampering::{every_event, write};

const LINES: [&str; 4] = [
    include_str!("../golden/v1.jsonl"),
    include_str!("../golden/v2.jsonl"),
    include_str!("../golden/v3.jsonl"),
    include_str!("../golden/v4.jsonl"),
];

fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}

/// Something done to bytes at a place.
#[derive(Debug, Clone)]
enum Hurt {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    Double(Index, usize),
    End(Index),
}

fn hurts() -> impl Strategy<Value = Vec<Hurt>> {
    let odd = select(vec![
        "\"",
        "{",
        "[[[[",
        "}",
        "\\ud800",
        "\u{0}",
        "-0",
        "1e999",
        "null",
        ",",
        ":",
        "99999999999999999999",
    ]);
    let one = prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Hurt::Put(at, byte)),
        3 => (any::<Index>(), odd).prop_map(|(at, odd)| Hurt::Insert(at, odd.as_bytes().to_vec())),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, bytes)| Hurt::Cut(at, bytes)),
        1 => (any::<Index>(), 1..600_usize).prop_map(|(at, bytes)| Hurt::Double(at, bytes)),
        1 => any::<Index>().prop_map(Hurt::End),
    ];
    vec(one, 0..4)
}

fn hurt(mut bytes: Vec<u8>, hurts: &[Hurt]) -> Vec<u8> {
    for hurt in hurts {
        if bytes.is_empty() {
            break;
        }
        let part = |at: &Index, many: usize, all: &[u8]| {
            let from = at.index(all.len());
            from..(from + many).min(all.len())
        };
        match hurt {
            Hurt::Put(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Hurt::Insert(at, odd) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, odd.iter().copied());
            }
            Hurt::Cut(at, many) => drop(bytes.drain(part(at, *many, &bytes))),
            Hurt::Double(at, many) => bytes.extend_from_within(part(at, *many, &bytes)),
            Hurt::End(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

fn texts() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = LINES.iter().flat_map(|version| version.lines()).collect();
    let hurt = (select(lines), hurts())
        .prop_map(|(line, hurts)| String::from_utf8_lossy(&hurt(line.into(), &hurts)).into_owned());
    prop_oneof![8 => hurt, 1 => any::<String>()]
}

fn arrays() -> impl Strategy<Value = String> {
    let entry = r#"{"url": "a", "upload_status": "external", "width": 1e400, "théirs": "\ud800"}"#;
    let array = format!("[ {entry} ,7,\n{{}}, [], {entry}, \"]\",null ]");
    let hurt = (hurts())
        .prop_map(move |hurts| String::from_utf8_lossy(&hurt(array.clone().into(), &hurts)).into_owned());
    prop_oneof![8 => hurt, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn e7_whatever_is_read_as_an_event_is_written_and_read_again_as_the_same(text in texts()) {
        if let Ok(record) = decode(&text) {
            prop_assert_eq!(decode(&encode(&record)).unwrap(), record);
        }
    }

    #[test]
    fn d3_an_edit_leaves_every_byte_that_it_was_not_asked_to_change(
        text in arrays(), others in vec(arrays(), 0..3), pick in vec(any::<Index>(), 0..3),
    ) {
        let Ok(array) = Array::parse(&text) else {
            prop_assert!(edit(&text, &[]).is_err());
            return Ok(());
        };
        prop_assert_eq!(array.replace(|_| None), text.as_str());
        let own = pick.iter().filter(|_| !array.is_empty()).filter_map(|at| array.get(at.index(array.len())));
        let changes: Vec<Change> = own
            .map(|from| Change::exact(from, r#"{"url": "b", "upload_status": "completed"}"#))
            .chain(others.iter().map(|other| Change::exact(other.as_str(), "{}")))
            .collect();
        let edited = edit(&text, &changes).unwrap();
        prop_assert_eq!(edited.found.len(), changes.len());
        let put = |place: usize| edited.found.iter().find_map(|found| match found {
            Found::Changed { place: at, after, .. } if *at == place => after.as_deref(),
            _ => None,
        });
        prop_assert_eq!(array.replace(put), edited.text);
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn e7_a_file_hurt_in_several_places_is_refused_or_says_what_was_written(
        file in hurts(), log in hurts(), which in 0..3_usize,
    ) {
        let (bytes, wal, whole) = &ledgers()[which];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ledger");
        std::fs::write(&path, hurt(bytes.clone(), &file)).unwrap();
        if let Some(wal) = wal {
            std::fs::write(dir.path().join("a.ledger-wal"), hurt(wal.clone(), &log)).unwrap();
        }
        match heads(&path) {
            Ok(found) => prop_assert!(whole.starts_with(&found), "{:?}", found.last()),
            Err(error) => prop_assert!(error.is_about_what_it_says(), "{}", error),
        }
    }
}

/// A ledger's file, its log where it has one, and the head at each event.
type Whole = (Vec<u8>, Option<Vec<u8>>, Vec<String>);

/// A ledger of each schema, and one as a killed writer leaves it, with its newest events in the log alone.
fn ledgers() -> &'static [Whole; 3] {
    static MADE: OnceLock<[Whole; 3]> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let [old, new] = ["v1.ledger", "v2.ledger"].map(|name| {
            let path = dir.path().join(name);
            std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name), &path)
                .unwrap();
            (std::fs::read(&path).unwrap(), None, heads(&path).unwrap())
        });
        let (path, records) = (dir.path().join("killed"), every_event().records);
        write(&path, &records[..records.len() - 9]);
        let mut writer = Ledger::open(&path, "test").unwrap();
        let before = heads(&path).unwrap();
        records[records.len() - 9..].chunks(3).for_each(|batch| writer.append(batch).unwrap());
        let (file, log) =
            (std::fs::read(&path).unwrap(), std::fs::read(dir.path().join("killed-wal")).unwrap());
        let whole = heads(&path).unwrap();
        drop(writer);
        // The file alone is a ledger that ends sooner.
        let alone = dir.path().join("alone");
        std::fs::write(&alone, &file).unwrap();
        assert_eq!((heads(&alone).unwrap(), whole.len()), (before, records.len()));
        [old, new, (file, Some(log), whole)]
    })
}

/// The head at each event.
fn heads(path: &Path) -> Result<Vec<String>, LedgerError> {
    let ledger = Ledger::read(path)?;
    let mut heads = Vec::new();
    ledger.events(ledger::ids::Seq(1), |(seq, _)| {
        heads.push(ledger.store().head_at(seq)?.expect("it was just read").to_string());
        Ok::<_, LedgerError>(())
    })?;
    Ok(heads)
}
