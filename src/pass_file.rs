//! libpq's files of passwords, out of which comes the one for a URL that has none. They are read here and not by the
//! driver, which would wait for a pipe for ever.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::limits::PASS_FILE_BYTES_MAX;

/// Who logs in where, by a URL that has no password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The host that the URL names, or the directory of a socket.
    pub host: String,
    /// What a line is compared with: host, port, database and user. For a socket this host is another.
    pub compared: [String; 4],
    /// Whether it is this machine, or has to show a certificate for its name by an authority of this machine's own.
    pub is_proven: bool,
}

/// Reads a database's URL; `None` where it needs no password of a file.
pub type ReadLogin = fn(&str) -> Option<Login>;

/// A line that has a password for a login.
pub(crate) struct Found {
    pub(crate) file: PathBuf,
    /// Not known where it may stand behind what is read of a long file.
    pub(crate) password: Option<String>,
    /// Whether it names the URL's own host, and not any.
    pub(crate) names_host: bool,
    /// The same of the port.
    pub(crate) names_port: bool,
    /// Whether a password is taken out of this file: others may not so much as read it.
    pub(crate) is_taken: bool,
}

/// The password that a database is sent whose URL has none: that of the first line that fits, out of a file that is taken.
pub(crate) fn password(login: &Login) -> Option<String> {
    find(login).into_iter().find(|found| found.is_taken)?.password
}

/// All lines that fit, in the order in which they are looked at: first `PGPASSFILE`, then `~/.pgpass`.
pub(crate) fn find(login: &Login) -> Vec<Found> {
    let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let usual = std::env::home_dir().map(|home| home.join(".pgpass"));
    let mut found = Vec::new();
    for file in named.into_iter().chain(usual) {
        let Some((text, is_taken, is_whole)) = read(&file) else { continue };
        // Any line may stand behind what was read.
        if !is_whole {
            let (file, no) = (file.clone(), false);
            found.push(Found { file, password: None, names_host: no, names_port: no, is_taken });
        }
        for [host, rest @ .., password] in text.lines().filter_map(fields) {
            let fits = |(field, value): (&String, &String)| field == "*" || field == value;
            if [&host].into_iter().chain(&rest).zip(&login.compared).all(fits) {
                let (names_host, names_port) = (host == login.host, rest[0] == login.compared[1]);
                let (file, password) = (file.clone(), Some(password));
                found.push(Found { file, password, names_host, names_port, is_taken });
            }
        }
    }
    found
}

/// What a file holds, and whether libpq takes it: a regular file that has no rights for group and others.
/// Whose it is and how many names it has they do not ask. Asked of the open file, and a pipe is not waited for. Last comes
/// whether that is all of it.
fn read(path: &Path) -> Option<(String, bool, bool)> {
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, how, Mode::empty()).ok()?);
    let about = file.metadata().ok().filter(|about| about.is_file())?;
    let mut bytes = Vec::new();
    file.take(PASS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    let is_whole = bytes.len() as u64 <= PASS_FILE_BYTES_MAX;
    Some((String::from_utf8_lossy(&bytes).into_owned(), about.mode() & 0o077 == 0, is_whole))
}

/// `host:port:database:user:password`, in which a backslash stands before a `:` that is meant.
fn fields(line: &str) -> Option<[String; 5]> {
    let (mut fields, mut at, mut chars) = (<[String; 5]>::default(), 0, line.chars());
    while let Some(c) = chars.next() {
        match c {
            ':' if at < 4 => at += 1,
            '\\' => fields[at].extend(chars.next()),
            c => fields[at].push(c),
        }
    }
    (at == 4 && !line.starts_with('#')).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_passwords_of_libpqs_file_are_read_as_it_reads_them() {
        let password = |line| fields(line).map(|[.., password]| password);
        assert_eq!(password(r"h:5432:*:me:a:b\:c\\d").as_deref(), Some(r"a:b:c\d"));
        assert_eq!(fields(r"[\:\:1]:*:*:me:pw").unwrap()[0], "[::1]");
        assert_eq!(fields("#h:1:*:me:pw"), None);
        assert_eq!(fields("h:1:me:pw"), None);
    }
}
