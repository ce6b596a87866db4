//! A ledger in a directory that others may write to is gone on with in a copy, whole or not at all, and never begun anew without
//! a word: what is told is typed in real shells (requirement S5).

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use ledger::store::private::quoted;

use super::parents::{ANOTHER, CHECKPOINT, COPY, LEDGER, STATUS, by, made, mode, typed, user};
use super::roots::{Plain, USER};

/// A file beside another.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A small file of somebody's.
fn file(path: &Path, owner: u32) {
    fs::write(path, "planted").unwrap();
    mode(path, 0o600);
    chown(path, Some(owner), Some(owner)).unwrap();
}

/// Whoever went on in the directory that was advised has the newest events there, and an older ledger above it.
#[test]
fn s5_a_newer_ledger_where_advice_leads_is_told_and_neither_replaced_nor_moved() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let shared = made(plain.place.path().join("shared"), 0, 0o1777);
    let own = made(shared.join("rollout"), USER, 0o700);
    let at = (&*shared, &*home);
    let newer = own.join(LEDGER);
    for is_there in [true, false] {
        file(&newer, USER);
        let older = shared.join(LEDGER);
        match is_there {
            true => drop(plain.ledger_in(&shared, USER, 0o600)),
            false => fs::remove_file(&older).unwrap(),
        }
        let before = fs::read(&older).ok();
        let ran = match is_there {
            true => user(&plain, at, CHECKPOINT).code(2),
            false => user(&plain, at, "longshore doctor --format json").code(13),
        };
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.contains("mv "), "{ran}");
        assert!(said.contains(&format!("{LEDGER} is in {}", own.display())), "{ran}");
        if is_there {
            user(&plain, at, &format!("{} && {STATUS}", typed(&ran, COPY, "\n"))).code(0);
            assert_eq!(fs::read(shared.join("rollout-2").join(LEDGER)).ok(), before, "{ran}");
            fs::remove_dir_all(shared.join("rollout-2")).unwrap();
        } else {
            // There is one ledger, and nothing else is told than to go on with it.
            assert!(
                said.contains("begin no new one. How far it is: (cd ") && !said.contains("mkdir"),
                "{ran}"
            );
        }
        assert_eq!((fs::read_to_string(&newer).unwrap(), fs::read(&older).ok()), ("planted".into(), before));
    }
}

/// Whoever may write to the directory can put a file there: nobody is steered into a second, empty ledger.
#[test]
fn s5_a_file_in_the_way_of_a_copy_is_named_and_nobody_begins_anew() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    for bits in [0o1777, 0o777] {
        let shared = made(plain.place.path().join(format!("shared{bits:o}")), 0, bits);
        let (at, ledger) = ((&*shared, &*home), shared.join(LEDGER));
        for (ending, owner) in
            [("-wal", ANOTHER), ("-journal", ANOTHER), ("-wal", 0), ("", 0), ("", ANOTHER), ("", USER)]
        {
            plain.ledger_in(&shared, USER, 0o600);
            let planted = beside(&ledger, ending);
            match (ending, owner) {
                ("", USER) => fs::hard_link(&ledger, shared.join("second")).unwrap(),
                ("", _) => chown(&ledger, Some(owner), None).unwrap(),
                _ => file(&planted, owner),
            }
            for command in [STATUS, CHECKPOINT, "longshore doctor --format json"] {
                let ran = user(&plain, at, command);
                let said = format!("{}{}", ran.stdout, ran.stderr);
                assert!(
                    said.contains("cannot be copied whole") && said.contains("do not begin a new one"),
                    "{ran}"
                );
                assert!(said.contains(&*planted.to_string_lossy()) && !said.contains("mkdir"), "{ran}");
                let why = if owner == USER { "2 names" } else { &format!("(uid {owner})") };
                assert!(said.contains(why), "{ran}");
            }
            fs::remove_file(&planted).unwrap();
            let _there_may_be_none = fs::remove_file(shared.join("second"));
        }
        // What is left of a ledger is no place to begin one either.
        let _it_is_gone = fs::remove_file(&ledger);
        file(&beside(&ledger, "-wal"), USER);
        let ran = user(&plain, at, "longshore doctor --format json").code(13);
        assert!(ran.stdout.contains("cannot be copied whole") && !ran.stdout.contains("mkdir"), "{ran}");
    }
}

#[test]
fn s5_a_ledger_is_copied_whole_or_not_at_all_whatever_it_is_called() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("ho'me"), USER, 0o700);
    for name in [".l", "-x y", "it's;", LEDGER] {
        let shared = made(plain.place.path().join("sha red"), 0, 0o1777);
        // Where this user may make nothing beside it.
        let above = made(plain.place.path().join("above"), 0, 0o777);
        for (dir, own) in [(&shared, shared.join("rollout")), (&above, home.join("rollout"))] {
            let (ledger, log) = (dir.join(name), dir.join(format!("{name}-wal")));
            fs::rename(plain.ledger_in(dir, USER, 0o600), &ledger).unwrap();
            let whole = fs::read(&ledger).unwrap();
            let at = (&**dir, &*home);
            let command = format!("{STATUS} --ledger={}", quoted(Path::new(name)));
            file(&log, USER);
            let copy = typed(&user(&plain, at, &command).code(2), COPY, "\n");
            fs::write(dir.join("script"), &copy).unwrap();
            for shell in ["bash", "dash"] {
                let type_it = |before: &str| {
                    let script =
                        format!("{before} . ./script; echo \"code $?\"; pwd; ls -a {}", quoted(&own));
                    user(&plain, at, &format!("{shell} -c {}", quoted(Path::new(&script))))
                };
                let is_undone = |before: &str| {
                    let ran = type_it(before);
                    assert!(!own.exists(), "{before}: {copy} {ran}");
                    assert!(ran.stdout.contains(&format!("code 1\n{}\n", dir.display())), "{copy} {ran}");
                    ran.says("Nothing was copied");
                };
                chown(&log, Some(ANOTHER), None).unwrap();
                is_undone("");
                chown(&log, Some(USER), None).unwrap();
                fs::remove_file(&log).unwrap();
                is_undone("");
                file(&log, USER);
                is_undone("ulimit -f 8;");
                is_undone("cat() { command cat; sh -c 'kill -TERM $PPID'; };");
                // What nobody can undo leaves a log, which is no ledger.
                let ran = type_it("cat() { command cat; sh -c 'kill -KILL $PPID'; };");
                let left = (own.join(name).exists(), own.join(format!("{name}-wal")).exists());
                assert_eq!(left, (false, true), "{copy} {ran}");
                fs::remove_dir_all(&own).unwrap();
                let ran = type_it("");
                assert!(ran.stdout.contains(&format!("code 0\n{}\n", own.display())), "{copy} {ran}");
                assert!(fs::read(own.join(name)).unwrap() == whole, "{copy}");
                assert_eq!(fs::read_to_string(own.join(format!("{name}-wal"))).unwrap(), "planted");
                assert_eq!(own.join(name).metadata().unwrap().mode() & 0o777, 0o600);
                assert!(fs::read(&ledger).unwrap() == whole && log.exists(), "{copy}");
                // Once more, and nothing is written to what is there.
                fs::write(own.join(name), "mine").unwrap();
                assert!(type_it("").stdout.contains("code 1\n"), "{copy}");
                assert_eq!(fs::read_to_string(own.join(name)).unwrap(), "mine");
                fs::remove_dir_all(&own).unwrap();
            }
            for file in [ledger, log, dir.join("script")] {
                fs::remove_file(file).unwrap();
            }
        }
    }
}

/// A log comes when a run begins between the message and the command: without it the copy would lack the newest events.
#[test]
fn s5_a_log_that_came_after_the_message_is_copied_or_nothing_is() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let shared = made(plain.place.path().join("shared"), 0, 0o1777);
    let (ledger, own) = (plain.ledger_in(&shared, USER, 0o600), shared.join("rollout"));
    let at = (&*shared, &*home);
    let copy = typed(&user(&plain, at, STATUS).code(2), COPY, "\n");
    for ending in ["-wal", "-journal"] {
        let log = beside(&ledger, ending);
        for shell in ["bash", "dash"] {
            let script = format!("{shell} -c {}", quoted(Path::new(&copy)));
            file(&log, ANOTHER);
            assert_ne!(user(&plain, at, &script).code, Some(0), "{copy}");
            assert!(!own.exists(), "{copy}");
            chown(&log, Some(USER), None).unwrap();
            user(&plain, at, &script).code(0);
            assert_eq!(fs::read_to_string(beside(&own.join(LEDGER), ending)).unwrap(), "planted", "{copy}");
            assert_eq!(fs::read_dir(&own).unwrap().count(), 2, "{copy}");
            fs::remove_dir_all(&own).unwrap();
        }
        fs::remove_file(&log).unwrap();
    }
}

/// In the new directory a relative path is another file, where the same command would begin a second ledger.
#[test]
fn s5_a_ledger_that_was_named_by_a_path_is_told_its_name_in_the_new_directory() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let shared = made(plain.place.path().join("shared"), 0, 0o1777);
    let work = made(shared.join("work"), USER, 0o700);
    let (name, own) = ("it's.ledger", shared.join("rollout"));
    let at = (&*work, &*home);
    let absolute = shared.join(name);
    for path in [Path::new("../it's.ledger"), &absolute] {
        let flag = format!("--ledger {}", quoted(path));
        let told =
            format!("From here on name it {}, not {}", quoted(&Path::new(".").join(name)), quoted(path));
        fs::rename(plain.ledger_in(&shared, USER, 0o600), &absolute).unwrap();
        let ran = user(&plain, at, &format!("{CHECKPOINT} {flag}")).code(2);
        let copied = user(&plain, at, &typed(&ran, COPY, "\n")).code(0);
        assert_eq!(copied.stdout.lines().last(), Some(&*told), "{ran}");
        let there = told.split_once("name it ").unwrap().1.split_once(", not").unwrap().0;
        user(&plain, (&own, &home), &format!("{CHECKPOINT} --ledger {there}")).code(0);
        // A known copy is named as it is called there, whatever flag was given.
        let ran = user(&plain, at, &format!("{CHECKPOINT} {flag}")).code(2);
        let seen = typed(&ran, "there (`", "`)");
        assert!(seen.ends_with(&format!("&& longshore --ledger {there} ledger verify)")), "{ran}");
        user(&plain, at, &seen).code(0);
        fs::remove_dir_all(&own).unwrap();
        fs::remove_file(&absolute).unwrap();
    }
    // By its usual name it is found there as it is.
    plain.ledger_in(&shared, USER, 0o600);
    for flag in ["", "--ledger ./longshore.production.ledger"] {
        let ran = user(&plain, (&shared, &home), &format!("{CHECKPOINT} {flag}")).code(2);
        assert!(!ran.stderr.contains("name it"), "{ran}");
    }
}

/// Whatever is told, a ledger that was gone on with elsewhere comes first: otherwise two with one history go on.
#[test]
fn s5_a_known_copy_is_told_before_a_directory_is_closed_and_before_what_cannot_be_copied() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let own = made(home.join("rollout"), USER, 0o700);
    plain.ledger_in(&own, USER, 0o600);
    let known = format!("{LEDGER} is in ~/rollout already");
    for (name, owner, bits, todo) in [
        ("ours", USER, 0o775, "chmod go-w "),
        ("roots", 0, 0o777, "Have root type: "),
        ("anothers", ANOTHER, 0o777, "Have its owner (uid 65534) type: "),
        ("log", 0, 0o1777, "cannot be copied whole"),
    ] {
        let dir = made(plain.place.path().join(name), owner, bits);
        let ledger = plain.ledger_in(&dir, USER, 0o600);
        if name == "log" {
            file(&beside(&ledger, "-wal"), ANOTHER);
        }
        let ran = user(&plain, (&dir, &home), STATUS).code(2).says(&known);
        let place = |words: &str| ran.stderr.find(words).unwrap_or_else(|| panic!("{words}: {ran}"));
        assert!(place(&known) < place(todo), "{ran}");
        user(&plain, (&dir, &home), &typed(&ran, "there (`", "`)")).code(0);
        let is_either = ran.stderr.contains("one of the two, not both");
        assert_eq!(is_either, ["roots", "anothers"].contains(&name), "{ran}");
    }
    // Below the open directory as well, and it is no copy of itself.
    mode(&home, 0o775);
    let ran = user(&plain, (&own, &home), STATUS).code(2).says("chmod go-w ");
    assert!(!ran.stderr.contains("already"), "{ran}");
    plain.ledger_in(&home, USER, 0o600);
    user(&plain, (&home, &home), STATUS).code(2).says("rollout already");
}

/// By a link, a copy has the name that was given: another one would be none to the next command.
#[test]
fn s5_a_copy_of_a_ledger_has_the_name_by_which_it_was_called() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let shared = made(plain.place.path().join("shared"), 0, 0o1777);
    fs::rename(plain.ledger_in(&shared, USER, 0o600), shared.join("real")).unwrap();
    symlink("real", shared.join(LEDGER)).unwrap();
    std::os::unix::fs::lchown(shared.join(LEDGER), Some(USER), None).unwrap();
    let at = (&*shared, &*home);
    let ran = user(&plain, at, CHECKPOINT).code(2);
    user(&plain, at, &format!("{} && {CHECKPOINT} && {STATUS}", typed(&ran, COPY, "\n"))).code(0);
}

/// In a directory of another, or below one that others can exchange, what is advised would be refused again.
#[test]
fn s5_no_directory_is_named_that_is_then_refused() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let anothers = made(plain.place.path().join("anothers"), ANOTHER, 0o1777);
    let open = made(plain.place.path().join("open"), 0, 0o777);
    let below = made(open.join("below"), 0, 0o1777);
    for dir in [&anothers, &below] {
        made(dir.join("rollout"), USER, 0o700);
        plain.ledger_in(dir, USER, 0o600);
        let at = (&**dir, &*home);
        for command in [STATUS, CHECKPOINT] {
            let copy = typed(&user(&plain, at, command).code(2), COPY, "\n");
            assert!(copy.contains("mkdir -m 700 ~/rollout ") && copy.ends_with("cd ~/rollout"), "{copy}");
            user(&plain, at, &format!("{copy} && {STATUS} && {CHECKPOINT}")).code(0);
            fs::remove_dir_all(home.join("rollout")).unwrap();
        }
    }
}

/// What root types is about the uppermost directory alone: whatever lies below it may be somebody's link.
#[test]
fn s5_root_closes_from_the_top_and_follows_nothing_that_others_put_there() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    let upper = made(plain.place.path().join("upper"), 0, 0o777);
    let lower = made(upper.join("lower"), 0, 0o777);
    plain.ledger_in(&lower, USER, 0o600);
    let at = (&*lower, &*home);
    for dir in [&upper, &lower] {
        let ran = user(&plain, at, CHECKPOINT).code(2);
        let root = typed(&ran, "Have root type: ", ". Then");
        assert_eq!(root, format!("chmod +t {}", dir.display()));
        by(&plain, &[], at, &root).code(0);
    }
    let copy = typed(&user(&plain, at, CHECKPOINT).code(2), COPY, "\n");
    assert!(copy.contains(lower.join("rollout").to_str().unwrap()), "{copy}");
    user(&plain, at, &format!("{copy} && {CHECKPOINT}")).code(0);
}

/// The init containers of the runbook, at each start, and where another has been there first.
#[test]
fn s5_the_runbooks_init_containers_give_a_directory_or_say_that_they_do_not() {
    let Some(plain) = Plain::new() else { return };
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md")).unwrap();
    let commands: Vec<_> =
        docs.lines().filter_map(|line| line.trim().strip_prefix("command: [sh, -c, \"")).collect();
    let [root, own] = commands[..] else { panic!("{commands:?}") };
    for bits in [0o755, 0o777, 0o2775] {
        let volume = made(plain.place.path().join(format!("volume{bits:o}")), 0, bits);
        let script =
            |line: &str| line.strip_suffix("\"]").unwrap().replace("/data", volume.to_str().unwrap());
        let at = (&*volume, &*volume);
        let place = volume.join("rollout");
        for planted in ["directory", "link", "nothing", "ours"] {
            match planted {
                "directory" => drop(made(place.clone(), ANOTHER, 0o777)),
                "link" => symlink("/", &place).unwrap(),
                _ => {}
            }
            by(&plain, &[], at, &script(root)).code(0);
            let ran = user(&plain, at, &script(own));
            assert_eq!(volume.metadata().unwrap().mode() & 0o7777, bits | 0o1777, "the group's bit stays");
            match planted {
                "directory" => fs::remove_dir(&place).unwrap(),
                "link" => fs::remove_file(&place).unwrap(),
                _ => {
                    ran.code(0);
                    plain.ledger_in(&place, USER, 0o600);
                    user(&plain, (&place, &volume), CHECKPOINT).code(0);
                    continue;
                }
            }
            assert_ne!(ran.code, Some(0), "{planted}: {ran}");
            assert!(!ran.stderr.is_empty(), "{ran}");
        }
    }
}
