//! Kinds of trouble. Each history has some of them, at rates of its own, so that rare meetings of two become common
//! in some histories.

/// Each with its name, and how often it comes about in a history that has it, in ten thousandths of the moments in which
/// it could.
macro_rules! faults {
    ($($(#[$says:meta])* $fault:ident: $name:literal, $usual:literal;)*) => {
        /// A kind of trouble.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$says])* $fault,)*
        }

        impl Fault {
            /// All of them. A history draws its weather in this order.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$fault),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            fn usual(self) -> u32 {
                match self { $(Self::$fault => $usual,)* }
            }
        }
    };
}

faults! {
    /// A request is refused for its rate.
    Limited: "limited", 300;
    /// A request is answered with an error of the part's own.
    Odd: "odd answer", 300;
    /// A request never arrives.
    LostRequest: "lost request", 300;
    /// It arrives and does its work, and its answer never comes.
    LostAnswer: "lost answer", 300;
    /// The same, and the work is done after the client has given up.
    LateEffect: "late effect", 200;
    /// It arrives twice.
    Doubled: "doubled request", 200;
    /// An answer takes long.
    Slow: "slow answer", 300;
    /// A part refuses everything for its rate, for a while.
    RateStorm: "rate storm", 40;
    /// A part answers everything with an error, for a while.
    OddStorm: "odd storm", 40;
    /// A part is away for a while.
    Outage: "outage", 40;
    /// The process is killed.
    Killed: "killed", 100;
    /// It is killed right behind an append.
    KilledAfterAppend: "killed after append", 200;
    /// The process stands still for a while.
    Suspended: "suspended", 60;
    /// The server ends the session that holds a claim.
    ClaimLost: "claim lost", 60;
    /// Somebody edits an entry of a row.
    RowEdited: "row edited", 80;
    /// Somebody moves entries of a row about.
    RowShuffled: "row shuffled", 80;
    /// Somebody adds an entry to a row.
    EntryAdded: "entry added", 80;
    /// Somebody takes an entry out of a row.
    EntryRemoved: "entry removed", 80;
    /// Somebody writes an array back that was read earlier.
    RowStale: "row written back stale", 80;
    /// A venue moves to another city.
    VenueMoved: "venue moved", 20;
    /// A venue goes.
    VenueGone: "venue gone", 20;
    /// Somebody comes to use a file of the CDN in a text of another table.
    FileUsed: "file used elsewhere", 80;
    /// Somebody deletes a file on the CDN.
    FileDeleted: "file deleted", 60;
    /// Somebody puts another picture of the same size at its place.
    FileReplaced: "file replaced", 60;
    /// Somebody changes a file's tags.
    FileRetagged: "file retagged", 60;
    /// Somebody uploads a file where one of ours will go.
    FilePlanted: "file planted", 60;
    /// The listing lags.
    ListLags: "listing lags", 5_000;
    /// Files of the spool are lost.
    SpoolLost: "spool lost", 100;
    /// Files of the spool are zeroed.
    SpoolZeroed: "spool zeroed", 100;
    /// The origin does not have a picture any more.
    PictureGone: "picture gone", 40;
    /// The origin has another picture under the same URL.
    PictureChanged: "picture changed", 40;
    /// A person pauses a run from another terminal, lets it go on, and changes its settings.
    Steered: "steered", 2_000;
    /// A person stops a run in order.
    Interrupted: "interrupted", 600;
    /// The process stands still in the middle of a row update, or right behind the check of its claim.
    SuspendedInRow: "suspended in a row", 700;
    /// A row update is committed after its client has given up.
    LateRow: "late row", 700;
    /// A body that is read breaks off.
    BodyCut: "body cut", 200;
    /// Nothing can be written beside the ledger.
    SpoolFull: "spool full", 200;
    /// The origin has something that is no picture, or one that is too large.
    PictureSpoiled: "picture spoiled", 150;
    /// Somebody takes a file's tags away.
    FileUntagged: "file untagged", 40;
    /// The clock is set, back or forward.
    ClockJumped: "clock jumped", 60;
    /// The ledger's disk is full.
    DiskFull: "disk full", 40;
    /// A write to the ledger's disk fails.
    DiskWriteFails: "disk write fails", 40;
    /// The ledger's disk does not say that it has what was written.
    DiskSyncFails: "disk sync fails", 40;
    /// The ledger's disk cannot be read.
    DiskReadFails: "disk read fails", 40;
    /// The machine with the ledger loses its power.
    PowerCut: "power cut", 40;
    /// An old backup of a ledger is put into its place.
    BackupRestored: "backup restored", 2_500;
    /// ImageKit takes the key for a wrong one, for a while.
    WrongKey: "wrong key", 20;
    /// ImageKit's plan is used up, for a while.
    UsedUp: "used up", 20;
    /// There are more venues than usual.
    ManyVenues: "many venues", 1;
    /// The process is killed right behind a row update, and the file that the row names since goes; its picture often as well.
    GoneBehindRow: "gone behind a row", 2_000;
    /// A cache of the CDN keeps what it serves at a URL, or that nothing is there, for a while.
    Cached: "kept in a cache", 3_000;
    /// The second ledger has a database of its own, on the same ImageKit account.
    SecondDatabase: "second database", 1;
}

/// Which kinds of trouble a history has, and how often.
#[derive(Debug, Clone)]
pub struct Weather([u32; Fault::ALL.len()]);

impl Weather {
    /// A history's own: about half of all kinds, some of them often.
    pub fn drawn(dice: &mut fastrand::Rng) -> Self {
        // Drawn apart, so that the histories with one database are those that they were before there was another.
        let mut apart = fastrand::Rng::with_seed(!dice.get_seed());
        Self(Fault::ALL.map(|fault| match fault {
            Fault::SecondDatabase => u32::from(apart.u32(0..4) == 0),
            _ => match dice.u32(0..8) {
                0..4 => 0,
                4..7 => fault.usual(),
                _ => fault.usual() * 4,
            },
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
        Fault::ALL.into_iter().all(|fault| self.rate(fault) == 0 || fault == Fault::SecondDatabase)
    }

    /// How often in ten thousand moments.
    pub fn rate(&self, fault: Fault) -> u32 {
        self.0[fault as usize]
    }
}
