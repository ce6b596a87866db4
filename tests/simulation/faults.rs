//! Kinds of trouble. Each history has some of them, at rates of its own, so that rare meetings of two become common
//! in some histories.

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A request is refused for its rate.
    Limited,
    /// A request is answered with an error of the part's own.
    Odd,
    /// A request never arrives.
    LostRequest,
    /// It arrives and does its work, and its answer never comes.
    LostAnswer,
    /// The same, and the work is done after the client has given up.
    LateEffect,
    /// It arrives twice.
    Doubled,
    /// An answer takes long.
    Slow,
    /// A part refuses everything for its rate, for a while.
    RateStorm,
    /// A part answers everything with an error, for a while.
    OddStorm,
    /// A part is away for a while.
    Outage,
    /// The process is killed.
    Killed,
    /// It is killed right behind an append.
    KilledAfterAppend,
    /// The process stands still for a while.
    Suspended,
    /// The server ends the session that holds a claim.
    ClaimLost,
    /// Somebody edits an entry of a row.
    RowEdited,
    /// Somebody moves entries of a row about.
    RowShuffled,
    /// Somebody adds an entry to a row.
    EntryAdded,
    /// Somebody takes an entry out of a row.
    EntryRemoved,
    /// Somebody writes an array back that was read earlier.
    RowStale,
    /// A venue moves to another city.
    VenueMoved,
    /// A venue goes.
    VenueGone,
    /// Somebody comes to use a file of the CDN in a text of another table.
    FileUsed,
    /// Somebody deletes a file on the CDN.
    FileDeleted,
    /// Somebody puts another picture of the same size at its place.
    FileReplaced,
    /// Somebody changes a file's tags.
    FileRetagged,
    /// Somebody uploads a file where one of ours will go.
    FilePlanted,
    /// The listing lags.
    ListLags,
    /// Files of the spool are lost.
    SpoolLost,
    /// Files of the spool are zeroed.
    SpoolZeroed,
    /// The origin does not have a picture any more.
    PictureGone,
    /// The origin has another picture under the same URL.
    PictureChanged,
    /// A person pauses a run from another terminal, lets it go on, and changes its settings.
    Steered,
    /// A person stops a run in order.
    Interrupted,
    /// The process stands still in the middle of a row update, or right behind the check of its claim.
    SuspendedInRow,
    /// A row update is committed after its client has given up.
    LateRow,
    /// A body that is read breaks off.
    BodyCut,
    /// Nothing can be written beside the ledger.
    SpoolFull,
    /// The origin has something that is no picture, or one that is too large.
    PictureSpoiled,
    /// Somebody takes a file's tags away.
    FileUntagged,
    /// The clock is set, back or forward.
    ClockJumped,
    /// The ledger's disk is full.
    DiskFull,
    /// A write to the ledger's disk fails.
    DiskWriteFails,
    /// The ledger's disk does not say that it has what was written.
    DiskSyncFails,
    /// The ledger's disk cannot be read.
    DiskReadFails,
    /// The machine with the ledger loses its power.
    PowerCut,
    /// An old backup of a ledger is put into its place.
    BackupRestored,
    /// ImageKit takes the key for a wrong one, for a while.
    WrongKey,
    /// ImageKit's plan is used up, for a while.
    UsedUp,
    /// There are more venues than usual.
    ManyVenues,
}

use Fault::*;

impl Fault {
    pub const ALL: [Self; 49] = [
        Limited,
        Odd,
        LostRequest,
        LostAnswer,
        LateEffect,
        Doubled,
        Slow,
        RateStorm,
        OddStorm,
        Outage,
        Killed,
        KilledAfterAppend,
        Suspended,
        ClaimLost,
        RowEdited,
        RowShuffled,
        EntryAdded,
        EntryRemoved,
        RowStale,
        VenueMoved,
        VenueGone,
        FileUsed,
        FileDeleted,
        FileReplaced,
        FileRetagged,
        FilePlanted,
        ListLags,
        SpoolLost,
        SpoolZeroed,
        PictureGone,
        PictureChanged,
        Steered,
        Interrupted,
        SuspendedInRow,
        LateRow,
        BodyCut,
        SpoolFull,
        PictureSpoiled,
        FileUntagged,
        ClockJumped,
        DiskFull,
        DiskWriteFails,
        DiskSyncFails,
        DiskReadFails,
        PowerCut,
        BackupRestored,
        WrongKey,
        UsedUp,
        ManyVenues,
    ];

    /// How often it comes about in a history that has it, in ten thousandths of the moments in which it could.
    fn usual(self) -> u32 {
        match self {
            Limited | Odd | LostRequest | LostAnswer | Slow => 300,
            LateEffect | Doubled => 200,
            RateStorm | OddStorm | Outage => 40,
            Killed => 100,
            KilledAfterAppend => 200,
            Suspended | ClaimLost => 60,
            RowEdited | RowShuffled | EntryAdded | EntryRemoved | RowStale | FileUsed => 80,
            VenueMoved | VenueGone => 20,
            FileDeleted | FileReplaced | FileRetagged | FilePlanted => 60,
            ListLags => 5_000,
            SpoolLost | SpoolZeroed => 100,
            PictureGone | PictureChanged => 40,
            Steered => 2_000,
            Interrupted => 600,
            SuspendedInRow | LateRow => 700,
            PictureSpoiled => 150,
            BodyCut | SpoolFull => 200,
            ClockJumped => 60,
            FileUntagged | DiskFull | DiskWriteFails | DiskSyncFails | DiskReadFails | PowerCut => 40,
            BackupRestored => 2_500,
            WrongKey | UsedUp => 20,
            ManyVenues => 1,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Limited => "limited",
            Odd => "odd answer",
            LostRequest => "lost request",
            LostAnswer => "lost answer",
            LateEffect => "late effect",
            Doubled => "doubled request",
            Slow => "slow answer",
            RateStorm => "rate storm",
            OddStorm => "odd storm",
            Outage => "outage",
            Killed => "killed",
            KilledAfterAppend => "killed after append",
            Suspended => "suspended",
            ClaimLost => "claim lost",
            RowEdited => "row edited",
            RowShuffled => "row shuffled",
            EntryAdded => "entry added",
            EntryRemoved => "entry removed",
            RowStale => "row written back stale",
            VenueMoved => "venue moved",
            VenueGone => "venue gone",
            FileUsed => "file used elsewhere",
            FileDeleted => "file deleted",
            FileReplaced => "file replaced",
            FileRetagged => "file retagged",
            FilePlanted => "file planted",
            ListLags => "listing lags",
            SpoolLost => "spool lost",
            SpoolZeroed => "spool zeroed",
            PictureGone => "picture gone",
            PictureChanged => "picture changed",
            Steered => "steered",
            Interrupted => "interrupted",
            SuspendedInRow => "suspended in a row",
            LateRow => "late row",
            BodyCut => "body cut",
            SpoolFull => "spool full",
            PictureSpoiled => "picture spoiled",
            FileUntagged => "file untagged",
            ClockJumped => "clock jumped",
            DiskFull => "disk full",
            DiskWriteFails => "disk write fails",
            DiskSyncFails => "disk sync fails",
            DiskReadFails => "disk read fails",
            PowerCut => "power cut",
            BackupRestored => "backup restored",
            WrongKey => "wrong key",
            UsedUp => "used up",
            ManyVenues => "many venues",
        }
    }
}

/// Which kinds of trouble a history has, and how often.
#[derive(Debug, Clone)]
pub struct Weather([u32; Fault::ALL.len()]);

impl Weather {
    /// A history's own: about half of all kinds, some of them often.
    pub fn drawn(dice: &mut fastrand::Rng) -> Self {
        Self(Fault::ALL.map(|fault| match dice.u32(0..8) {
            0..4 => 0,
            4..7 => fault.usual(),
            _ => fault.usual() * 4,
        }))
    }

    /// No trouble at all.
    pub fn fair() -> Self {
        Self([0; Fault::ALL.len()])
    }

    /// The same without some kinds.
    pub fn without(mut self, faults: &[Fault]) -> Self {
        faults.iter().for_each(|fault| self.0[*fault as usize] = 0);
        self
    }

    /// The kinds that there are.
    pub fn kinds(&self) -> Vec<Fault> {
        Fault::ALL.into_iter().filter(|fault| self.rate(*fault) > 0).collect()
    }

    /// Whether there is no trouble at all.
    pub fn is_fair(&self) -> bool {
        self.0.iter().all(|rate| *rate == 0)
    }

    /// How often in ten thousand moments.
    pub fn rate(&self, fault: Fault) -> u32 {
        self.0[fault as usize]
    }
}
