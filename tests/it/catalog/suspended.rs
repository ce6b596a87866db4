//! A program that stands still while its server still sends to it, and a server that says nothing any more.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ledger::ids::VenueId;
use longshore::limits::{CATALOG_IDLE_MS_MAX, CATALOG_UNREAD_MS_MAX};
use longshore::outside::catalog::{Rewrite, open};

use super::World;
use super::postgres::until;
use crate::support::postgres::run;

/// About as much as is read of a row. It may be more than the buffers of a connection hold: then the server waits inside
/// its statement, where its own limits of time do not count.
const LARGE: &str = "UPDATE venues SET venue_images = to_jsonb(repeat('x', 3999000)) WHERE id = 1";

async fn gives_the_row_back(world: World) {
    let mut admin = world.database().admin().await;
    run(&mut admin, LARGE).await;
    let mut blocker = world.database().admin().await;
    run(&mut blocker, "BEGIN; SELECT id FROM venues WHERE id = 1 FOR UPDATE").await;
    let (stop, stops) = tokio::sync::oneshot::channel::<()>();
    let (go_on, told) = channel::<()>();
    let (say, is_stopped) = channel();
    let url = world.url.clone();
    // One thread for everything, so that nobody reads the connection while it waits here.
    let standing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let catalog = open(&url).await.unwrap();
            let write = |_: Option<&str>| Rewrite::Write(Some("[2]".into()));
            let stop = async {
                stops.await.unwrap();
                say.send(()).unwrap();
                told.recv().unwrap();
            };
            tokio::join!(catalog.rewrite(VenueId(1), &write), stop).0
        })
    });
    until(&mut admin, "cardinality(pg_blocking_pids(a.pid)) > 0").await;
    stop.send(()).unwrap();
    tokio::task::block_in_place(|| is_stopped.recv().unwrap());
    run(&mut blocker, "COMMIT").await;
    // Whoever comes at once could still be quicker than who waited.
    until(&mut admin, "(a.wait_event = 'ClientWrite' OR a.state = 'idle in transaction')").await;
    let started = Instant::now();
    run(&mut admin, "SET lock_timeout = '100s'; UPDATE venues SET venue_images = '[1]' WHERE id = 1").await;
    let [idle, unread] = [CATALOG_IDLE_MS_MAX, CATALOG_UNREAD_MS_MAX].map(Duration::from_millis);
    let took = started.elapsed();
    assert!(took > idle / 4 && took < unread * 4, "the site waited {took:?}");
    go_on.send(()).unwrap();
    let trouble = tokio::task::block_in_place(|| standing.join().unwrap()).unwrap_err();
    assert!(trouble.outage, "{trouble}");
    let held = world.ask("SELECT venue_images::text FROM venues WHERE id = 1").await;
    assert_eq!(held.as_deref(), Some("[1]"), "what the site wrote stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_suspended_reader_of_a_large_row_gives_it_back() {
    gives_the_row_back(World::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_suspended_reader_of_a_large_row_gives_it_back_behind_a_pooler() {
    gives_the_row_back(World::pgbouncer().await).await;
}

/// Passes bytes on in one direction, until nothing gets through any more.
fn pass(mut from: TcpStream, mut to: TcpStream, is_cut: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Ok(n @ 1..) = from.read(&mut piece) {
            while is_cut.load(Ordering::SeqCst) {
                std::thread::park();
            }
            to.write_all(&piece[..n]).unwrap();
        }
    });
}

/// A URL for the same database over a wire that can be cut, without either side being told.
fn over_a_wire(url: &str) -> (String, Arc<AtomicBool>) {
    let mut url = url::Url::parse(url).unwrap();
    let server = url.port().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = is_cut.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
            pass(near.try_clone().unwrap(), far.try_clone().unwrap(), cut.clone());
            pass(far, near, cut.clone());
        }
    });
    (url.into(), is_cut)
}

#[tokio::test]
async fn e3_a_server_that_vanishes_without_a_word_is_an_outage() {
    let world = World::postgres().await;
    let (url, is_cut) = over_a_wire(&world.url);
    let catalog = open(&url).await.unwrap();
    let cut = |_: Option<&str>| {
        is_cut.store(true, Ordering::SeqCst);
        // From here on only time passes: whoever waits for it is told at once that it is over.
        tokio::time::pause();
        Rewrite::Write(Some("[1]".into()))
    };
    let long = Duration::from_secs(86_400);
    let row = tokio::time::timeout(long, catalog.rewrite(VenueId(1), &cut)).await.expect("it waits for ever");
    let trouble = row.unwrap_err();
    assert!(trouble.outage && trouble.message.contains("said nothing for 90 s"), "{trouble}");
}
