//! `sandbox` as people run it: in the foreground of another terminal (requirement C14).

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use longshore::sandbox::seed::{VENUES_FULL, World};
use serde_json::Value;

use crate::support::program::{Workplace, program};
use crate::support::stage::Kind;

/// As small as a sandbox can be.
const SMALL: [&str; 2] = ["--venues", "4"];

/// A sandbox in the foreground; killed with the test when that fails.
struct Foreground(Child);

impl Foreground {
    /// Starts one, and waits for its `env`, which is written last.
    fn start(dir: &Path, args: &[&str]) -> Self {
        Self::saying(dir, args, Stdio::inherit())
    }

    /// The same, and what it says is kept.
    fn heard(dir: &Path, args: &[&str]) -> Self {
        Self::saying(dir, args, Stdio::piped())
    }

    fn saying(dir: &Path, args: &[&str], stderr: Stdio) -> Self {
        let env = dir.join("sb/env");
        let _there_was_none = std::fs::remove_file(&env);
        let mut command = program(dir, &[&["sandbox", "--dir", "sb"], args].concat());
        let mut child = command.stderr(stderr).spawn().unwrap();
        let since = Instant::now();
        while !env.exists() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it was up");
            assert!(since.elapsed() < Duration::from_secs(30), "it is not up within 30 s");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }

    /// Stops it as a service manager would, and says how it ended.
    fn stop(mut self, signal: &str) -> Option<i32> {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _it_is_gone = self.0.wait();
    }
}

/// Runs the program as the README says: `. env`, then the command, in a plain shell.
fn sourced(dir: &Path, command: &str) -> (Option<i32>, String) {
    let script = format!(". sb/env && exec \"$PROGRAM\" {command}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(dir).env_clear().stdin(Stdio::null());
    let output = shell.env("PROGRAM", env!("CARGO_BIN_EXE_longshore")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn c14_a_sandbox_is_sourced_stopped_and_opened_again_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sandbox = Foreground::start(dir, &SMALL);
    let env = std::fs::read_to_string(dir.join("sb/env")).unwrap();
    for name in [
        "PRODUCTION_DATABASE_URL",
        "DEV_DATABASE_URL",
        "TRIVIA_ADVISOR_DATABASE_URL",
        "IMAGEKIT_PRIVATE_KEY",
        "IMAGEKIT_PUBLIC_KEY",
        "IMAGEKIT_URL_ENDPOINT",
        "IMAGEKIT_UPLOAD_URL",
        "IMAGEKIT_API_URL",
        "IMAGEKIT_STORAGE_LIMIT_GB",
        "IMAGEKIT_BANDWIDTH_LIMIT_GB",
        "LONGSHORE_NOTIFY_URL",
        "ORIGIN_BASE_URL",
    ] {
        let line = env.lines().find(|line| line.starts_with(&format!("export {name}='")));
        assert!(line.is_some_and(|line| line.ends_with('\'')), "{name}: {env}");
    }
    assert_eq!(env.lines().count(), 12, "{env}");
    for file in ["eventasaurus.db", "eventasaurus_dev.db", "trivia_advisor.db", "matching_report.csv", "cdn"]
    {
        assert!(dir.join("sb").join(file).exists(), "{file}");
    }
    // 10, because a venue of each country holds something that is no array.
    let (code, said) = sourced(dir, "migrate --country Poland --yes");
    assert!(code == Some(10) && said.contains("is finished"), "{code:?} {said}");

    // Others may write to its databases, whatever it is doing itself.
    for file in ["eventasaurus.db", "eventasaurus_dev.db", "trivia_advisor.db"] {
        let db = rusqlite::Connection::open(dir.join("sb").join(file)).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        db.execute_batch("BEGIN EXCLUSIVE; UPDATE venues SET name = name; COMMIT").unwrap();
    }
    assert_eq!(sandbox.stop("-TERM"), Some(0));
    let (code, said) = sourced(dir, "migrate --country Germany --yes --patience 0");
    assert_eq!(code, Some(11), "nobody is there now: {said}");

    let again = Foreground::start(dir, &SMALL);
    assert_eq!(std::fs::read_to_string(dir.join("sb/env")).unwrap(), env, "the old ports, and all else");
    let (code, said) = sourced(dir, "resume");
    assert!(code == Some(10) && said.contains("(migrate Germany) is finished"), "{code:?} {said}");
    assert!(said.contains("5 of 5 images"), "whoever resumes is told how far it is: {said}");
    let (code, said) = sourced(dir, "rollback --country Poland --yes");
    assert!(code == Some(0) && said.contains("1 of 1 venues restored."), "{said}");
    assert_eq!(again.stop("-INT"), Some(0));
}

#[test]
fn c14_what_it_says_to_type_can_be_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(dir.path(), &[&["sandbox", "--dir", "ana's sandbox"], &SMALL[..]].concat());
    let mut sandbox = Foreground(command.spawn().unwrap());
    let said = BufReader::new(sandbox.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = said.take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let line = |begin: &str| said.iter().find_map(|line| line.strip_prefix(begin)).unwrap().to_owned();
    let script = format!(
        ". {} && echo $ORIGIN_BASE_URL && echo {}",
        line("  . "),
        line("  curl -d cdn=away:for=20s ")
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let [origin, control] = text.lines().collect::<Vec<_>>()[..] else { panic!("{script}: {text}") };
    assert!(origin.starts_with("http://127.0.0.1:"), "{script}: {text}");
    assert!(control.starts_with("http://127.0.0.1:") && control.ends_with("/faults"), "{script}: {text}");
}

#[test]
fn c14_a_directory_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], says: &str| {
        let output = program(dir.path(), &[&["sandbox", "--dir", "sb"], args].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(says), "{:?} {said}", output.status);
    };
    std::fs::create_dir(dir.path().join("sb")).unwrap();
    std::fs::write(dir.path().join("sb/thesis.txt"), "years of work").unwrap();
    refused(&[], "is no whole sandbox");
    let left: Vec<_> = std::fs::read_dir(dir.path().join("sb")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was put beside it: {left:?}");
    std::fs::remove_file(dir.path().join("sb/thesis.txt")).unwrap();
    assert_eq!(Foreground::start(dir.path(), &SMALL).stop("-TERM"), Some(0));
    refused(&["--venues", "4", "--seed", "2"], "holds a sandbox of seed 1 with 4 venues");
    refused(&["--venues", "5"], "holds a sandbox of seed 1 with 4 venues");
}

#[test]
fn c14_a_sandbox_of_photos_stays_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let photos = [&SMALL[..], &["--pictures", "photos"]].concat();
    assert_eq!(Foreground::start(dir, &photos).stop("-TERM"), Some(0));
    let images = venues(dir, "eventasaurus.db", "venue_images");
    assert_eq!(Foreground::start(dir, &SMALL).stop("-TERM"), Some(0));
    assert_eq!(venues(dir, "eventasaurus.db", "venue_images"), images);
    let small = [&["sandbox", "--dir", "sb"], &SMALL[..], &["--pictures", "small"]].concat();
    let output = program(dir, &small).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let says = "holds a sandbox of seed 1 with 4 venues and photos";
    assert!(output.status.code() == Some(2) && said.contains(says), "{:?} {said}", output.status);

    let output = program(dir, &["sandbox", "--dir", "sb", "--pictures", "huge"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("it is `small` or `photos`"), "{said}");

    let made = dir.join("sb/sandbox.json");
    let mut old: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&made).unwrap()).unwrap();
    assert_eq!(old.as_object_mut().unwrap().remove("pictures"), Some("photos".into()));
    std::fs::write(&made, old.to_string()).unwrap();
    let again = Foreground::start(dir, &[&SMALL[..], &["--pictures", "small"]].concat());
    assert_eq!(again.stop("-TERM"), Some(0), "before there were photos, pictures were small");
}

#[test]
fn c14_faults_come_by_flag_and_are_taken_back_at_the_control_address() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sandbox =
        Foreground::start(dir, &[&SMALL[..], &["--fault", "upload=quota", "--fault", "list=500"]].concat());
    let (code, said) = sourced(dir, "migrate --country Germany --yes");
    assert!(code == Some(11) && said.contains("Upload Limit Exceeded"), "{code:?} {said}");
    let control = std::fs::read_to_string(dir.join("sb/control")).unwrap();
    let well = async {
        let client = longshore::outside::http_client_builder().build().unwrap();
        client.delete(format!("{}/faults", control.trim())).send().await.unwrap().status()
    };
    assert_eq!(tokio::runtime::Runtime::new().unwrap().block_on(well), 200);
    let (code, said) = sourced(dir, "resume");
    assert!(code == Some(10) && said.contains("is finished"), "{code:?} {said}");
    assert_eq!(sandbox.stop("-TERM"), Some(0));

    let refused = program(dir, &["sandbox", "--dir", "sb", "--fault", "upload=fast"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("`fast` is no kind of fault"), "{said}");
    let help = program(dir, &["sandbox", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (written, _) in longshore::sandbox::faults::kinds::KINDS {
        assert!(help.contains(&format!("  {written} ")), "the help lacks {written}: {help}");
    }
}

/// A report with the real one's oddities: a venue matched twice, a pair far apart, venues that only Trivia Advisor has,
/// and, beyond them, one of Trivia Advisor's that is matched with two.
const REPORT: &str = "\
ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count
1,white-hart,\"White Hart, The\",457,white-hart,White Hart,slug_only,0.85,87.7,0,5
2,nowhere,Nowhere,,,,no_match,0.0,,,3
420,the-royal-oak,The Royal Oak,842,the-royal-oak,The Royal Oak,slug_only,0.85,17047036.7,0,2
421,empty,Empty,12,empty,Empty,geo_name,1.0,0.1,0,0
1250,the-royal-oak-halesowen,The Royal Oak,842,the-royal-oak,The Royal Oak,geo_name,0.85,0.3,0,4
1,white-hart,\"White Hart, The\",460,white-hart-2,White Hart,geo_name,0.85,1.5,0,5
";

/// What both databases hold of a venue: its id, its slug, and its images as text.
fn venues(dir: &Path, file: &str, images: &str) -> Vec<(i64, String, Option<String>)> {
    let db = rusqlite::Connection::open(dir.join("sb").join(file)).unwrap();
    let mut all = db.prepare(&format!("SELECT id, slug, {images} FROM venues ORDER BY id")).unwrap();
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn c14_a_sandbox_fits_a_report_and_does_so_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("report.csv"), REPORT).unwrap();
    let sandbox = Foreground::start(dir, &["--matches", "report.csv"]);
    let env = std::fs::read_to_string(dir.join("sb/env")).unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("sb/matching_report.csv")).unwrap(), REPORT);

    let ea = venues(dir, "eventasaurus.db", "venue_images");
    let slugs: Vec<_> = ea.iter().map(|(id, slug, _)| (*id, slug.as_str())).collect();
    assert_eq!(slugs, [(12, "empty"), (457, "white-hart"), (460, "white-hart-2"), (842, "the-royal-oak")]);
    assert!(ea.iter().all(|(.., images)| images.as_deref().is_none_or(|images| images == "[]")), "{ea:?}");
    let ta = venues(dir, "trivia_advisor.db", "google_place_images");
    let images =
        |images: &Option<String>| images.as_ref().map_or(0, |text| text.matches("local_path").count());
    let counts: Vec<_> = ta.iter().map(|(id, _, text)| (*id, images(text))).collect();
    assert_eq!(counts, [(1, 5), (2, 3), (420, 2), (421, 0), (1250, 4)]);
    let (code, said) = sourced(dir, "countries");
    assert!(code == Some(0) && !said.contains("Poland"), "nothing can be migrated yet: {said}");
    assert_eq!(sandbox.stop("-TERM"), Some(0));

    // Whatever became of the report that lies there to be tried with, and with or without naming the given one.
    std::fs::write(dir.join("sb/matching_report.csv"), "ta_id\n").unwrap();
    for again in [&["--matches", "report.csv"][..], &[]] {
        let sandbox = Foreground::start(dir, again);
        assert_eq!(std::fs::read_to_string(dir.join("sb/env")).unwrap(), env, "the old ports, and all else");
        assert_eq!(venues(dir, "eventasaurus.db", "venue_images"), ea);
        assert_eq!(venues(dir, "trivia_advisor.db", "google_place_images"), ta);
        assert_eq!(sandbox.stop("-TERM"), Some(0));
    }

    let refused = |args: &[&str], says: &str| {
        let output = program(dir, &[&["sandbox", "--dir", "sb"], args].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(says), "{:?} {said}", output.status);
    };
    std::fs::write(dir.join("other.csv"), REPORT.replace("geo_name", "slug_geo")).unwrap();
    for other in [&["--matches", "other.csv"][..], &["--seed", "2"], &SMALL] {
        refused(other, "holds a sandbox of seed 1 that fits a matching report");
    }
    refused(&["--matches", "report.csv", "--venues", "4"], "cannot be used with");
    refused(&["--matches", "none.csv"], "the matching report none.csv");
    std::fs::write(dir.join("bad.csv"), "ta_id,ea_id\n1,2\n").unwrap();
    for name in ["none.csv", "bad.csv"] {
        let args = ["sandbox", "--dir", "elsewhere", "--matches", name];
        let output = program(dir, &args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(name), "{:?} {said}", output.status);
        assert!(!dir.join("elsewhere").exists(), "a report that cannot be read leaves nothing behind");
    }
}

#[test]
fn c14_a_sandbox_of_before_reports_could_be_fitted_still_opens() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(Foreground::start(dir, &SMALL).stop("-HUP"), Some(0));
    let (env, made) = (dir.join("sb/env"), dir.join("sb/sandbox.json"));
    let before = std::fs::read_to_string(&env).unwrap();
    let mut old: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&made).unwrap()).unwrap();
    assert!(old.as_object_mut().unwrap().remove("matches").is_some());
    std::fs::write(&made, old.to_string()).unwrap();
    assert_eq!(Foreground::start(dir, &SMALL).stop("-TERM"), Some(0));
    assert_eq!(std::fs::read_to_string(&env).unwrap(), before);
}

#[test]
fn c14_a_sandbox_of_before_dev_had_a_database_still_opens_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(Foreground::start(dir, &SMALL).stop("-TERM"), Some(0));
    let made = dir.join("sb/sandbox.json");
    let mut old: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&made).unwrap()).unwrap();
    assert_ne!(old["dev_database_url"], old["production_database_url"]);
    old["dev_database_url"] = old["production_database_url"].clone();
    std::fs::write(&made, old.to_string()).unwrap();
    std::fs::remove_file(dir.join("sb/eventasaurus_dev.db")).unwrap();
    let mut again = Foreground::heard(dir, &SMALL);
    let mut said = String::new();
    let stderr = again.0.stderr.take().unwrap();
    assert_eq!(again.stop("-TERM"), Some(0));
    std::io::BufReader::new(stderr).read_to_string(&mut said).unwrap();
    assert!(said.contains("dev and production are one database"), "{said}");
    let env = std::fs::read_to_string(dir.join("sb/env")).unwrap();
    assert_eq!(env.matches("/eventasaurus.db'").count(), 2, "{env}");
}

/// A country's code, and how many of its venues, images and cities are to be migrated.
type Line = (String, usize, usize, usize);

/// What is to be migrated in a database, by country.
fn distribution(at: &Workplace, target: &str) -> BTreeSet<Line> {
    let answer = at.run_json(&["countries", "--target", target]).code(0).json();
    let line = |line: &Value| {
        let number = |key: &str| line[key].as_u64().unwrap() as usize;
        (line["code"].as_str().unwrap().to_owned(), number("venues"), number("images"), number("cities"))
    };
    answer["countries"].as_array().unwrap().iter().map(line).collect()
}

/// What `populate` can bring of it: no report matches a venue without a slug, and no image comes twice.
fn can_be_matched(world: &World) -> BTreeSet<Line> {
    let line = |code: &str| {
        let venues: Vec<_> =
            world.to_migrate(code).into_iter().filter(|venue| venue.slug.is_some()).collect();
        let images = venues.iter().map(|venue| venue.images.to_migrate().collect::<BTreeSet<_>>().len());
        let cities: BTreeSet<_> = venues.iter().map(|venue| venue.city).collect();
        (code.to_owned(), venues.len(), images.sum(), cities.len())
    };
    world.countries.iter().map(|country| line(&country.code)).filter(|line| line.1 > 0).collect()
}

fn populate_gives_dev_what_production_has(kind: Kind, venues: u32) {
    let at = Workplace::new(kind, venues);
    let (before, production) = (at.rows(), distribution(&at, "production"));
    assert_eq!(distribution(&at, "dev"), BTreeSet::new());
    let report = at.sandbox_dir().join("matching_report.csv");
    // Some of the pairs are far apart, and here those come too.
    let populate = ["populate", "--max-distance", "20100", "--matches", report.to_str().unwrap()];
    let ran = at.run(&populate).code(0);
    assert_eq!(distribution(&at, "dev"), can_be_matched(&at.sandbox.world), "{ran}");
    let countries = |all: &BTreeSet<Line>| all.iter().map(|line| line.0.clone()).collect::<Vec<_>>();
    assert_eq!(countries(&distribution(&at, "dev")), countries(&production));
    assert!(at.rows() == before, "production is another database");
    let again = at.run(&populate).code(0);
    assert_eq!(distribution(&at, "dev"), can_be_matched(&at.sandbox.world), "{again}");
}

#[test]
fn c14_populate_gives_dev_the_distribution_of_production_on_sqlite() {
    populate_gives_dev_what_production_has(Kind::Sqlite, VENUES_FULL);
}

#[test]
fn c14_populate_gives_dev_the_distribution_of_production_on_postgres() {
    populate_gives_dev_what_production_has(Kind::Postgres, 60);
}
