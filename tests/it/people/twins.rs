//! Several entries of a venue with one URL, of which one fails and is taken up again (requirements C8, C9, C11).

use serde_json::json;

use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--venue-id", "1", "--yes"];

fn a_twin_that_failed_alone(kind: Kind) {
    let site = Site::new(kind);
    let (twin, other) = (site.stage.external("/twin.jpg", "t"), site.stage.external("/other.jpg", "o"));
    site.stage.venue(1, "pub-1", 1, &format!("[{twin}, {other}, {twin}]"));
    let before = site.stage.rows();
    site.stage.order("origin/twin.jpg=404x1");
    site.run(&MIGRATE).code(10).says("not_found");
    site.run(&MIGRATE).code(0);

    let report = site.run_json(&["report", "--venue-id", "1"]).code(0).json();
    assert_eq!((&report["total"]["images"], &report["total"]["counts"]["completed"]), (&json!(3), &json!(3)));
    let data = site.run(&["export", "rollback-data", "--venue-id", "1"]).code(0).json();
    let first = serde_json::from_str::<serde_json::Value>(before[&1].as_deref().unwrap()).unwrap();
    assert_eq!(data["total_images"], 3, "{data}");
    assert_eq!(data["venues"][0]["images_before_phase2"], first, "every entry as it was before either run");
    let status = site.run_json(&["status"]).code(0).json();
    assert_eq!(status["total"]["completed"], 3, "{status}");
    let verified = site.run_json(&["ledger", "verify"]).code(0).json();
    assert_eq!(verified["unaccounted"], json!([]));

    site.run(&["rollback", "--venue-id", "1", "--yes"]).code(0);
    assert_eq!(site.stage.rows(), before);
    let report = site.run_json(&["report", "--venue-id", "1"]).code(0).json();
    assert_eq!(report["total"]["counts"]["rolled_back"], 3, "{report}");
}

#[test]
fn c11_a_twin_that_failed_alone_changes_nothing_about_the_other_on_sqlite() {
    a_twin_that_failed_alone(Kind::Sqlite);
}

#[test]
fn c11_a_twin_that_failed_alone_changes_nothing_about_the_other_on_postgres() {
    a_twin_that_failed_alone(Kind::Postgres);
}
