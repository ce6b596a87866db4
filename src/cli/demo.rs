//! `demo`: the whole story on the sandbox, by the program's own commands (requirement C14). It begins after `populate`:
//! its rows are external already, because only so do other sources' entries, twins and odd texts stand among them.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Context;
use crate::error::{Exit, Failure};
use crate::outside::catalog::{self, Catalog};
use crate::sandbox::whole::{Options, Sandbox};
use ledger::ids::{ContentHash, VenueId};

/// The run is killed when about this many images have been sent.
const KILL_AT_UPLOADS: u64 = 150;
/// How often that is looked at, in milliseconds.
const LOOK_MS: u64 = 2;

pub fn run(context: &Context<'_>) -> Result<Exit, Failure> {
    let dir = std::env::temp_dir().join(format!("longshore-demo-{}", std::process::id()));
    // New, and closed for others: what somebody has put under that name is not used.
    DirBuilder::new().mode(0o700).create(&dir).map_err(|error| {
        Failure::new(Exit::CannotGoOn, format!("cannot make the directory {}", dir.display())).because(error)
    })?;
    let told = play(context, &dir);
    let _nothing_to_lose = std::fs::remove_dir_all(&dir);
    told
}

fn play(context: &Context<'_>, dir: &Path) -> Result<Exit, Failure> {
    let sandbox = context.runtime.block_on(Sandbox::open(&Options::new(dir.join("sandbox"))))?;
    let stage = Stage { dir, sandbox: &sandbox };
    let poland: Vec<VenueId> = sandbox.world.to_migrate("PL").iter().map(|venue| VenueId(venue.id)).collect();
    let production = &sandbox.settings.iter().find(|(name, _)| *name == "PRODUCTION_DATABASE_URL");
    let url = production.map(|(_, value)| value.clone()).unwrap_or_default();
    let catalog = context.runtime.block_on(catalog::open(&url))?;
    let rows = || context.runtime.block_on(digest(&*catalog, &poland));

    say("A database refers to images on an S3-compatible store. This is how far they are spread:");
    stage.play(&["countries"], &[Exit::Done])?;
    let before = rows()?;

    say("Poland first. Nothing is changed before you have seen what would be done:");
    stage.play(&["migrate", "--country", "Poland", "--dry-run"], &[Exit::Done])?;

    say("Now for real, and in the middle of it the power fails (kill -9):");
    let mut child = stage.start(&["migrate", "--country", "Poland", "--yes"])?;
    let sent = stage.kill_when_sent(&mut child)?;
    say(&format!("Killed after {sent} uploads. The ledger knows where everything stands:"));
    stage.play(&["status"], &[Exit::Done])?;

    say("Whoever takes over types one word. What is done is not done again:");
    stage.play(&["resume", "--yes"], &[Exit::SomeFailed])?;
    stage.count_files();
    let after = rows()?;

    say("How it went, and what to do next:");
    stage.play(&["report"], &[Exit::Done])?;

    say("Not only the ledger says so: a sample of what the rows point at is fetched, as a browser would:");
    let looked_at = [Exit::Done, Exit::Findings];
    stage.play(&["verify", "--country", "Poland", "--sample", "40", "--seed", "1"], &looked_at)?;

    say("And whoever asks a year later what was changed, for instance in the first of the venues:");
    let first = poland.first().map(VenueId::to_string).unwrap_or_default();
    stage.play(&["audit", "--venue-id", &first], &[Exit::Done])?;

    say("Every event is chained to the one before it, so that nobody can change the past unseen:");
    stage.play(&["ledger", "verify"], &[Exit::Done])?;

    say("And if the new pictures do not please, everything goes back, out of the ledger:");
    stage.play(&["rollback", "--country", "Poland", "--yes"], &[Exit::Done])?;
    let back = rows()?;
    stage.play(&["status"], &[Exit::Done])?;
    stage.play(&["verify", "--country", "Poland", "--sample", "10", "--seed", "1"], &looked_at)?;
    stage.play(&["ledger", "verify"], &[Exit::Done])?;
    if back != before || after == before {
        return Err(Failure::new(
            Exit::Bug,
            "the rows of Poland are not what they were before the migration",
        ));
    }
    say(&format!(
        "All {} venues of Poland hold, byte for byte, what they held before (BLAKE3 {}).\n\
         Try it yourself: `longshore sandbox --dir DIR`, then README.md.",
        poland.len(),
        back.short()
    ));
    context.runtime.block_on(sandbox.stop());
    Ok(Exit::Done)
}

struct Stage<'a> {
    dir: &'a Path,
    sandbox: &'a Sandbox,
}

impl Stage<'_> {
    /// Shows a command, runs it, and sees that it ends as it should.
    fn play(&self, args: &[&str], exits: &[Exit]) -> Result<(), Failure> {
        let code = self.start(args)?.wait()?.code();
        for (exit, what) in [
            (Exit::SomeFailed, "done, some images failed or were skipped"),
            (Exit::Findings, "done, and not all is as it should be"),
        ] {
            if code == Some(exit.code().into()) {
                println!("(exit code {}: {what})", exit.code());
            }
        }
        if exits.iter().any(|exit| code == Some(exit.code().into())) {
            return Ok(());
        }
        let message = format!("`longshore {}` ended with {code:?}", args.join(" "));
        Err(Failure::new(Exit::Bug, message))
    }

    fn start(&self, args: &[&str]) -> Result<Child, Failure> {
        println!("\n$ longshore {}", args.join(" "));
        let settings: BTreeMap<_, _> = self.sandbox.settings.iter().cloned().collect();
        let program = std::env::current_exe()?;
        let child = Command::new(program)
            .args(args)
            .current_dir(self.dir)
            .envs(settings)
            .stdin(Stdio::null())
            .spawn();
        Ok(child?)
    }

    fn sent(&self) -> u64 {
        self.sandbox.faults.counts().get("upload").copied().unwrap_or(0)
    }

    fn kill_when_sent(&self, child: &mut Child) -> Result<u64, Failure> {
        while self.sent() < KILL_AT_UPLOADS && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
        child.kill()?;
        child.wait()?;
        Ok(self.sent())
    }

    fn count_files(&self) {
        let files = self.sandbox.imagekit.files();
        let (tried, stored) = (self.sent(), files.len() as u64);
        let versions: usize = files.iter().map(|file| file.versions).sum();
        say(&format!(
            "Over both runs {tried} uploads were tried. {} met a file that was there already,\n\
             sent just before the power failed; it was recognised by its content. The CDN holds\n\
             {stored} files in {versions} versions: none twice.",
            tried - stored
        ));
    }
}

async fn digest(catalog: &dyn Catalog, venues: &[VenueId]) -> Result<ContentHash, Failure> {
    let mut rows = String::new();
    for venue in venues {
        let images = catalog.images(*venue).await?;
        rows.push_str(&format!("{venue} {images:?}\n"));
    }
    Ok(ContentHash::of(rows.as_bytes()))
}

fn say(text: &str) {
    println!("\n── {text}");
}
