//! Directories on the way to a file that others may write to, and what to do about all of them at once.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::trusted::{followed, or_dot};
use super::{
    OTHERS_WRITE, ROOT, STICKY, anothers, beside, check_kind, check_names, faults_above, left_by_others,
    open_regular, quoted, user, word,
};

/// The directory of this user's own, for advice: whoever reads the environment says it.
static HOME: OnceLock<PathBuf> = OnceLock::new();
/// Directories that everybody may make something in, the one that lasts longer first.
const EVERYBODYS: [&str; 2] = ["/var/tmp", "/tmp"];
/// What a directory of one's own is called in advice, where nothing else is called so.
const ROLLOUTS: [&str; 5] = ["rollout", "rollout-2", "rollout-3", "rollout-4", "rollout-5"];

/// What the names of a ledger and of its log end with: without its log a ledger lacks its newest events, and a log without its
/// ledger is what is left of one.
const COPIED: [&str; 3] = ["", "-wal", "-journal"];

/// Kinds of disk on which `chmod` may change nothing: those of Windows and of DOS, those that are shared by a network or with
/// a virtual machine, and those that a program serves.
const WITHOUT_MODES: [u64; 9] = [
    0x4d44,      // msdos and vfat
    0x2011_bab0, // exfat
    0x5346_544e, // ntfs
    0x7366_746e, // ntfs3
    0x0102_1997, // 9p, as WSL has it
    0xff53_4d42, // cifs
    0xfe53_4d42, // smb2
    0x6573_5546, // fuse
    0x786f_4256, // vboxsf
];

/// Says where this user's home is, for advice.
pub fn home_is(home: PathBuf) {
    let _the_first_counts = HOME.set(home);
}

/// What is wrong with a directory above another.
pub(super) enum Fault {
    /// It belongs to somebody who is not trusted.
    Others(PathBuf, Metadata),
    /// Somebody else may exchange what lies in it.
    Open(PathBuf, Metadata),
}

/// What is wrong with the directories from one on upwards, the lowest first, where what lies in that one belongs to a user.
pub(super) fn faults(
    from: &Path,
    mut owner: u32,
    is_trusted: impl Fn(u32) -> bool,
) -> io::Result<Vec<Fault>> {
    let mut found = Vec::new();
    for dir in from.ancestors() {
        let about = dir.metadata()?;
        let is_kept = about.mode() & STICKY != 0 && is_trusted(owner);
        owner = about.uid();
        if !is_trusted(owner) {
            found.push(Fault::Others(dir.to_owned(), about));
        } else if about.mode() & OTHERS_WRITE != 0 && !is_kept {
            found.push(Fault::Open(dir.to_owned(), about));
        }
    }
    Ok(found)
}

/// A directory that others may write to.
struct Open {
    dir: PathBuf,
    about: Metadata,
    /// Whether the file itself lies in it.
    is_holder: bool,
}

/// All on the way to a file, those of links first, then upwards.
fn all_open(file: &Path) -> Vec<Open> {
    let mut all: Vec<Open> = Vec::new();
    let mut push = |dir: PathBuf, about: Metadata, is_holder| match all.iter_mut().find(|it| it.dir == dir) {
        Some(known) => known.is_holder |= is_holder,
        None => all.push(Open { dir, about, is_holder }),
    };
    let mut add = |dir: &Path, is_holder: bool| -> io::Result<()> {
        let dir = dir.canonicalize()?;
        let about = dir.metadata()?;
        let above = faults_above(&dir, &about, |_| true)?;
        if about.mode() & OTHERS_WRITE != 0 && (is_holder || about.mode() & STICKY == 0) {
            push(dir, about, is_holder);
        }
        for fault in above {
            if let Fault::Open(dir, about) = fault {
                push(dir, about, false);
            }
        }
        Ok(())
    };
    // Where it ends is no matter here, and what cannot be looked at is told otherwise.
    let _ = followed(file, |at, _| add(at, false));
    let end = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let _ = add(or_dot(end.parent().unwrap_or(Path::new(""))), true);
    all
}

/// What to do where others may write to directories on the way to a file.
pub(super) fn advice(file: &Path) -> String {
    let mut open = all_open(file);
    // The upper one first: until it is closed, others can exchange what lies below it.
    open.sort_by_key(|it| it.dir.components().count());
    let Some(first) = open.first() else { return elsewhere(file) };
    let is_roots_sticky = |it: &Open| it.about.mode() & STICKY != 0 && it.about.uid() == ROOT;
    // Others need such a directory as it is, as /tmp.
    if open.iter().any(|it| it.is_holder && is_roots_sticky(it)) {
        return elsewhere(file);
    }
    let is_ours = |it: &&Open| it.about.uid() == user();
    if open.iter().filter(is_ours).any(|it| keeps_no_modes(&it.dir)) {
        return format!("Its disk may keep no modes, so that `chmod` changes nothing. {}", elsewhere(file));
    }
    let places = Places::of(file);
    if is_ours(&first) {
        return places.known_first() + &closed(open.iter().filter(is_ours), file);
    }
    // One at a time, as others may have put a link in the place of those below it.
    let (who, how) = match first.about.uid() {
        ROOT => ("root".to_owned(), "+t"),
        uid => (format!("its owner (uid {uid})"), "go-w"),
    };
    let known = places.known_first();
    let root = format!("Have {who} type: chmod {how} {}. Then try again", quoted(&first.dir));
    if !known.is_empty() && places.endings.is_empty() {
        return known + &root;
    }
    match places.copying() {
        // After both, two ledgers of one history would go on.
        Ok(copying) => format!("{known}Do one of the two, not both. {root}. Without that: {copying}"),
        Err(why) => format!("{known}{root}. Without that: {why}"),
    }
}

/// What closes directories for others, and a file that is as open as they are: a umask of 002 makes both.
fn closed<'a>(dirs: impl Iterator<Item = &'a Open>, file: &Path) -> String {
    let is_open =
        |about: &Metadata| about.is_file() && about.uid() == user() && about.mode() & OTHERS_WRITE != 0;
    let mut shell = left_by_others(file) + "chmod go-w";
    for it in dirs {
        shell.push(' ');
        shell.push_str(&quoted(&it.dir));
    }
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    if file.symlink_metadata().is_ok_and(|about| is_open(&about)) {
        shell.push(' ');
        shell.push_str(&quoted(&file));
    }
    shell
}

/// How to work in another directory, with a copy of a ledger that is there: a second one would know nothing of the first.
pub(super) fn elsewhere(file: &Path) -> String {
    let places = Places::of(file);
    if places.endings.is_empty() && !places.known.is_empty() {
        let renamed = places.renamed().map_or_else(String::new, |it| format!(", and {it}"));
        return format!(
            "{} is in {} already: go on with the newest there{renamed}, and begin no new one. How far it is: {}",
            word(places.name),
            places.known.join(", "),
            places.seen()
        );
    }
    places.known_first() + &places.copying().unwrap_or_else(|why| why)
}

/// Where a file is, and where this user can go on with it.
struct Places<'a> {
    /// As it was named.
    file: &'a Path,
    name: &'a OsStr,
    /// Where links lead.
    end: PathBuf,
    /// Those of [`COPIED`] with which something is there.
    endings: Vec<&'static str>,
    /// Directories of this user's own that hold another file of the name, as a shell has them.
    known: Vec<String>,
    /// Whether each of those files is a database of SQLite's.
    is_database: bool,
    /// One that can be made, as a shell has it.
    free: Option<String>,
}

impl<'a> Places<'a> {
    fn of(file: &'a Path) -> Self {
        let end = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let is_missing =
            |path: &Path| path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let endings = COPIED.into_iter().filter(|it| !is_missing(&beside(&end, it))).collect();
        let name = file.file_name().unwrap_or_default();
        let mut places = Self { file, name, end, endings, known: Vec::new(), is_database: true, free: None };
        if !places.end.is_dir() {
            places.look_around();
        }
        places
    }

    /// Looks for directories of this user's own. Such a file counts wherever it is: it may have the newest events. A
    /// directory is made only where it is taken.
    fn look_around(&mut self) {
        let everybodys = EVERYBODYS.map(|dir| (PathBuf::from(dir), dir.to_owned()));
        let holder = or_dot(self.end.parent().unwrap_or(Path::new(""))).canonicalize().ok();
        let holder = holder.filter(|dir| everybodys.iter().all(|(it, _)| it != dir));
        let holder = holder.map(|dir| (dir.clone(), quoted(&dir)));
        let home = HOME.get().map(|home| (home.clone(), "~".to_owned()));
        // A home may be the directory that holds the file, or the one above it.
        let mut passed = vec![self.end.clone()];
        for (dir, shown) in holder.into_iter().chain(home).chain(everybodys) {
            let is_taken = can_hold(&dir);
            for own in ROLLOUTS {
                let (place, shown) = (dir.join(own), format!("{shown}/{own}"));
                match place.symlink_metadata() {
                    Err(error) if is_taken && error.kind() == io::ErrorKind::NotFound => {
                        self.free.get_or_insert(shown);
                    }
                    Ok(about) if about.uid() == user() => {
                        let Ok(copy) = place.join(self.name).canonicalize() else { continue };
                        if !passed.contains(&copy) {
                            self.is_database &= is_database(&copy);
                            self.known.push(shown);
                            passed.push(copy);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// The name that it has in another directory. A path that was given leads elsewhere from there.
    fn there(&self) -> String {
        quoted(&Path::new(".").join(self.name))
    }

    /// What to name it in another directory, where the same path is another file there.
    fn renamed(&self) -> Option<String> {
        let is_path = self.file.strip_prefix(".").unwrap_or(self.file).components().count() > 1;
        is_path.then(|| format!("name it {}, not {}", self.there(), quoted(self.file)))
    }

    /// What shows how far the known files are. It has its own flag: those in force name another file there.
    fn seen(&self) -> String {
        let there = self.there();
        let look = match self.is_database {
            true => format!("longshore --ledger {there} ledger verify"),
            false => format!("ls -l {there}"),
        };
        match &self.known[..] {
            // Whoever looks stays where they are: the flags in force may name another file there, or none.
            [one] => format!("(cd {one} && {look})"),
            all => format!("for d in {}; do (cd \"$d\" && {look}); done", all.join(" ")),
        }
    }

    /// What comes before all that goes on with the file that is here, or begins one: nothing where no other is known.
    fn known_first(&self) -> String {
        if self.known.is_empty() {
            return String::new();
        }
        let otherwise = match self.endings.is_empty() {
            true => "If that has nothing to do with this one",
            false => "If that is the one here",
        };
        format!(
            "{} is in {} already: see first how far it is there (`{}`), and go on with the newest alone. {otherwise}: ",
            word(self.name),
            self.known.join(", "),
            self.seen()
        )
    }

    /// What makes a directory and goes there, with a copy of what is here; or why that cannot be copied.
    fn copying(&self) -> Result<String, String> {
        if self.end.is_dir() {
            return Err("Name another place".to_owned());
        }
        let needed = self.endings.first().map(|_| "");
        for ending in needed.iter().chain(&self.endings) {
            self.check_copied(ending)?;
        }
        let free = self.free.as_deref().ok_or(
            "a directory of your own whose parents others may not write to, or only with the sticky bit",
        );
        let renamed = self.renamed();
        let typed = renamed.as_ref().map_or_else(String::new, |it| {
            format!(" && printf '%s\\n' {}", word(OsStr::new(&format!("From here on {it}"))))
        });
        let told = renamed.map_or_else(String::new, |it| format!(". There {it}"));
        Ok(match (self.endings.is_empty(), free) {
            (true, Ok(dir)) => format!(
                "Work in a directory of your own, where no ledger is yet: mkdir -m 700 {dir} && cd {dir}{typed}"
            ),
            (true, Err(own)) => format!("Work in {own}, where no ledger is yet{told}"),
            (false, Ok(dir)) => format!(
                "While no run goes on, copy it into a directory of your own, and go on with the copy alone: {}{typed}",
                self.copied(dir)
            ),
            (false, Err(own)) => {
                let all =
                    self.endings.iter().map(|ending| quoted(&beside(&self.end, ending))).collect::<Vec<_>>();
                format!(
                    "While no run goes on, copy {} into {own}, and go on with the copy alone{told}",
                    all.join(" ")
                )
            }
        })
    }

    fn check_copied(&self, ending: &str) -> Result<(), String> {
        check_copied(&beside(&self.end, ending)).map_err(|why| {
            format!(
                "{why}, so that the ledger cannot be copied whole. Have its owner or root see to that, and try again. If the \
                 ledger is yours, do not begin a new one, which would know nothing of it"
            )
        })
    }

    /// What copies a ledger and its log into a new directory, all of it or nothing. Each file is looked at while it is open, as
    /// others can exchange them at any time. What was not there yet is looked for once more: a log may have come meanwhile.
    /// The log comes first: without it, whatever ends the copy half-way, the ledger would look whole and be an older one.
    fn copied(&self, dir: &str) -> String {
        let (from, copy) = (quoted(&self.end), format!("{dir}/{}", word(self.name)));
        let mut last = COPIED;
        last.reverse();
        let each = last.map(|it| word(OsStr::new(it))).join(" ");
        let new: Vec<_> = COPIED.into_iter().filter(|it| !self.endings.contains(it)).collect();
        let skipped = match new.is_empty() {
            true => String::new(),
            false => format!("[ -e {from}\"$e\" ] || case $e in {}) continue ;; esac; ", new.join("|")),
        };
        format!(
            "mkdir -m 700 {dir} && (umask 077; set -C; undo() {{ for e in {each}; do rm -f {copy}\"$e\"; done; rmdir {dir}; echo \
             'Nothing was copied: a file is not yours any more, or could not be copied whole' >&2; exit 1; }}; trap undo HUP INT \
             TERM; for e in {each}; do {skipped}{{ [ -O /dev/fd/3 ] && cat <&3 >{copy}\"$e\"; }} 3<{from}\"$e\" || undo; done) \
             && cd {dir}"
        )
    }
}

fn is_database(file: &Path) -> bool {
    let mut start = [0; 16];
    open_regular(file).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *b"SQLite format 3\0"
}

/// Sees that a copy of a file is of this user's own alone: what others have put there would be ours then.
fn check_copied(path: &Path) -> io::Result<()> {
    let unseen = |error| io::Error::other(format!("{} cannot be looked at ({error})", path.display()));
    let about = path.symlink_metadata().map_err(unseen)?;
    check_kind(path, &about)?;
    if about.uid() != user() {
        return Err(anothers(path, &about));
    }
    check_names(path, &about)
}

fn can_hold(dir: &Path) -> bool {
    let is_trusted = |uid| [user(), ROOT].contains(&uid);
    let Ok(dir) = dir.canonicalize() else { return false };
    accessat(CWD, &dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
        && faults(&dir, user(), is_trusted).is_ok_and(|faults| faults.is_empty())
}

#[cfg(target_os = "linux")]
fn keeps_no_modes(dir: &Path) -> bool {
    // The system's type for it differs from machine to machine.
    rustix::fs::statfs(dir).is_ok_and(|disk| WITHOUT_MODES.contains(&u64::from(disk.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn keeps_no_modes(_: &Path) -> bool {
    false
}
