//! Planted bugs: what the program might do wrong, one at a time, so that it is known that the rules notice.
//!
//! None of them is in the program. Each is a part of the pretended outside that answers as it does not, a command that does
//! something else, or a ledger that loses what was written; towards the rules it is as if the program did it.

/// Each with what the program does wrong, and the first history that showed it the last time all were looked through
/// (`tests/run --bugs 1000` prints these lines anew). Another one does as well: this one only is told first.
macro_rules! bugs {
    ($($bug:ident: $words:literal, $seed:literal;)*) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($bug,)*
        }

        impl Bug {
            pub const ALL: [Self; [$($words),*].len()] = [$(Self::$bug),*];

            /// What the program does wrong, and the seed that shows it.
            pub fn says(self) -> (&'static str, u64) {
                match self { $(Self::$bug => ($words, $seed),)* }
            }
        }
    };
}

bugs! {
    RowToldBefore: "a row update is written down before it is made", 0;
    FileToldBefore: "an upload is written down before the file is stored", 0;
    FoundDoneLost: "a row update that is found done is taken for somebody else's change", 69;
    DriftOverwritten: "an entry that somebody has changed is overwritten", 123;
    MatchedByIndex: "an entry is found by its place in the array", 6;
    Reformatted: "a row is written as a JSON library prints it", 0;
    RowNotLocked: "a row is read, and written later without a lock", 9;
    LockForEver: "no time-out ends a session that stands still and holds a row's lock", 80;
    OtherCountry: "rows of another country than the run's are moved", 6;
    OtherCity: "rows of another city than the run's are moved", 39;
    LimitIgnored: "more venues are moved than the limit allows", 43;
    WrittenForNothing: "a row is written though nothing in it is to be changed", 2;
    ClaimNotChecked: "a claim is believed to be held for as long as the process lives", 0;
    ClaimElsewhere: "the claim is on another country than the row's", 0;
    ClaimKept: "a claim outlives its process", 0;
    ClaimTakenOver: "a claim is taken over from a living process", 18;
    DeletedWithoutClaim: "orphans are deleted without a claim", 11;
    UsesOfPagesUnseen: "uses of a file are looked for in venues alone", 63;
    UsesOfRowsUnseen: "uses of a file are looked for everywhere but in venues", 126;
    SpellingUnseen: "uses of a file are not found where its URL is percent-encoded", 63;
    UsesAskedOnce: "uses of a file are not asked for again before it is deleted", 0;
    RestoredWrongly: "a rollback puts an entry back with another height", 0;
    RestoredUnchecked: "a rollback overwrites an entry that somebody has changed", 180;
    RestoredWhole: "a rollback puts the first array back as a whole", 1;
    RowLeftBehind: "an image that is given up leaves its row", 24;
    LeftUnlooked: "the row of an image that a person leaves is not looked at", 720;
    LastUploadOnly: "only the last upload of an image is known in its row", 17;
    ResumedOverRollback: "resume goes on with a run that was rolled back", 12;
    OverwritingUpload: "an upload overwrites the file at its path", 2;
    OldUploadBelieved: "a file that was uploaded once is believed to be there", 8;
    ListingBelieved: "a file that the listing names is neither asked for by its id nor read", 2;
    CacheBelieved: "a file's bytes are read from a cache", 65;
    SizeBelieved: "a file with the right size and sides is believed to have the right bytes", 2;
    AdoptedAsOwn: "any file at the right path counts as the ledger's own", 23;
    TagsReplaced: "tags of other people are lost when a file is tagged", 23;
    AdoptedUnmarked: "a file of another ledger is used without a tag of one's own on it", 2;
    OtherLedgerUnseen: "the tag of another ledger is no reason to keep a file", 2;
    VersionsUnseen: "versions and bytes of a file are not looked at before it is deleted", 2;
    SpoolNotHashed: "bytes of the spool are sent without hashing them again", 39;
    CutBodyTaken: "a body that was cut off is taken for a picture", 2;
    DeletionBelieved: "a deletion that went wrong counts as done", 228;
    DeletionForgotten: "a deletion without an answer is not looked into", 822;
    TriedForEver: "a download is tried without limit", 116;
    FinishedAskedAgain: "the picture of a finished entry is downloaded again", 2;
    EventsLost: "what a killed process wrote down is lost", 4;
    SuccessSaid: "a run says success whatever has failed", 0;
}
