//! The chain by its written formula, computed here from the bytes up: `BLAKE3-derive-key` over what comes before,
//! the place, the length and the body, each number as 64 bits, little endian.

use std::path::Path;

/// The hash of every event of a file, from the stored bytes alone.
pub fn by_hand(path: &Path) -> Vec<(u64, String, String)> {
    let file =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let id: String = file.query_row("SELECT id FROM ledger", [], |row| row.get(0)).unwrap();
    let id: Vec<u8> =
        (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect();
    let mut prev = blake3::derive_key("longshore ledger v1 genesis", &id).to_vec();
    let mut rows = file.prepare("SELECT seq, body, hash FROM event ORDER BY seq").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let mut found = Vec::new();
    for row in rows {
        let (seq, body, stored): (i64, String, Vec<u8>) = row.unwrap();
        let mut bytes = prev;
        bytes.extend(seq.to_le_bytes());
        bytes.extend((body.len() as i64).to_le_bytes());
        bytes.extend(body.as_bytes());
        prev = blake3::derive_key("longshore ledger v1", &bytes).to_vec();
        assert_eq!(prev, stored, "event {seq}");
        let hex = prev.iter().map(|byte| format!("{byte:02x}")).collect();
        found.push((seq as u64, body, hex));
    }
    found
}
