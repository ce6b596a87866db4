//! The VFS itself: SQLite's own one, with a look at each call that reads or changes a watched file.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Once, OnceLock};

use rusqlite::ffi::*;

use crate::disk::{Op, Part, Verdict, Watched};

/// SQLite's own VFS, which lives as long as the process.
struct Real(*mut sqlite3_vfs);
// SAFETY: SQLite lets any thread use a VFS; nothing in it is changed after it was registered.
unsafe impl Send for Real {}
// SAFETY: as above.
unsafe impl Sync for Real {}

static REAL: OnceLock<Real> = OnceLock::new();

fn real() -> *mut sqlite3_vfs {
    REAL.get().expect("it is set before this VFS is registered").0
}

/// Makes this the VFS that SQLite uses in this process where no other is named.
///
/// # Panics
/// When SQLite has no VFS or does not take this one.
pub fn register() {
    register_over(ptr::null());
}

/// The same for a process that nobody else shares files with: SQLite keeps locks and the log's index in its own memory and
/// asks the system for neither. It does not count its memory either, so that threads do not wait for each other.
///
/// # Panics
/// As [`register`], and when SQLite was used before.
pub fn register_alone() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: SQLite takes this setting with one number behind it, before it is initialised.
        let code = unsafe { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) };
        assert_eq!(code, SQLITE_OK);
        register_over(c"unix-excl".as_ptr());
    });
}

/// Over the VFS of this name; over the default one where it is null.
fn register_over(name: *const c_char) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both calls may be made at any time, the name ends with a zero, and SQLite's own VFSs are never freed.
        let found = unsafe {
            assert_eq!(sqlite3_initialize(), SQLITE_OK);
            sqlite3_vfs_find(name)
        };
        assert!(!found.is_null());
        REAL.get_or_init(|| Real(found));
        // SAFETY: SQLite gave a valid VFS. A copy of it is one too, as SQLite's own functions read no more of it than
        // `pAppData` and its name; those that are replaced are given the original.
        let copy = unsafe { ptr::read(found) };
        let size = c_int::try_from(size_of::<Shim>()).expect("it is small");
        let vfs = sqlite3_vfs {
            szOsFile: size.max(copy.szOsFile),
            pNext: ptr::null_mut(),
            zName: c"faulty".as_ptr(),
            xOpen: Some(open),
            xDelete: Some(delete),
            ..copy
        };
        // SAFETY: the VFS is leaked, so SQLite may keep it.
        let code = unsafe { sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1) };
        assert_eq!(code, SQLITE_OK);
    });
}

/// What lies in SQLite's memory of a watched file.
#[repr(C)]
struct Shim {
    base: sqlite3_file,
    open: *mut Open,
}

/// A watched file that is open.
struct Open {
    /// The memory of SQLite's own VFS for it, zeroed, and aligned as `malloc` would.
    memory: Vec<u64>,
    watched: Arc<Watched>,
    part: Part,
    inode: u64,
}

impl Open {
    fn file(&mut self) -> *mut sqlite3_file {
        self.memory.as_mut_ptr().cast()
    }
}

/// A path that SQLite names; `None` for a file of no name.
///
/// # Safety
/// It is null or ends with a zero, and outlives the path.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: the caller's promise.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })?;
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a name that ends with a zero, or none, and memory of `szOsFile` bytes, which is as much as
    // either VFS needs; the original is valid for ever.
    unsafe {
        let open = (*real()).xOpen.expect("every VFS opens");
        let Some((watched, part, path)) =
            path(name).and_then(|path| Watched::find(path).map(|(watched, part)| (watched, part, path)))
        else {
            return open(real(), name, file, flags, out);
        };
        (*file).pMethods = ptr::null();
        if let Verdict::Fail(code) | Verdict::Half(code) = judged(&watched, part, Op::Open) {
            return code;
        }
        let (was_there, before) = (path.exists(), watched.before_open(path));
        let words = usize::try_from((*real()).szOsFile).expect("a size").div_ceil(size_of::<u64>());
        let mut opened = Open { memory: vec![0; words], watched, part, inode: 0 };
        let code = open(real(), name, opened.file(), flags, out);
        if code != SQLITE_OK {
            if let Some(close) = (*opened.file()).pMethods.as_ref().and_then(|methods| methods.xClose) {
                close(opened.file());
            }
            return code;
        }
        opened.inode = opened.watched.opened(path, was_there, part, before);
        let shim: *mut Shim = file.cast();
        (*shim).open = Box::into_raw(Box::new(opened));
        (*shim).base.pMethods = &raw const METHODS;
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let path = path(name);
        let found = path.and_then(Watched::find);
        if let Some((watched, part)) = &found
            && let Verdict::Fail(code) | Verdict::Half(code) = judged(watched, *part, Op::Delete)
        {
            return code;
        }
        let code = (*real()).xDelete.expect("every VFS deletes")(real(), name, sync_dir);
        if let (SQLITE_OK, Some((watched, _)), Some(path)) = (code, found, path) {
            watched.deleted(path);
        }
        code
    }
}

/// What is to be done; where the process is to end and there is nothing to do by half, it ends here.
fn judged(watched: &Watched, part: Part, op: Op) -> Verdict {
    match watched.meets(part, op) {
        Verdict::HalfAndExit if op != Op::Write => std::process::abort(),
        verdict => verdict,
    }
}

/// The file behind SQLite's pointer.
///
/// # Safety
/// SQLite gives what [`open`] has filled, and uses one file from one thread at a time.
unsafe fn opened<'a>(file: *mut sqlite3_file) -> &'a mut Open {
    // SAFETY: the caller's promise.
    unsafe { &mut *(*file.cast::<Shim>()).open }
}

/// Passes a call on to SQLite's own VFS.
macro_rules! pass {
    ($open:expr, $call:ident $(, $argument:expr)*) => {{
        let file = $open.file();
        ((*(*file).pMethods).$call).expect("SQLite's own VFS has it")(file $(, $argument)*)
    }};
}

/// Functions that only pass a call on.
macro_rules! passing {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty = $call:ident;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $kind)*) -> $answer {
            // SAFETY: SQLite's own arguments reach SQLite's own function, with the memory that it has filled.
            unsafe { pass!(opened(file), $call $(, $argument)*) }
        }
    )*};
}

passing! {
    lock(level: c_int) -> c_int = xLock;
    unlock(level: c_int) -> c_int = xUnlock;
    check_reserved(out: *mut c_int) -> c_int = xCheckReservedLock;
    control(op: c_int, argument: *mut c_void) -> c_int = xFileControl;
    sector_size() -> c_int = xSectorSize;
    characteristics() -> c_int = xDeviceCharacteristics;
    shm_lock(offset: c_int, n: c_int, flags: c_int) -> c_int = xShmLock;
    shm_barrier() -> () = xShmBarrier;
    shm_unmap(is_deleted: c_int) -> c_int = xShmUnmap;
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Without the third version's memory-mapped reads, every read is a call.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once and does not use it afterwards, so the box is given back once.
    unsafe {
        let mut open = Box::from_raw((*file.cast::<Shim>()).open);
        pass!(open, xClose)
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, into: *mut c_void, amount: c_int, at: i64) -> c_int {
    // SAFETY: SQLite's own arguments are passed on.
    unsafe {
        let open = opened(file);
        match judged(&open.watched, open.part, Op::Read) {
            Verdict::Fail(code) | Verdict::Half(code) => code,
            Verdict::Go | Verdict::HalfAndExit => pass!(open, xRead, into, amount, at),
        }
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, amount: c_int, at: i64) -> c_int {
    // SAFETY: SQLite's own arguments are passed on; `from` has `amount` bytes.
    unsafe {
        let open = opened(file);
        let verdict = judged(&open.watched, open.part, Op::Write);
        let amount = match verdict {
            Verdict::Fail(code) => return code,
            Verdict::Half(_) | Verdict::HalfAndExit => amount / 2,
            Verdict::Go => amount,
        };
        let mut code = pass!(open, xWrite, from, amount, at);
        if code == SQLITE_OK {
            let bytes = std::slice::from_raw_parts(from.cast(), usize::try_from(amount).expect("a length"));
            let at = usize::try_from(at).expect("a place");
            open.watched.changed(open.inode, |file| file.write(at, bytes));
        }
        match verdict {
            Verdict::HalfAndExit => std::process::abort(),
            Verdict::Half(said) => code = said,
            Verdict::Go | Verdict::Fail(_) => {}
        }
        code
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, to: i64) -> c_int {
    // SAFETY: SQLite's own arguments are passed on.
    unsafe {
        let open = opened(file);
        if let Verdict::Fail(code) | Verdict::Half(code) = judged(&open.watched, open.part, Op::Truncate) {
            return code;
        }
        let code = pass!(open, xTruncate, to);
        if code == SQLITE_OK {
            let to = usize::try_from(to).expect("a length");
            open.watched.changed(open.inode, |file| file.truncate(to));
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite's own arguments are passed on.
    unsafe {
        let open = opened(file);
        if let Verdict::Fail(code) | Verdict::Half(code) = judged(&open.watched, open.part, Op::Sync) {
            return code;
        }
        let code = pass!(open, xSync, flags);
        if code == SQLITE_OK {
            open.watched.synced(open.inode);
        }
        code
    }
}

unsafe extern "C" fn size(file: *mut sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: SQLite's own arguments are passed on.
    unsafe {
        let open = opened(file);
        if let Verdict::Fail(code) | Verdict::Half(code) = judged(&open.watched, open.part, Op::Size) {
            return code;
        }
        pass!(open, xFileSize, out)
    }
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite's own arguments are passed on; without a piece, `out` says so.
    unsafe {
        let open = opened(file);
        if let Verdict::Fail(code) | Verdict::Half(code) = judged(&open.watched, Part::Shm, Op::Open) {
            *out = ptr::null_mut();
            return code;
        }
        pass!(open, xShmMap, page, size, extend, out)
    }
}
