//! What the memory and the mind cost: appending to a real file, reading it back, editing an array, choosing steps,
//! and looking up what they need.
//! Criterion's elements are events for the first two groups, so that `thrpt` is events a second.
//!
//!     cargo bench --bench ledger

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::event::*;
use ledger::ids::{CdnPath, ContentHash, Format, ImageId, LedgerId, RunId, Seq, VenueId};
use ledger::images::{CdnFacts, Change, Entry, edit};
use ledger::ledger::Ledger;
use ledger::order::{Origins, order};
use ledger::plan::{Agenda, Step, upload_path};
use ledger::state::State;
use ledger::store::Store;
use ledger::timestamp::Timestamp;

const RUN: RunId = RunId(Seq(2));
const IMAGES_A_VENUE: u32 = 5;
const EVENTS: usize = 100_000;

fn entry(venue: i64, index: u32) -> String {
    format!(
        "{{\"url\": \"https://cdn.quizadvisor.com/uploads/google_place_images/pub-{venue}/original_{index}.jpg\", \
         \"upload_status\": \"external\", \"width\": null, \"height\": null, \
         \"source\": \"trivia_advisor_migration\", \"migrated_at\": \"2026-01-01T00:00:00.000Z\"}}"
    )
}

fn record(run: Option<RunId>, event: Event) -> Record {
    Record { at: Timestamp::from_millis(1_795_362_000_000), run, event }
}

fn opened() -> Opened {
    let (name, kind, database) = ("dev".to_owned(), "sqlite".to_owned(), "/srv/bench.db".to_owned());
    let target = Target { name, kind, system: None, database, host: None };
    Opened { format: 1, ledger: LedgerId([7; 16]), shard: None, target }
}

fn planned(venue: i64, images: u32) -> Planned {
    let entries: Vec<String> = (0..images).map(|index| entry(venue, index)).collect();
    Planned {
        venue: VenueId(venue),
        slug: Some(format!("pub-{venue}")),
        name: Some(format!("Pub {venue}")),
        city: Some(City { id: 1, name: "Kraków".into(), slug: Some("krakow".into()) }),
        country: Some(Country { code: "PL".into(), name: "Poland".into(), slug: Some("poland".into()) }),
        array: Some(format!("[{}]", entries.join(", "))),
        work: Work::Move(entries),
    }
}

/// A run of so many venues of so many images each, planned: its first effect comes next.
fn plans(venues: usize, images: u32) -> Vec<Record> {
    let operator = Operator { user: "anna".into(), host: "desk".into(), version: "0.1.0".into() };
    let options = Options::new(8, 25_000_000, 300_000);
    let scope =
        Scope::Country(Country { code: "PL".into(), name: "Poland".into(), slug: Some("poland".into()) });
    let started = RunStarted { verb: Verb::Migrate, scope, options, operator };
    let mut records =
        vec![record(None, Event::Opened(opened())), record(Some(RUN), Event::RunStarted(started))];
    records
        .extend((1..=venues as i64).map(|venue| record(Some(RUN), Event::Planned(planned(venue, images)))));
    let (venues, images) = (venues as u64, venues as u64 * u64::from(images));
    records.push(record(Some(RUN), Event::PlanningDone(PlanningDone { venues, images })));
    records
}

/// What moves an image of the `plans` on: downloaded, then uploaded.
fn image(venue: i64, index: u32) -> [Record; 2] {
    let image = ImageId { planned: Seq(venue as u64 + 2), index };
    let hash = ContentHash::of(format!("{venue}:{index}").as_bytes());
    let (bytes, width, height, ms, attempts) = (180_000, 1_600, 1_200, 900, 1);
    let path = CdnPath::new(Some(&format!("pub-{venue}")), VenueId(venue), &hash, Format::Jpeg);
    let url = format!("https://ik.imagekit.io/demo{path}");
    let file_id = hash.short().parse().expect("hex digits are a file id");
    let downloaded = Downloaded { image, hash, bytes, format: Format::Jpeg, width, height, ms, attempts };
    let uploaded =
        Uploaded { image, file_id, path, url, bytes, width, height, ms, attempts, acquired: Acquired::Sent };
    [Event::Downloaded(downloaded), Event::Uploaded(uploaded)].map(|event| record(Some(RUN), event))
}

/// What a venue's row update ends with: every image of it in the row.
fn row(venue: i64, images: u32) -> Record {
    let planned = Seq(venue as u64 + 2);
    let edit = |index| {
        let [_, uploaded] = image(venue, index);
        let Event::Uploaded(Uploaded { url, .. }) = uploaded.event else { unreachable!("it is the second") };
        let (before, after) = (Some(entry(venue, index)), Some(entry(venue, index).replace("https:", &url)));
        Edit { image: ImageId { planned, index }, before, after }
    };
    let edits = (0..images).map(edit).collect();
    let (array_before, array_after, ms) = (Some("[]".to_owned()), "[]".to_owned(), 4);
    let updated =
        DbUpdated { venue: VenueId(venue), edits, array_before, array_after, ms, found_done: false };
    record(Some(RUN), Event::DbUpdated(updated))
}

/// A legal history of at least so many events.
fn history(events: usize) -> Vec<Record> {
    let venues = events / (1 + 2 * IMAGES_A_VENUE as usize) + 1;
    let mut records = plans(venues, IMAGES_A_VENUE);
    let images = (1..=venues as i64).flat_map(|venue| (0..IMAGES_A_VENUE).map(move |index| (venue, index)));
    records.extend(images.flat_map(|(venue, index)| image(venue, index)));
    records
}

fn write(path: &Path, records: &[Record]) {
    let mut ledger = Ledger::create(path, opened(), records[0].at, "bench").expect("a fresh directory");
    records[1..].chunks(4_096).for_each(|batch| ledger.append(batch).expect("the disk has room"));
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let [event, _] = image(1, 0);
    for batch in [1, 32, 256] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("bench.ledger");
        let mut store = Store::create(&path, opened().ledger, &event, "bench").expect("a fresh directory");
        let records = vec![event.clone(); batch];
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter(|| store.append(&records).expect("the disk has room"));
        });
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("bench.ledger");
    let mut store = Store::create(&path, opened().ledger, &event, "bench").expect("a fresh directory");
    let large = [record(Some(RUN), Event::Planned(planned(1, 5_900)))];
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.bench_function("planned, 3.6 MB", |bencher| {
        bencher.iter(|| store.append(&large).expect("the disk has room"));
    });
    group.finish();
}

fn replay(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("bench.ledger");
    let records = history(EVENTS);
    write(&path, &records);
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10).throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("verify, decode, apply", |bencher| {
        bencher.iter(|| Ledger::read(&path).expect("it was just written"));
    });
    group.bench_function("apply", |bencher| {
        bencher.iter(|| {
            let mut state = State::default();
            for (seq, record) in (1..).map(Seq).zip(&records) {
                state.apply(seq, record).expect("the history is legal");
            }
            state
        });
    });
    group.finish();
}

fn edits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("images::edit");
    for entries in [5, 50] {
        let froms: Vec<String> = (0..entries).map(|index| entry(1, index)).collect();
        let complete = |from: &String| {
            let (url, file_id) =
                ("https://ik.imagekit.io/demo/x.jpg".to_owned(), "64f0c2d9e4b0a1b2".to_owned());
            let uploaded_at = Timestamp::from_millis(0);
            let facts = CdnFacts { url, file_id, width: 1_600, height: 1_200, uploaded_at };
            let to = Entry::parse(from).expect("it is an object").complete(&facts);
            Change { any_time: true, ..Change::exact(from.as_str(), to) }
        };
        let changes: Vec<Change> = froms.iter().map(complete).collect();
        let array = format!("[{}]", froms.join(", "));
        group.throughput(Throughput::Elements(u64::from(entries)));
        group.bench_function(BenchmarkId::from_parameter(entries), |bencher| {
            bencher.iter(|| edit(black_box(&array), black_box(&changes)));
        });
    }
    group.finish();
}

/// What becomes of a step where all goes well.
fn outcome(step: Step, images: u32) -> Record {
    let venue = step.planned().0 as i64 - 2;
    match step {
        Step::Download(id) => image(venue, id.index)[0].clone(),
        Step::Upload(id) => image(venue, id.index)[1].clone(),
        Step::UpdateRow(_) => row(venue, images),
        Step::RestoreRow(_) => unreachable!("the run goes forward"),
    }
}

/// Every step of a run handed out and settled, its events applied between.
fn agenda(criterion: &mut Criterion) {
    const VENUES: usize = 2_000;
    let mut planned = State::default();
    for (seq, record) in (1..).map(Seq).zip(&plans(VENUES, IMAGES_A_VENUE)) {
        planned.apply(seq, record).expect("the history is legal");
    }
    let images = VENUES as u64 * u64::from(IMAGES_A_VENUE);
    let mut group = criterion.benchmark_group("agenda");
    group.sample_size(10).throughput(Throughput::Elements(2 * images + VENUES as u64));
    group.bench_function("steps of 2,000 venues, with apply", |bencher| {
        bencher.iter_batched_ref(
            || planned.clone(),
            |state| {
                let mut agenda = Agenda::new(RUN);
                while let Some(step) = agenda.take(state) {
                    let path = upload_path(state, step);
                    // A step that is settled without its event would be due again, for ever.
                    state.apply(state.last().next(), &outcome(step, IMAGES_A_VENUE)).expect("it was due");
                    agenda.settle(state, step, path);
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// The orders of one venue's run, read back from a real file: what an image costs must not grow with its venue.
fn orders(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("order");
    group.sample_size(10);
    for images in [250, 500, 1_000, 2_000] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("bench.ledger");
        let mut records = plans(1, images);
        let planned = records.len();
        records.extend((0..images).flat_map(|index| image(1, index)));
        write(&path, &records);
        let store = Store::read(&path).expect("it was just written");
        group.throughput(Throughput::Elements(u64::from(images)));
        group.bench_function(BenchmarkId::from_parameter(images), |bencher| {
            bencher.iter(|| {
                let (mut state, mut origins) = (State::default(), Origins::new(1 << 20));
                let apply = |state: &mut State, record: &Record| {
                    state.apply(state.last().next(), record).expect("the history is legal");
                };
                records[..planned].iter().for_each(|record| apply(&mut state, record));
                for (index, pair) in (0..).zip(records[planned..].chunks(2)) {
                    let id = ImageId { planned: Seq(3), index };
                    for (step, record) in [Step::Download(id), Step::Upload(id)].into_iter().zip(pair) {
                        black_box(order(&state, &store, &mut origins, RUN, step).expect("the file is well"));
                        apply(&mut state, record);
                    }
                }
                order(&state, &store, &mut origins, RUN, Step::UpdateRow(Seq(3))).expect("the file is well")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, append, replay, edits, agenda, orders);
criterion_main!(benches);
