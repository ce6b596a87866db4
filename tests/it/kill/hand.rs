//! What the tests of interrupted programs share: the program at work beside the test, and what it leaves in a form that
//! two worlds can be compared in.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledger::event::Placed;
use ledger::ids::Seq;
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use longshore::sandbox::imagekit;

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// What the runs of these tests take: most of a small sandbox.
pub const COUNTRY: &str = "GB";
/// Venues in such a sandbox: nine of them in the United Kingdom, and one in each other country.
pub const VENUES: u32 = 12;
/// Nothing that is waited for in these tests takes this long; what does has failed.
const LONGEST: Duration = Duration::from_secs(120);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(1);

/// The command that goes forward.
pub fn migrate() -> Vec<&'static str> {
    vec!["migrate", "--country", COUNTRY, "--yes"]
}

/// The command that goes back.
pub fn rollback() -> Vec<&'static str> {
    vec!["rollback", "--country", COUNTRY, "--yes"]
}

/// A stream of the program, read while it goes on.
struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Heard {
    fn listen(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&text);
        let reading = std::thread::spawn(move || {
            let mut piece = [0; 4_096];
            while let Ok(n @ 1..) = stream.read(&mut piece) {
                kept.lock().unwrap().extend_from_slice(&piece[..n]);
            }
        });
        Self { text, reading }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(self) -> String {
        self.reading.join().unwrap();
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

/// The program at work beside the test. Dropped, it is killed.
pub struct Going {
    child: Child,
    args: String,
    heard: Option<(Heard, Heard)>,
}

impl Going {
    /// Starts it.
    pub fn start(work: &Workplace, args: &[&str]) -> Self {
        Self::spawn(work.command(args), args)
    }

    /// Starts it at a terminal, which util-linux's `script` gives it, passing on what is typed.
    pub fn at_a_terminal(work: &Workplace, args: &[&str]) -> Self {
        // Without `exec`, a Ctrl-C would reach a shell between the two as well, and some shells end by it.
        let typed = format!("exec {} {}", env!("CARGO_BIN_EXE_longshore"), args.join(" "));
        let mut command = Command::new("script");
        command.args(["-qec", &typed, "/dev/null"]).current_dir(work.work());
        command.envs(&work.settings).env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(command, args)
    }

    /// Types something at its terminal.
    pub fn types(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Starts a command that runs it.
    pub fn spawn(mut command: Command, args: &[&str]) -> Self {
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, args: args.join(" "), heard: Some((Heard::listen(out), Heard::listen(err))) }
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it has said something, on either stream.
    pub fn has_said(&self, text: &str) -> bool {
        self.heard.iter().any(|(out, err)| out.so_far().contains(text) || err.so_far().contains(text))
    }

    /// Waits until something is the case; false when the program ended before that.
    pub fn reaches(&mut self, mut is_there: impl FnMut() -> bool) -> bool {
        let started = Instant::now();
        loop {
            if is_there() {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return is_there();
            }
            assert!(started.elapsed() < LONGEST, "`{}` never got there", self.args);
            std::thread::sleep(LOOK);
        }
    }

    /// The same, where ending before that is wrong.
    #[track_caller]
    pub fn reach(&mut self, what: &str, is_there: impl FnMut() -> bool) {
        if !self.reaches(is_there) {
            panic!("it ended before {what}: {}", self.take());
        }
    }

    /// Waits until it has said something.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        let started = Instant::now();
        while !self.has_said(text) {
            let is_over = self.child.try_wait().unwrap().is_some();
            if (is_over && !self.has_said(text)) || started.elapsed() > LONGEST {
                panic!("it never said {text:?}: {}", self.take());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends it a signal by name, as `kill` knows it.
    pub fn signal(&mut self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.unwrap().success(), "kill -{name} {pid}");
    }

    /// kill -9.
    pub fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
        self.end()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < LONGEST, "`{}` does not end", self.args);
            std::thread::sleep(LOOK);
        }
        self.take()
    }

    fn take(&mut self) -> Ran {
        let _it_may_have_ended = self.child.kill();
        let code = self.child.wait().unwrap().code();
        let (out, err) = self.heard.take().unwrap();
        Ran { args: self.args.clone(), code, stdout: out.whole(), stderr: err.whole() }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _nobody_asks = self.child.wait();
    }
}

/// All venues' images as text.
pub type Texts = BTreeMap<i64, Option<String>>;

/// The rows' images, exactly as they are.
pub fn texts(work: &Workplace) -> Texts {
    work.rows().into_iter().map(|(id, row)| (id, row.images)).collect()
}

/// What a world holds, without what differs from one to the next: ports and times go, and a file id becomes the path of
/// the file that has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// The rows' images.
    pub rows: Texts,
    /// The CDN's files by path: their content and how many versions there are.
    pub files: BTreeMap<String, (String, usize)>,
}

/// What a world holds.
pub fn held(work: &Workplace) -> Held {
    let origin = work.sandbox.origin.base_url();
    Held::of(texts(work), &work.sandbox.imagekit, &origin)
}

impl Held {
    /// What these rows and an ImageKit hold.
    pub fn of(texts: Texts, imagekit: &imagekit::Running, origin: &str) -> Self {
        let files = imagekit.files();
        let plain = |text: String| {
            // One entry of the sandbox is written with escaped slashes, and stays so.
            let mut text = text.replace(origin, "origin:").replace(&origin.replace('/', "\\/"), "origin:");
            text = text.replace(&imagekit.url_endpoint(), "cdn:");
            for file in &files {
                text = text.replace(&format!("\"{}\"", file.id), &format!("\"the id of {}\"", file.path));
            }
            timeless(&text)
        };
        let rows = texts.into_iter().map(|(id, text)| (id, text.map(plain))).collect();
        let files =
            files.iter().map(|file| (file.path.clone(), (file.content.clone(), file.versions))).collect();
        Self { rows, files }
    }

    /// Sees that another world holds the same, or names the first difference: both whole would fill screens.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, told: &dyn std::fmt::Display) {
        for (id, text) in &self.rows {
            assert_eq!(Some(text), other.rows.get(id), "venue {id}: {told}");
        }
        assert_eq!(self.rows.len(), other.rows.len(), "{told}");
        for (path, file) in &self.files {
            assert_eq!(Some(file), other.files.get(path), "{path}: {told}");
        }
        let missing: Vec<_> = other.files.keys().filter(|path| !self.files.contains_key(*path)).collect();
        assert!(missing.is_empty(), "missing on the CDN: {missing:?}: {told}");
    }
}

/// What an undisturbed run leaves in such a world, and its exit code.
pub fn undisturbed(kind: Kind) -> (Held, i32) {
    let work = Workplace::new(kind, VENUES);
    let ran = work.run(&migrate());
    let code = ran.code.filter(|code| [0, 10].contains(code)).unwrap_or_else(|| panic!("{ran}"));
    (held(&work), code)
}

/// The application's database as the test itself reaches it, whatever stands between it and the program.
pub fn direct_url(work: &Workplace) -> String {
    let is_it = |(name, _): &&(&str, String)| *name == "PRODUCTION_DATABASE_URL";
    work.sandbox.settings.iter().find(is_it).unwrap().1.clone()
}

/// A text without the times of its uploads.
fn timeless(text: &str) -> String {
    const KEY: &str = "\"imagekit_uploaded_at\"";
    let mut parts = text.split(KEY);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_time, rest) = part.split_once('"').and_then(|(_, rest)| rest.split_once('"')).unwrap();
        plain.push_str(rest);
    }
    plain
}

/// The ledger of the production database, verified.
pub fn ledger(work: &Workplace) -> Ledger {
    Ledger::read(&work.ledger()).unwrap()
}

/// All events of a ledger.
pub fn events(ledger: &Ledger) -> Vec<Placed> {
    let mut all = Vec::new();
    let take = |placed| {
        all.push(placed);
        Ok::<_, LedgerError>(())
    };
    ledger.events(Seq(1), take).unwrap();
    all
}

/// How many events a ledger file holds, beside a writer or not; 0 while there is none.
pub fn events_written(work: &Workplace) -> i64 {
    use rusqlite::{Connection, OpenFlags};
    let count = || {
        let db = Connection::open_with_flags(work.ledger(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).ok()
    };
    count().unwrap_or(0)
}
