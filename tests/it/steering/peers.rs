//! Who is at the other end of the control socket (requirements C15, S5), and how many may be there.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use longshore::limits::{CONTROL_CLIENTS_MAX, CONTROL_WAITING_MAX};
use longshore::sandbox::faults::Fault;
use rustix::process::Uid;

use super::socket;
use crate::kill::hand::{Going, VENUES, migrate};
use crate::machine::small::is_root;
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Somebody who is neither root nor whoever runs the tests.
const ANOTHER: u32 = 65_534;

/// Does something on a thread that belongs to another user.
fn as_another<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let uid = Uid::from_raw(ANOTHER);
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        work()
    });
    thread.join().unwrap()
}

#[test]
fn c15_nothing_is_asked_at_a_socket_that_another_user_listens_on() {
    if !is_root() {
        eprintln!("NOT RUN: only root can listen as another user");
        return;
    }
    let at = Workplace::new(Kind::Sqlite, 4);
    // In a directory that others may write to.
    let shared = tempfile::tempdir().unwrap();
    std::fs::set_permissions(shared.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let ledger = shared.path().join("x.ledger");
    let path = shared.path().join("x.ledger.sock");
    let listener = as_another(move || UnixListener::bind(path).unwrap());
    let heard = std::thread::spawn(move || {
        let mut text = String::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut piece = [0; 1_000];
        if let Ok(n) = stream.read(&mut piece) {
            text.push_str(&String::from_utf8_lossy(&piece[..n]));
            let _it_may_have_left = stream.write_all(b"{\"run\":1,\"refused\":\"hello\"}\n");
        }
        text
    });
    let ran = at.run(&["control", "pause", "--ledger", ledger.to_str().unwrap()]);
    assert_eq!(heard.join().unwrap(), "", "{ran}");
    ran.code(30).says("is listened on by user 65534").says("x.ledger.sock");
}

/// A run that is asked to pause waits for uploads that take long.
fn slow() -> (Workplace, Going) {
    let at = Workplace::new(Kind::Sqlite, VENUES);
    at.sandbox.faults.inject("upload", 3, 1_000, Fault::Delay(Duration::from_secs(25)));
    let mut going = Going::start(&at, &migrate());
    going.reach("its fourth upload", || at.requests("upload") >= 4);
    (at, going)
}

const PAUSE: &str = "{\"ask\":\"pause\",\"operator\":{\"user\":\"a\",\"host\":\"b\",\"version\":\"0\"}}\n";

fn pause(at: &Workplace) -> UnixStream {
    let mut stream = UnixStream::connect(socket(at)).unwrap();
    stream.write_all(PAUSE.as_bytes()).unwrap();
    stream
}

/// Whether the run has hung up, looked at for a moment.
fn is_closed(stream: &mut UnixStream, moment: Duration) -> bool {
    stream.set_read_timeout(Some(moment)).unwrap();
    matches!(stream.read(&mut [0; 8]), Ok(0))
}

#[test]
fn c15_those_who_wait_for_a_pause_are_bounded() {
    let (at, going) = slow();
    let mut asked: Vec<UnixStream> = (0..CONTROL_WAITING_MAX + 20).map(|_| pause(&at)).collect();
    let closed =
        asked.iter_mut().filter_map(|stream| is_closed(stream, Duration::from_millis(100)).then_some(()));
    assert_eq!(closed.count(), 20, "there is no end to those who wait");
    at.run(&["control", "pause"]).code(30).says("too many wait for its pause");
    at.run(&["control", "status"]).code(0).says("finishes what is in the air");
    // Who has left waits no more, and makes room.
    drop(asked);
    let started = Instant::now();
    while is_closed(&mut pause(&at), Duration::from_secs(1)) {
        assert!(started.elapsed() < Duration::from_secs(20), "those who left still wait");
    }
    going.kill();
}

#[test]
fn c15_another_user_takes_no_seat() {
    if !is_root() {
        eprintln!("NOT RUN: only root can connect as another user");
        return;
    }
    let (at, going) = slow();
    let path = socket(&at);
    for (path, mode) in [(at.work().parent().unwrap(), 0o711), (&at.work(), 0o711), (&path, 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let connect = move || (0..2 * CONTROL_CLIENTS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let others: Vec<UnixStream> = as_another(connect);
    at.run(&["control", "status"]).code(0);
    drop(others);
    going.kill();
}
