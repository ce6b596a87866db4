//! The real program on a small world that a test fills itself: a stage, and a directory to work in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ledger::event::{Event, Record};
use ledger::ids::Seq;
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ran, program};
use super::stage::{Kind, Stage};

/// A stage and the environment in which the program finds it.
pub struct Site {
    /// The world.
    pub stage: Stage,
    /// The environment of every command; change it to see what the program makes of it.
    pub settings: BTreeMap<String, String>,
    dir: TempDir,
}

impl Site {
    /// Poland with Kraków, Germany with Köln, and no venue yet.
    pub fn new(kind: Kind) -> Self {
        Self::around(Stage::new(kind))
    }

    /// The same around a stage.
    pub fn around(stage: Stage) -> Self {
        let settings = [
            ("PRODUCTION_DATABASE_URL", stage.url()),
            ("DEV_DATABASE_URL", stage.url()),
            ("IMAGEKIT_PRIVATE_KEY", "private_sandbox".to_owned()),
            ("IMAGEKIT_URL_ENDPOINT", stage.imagekit.url_endpoint()),
            ("IMAGEKIT_UPLOAD_URL", stage.imagekit.api_url()),
            ("IMAGEKIT_API_URL", stage.imagekit.api_url()),
            ("ORIGIN_BASE_URL", stage.origin.base_url()),
            ("USER", "tester".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
        Self { stage, settings, dir: tempfile::tempdir().unwrap() }
    }

    /// A venue `pub-ID` with a picture of its own at each of these paths of the origin. In a city (1 Kraków, 2 Köln).
    pub fn venue(&self, id: i64, city: i64, paths: &[&str]) {
        let entries: Vec<String> = paths.iter().map(|path| self.stage.external(path, path)).collect();
        self.stage.venue(id, &format!("pub-{id}"), city, &format!("[{}]", entries.join(", ")));
    }

    /// Adds an image to a venue whose bytes are nowhere yet.
    pub fn lost(&self, id: i64, path: &str) {
        let images = self.stage.images(id).unwrap();
        let kept = images.strip_suffix(']').unwrap();
        let between = if kept == "[" { "" } else { ", " };
        self.stage.set_images(id, &format!("{kept}{between}{}]", self.stage.entry(path)));
    }

    /// Puts the bytes there.
    pub fn found(&self, path: &str) {
        let _entry = self.stage.external(path, path);
    }

    /// The URL of an image at the origin.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stage.origin.base_url())
    }

    /// The ledger of the production database, whether it is there or not.
    pub fn ledger(&self) -> PathBuf {
        self.dir.path().join("longshore.production.ledger")
    }

    /// Where the program is run, and leaves its ledger.
    pub fn work(&self) -> &Path {
        self.dir.path()
    }

    /// The program, ready to be started without a terminal.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.dir.path(), args);
        command.envs(&self.settings);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::new(args, self.command(args).output().unwrap())
    }

    /// The same, and what it says is JSON.
    pub fn run_json(&self, args: &[&str]) -> Ran {
        self.run(&[args, &["--format", "json"]].concat())
    }

    /// Runs the program, and sees that it wrote nothing: no row, no file on the CDN, no event.
    #[track_caller]
    pub fn run_idle(&self, args: &[&str]) -> Ran {
        let state = || (self.stage.rows(), self.stage.imagekit.files(), self.events(&[]));
        let before = state();
        let ran = self.run(args);
        assert!(before == state(), "it changed something: {ran}");
        ran
    }

    /// The one run of an answer, and how it ended.
    #[track_caller]
    pub fn one_run(&self, args: &[&str], code: i32) -> Value {
        let ran = self.run_json(args).code(code);
        let runs = ran.json()["runs"].as_array().unwrap().clone();
        assert_eq!(runs.len(), 1, "{ran}");
        runs.into_iter().next().unwrap()
    }

    /// The events of the ledger, with these filters of `log`; none while there is no ledger.
    pub fn events(&self, filters: &[&str]) -> Vec<Value> {
        match self.ledger().exists() {
            true => self.run_json(&[&["log"], filters].concat()).code(0).json_lines(),
            false => Vec::new(),
        }
    }

    /// Has the database refuse every update of a venue, until [`Site::permit`]. Only SQLite's words for it.
    pub fn forbid(&self, id: i64) {
        self.stage.sql(&format!(
            "CREATE TRIGGER no_{id} BEFORE UPDATE ON venues WHEN OLD.id = {id}
             BEGIN SELECT RAISE(ABORT, 'not now'); END"
        ));
    }

    /// Lets it be updated again.
    pub fn permit(&self, id: i64) {
        self.stage.sql(&format!("DROP TRIGGER no_{id}"));
    }

    /// The paths of the files on the CDN.
    pub fn paths(&self) -> Vec<String> {
        self.stage.imagekit.files().into_iter().map(|file| file.path).collect()
    }
}

/// A ledger without its last row update and all behind it: what a process leaves that is killed between the two.
pub fn forget_row_update(path: &Path) {
    let ledger = Ledger::read(path).unwrap();
    let opened = ledger.state().opened().unwrap().clone();
    let mut records = Vec::<Record>::new();
    let take = |(_, record): ledger::event::Placed| {
        records.push(record);
        Ok::<_, LedgerError>(())
    };
    ledger.events(Seq(1), take).unwrap();
    drop(ledger);
    let is_update = |record: &Record| matches!(record.event, Event::DbUpdated(_));
    records.truncate(records.iter().rposition(is_update).expect("a row was updated"));
    let name = path.file_name().unwrap().to_str().unwrap();
    for beside in ["", "-wal", "-shm"] {
        let _it_may_not_be_there = std::fs::remove_file(path.with_file_name(format!("{name}{beside}")));
    }
    let mut cut = Ledger::create(path, opened, records[0].at, "a test").unwrap();
    cut.append(&records[1..]).unwrap();
}
