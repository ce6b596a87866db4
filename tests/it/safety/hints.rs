//! What people are told to type does what it says and nothing else, whatever files are called and whatever they are
//! (requirements S5, S7): every command is run by a real shell.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use ledger::store::private::quoted;

use crate::kill::hand::VENUES;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
/// Names of files that mean something to a shell, to SQL, to a command, or to whoever puts flags into a text.
const NAMES: [&str; 5] =
    ["a$(touch pwned)b", "it's", "-x", "a\"b`touch pwned`;", "a`longshore $(touch pwned)"];
/// The user to whom what is nobody's belongs.
const ANOTHER: u32 = 65_534;

fn work() -> Workplace {
    Workplace::new(Kind::Sqlite, VENUES)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs a script, with this program and the stand-ins of the directory `bin` first among the commands.
fn shell(at: &Workplace, shell: &str, script: &str) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_longshore")).parent().unwrap();
    let path = format!(
        "{}:{}:{}",
        at.work().join("bin").display(),
        program.display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = Command::new("timeout");
    command.args(["60", shell, "-c", script]).current_dir(at.work()).env_clear().envs(&at.settings);
    Ran::new(&[script], command.env("PATH", path).stdin(Stdio::null()).output().unwrap())
}

/// What stands in a text between two others.
#[track_caller]
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = &text[text.find(from).unwrap_or_else(|| panic!("{from} is not in {text}"))..];
    &rest[..rest.find(to).unwrap_or_else(|| panic!("{to} is not in {rest}"))]
}

#[test]
fn s7_a_command_about_what_was_added_to_a_ledger_drops_that_whatever_the_ledger_is_called() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let head = at.head();
    let bin = at.work().join("bin");
    fs::create_dir(&bin).unwrap();
    // Not every machine has the shell of SQLite: this one writes down what it is given.
    fs::write(
        bin.join("sqlite3"),
        "#!/bin/sh\nprintf '%s\\0' \"$@\" >>given\ncase $2 in VACUUM*) cp -- \"$1\" \"$1.copy/${1#./}\" ;; esac\n",
    )
    .unwrap();
    mode(&bin.join("sqlite3"), 0o700);
    for name in NAMES {
        let ledger = at.work().join(name);
        fs::copy(at.ledger(), &ledger).unwrap();
        mode(&ledger, 0o600);
        let add = "CREATE VIEW \"a\"\"b'c\" AS SELECT 1; CREATE TRIGGER t BEFORE INSERT ON event BEGIN SELECT 1; END";
        rusqlite::Connection::open(&ledger).unwrap().execute_batch(add).unwrap();
        let ran = at.run(&["status", &format!("--ledger={name}")]).code(20);
        assert!(!ran.stderr.contains("itestream"), "{ran}");
        let hint = between(&ran.stderr, "mkdir -m 700 ", "\n");
        // What somebody has put there is neither written through nor replaced.
        let (dir, victim) = (at.work().join(format!("{name}.copy")), at.work().join("victim"));
        for what in ["link", "file", "directory"] {
            match what {
                "link" => std::os::unix::fs::symlink(&victim, &dir).unwrap(),
                "file" => fs::write(&dir, "").unwrap(),
                _ => fs::create_dir(&dir).unwrap(),
            }
            assert_ne!(shell(&at, "sh", hint).code, Some(0), "{what}: {hint}");
            assert!(!victim.exists() && !at.work().join("given").exists(), "{what}: {hint}");
            if what == "directory" { fs::remove_dir(&dir).unwrap() } else { fs::remove_file(&dir).unwrap() }
        }
        shell(&at, "sh", hint).code(0);
        let given = fs::read_to_string(at.work().join("given")).unwrap();
        let given: Vec<_> = given.split_terminator('\0').collect();
        let [first, vacuum, second, drop] = given[..] else { panic!("{given:?}") };
        let named = if name == "-x" { "./-x" } else { name };
        assert_eq!((first, second), (named, &*format!("{named}.copy/{name}")), "{hint}");
        assert_eq!(drop, "DROP VIEW \"a\"\"b'c\"; DROP TRIGGER \"t\"");
        let into = vacuum.strip_prefix("VACUUM INTO ").unwrap();
        let copy = dir.join(name);
        fs::remove_file(&copy).unwrap();
        let database = rusqlite::Connection::open(&ledger).unwrap();
        let said: String = database.query_row(&format!("SELECT {into}"), [], |row| row.get(0)).unwrap();
        assert_eq!(at.work().join(said), copy);
        database.execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
        mode(&copy, 0o600);
        rusqlite::Connection::open(&copy).unwrap().execute_batch(drop).unwrap();
        let verify = between(&ran.stderr, "Then `", "`, and go on")["Then `".len()..].to_owned();
        shell(&at, "sh", &verify).code(0).says(&head.as_deref().unwrap_or_default().to_lowercase());
        assert!(!at.work().join("pwned").exists(), "{hint}");
        fs::remove_file(at.work().join("given")).unwrap();
    }
}

#[test]
fn s7_a_ledger_that_differs_otherwise_is_told_to_drop_nothing() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let more = "CREATE VIEW v AS SELECT 1; DROP TRIGGER";
    let ledger = rusqlite::Connection::open(at.ledger()).unwrap();
    let trigger: String = ledger
        .query_row("SELECT name FROM sqlite_schema WHERE type = 'trigger'", [], |row| row.get(0))
        .unwrap();
    ledger.execute_batch(&format!("{more} \"{trigger}\"")).unwrap();
    let ran = at.run(&["status"]).code(20).says("backup");
    assert!(!ran.stderr.contains("sqlite3") && !ran.stderr.contains("DROP"), "{ran}");
}

#[test]
fn s7_a_command_about_a_second_name_or_a_log_touches_that_file_alone() {
    let at = work();
    at.run(&MIGRATE).code(0);
    for name in NAMES {
        let (ledger, log) = (at.work().join(name), at.work().join(format!("{name}.log")));
        fs::copy(at.ledger(), &ledger).unwrap();
        mode(&ledger, 0o600);
        fs::hard_link(&ledger, at.work().join("second")).unwrap();
        let ran = at.run(&["resume", &format!("--ledger={name}")]).code(2).says("has 2 names");
        let hint = between(&ran.stderr, "for f in", "` gives");
        shell(&at, "sh", hint).code(0);
        assert_eq!(ledger.metadata().unwrap().nlink(), 1, "{hint}");
        fs::write(&log, "").unwrap();
        mode(&log, 0o644);
        let ran = at.run(&["countries", &format!("--log-file={name}.log")]).code(2);
        let hint = between(&ran.stderr, "chmod 600 ", "\n");
        shell(&at, "sh", hint).code(0);
        assert_eq!(log.metadata().unwrap().mode() & 0o777, 0o600, "{hint}");
        assert!(!at.work().join("pwned").exists(), "{hint}");
        fs::remove_file(at.work().join("second")).unwrap();
    }
}

/// With a umask of 002, as many systems have it for users with a group of their own, all that one makes is open to the
/// group. What is told mends all of it at once.
#[test]
fn s5_what_a_umask_of_002_makes_is_closed_by_one_command() {
    let at = work();
    let (app, current) = (at.work().join("it's"), at.work().join("current"));
    fs::create_dir(&app).unwrap();
    std::os::unix::fs::symlink("it's", &current).unwrap();
    fs::write(app.join(".env"), "# nothing\n").unwrap();
    mode(&app, 0o775);
    mode(&app.join(".env"), 0o664);
    let run = |args: &str| shell(&at, "sh", &format!("umask 002; cd current && longshore {args}"));
    let ran = run("countries").code(2).says("(mode 0775)");
    let hint = between(&ran.stderr, "chmod go-w ", "\n");
    shell(&at, "sh", hint).code(0);
    run("countries").code(0);
    run("migrate --country PL --yes").code(0);
    // A link to it that lies in such a directory.
    mode(&at.work(), 0o775);
    let rollback = "longshore rollback --country PL --yes --ledger current/longshore.production.ledger";
    let ran = shell(&at, "sh", rollback).code(2).says("(mode 0775)");
    shell(&at, "sh", between(&ran.stderr, "chmod go-w ", "\n")).code(0);
    shell(&at, "sh", rollback).code(0);
}

#[test]
fn c3_a_colleagues_plan_is_run_as_a_copy_and_the_hint_makes_it() {
    let at = work();
    let shared = at.work().join("st");
    fs::create_dir(&shared).unwrap();
    mode(&shared, 0o775);
    // It says so when it is saved, not only when it is refused.
    let saved = at.run(&["plan", "--country", "PL", "--out", "st/p.json"]).code(0);
    saved.says("Note: ").says("is a directory that others may write to (mode 0775)");
    let place = shared.join("p.json");
    assert_eq!(place.metadata().unwrap().mode() & 0o777, 0o600);
    let migrate = ["migrate", "--plan", "st/p.json", "--yes"];
    let hint = "mkdir -m 700 ~/p.json.own && install -m 600 st/p.json ~/p.json.own/p.json";
    at.run(&migrate).code(2).says("(mode 0775)").says(hint);
    mode(&shared, 0o755);
    fs::hard_link(&place, shared.join("second")).unwrap();
    at.run(&migrate).code(2).says("has 2 names").says(hint);
    fs::remove_file(shared.join("second")).unwrap();
    mode(&place, 0o664);
    if rustix::process::geteuid().is_root() {
        chown(&place, Some(ANOTHER), None).unwrap();
        let ran = at.run(&migrate).code(2).says("belongs to another user").says(hint);
        assert!(!ran.stderr.contains("chown"), "{ran}");
    }
    let home = format!("export HOME={}; umask 002; ", quoted(&at.work()));
    shell(&at, "bash", &format!("{home}{hint}")).code(0);
    // An earlier copy is not replaced, and what was copied is not refused again.
    assert_ne!(shell(&at, "bash", &format!("{home}{hint}")).code, Some(0));
    at.run(&["migrate", "--plan", "p.json.own/p.json", "--yes"]).code(0);
    // What is no file has nothing to be looked at.
    fs::create_dir(at.work().join("none")).unwrap();
    let ran = at.run(&["migrate", "--plan", "none", "--yes"]).code(2).says("--out FILE");
    assert!(!ran.stderr.contains("what it says"), "{ran}");
}

#[test]
fn c3_a_plan_and_a_report_are_taken_from_what_a_shell_hands_over() {
    let at = work();
    at.run(&["plan", "--country", "PL", "--out", "a.plan"]).code(0);
    shell(&at, "bash", "longshore migrate --plan <(cat a.plan) --yes").code(0);
    shell(&at, "sh", "cat a.plan | longshore migrate --plan /dev/stdin")
        .code(2)
        .says("not what the database holds");
    let endless = shell(&at, "bash", "longshore migrate --plan <(tr '\\0' x </dev/zero) --yes").code(2);
    endless.says("is larger than any saved plan");
    let report = "ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count\n\
        1,a,A,1,a,A,exact,1,0,0,1\n";
    let at = Workplace::fitting(Kind::Sqlite, report);
    fs::write(at.work().join("a.csv"), report).unwrap();
    for (by, script) in [
        ("bash", "longshore populate --matches <(cat a.csv) --dry-run"),
        ("sh", "longshore populate --matches /dev/stdin --dry-run <a.csv"),
        ("sh", "cat a.csv | longshore populate --matches /proc/self/fd/0 --dry-run"),
        ("bash", "longshore populate --matches <(cat a.csv) --yes"),
    ] {
        let ran = shell(&at, by, script).code(0);
        assert!(!ran.stderr.contains("Note: /"), "{ran}");
    }
}

#[test]
fn s5_a_dotenv_of_another_is_not_to_be_taken_from_its_owner() {
    let at = work();
    let file = at.work().join(".env");
    let not_taken = |todo: &str| {
        let ran = at.run(&["countries"]).code(2).says("the .env in this directory is not taken").says(todo);
        assert!(!ran.stderr.contains("chown"), "{ran}");
        ran
    };
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &file, pipe, 0o600.into(), 0).unwrap();
    let ran = not_taken("Move it away");
    assert!(!ran.stderr.contains("what it says"), "{ran}");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "A=1\n").unwrap();
    mode(&file, 0o666);
    not_taken("then: chmod go-w /");
    mode(&file, 0o644);
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(ANOTHER), None).unwrap();
        not_taken("with the settings exported");
        chown(&file, Some(0), None).unwrap();
        chown(at.work(), Some(ANOTHER), None).unwrap();
        not_taken("with the settings exported");
        let ran = at.run(&MIGRATE).code(2);
        assert!(!ran.stderr.contains("chown"), "{ran}");
    }
}

#[test]
fn s5_doctor_tells_what_stands_beside_a_ledger_once() {
    let at = work();
    for is_made in [false, true] {
        if is_made {
            at.run(&MIGRATE).code(0);
        }
        for ending in [".lock", "-wal", "-shm"] {
            let place = at.work().join(format!("longshore.production.ledger{ending}"));
            let _there_is_none = fs::remove_file(&place);
            let pipe = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, &place, pipe, 0o644.into(), 0).unwrap();
            let doctor = at.run(&["doctor", "--format", "json"]).code(13);
            let answer = doctor.json();
            let told: Vec<_> = answer["checks"].as_array().unwrap().iter().map(ToString::to_string).collect();
            let told = told.iter().filter(|line| line.contains(&format!("ledger{ending}"))).count();
            assert_eq!(told, 1, "{ending}: {doctor}");
            fs::remove_file(&place).unwrap();
        }
    }
}

#[test]
fn s5_a_sandboxs_directory_that_others_may_write_is_told_as_that() {
    let at = work();
    let dir = at.sandbox_dir();
    mode(&dir, 0o775);
    let ran = at.run(&["sandbox", "--dir", dir.to_str().unwrap()]).code(2);
    ran.says("is a directory that others may write to (mode 0775)").says("chmod go-w ");
}

/// The plan, the links and the settings of a directory that others may write: what is pasted writes nowhere else.
#[test]
fn s5_no_advice_copies_through_what_others_have_put_there() {
    let at = work();
    let (victim, home) = (at.sandbox_dir().join("victim"), at.sandbox_dir().join("home"));
    fs::create_dir(&home).unwrap();
    fs::write(&victim, "mine").unwrap();
    mode(&victim, 0o666);
    let plant = |name: &str| std::os::unix::fs::symlink(&victim, at.work().join(name)).unwrap();
    let paste = |hint: &str| shell(&at, "bash", &format!("export HOME={}; {hint}", quoted(&home)));
    let is_unharmed = |hint: &str| assert_eq!(fs::read_to_string(&victim).unwrap(), "mine", "{hint}");
    at.run(&["plan", "--country", "PL", "--out", "fr.plan"]).code(0);
    plant("fr.plan.own");
    mode(&at.work(), 0o777);
    let ran = at.run(&["migrate", "--plan", "fr.plan", "--yes"]).code(2);
    let hint =
        ran.stderr.split(" run that: ").nth(1).unwrap_or_else(|| panic!("{ran}")).lines().next().unwrap();
    paste(hint).code(0);
    is_unharmed(hint);
    mode(&at.work(), 0o700);
    let copy = home.join("fr.plan.own/fr.plan");
    at.run(&["migrate", "--plan", copy.to_str().unwrap(), "--yes"]).code(0);

    fs::write(at.work().join(".env"), "# precious\n").unwrap();
    fs::hard_link(at.work().join(".env"), at.sandbox_dir().join("second")).unwrap();
    plant(".env.own");
    // Nothing is copied where others may make files.
    mode(&at.work(), 0o1777);
    let ran = at.run(&["countries"]).code(2).says("has 2 names");
    assert!(!ran.stderr.contains("cp ") && !ran.stderr.contains("mktemp"), "{ran}");
    mode(&at.work(), 0o700);
    let ran = at.run(&["countries"]).code(2).says("has 2 names");
    let hint = between(&ran.stderr, "for f in", "\n");
    paste(hint).code(0);
    is_unharmed(hint);
    at.run(&["countries"]).code(0);
}

#[test]
fn s5_a_link_of_another_user_is_not_named_by_what_it_leads_to() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: only root can make another user's links");
        return;
    }
    let at = work();
    let victim = at.sandbox_dir().join("bashrc");
    fs::write(&victim, "mine").unwrap();
    let link = at.work().join("link");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    // Behind a link of one's own it is another's as well.
    std::os::unix::fs::symlink("link", at.work().join("own")).unwrap();
    std::os::unix::fs::lchown(&link, Some(ANOTHER), None).unwrap();
    for name in ["link", "own"] {
        for args in [
            &["countries", "-o", name][..],
            &["countries", "--log-file", name],
            &["plan", "--country", "PL", "--out", name],
            &[&MIGRATE[..], &["--out", name]].concat(),
            &[&MIGRATE[..], &["--ledger", name]].concat(),
        ] {
            let ran = at.run(args).code(2);
            assert!(!ran.stderr.contains("bashrc"), "{ran}");
            ran.says("another");
        }
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}

#[test]
fn s5_a_log_of_another_user_is_neither_taken_over_nor_worked_for() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: only root can make another user's files");
        return;
    }
    let at = work();
    at.run(&MIGRATE).code(0);
    let head = at.head();
    for ending in ["-wal", "-journal", "-shm"] {
        let log = at.work().join(format!("longshore.production.ledger{ending}"));
        fs::write(&log, "planted").unwrap();
        chown(&log, Some(ANOTHER), None).unwrap();
        let ran = at.run(&["ledger", "checkpoint"]).code(2).says("belongs to another user (uid 65534)");
        assert!(!ran.stderr.contains("as its owner") && !ran.stderr.contains("chown"), "{ran}");
        shell(&at, "bash", between(&ran.stderr, "mv ", "\n")).code(0);
        at.run(&["status"]).code(0);
        assert_eq!(at.head(), head, "{ending}");
    }
    at.run(&["ledger", "checkpoint"]).code(0);
}

/// SQLite opens what lies beside a ledger by its name, and a planted log would be played into the file.
#[test]
fn s5_a_ledger_is_used_in_a_directory_of_ones_own_alone_and_the_hint_makes_one() {
    let at = work();
    let (home, ledger) = (at.work(), at.ledger());
    let name = ledger.file_name().unwrap().to_str().unwrap();
    mode(&home, 0o1777);
    let own = quoted(&home.join("rollout"));
    at.run(&MIGRATE).code(2).says("(mode 1777)").says(&format!("mkdir -m 700 {own} && cd {own}"));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "nothing was made there");
    mode(&home, 0o700);
    at.run(&MIGRATE).code(0);
    mode(&home, 0o1777);
    let ran = at.run(&["status"]).code(2).says("(mode 1777)");
    assert!(!ran.stderr.contains("chmod"), "nor is a directory such as /tmp closed: {ran}");
    let hint = between(&ran.stderr, "mkdir -m 700", "\n");
    shell(&at, "bash", &format!("{hint} && longshore status")).code(0);
    let copy = home.join("rollout").join(name);
    let verify = ["ledger", "verify", "--ledger", copy.to_str().unwrap()];
    at.run(&verify).code(0);
    // The directories above it: in one with the sticky bit nobody exchanges what is another's.
    mode(&home, 0o1777);
    at.run(&verify).code(0);
    for bits in [0o777, 0o770] {
        mode(&home, bits);
        let ran = at.run(&verify).code(2).says("is a directory that others may write to");
        shell(&at, "bash", between(&ran.stderr, "chmod go-w ", "\n")).code(0);
        at.run(&verify).code(0);
    }
    if rustix::process::geteuid().is_root() {
        chown(&home, Some(ANOTHER), None).unwrap();
        let checkpoint = ["ledger", "checkpoint", "--ledger", copy.to_str().unwrap()];
        at.run(&checkpoint).code(2).says("who can exchange what lies below it");
        at.run(&verify).code(0);
        chown(&home, Some(0), None).unwrap();
        at.run(&checkpoint).code(0);
    }
}
