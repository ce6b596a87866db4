//! What programs read: a short story with the real program, and every key it prints held
//! against docs/machine-output.md, both ways.

mod page;

use std::path::PathBuf;

use longshore::limits::CATALOG_ROW_BYTES_MAX;
use longshore::outside::http_client_builder;
use longshore::sandbox::faults::Fault;
use serde_json::Value;

use self::page::Page;
use crate::steering::{in_the_middle, listener};
use crate::support::program::Workplace;
use crate::support::site::Site;
use crate::support::stage::Kind;

/// The story, and the page beside it.
struct Story {
    site: Site,
    page: Page,
}

impl Story {
    /// Runs a command, sees how it ended, and holds its answer against a section.
    #[track_caller]
    fn says(&mut self, section: &str, code: i32, args: &[&str]) -> Value {
        let answer = self.site.run_json(args).code(code).json();
        self.page.take(section, &answer);
        answer
    }

    /// Holds a file against a section.
    fn file(&mut self, section: &str, name: &str) {
        let document = self.read(name);
        self.page.take(section, &document);
    }

    fn read(&self, name: &str) -> Value {
        let text = std::fs::read(self.dir().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_slice(&text).unwrap()
    }

    fn dir(&self) -> PathBuf {
        self.site.ledger().parent().unwrap().to_owned()
    }

    /// Removes a venue's files from the CDN, as somebody else would.
    fn remove(&self, venue: &str) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let files = self.site.stage.imagekit.files();
        let of = files.iter().filter(|file| file.path.split('/').nth(2) == Some(venue));
        for file in of {
            let url = format!("{}/v1/files/{}", self.site.settings["IMAGEKIT_API_URL"], file.id);
            let request = http_client_builder().build().unwrap().delete(url);
            let request = request.basic_auth(&self.site.settings["IMAGEKIT_PRIVATE_KEY"], Some(""));
            runtime.block_on(request.send()).unwrap().error_for_status().unwrap();
        }
    }

    /// Somebody edits a venue's row.
    fn edit(&self, venue: i64, from: &str, to: &str) {
        let images = self.site.stage.images(venue).unwrap();
        assert!(images.contains(from), "{from} is not in {images}");
        self.site.stage.set_images(venue, &images.replacen(from, to, 1));
    }
}

/// Five venues of Poland, of which one has lost two pictures, one holds no array, and one will be interrupted; and one of
/// Germany.
fn site() -> Site {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
    site.venue(2, 1, &["/2a.jpg"]);
    site.lost(2, "/lost-a.jpg");
    site.lost(2, "/lost-b.jpg");
    site.stage.venue(3, "pub-3", 1, r#"{"no": "array"}"#);
    site.venue(4, 1, &["/4a.jpg", "/4b.jpg"]);
    site.venue(5, 1, &["/5.jpg"]);
    site.venue(6, 2, &["/6.jpg"]);
    site
}

fn planning_and_going(story: &mut Story) {
    story.says("countries", 0, &["countries"]);
    story.says("plan", 0, &["plan", "--country", "PL", "--exact", "--out", "poland.plan"]);
    story.file("A saved plan", "poland.plan");
    story.says("plan", 0, &["migrate", "--city", "Kraków", "--dry-run"]);
    // It is told to wait, and says so.
    let headers = vec![("X-RateLimit-Reset".to_owned(), "1100".to_owned())];
    let busy = Fault::Answer { status: 429, headers, body: "{}".into() };
    story.site.stage.cdn_faults.inject("upload", 0, 1, busy);
    let first = ["migrate", "--country", "PL", "--limit", "1", "--yes", "--out", "files"];
    let ended = story.says("The end of a run", 0, &first);
    let run = ended["runs"][0]["run"].to_string();
    let files = std::fs::read_dir(story.dir().join("files")).unwrap();
    let files: Vec<_> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let named = |what: &str| {
        let (before, after) = (format!("run-{run}-event-"), format!("-{what}.json"));
        let found = files.iter().find(|name| name.starts_with(&before) && name.ends_with(&after));
        format!("files/{}", found.unwrap_or_else(|| panic!("no {what}: {files:?}")))
    };
    story.file("export rollback-data", &named("rollback-data"));
    story.file("export failures", &named("failures"));
    assert_eq!(story.read(&named("report")), ended["runs"][0], "the report's file is what was printed");
    // One upload of venue 4 goes well, then the key is refused.
    let refused = Fault::Answer { status: 401, headers: Vec::new(), body: "{}".into() };
    story.site.stage.cdn_faults.inject("upload", 1, 1_000, refused);
    story.says("The end of a run", 11, &["migrate", "--venue-id", "4", "--concurrency", "1", "--yes"]);
    story.site.stage.cdn_faults.clear();
    story.says("status", 0, &["status"]);
    story.says("reconcile", 0, &["reconcile"]);
    story.says("rollback --dry-run", 0, &["rollback", "--country", "PL", "--dry-run"]);
    let deleting = ["rollback", "--country", "PL", "--dry-run", "--delete-cdn-files"];
    story.says("rollback --dry-run", 0, &deleting);
    story.says("The end of a run", 0, &["resume", "--yes"]);
    story.says("The end of a run", 10, &["migrate", "--country", "PL", "--yes"]);
    story.says("The end of a run", 0, &["migrate", "--city", "Köln", "--yes"]);
    story.says("status", 0, &["status"]);
}

fn telling(story: &mut Story) {
    story.says("report", 0, &["report", "--usage"]);
    story.says("report", 0, &["report", "--city", "Kraków"]);
    story.says("report", 0, &["report", "--venue-id", "1"]);
    story.says("report", 0, &["report", "--run", "2"]);
    story.says("audit", 0, &["audit"]);
    story.says("audit", 0, &["audit", "--country", "PL"]);
    story.says("export rollback-data", 0, &["export", "rollback-data"]);
    story.says("export failures", 0, &["export", "failures"]);
    story.says("verify", 0, &["verify", "--country", "PL", "--content", "--sample", "100%"]);
    story.site.stage.order("delivery=no_type");
    story.says("verify", 13, &["verify", "--country", "PL"]);
    story.site.stage.order("delivery=none\ndelivery=late:by=50");
    story.says("verify", 13, &["verify", "--city", "Köln", "--compare", "--rounds", "10"]);
    story.site.stage.order("delivery=none");
    story.says("verify", 0, &["verify", "--city", "Köln", "--compare", "--rounds", "1"]);
    story.says("skip", 0, &["skip", "--venue-id", "2", "--reason", "the pictures are lost"]);
}

fn looking_back(story: &mut Story) {
    // Somebody changes what is ours, and adds what is theirs.
    story.edit(5, "original_tigris_url\": \"http", "original_tigris_url\": \"theirs-http");
    story.edit(6, "[", r#"[{"source": "user", "url": "https://example.com/1.jpg"}, "#);
    story.says("audit", 13, &["audit", "--live"]);
    story.remove("pub-4");
    story.says("reconcile", 13, &["reconcile"]);
    let odd = r#"[{"fileId": "1", "filePath": "/venues/a/1.jpg", "size": "large"}]"#.into();
    let odd = Fault::Answer { status: 200, headers: Vec::new(), body: odd };
    story.site.stage.cdn_faults.inject("list", 0, 1, odd);
    story.says("reconcile", 13, &["reconcile"]);
    story.site.stage.order("delete=400:message=no");
    story.says("The end of a run", 0, &["rollback", "--venue-id", "1", "--yes", "--delete-cdn-files"]);
    story.site.stage.order("delete=none");
    story.says("The end of a run", 12, &["rollback", "--venue-id", "5", "--yes"]);
    story.says("The end of a run", 0, &["rollback", "--venue-id", "4", "--yes", "--delete-cdn-files"]);
    story.says("audit", 0, &["audit"]);
    // A table that this program cannot read.
    story.site.stage.sql(
        "PRAGMA writable_schema = on;
         INSERT INTO sqlite_schema VALUES ('table', 'maps', 'maps', 0, 'CREATE VIRTUAL TABLE maps USING nowhere(x)')",
    );
    story.says("reconcile", 13, &["reconcile"]);
    story.says("reconcile", 0, &["reconcile", "--delete-orphans", "--yes"]);
    // Somebody makes a row larger than any that is read.
    let long = format!("[\"{}\"]", "x".repeat(CATALOG_ROW_BYTES_MAX as usize));
    story.site.stage.set_images(6, &long);
    story.says("reconcile", 13, &["reconcile"]);
    story.says("verify", 13, &["verify", "--city", "Köln"]);
    story.says("audit", 13, &["audit", "--live"]);
    story.says("status", 0, &["status"]);
    story.says("doctor", 13, &["doctor"]);
    story.says("ledger verify", 0, &["ledger", "verify"]);
    story.says("ledger backup", 0, &["ledger", "backup", "copy.ledger"]);
    story.says("ledger checkpoint", 0, &["ledger", "checkpoint"]);
    let log = story.site.run_json(&["log"]).code(0);
    log.json_lines().iter().for_each(|line| story.page.take("log", line));
}

/// `populate` wants databases that fit a report: one match lies far off, one has no
/// pictures any more, and of one nobody measured the distance.
fn populating(page: &mut Page) {
    const REPORT: &str = "match_type,ea_slug,ea_id,distance_m,ta_slug,ta_id,confidence,images_count,ta_name,ea_name,name_distance
slug_only,pub-11,11,60000,ta-1,1,0.85,2,Pub 1,Pub 11,0
slug_only,pub-12,12,1,ta-2,2,0.85,1,Pub 2,Pub 12,0
slug_only,pub-13,13,,ta-3,3,0.85,1,Pub 3,Pub 13,0
";
    let at = Workplace::fitting(Kind::Sqlite, REPORT);
    std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
    at.trivia_sql("UPDATE venues SET google_place_images = '{}' WHERE id = 2");
    let dry = at.run_json(&["populate", "--matches", "report.csv", "--dry-run"]).code(0);
    page.take("populate --dry-run", &dry.json());
    let ran = at.run_json(&["populate", "--matches", "report.csv"]);
    page.take("The end of a run", &ran.json());
    let again = at.run_json(&["populate", "--matches", "report.csv"]);
    page.take("The end of a run", &again.json());
    for verb in ["status", "report"] {
        page.take(verb, &at.run_json(&[verb, "--target", "dev"]).code(0).json());
    }
}

/// A run that is looked at from another terminal, and told of.
fn steering(page: &mut Page) {
    let (mut at, mut going) = in_the_middle();
    page.take("control", &at.run_json(&["control", "set", "rate=500/s"]).code(0).json());
    going.signal("INT");
    going.end().code(11);
    at.sandbox.faults.clear();
    let server = listener(&at, &[204]);
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), server.url("/"));
    at.run(&["resume"]).code(10);
    for asked in server.asked() {
        page.take("An alert", &serde_json::from_slice(&asked.body).unwrap());
    }
}

#[test]
fn every_key_that_is_printed_is_documented_and_every_documented_key_is_printed() {
    let page = Page::read(include_str!("../../docs/machine-output.md"));
    let mut story = Story { site: site(), page };
    planning_and_going(&mut story);
    telling(&mut story);
    looking_back(&mut story);
    populating(&mut story.page);
    steering(&mut story.page);
    story.page.assert_same();
}
