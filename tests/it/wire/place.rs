//! A small world of which every line can be harmed, and what must be true in it after whatever happened.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::event::Event;
use ledger::ledger::Ledger;

use longshore::sandbox::pictures::Picture;

use crate::kill::hand::{Going, Held, events};
use crate::support::line::{Fault, Harm, Line, Passing};
use crate::support::program::Ran;
use crate::support::site::Site;
use crate::support::stage::{Kind, Roads, Rows, Stage};

/// Set, each piece is harmed in its turn. Else a few of them, in equal distances, and those that matter most.
const ALL: &str = "LONGSHORE_FAULTS_ALL";
/// Worlds beside each other: most of the time each waits for its next try.
const LANES: usize = 3;

/// Pictures of each venue, by their paths at the origin. The last is the same picture as the first.
const VENUES: [(i64, &[&str]); 3] = [(1, &["/1a.jpg", "/1b.jpg"]), (2, &["/2a.jpg"]), (3, &["/3a.jpg"])];
/// What others have in the first venue's array.
const THEIRS: &str = r#"{"url": "https://example.org/a.jpg", "n": 1.50, "m": [1, {"ł": null}]}"#;

/// A JPEG with so many bytes of comments more.
fn padded(jpeg: &[u8], more: usize) -> Vec<u8> {
    const COMMENT: usize = 60_000;
    let mut bytes = jpeg[..2].to_vec();
    for _ in 0..more / COMMENT {
        bytes.extend([0xff, 0xfe]);
        bytes.extend((COMMENT as u16 + 2).to_be_bytes());
        bytes.extend([b'x'; COMMENT]);
    }
    bytes.extend(&jpeg[2..]);
    bytes
}

/// Which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To the application's database.
    Database,
    /// To where the pictures come from.
    Origin,
    /// To ImageKit's uploads.
    Upload,
    /// To its management API.
    Api,
    /// To its delivery.
    Delivery,
}

/// What the program does while a line is harmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Migrates.
    Migrate,
    /// Goes on with a migration that was killed in the middle of its second upload.
    Resume,
    /// Goes back.
    Rollback,
    /// The same, and deletes the files.
    RollbackAndDelete,
}

impl Verb {
    /// What is typed.
    pub fn args(self) -> Vec<&'static str> {
        let verb = match self {
            Self::Migrate => "migrate",
            Self::Resume => return vec!["resume", "--yes"],
            Self::Rollback | Self::RollbackAndDelete => "rollback",
        };
        let mut args = vec![verb, "--country", "PL", "--yes"];
        if self == Self::RollbackAndDelete {
            args.push("--delete-cdn-files");
        }
        args
    }
}

/// The world.
pub struct Place {
    /// The rows, the origin and ImageKit, and the directory to work in.
    pub site: Site,
    database: Option<Line>,
    origin: Line,
    cdn: [Line; 3],
    before: Rows,
}

impl Place {
    /// All as it is in the beginning.
    pub fn new(kind: Kind) -> Self {
        Self::larger(kind, 0, 0)
    }

    /// The same with so many bytes more in each picture, and in the first row.
    pub fn larger(kind: Kind, more: usize, wide: usize) -> Self {
        let delivery = Line::new();
        let mut site = Site::around(Stage::reached_at(kind, delivery.address));
        delivery.leads_to(site.stage.imagekit.addr);
        let [upload, api] = [Line::to(site.stage.imagekit.addr), Line::to(site.stage.imagekit.addr)];
        let origin = Line::to(site.stage.origin.addr);
        let here = |line: &Line| format!("http://{}", line.address);
        for (name, line) in
            [("IMAGEKIT_UPLOAD_URL", &upload), ("IMAGEKIT_API_URL", &api), ("ORIGIN_BASE_URL", &origin)]
        {
            site.settings.insert(name.to_owned(), here(line));
        }
        let database = (kind != Kind::Sqlite).then(|| {
            let mut url: url::Url = site.stage.url().parse().unwrap();
            let line = Line::to(([127, 0, 0, 1], url.port().unwrap()).into());
            url.set_port(Some(line.address.port())).unwrap();
            for name in ["PRODUCTION_DATABASE_URL", "DEV_DATABASE_URL"] {
                site.settings.insert(name.to_owned(), url.as_str().to_owned());
            }
            line
        });
        for (id, paths) in VENUES {
            let entry = |path: &&str| {
                let key = if *path == "/3a.jpg" { "/1a.jpg" } else { path };
                let bytes = padded(&Picture::new(1, key).bytes(), more);
                site.stage.origin.put(path, "image/jpeg", bytes);
                site.stage.entry(path).replace(&site.stage.origin.base_url(), &here(&origin))
            };
            let mut entries: Vec<_> = paths.iter().map(entry).collect();
            if id == 1 {
                entries.insert(1, THEIRS.replace("a.jpg", &format!("{}.jpg", "a".repeat(1 + wide))));
            }
            site.stage.venue(id, &format!("pub-{id}"), 1, &format!("[{}]", entries.join(", ")));
        }
        let [origin_at, upload_at, api_at] = [&origin, &upload, &api].map(here);
        site.stage.goes_over(Roads { origin: origin_at, upload: upload_at, api: api_at });
        site.stage.sql(match kind {
            Kind::Sqlite => AUDIT_SQLITE,
            Kind::Postgres | Kind::Pgbouncer => AUDIT_POSTGRES,
        });
        let before = site.stage.rows();
        Self { site, database, origin, cdn: [upload, api, delivery], before }
    }

    /// One of its lines.
    pub fn line(&self, part: Part) -> &Line {
        match part {
            Part::Database => self.database.as_ref().expect("a SQLite file has no line"),
            Part::Origin => &self.origin,
            Part::Upload => &self.cdn[0],
            Part::Api => &self.cdn[1],
            Part::Delivery => &self.cdn[2],
        }
    }

    /// Makes all as it was in the beginning.
    pub fn begins_anew(&self) {
        self.heal();
        self.site.stage.delete_all_files();
        for (id, text) in &self.before {
            self.site.stage.set_images(*id, text.as_ref().unwrap());
        }
        self.site.stage.sql("DELETE FROM written");
        self.site.stage.begins_anew();
        for file in std::fs::read_dir(self.site.work()).unwrap() {
            let path = file.unwrap().path();
            match path.is_dir() {
                true => std::fs::remove_dir_all(path).unwrap(),
                false => std::fs::remove_file(path).unwrap(),
            }
        }
    }

    /// Ends all sessions of the program's, as an administrator may.
    pub fn end_sessions(&self) {
        self.site.stage.sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }

    /// From now on all lines are well, and count anew.
    pub fn heal(&self) {
        for line in self.cdn.iter().chain([&self.origin]).chain(&self.database) {
            line.order(None);
        }
    }

    /// Brings it to where a command begins.
    pub fn prepare(&self, verb: Verb) {
        self.begins_anew();
        match verb {
            Verb::Migrate => {}
            Verb::Resume => {
                let args = [Verb::Migrate.args(), vec!["--concurrency", "1"]].concat();
                let upload = self.line(Part::Upload);
                upload.order(Some(Fault::at(Passing::ToServer, 3, Harm::Held)));
                let mut going = Going::spawn(self.site.command(&args), &args);
                going.reach("its second upload", || upload.has_struck());
                let _killed = going.kill();
                upload.let_go();
            }
            Verb::Rollback | Verb::RollbackAndDelete => {
                self.site.run(&Verb::Migrate.args()).code(0);
                self.site.stage.sql("DELETE FROM written");
            }
        }
        self.heal();
    }

    /// What it holds.
    pub fn held(&self) -> Held {
        Held::of(self.site.stage.rows(), &self.site.stage.imagekit, &self.site.settings["ORIGIN_BASE_URL"])
    }

    /// Whatever happened to a command, it ends in order, or was killed; the next goes on, and the end is that of an
    /// undisturbed one.
    pub fn comes_to(&self, verb: Verb, end: &Held, ran: &Ran, is_killed: bool) {
        self.heal();
        let mut told = ran.to_string();
        // 22: the session of a cut connection may outlive it by a moment, and its claim with it.
        assert!(is_killed || matches!(ran.code, Some(0 | 11 | 22 | 30)), "{told}");
        if ran.code != Some(0) {
            let is_told = ran.stderr.contains("Error: ") || ran.stdout.contains("`longshore resume` goes on");
            assert!(is_killed || is_told, "it does not say why: {ran}");
            let mut next = match self.site.ledger().exists() {
                true => self.site.run(&Verb::Resume.args()),
                false => self.site.run(&verb.args()),
            };
            // It ended before its run began, or with its last line written.
            if next.stderr.contains("Nothing to resume") {
                next = self.site.run(&verb.args());
            }
            told = format!("{told}\nand then: {next}");
            assert_eq!(next.code, Some(0), "{told}");
        }
        let verified = self.site.run(&["ledger", "verify"]);
        assert_eq!(verified.code, Some(0), "{told}\nand then: {verified}");
        self.is_explained(&[self.site.ledger()], end, &told);
    }

    /// It holds what an undisturbed command leaves, no row was written twice with the same, no file is there without an
    /// event of its own, and no image is waiting.
    pub fn is_explained(&self, ledgers: &[PathBuf], end: &Held, told: &str) {
        self.held().assert_same(end, &told);
        let written = self.site.stage.texts_of("SELECT venue || ' ' || after FROM written");
        let once: BTreeSet<_> = written.iter().collect();
        assert_eq!(once.len(), written.len(), "a row was written twice: {told}");
        let idle = self.site.stage.texts_of("SELECT after FROM written WHERE before = after");
        assert!(idle.is_empty(), "a row was written as it was: {told}");
        let mut known = BTreeSet::new();
        for ledger in ledgers {
            let ledger = Ledger::read(ledger).unwrap();
            known.extend(events(&ledger).into_iter().filter_map(|(_, record)| path(&record.event)));
            let waiting = ledger::report::standing(ledger.state()).waiting;
            assert!(waiting.is_empty(), "{waiting:?}: {told}");
        }
        let unknown: Vec<_> = self.site.paths().into_iter().filter(|path| !known.contains(path)).collect();
        assert!(unknown.is_empty(), "no event tells of {unknown:?}: {told}");
    }

    /// What the program's ledger tells; nothing while there is none.
    pub fn events(&self) -> Vec<Event> {
        let path = self.site.ledger();
        let ledger = path.exists().then(|| Ledger::read(&path).unwrap());
        ledger.iter().flat_map(events).map(|(_, record)| record.event).collect()
    }
}

/// The path of a file that an event tells of.
fn path(event: &Event) -> Option<String> {
    match event {
        Event::Uploaded(uploaded) => Some(uploaded.path.as_str().to_owned()),
        _ => None,
    }
}

const AUDIT_SQLITE: &str = "
CREATE TABLE written (venue INTEGER, before TEXT, after TEXT);
CREATE TRIGGER audit AFTER UPDATE OF venue_images ON venues
BEGIN INSERT INTO written VALUES (NEW.id, hex(OLD.venue_images), hex(NEW.venue_images)); END;";

const AUDIT_POSTGRES: &str = "
CREATE TABLE written (venue bigint, before text, after text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO written VALUES (NEW.id, md5(OLD.venue_images::text), md5(NEW.venue_images::text));
    RETURN NULL; END $$;
CREATE TRIGGER audit AFTER UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION audit();";

/// What an undisturbed command leaves.
fn undisturbed(place: &Place, verb: Verb) -> Held {
    place.prepare(verb);
    place.site.run(&verb.args()).code(0);
    place.held()
}

/// Of so many, those that are chosen: all, and one more than there are, which is a run that survives; or a few, each from
/// the middle of its part.
pub fn chosen(count: u64, some: u64) -> BTreeSet<u64> {
    match std::env::var_os(ALL) {
        Some(_) => (0..=count).collect(),
        None => (0..some).map(|n| (2 * n + 1) * count / (2 * some)).collect(),
    }
}

/// What passes there and matters most, once of each: a row's update, its commit, an upload, a deletion, and their answers.
/// None where all that passes is harmed in its turn.
pub fn marked(part: Part, verb: Verb, passing: Passing, harm: Harm) -> Vec<Fault> {
    const UPDATE: &str = "UPDATE venues SET venue_images";
    let fault = |with, behind, nth| Fault { with, behind, ..Fault::at(passing, nth, harm) };
    let deletes = verb == Verb::RollbackAndDelete;
    match (part, passing) {
        _ if std::env::var_os(ALL).is_some() => Vec::new(),
        // The statement comes first, and then what it is to write.
        (Part::Database, Passing::ToServer) => vec![fault("", UPDATE, 1), fault("COMMIT", UPDATE, 0)],
        (Part::Database, Passing::ToProgram) => vec![fault("UPDATE 1", "", 0), fault("COMMIT", UPDATE, 0)],
        (Part::Upload, Passing::ToServer) => vec![fault("POST /", "", 0)],
        (Part::Upload, Passing::ToProgram) => vec![fault("fileId", "", 0)],
        (Part::Api, Passing::ToServer) if deletes => vec![fault("DELETE /", "", 0)],
        (Part::Api, Passing::ToProgram) if deletes => vec![fault("", "DELETE /", 0)],
        _ => Vec::new(),
    }
}

/// The faults that these ways make of what passes on these lines while a command is at work. `some` is how many are
/// chosen of each where not all are; those that matter most come on top.
pub fn faults(
    kind: Kind,
    verb: Verb,
    parts: &[Part],
    ways: &[(Passing, Harm)],
    some: u64,
) -> Vec<(Part, Fault)> {
    let place = Place::new(kind);
    let _end = undisturbed(&place, verb);
    let mut faults = Vec::new();
    for part in parts {
        for (passing, harm) in ways {
            let count = place.line(*part).count(*passing);
            assert!(count > 0, "nothing passes: {passing:?} {part:?} {verb:?}");
            let nths = chosen(count, some).into_iter();
            let spread = nths.map(|nth| Fault::at(*passing, nth, *harm));
            faults.extend(spread.chain(marked(*part, verb, *passing, *harm)).map(|fault| (*part, fault)));
        }
    }
    faults
}

/// Tries each case in a world that is prepared for a command, a few worlds beside each other. `act` is given what an
/// undisturbed command leaves; it says whether anything happened to the program. Gives how often something did.
pub fn each<C: std::fmt::Debug + Send>(
    kind: Kind,
    verb: Verb,
    cases: Vec<C>,
    act: impl Fn(&Place, &Held, &C) -> bool + Sync,
) -> u64 {
    each_in(|| Place::new(kind), verb, cases, act)
}

/// The same in worlds of a test's own.
pub fn each_in<C: std::fmt::Debug + Send>(
    place: impl Fn() -> Place + Sync,
    verb: Verb,
    cases: Vec<C>,
    act: impl Fn(&Place, &Held, &C) -> bool + Sync,
) -> u64 {
    let (cases, struck) = (Mutex::new(cases.into_iter()), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let place = place();
                let end = undisturbed(&place, verb);
                loop {
                    let Some(case) = cases.lock().unwrap().next() else { break };
                    println!("{case:?}");
                    place.prepare(verb);
                    struck.fetch_add(u64::from(act(&place, &end, &case)), Ordering::SeqCst);
                }
            });
        }
    });
    struck.into_inner()
}

/// Harms what passes on these lines, each in its turn, while a command is at work, and sees that the end is that of an
/// undisturbed one. Gives how often one was harmed.
pub fn each_is_harmed(kind: Kind, verb: Verb, parts: &[Part], ways: &[(Passing, Harm)], some: u64) -> u64 {
    each(kind, verb, faults(kind, verb, parts, ways, some), |place, end, (part, fault)| {
        place.line(*part).order(Some(*fault));
        let mut ran = place.site.run(&verb.args());
        ran.args = format!("{} with {part:?} {fault:?}", ran.args);
        let has_struck = place.line(*part).has_struck();
        // How many pieces pass differs from run to run, and not that these do.
        assert!(has_struck || (fault.with, fault.behind) == ("", ""), "nothing was harmed: {ran}");
        place.comes_to(verb, end, &ran, false);
        has_struck
    })
}

/// Starts a command one image at a time, and holds what a fault is meant for. While all stands still, it does something to
/// the program and its world; then what was held goes on.
pub fn held_at(
    place: &Place,
    verb: Verb,
    (part, fault): (Part, Fault),
    act: impl FnOnce(&mut Going),
) -> (Ran, bool) {
    let mut args = verb.args();
    if verb == Verb::Migrate {
        // What a person has to mend is waited for no longer than a moment.
        args.extend(["--concurrency", "1", "--patience", "2"]);
    }
    let line = place.line(part);
    line.order(Some(fault));
    let mut going = Going::spawn(place.site.command(&args), &args);
    going.reaches(|| line.has_struck());
    let has_struck = line.has_struck();
    if has_struck {
        act(&mut going);
        line.let_go();
    }
    let mut ran = going.end();
    ran.args = format!("{} with {part:?} {fault:?}", ran.args);
    (ran, has_struck)
}
