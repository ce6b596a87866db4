//! Every operational number of the program, each with its unit in its name and its reason beside it.

/// Images worked on at once, unless `--concurrency` says otherwise.
pub const IN_FLIGHT_DEFAULT: u32 = 16;
/// More than this only queues at the CDN, and 256 open spool files stay below common descriptor limits.
pub const IN_FLIGHT_MAX: usize = 256;

/// Files that a command must be able to open beside what it has: the ledger with its log and its index, a database, the
/// workers' own, and a few connections. With fewer, the first thing to need one would say so in its own odd words.
pub const DESCRIPTORS_SPARE_MIN: usize = 20;

/// Largest image taken, unless `--max-bytes` says otherwise: the smallest upload limit among ImageKit's plans.
pub const IMAGE_BYTES_MAX: u64 = 25_000_000;
/// ImageKit transforms no picture above 100 megapixels, so a larger one could be stored but never shown.
pub const PIXELS_MAX: u64 = 100_000_000;
/// Files held in memory at the same time, to see whether they are whole pictures: four of the largest size.
pub const PICTURE_FILES_BYTES_MAX: u64 = 100_000_000;
/// What all checks of pictures remember at the same time: the largest of them, a progressive JPEG of 100 MP in four
/// colours, alone.
pub const PICTURE_STATES_BYTES_MAX: u64 = 50_000_000;

/// A transfer that moves no byte for this long has stalled (E1: `timeout`).
pub const IDLE_MS_MAX: u64 = 30_000;
/// What an answer that keeps coming may take altogether, beside a second for every [`SLOWEST_BYTES_PER_SECOND`] of it that
/// have come: time for a line to stand still six times, and for a page of ImageKit's listing on a busy one.
pub const ANSWER_MS_MAX: u64 = 180_000;
/// Bytes a second of the slowest line that gets there: it takes an hour for the largest image. Below, a run would not end.
pub const SLOWEST_BYTES_PER_SECOND: u64 = 7_000;
/// A connection that is not made in this time will not be.
pub const CONNECT_MS_MAX: u64 = 10_000;
/// Redirects followed from one origin URL: as many as browsers follow.
pub const REDIRECTS_MAX: usize = 20;
/// Lines in the head of an answer. Browsers bound the bytes of a head alone; so does the HTTP library, at some 400 kB.
pub const HEADERS_MAX: usize = 1_000;
/// Times that one body may be compressed: once by whoever stored it, and once more by a server that did not look.
pub const CODINGS_MAX: usize = 2;
/// An answer of ImageKit's management API is JSON; a page of 1,000 files is about 1 MB.
pub const ANSWER_BYTES_MAX: usize = 16_000_000;
/// Bytes of a delivered image read by the delivery check: enough to see what it is, little of the plan's bandwidth.
pub const DELIVERY_BYTES_READ_MAX: usize = 64 * 1024;

/// Understanding a picture's header is tried after this many bytes and then whenever they have doubled: cameras put
/// up to some hundred kilobytes of their own before it.
pub const PROBE_STEP_BYTES: usize = 16 * 1024;
/// Looks at images in the air at once while verifying, unless `--concurrency` says otherwise: it stands beside the
/// site's own visitors.
pub const VERIFY_IN_FLIGHT_DEFAULT: u32 = 8;
/// More are never in the air while verifying: beyond, it measures its own queue.
pub const VERIFY_IN_FLIGHT_MAX: u32 = 32;
/// Memory that `--content` takes for a picture whose length nobody announced, before it takes that of the largest: all of
/// these together leave room for one of the largest.
pub const VERIFY_UNANNOUNCED_BYTES: u64 = 1_000_000;
/// Characters of a catalog's own text that a finding repeats: ids and sides are shorter.
pub const FINDING_CHARS_MAX: usize = 80;
/// Findings told one by one; all are counted. Beyond this nobody reads on, and an answer of ten megabytes is enough.
pub const FINDINGS_MAX: usize = 10_000;
/// The width in pixels that a transformation is tried with, where the picture has more than twice that.
pub const VERIFY_WIDTH_PIXELS: u32 = 320;
/// Requests in a row that an outside part did not answer, after which it is taken for away as a whole (E3).
pub const UNANSWERED_MAX: u32 = 10;
/// Images measured by `verify --compare`, unless `--sample` says otherwise: p95 then stands on five of them.
pub const COMPARE_IMAGES_DEFAULT: u64 = 100;
/// Warm requests an image and side by `verify --compare`, unless `--rounds` says otherwise.
pub const COMPARE_ROUNDS_DEFAULT: u32 = 3;
/// More rounds than this only cost bandwidth.
pub const COMPARE_ROUNDS_MAX: u32 = 100;

/// Warm requests a side from which on `verify --compare` judges the median; of fewer, one odd one moves it.
pub const COMPARE_MEASURES_MIN: usize = 10;
/// Warm requests a side from which on it judges the 95th of a hundred, too: it then stands on five.
pub const COMPARE_MEASURES_P95_MIN: usize = 100;
/// The CDN is slower when its median is above the origin's by more than this share and by more than
/// [`COMPARE_SLOWER_MS`]: medians of one line differ by less from one measurement to the next.
pub const COMPARE_SLOWER_PERCENT: f64 = 10.0;
/// What two medians on one machine differ by, in milliseconds.
pub const COMPARE_SLOWER_MS: f64 = 2.0;
/// The same share for the 95th of a hundred, which differs by more.
pub const COMPARE_SLOWER_P95_PERCENT: f64 = 25.0;
/// The same milliseconds for it: one wait of a busy machine is no delivery.
pub const COMPARE_SLOWER_P95_MS: f64 = 25.0;
/// What a rollout hopes to gain at the median (C7).
pub const COMPARE_GAIN_PERCENT_HOPED: f64 = 20.0;

/// Further attempts after the first (E1).
pub const RETRIES_MAX: u32 = 3;
/// What a file's deletion still gets when the command is to stop: an answer comes within a second, and one that is late may not
/// come at all.
pub const SWEEP_STOP_MS_MAX: u64 = 3_000;
/// The first wait of the exponential backoff.
pub const RETRY_WAIT_MS_FIRST: u64 = 500;
/// The longest single wait of the backoff.
pub const RETRY_WAIT_MS_MAX: u64 = 30_000;
/// Answers in a row that come from a part in trouble itself (5xx, unreadable, not served), after which the part is
/// taken for away as a whole (E3).
pub const OUTAGE_ANSWERS_IN_A_ROW: u32 = 10;
/// How often a worker that waits at a gate looks whether it is open again.
pub const GATE_LOOK_MS: u64 = 500;
/// Images of a run that its origin is asked for when it seems to be away and has given nothing yet.
pub const WITNESSES_MAX: usize = 3;
/// No wait that another side asks for is taken for longer than this: a day.
pub const ASKED_WAIT_MS_MAX: u64 = 86_400_000;
/// A rate limit that lets nothing through for longer than this is told to a person (E8).
pub const RATE_LIMIT_ALERT_MS: u64 = 60_000;
/// How often an alert's POST is tried (E8).
pub const NOTIFY_TRIES: u32 = 3;
/// Waits of a run for one part are written down once they add up to this: a run that is slowed down all the time then
/// writes an event a second at most.
pub const WAIT_WRITTEN_MS_MIN: u64 = 1_000;
/// People at the control socket at once: more only takes descriptors from the run.
pub const CONTROL_CLIENTS_MAX: usize = 16;
/// People who wait at the same time for a pause to come about: each takes a descriptor, and a run has one answer for all.
pub const CONTROL_WAITING_MAX: usize = 32;
/// Alerts that are still being sent after this long are spoken of, before the program waits for them.
pub const NOTIFY_SILENT_MS: u64 = 1_000;
/// A line of the control socket: a request, or where a run stands.
pub const CONTROL_BYTES_MAX: u64 = 16 * 1024;
/// How long the control socket waits for a request's line, and whoever asks for an answer that needs no waiting.
pub const CONTROL_MS_MAX: u64 = 10_000;
/// One POST of an alert, answer included (E8).
pub const NOTIFY_MS_MAX: u64 = 10_000;
/// How long an outage or a rate limit is waited through before the run pauses, unless `--patience` says otherwise.
pub const PATIENCE_MS_DEFAULT: u64 = 300_000;

/// A run pauses when more of a country's images than this failed or were skipped, in percent, unless `--max-error-rate`
/// says otherwise: twice what a rollout may have (C9).
pub const ERROR_RATE_MAX_PERCENT: u32 = 10;

/// Connections to the application's database: row updates are short, and the site needs the rest.
pub const CATALOG_CONNECTIONS_MAX: u32 = 8;
/// Waiting for a row lock any longer would hold up the site's own writers behind us.
pub const CATALOG_LOCK_WAIT_MS_MAX: u64 = 5_000;
/// PostgreSQL ends a transaction of ours that stands still for longer than this, and with it gives back the row that a
/// suspended program holds: our pauses are of milliseconds, and whoever waits for a row as long as we do gets it.
pub const CATALOG_IDLE_MS_MAX: u64 = 3_000;
/// PostgreSQL breaks a connection inside a transaction of ours whose other end takes no answer for longer than this:
/// while it sends, no other limit counts. A network that loses packets for some seconds still gets through.
pub const CATALOG_UNREAD_MS_MAX: u64 = 10_000;
/// One statement on the catalog; reading a page is the longest.
pub const CATALOG_STATEMENT_MS_MAX: u64 = 60_000;
/// SQLite's own steps between two looks at the clock: some tenths of a millisecond.
pub const SQLITE_STEPS_A_LOOK: i32 = 10_000;
/// A database that says nothing to one statement for longer than this is not there any more: it would have ended the
/// statement, and said so.
pub const CATALOG_SILENT_MS_MAX: u64 = CATALOG_STATEMENT_MS_MAX + 30_000;
/// Matches further apart than this are left out of a `populate`, unless it is told otherwise: no venue is that large, so
/// they are two.
pub const MATCH_FAR_M: u64 = 50_000;
/// Images of one venue of Trivia Advisor that make no entry and are named one by one; the rest is counted.
pub const LEFT_OUT_TOLD_MAX: usize = 100;
/// Characters of an entry's URL, status or file id that `reconcile` keeps until all rows are read. Real ones are shorter.
pub const ENTRY_CHARS_KEPT_MAX: usize = 2_000;
/// Bytes of a URL that is fetched: the HTTP library takes no longer ones.
pub const URL_BYTES_MAX: usize = 65_000;
/// Bytes of the entries in a saved plan: 100,000 images. They are held while it is made, and while it is run.
pub const PLAN_FILE_BYTES_MAX: usize = 30_000_000;
/// Bytes of a matching report: of half a million rows.
pub const MATCHES_FILE_BYTES_MAX: u64 = 100_000_000;
/// Bytes of one field of it.
pub const MATCHES_FIELD_BYTES_MAX: usize = 16 * 1024;
/// Fields of one row of it. It has eleven columns, and each field takes many times its bytes.
pub const MATCHES_FIELDS_MAX: usize = 1_000;
/// Rows of it that cannot be read: with more of them it is no matching report.
pub const MATCHES_BAD_ROWS_MAX: usize = 100_000;
/// Differences between a saved plan and the database that are named; beyond these a person plans anew anyway.
pub const PLAN_DIFFERENCES_MAX: usize = 20;
/// Venues read at once while planning.
pub const CATALOG_PAGE_VENUES: u32 = 500;
/// Bytes of all texts on one page of rows: beyond this it ends early. It holds at least one row.
pub const CATALOG_PAGE_BYTES_MAX: usize = 8_000_000;
/// Bytes of one row's array that leave the database, as JSON text. A venue of 5,000 completed images has some 3.5 MB; its
/// whole text is needed a dozen times over while it is changed, and written down.
pub const CATALOG_ROW_BYTES_MAX: u64 = 4_000_000;
/// Keys and values in one row's array: 5,000 completed images have some 100,000. Of the shortest there would be millions in
/// as many bytes, and each takes some memory.
pub const CATALOG_ROW_VALUES_MAX: usize = 200_000;
/// Bytes of one name or slug that leave the database. No column of names is meant to hold more.
pub const CATALOG_NAME_BYTES_MAX: i64 = 16 * 1024;
/// Bytes of the names of all countries, or of all cities: a million of them, which are kept.
pub const CATALOG_PLACES_BYTES_MAX: usize = 32_000_000;
/// Rows that a server is asked for at once: those behind the end of a page are thrown away.
pub const CATALOG_FETCH_ROWS_MAX: usize = 128;
/// The same before any row has shown how large rows are.
pub const CATALOG_FETCH_ROWS_FIRST: usize = 2;
/// Bytes of rows that are being rewritten at the same time: beyond this no further step begins. One alone may be larger.
pub const ROWS_IN_AIR_BYTES_MAX: usize = 8_000_000;
/// What a command takes of memory at most, in kilobytes, whatever is in the rows that it reads: some 50 MB are the program,
/// and a row of the largest size takes about 100 MB while it is changed.
pub const ROWS_MEMORY_KB_MAX: u64 = 250_000;
/// How often the claim's connection is used, so that nothing between takes it for dead.
pub const CLAIM_PING_MS: u64 = 30_000;
/// PostgreSQL frees the claim of a vanished holder after this long.
pub const CLAIM_IDLE_MS_MAX: u64 = 120_000;
/// How long taking a claim is tried: the backend of a killed program may still be busy.
pub const CLAIM_TRY_MS_MAX: u64 = 10_000;

/// What is remembered of the venues whose images are in the air, so that a venue's plan is not read again for each of
/// them: the URLs of some 100,000 images.
pub const ORIGINS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Outcomes that are appended in one transaction: beyond this, a group commit gains nothing more.
pub const APPEND_BATCH_MAX: usize = 256;
/// A checkpoint is written whenever this many images have settled since the last.
pub const CHECKPOINT_IMAGES: u64 = 1_000;

/// First bytes of a download looked at to see what it is; an HTML page shows itself within them.
pub const SNIFF_BYTES: usize = 512;
/// Steps of one picture's check, a step being a pixel or coefficient that is looked at: ten minutes of small video. More
/// is a trap for decoders.
pub const PICTURE_WORK_MAX: u64 = 2_000_000_000;
/// Entries, of two bytes each, of the tables of all prefix codes of a lossless WebP. A collage of 2,500 noises, each with
/// colours of its own, has a million.
pub const WEBP_TABLES_MAX: usize = 6_000_000;
/// How many of them there may be in the smallest picture; each two bytes of it allow one more. That collage has one for
/// four bytes, photos and drawings have a tenth of that.
pub const WEBP_TABLES_MIN: usize = 250_000;
/// Bytes of no meaning that may stand behind the data of a lossy WebP's partition, beside zeros: as much as an encoder may
/// align to.
pub const WEBP_STRAY_BYTES_MAX: usize = 32;
/// Steps that a frame of a WebP costs beside its pixels: its headers and probabilities.
pub const WEBP_FRAME_STEPS: u64 = 1_000;
/// Steps of a macroblock of a lossy WebP, whose modes and contexts are looked at even where it has no coefficients.
pub const WEBP_BLOCK_STEPS: u64 = 240;
/// Steps of a pixel of a lossless WebP that may be a copy which takes no bits, beside its own: the file's length does not
/// bound how many of these there are.
pub const WEBP_COPY_STEPS: u64 = 5;
/// Steps of a coefficient of a lossy WebP.
pub const WEBP_COEFFICIENT_STEPS: u64 = 8;
/// Steps of a row of a tile of a lossless WebP that has several sets of prefix codes: another set may have to come from
/// far away in memory.
pub const WEBP_TILE_STEPS: u64 = 64;
/// What a PNG's pixels are inflated into, piece by piece. The format looks back at most 32 KiB.
pub const PNG_INFLATE_BYTES: usize = 128 * 1024;
/// Steps of a byte of a PNG's compressed data that makes none: it is of tables for codes, which are built each time.
pub const PNG_TABLE_STEPS: u64 = 280;
/// Steps that each frame of a PNG costs besides its pixels.
pub const PNG_FRAME_STEPS: u64 = 4_000;
/// Scans of a JPEG: progressive ones have some ten, with every bit of every coefficient apart some hundreds, and each may be
/// a few bytes that stand for the whole picture.
pub const JPEG_SCANS_MAX: usize = 200;
/// Bytes of no meaning that may stand behind the data of a JPEG's scan. Whole pictures that have any have a few.
pub const JPEG_STRAY_BYTES_MAX: usize = 128;
/// Read at once from the spool while uploading: large enough to be cheap, small enough to show progress. Each of these is
/// taken within [`IDLE_MS_MAX`], which bounds the time of an upload by its size.
pub const UPLOAD_CHUNK_BYTES: usize = 64 * 1024;
/// Characters of a foreign server's message that are kept; what matters stands at the front.
pub const MESSAGE_CHARS_MAX: usize = 300;
/// Files on one page of ImageKit's listing: its own maximum.
pub const LIST_FILES_MAX: u32 = 1_000;
/// Memory for what is kept of a listing until all of it is judged, counted by its texts: about a million files, with others'
/// among them. Each page has to bring files that no page before it had, so this ends a listing that does not end, too.
pub const LIST_BYTES_MAX: usize = 500_000_000;
/// What a listing may take altogether, beside [`LIST_PAGE_MS_MAX`] for each page that has come: time for an outage, and for a
/// rate limit that is waited for.
pub const LIST_MS_MAX: u64 = 1_800_000;
/// What each page of a listing may take on average; ImageKit answers one within two seconds.
pub const LIST_PAGE_MS_MAX: u64 = 20_000;
/// Files of a listing that cannot be read and are named; more are counted. Whoever looks at these will mend the others.
pub const ODD_FILES_NAMED_MAX: usize = 1_000;
/// Characters that are shown of a path that is none.
pub const FINDING_PATH_CHARS_MAX: usize = 300;
/// No file or plan of ImageKit's has as many bytes, a petabyte: a larger number is none, and would add up to less than it.
pub const CDN_BYTES_MAX: u64 = 1_000_000_000_000_000;
/// Files looked through for one exact path; a folder holds a name once, but the server's word is not taken for it.
pub const FIND_FILES_MAX: u32 = 100;
/// Files ImageKit deletes by one request: its own maximum.
pub const BULK_DELETE_FILES_MAX: usize = 100;
/// Files that are shown before a question about deleting them: a screen; more has its own command.
pub const SHOWN_FILES_MAX: usize = 20;
/// How often a ledger that another process writes is looked at again (`log --follow`, `status --watch`): soon enough for
/// a person, and one indexed look costs the writer nothing.
pub const LOOK_AGAIN_MS: u64 = 500;
/// Making a connection to the application's database, TLS and authentication included; a sleeping pooler takes seconds.
pub const CATALOG_CONNECT_MS_MAX: u64 = 10_000;
/// How often a claim that someone else holds is asked for again while it is tried for.
pub const CLAIM_AGAIN_MS: u64 = 250;
/// Characters of a database's own message that are passed on: enough for a trigger's sentence, little enough for a line.
pub const CATALOG_MESSAGE_CHARS_MAX: usize = 300;
/// Files on one page of the sandbox's list, as at ImageKit.
pub const SANDBOX_LIST_PAGE_MAX: usize = 1_000;
/// Versions of one file in the sandbox, as at ImageKit.
pub const SANDBOX_VERSIONS_MAX: usize = 100;
/// Nested folders in the sandbox, as at ImageKit.
pub const SANDBOX_FOLDERS_DEEP_MAX: usize = 50;
/// Characters of all tags of a file in the sandbox, as at ImageKit.
pub const SANDBOX_TAG_CHARS_MAX: usize = 500;
/// Files in one bulk delete of the sandbox, as at ImageKit.
pub const SANDBOX_BULK_DELETE_MAX: usize = 100;
/// Files in one call on tags in the sandbox, as at ImageKit.
pub const SANDBOX_BULK_TAGS_MAX: usize = 50;
/// The sandbox's usage call takes fewer days than this, as ImageKit's does.
pub const SANDBOX_USAGE_DAYS_MAX: i64 = 90;
/// The longest side that ImageKit delivers, and so the sandbox.
pub const SANDBOX_SIDE_PIXELS_MAX: u32 = 65_535;
/// The box of the sandbox's thumbnails; ImageKit does not say its own.
pub const SANDBOX_THUMBNAIL_PIXELS: u32 = 300;
/// JPEG quality of the sandbox's transformations where none is asked for.
pub const SANDBOX_JPEG_QUALITY: u8 = 75;
/// A text field of an upload is a name, tags or a little JSON; more is a mistake.
pub const SANDBOX_FIELD_BYTES_MAX: u64 = 1_000_000;
/// Pictures that the sandbox decodes at the same time: enough for a few cores, and 100 MP take 300 MB each.
pub const SANDBOX_PICTURES_AT_ONCE_MAX: usize = 4;
/// Templates of whose pictures the sandbox keeps the WebP ready: more than it has.
pub const SANDBOX_READY_MAX: usize = 256;
/// How long a stopping sandbox waits for requests in the air.
pub const SANDBOX_STOP_MS_MAX: u64 = 5_000;
/// What the sandbox's oversized images say they hold: above any limit, and streamed, so that only the wire pays.
pub const SANDBOX_OVERSIZED_BYTES: u64 = IMAGE_BYTES_MAX + 5_000_000;
/// How long a sandbox's late answer takes, and a rate-limited client is told to wait, unless the fault says otherwise.
pub const SANDBOX_FAULT_MS: u64 = 1_000;
/// Bytes of a body that a sandbox still sends before it stalls or breaks, unless the fault says otherwise: enough for a
/// picture's header, and less than any whole picture of its.
pub const SANDBOX_FAULT_BYTES: usize = 1_000;
/// Bytes of one piece of a sandbox's slow body, unless the fault says otherwise: its pictures then take seconds.
pub const SANDBOX_TRICKLE_BYTES: usize = 8_192;
/// How long each piece of a sandbox's slow body waits, unless the fault says otherwise.
pub const SANDBOX_TRICKLE_MS: u64 = 100;
/// What a sandbox's gzip bomb holds: more than any machine it is tried on has memory.
pub const SANDBOX_BOMB_BYTES: u64 = 64_000_000_000;
/// Zeros in one member of that bomb; the members are the same bytes again and again.
pub const SANDBOX_BOMB_MEMBER_BYTES: usize = 4_000_000;
/// How long a sandbox that found no descriptor to listen with waits before it looks again.
pub const SANDBOX_LISTEN_AGAIN_MS: u64 = 50;
/// Venues written to a sandbox's PostgreSQL in one statement: a few hundred kilobytes.
pub const SANDBOX_INSERT_ROWS: usize = 500;
/// Files whose size `plan` asks the origin for where it is not to ask for all: the mean of a hundred is good to a few percent.
pub const PLAN_SAMPLE_FILES: u64 = 100;
/// What a download is expected to take while no run has measured any.
pub const PLAN_DOWNLOAD_MS: u64 = 1_000;
/// The same for an upload.
pub const PLAN_UPLOAD_MS: u64 = 2_000;
/// The same for a venue's row update.
pub const PLAN_ROW_MS: u64 = 1_000;
/// How long `doctor` waits for one outside part: longer than a connection may take.
pub const DOCTOR_ASK_MS_MAX: u64 = 15_000;
/// Images and files that `doctor` looks at before it says that none is served: one alone may be a broken one.
pub const DOCTOR_IMAGES: usize = 3;
/// Transactions of one connection that are asked which server process they are in: two that differ show a pooler.
pub const POOLER_LOOKS: usize = 4;
/// Clocks that differ by more would put what happened into another order; asking takes a part of it, too.
pub const CLOCK_OFF_MS_MAX: u64 = 10_000;
/// Less room on the disk is a finding: 16 images in flight of the largest size are 400 MB, and the ledger of a hundred
/// thousand images is another 400 MB.
pub const DISK_FREE_BYTES_MIN: u64 = 1_000_000_000;
/// Arenas of glibc's allocator: more spare threads a wait that is not seen in measurements, and cost 64 MB of address space
/// each.
pub const ARENAS_MAX: u32 = 2;
/// Address space that the process stays below with 16 images in flight, whatever the pictures are: 150 MB for files and
/// checks of pictures, 128 MB for arenas, and about 200 MB for all else, threads' stacks among them.
pub const MEMORY_BYTES_MAX: u64 = 600_000_000;
/// Descriptors that an image in flight may hold: its file in the spool, and a connection to the origin and to the CDN.
pub const DESCRIPTORS_AN_IMAGE: u64 = 3;
/// Descriptors beside those of images: the database's connections, the ledger's files and the runtime's own.
pub const DESCRIPTORS_BESIDE: u64 = 64;
/// From this share of the plan on it is nearly used up: `doctor` notes it, `migrate` warns, and a run alerts (E8).
pub const USED_NOTE_PERCENT: u64 = 90;
/// How long `migrate` asks the origin for sizes before its question; what came by then is its sample.
pub const FORECAST_SIZES_MS_MAX: u64 = 5_000;
/// How long a look at the usage of ImageKit's plan takes, beside a run and before one.
pub const USAGE_MS_MAX: u64 = 5_000;
/// The longest path that a Unix socket can have as its address: 108 bytes with the zero behind it.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Bytes of a `.env` that are read: more than any has.
pub const ENV_FILE_BYTES_MAX: u64 = 1_000_000;
/// Bytes of libpq's file of passwords that are read to know which texts are secret.
pub const PASS_FILE_BYTES_MAX: u64 = 1_000_000;
/// Columns that a view of a SQLite file may name to be looked into for uses of files, together with the views that it is made of.
pub const USE_VIEW_COLUMNS_MAX: u32 = 10_000;
/// What a text is unwound to while files are looked for in it, as a multiple of its length: base64 in base64, as deep as it
/// goes, is thirteen times as much, and what has escapes of CSS besides little more. What is wound more cunningly counts as
/// speaking of every file.
pub const USE_FORMS_TIMES_MAX: usize = 16;
/// A longer text is not looked through, and counts as speaking of every file: twice what a row of many thousand images
/// has, and while it is unwound some eight times as much is in memory.
pub const USE_TEXT_BYTES_MAX: usize = 32_000_000;
/// Characters of the name of a row that are kept, as its key may be any text.
pub const ROW_NAME_CHARS_MAX: usize = 100;
/// Blocks of a PostgreSQL table that one statement looks through: 2 MB, and what lies beside them as TOAST.
pub const SEARCH_BLOCKS: i64 = 256;
/// The same where only rows written since the last look are looked at: 128 MB, of which most are passed by.
pub const SEARCH_BLOCKS_AGAIN: i64 = 16_384;
/// One statement of a search for uses: of a table that has no blocks of its own, like a foreign one, all of it.
pub const SEARCH_STATEMENT_MS_MAX: u64 = 600_000;
/// How long a search may look at one text before PostgreSQL takes it for gone.
pub const SEARCH_UNREAD_MS_MAX: u64 = 120_000;
/// Tables with fewer blocks are counted where PostgreSQL has no estimate yet: that takes no time.
pub const SEARCH_COUNTED_BLOCKS: i64 = 1_024;
/// Tables that are named before a question about deleting; a command that shows all of them is told.
pub const SHOWN_TABLES_MAX: usize = 20;
