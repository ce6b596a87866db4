//! Who this user is, and who owns a file, as far as numbers say it: in a user namespace they do not for everybody.

use std::sync::OnceLock;

use super::ROOT;

/// This user's number. Where a user namespace has none for this user, it is one that nobody has: the system then shows
/// every other user under the same number as this one.
pub(super) fn user() -> u32 {
    let uid = rustix::process::geteuid().as_raw();
    if is_known(uid) { uid } else { u32::MAX }
}

/// What to say of the owner of something that is neither this user's nor root's.
pub(super) fn of_owner(uid: u32) -> String {
    match is_known(uid) {
        true => format!("of another user (uid {uid})"),
        false => format!(
            "of a user who has no number in this user namespace (uid {uid} stands for all of them, root outside included)"
        ),
    }
}

/// What to do where an owner has no number here; `None` where all is known.
pub(super) fn outside(uid: u32) -> Option<&'static str> {
    const HOW: &str = "Run this outside of the user namespace (`unshare`, `bwrap`, a container without root), or with a \
                       directory in it whose parents all belong to users that it knows, as of a disk that is mounted there";
    (!is_known(uid)).then_some(HOW)
}

/// Whether a number is that of one user, and not of all whom a user namespace does not know.
fn is_known(uid: u32) -> bool {
    static MAP: OnceLock<Option<String>> = OnceLock::new();
    // Each line: the first number inside, the first outside, how many. Other systems have no such file.
    let map = MAP.get_or_init(|| std::fs::read_to_string("/proc/self/uid_map").ok());
    uid == ROOT || map.as_deref().is_none_or(|map| has(map, uid))
}

fn has(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(|number| number.parse::<u32>().ok());
        let (Some(Some(first)), Some(Some(_)), Some(Some(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        uid.checked_sub(first).is_some_and(|nth| nth < count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_a_number_outside_of_a_user_namespace_is_nobodys() {
        let whole = "         0          0 4294967295\n";
        let (root, rootless) = ("0 1000 1\n", "0 1000 1\n1 100000 65536\n");
        for (map, uid, is_one) in [
            (whole, 0, true),
            (whole, 65_534, true),
            (root, 0, true),
            (root, 65_534, false),
            (rootless, 65_534, true),
            (rootless, 65_537, false),
            ("", 65_534, false),
        ] {
            assert_eq!(has(map, uid), is_one, "{map:?} {uid}");
        }
    }
}
