//! What the program says, as whoever runs it sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::program::Workplace;
use crate::support::stage::Kind;

#[test]
fn a_reader_who_leaves_does_not_end_the_program() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["resume"][..], &["migrate"]] {
        let (reader, stderr) = std::io::pipe().unwrap();
        drop(reader);
        let mut longshore = Command::new(env!("CARGO_BIN_EXE_longshore"));
        longshore.args(args).current_dir(dir.path()).env_clear().stdin(Stdio::null()).stderr(stderr);
        let expected = if args == ["resume"] { 0 } else { 2 };
        assert_eq!(longshore.status().unwrap().code(), Some(expected), "{args:?}");
    }
}

/// A sandbox in which one country's name is meant to do harm.
fn hostile(kind: Kind) -> Workplace {
    let at = Workplace::new(kind, 575);
    at.sql("UPDATE countries SET name = '=1+1|<script>alert(1)</script>\u{1b}[2J\u{202e}' WHERE code = 'PL'");
    at
}

#[test]
fn c11_an_answer_is_written_to_a_file_in_every_format() {
    let at = hostile(Kind::Sqlite);
    let file = at.work().join("answer");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let written = |format: &str| {
        let ran = at.run(&["countries", "--format", format, "-o", "answer"]).code(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{ran}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(at.run(&["countries", "--format", format]).code(0).stdout, text, "stdout has the same");
        text
    };
    let csv = written("csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "Country,Code,Venues,Images,Cities");
    assert_eq!(lines[2], "'=1+1|<script>alert(1)</script>[2J,PL,89,445,12");
    assert_eq!(lines[5], "Total,,575,2875,112");

    let markdown = written("markdown");
    assert!(
        markdown.starts_with("# What is still to be migrated\n\n| Country | Code | Venues |"),
        "{markdown}"
    );
    assert!(
        markdown.contains("\n| =1+1\\|&lt;script&gt;alert(1)&lt;/script&gt;\\[2J | PL | 89 |"),
        "{markdown}"
    );
    assert!(markdown.contains("\n| **Total** |  | **575** | **2875** | **112** |\n"), "{markdown}");

    let html = written("html");
    assert!(html.contains("<td>=1+1|&lt;script&gt;alert(1)&lt;/script&gt;[2J</td><td>PL</td>"), "{html}");
    assert!(!html.contains("<script") && html.contains("Content-Security-Policy"), "{html}");

    assert!(written("table").starts_with(" Country "));
    let json: serde_json::Value = serde_json::from_str(&written("json")).unwrap();
    assert_eq!(json["countries"][1]["venues"], 89);
    for format in ["table", "json", "csv", "markdown", "html"] {
        let (reader, stdout) = std::io::pipe().unwrap();
        drop(reader);
        let ended = at.command(&["countries", "--format", format]).stdout(stdout).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), stderr.as_str()), (Some(0), ""), "nobody reads its {format}");
    }
    let left = fs::read_dir(at.work()).unwrap().count();
    assert_eq!(left, 1, "nothing but the file itself is left");
}

#[test]
fn c11_a_file_that_cannot_be_written_is_an_error_and_the_old_one_stays() {
    let at = Workplace::new(Kind::Postgres, 20);
    at.run(&["countries", "-o", "."]).code(2).says("it is a directory");
    at.run(&["status", "-o", "missing/answer"]).code(2).says("its directory is not there");
    fs::create_dir(at.work().join("longshore.production.ledger.spool")).unwrap();
    // What SQLite keeps beside a ledger holds its newest events, and a lock that is replaced is none.
    for name in
        ["longshore.production.ledger-wal", "x.ledger.lock", ".env", "longshore.production.ledger.spool/x"]
    {
        at.run(&["countries", "-o", name])
            .code(2)
            .says("belongs to a database, a lock, the spool or the settings");
        assert!(!at.work().join(name).exists(), "{name}");
    }
    fs::write(at.work().join("some.db-wal"), "events").unwrap();
    at.run(&["countries", "-o", "some.db-wal"]).code(2);
    assert_eq!(fs::read_to_string(at.work().join("some.db-wal")).unwrap(), "events");
    fs::remove_file(at.work().join("some.db-wal")).unwrap();
    fs::remove_dir(at.work().join("longshore.production.ledger.spool")).unwrap();

    let file = at.work().join("answer");
    fs::write(&file, "old").unwrap();
    // No file may grow, as on a full disk; nothing else of this command writes one.
    let mut full = Command::new("sh");
    full.args([
        "-c",
        r#"trap "" 25; ulimit -f 0; exec "$0" countries -o answer"#,
        env!("CARGO_BIN_EXE_longshore"),
    ]);
    full.current_dir(at.work()).env_clear().envs(&at.settings);
    let ended = full.output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(30), "{stderr}");
    assert!(stderr.starts_with("Error: cannot write answer\n"), "{stderr}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(fs::read_dir(at.work()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn c11_a_command_without_a_table_says_what_it_can_write() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["migrate", "--country", "PL", "--yes"][..], &["resume"], &["log"], &["ledger", "verify"]] {
        for format in ["csv", "markdown", "html"] {
            let mut longshore = Command::new(env!("CARGO_BIN_EXE_longshore"));
            longshore.args(args).args(["--format", format]).current_dir(dir.path()).env_clear();
            let ended = longshore.stdin(Stdio::null()).output().unwrap();
            let stderr = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(2), "{args:?} {stderr}");
            assert!(stderr.contains(&format!("does not write {format}")), "{args:?} {stderr}");
            assert!(stderr.contains("--format json"), "{args:?} {stderr}");
        }
    }
}
