//! How places are named, in the database and in the ledger (the scopes, requirements C4, C6, C12).

use serde_json::{Value, json};

use crate::support::site::Site;
use crate::support::stage::{How, Kind};

/// Poland's Kraków and Łódź, Germany's Köln and Gießen, and a Newport in each, Germany with two.
fn site(kind: Kind) -> Site {
    let site = Site::new(kind);
    site.stage.sql(
        "INSERT INTO cities VALUES (3, 'Łódź', 'lodz', 1), (4, 'Gießen', 'giessen', 2), (5, 'Newport', 'newport', 1),
                                   (6, 'Newport', 'newport', 2), (7, 'Newport', 'newport-am-see', 2)",
    );
    for city in 1..=7 {
        site.venue(city, city, &[&format!("/{city}.jpg")]);
    }
    site
}

fn would_move(site: &Site, scope: &[&str]) -> Value {
    let args = [&["migrate", "--dry-run", "--format", "json"], scope].concat();
    let preview = site.run_idle(&args).code(0).json();
    json!([preview["scope"], preview["venues"]])
}

fn places_are_found_in_the_database(kind: Kind) {
    let site = site(kind);
    for country in ["Poland", "POLAND", "pl", "PL", " poland "] {
        assert_eq!(would_move(&site, &["--country", country]), json!(["Poland", 3]), "{country}");
    }
    for (city, name) in [
        ("Kraków", "Kraków"),
        ("Krako\u{301}w", "Kraków"),
        ("KRAKÓW", "Kraków"),
        ("krakow", "Kraków"),
        ("ŁÓDŹ", "Łódź"),
        ("lodz", "Łódź"),
        ("GIESSEN", "Gießen"),
        ("GIEẞEN", "Gießen"),
        ("newport-am-see", "Newport"),
    ] {
        assert_eq!(would_move(&site, &["--city", city]), json!([name, 1]), "{city}");
    }
    let migrate = |scope: &[&str]| site.run_idle(&[&["migrate", "--yes"], scope].concat()).code(2);
    let several = migrate(&["--city", "Newport"]).says("\"Newport\" fits several cities").says("`--country`");
    let several = several.says("Newport, Poland (slug newport)").says("Newport, Germany (slug newport)");
    several.says("Newport, Germany (slug newport-am-see)");
    assert_eq!(would_move(&site, &["--city", "NEWPORT", "--country", "pl"]), json!(["Newport", 1]));
    migrate(&["--city", "Newport", "--country", "de"]).says("newport-am-see");
    assert_eq!(would_move(&site, &["--city", "newport", "--country", "de"]), json!(["Newport", 1]));
    migrate(&["--city", "Kraków", "--country", "de"]).says("there is no city \"Kraków\"");
    migrate(&["--country", "Polnad"]).says("Did you mean Poland?");
    migrate(&["--city", "Krakuf"]).says("Did you mean Kraków?");
    migrate(&["--city", "ılıca"]).says("there is no city");
    for nothing in ["", " ", "-", "\u{301}"] {
        migrate(&["--country", nothing]).says("there is no country");
        migrate(&["--city", nothing]).says("there is no city");
    }
}

#[test]
fn scopes_places_are_found_in_the_database_on_sqlite() {
    places_are_found_in_the_database(Kind::Sqlite);
}

#[test]
fn scopes_places_are_found_in_the_database_on_postgres() {
    places_are_found_in_the_database(Kind::Postgres);
}

/// The venues that `log` knows planned in a place.
fn planned(site: &Site, scope: &[&str]) -> Vec<i64> {
    let args = [&["--kind", "planned"], scope].concat();
    let lines = site.events(&args);
    lines.iter().map(|line| line["event"]["planned"]["venue"].as_i64().unwrap()).collect()
}

#[test]
fn scopes_the_ledger_knows_places_as_they_were_when_planned() {
    let site = site(Kind::Sqlite);
    site.one_run(&["migrate", "--country", "PL", "--yes"], 0);
    // Everything is called otherwise since, and a run knows some of it by its new name.
    site.stage.sql("UPDATE countries SET name = 'Polska', slug = 'polska' WHERE id = 1");
    site.stage.sql("UPDATE cities SET name = 'Cracow', slug = 'cracow' WHERE id = 1");
    site.stage.sql("UPDATE cities SET name = 'Lodsch', slug = 'lodsch' WHERE id = 3");
    site.lost(1, "/new.jpg");
    site.found("/new.jpg");
    site.one_run(&["migrate", "--country", "PL", "--yes"], 0);
    for country in ["Poland", "poland", "PL", "Polska"] {
        assert_eq!(planned(&site, &["--country", country]), [1, 3, 5, 1], "{country}");
    }
    for city in ["Kraków", "krakow", "Cracow", "CRACOW", "Krako\u{301}w"] {
        assert_eq!(planned(&site, &["--city", city]), [1, 1], "{city}");
        assert_eq!(planned(&site, &["--city", city, "--country", "poland"]), [1, 1], "{city}");
    }
    assert_eq!(planned(&site, &["--city", "lodz", "--country", "polska"]), [3]);
    let rollback = |scope: &[&str]| site.run_idle(&[&["rollback", "--yes"], scope].concat()).code(2);
    rollback(&["--city", "Lodsch"]).says("the ledger knows no city \"Lodsch\"");
    rollback(&["--city", "Krakuw"]).says("Did you mean Cracow?");
    rollback(&["--country", "Germany"]).says("the ledger knows no country \"Germany\"");
    rollback(&["--venue-id", "4"]).says("the ledger knows no venue 4");
    for nothing in ["", " ", "-"] {
        rollback(&["--country", nothing]).says("the ledger knows no country");
        rollback(&["--city", nothing]).says("the ledger knows no city");
    }
    let back = site.one_run(&["rollback", "--city", "kraków", "--country", "poland", "--yes"], 0);
    assert_eq!(back["tally"]["done"], 2, "{back}");
}

#[test]
fn scopes_a_city_that_fits_several_in_the_ledger_is_refused_with_their_list() {
    let site = site(Kind::Sqlite);
    site.one_run(&["migrate", "--country", "PL", "--yes"], 0);
    assert_eq!(planned(&site, &["--city", "Newport"]), [5], "the ledger knows only one so far");
    site.one_run(&["migrate", "--country", "DE", "--yes"], 0);
    for verb in [&["rollback", "--yes"][..], &["log"]] {
        let several = site.run_idle(&[verb, &["--city", "Newport"]].concat()).code(2);
        let several = several.says("Newport, Poland (slug newport)").says("Newport, Germany (slug newport)");
        several.says("Newport, Germany (slug newport-am-see)").says("`--country`");
    }
    assert_eq!(planned(&site, &["--city", "newport-AM-see"]), [7]);
    assert_eq!(planned(&site, &["--city", "newport", "--country", "germany"]), [6]);
    assert_eq!(planned(&site, &["--city", "NEWPORT", "--country", "poland"]), [5]);
}

#[test]
fn scopes_a_ledger_of_version_1_knows_its_places_without_slugs() {
    let site = Site::new(Kind::Sqlite);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/ledger/tests/golden/v1.ledger");
    std::fs::copy(golden, site.ledger()).unwrap();
    let all = planned(&site, &[]);
    let poland = planned(&site, &["--country", "pl"]);
    assert!(!poland.is_empty() && poland == all, "{poland:?} of {all:?}");
    assert_eq!(planned(&site, &["--country", "COUNTRY-PL"]), poland);
    assert!(!planned(&site, &["--city", "city 1", "--country", "PL"]).is_empty());
    for nothing in ["", "poland"] {
        let dry = ["rollback", "--dry-run", "--country", nothing];
        site.run(&dry).code(2).says("the ledger knows no country");
    }
    site.run(&["rollback", "--dry-run", "--country", "PL"]).code(0).says("Nothing was changed.");
}

#[test]
fn scopes_places_planned_before_and_after_slugs_were_written_down_are_one() {
    let site = site(Kind::Sqlite);
    // A run asked for Poland in the words of version 1; its plans have those of today.
    site.stage.migrate(&How { limit: Some(1), ..How::default() }).unwrap();
    std::fs::copy(site.stage.ledger_path(), site.ledger()).unwrap();
    for scope in
        [&["--country", "poland"][..], &["--city", "krakow", "--country", "Poland"], &["--city", "Kraków"]]
    {
        assert_eq!(planned(&site, scope), [1], "{scope:?}");
    }
}

#[test]
fn scopes_a_known_place_with_nothing_left_is_said() {
    let site = site(Kind::Sqlite);
    site.stage.sql("INSERT INTO countries VALUES (3, 'Ireland', 'IE', 'ireland')");
    site.run_idle(&["migrate", "--country", "ireland", "--yes"])
        .code(0)
        .says("Nothing is left to migrate in Ireland.");
    site.lost(1, "/lost.jpg");
    site.one_run(&["migrate", "--city", "krakow", "--yes"], 10);
    site.stage.set_images(1, "[]");
    // Somebody has taken the image away; what failed of it still waits for a person.
    site.run_idle(&["migrate", "--city", "krakow", "--yes"])
        .code(10)
        .says("Nothing is left to migrate in Kraków.");
    site.run(&["skip", "--venue-id", "1", "--reason", "it is no longer there"]).code(0);
    site.run_idle(&["migrate", "--city", "krakow", "--yes"])
        .code(0)
        .says("Nothing is left to migrate in Kraków.");
}

#[test]
fn s4_a_places_name_begins_no_line_of_its_own() {
    let site = Site::new(Kind::Sqlite);
    site.stage.sql("UPDATE countries SET name = 'Poland\nError: gone\r\n\u{2028}Error: gone' WHERE id = 1");
    let ran = site.run(&["migrate", "--country", "PL", "--yes"]).code(0);
    assert_eq!(ran.stderr, "Nothing is left to migrate in Poland Error: gone  Error: gone.\n");
}
