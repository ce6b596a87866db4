//! `.env` is data, from somebody who may say what the program does (requirements D6, S1).

mod not_taken;
mod pass_files;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace};
use crate::support::raw_http::{RawServer, answer};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const TRUST: &str = "LONGSHORE_TRUST_ENV_FILE";
/// Any user but the one who runs the tests.
const NOBODY: u32 = 65_534;

/// A place whose sandbox's settings are in no environment, and somebody who hears what is sent to him.
struct Planted {
    at: Workplace,
    heard: RawServer,
    /// What the sandbox's own settings would be in a file.
    settings: String,
}

impl Planted {
    fn new() -> Self {
        let mut at = Workplace::new(Kind::Sqlite, 3);
        let heard = at.runtime.block_on(RawServer::start(|_| answer(204, &[], b"")));
        let settings = fs::read_to_string(at.sandbox_dir().join("env")).unwrap();
        at.settings.retain(|name, _| name == "USER");
        Self { at, heard, settings }
    }

    fn file(&self) -> PathBuf {
        self.at.work().join(".env")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
        self.mode(0o600);
    }

    fn mode(&self, mode: u32) {
        fs::set_permissions(self.file(), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Everything that was sent, heads and bodies.
    fn heard(&self) -> String {
        let asked = self.heard.asked();
        asked.iter().map(|asked| format!("{}{}", asked.head, String::from_utf8_lossy(&asked.body))).collect()
    }

    /// Sees that a command is refused over the file and begins nothing.
    #[track_caller]
    fn refused(&self, words: &[&str]) -> Ran {
        let ran = self.at.run(&MIGRATE).code(2).says(".env");
        let ran = words.iter().fold(ran, |ran, word| ran.says(word));
        assert!(!self.at.ledger().exists(), "nothing was begun: {ran}");
        assert_eq!(self.heard(), "", "nobody was told anything: {ran}");
        ran
    }
}

#[test]
fn s1_nothing_in_a_dotenv_is_replaced_by_a_variable() {
    let mut planted = Planted::new();
    let hook = planted.heard.url("/?k=${IMAGEKIT_PRIVATE_KEY}&d=$PRODUCTION_DATABASE_URL");
    for quote in ["", "\""] {
        planted.write(&format!("{}LONGSHORE_NOTIFY_URL={quote}{hook}{quote}\n", planted.settings));
        let ran =
            planted.refused(&["LONGSHORE_NOTIFY_URL has a $", "nothing is replaced", "Write the value out"]);
        assert!(!ran.stderr.contains(&hook), "the value is not shown: {ran}");
    }
    // The same out of the environment, which the file alone could read as well.
    for line in planted.settings.clone().lines().filter_map(|line| line.strip_prefix("export ")) {
        let (name, value) = line.split_once('=').unwrap();
        if name != "LONGSHORE_NOTIFY_URL" {
            planted.at.settings.insert(name.into(), value.trim_matches('\'').into());
        }
    }
    planted.at.settings.insert(TRUST.into(), "1".into());
    planted.write(&format!("LONGSHORE_NOTIFY_URL={hook}\n"));
    planted.refused(&["LONGSHORE_NOTIFY_URL has a $"]);
    // What is itself to the letter is sent to the letter.
    planted.write(&format!("OTHERS=${{IMAGEKIT_PRIVATE_KEY}}\nLONGSHORE_NOTIFY_URL='{hook}'\n"));
    planted.at.run(&MIGRATE);
    let heard = planted.heard();
    assert!(heard.contains("$PRODUCTION_DATABASE_URL") && heard.contains("IMAGEKIT_PRIVATE_KEY"), "{heard}");
    assert!(!heard.contains(&planted.at.settings["IMAGEKIT_PRIVATE_KEY"]), "{heard}");
}

#[test]
fn s5_a_dotenv_that_others_may_write_is_refused() {
    let mut planted = Planted::new();
    for mode in [0o620, 0o602, 0o666] {
        planted.write(&planted.settings);
        planted.mode(mode);
        planted.refused(&["may be written to by others", "chmod go-w"]);
    }
    // What the file says does not count for `doctor`, which goes on all the same.
    for line in planted.settings.lines().filter_map(|line| line.strip_prefix("export ")) {
        let (name, value) = line.split_once('=').unwrap();
        if name.ends_with("_URL") && !name.ends_with("DATABASE_URL") {
            planted.at.settings.insert(name.into(), value.trim_matches('\'').into());
        }
    }
    let told = planted.at.run(&["doctor", "--format", "json"]).code(13);
    told.says("may be written to by others").says("chmod go-w");
    planted.mode(0o600);
    planted.at.run(&["countries"]).code(0);
}

#[test]
fn s5_a_dotenv_of_another_user_is_refused_also_behind_a_link() {
    let planted = Planted::new();
    let theirs = planted.at.sandbox_dir().join("theirs");
    fs::write(&theirs, &planted.settings).unwrap();
    symlink(&theirs, planted.file()).unwrap();
    planted.at.run(&["countries"]).code(0);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o666)).unwrap();
    planted.refused(&["may be written to by others"]);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o644)).unwrap();
    // Only the superuser can give a file away; without that the rest cannot be tried.
    if chown(&theirs, Some(NOBODY), None).is_err() {
        return;
    }
    planted.refused(&["belongs to another user", "with the settings exported"]);
    fs::remove_file(planted.file()).unwrap();
    planted.write(&planted.settings);
    chown(planted.file(), Some(NOBODY), None).unwrap();
    planted.refused(&["belongs to another user", "with the settings exported"]);
}

#[test]
fn s1_beside_secrets_of_the_environment_a_dotenv_names_no_place_to_send_them_to() {
    let mut planted = Planted::new();
    let url = planted.heard.url("");
    let settings = planted.settings.clone();
    let all: Vec<(&str, &str)> = settings
        .lines()
        .map(|line| line.trim_start_matches("export ").split_once('=').unwrap())
        .map(|(name, value)| (name, value.trim_matches('\'')))
        .collect();
    let destinations = [
        "IMAGEKIT_URL_ENDPOINT",
        "IMAGEKIT_UPLOAD_URL",
        "IMAGEKIT_API_URL",
        "LONGSHORE_NOTIFY_URL",
        "ORIGIN_BASE_URL",
    ];
    for planted_name in destinations {
        planted.at.settings.retain(|name, _| name == "USER");
        let rest = all.iter().filter(|(name, _)| *name != planted_name);
        planted.at.settings.extend(rest.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // In the file itself a word of trust is a stranger's.
        planted.write(&format!("{planted_name}='{url}'\n{TRUST}=1\n"));
        planted.refused(&[
            planted_name,
            "must not come from .env while IMAGEKIT_PRIVATE_KEY comes from the environment",
            "export LONGSHORE_TRUST_ENV_FILE=1",
        ]);
    }
    // A variable that is there and empty keeps the file's out.
    planted.at.settings.insert("LONGSHORE_NOTIFY_URL".into(), String::new());
    planted
        .at
        .settings
        .insert("ORIGIN_BASE_URL".into(), all.iter().find(|of| of.0 == "ORIGIN_BASE_URL").unwrap().1.into());
    planted.write(&format!("LONGSHORE_NOTIFY_URL='{url}'\n"));
    planted.at.run(&["countries"]).code(0);
    planted.at.settings.remove("LONGSHORE_NOTIFY_URL");
    planted.refused(&["LONGSHORE_NOTIFY_URL must not come"]);
    planted.at.settings.insert(TRUST.into(), "1".into());
    planted.at.run(&MIGRATE);
    assert!(planted.heard().contains("finished"), "whoever trusts the file is obeyed: {}", planted.heard());
}

#[test]
fn s1_any_secret_of_the_environment_forbids_a_place_to_send_it_to() {
    let mut planted = Planted::new();
    let database = "postgres://me:s3cret@127.0.0.1:9/x";
    for (secret, value) in [
        ("IMAGEKIT_PRIVATE_KEY", "private_of-the-test"),
        ("PRODUCTION_DATABASE_URL", database),
        ("DEV_DATABASE_URL", database),
        ("TRVIA_ADVISOR_DATABASE_URL", database),
        ("PGPASSWORD", "s3cret"),
    ] {
        planted.at.settings.retain(|name, _| name == "USER");
        planted.at.settings.insert(secret.into(), value.into());
        planted.write(&format!("LONGSHORE_NOTIFY_URL='{}'\n", planted.heard.url("")));
        planted.refused(&[&format!("while {secret} comes from the environment")]);
    }
    // The driver sends this password to whatever database is named.
    planted.write(&format!("PRODUCTION_DATABASE_URL='{database}'\n"));
    planted.refused(&["PRODUCTION_DATABASE_URL must not come from .env while PGPASSWORD comes"]);
    // A file has no password, and all from one place is what most people have.
    planted.at.settings.retain(|name, _| name == "USER");
    planted.write(&planted.settings);
    planted.at.run(&["countries"]).code(0);
}

#[test]
fn s1_a_database_of_a_dotenv_is_sent_no_password_that_a_pass_file_has_for_any_host() {
    let mut planted = Planted::new();
    let pass = planted.at.sandbox_dir().join("pass");
    let put = |text: &str| {
        fs::write(&pass, text).unwrap();
        fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let trouble = |ran: Ran| assert!(!ran.code(30).stderr.contains("must not come from .env"));
    planted.at.settings.insert("PGPASSFILE".into(), pass.display().to_string());
    planted.at.settings.insert("HOME".into(), planted.at.work().display().to_string());
    let url = "postgres://app@127.0.0.1:9/x";
    planted.write(&format!("PRODUCTION_DATABASE_URL='{url}'\n{TRUST}=1\n"));
    // The driver reads more of a file than is read here.
    let long = format!("{}*:*:*:*:secret\n", "# a comment\n".repeat(100_000));
    for line in [&long, "*:*:*:*:secret\n", "h:*:*:*:other\n*:9:x:app:secret\n127.0.0.1:*:*:*:late\n"] {
        put(line);
        let path = pass.display().to_string();
        planted.refused(&[
            "PRODUCTION_DATABASE_URL must not come from .env",
            &path,
            "export LONGSHORE_TRUST",
        ]);
    }
    // The driver compares a line's host with another name than the directory of a socket.
    planted.write("PRODUCTION_DATABASE_URL='postgres://app@/x?host=/tmp/evil'\n");
    planted.at.settings.insert("PGHOST".into(), "h".into());
    planted.refused(&["PRODUCTION_DATABASE_URL must not come from .env"]);
    planted.write(&format!("PRODUCTION_DATABASE_URL='{url}'\n"));
    put("127.0.0.1:9:*:*:mine\n*:*:*:*:secret\n");
    trouble(planted.at.run(&["countries"]));
    put("*:*:*:*:secret\n");
    planted.at.settings.insert(TRUST.into(), "1".into());
    trouble(planted.at.run(&["countries"]));
    planted.at.settings.remove(TRUST);
    planted.at.settings.insert("PRODUCTION_DATABASE_URL".into(), url.into());
    trouble(planted.at.run(&["countries"]));
}

#[test]
fn s1_only_the_passwords_of_our_databases_in_a_pass_file_are_masked() {
    let mut planted = Planted::new();
    let pass = planted.at.sandbox_dir().join("pass");
    fs::write(&pass, "elsewhere:*:*:*:countries\nelsewhere:*:*:*:database\n127.0.0.1:9:x:app:connection\n")
        .unwrap();
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
    planted.at.settings.insert("PGPASSFILE".into(), pass.display().to_string());
    planted.at.settings.insert("PRODUCTION_DATABASE_URL".into(), "postgres://app@127.0.0.1:9/x".into());
    let ran = planted.at.run(&["countries"]);
    assert!(!ran.stderr.contains("connection"), "{ran}");
    ran.says("database");
    planted.at.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:/countries".into());
    planted.at.run(&["countries"]).says("countries");
}

#[test]
fn c14_a_sandbox_is_made_whatever_a_dotenv_says() {
    let planted = Planted::new();
    planted.write("IMAGEKIT_API_URL='https://elsewhere.example'\nnothing that is a line\n");
    planted.mode(0o666);
    planted.at.run(&["countries"]).code(2);
    let mut going = Going::start(&planted.at, &["sandbox", "--dir", "made", "--venues", "4"]);
    going.says("The sandbox is up");
    going.signal("TERM");
    going.end().code(0);
}

#[test]
fn c16_doctor_says_where_each_setting_comes_from_and_which_secret_is_too_short() {
    let mut planted = Planted::new();
    planted.write(&planted.settings);
    planted.at.settings.insert("IMAGEKIT_STORAGE_LIMIT_GB".into(), "7".into());
    planted.at.settings.insert("DEV_DATABASE_URL".into(), "postgres://me:pw@127.0.0.1:9/x".into());
    planted.at.settings.insert(TRUST.into(), "1".into());
    let ran = planted.at.run(&["doctor", "--format", "json"]).code(0);
    let all = ran.json()["checks"].as_array().unwrap().clone();
    let found: Vec<_> = all
        .iter()
        .filter(|line| line["check"] == "settings")
        .map(|line| line["found"].as_str().unwrap())
        .collect();
    let says = |text: &str| assert!(found.iter().any(|found| found.contains(text)), "{text}: {ran}");
    says(
        "from the environment: DEV_DATABASE_URL, IMAGEKIT_STORAGE_LIMIT_GB; from .env: PRODUCTION_DATABASE_URL",
    );
    says("DEV_DATABASE_URL: a secret of fewer than 4 bytes");
    assert!(!ran.stdout.contains("private_"), "no value is shown: {ran}");
}

#[test]
fn s5_a_dotenv_that_others_can_exchange_or_that_has_a_second_name_is_refused() {
    let planted = Planted::new();
    planted.write(&planted.settings);
    let dir = |mode| fs::set_permissions(planted.at.work(), fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o770, 0o777] {
        dir(mode);
        planted.refused(&["is a directory that others may write to", "chmod go-w"]);
    }
    dir(0o700);
    let second = planted.at.sandbox_dir().join("second");
    fs::hard_link(planted.file(), &second).unwrap();
    planted.refused(&["has 2 names (hard links)", "mktemp "]);
    fs::remove_file(second).unwrap();
    planted.at.run(&["countries"]).code(0);
}

#[test]
fn s1_a_pass_file_that_the_driver_passes_over_answers_for_no_other() {
    let mut planted = Planted::new();
    let home = planted.at.sandbox_dir();
    let put = |name: &str, text: &str, mode| {
        fs::write(home.join(name), text).unwrap();
        fs::set_permissions(home.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    planted.at.settings.insert("PGPASSFILE".into(), home.join("pass").display().to_string());
    planted.at.settings.insert("HOME".into(), home.display().to_string());
    planted.write("PRODUCTION_DATABASE_URL='postgres://app@127.0.0.1:9/x'\n");
    put(".pgpass", "*:*:*:*:secret\n", 0o600);
    put("pass", "127.0.0.1:*:*:*:mine\n", 0o640);
    planted.refused(&["PRODUCTION_DATABASE_URL must not come from .env", ".pgpass"]);
    // What is not taken is sent nowhere either.
    put(".pgpass", "*:*:*:*:secret\n", 0o644);
    let ran = planted.at.run(&["countries"]).code(30);
    assert!(!ran.stderr.contains("must not come from .env"), "{ran}");
}
