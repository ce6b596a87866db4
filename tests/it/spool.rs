//! The spool: a cache that is private and never believed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ledger::ids::ContentHash;
use longshore::outside::spool::{Cleared, Spool};
use tokio::io::AsyncReadExt;

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

async fn store(spool: &Spool, bytes: &[u8]) -> ContentHash {
    let hash = ContentHash::of(bytes);
    let mut draft = spool.create().await.unwrap();
    for piece in bytes.chunks(3) {
        draft.write(piece).await.unwrap();
    }
    draft.commit(&hash).await.unwrap();
    hash
}

async fn load(spool: &Spool, hash: &ContentHash, bytes: u64) -> Option<Vec<u8>> {
    let mut file = spool.open_checked(hash, bytes).await.unwrap()?;
    let mut out = Vec::new();
    file.read_to_end(&mut out).await.unwrap();
    Some(out)
}

#[tokio::test]
async fn s5_spool_and_files_are_private_to_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("b.spool");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let spool = Spool::open(&at).unwrap();
    assert_eq!(mode(&at), 0o700);
    let hash = store(&spool, b"bytes").await;
    assert_eq!(mode(&at.join(hash.to_string())), 0o600);

    std::fs::set_permissions(&at, PermissionsExt::from_mode(0o755)).unwrap();
    Spool::open(&at).unwrap();
    assert_eq!(mode(&at), 0o700, "a directory that was there is closed too");
}

#[tokio::test]
async fn what_was_stored_is_read_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path()).unwrap();
    let hash = store(&spool, b"some bytes").await;
    assert_eq!(load(&spool, &hash, 10).await.unwrap(), b"some bytes");
    assert_eq!(names(dir.path()), [hash.to_string()]);
    assert_eq!(store(&spool, b"some bytes").await, hash, "the same content again is fine");

    spool.remove(&hash).await.unwrap();
    spool.remove(&hash).await.unwrap();
    assert_eq!(load(&spool, &hash, 10).await, None);
}

#[tokio::test]
async fn e5_a_damaged_file_is_found_out_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path()).unwrap();
    for damage in ["", "some byteS", "some bytes and more"] {
        let hash = store(&spool, b"some bytes").await;
        std::fs::write(dir.path().join(hash.to_string()), damage).unwrap();
        assert_eq!(load(&spool, &hash, 10).await, None, "{damage:?}");
        assert_eq!(names(dir.path()).len(), 0, "{damage:?}");
    }
}

#[tokio::test]
async fn e5_drafts_vanish_when_dropped_or_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path()).unwrap();
    let mut draft = spool.create().await.unwrap();
    draft.write(b"half").await.unwrap();
    assert_eq!(names(dir.path()).len(), 1);
    drop(draft);
    assert_eq!(names(dir.path()).len(), 0);

    // What a killed process leaves is a draft whose destructor never ran.
    std::mem::forget(spool.create().await.unwrap());
    let hash = store(&spool, b"whole").await;
    assert_eq!(spool.clear_drafts().await.unwrap(), Cleared { files: 1, strange: Vec::new() });
    assert_eq!(names(dir.path()), [hash.to_string()]);
}
