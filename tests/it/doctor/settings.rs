//! Settings that are missing or cannot be one.

use std::os::unix::fs::PermissionsExt;

use super::{LOOKS, doctor, findings, finds, stands};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

#[test]
fn c16_every_missing_setting_is_told_at_once_and_the_rest_is_still_looked_at() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    let needed = [
        "PRODUCTION_DATABASE_URL",
        "TRIVIA_ADVISOR_DATABASE_URL",
        "IMAGEKIT_PRIVATE_KEY",
        "IMAGEKIT_URL_ENDPOINT",
    ];
    at.settings.retain(|name, _| !needed.contains(&name.as_str()));
    let ran = doctor(&at).code(13);
    for name in needed {
        finds(&ran, "settings", &format!("{name} is not set"), &format!("export {name}="));
    }
    finds(&ran, "settings", "TRIVIA_ADVISOR", "only `populate` needs it");
    assert_eq!(findings(&ran), ["settings"; 4], "nothing else is wrong: {ran}");
    for check in
        ["database", "columns", "rights", "pooler", "trivia_advisor", "imagekit_key", "endpoint", "usage"]
    {
        stands(&ran, check, "not_checked");
    }
    for check in ["origin", "imagekit_upload", "clocks", "ledger", "disk", "descriptors"] {
        stands(&ran, check, "ok");
    }
}

#[test]
fn c16_every_malformed_setting_is_told_and_none_of_their_values() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    for (name, value) in [
        ("PRODUCTION_DATABASE_URL", "mysql://me:s3cret-a@db.example/x"),
        ("TRIVIA_ADVISOR_DATABASE_URL", "postgres://me:s3cret-b@db.example/x?sslmode=disable"),
        ("IMAGEKIT_PRIVATE_KEY", "private s3cret-c"),
        ("IMAGEKIT_URL_ENDPOINT", "https://ik.imagekit.io/s3cret-d?x=s3cret-e"),
        ("IMAGEKIT_UPLOAD_URL", "http://upload.example"),
        ("IMAGEKIT_API_URL", "no url s3cret-f"),
        ("IMAGEKIT_STORAGE_LIMIT_GB", "s3cret-g"),
        ("IMAGEKIT_BANDWIDTH_LIMIT_GB", "-1"),
        ("ORIGIN_BASE_URL", "https://me:s3cret-h@cdn.example"),
        ("LONGSHORE_NOTIFY_URL", "http://hooks.example/s3cret-i"),
    ] {
        at.settings.insert(name.into(), value.into());
    }
    let ran = doctor(&at).code(13);
    for found in [
        "PRODUCTION_DATABASE_URL is no database URL",
        "TRIVIA_ADVISOR_DATABASE_URL: the database URL says sslmode=disable",
        "IMAGEKIT_PRIVATE_KEY is empty or holds a character that no key has",
        "IMAGEKIT_URL_ENDPOINT must be",
        "IMAGEKIT_UPLOAD_URL must be https",
        "IMAGEKIT_API_URL is not a URL",
        "IMAGEKIT_STORAGE_LIMIT_GB is no positive number",
        "IMAGEKIT_BANDWIDTH_LIMIT_GB is no positive number",
        "the origin's base URL must be http or https",
        "LONGSHORE_NOTIFY_URL must be https",
    ] {
        finds(&ran, "settings", found, "");
    }
    assert!(!ran.to_string().contains("s3cret"), "a value is shown: {ran}");
}

#[test]
fn c16_a_dotenv_that_is_broken_or_not_private_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let path = at.work().join(".env");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::write(&path, "IMAGEKIT_PUBLIC_KEY='public'\n").unwrap();
    mode(0o640);
    finds(&doctor(&at), "settings", ".env (mode 0640)", "chmod 600 .env");
    mode(0o600);
    doctor(&at).code(0);
    std::fs::write(&path, "IMAGEKIT_PRIVATE_KEY='private_half a line\n").unwrap();
    let broken = doctor(&at);
    finds(&broken, "settings", ".env in this directory cannot be read", "One NAME='value' a line");
    assert_eq!(findings(&broken), ["settings"], "the environment is still read: {broken}");
    assert!(!broken.to_string().contains("private_half"), "{broken}");
}

const DEV: [&str; 5] = ["doctor", "--format", "json", "--target", "dev"];

#[test]
fn c16_the_target_chooses_the_database() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.settings.remove("PRODUCTION_DATABASE_URL");
    let ran = at.run_looking(&DEV, &LOOKS).code(0);
    assert_eq!(ran.json()["target"], "dev");
    assert_eq!(ran.json()["ledger"], "longshore.dev.ledger");
    at.settings.insert("DEV_DATABASE_URL".into(), "sqlite:/nowhere/at-all.db".into());
    let ran = at.run_looking(&DEV, &LOOKS);
    finds(&ran, "database", "/nowhere/at-all.db", "See DEV_DATABASE_URL");
}
