//! A database that refuses one venue, met by the program itself.

use ledger::event::Event;
use serde_json::Value;

use crate::kill::hand::{VENUES, events, held, ledger, migrate, texts, undisturbed};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

#[test]
fn e1_a_venue_that_the_database_refuses_fails_after_three_retries_and_the_others_go_on() {
    let (end, _) = undisturbed(Kind::Postgres);
    let work = Workplace::new(Kind::Postgres, VENUES);
    let before = texts(&work);
    let refused = work.sandbox.world.to_migrate("GB")[2].id;
    work.sql(&format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'venue % is being audited', NEW.id; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON venues FOR EACH ROW WHEN (NEW.id = {refused})
             EXECUTE FUNCTION refuse()"
    ));
    // Five of forty images is more than the brake would let pass.
    let args = [migrate(), vec!["--max-error-rate", "100"]].concat();
    let ran = work.run(&args).code(10);
    let there = texts(&work);
    for (id, text) in &held(&work).rows {
        match *id == refused {
            true => assert_eq!(there[id], before[id], "rolled back: {ran}"),
            false => assert_eq!(Some(text), end.rows.get(id), "venue {id} goes on: {ran}"),
        }
    }
    let failures = work.run_json(&["export", "failures"]).code(0).json();
    let of_it = |failure: &&Value| failure["venue_id"] == refused;
    let failures: Vec<_> = failures.as_array().unwrap().iter().filter(of_it).collect();
    assert!(!failures.is_empty(), "{ran}");
    for failure in &failures {
        if failure["error_type"] == "catalog_error" {
            assert_eq!(failure["retry_count"], 3, "{failure}");
            assert!(failure["error_message"].as_str().unwrap().contains("is being audited"), "{failure}");
        }
    }
    assert!(failures.iter().any(|failure| failure["error_type"] == "catalog_error"), "{failures:?}");

    work.sql("DROP TRIGGER refuse ON venues");
    let sent = work.requests("upload");
    let ran = work.run(&["resume", "--retry-failed", "--yes"]);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert_eq!(work.requests("upload"), sent, "what was stored is stored: {ran}");
    held(&work).assert_same(&end, &ran);
    assert!(events(&ledger(&work)).iter().any(|(_, record)| matches!(record.event, Event::RunFinished(_))));
}
