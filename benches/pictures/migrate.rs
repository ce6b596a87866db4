//! What the whole of `migrate` costs for a photo, beside a bare decode of it and beside `rclone copy`.

use std::collections::HashMap;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ledger::ids::Format;
use longshore::sandbox::pictures::{photo, with_comment};
use longshore::sandbox::whole::{Options, Sandbox};

use super::kernel::{Took, children_seconds, watch};
use super::tools::{self, djpeg_seconds};

/// What a child of this bench is told to serve.
const SIDES: (u32, u32) = (1_600, 1_200);
/// Of so many photos one is progressive.
const PROGRESSIVE_EVERY: usize = 4;
/// The country with few photos, which shows what starting costs, and the one with many.
const FEW: &str = "DE";
const MANY: &str = "GB";

/// The sandbox, in a process of its own until its standard input ends: every file on its origin is a photo.
pub fn serve(dir: &Path, venues: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options { venues, ..Options::new(dir.join("sandbox")) };
        let sandbox = Sandbox::open(&options).await.unwrap();
        let templates = [false, true].map(template);
        for (at, image) in sandbox.world.images().into_iter().enumerate() {
            let template = &templates[usize::from(at % PROGRESSIVE_EVERY == 0)];
            sandbox.origin.put(&image.path, "image/jpeg", with_comment(Format::Jpeg, template, &image.path));
        }
        for code in [FEW, MANY] {
            let venues = sandbox.world.to_migrate(code);
            let mut paths: Vec<&str> = venues.iter().flat_map(|venue| venue.images.to_migrate()).collect();
            paths.sort_unstable();
            paths.dedup();
            std::fs::write(dir.join(code), paths.join("\n")).unwrap();
        }
        std::fs::write(dir.join("ready"), "").unwrap();
        let _to_its_end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
    });
}

fn template(is_progressive: bool) -> Vec<u8> {
    photo(Format::Jpeg, SIDES.0, SIDES.1, is_progressive)
}

/// Measures, and prints a table. `venues` in the sandbox: five photos each, and seven of ten in the large country.
pub fn run(venues: u32, decodes: u32) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path(), venues);
    let photos = |code: &str| std::fs::read_to_string(dir.path().join(code)).unwrap().lines().count();
    let (few, many) = (photos(FEW), photos(MANY));
    let bytes = (3 * template(false).len() + template(true).len()) / 4;
    println!(
        "\nmigrate: {} photos of {} x {} ({} kB, one of {PROGRESSIVE_EVERY} progressive), processor time a photo",
        many - few,
        SIDES.0,
        SIDES.1,
        bytes / 1000
    );
    println!("{:<34}{:>8}{:>16}{:>10}{:>14}", "", "ms", "ms with start", "x decode", "peak memory");

    let decode = tools::has("djpeg", "libjpeg-turbo-progs").then(|| {
        let [baseline, progressive] = [false, true].map(|is_progressive| {
            let path = dir.path().join(if is_progressive { "p.jpg" } else { "b.jpg" });
            std::fs::write(&path, template(is_progressive)).unwrap();
            djpeg_seconds(&path, decodes)
        });
        (3.0 * baseline + progressive) / 4.0
    });
    if let Some(seconds) = decode {
        println!("{:<34}{:>8.1}{:>16}{:>10.1}", "libjpeg-turbo decode (djpeg)", seconds * 1e3, "", 1.0);
    }
    let line = |what: &str, few_took: Took, many_took: Took| {
        let a_photo = (many_took.seconds - few_took.seconds) / (many - few) as f64;
        let ratio = decode.map_or(String::new(), |decode| format!("{:.1}", a_photo / decode));
        let with_start = many_took.seconds / many as f64 * 1e3;
        let megabytes = many_took.peak_bytes as f64 / 1e6;
        println!("{what:<34}{:>8.1}{with_start:>16.1}{ratio:>10}{megabytes:>11.0} MB", a_photo * 1e3);
    };
    let [few_took, many_took] = [FEW, MANY].map(|code| watch(place.migrate(code)));
    line("longshore migrate, 16 in flight", few_took, many_took);
    if tools::has("rclone", "rclone") {
        let [few_took, many_took] = [FEW, MANY].map(|code| watch(place.rclone(code, &place.to_disk(code))));
        line("rclone copy, HTTP to disk", few_took, many_took);
        let webdav = Webdav::new(&place.dir);
        let [few_took, many_took] = [FEW, MANY].map(|code| watch(place.rclone(code, &webdav.args(code))));
        line("rclone copy, HTTP to WebDAV", few_took, many_took);
    }
    let before = children_seconds();
    drop(place);
    let served = (children_seconds() - before) / (few + many) as f64;
    println!("{:<34}{:>8.1}", "the sandbox, for all of these", served * 1e3);
}

/// A directory to work in, and a sandbox at work.
struct Place {
    dir: PathBuf,
    settings: HashMap<String, String>,
    sandbox: Child,
}

impl Place {
    fn new(dir: &Path, venues: u32) -> Self {
        let sandbox = Command::new(std::env::current_exe().unwrap())
            .args(["serve", dir.to_str().unwrap(), &venues.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut place = Self { dir: dir.to_owned(), settings: HashMap::new(), sandbox };
        while !dir.join("ready").exists() {
            assert!(place.sandbox.try_wait().unwrap().is_none(), "the sandbox has ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        let env = std::fs::read_to_string(dir.join("sandbox/env")).unwrap();
        let setting = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        place.settings = env.lines().filter_map(setting).collect();
        place
    }

    fn migrate(&self, code: &str) -> Child {
        let program = std::env::var_os("LONGSHORE").unwrap_or(env!("CARGO_BIN_EXE_longshore").into());
        let mut command = Command::new(program);
        command.args(["migrate", "--country", code, "--yes"]).current_dir(&self.dir).env_clear();
        command.envs(&self.settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn to_disk(&self, code: &str) -> Vec<String> {
        vec![self.dir.join(format!("{code}.copy")).to_str().unwrap().to_owned()]
    }

    fn rclone(&self, code: &str, to: &[String]) -> Child {
        let list = self.dir.join(code);
        let mut command = Command::new("rclone");
        command.args(["copy", ":http:"]).args(to).args(["--config", "/dev/null", "--transfers", "16"]);
        command.args(["--no-traverse", "--http-url", &self.settings["ORIGIN_BASE_URL"]]);
        command.args(["--files-from-raw", list.to_str().unwrap()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.sandbox.stdin.take());
        let _it_ends = self.sandbox.wait();
    }
}

/// A server for `rclone` to upload to.
struct Webdav {
    url: String,
    server: Child,
}

impl Webdav {
    fn new(dir: &Path) -> Self {
        let place = dir.join("webdav");
        std::fs::create_dir(&place).unwrap();
        // Free when this is over, and taken again at once.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("rclone");
        command.args(["serve", "webdav", place.to_str().unwrap(), "--addr", &address.to_string()]);
        command
            .args(["--config", "/dev/null"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "rclone does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { url: format!("http://{address}"), server }
    }

    fn args(&self, code: &str) -> Vec<String> {
        vec![format!(":webdav:{code}"), "--webdav-url".to_owned(), self.url.clone()]
    }
}

impl Drop for Webdav {
    fn drop(&mut self) {
        let _it_ends = self.server.kill().and_then(|()| self.server.wait());
    }
}
