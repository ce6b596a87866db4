//! What pictures cost: `cargo bench --bench pictures`. Compares with programs of other people where they are installed.

mod check;
mod kernel;
mod migrate;
mod tools;

use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", dir, venues] => return migrate::serve(Path::new(dir), venues.parse().unwrap()),
        ["check", file, seconds] => return check::alone(Path::new(file), seconds.parse().unwrap()),
        _ => {}
    }
    // `cargo bench` says so; `cargo test` only wants to see that it comes to an end.
    if args.iter().any(|arg| arg == "--bench") {
        check::run(&[(816, 612), (1_600, 1_200), (4_032, 3_024), (8_160, 6_120)], 1.0);
        migrate::run(64, 50);
    } else {
        check::run(&[(640, 480)], 0.01);
        migrate::run(8, 1);
    }
}
