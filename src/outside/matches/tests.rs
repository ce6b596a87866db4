//! Reports as they come: the real one's oddities, and what spreadsheets make of one.

mod hostile;

use super::*;

/// A report with the real one's oddities: 575 of 2,779 rows matched there, one venue twice, pairs far apart.
const REPORT: &str = "\
ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count
1,white-hart,\"White Hart, \"\"The\"\"\",457,white-hart,White Hart,slug_only,0.85,87.7,0,5
2,nowhere,Nowhere,,,,no_match,0.0,,,3
420,the-royal-oak,The Royal Oak,842,the-royal-oak,The Royal Oak,slug_only,0.85,17047036.7,0,5
421,two-lines,\"Two
lines\",12,two-lines,Two,geo_name,1,,0,0
1250,the-royal-oak-halesowen,The Royal Oak,842,the-royal-oak,The Royal Oak,geo_name,0.85,0.3,0,5
1251,odd,Odd,13,,Odd,no_match,0.85,1,0,5
";

fn read_text(text: impl AsRef<[u8]>) -> Result<Matches, MatchesError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("matching_report.csv");
    std::fs::write(&path, text).unwrap();
    read(&path)
}

fn pair(ta_id: i64, ta_slug: &str, ea_slug: &str, distance_m: Option<f64>, line: u64) -> Match {
    let about = About { match_type: "slug_geo".to_owned(), ..About::default() };
    Match { ta_id, ta_slug: ta_slug.to_owned(), ea_slug: ea_slug.to_owned(), distance_m, about, line }
}

fn about(ta_name: &str, ea_name: &str, match_type: &str, confidence: f64) -> About {
    let [ta_name, ea_name, match_type] = [ta_name, ea_name, match_type].map(str::to_owned);
    About { ta_name, ea_name, match_type, confidence: Some(confidence) }
}

#[test]
fn d4_matched_rows_are_gathered_by_venue_in_the_files_order() {
    let matches = read_text(REPORT).unwrap();
    assert_eq!(matches.digest, blake3::hash(REPORT.as_bytes()).to_hex().as_str());
    assert_eq!((matches.rows, &matches.bad), (6, &vec![]));
    let with = |about, pair| Match { about, ..pair };
    let oak = |match_type| about("The Royal Oak", "The Royal Oak", match_type, 0.85);
    let far = pair(420, "the-royal-oak", "the-royal-oak", Some(17_047_036.7), 4);
    let near = pair(1250, "the-royal-oak-halesowen", "the-royal-oak", Some(0.3), 7);
    let two = with(about("Two\nlines", "Two", "geo_name", 1.0), pair(421, "two-lines", "two-lines", None, 5));
    let hart = about("White Hart, \"The\"", "White Hart", "slug_only", 0.85);
    let expected = [
        (VenueId(12), vec![two]),
        (VenueId(457), vec![with(hart, pair(1, "white-hart", "white-hart", Some(87.7), 2))]),
        (VenueId(842), vec![with(oak("slug_only"), far), with(oak("geo_name"), near)]),
    ];
    assert_eq!(matches.venues, BTreeMap::from(expected));
}

#[test]
fn d4_columns_are_found_by_name_behind_a_bom_and_with_any_line_ends() {
    let shuffled = "\u{feff}distance_m,x,match_type,ea_slug,ea_id,ta_slug,ta_id\r\n\
         1.5,?,slug_geo,b,2,a,1\r\n\r\n\
         ,\"\r\n\",slug_geo,d,4,c,3\r\n,?,slug_geo,f,6,e,5";
    let matches = read_text(shuffled).unwrap();
    let expected = [
        (VenueId(2), vec![pair(1, "a", "b", Some(1.5), 2)]),
        (VenueId(4), vec![pair(3, "c", "d", None, 4)]),
        (VenueId(6), vec![pair(5, "e", "f", None, 6)]),
    ];
    assert_eq!((matches.rows, matches.venues), (3, BTreeMap::from(expected)));
}

#[test]
fn d4_a_row_that_cannot_be_read_is_named_and_the_rest_goes_on() {
    let header = "ta_id,ta_slug,ea_id,ea_slug,match_type,distance_m\n";
    let rows: [&[u8]; 12] = [
        b"x,a,1,b,slug_geo,1",
        b"1,a,1.5,b,slug_geo,1",
        b"1,a,2,b,slug_geo,far",
        b"1,a,3,b,slug_geo,NaN",
        b"1,a,4,b,slug_geo,-1",
        b"1,a,5,b,slug_geo,inf",
        b"1,a,99999999999999999999,b,slug_geo,1",
        b"1,a, b,6,b,slug_geo,1",
        b"1,a",
        b"1,\xff,7,b,slug_geo,1",
        b"x,a,,b,no_match,far",
        b"1,a,8,b,slug_geo,1",
    ];
    let matches = read_text([header.as_bytes(), &rows.join(&b'\n')].concat()).unwrap();
    assert_eq!(matches.rows, 12);
    assert_eq!(matches.venues.keys().copied().collect::<Vec<_>>(), [VenueId(8)]);
    let bad: Vec<_> = matches.bad.iter().map(|bad| (bad.line, bad.why.as_str())).collect();
    let distance = "its distance_m is no number of metres";
    assert_eq!(
        bad,
        [
            (2, "its ta_id is no whole number"),
            (3, "its ea_id is no whole number"),
            (4, distance),
            (5, distance),
            (6, distance),
            (7, distance),
            (8, "its ea_id is no whole number"),
            (9, "it has 7 fields where the header has 6"),
            (10, "it has 2 fields where the header has 6"),
            (11, "its ta_slug is not UTF-8"),
        ]
    );
}

#[test]
fn d4_ids_that_were_floats_once_are_read() {
    let matches = read_text(
        REPORT.replace(",457,", ",457.0,").replace("420,", "420.0,").replace(",842,", ",8.42E+02,"),
    );
    assert_eq!(matches.unwrap().venues, read_text(REPORT).unwrap().venues);
}

#[test]
fn d4_each_reason_is_told_once_and_a_report_without_any_use_is_refused() {
    let header = "ta_id,ta_slug,ea_id,ea_slug,match_type,distance_m\n";
    let rows = "1,a,1.5,b,slug_geo,1\n2,a,,b,no_match,1\n3,a,3.5,b,slug_geo,1\nx,a,4,b,slug_geo,1\n";
    let two = "2 rows, the first on line 2, cannot be read: its ea_id is no whole number";
    let one = "line 5 cannot be read: its ta_id is no whole number";
    let matches = read_text(format!("{header}{rows}5,a,5,b,slug_geo,1\n")).unwrap();
    assert_eq!(matches.unreadable(), [two, one]);
    let said = read_text(format!("{header}{rows}")).unwrap_err().to_string();
    assert!(
        said.starts_with("nothing of the matching report") && said.contains(&format!("{two}; {one}")),
        "{said}"
    );
    for (rows, why) in [("2,a,,b,no_match,1\n", "none of its 1 rows is a match"), ("", "it has no row")] {
        let said = read_text(format!("{header}{rows}")).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn d4_a_file_that_is_written_in_another_way_is_refused_with_what_was_seen() {
    let wide = |order: fn(u16) -> [u8; 2]| REPORT.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    for (bytes, found) in [
        (REPORT.replace(',', ";").into_bytes(), "has semicolons between its columns"),
        (REPORT.replace(',', "\t").into_bytes(), "has tabs between its columns"),
        (REPORT.replace(',', "|").into_bytes(), "has | between its columns"),
        (format!("\u{feff}{}", REPORT.replace(',', ";")).into_bytes(), "has semicolons"),
        (format!("sep=;\n{}", REPORT.replace(',', ";")).into_bytes(), "sep="),
        ([b"\xff\xfe", little.as_slice()].concat(), "is UTF-16"),
        ([b"\xfe\xff", big.as_slice()].concat(), "is UTF-16"),
        (little, "is UTF-16"),
    ] {
        let said = read_text(bytes).unwrap_err().to_string();
        assert!(said.contains(found) && said.contains("CSV with commas, in UTF-8"), "{said}");
        assert!(said.contains("matching_report.csv"), "{said}");
    }
}

#[test]
fn d4_a_missing_or_doubled_column_is_named_with_its_file() {
    for (column, other, times) in [
        ("ta_id", "id", "0 columns ta_id"),
        ("ta_slug", "slug", "0 columns ta_slug"),
        ("ea_id", "ea_slug", "0 columns ea_id"),
        ("match_type", "Match_Type", "0 columns match_type"),
        ("distance_m", "distance_km", "0 columns distance_m"),
        ("confidence", "ea_slug", "2 columns ea_slug"),
    ] {
        let said = read_text(REPORT.replacen(column, other, 1)).unwrap_err().to_string();
        assert!(said.contains(times) && said.contains("matching_report.csv"), "{said}");
    }
    assert!(matches!(read_text(""), Err(MatchesError::Column { .. })));
    let said = read(Path::new("nowhere/report.csv")).unwrap_err().to_string();
    assert!(said.contains("nowhere/report.csv cannot be read"), "{said}");
}
