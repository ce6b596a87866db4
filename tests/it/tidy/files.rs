//! Files are made and opened for writing in one way, which follows no links.

use super::{code, nobody};

#[test]
fn s5_only_one_module_opens_files_to_write_them() {
    let ways = [
        "OpenOptions",
        "File::create",
        "File::options",
        "fs::write",
        "fs::copy",
        "set_permissions",
        "create_dir_all",
        "remove_dir_all",
    ];
    let allowed = [
        // Only devices and pipes that a person names, which are written to as they are.
        "src/show/out.rs: OpenOptions",
        // The terminal.
        "src/cli/hangup.rs: File::options",
        // The directory that the demo itself has made.
        "src/cli/demo.rs: remove_dir_all",
    ];
    let is_test = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    // What lies in a sandbox's directory, which is looked at when it is opened, is the stand-ins' own.
    let is_sandbox = |file: &str| file.starts_with("src/sandbox/");
    let mut users = Vec::new();
    for (file, text) in code("src/").into_iter().chain(code("ledger/src/")) {
        if is_test(&file) || is_sandbox(&file) {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        users.extend(ways.iter().filter(|way| text.contains(**way)).map(|way| format!("{file}: {way}")));
    }
    users.retain(|user| !allowed.contains(&user.as_str()));
    nobody(users, "ledger/src/store/private.rs makes files and opens them to write");
}
