//! Directories on the way to a file that others may write to, and what to do about all of them at once.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::trusted::{followed, or_dot};
use super::{
    OTHERS_WRITE, ROOT, STICKY, anothers, beside, check_kind, check_names, faults_above, left_by_others,
    quoted, user, word,
};

/// The directory of this user's own, for advice: whoever reads the environment says it.
static HOME: OnceLock<PathBuf> = OnceLock::new();
/// Directories that everybody may make something in, the one that lasts longer first.
const EVERYBODYS: [&str; 2] = ["/var/tmp", "/tmp"];
/// What a directory of one's own is called in advice, where nothing else is called so.
const ROLLOUTS: [&str; 5] = ["rollout", "rollout-2", "rollout-3", "rollout-4", "rollout-5"];

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
    if is_ours(&first) {
        return closed(open.iter().filter(is_ours), file);
    }
    // One at a time, as others may have put a link in the place of those below it.
    let (who, how) = match first.about.uid() {
        ROOT => ("root".to_owned(), "+t"),
        uid => (format!("its owner (uid {uid})"), "go-w"),
    };
    let dir = quoted(&first.dir);
    format!("Have {who} type: chmod {how} {dir}. Then try again. Without that: {}", elsewhere(file))
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
    let end = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    if end.is_dir() {
        return "Name another place".to_owned();
    }
    let is_missing =
        |path: &Path| path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let endings: Vec<_> =
        ["", "-wal", "-journal"].into_iter().filter(|it| !is_missing(&beside(&end, it))).collect();
    // Without its log a ledger lacks its newest events, and a log without its ledger is what is left of one.
    let needed = endings.first().map(|_| "");
    for ending in needed.iter().chain(&endings) {
        if let Err(why) = check_copied(&beside(&end, ending)) {
            return format!(
                "{why}, so that the ledger cannot be copied whole. Have its owner or root see to that, and try again. If the \
                 ledger is yours, do not begin a new one, which would know nothing of it"
            );
        }
    }
    let name = file.file_name().unwrap_or_default();
    let (known, free) = own_places(&end, name);
    let known = match known.is_empty() {
        true => String::new(),
        false => format!(
            "{} is in {} already: see first how far it is there, and go on with the newest alone. Otherwise: ",
            word(name),
            known.join(", ")
        ),
    };
    let free = free
        .ok_or("a directory of your own whose parents others may not write to, or only with the sticky bit");
    let todo = match (endings.is_empty(), free) {
        (true, Ok(dir)) => {
            format!("Work in a directory of your own, where no ledger is yet: mkdir -m 700 {dir} && cd {dir}")
        }
        (true, Err(own)) => format!("Work in {own}, where no ledger is yet"),
        (false, Ok(dir)) => format!(
            "While no run goes on, copy it into a directory of your own, and go on with the copy alone: {}",
            copied((&end, &endings), (&dir, name))
        ),
        (false, Err(own)) => {
            let all = endings.iter().map(|ending| quoted(&beside(&end, ending))).collect::<Vec<_>>();
            format!("While no run goes on, copy {} into {own}, and go on with the copy alone", all.join(" "))
        }
    };
    known + &todo
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

/// What copies a ledger and its log into a new directory, all of it or nothing. Each file is looked at while it is open, as
/// others can exchange them at any time.
fn copied((from, endings): (&Path, &[&str]), (dir, name): (&str, &OsStr)) -> String {
    let (from, copy) = (quoted(from), format!("{dir}/{}", word(name)));
    let each = endings.iter().map(|it| word(OsStr::new(it))).collect::<Vec<_>>().join(" ");
    format!(
        "mkdir -m 700 {dir} && (umask 077; for e in {each}; do {{ [ -O /dev/fd/3 ] && cat <&3 >{copy}\"$e\"; }} 3<{from}\"$e\" || \
         {{ for e in {each}; do rm -f {copy}\"$e\"; done; rmdir {dir}; echo 'Nothing was copied: a file is not yours any \
         more, or could not be copied whole' >&2; exit 1; }}; done) && cd {dir}"
    )
}

/// Directories of this user's own, as a shell has them, in places where they are taken: those that hold a file of some
/// name, and one that can be made.
fn own_places(file: &Path, name: &OsStr) -> (Vec<String>, Option<String>) {
    let everybodys = EVERYBODYS.map(|dir| (PathBuf::from(dir), dir.to_owned()));
    let holder = or_dot(file.parent().unwrap_or(Path::new(""))).canonicalize().ok();
    let holder = holder.filter(|dir| everybodys.iter().all(|(it, _)| it != dir));
    let holder = holder.map(|dir| (dir.clone(), quoted(&dir)));
    let home = HOME.get().map(|home| (home.clone(), "~".to_owned()));
    let (mut known, mut free) = (Vec::new(), None);
    for (dir, shown) in holder.into_iter().chain(home).chain(everybodys).filter(|(dir, _)| can_hold(dir)) {
        for own in ROLLOUTS {
            let (place, shown) = (dir.join(own), format!("{shown}/{own}"));
            match place.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(free.get_or_insert(shown)),
                Ok(about) if about.uid() == user() && place.join(name).exists() => known.push(shown),
                _ => {}
            }
        }
    }
    (known, free)
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
