//! Directories on the way to a file that others may write to, and what to do about all of them at once.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::trusted::{followed, or_dot};
use super::{OTHERS_WRITE, ROOT, STICKY, beside, left_by_others, quoted, user};

/// The directory of this user's own, for advice: whoever reads the environment says it.
static HOME: OnceLock<PathBuf> = OnceLock::new();
/// Directories that everybody may make something in, the one that lasts longer first.
const EVERYBODYS: [&str; 2] = ["/var/tmp", "/tmp"];
/// What a directory of one's own is called in advice.
const ROLLOUT: &str = "rollout";

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

impl Open {
    fn is_sticky(&self) -> bool {
        self.about.mode() & STICKY != 0
    }
}

/// All on the way to a file, those of links first, then upwards.
fn all_open(file: &Path) -> Vec<Open> {
    let mut all: Vec<Open> = Vec::new();
    let mut push = |dir: PathBuf, about: Metadata, is_holder| match all.iter_mut().find(|it| it.dir == dir) {
        Some(known) => known.is_holder |= is_holder,
        None => all.push(Open { dir, about, is_holder }),
    };
    // Where it ends is no matter here.
    let _ = followed(file, |at, _| {
        let dir = at.canonicalize()?;
        let about = dir.metadata()?;
        let above = dir.parent().map_or(Ok(Vec::new()), |above| faults(above, about.uid(), |_| true))?;
        if about.mode() & OTHERS_WRITE != 0 && about.mode() & STICKY == 0 {
            push(dir, about, false);
        }
        for fault in above {
            if let Fault::Open(dir, about) = fault {
                push(dir, about, false);
            }
        }
        Ok(())
    });
    let end = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let Ok(dir) = or_dot(end.parent().unwrap_or(Path::new(""))).canonicalize() else { return all };
    let Ok(about) = dir.metadata() else { return all };
    let owner = about.uid();
    if about.mode() & OTHERS_WRITE != 0 {
        push(dir.clone(), about, true);
    }
    let above = dir.parent().map(|above| faults(above, owner, |_| true));
    for fault in above.and_then(Result::ok).unwrap_or_default() {
        if let Fault::Open(dir, about) = fault {
            push(dir, about, false);
        }
    }
    all
}

/// What to do where others may write to directories on the way to a file.
pub(super) fn advice(file: &Path) -> String {
    let open = all_open(file);
    let is_ours = |it: &Open| it.about.uid() == user();
    // Others need root's directories with the sticky bit, such as /tmp, as they are.
    if open.iter().any(|it| it.is_holder && it.is_sticky() && (!is_ours(it) || user() == ROOT)) {
        return moved(file);
    }
    if open.iter().any(|it| is_ours(it) && keeps_no_modes(&it.dir)) {
        return format!("Its disk may keep no modes, so that `chmod` changes nothing. {}", elsewhere(file));
    }
    let (ours, others): (Vec<Open>, Vec<Open>) = open.into_iter().partition(is_ours);
    if others.is_empty() {
        return closed(&ours, file);
    }
    let root = by_root(&others);
    if user() == ROOT {
        return root;
    }
    let own =
        if ours.is_empty() { String::new() } else { format!(", and then yourself: {}", closed(&ours, file)) };
    format!("Have root type: {root}{own}. Without root: {}", elsewhere(file))
}

/// What root types so that this user's directory stays in its place while others make files beside it.
fn by_root(others: &[Open]) -> String {
    let (anothers, roots): (Vec<&Open>, Vec<&Open>) =
        others.iter().partition(|it| it.is_holder && it.about.uid() != ROOT);
    let named = |dirs: &[&Open]| dirs.iter().map(|it| quoted(&it.dir)).collect::<Vec<_>>().join(" ");
    let mut shell = Vec::new();
    if !roots.is_empty() {
        shell.push(format!("chmod +t {}", named(&roots)));
    }
    if !anothers.is_empty() {
        shell.push(format!("chmod go-w {}", named(&anothers)));
    }
    // Whoever may write there can have put a link in its place: nothing that is there already is taken.
    if let Some(holder) = roots.iter().find(|it| it.is_holder && own_below(&it.dir).is_none()) {
        let place = free(&holder.dir).map(|name| quoted(&holder.dir.join(name)));
        shell.extend(place.map(|place| format!("mkdir -m 700 {place} && chown -h {} {place}", user())));
    }
    shell.join(" && ")
}

/// What closes directories for others, and a file that is as open as they are: a umask of 002 makes both.
fn closed(dirs: &[Open], file: &Path) -> String {
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

/// A ledger and what SQLite has beside it; `None` where one of them is not this user's alone. What others have put there is
/// left, as a copy of it would be ours; and without its log a ledger lacks its newest events.
fn ours_of(file: &Path) -> Option<Vec<PathBuf>> {
    let file = file.canonicalize().ok()?;
    let all = ["", "-wal", "-journal"].map(|end| beside(&file, end));
    let there: Vec<_> = all.into_iter().filter(|name| name.symlink_metadata().is_ok()).collect();
    let is_ours = |name: &PathBuf| {
        let about = name.symlink_metadata();
        about.is_ok_and(|about| about.is_file() && about.uid() == user() && about.nlink() == 1)
    };
    (there.first() == Some(&file) && there.iter().all(is_ours)).then_some(there)
}

/// A directory below one that is this user's alone, as root's advice makes it.
fn own_below(dir: &Path) -> Option<PathBuf> {
    let place = dir.join(ROLLOUT);
    let about = place.symlink_metadata().ok()?;
    (about.is_dir() && about.uid() == user() && about.mode() & OTHERS_WRITE == 0).then_some(place)
}

/// A name for a new directory that nothing has yet.
fn free(dir: &Path) -> Option<String> {
    let mut names = (1..=99).map(|n| if n == 1 { ROLLOUT.to_owned() } else { format!("{ROLLOUT}-{n}") });
    names.find(|name| dir.join(name).symlink_metadata().is_err())
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" ")
}

/// What takes a ledger out of a directory with the sticky bit. Others cannot exchange our files there.
fn moved(file: &Path) -> String {
    let end = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let holder = or_dot(end.parent().unwrap_or(Path::new(""))).canonicalize();
    if let Some(place) = holder.ok().and_then(|holder| own_below(&holder)) {
        let place = quoted(&place);
        return match ours_of(file) {
            Some(ours) => format!("While no run goes on: mv {} {place} && cd {place}", names(&ours)),
            None => format!("Work in your own directory there: cd {place}"),
        };
    }
    match (ours_of(file), own_place()) {
        (Some(ours), Some(place)) => {
            format!("While no run goes on: mkdir -m 700 {place} && mv {} {place} && cd {place}", names(&ours))
        }
        _ => own_directory(),
    }
}

/// What begins in another directory, with a copy of what is there: a second ledger would know nothing of the first. What is
/// copied is looked at while it is open, as others can exchange the files at any time; all of it is copied, or nothing.
pub(super) fn elsewhere(file: &Path) -> String {
    match (ours_of(file), own_place()) {
        (Some(ours), Some(place)) => format!(
            "While no run goes on, copy it into a directory of your own, and go on with the copy alone: mkdir -m 700 {place} && \
             cd {place} && (umask 077; for f in {}; do {{ [ -O /dev/fd/3 ] && cat <&3 >\"${{f##*/}}\"; }} 3<\"$f\" || \
             {{ rm -f ./*; echo \"$f is not yours any more: nothing was copied\" >&2; exit 1; }}; done)",
            names(&ours)
        ),
        _ => own_directory(),
    }
}

/// How to come to a directory in which nobody else has a hand.
pub(super) fn own_directory() -> String {
    match own_place() {
        Some(place) => format!("Work in a directory of your own: mkdir -m 700 {place} && cd {place}"),
        None => {
            "Work in a directory of your own whose parents others may not write to, or only with the sticky bit".to_owned()
        }
    }
}

/// A directory that this user can make, and that is then taken, as a shell has it.
fn own_place() -> Option<String> {
    let home = HOME.get().map(|home| (home.as_path(), "~"));
    let places = home.into_iter().chain(EVERYBODYS.map(|dir| (Path::new(dir), dir)));
    let mut fitting = places.filter(|(dir, _)| can_hold(dir));
    fitting.find_map(|(dir, name)| free(dir).map(|free| format!("{name}/{free}")))
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
