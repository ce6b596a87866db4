//! What pictures cost: `cargo bench --bench pictures`. Compares with programs of other people where they are installed.

mod kernel;
mod migrate;
mod tools;

use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", dir, venues] => return migrate::serve(Path::new(dir), venues.parse().unwrap()),
        _ => {}
    }
    // `cargo bench` says so; `cargo test` only wants to see that it comes to an end.
    let (venues, decodes) = if args.iter().any(|arg| arg == "--bench") { (64, 50) } else { (4, 1) };
    migrate::run(venues, decodes);
}
