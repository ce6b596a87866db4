//! What is no regular file, or is in the hand of others, hangs nothing and steers nothing, wherever a name leads to it
//! (requirement S5); and what is refused is refused before anybody is asked anything.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::kill::hand::VENUES;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const REPORT: &str = "ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count\n\
    1,a,A,1,a,A,exact,1,0,0,1\n";
/// Longer than any of these commands takes, as is the code of the tool that ends one.
const LONGEST: &str = "60";
/// The user to whom what is nobody's belongs.
const ANOTHER: u32 = 65_534;

fn work() -> Workplace {
    Workplace::new(Kind::Sqlite, VENUES)
}

/// Runs the program, which is ended when it hangs; its code is 124 then.
fn run(at: &Workplace, args: &[&str], settings: &[(&str, &str)]) -> Ran {
    let mut command = Command::new("timeout");
    command.args([LONGEST, env!("CARGO_BIN_EXE_longshore")]).args(args).current_dir(at.work());
    command.env_clear().envs(&at.settings).envs(settings.iter().copied());
    command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(std::process::Stdio::null());
    Ran::new(args, command.output().unwrap())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Makes something that is no regular file.
fn put(what: &str, at: &Path) {
    match what {
        "pipe" => {
            let pipe = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, at, pipe, 0o600.into(), 0).unwrap();
        }
        // Its name stays when it is closed.
        "socket" => drop(UnixListener::bind(at).unwrap()),
        "directory" => fs::create_dir(at).unwrap(),
        "device" => symlink("/dev/zero", at).unwrap(),
        other => panic!("{other}"),
    }
}

fn away(what: &str, at: &Path) {
    if what == "directory" { fs::remove_dir(at).unwrap() } else { fs::remove_file(at).unwrap() }
}

#[test]
fn s5_a_plan_that_is_no_regular_file_or_that_others_may_write_is_not_run() {
    let at = work();
    let place = at.work().join("a.plan");
    let migrate = ["migrate", "--plan", "a.plan", "--yes"];
    for what in ["pipe", "socket", "directory", "device"] {
        put(what, &place);
        run(&at, &migrate, &[]).code(2).says("a.plan is not run").says("is no regular file");
        away(what, &place);
    }
    at.run(&["plan", "--country", "PL", "--out", "a.plan"]).code(0);
    let rows = at.rows();
    for bits in [0o666, 0o620, 0o602] {
        mode(&place, bits);
        let ran = run(&at, &migrate, &[]).code(2);
        ran.says("may be written to by others").says("look at what it says").says("chmod go-w a.plan");
    }
    mode(&place, 0o600);
    if rustix::process::geteuid().is_root() {
        chown(&place, Some(ANOTHER), None).unwrap();
        run(&at, &migrate, &[]).code(2).says("belongs to another user (uid 65534)");
        chown(&place, Some(0), None).unwrap();
    }
    assert!(at.rows() == rows && at.requests("upload") == 0 && !at.ledger().exists());
    run(&at, &migrate, &[]).code(0);
}

#[test]
fn s5_a_matching_report_is_a_regular_file_and_anothers_is_told() {
    let report = REPORT;
    let at = Workplace::fitting(Kind::Sqlite, report);
    let place = at.work().join("a.csv");
    let populate = ["populate", "--matches", "a.csv", "--dry-run"];
    for what in ["pipe", "socket", "directory", "device"] {
        put(what, &place);
        run(&at, &populate, &[]).code(2).says("a.csv is no regular file");
        away(what, &place);
    }
    fs::write(&place, report).unwrap();
    mode(&place, 0o644);
    let ran = run(&at, &populate, &[]).code(0);
    assert!(!ran.stderr.contains("Note: a.csv"), "{ran}");
    mode(&place, 0o666);
    run(&at, &populate, &[]).code(0).says("Note: a.csv may be written to by others (mode 0666)");
    if rustix::process::geteuid().is_root() {
        mode(&place, 0o644);
        chown(&place, Some(ANOTHER), None).unwrap();
        run(&at, &populate, &[]).code(0).says("Note: a.csv belongs to another user (uid 65534)");
    }
}

#[test]
fn s5_a_pipe_that_a_setting_names_is_not_waited_for() {
    let at = work();
    let pipe = at.work().join("pipe");
    put("pipe", &pipe);
    let pipe = pipe.to_str().unwrap();
    let (sqlite, root) = (
        format!("sqlite:{pipe}"),
        format!("postgres://u:p@127.0.0.1:1/x?sslmode=verify-full&sslrootcert={pipe}"),
    );
    run(&at, &["countries"], &[("PRODUCTION_DATABASE_URL", &sqlite)]).code(30).says("is no regular file");
    let ran = run(&at, &["doctor", "--format", "json"], &[("TRIVIA_ADVISOR_DATABASE_URL", &sqlite)]).code(13);
    assert!(ran.stdout.contains("is no regular file"), "{ran}");
    let ran = run(&at, &["countries"], &[("PRODUCTION_DATABASE_URL", &root)]);
    assert!(matches!(ran.code, Some(2 | 30)), "{ran}");
    ran.says("sslrootcert").says("is no regular file");
}

#[test]
fn s5_pass_files_and_ca_certificates_that_are_pipes_are_not_waited_for() {
    let at = work();
    let home = at.work();
    let pipe = home.join(".pgpass");
    put("pipe", &pipe);
    let (home, pipe) = (home.to_str().unwrap(), pipe.to_str().unwrap());
    let database = ("PRODUCTION_DATABASE_URL", "postgres://u@127.0.0.1:1/x");
    for named in [("PGPASSFILE", pipe), ("HOME", home)] {
        run(&at, &["countries"], &[database, named]).code(30);
        run(&at, &["doctor"], &[database, named]).code(13);
        run(&at, &["status"], &[database, named]).code(2).says("there is no ledger");
    }
    let named = ("SSL_CERT_FILE", pipe);
    for args in [&["doctor"] as &[&str], &["countries"], &MIGRATE] {
        run(&at, args, &[database, named]).code(2).says("SSL_CERT_FILE").says("is no regular file");
    }
    // A sandbox asks a server, too.
    for (dir, named) in [("a", ("PGPASSFILE", pipe)), ("b", ("HOME", home))] {
        run(&at, &["sandbox", "--dir", dir, "--catalog", database.1], &[named]).code(30);
    }
    // Asks nobody.
    run(&at, &["status"], &[database, named]).code(2).says("there is no ledger");
}

#[test]
fn s5_what_is_no_file_beside_a_ledger_hangs_nothing_and_is_told() {
    let at = work();
    let ledger = at.ledger();
    let beside = |ending: &str| {
        let mut name = ledger.clone().into_os_string();
        name.push(ending);
        std::path::PathBuf::from(name)
    };
    for is_made in [false, true] {
        if is_made {
            at.run(&MIGRATE).code(0);
        }
        let (rows, uploads) = (at.rows(), at.requests("upload"));
        for ending in ["", ".lock", ".spool", ".new", "-wal", "-shm", "-journal"] {
            // A ledger that is there has its name, and nothing is made beside it.
            if is_made && ["", ".new"].contains(&ending) {
                continue;
            }
            for what in ["pipe", "socket", "directory", "device"] {
                let place = beside(ending);
                if ending == ".spool" && what == "directory" {
                    continue;
                }
                // What a run before has left: it is made anew.
                let _there_is_none = fs::remove_file(&place).or_else(|_| fs::remove_dir_all(&place));
                put(what, &place);
                let told = match (what, ending) {
                    ("device", "") => "no regular file",
                    ("device", _) => "is a symbolic link, which is not followed",
                    (_, ".spool") => "is no directory",
                    ("directory", _) => "is a directory",
                    _ => "is no regular file",
                };
                let (rolls, countries) =
                    (["rollback", "--country", "PL", "--yes"], ["migrate", "--country", "DE", "--yes"]);
                for args in [&countries[..], &rolls] {
                    run(&at, args, &[]).code(2).says(told);
                }
                let doctor = run(&at, &["doctor", "--format", "json"], &[]).code(13);
                assert!(doctor.stdout.contains(told), "{ending} {what}: {doctor}");
                for args in [
                    &["status"][..],
                    &["ledger", "verify"],
                    &["ledger", "checkpoint"],
                    &["control", "status"],
                ] {
                    let ran = run(&at, args, &[]);
                    assert_ne!(ran.code, Some(124), "{ending} {what}: {ran}");
                }
                away(what, &place);
            }
        }
        assert!(at.rows() == rows && at.requests("upload") == uploads);
        assert_eq!(at.ledger().exists(), is_made);
    }
    // Without a socket a run goes on; at the name of the directory for its files it does not begin.
    for what in ["pipe", "directory", "device"] {
        let place = beside(".sock");
        put(what, &place);
        let doctor = run(&at, &["doctor", "--format", "json"], &[]).code(13);
        assert!(doctor.stdout.contains(".sock is "), "{what}: {doctor}");
        let ran = run(&at, &["migrate", "--country", "PL", "--yes"], &[]).code(0);
        assert!(place.symlink_metadata().is_ok(), "{ran}");
        away(what, &place);
    }
    for what in ["pipe", "socket", "device"] {
        let place = at.work().join("files");
        put(what, &place);
        run(&at, &["migrate", "--country", "DE", "--yes", "--out", "files"], &[]).code(2).says("files");
        away(what, &place);
    }
}

#[test]
fn s5_a_directory_that_others_may_write_is_refused_before_anybody_is_asked() {
    let at = work();
    at.run(&["plan", "--country", "PL", "--out", "a.plan"]).code(0);
    let report = REPORT;
    fs::write(at.work().join("a.csv"), report).unwrap();
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    database.set_nonblocking(true).unwrap();
    let url = format!("postgres://u:p@{}/x", database.local_addr().unwrap());
    let names = ["PRODUCTION_DATABASE_URL", "DEV_DATABASE_URL", "TRIVIA_ADVISOR_DATABASE_URL"];
    let settings = names.map(|name| (name, url.as_str()));
    let before = at.counts();
    let verbs: [&[&str]; 5] = [
        &MIGRATE,
        &["migrate", "--plan", "a.plan", "--yes"],
        &["populate", "--matches", "a.csv", "--yes"],
        &["rollback", "--country", "PL", "--yes"],
        &["reconcile", "--delete-orphans", "--yes"],
    ];
    let all_refused = |why: &str, verbs: &[&[&str]]| {
        for args in verbs {
            run(&at, args, &settings).code(2).says(why);
        }
        assert!(database.accept().is_err(), "the database was asked");
        assert_eq!(at.counts(), before);
    };
    mode(&at.work(), 0o777);
    all_refused("chmod go-w /", &verbs);
    mode(&at.work(), 0o700);
    let lock = at.work().join("longshore.production.ledger.lock");
    symlink("elsewhere", &lock).unwrap();
    all_refused("is a symbolic link, which is not followed", &[verbs[0], verbs[1], verbs[3], verbs[4]]);
    fs::remove_file(&lock).unwrap();
    mode(&at.work(), 0o777);
    File::create(at.ledger()).unwrap();
    all_refused("chmod go-w /", &[&["resume", "--yes"]]);
    mode(&at.work(), 0o700);
}

#[test]
fn s5_from_a_directory_that_is_gone_nothing_is_begun_and_what_to_type_is_said() {
    let at = work();
    let named = at.work().canonicalize().unwrap().join("a.ledger");
    for args in [&MIGRATE[..], &["countries"], &["status"], &["doctor"]] {
        for args in [args.to_vec(), [args, &["--ledger", named.to_str().unwrap()]].concat()] {
            let script = "mkdir gone && cd gone && rmdir ../gone && exec timeout 60 \"$@\"";
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_longshore")]).args(&args);
            command.current_dir(at.work()).env_clear().envs(&at.settings);
            command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(std::process::Stdio::null());
            Ran::new(&args, command.output().unwrap()).code(30).says("cannot be found any more").says("cd ");
        }
    }
    assert!(fs::read_dir(at.work()).unwrap().next().is_none() && at.counts().is_empty());
}

#[test]
fn s5_a_log_and_an_answer_go_to_the_same_devices() {
    let at = work();
    for device in ["/dev/null", "/dev/stderr"] {
        run(&at, &["countries", "--log-file", device], &[]).code(0);
        run(&at, &["countries", "-o", device], &[]).code(0);
    }
    let said = run(&at, &["countries", "-o", "/dev/stderr"], &[]).code(0);
    assert!(said.stderr.contains("Poland") && said.stdout.is_empty(), "{said}");
}

#[test]
fn s5_a_link_of_ones_own_is_told_with_what_to_type_instead() {
    let at = work();
    fs::create_dir(at.work().join("there")).unwrap();
    let there = at.work().canonicalize().unwrap().join("there");
    symlink("there", at.work().join("files")).unwrap();
    symlink("there/answer", at.work().join("answer")).unwrap();
    fs::write(there.join("answer"), "").unwrap();
    let there = there.display();
    at.run(&["countries", "-o", "answer"]).code(2).says(&format!("-o {there}/answer"));
    at.run(&["countries", "--log-file", "answer"]).code(2).says(&format!("--log-file {there}/answer"));
    at.run(&[&MIGRATE[..], &["--out", "files"]].concat()).code(2).says(&format!("--out {there}"));
    // A plan is written anew, or not at all.
    let plan = |name: &str| at.run(&["plan", "--country", "PL", "--out", name]);
    plan("answer").code(2).says("a symbolic link").says(&format!("{there}/answer is there"));
    symlink("there/new", at.work().join("plan")).unwrap();
    let ran = plan("plan").code(2).says("a symbolic link");
    let to = ran.stderr.split("`--out ").nth(1).unwrap_or_else(|| panic!("{ran}")).split('`').next().unwrap();
    plan(to).code(0);
    assert!(at.work().join("there/new").exists());
}

/// A link that leads in a circle, to what cannot be named there, or to where nothing can be made is no way out.
#[test]
fn s5_a_link_that_leads_to_nothing_that_could_be_named_is_not_named() {
    let at = work();
    fs::create_dir(at.work().join("there")).unwrap();
    fs::write(at.work().join("a-file"), "").unwrap();
    for (name, to) in [("loop", "loop"), ("far", "missing/x"), ("to-dir", "there"), ("to-file", "a-file")] {
        symlink(to, at.work().join(name)).unwrap();
    }
    let migrate = |name| [&MIGRATE[..], &["--out", name]].concat();
    let plan = |name| vec!["plan", "--country", "PL", "--out", name];
    for name in ["loop", "far", "to-dir"] {
        for args in [vec!["countries", "-o", name], vec!["countries", "--log-file", name], plan(name)] {
            let ran = at.run(&args).code(2);
            assert!(!ran.stderr.contains("itself") && ran.stderr.contains("Hint: "), "{ran}");
        }
    }
    put("pipe", &at.work().join("pipe"));
    for name in ["loop", "far", "to-file", "pipe", "missing/x"] {
        let ran = at.run(&migrate(name)).code(2).says("`--out` names another directory");
        assert!(!ran.stderr.contains("itself"), "{ran}");
    }
}

#[test]
fn s5_no_advice_about_a_link_touches_what_it_leads_to() {
    let at = work();
    let victim = at.work().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("precious"), "mine").unwrap();
    for ending in [".lock", ".sock", ".spool"] {
        let link = at.work().join(format!("longshore.production.ledger{ending}"));
        symlink(&victim, &link).unwrap();
        let doctor = at.run(&["doctor", "--format", "json"]).code(13);
        let answer = doctor.json().to_string();
        let (word, typed) = if ending == ".spool" { ("mv", "mv ") } else { ("rm", "rm ") };
        assert!(!answer.contains("rm -r"), "{doctor}");
        let advice = answer.split_once(&format!(": {typed}")).unwrap_or_else(|| panic!("{word}: {doctor}")).1;
        let advice = format!("{typed}{}", advice.split('"').next().unwrap());
        let typed = Command::new("sh").args(["-c", &advice]).current_dir(at.work()).status().unwrap();
        assert!(typed.success(), "{advice}");
        assert!(link.symlink_metadata().is_err(), "{advice}");
        assert_eq!(fs::read_to_string(victim.join("precious")).unwrap(), "mine");
    }
}

#[test]
fn s5_a_backup_that_is_refused_is_told_by_its_own_name() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let open = at.work().join("open");
    fs::create_dir(&open).unwrap();
    mode(&open, 0o777);
    let ran = at.run(&["ledger", "backup", "open/copy"]).code(2).says("cannot write the backup open/copy");
    assert!(!ran.stderr.contains(".draft"), "{ran}");
    let ran = at.run(&["ledger", "backup", "missing/copy"]);
    assert!(!ran.stderr.contains(".draft"), "{ran}");
    ran.says("cannot write the backup missing/copy");
}

#[test]
fn e7_what_litestream_adds_to_a_ledger_is_dropped_in_a_copy_as_the_message_says() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let head = at.head();
    let add = "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
        CREATE TABLE _litestream_lock (id INTEGER); INSERT INTO _litestream_seq VALUES (1, 7)";
    rusqlite::Connection::open(at.ledger()).unwrap().execute_batch(add).unwrap();
    let ledger = "longshore.production.ledger";
    let ran = at.run(&["status"]).code(20).says("_litestream_seq").says("Litestream");
    let dir = at.work().join(format!("{ledger}.copy"));
    let copy = dir.join(ledger);
    let backup = format!(
        r#"mkdir -m 700 {ledger}.copy && sqlite3 {ledger} 'VACUUM INTO '"'"'{ledger}.copy/{ledger}'"'"''"#
    );
    let drop = r#"DROP TABLE "_litestream_seq"; DROP TABLE "_litestream_lock""#;
    let ran = ran.says(&backup).says(&format!("sqlite3 {ledger}.copy/{ledger} '{drop}'"));
    fs::create_dir(&dir).unwrap();
    mode(&dir, 0o700);
    // The same by the library, as not every machine has the shell.
    rusqlite::Connection::open(at.ledger()).unwrap().execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
    rusqlite::Connection::open(&copy).unwrap().execute_batch(drop).unwrap();
    mode(&copy, 0o600);
    at.run(&["ledger", "verify", "--ledger", copy.to_str().unwrap()]).code(0).says("");
    fs::rename(&copy, at.ledger()).unwrap();
    assert_eq!(at.head(), head, "{ran}");
    at.run(&["ledger", "checkpoint"]).code(0);
}
