//! A standby as the production database: what reads works there, and what would write is refused before it has begun.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, Row};
use url::Url;

use super::restart::Server;
use crate::kill::hand::{VENUES, direct_url};
use crate::support::program::Workplace;

/// Waits until what the one server holds is what the other shows.
fn caught_up(work: &Workplace, primary: &str, standby: &str) {
    let ask = |url: String, sql: &'static str| -> String {
        work.runtime.block_on(async {
            let mut server = PgConnection::connect(&url).await.unwrap();
            sqlx::query(sql).fetch_one(&mut server).await.unwrap().get(0)
        })
    };
    let written = ask(primary.to_owned(), "SELECT pg_current_wal_lsn()::text");
    let begun = Instant::now();
    loop {
        let shown = ask(standby.to_owned(), "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text");
        let wanted = ask(primary.to_owned(), "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text");
        if shown.parse::<f64>().unwrap() >= wanted.parse::<f64>().unwrap() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the standby does not get to {written}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn s7_a_standby_is_read_and_never_written_to_or_deleted_by() {
    let primary = Server::start();
    let mut work = Workplace::on_server(&primary.url(), VENUES);
    work.run(&["migrate", "--country", "DE", "--yes"]).code(10);
    let standby = primary.standby();
    let on_primary = direct_url(&work);
    let mut url = Url::parse(&on_primary).unwrap();
    url.set_port(Some(standby.port())).unwrap();
    caught_up(&work, &on_primary, url.as_str());
    work.settings.insert("PRODUCTION_DATABASE_URL".into(), url.to_string());

    // What reads tells the same.
    work.run(&["status"]).code(0);
    work.run(&["countries"]).code(0);
    work.run(&["plan", "--country", "FR"]).code(0);
    work.run(&["audit", "--country", "DE", "--live"]).code(0);
    work.run(&["verify", "--country", "DE"]).code(0);
    work.run(&["reconcile"]).says("the database is a standby");
    work.run(&["doctor"]).code(13).says("it is a standby");

    // What writes is refused before anything is uploaded, written to a row, deleted, or written down.
    let head = || work.run(&["ledger", "verify"]).code(0).stdout;
    let (files, before) = (work.sandbox.imagekit.files(), head());
    let (uploads, downloads) = (work.requests("upload"), work.requests("origin"));
    for args in [
        &["migrate", "--country", "FR", "--yes"][..],
        &["rollback", "--country", "DE", "--yes"],
        &["rollback", "--country", "DE", "--yes", "--delete-cdn-files"],
    ] {
        work.run(args).code(2).says("is a standby").says("PRODUCTION_DATABASE_URL");
    }
    work.run(&["reconcile", "--delete-orphans", "--yes"]).code(2).says("is a standby");
    assert_eq!((uploads, downloads), (work.requests("upload"), work.requests("origin")));
    assert_eq!((work.sandbox.imagekit.files(), head()), (files, before));

    // The same command goes on at the primary.
    work.settings.insert("PRODUCTION_DATABASE_URL".into(), on_primary);
    // One venue of France has data that cannot be read.
    work.run(&["migrate", "--country", "FR", "--yes"]).code(10).says("100.00 %");
}
