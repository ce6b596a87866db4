//! A place whose name shows nothing is confirmed by a word that can be seen and typed (requirement C4).

use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Types an answer to a question that begins so.
fn answered(at: &Workplace, args: &[&str], question: &str, typed: &str) -> Ran {
    let mut going = Going::at_a_terminal(at, args);
    going.says(question);
    going.types(&format!("{typed}\n"));
    going.end()
}

const GERMANY: [&str; 5] = ["migrate", "--country", "DE", "--limit", "1"];

#[test]
fn c4_a_name_that_shows_nothing_is_not_confirmed_by_a_bare_enter() {
    let at = Workplace::new(Kind::Sqlite, 12);
    let rows = at.rows();
    for unseen in [
        "",
        " ",
        "\u{200b}",
        "\u{3164}",
        "\u{ffa0}\u{115f}",
        "\u{301}\u{20dd}",
        "\u{202e}\u{2066}",
        "\u{2800}",
        "\u{a0}\u{3000}",
        "\u{1b}",
    ] {
        at.sql(&format!("UPDATE countries SET name = '{unseen}' WHERE code = 'DE'"));
        at.sql(&format!("UPDATE cities SET name = '{unseen}' WHERE country_id = (SELECT id FROM countries WHERE code = 'DE')"));
        let ran = answered(&at, &GERMANY, "Type DE to go on", "");
        ran.code(2).says("not confirmed");
        assert!(at.rows() == rows && !at.ledger().exists(), "{unseen:?}");
    }
    let city = at.rows().len();
    assert!(city > 0);
    let ran = answered(&at, &GERMANY, "Type DE to go on", "DE");
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert!(at.rows() != rows, "{ran}");
}

#[test]
fn c4_what_is_to_be_typed_is_shown_also_where_a_secret_is_the_same_word() {
    let mut at = Workplace::new(Kind::Sqlite, 12);
    let url = "postgres://me:Germany@127.0.0.1:9/x";
    at.settings.insert("DEV_DATABASE_URL".into(), url.into());
    at.sql("UPDATE countries SET name = 'Germany' WHERE code = 'DE'");
    let rows = at.rows();
    let ran = answered(&at, &GERMANY, "Type Germany to go on", "Germany");
    assert!(matches!(ran.code, Some(0 | 10)) && at.rows() != rows, "{ran}");
    at.run(&["doctor"]).says("DEV_DATABASE_URL: a secret of fewer");
}

#[test]
fn c6_what_a_fixed_word_confirms_is_named_also_where_a_secret_is_the_same_word() {
    let mut at = Workplace::new(Kind::Sqlite, 12);
    let url = "postgres://me:Germany@127.0.0.1:9/x";
    at.settings.insert("DEV_DATABASE_URL".into(), url.into());
    at.sql("UPDATE countries SET name = 'Germany' WHERE code = 'DE'");
    answered(&at, &GERMANY, "Type Germany to go on", "Germany");
    let ran = answered(&at, &["rollback", "--country", "DE"], "Type ROLLBACK to go on", "no").code(2);
    ran.says(" in Germany back as they were").says(": migrate Germany, by ");
}

#[test]
fn c4_a_city_whose_name_shows_nothing_is_confirmed_by_its_id() {
    let at = Workplace::new(Kind::Sqlite, 12);
    at.sql("UPDATE cities SET name = char(12644), slug = 'unseen' WHERE id = (SELECT min(id) FROM cities)");
    let rows = at.rows();
    let args = ["migrate", "--city", "unseen", "--limit", "1"];
    answered(&at, &args, "Type city ", "").code(2).says("not confirmed");
    assert!(at.rows() == rows && !at.ledger().exists());
}

#[test]
fn c4_a_name_may_be_typed_with_its_accents_composed_or_not() {
    let at = Workplace::new(Kind::Sqlite, 12);
    at.sql(
        "UPDATE countries SET name = 'Co' || char(770) || 'te  d' || char(180) || 'Or ' WHERE code = 'DE'",
    );
    let rows = at.rows();
    answered(&at, &GERMANY, "to go on", "Cote d\u{b4}Or").code(2).says("not confirmed");
    assert!(at.rows() == rows);
    let ran = answered(&at, &GERMANY, "to go on", "C\u{f4}te d\u{b4}Or");
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
}
