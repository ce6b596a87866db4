//! What the check of a picture costs: of every format, from half a megapixel to fifty.

use std::path::Path;
use std::process::{Command, Stdio};

use ledger::ids::Format;
use longshore::outside::picture::check;
use longshore::sandbox::pictures::photo;

use super::kernel::{peak_bytes, thread_seconds};
use super::tools;

/// A kind of file: its name, its format, and whether it is a JPEG of several scans.
const KINDS: [(&str, Format, bool); 5] = [
    ("JPEG baseline", Format::Jpeg, false),
    ("JPEG progressive", Format::Jpeg, true),
    ("PNG", Format::Png, false),
    ("WebP lossless", Format::Webp, false),
    ("GIF", Format::Gif, false),
];

/// Measures each in a process of its own, for so many seconds, and prints a table.
pub fn run(sides: &[(u32, u32)], seconds: f64) {
    let dir = tempfile::tempdir().unwrap();
    println!(
        "\ncheck, again and again of one file (the first in a process costs up to twice that): processor time, and memory \
         beside the file's own bytes; in brackets what a decode by the C library takes. Lossless photos above 3 MP have \
         less noise than smaller ones, so that they compare with their own size alone."
    );
    let has_djpeg = tools::has("djpeg", "libjpeg-turbo-progs");
    let [has_cwebp, has_dwebp] = ["cwebp", "dwebp"].map(|program| tools::has(program, "webp"));
    println!(
        "{:<18}{:>6}{:>9}{:>10}{:>9}{:>10}{:>12}{:>12}",
        "", "MP", "MB file", "ms", "MP/s", "x decode", "memory", ""
    );
    for (what, format, is_progressive) in KINDS {
        for &(width, height) in sides {
            let path = dir.path().join("picture");
            std::fs::write(&path, photo(format, width, height, is_progressive)).unwrap();
            let has = match format {
                Format::Jpeg => has_djpeg,
                Format::Webp => has_dwebp,
                Format::Png | Format::Gif => false,
            };
            line(what, format, (width, height), &path, seconds, has);
            if format == Format::Webp && has_cwebp {
                let jpeg = dir.path().join("picture.jpg");
                std::fs::write(&jpeg, photo(Format::Jpeg, width, height, false)).unwrap();
                let args =
                    ["-quiet", "-q", "80", "-m", "2", jpeg.to_str().unwrap(), "-o", path.to_str().unwrap()];
                assert!(Command::new("cwebp").args(args).status().unwrap().success());
                line("WebP lossy", format, (width, height), &path, seconds, has);
            }
        }
    }
}

fn line(
    what: &str,
    format: Format,
    (width, height): (u32, u32),
    path: &Path,
    seconds: f64,
    has_decoder: bool,
) {
    let args = ["check", path.to_str().unwrap(), &seconds.to_string()];
    let child = Command::new(std::env::current_exe().unwrap()).args(args).stderr(Stdio::inherit()).output();
    let child = child.unwrap();
    assert!(child.status.success(), "{what}, {width} x {height}");
    let said = String::from_utf8(child.stdout).unwrap();
    let (took, peak) = said.trim().split_once(' ').unwrap();
    let (took, peak): (f64, f64) = (took.parse().unwrap(), peak.parse().unwrap());
    let (pixels, file) = (f64::from(width) * f64::from(height), path.metadata().unwrap().len());
    let (mut ratio, mut beside) = (String::new(), String::new());
    if has_decoder {
        // The kernel counts in hundredths of a second.
        let decode = tools::decode_seconds(format, path, (seconds / took).clamp(1.0, 200.0) as u32);
        ratio = if decode > 0.0 { format!("{:.2}", took / decode) } else { "-".to_owned() };
        beside = format!("({:.1} MB)", tools::decode_memory(format, path) / 1e6);
    }
    println!(
        "{what:<18}{:>6.1}{:>9.1}{:>10.2}{:>9.0}{ratio:>10}{:>9.1} MB{beside:>12}",
        pixels / 1e6,
        file as f64 / 1e6,
        took * 1e3,
        pixels / took / 1e6,
        peak / 1e6
    );
}

/// In a process of its own: checks a file once, and then for so many seconds; says the seconds of one check and the
/// bytes of memory that the first one took beside the file's own.
pub fn alone(path: &Path, seconds: f64) {
    let bytes = std::fs::read(path).unwrap();
    let before = peak_bytes("self").unwrap();
    check(&bytes).unwrap();
    let peak = peak_bytes("self").unwrap() - before;
    let (begun, mut checks) = (thread_seconds(), 0_u32);
    loop {
        check(&bytes).unwrap();
        checks += 1;
        let took = thread_seconds() - begun;
        if took >= seconds {
            return println!("{} {peak}", took / f64::from(checks));
        }
    }
}
