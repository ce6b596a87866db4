//! The story of the hostile world, told by the real program: forward, looked at in every way, and back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

use super::harmless::{see, see_plain};
use super::memory::run_measured;
use super::place::{CODE, Place, Row};
use super::world::{Fate, Venue, expected, venues};
use crate::support::stage::Kind;

/// All formats of answers.
const FORMATS: [&str; 5] = ["table", "csv", "markdown", "html", "json"];
/// What a run may take at most, in kilobytes. Pictures of 81 and of 100 megapixels are among them, which decode to up to
/// 300 MB each and therefore one after the other. Besides there are sixteen images of at most 200 kB in the air, and the
/// program with its ledger.
const MEMORY_KB_MAX: u64 = 600_000;
const MIGRATE: [&str; 11] = [
    "migrate",
    "--country",
    CODE,
    "--yes",
    "--max-bytes",
    "200000",
    "--max-error-rate",
    "100",
    "--patience",
    "5",
    "--out",
];

struct Story {
    place: Place,
    venues: Vec<Venue>,
    before: BTreeMap<i64, Row>,
}

impl Story {
    fn begin(kind: Kind) -> Self {
        let place = Place::new(kind);
        let base = place.base();
        let forge = place.forge(&base);
        let venues = venues(kind, &forge);
        place.fill(&venues);
        // Neighbours that nobody has asked to move.
        let neighbour = format!("[{}, {{\"url\": 1e2}}]", forge.good(4));
        for id in 1_000..1_010 {
            place.site.stage.venue(id, &format!("neighbour-{id}"), 1 + id % 2, &neighbour);
        }
        let before = place.rows();
        Self { place, venues, before }
    }

    /// Runs a command, sees that what it says is harmless in this format, and that nobody fell into a trap.
    #[track_caller]
    fn say(&self, args: &[&str], format: &str, code: i32) -> crate::support::program::Ran {
        let args = if format == "table" { args.to_vec() } else { [args, &["--format", format]].concat() };
        let ran = self.place.site.run(&args).code(code);
        see(&ran, format);
        self.place.traps.assert_empty();
        ran
    }

    fn migrate(&self) {
        let args = [&MIGRATE[..], &["out"]].concat();
        let (ran, peak) = run_measured(self.place.command(&args), &args);
        let ran = ran.code(10);
        see(&ran, "table");
        assert!(peak < MEMORY_KB_MAX, "it took {peak} kB");
        self.place.traps.assert_empty();
    }

    /// What the ledger says became of each venue's images, in their order: on the CDN and in the row, or the
    /// `error_type`; a venue as a whole is one.
    fn outcomes(&self) -> BTreeMap<i64, Vec<Option<String>>> {
        let mut found: BTreeMap<i64, BTreeMap<u64, Option<String>>> = BTreeMap::new();
        let mut add = |venue: &Value, image: &Value, what: Option<&str>| {
            let index = image.as_str().map_or(0, |id| id.split_once(':').unwrap().1.parse().unwrap());
            let images = found.entry(venue.as_i64().unwrap()).or_default();
            let twice = images.insert(index, what.map(str::to_owned));
            assert_eq!(twice, None, "venue {venue}, image {image}");
        };
        let log = self.place.site.run(&["log", "--format", "json"]).code(0);
        see_plain(&log.stdout, "log as JSON");
        for line in log.json_lines() {
            let (name, event) = line["event"].as_object().unwrap().iter().next().unwrap();
            match name.as_str() {
                "failed" | "skipped" => add(&event["venue"], &event["image"], event["error_type"].as_str()),
                "db_updated" => {
                    let edits = event["edits"].as_array().unwrap();
                    edits.iter().for_each(|edit| add(&event["venue"], &edit["image"], None));
                }
                _ => {}
            }
        }
        found.into_iter().map(|(venue, images)| (venue, images.into_values().collect())).collect()
    }

    fn see_outcomes(&self) {
        let (found, expected) = (self.outcomes(), expected(&self.venues));
        let mut wrong = Vec::new();
        for Venue { id, body, .. } in &self.venues {
            let found = found.get(id).cloned().unwrap_or_default();
            let expected: Vec<Option<String>> =
                expected.get(id).into_iter().flatten().map(|kind| kind.map(str::to_owned)).collect();
            if found != expected {
                wrong.push(format!("venue {id}, {}: {found:?} instead of {expected:?}", body.what));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), self.venues.len(), wrong.join("\n"));
        let known: BTreeSet<i64> = self.venues.iter().map(|venue| venue.id).collect();
        assert!(found.keys().all(|venue| known.contains(venue)), "a venue that nobody asked for");
    }

    /// Rows of which nothing was moved are what they were; in the others, nothing else has changed.
    fn see_rows(&self) {
        let now = self.place.rows();
        assert_eq!(now.keys().collect::<Vec<_>>(), self.before.keys().collect::<Vec<_>>());
        let bodies: BTreeMap<i64, &Venue> = self.venues.iter().map(|venue| (venue.id, venue)).collect();
        for (id, row) in &now {
            let before = &self.before[id];
            let fates = bodies.get(id).and_then(|venue| venue.body.fates.as_ref());
            let is_moved = fates.is_some_and(|fates| fates.contains(&Fate::Moved));
            if !is_moved {
                assert!(row == before, "venue {id} was touched");
                continue;
            }
            assert_eq!(row.2, before.2, "another column of venue {id}");
            let (then, now) = (elements(before), elements(row));
            assert_eq!((then.len(), now.len()), (fates.unwrap().len(), fates.unwrap().len()), "venue {id}");
            for ((fate, then), now) in fates.unwrap().iter().zip(then).zip(now) {
                match fate {
                    Fate::Moved => {
                        assert!(now.contains("\"completed\"") && now.contains("original_tigris_url"))
                    }
                    _ => assert!(now == then, "venue {id}: {then:.200} has become {now:.200}"),
                }
            }
        }
    }

    /// Each file lies where the venue's clean slug and the content say, and none anywhere else.
    fn see_files(&self) {
        let clean = |venue: &Venue| match venue.slug.as_deref() {
            None | Some("") => format!("venue-{}", venue.id),
            Some(slug) => {
                let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
                slug.chars().take(64).map(plain).collect()
            }
        };
        let moved =
            |venue: &&Venue| venue.body.fates.as_ref().is_some_and(|fates| fates.contains(&Fate::Moved));
        let folders: BTreeSet<String> = self.venues.iter().filter(moved).map(clean).collect();
        let mut seen = BTreeSet::new();
        for file in self.place.site.stage.imagekit.files() {
            let parts: Vec<&str> = file.path.split('/').collect();
            let [nothing, venues, slug, name] = parts[..] else { panic!("{}", file.path) };
            let (stem, extension) = name.rsplit_once('.').unwrap();
            assert_eq!((nothing, venues, stem), ("", "venues", &*format!("{slug}_{}", &file.content[..16])));
            assert!(
                ["jpg", "png", "gif", "webp"].contains(&extension) && file.versions == 1,
                "{}",
                file.path
            );
            seen.insert(slug.to_owned());
        }
        assert_eq!(seen, folders);
        let is_ours = |name: &String| {
            name.starts_with("longshore.production.ledger") && !name.contains('/')
                || name.starts_with("out/run-") && name.ends_with(".json") && name.matches('/').count() == 1
        };
        let strange: Vec<_> = self.place.files().into_iter().filter(|name| !is_ours(name)).collect();
        assert!(strange.is_empty(), "{strange:?}");
    }

    /// What the origin was asked is what it should be asked for, and nothing personal came along.
    fn see_requests(&self) {
        let asked = self.place.origin.asked();
        assert!(!asked.is_empty());
        for request in asked {
            assert!(["GET", "HEAD"].contains(&request.method.as_str()), "{}", request.head);
            assert_eq!(request.header("host"), Some(&*self.place.origin.address.to_string()));
            for header in ["authorization", "cookie", "referer", "x-evil", "proxy-authorization"] {
                assert_eq!(request.header(header), None, "{}", request.head);
            }
            assert!(
                !request.target.starts_with("/evil") && !request.target.contains("s3cret"),
                "{}",
                request.head
            );
        }
    }

    /// Alerts reach the one who listens, past every proxy, and are harmless where a chat shows them.
    fn see_alerts(&self) {
        let alerts = self.place.listener.asked();
        assert!(!alerts.is_empty());
        for alert in alerts {
            let alert: Value = serde_json::from_slice(&alert.body).unwrap();
            let text = alert["text"].as_str().unwrap();
            see_plain(text, "an alert");
            assert!(text.contains("Hostilia&lt;img") && !text.contains(['<', '>', '\n']), "{text}");
        }
    }

    fn look_around(&self) {
        for format in FORMATS {
            self.say(&["status"], format, 0);
            self.say(&["report", "--country", CODE], format, 0);
            self.say(&["audit", "--live"], format, 0);
            let failures = self.say(&["export", "failures"], format, 0);
            assert!(!failures.stdout.contains("s3cret"), "a password of a URL is shown as {format}");
            self.say(&["countries"], format, 0);
            self.say(&["reconcile"], format, 13);
        }
        let bad = self.venues.iter().find(|venue| venue.body.fates.is_none()).unwrap().id.to_string();
        self.say(&["skip", "--venue-id", &bad, "--reason", "=1+1\u{1b}[2J<b>"], "table", 0);
        self.say(&["migrate", "--country", CODE, "--dry-run"], "table", 0);
        self.say(&["audit"], "json", 0);
        self.say(&["export", "rollback-data"], "json", 0);
        self.say(&["log"], "table", 0);
        // Names that nobody has: the near ones that are suggested are the database's own.
        self.say(&["plan", "--country", "Hostilia"], "table", 2);
        self.say(&["audit", "--city", "City"], "table", 2);
    }
}

/// An array's elements, each in its own text.
fn elements(row: &Row) -> Vec<String> {
    let text = row.0.as_deref().unwrap();
    let all: Vec<Box<RawValue>> = serde_json::from_slice(text).unwrap();
    all.iter().map(|raw| raw.get().to_owned()).collect()
}

impl Story {
    /// Asks the origin and the CDN for what a few venues refer to: what cannot be asked for is told, and known.
    fn verify(&self) {
        let find = |what: &str| {
            let venue = self.venues.iter().find(|venue| venue.body.what.contains(what));
            venue.unwrap_or_else(|| panic!("no venue has {what}")).id.to_string()
        };
        let looks = [
            ("the URL \"http://127.0.0.1", "forbidden_url"),
            ("the URL is the value 7", "bad_entry"),
            ("a redirect to http", "forbidden_url"),
            ("a picture without an end", "too_large"),
            ("HTML without an end", "not_an_image"),
            ("gzip, said to be so", "not_an_image"),
            ("30000x30000.png", "not_whole"),
            ("ours with a deep key", ""),
        ];
        for ((what, kind), format) in looks.into_iter().zip(FORMATS.into_iter().cycle()) {
            let args = ["verify", "--content", "--patience", "5", "--venue-id", &*find(what)];
            let ran = self.say(&args, format, 0);
            // Markdown may break a word with a backslash.
            assert!(ran.stdout.replace('\\', "").contains(kind), "{ran}");
        }
    }

    /// All of it goes back: every row is what it was, to the letter.
    fn roll_back(&self) {
        self.say(&["rollback", "--country", CODE, "--dry-run"], "json", 0);
        self.say(&["rollback", "--country", CODE, "--yes"], "table", 0);
        let images = |rows: &BTreeMap<i64, Row>| -> BTreeMap<i64, (Option<Vec<u8>>, String)> {
            rows.iter().map(|(id, row)| (*id, (row.0.clone(), row.2.clone()))).collect()
        };
        let now = images(&self.place.rows());
        for (id, before) in images(&self.before) {
            assert!(now[&id] == before, "venue {id} is not what it was");
        }
        assert_eq!(now.len(), self.before.len());
        self.say(&["ledger", "verify"], "table", 0);
        self.say(&["status"], "table", 0);
        self.say(&["log"], "table", 0);
    }
}

fn there_and_back(kind: Kind) {
    let story = Story::begin(kind);
    story.say(&["countries"], "table", 0);
    for format in ["table", "html"] {
        story.say(&["plan", "--country", CODE], format, 0);
    }
    story.migrate();
    story.see_outcomes();
    story.see_rows();
    story.see_files();
    story.see_requests();
    story.see_alerts();
    story.look_around();
    story.verify();
    story.see_requests();
    story.roll_back();
}

#[test]
fn s4_three_hundred_hostile_venues_on_sqlite() {
    there_and_back(Kind::Sqlite);
}

#[test]
fn s4_three_hundred_hostile_venues_on_postgres() {
    there_and_back(Kind::Postgres);
}
