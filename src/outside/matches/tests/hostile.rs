//! Reports that no program wrote: read or refused, and what is read is what is there.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

/// A field with what CSV has to quote, and what it has not to touch.
fn fields() -> impl Strategy<Value = String> {
    let part = select(vec!["a", "\"", ",", "\n", "\r\n", "'", "é", ";", "\t", " ", "no_match", "=1+1"]);
    // Spaces around a field are nobody's.
    vec(part, 0..6).prop_map(|parts| parts.concat().trim().to_owned())
}

fn rows() -> impl Strategy<Value = Vec<(i64, String, i64, String, f64)>> {
    vec((any::<i64>(), fields(), 0..9_i64, fields(), 0.0..1e9_f64), 1..6)
}

/// The rows below a header, and those among them that say that they are no match.
fn counted(bytes: &[u8]) -> (u64, u64) {
    let mut report = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = report.byte_headers().unwrap().clone();
    let place = |name: &[u8]| header.iter().position(|column| column.trim_ascii() == name).unwrap();
    let (ea_id, match_type) = (place(b"ea_id"), place(b"match_type"));
    let rows: Vec<_> = report.byte_records().map(Result::unwrap).collect();
    let is_no_match = |row: &&ByteRecord| {
        let text = |place: usize| std::str::from_utf8(&row[place]).ok().map(str::trim);
        let says = || [text(ea_id), text(match_type)];
        row.len() == header.len() && matches!(says(), [Some(""), _] | [Some(_), Some("no_match")])
    };
    (rows.len() as u64, rows.iter().filter(is_no_match).count() as u64)
}

/// Rows of very many fields, also where line breaks stand in quotes between them.
#[test]
fn d4_a_report_of_very_many_fields_takes_no_memory() {
    const HEADER: &str = "ta_id,ta_slug,ea_id,ea_slug,match_type,distance_m\n";
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:").map(str::to_owned));
        line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse::<u64>().unwrap())
    };
    let commas = ",".repeat(40_000_000);
    let broken = ",,,,,,,,,\"\n\"".repeat(3_000_000);
    for (text, line) in [
        (commas.clone(), "line 1 "),
        (format!("{HEADER}{commas}"), "line 2 "),
        (format!("{HEADER}\n1,a,2,b,slug_geo,1\n{broken}"), "line 4 "),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("matching_report.csv");
        std::fs::write(&path, text).unwrap();
        let before = peak();
        let said = read(&path).unwrap_err().to_string();
        assert!(peak() <= before + 100_000, "{} kB over {before} kB", peak() - before);
        assert!(said.contains(line) && said.contains("more than 1000 fields"), "{said}");
    }
    // As many as that are read.
    let wide = format!("{},x{}\n1,a,2,b,slug_geo,1{}\n", HEADER.trim(), ",".repeat(993), ",".repeat(994));
    assert_eq!(read_text(wide).unwrap().rows, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn d4_what_was_written_as_csv_is_read_to_the_letter(rows in rows()) {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["ta_id", "ta_slug", "ea_id", "ea_slug", "match_type", "distance_m"]).unwrap();
        for (ta_id, ta_slug, ea_id, ea_slug, distance_m) in &rows {
            let [ta_id, ea_id, distance_m] = [ta_id.to_string(), ea_id.to_string(), distance_m.to_string()];
            csv.write_record([&ta_id, ta_slug, &ea_id, ea_slug, "slug_geo", &distance_m]).unwrap();
        }
        let matches = read_text(csv.into_inner().unwrap()).unwrap();
        prop_assert_eq!((matches.rows as usize, &matches.bad), (rows.len(), &vec![]));
        for (venue, pairs) in &matches.venues {
            let meant: Vec<_> = rows.iter().filter(|row| row.2 == venue.0).collect();
            prop_assert_eq!(pairs.len(), meant.len());
            for (pair, (ta_id, ta_slug, _, ea_slug, distance_m)) in pairs.iter().zip(meant) {
                prop_assert_eq!((pair.ta_id, &pair.ta_slug, &pair.ea_slug), (*ta_id, ta_slug, ea_slug));
                prop_assert_eq!(pair.distance_m, Some(*distance_m));
            }
        }
    }

    #[test]
    fn d4_a_report_with_bytes_altered_is_read_or_refused_and_every_row_is_accounted_for(
        hurts in vec((any::<Index>(), any::<u8>(), any::<bool>()), 0..12), end in proptest::option::of(any::<Index>()),
    ) {
        let mut bytes = REPORT.as_bytes().to_vec();
        for (at, byte, is_more) in hurts {
            let at = at.index(bytes.len());
            // What CSV is made of comes more often than chance would have it.
            let byte = *[b'"', b',', b'\n', b'\r', byte].get(usize::from(byte) % 5).unwrap();
            if is_more { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        bytes.truncate(end.map_or(bytes.len(), |end| end.index(bytes.len())));
        // A `\r` alone ends a row, too, and no line as an editor counts them.
        let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count() as u64;
        let (lines, rows_max) = (count(|byte| *byte == b'\n') + 1, count(|byte| matches!(byte, b'\r' | b'\n')));
        let Ok(matches) = read_text(&bytes) else { return Ok(()) };
        let pairs = matches.venues.values().flatten();
        let (found, bad) = (pairs.clone().count() + matches.bad.len(), matches.bad.iter().map(|bad| bad.line));
        let (rows, no_matches) = counted(&bytes);
        prop_assert_eq!((matches.rows, matches.rows - found as u64), (rows, no_matches), "{:?}", matches);
        prop_assert!(rows <= rows_max, "{:?}", matches);
        prop_assert!(pairs.map(|pair| pair.line).chain(bad).all(|line| (1..=lines).contains(&line)), "{:?}", matches);
    }
}
