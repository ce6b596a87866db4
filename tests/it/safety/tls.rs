//! Credentials go over TLS only, loopback excepted (requirement S3): every setting that carries one, as every command
//! meets it. What is refused is refused before anything is sent.

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const REPORT: &str =
    "match_type,ea_slug,ea_id,distance_m,ta_slug,ta_id,confidence,images_count,ta_name,ea_name,name_distance
slug_only,a,1,1,a,1,0.85,1,A,A,0
";

#[test]
fn s3_a_setting_that_would_send_a_credential_in_the_open_is_refused_by_every_command_that_uses_it() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let forward: [&[&str]; 2] = [&["migrate", "--country", "DE", "--yes"], &["doctor"]];
    let populate: &[&str] = &["populate", "--matches", "report.csv", "--yes"];
    std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
    // An address in documentation's own range: whoever sends something there waits in vain, and does not end with 2.
    let open = "postgres://me:pass-w0rd@192.0.2.7/x?sslmode=disable";
    for (name, value, said, commands) in [
        ("PRODUCTION_DATABASE_URL", open, "over TLS only", &[forward[0], forward[1], &["countries"]][..]),
        ("TRIVIA_ADVISOR_DATABASE_URL", open, "over TLS only", &[populate, forward[1]]),
        ("IMAGEKIT_API_URL", "http://192.0.2.7", "must be https", &forward),
        ("IMAGEKIT_UPLOAD_URL", "http://192.0.2.7", "must be https", &forward),
        ("LONGSHORE_NOTIFY_URL", "http://192.0.2.7/hook", "must be https", &forward),
    ] {
        for args in commands {
            let counts = at.counts();
            let ran = Ran::new(args, at.command(args).env(name, value).output().unwrap());
            let code = if *args == forward[1] { 13 } else { 2 };
            let ran = ran.code(code).says(said).says(name_in(name, said));
            assert!(!ran.to_string().contains("pass-w0rd"), "{ran}");
            if code == 2 {
                assert_eq!(at.counts(), counts, "something was sent: {ran}");
            }
        }
    }
    assert!(!at.ledger().exists(), "nothing was begun");
}

/// The database's own words do not name the setting.
fn name_in(name: &'static str, said: &'static str) -> &'static str {
    if said == "must be https" { name } else { said }
}
