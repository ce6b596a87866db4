//! Worlds that are shared: by two countries, by two ledgers, by two databases that look alike (requirements C6, D7,
//! E6, S7).

use ledger::event::{Opened, Target};
use ledger::ids::LedgerId;
use ledger::ledger::Ledger;
use ledger::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::support::site::Site;
use crate::support::stage::Kind;

fn migrate(site: &Site, country: &str) -> Value {
    site.one_run(&["migrate", "--country", country, "--yes"], 0)
}

fn rollback(site: &Site, country: &str) -> Value {
    site.one_run(&["rollback", "--country", country, "--yes", "--delete-cdn-files"], 0)
}

#[test]
fn s7_two_countries_whose_venues_share_a_slug_and_a_picture_share_a_file() {
    let site = Site::new(Kind::Sqlite);
    site.stage.sql("INSERT INTO cities VALUES (3, 'Newport', 'newport', 1), (4, 'Newport', 'newport', 2)");
    for (id, city) in [(1, 3), (2, 4)] {
        let entry = site.stage.external(&format!("/{id}.jpg"), "the same picture");
        site.stage.venue(id, "the-ship", city, &format!("[{entry}]"));
    }
    let before = site.stage.rows();
    migrate(&site, "PL");
    let germany = migrate(&site, "DE");
    let total = &germany["report"]["total"];
    assert_eq!((&total["uploads"], &total["adopted"]), (&json!(0), &json!(1)), "{germany}");
    assert_eq!((site.paths().len(), site.stage.requests("upload")), (1, 1));
    let (poland_only, shared) = (site.stage.images(1).unwrap(), site.paths());
    assert!(site.stage.images(2).unwrap().contains(&shared[0]));
    let back = rollback(&site, "DE");
    assert_eq!((&back["files_deleted"], site.paths()), (&json!(0), shared), "Poland still needs it: {back}");
    assert_eq!((site.stage.images(1).unwrap(), &site.stage.rows()[&2]), (poland_only, &before[&2]));
    let back = rollback(&site, "PL");
    assert_eq!((&back["files_deleted"], site.paths().len()), (&json!(1), 0), "{back}");
    assert_eq!(site.stage.rows(), before);
}

#[test]
fn c6_e6_a_venue_that_moved_to_another_country_is_taken_back_where_it_was() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    site.lost(1, "/lost.jpg");
    site.venue(2, 2, &["/2.jpg"]);
    let before = site.stage.rows();
    site.one_run(&["migrate", "--country", "PL", "--yes"], 10);
    site.stage.sql("UPDATE venues SET city_id = 2 WHERE id = 1");
    // What it was is told where it was; what of it failed is taken up where it is.
    let status = site.run_json(&["status"]).code(0).json();
    assert_eq!(
        (&status["countries"][0]["code"], &status["countries"][0]["images"]),
        (&json!("PL"), &json!(2)),
        "{status}"
    );
    site.found("/lost.jpg");
    let germany = migrate(&site, "DE");
    assert_eq!((&germany["tally"]["venues"], &germany["tally"]["done"]), (&json!(2), &json!(2)), "{germany}");
    site.run_idle(&["migrate", "--country", "PL", "--yes"])
        .code(0)
        .says("Nothing is left to migrate in Poland.");
    // Another ledger's rollback is kept away from both countries that the venue was planned in.
    let back = rollback(&site, "PL");
    assert_eq!((&back["tally"]["done"], &back["files_deleted"]), (&json!(1), &json!(1)), "{back}");
    let images = site.stage.images(1).unwrap();
    assert_eq!(images.matches("imagekit_file_id").count(), 1, "Germany's image stays: {images}");
    let back = rollback(&site, "DE");
    assert_eq!((&back["tally"]["done"], site.stage.rows()), (&json!(2), before), "{back}");
    assert!(site.paths().is_empty());
}

#[test]
fn s7_two_ledgers_on_one_account_adopt_and_never_delete_what_is_the_others_too() {
    // The staging database has the same venues; its program has a ledger of its own.
    let (mut staging, production) = (Site::new(Kind::Sqlite), Site::new(Kind::Sqlite));
    for name in ["IMAGEKIT_URL_ENDPOINT", "IMAGEKIT_UPLOAD_URL", "IMAGEKIT_API_URL"] {
        staging.settings.insert(name.into(), production.settings[name].clone());
    }
    for site in [&staging, &production] {
        site.venue(1, 1, &["/1.jpg"]);
        site.venue(2, 1, &["/2.jpg"]);
    }
    production.venue(3, 1, &["/3.jpg"]);
    let (before, files) = (staging.stage.rows(), || production.stage.imagekit.files());
    migrate(&production, "PL");
    let adopted = migrate(&staging, "PL");
    let total = &adopted["report"]["total"];
    assert_eq!((&total["uploads"], &total["adopted"]), (&json!(0), &json!(2)), "{adopted}");
    let tags = |path: &str| {
        let file = files().into_iter().find(|file| file.path.starts_with(path)).unwrap();
        file.tags.iter().filter(|tag| tag.starts_with("ledger-")).count()
    };
    assert_eq!((tags("/venues/pub-1/"), tags("/venues/pub-3/")), (2, 1), "{:?}", files());
    // Staging tidies up: nothing that production shows may go.
    let back = staging.run(&["rollback", "--country", "PL", "--yes", "--delete-cdn-files"]).code(0);
    let back = back.says("its tags name another ledger too");
    assert_eq!((files().len(), staging.stage.rows()), (3, before), "{back}");
    // And the other way round: what staging's ledger has put its name on is not production's alone.
    migrate(&staging, "PL");
    let back = rollback(&production, "PL");
    assert_eq!((&back["files_deleted"], files().len()), (&json!(1), 2), "{back}");
    assert!(files().iter().all(|file| file.versions == 1));
}

#[test]
fn d7_a_copy_of_a_sqlite_database_is_another_database() {
    let mut site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    migrate(&site, "PL");
    let path = site.settings["PRODUCTION_DATABASE_URL"].strip_prefix("sqlite:").unwrap().to_owned();
    let copy = format!("{path}.copy.db");
    std::fs::copy(&path, &copy).unwrap();
    site.settings.insert("PRODUCTION_DATABASE_URL".into(), format!("sqlite:{copy}"));
    for args in
        [&["migrate", "--country", "PL", "--yes"][..], &["rollback", "--country", "PL", "--yes"], &["resume"]]
    {
        site.run_idle(args).code(2).says("belongs to").says(&copy).says("`--ledger PATH`");
    }
    // The same file by another way is the same database.
    let (dir, name) = path.rsplit_once('/').unwrap();
    site.settings.insert("PRODUCTION_DATABASE_URL".into(), format!("sqlite:{dir}/./{name}"));
    site.run(&["rollback", "--country", "PL", "--yes"]).code(0);
}

#[test]
fn d7_a_database_at_another_host_is_mentioned() {
    let mut site = Site::new(Kind::Postgres);
    site.venue(1, 1, &["/1.jpg"]);
    migrate(&site, "PL");
    let url = site.settings["PRODUCTION_DATABASE_URL"].clone();
    let elsewhere = url.replacen("127.0.0.1", "localhost", 1);
    assert_ne!(elsewhere, url, "the test's server has an address");
    site.settings.insert("PRODUCTION_DATABASE_URL".into(), elsewhere);
    let back = site.run(&["rollback", "--country", "PL", "--yes"]).code(0);
    back.says("Note: this database was at 127.0.0.1").says("and is at localhost");
}

#[test]
fn d7_a_dump_restored_on_another_server_is_another_database() {
    let site = Site::new(Kind::Postgres);
    site.venue(1, 1, &["/1.jpg"]);
    migrate(&site, "PL");
    let opened = &site.events(&["--kind", "opened"])[0]["event"]["opened"];
    let mut target: Target = serde_json::from_value(opened["target"].clone()).unwrap();
    assert!(target.system.is_some(), "{opened}");
    // As a ledger that was kept of the server the dump came from: same name, same host, another system identifier.
    target.system = Some("7000000000000000001".to_owned());
    let path = site.ledger().with_file_name("theirs.ledger");
    let opened = Opened { format: 1, ledger: LedgerId([8; 16]), shard: None, target };
    drop(Ledger::create(&path, opened, Timestamp::from_millis(0), "a test").unwrap());
    let path = path.to_str().unwrap();
    for verb in ["migrate", "resume"] {
        let scope: &[&str] = if verb == "migrate" { &["--country", "PL", "--yes"] } else { &[] };
        let refused = site.run_idle(&[&[verb, "--ledger", path], scope].concat()).code(2);
        refused
            .says("belongs to production")
            .says("on another server")
            .says("7000000000000000001")
            .says("A ledger belongs to one database for ever");
    }
}
