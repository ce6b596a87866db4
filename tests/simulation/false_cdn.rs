//! ImageKit and the origin as a program with a planted bug would have them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ledger::ids::{CdnPath, ContentHash, FileId, LedgerId};
use ledger::trouble::{Treatment, TroubleKind};
use longshore::outside::Trouble;
use longshore::outside::imagekit::{Cdn, CdnFile, Deleted, Listed, Stored, Upload, Usage};
use longshore::outside::origin::{Fetched, Origin};
use longshore::outside::probe::{Ask, Seen};
use longshore::outside::spool::Spool;
use time::Date;
use tokio::time::sleep;

use super::bug::Bug;
use super::cdn::{File, Seat, described, overwrite, sides, url_of};
use super::parts::Part;
use super::process::Process;
use super::world::Inner;

/// What stands between the runner and the seat of its process.
pub struct False {
    seat: Seat,
    process: Arc<Process>,
    bug: Bug,
    /// What the listing said of files, by id.
    listed: Mutex<BTreeMap<String, CdnFile>>,
    /// Files whose deletion was not answered.
    unanswered: Mutex<BTreeSet<String>>,
    fetched: Mutex<u64>,
}

impl False {
    pub fn new(process: &Arc<Process>, bug: Bug) -> Self {
        Self {
            seat: Seat(process.clone()),
            process: process.clone(),
            bug,
            listed: Mutex::default(),
            unanswered: Mutex::default(),
            fetched: Mutex::default(),
        }
    }

    fn tag(&self) -> String {
        LedgerId([self.process.ledger as u8 + 1; 16]).tag()
    }

    /// What the program makes of a file that ImageKit tells of.
    fn told(&self, mut file: CdnFile) -> CdnFile {
        match self.bug {
            Bug::AdoptedAsOwn => {
                file.tags.retain(|tag| !tag.starts_with("adopted-"));
                if !file.tags.contains(&self.tag()) {
                    file.tags.push(self.tag());
                }
            }
            Bug::OtherLedgerUnseen => {
                let own = self.tag();
                file.tags.retain(|tag| !tag.starts_with("ledger-") || *tag == own);
            }
            Bug::VersionsUnseen => file.version = Some(file.id.clone()),
            _ => {}
        }
        file
    }

    /// What the program believes of a file that it does not ask for, or that ImageKit does not know.
    fn believed(&self, id: &FileId) -> Option<CdnFile> {
        let world = self.process.world.lock();
        let file = world.cdn.files.get(&id.to_string())?;
        match self.bug {
            Bug::OldUploadBelieved => Some(described(file)),
            Bug::ListingBelieved if file.deleted.is_some() => {
                self.listed.lock().unwrap().get(&file.id).cloned()
            }
            Bug::DeletionForgotten if self.unanswered.lock().unwrap().contains(&file.id) => {
                let mut file = described(file);
                file.tags.push("no longer looked at".to_owned());
                Some(file)
            }
            _ => None,
        }
    }

    /// Whether the listing has named a file that is to be served there.
    fn is_listed(&self, url: &str) -> bool {
        self.listed.lock().unwrap().values().any(|file| file.url == url)
    }

    /// The upload of a program that does not look whether there is a file.
    async fn overwrite(&self, upload: &Upload) -> Option<Result<Stored, Trouble>> {
        let (path, tags, process) = (upload.path.to_string(), upload.tags.clone(), self.process.clone());
        let bytes = self.process.world.lock().spools[self.process.ledger].get(&upload.hash)?.clone();
        let put = move |world: &mut Inner| {
            let file = overwrite(world, &process, &path, bytes.clone(), tags.clone());
            Ok(Stored::Now(described(&file)))
        };
        Some(self.process.request(Part::Upload, put).await)
    }

    /// The upload of a program that sends whatever the spool has.
    async fn send(&self, upload: &Upload) -> Option<Result<Stored, Trouble>> {
        let ledger = self.process.ledger;
        let bytes = self.process.world.lock().spools[ledger].get(&upload.hash)?.clone();
        if ContentHash::of(&bytes) == upload.hash {
            return None;
        }
        let (path, tags) = (upload.path.to_string(), upload.tags.clone());
        let put = move |world: &mut Inner| match world.cdn.at(&path) {
            Some(_) => Ok(Stored::Conflict),
            None => {
                Ok(Stored::Now(described(world.cdn.put(&path, bytes.clone(), tags.clone(), Some(ledger)))))
            }
        };
        Some(self.process.request(Part::Upload, put).await)
    }

    /// Takes a file that was stored back for a while; it stays so if the process does not live that long.
    fn delay(&self, id: &FileId) {
        let Some(file) = self.process.world.lock().cdn.files.remove(&id.to_string()) else { return };
        let process = self.process.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(500)).await;
            if !process.is_dead() {
                process.world.lock().cdn.files.insert(file.id.clone(), file);
            }
        });
    }

    /// Cuts some bodies off.
    fn cut(&self, fetched: Fetched) -> Fetched {
        let mut n = self.fetched.lock().unwrap();
        *n += 1;
        if !(*n + self.process.number).is_multiple_of(4) {
            return fetched;
        }
        let spool = &mut self.process.world.lock().spools[self.process.ledger];
        let bytes: Arc<[u8]> = spool[&fetched.hash][..fetched.bytes as usize / 2].into();
        let (hash, (width, height)) = (ContentHash::of(&bytes), sides(&bytes));
        let cut = Fetched { hash, bytes: bytes.len() as u64, width, height, ..fetched };
        spool.insert(hash, bytes);
        cut
    }
}

fn is_unanswered<T>(answer: &Result<T, Trouble>) -> bool {
    answer.as_ref().is_err_and(|trouble| trouble.kind == TroubleKind::Timeout)
}

#[async_trait]
impl Cdn for False {
    async fn upload(&self, upload: &Upload, spool: &Spool) -> Result<Stored, Trouble> {
        let instead = match self.bug {
            Bug::OverwritingUpload => self.overwrite(upload).await,
            Bug::SpoolNotHashed => self.send(upload).await,
            _ => None,
        };
        if let Some(stored) = instead {
            return stored;
        }
        let stored = self.seat.upload(upload, spool).await;
        match &stored {
            Ok(Stored::Now(file)) if self.bug == Bug::FileToldBefore => self.delay(&file.id),
            _ => {}
        }
        stored
    }

    fn delivered_at(&self, path: &CdnPath) -> String {
        self.seat.delivered_at(path)
    }

    async fn details(&self, file: &FileId) -> Result<Option<CdnFile>, Trouble> {
        match self.believed(file) {
            Some(believed) => Ok(Some(believed)),
            None => Ok(self.seat.details(file).await?.map(|file| self.told(file))),
        }
    }

    async fn versions(&self, file: &FileId) -> Result<Vec<CdnFile>, Trouble> {
        if let (Bug::DeletionForgotten, Some(believed)) = (self.bug, self.believed(file)) {
            return Ok(vec![believed]);
        }
        let mut versions = self.seat.versions(file).await?;
        if self.bug == Bug::VersionsUnseen {
            versions.truncate(1);
        }
        Ok(versions.into_iter().map(|file| self.told(file)).collect())
    }

    async fn find(&self, path: &CdnPath) -> Result<Option<CdnFile>, Trouble> {
        let found = self.seat.find(path).await?.map(|file| self.told(file));
        if let Some(file) = &found {
            self.listed.lock().unwrap().insert(file.id.to_string(), file.clone());
        }
        Ok(found)
    }

    async fn list(&self, folder: &str, skip: u64, limit: u32) -> Result<Listed, Trouble> {
        let Listed { files, odd } = self.seat.list(folder, skip, limit).await?;
        Ok(Listed { files: files.into_iter().map(|file| self.told(file)).collect(), odd })
    }

    async fn set_tags(&self, file: &FileId, tags: &[String]) -> Result<CdnFile, Trouble> {
        let mut tags = tags.to_vec();
        if self.bug == Bug::TagsReplaced {
            tags.retain(|tag| !["press", "ledger-ffff"].contains(&tag.as_str()));
        }
        if self.bug == Bug::OtherLedgerUnseen {
            let world = self.process.world.lock();
            let there = world.cdn.get(&file.to_string()).map_or(&[][..], |file| &file.tags);
            let unseen: Vec<String> = there.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
            tags.extend(unseen);
        }
        if self.bug == Bug::AdoptedUnmarked
            && let Some(there) = self.seat.details(file).await?
        {
            return Ok(CdnFile { tags, ..there });
        }
        Ok(self.told(self.seat.set_tags(file, &tags).await?))
    }

    async fn delete(&self, file: &FileId) -> Result<bool, Trouble> {
        let answer = self.seat.delete(file).await;
        match self.bug {
            Bug::DeletionBelieved if answer.is_err() => return Ok(true),
            Bug::DeletionForgotten if is_unanswered(&answer) => {
                self.unanswered.lock().unwrap().insert(file.to_string());
            }
            _ => {}
        }
        answer
    }

    async fn delete_many(&self, files: &[FileId]) -> Result<Deleted, Trouble> {
        self.seat.delete_many(files).await
    }

    async fn original_hash(&self, url: &str, bytes: u64) -> Result<ContentHash, Trouble> {
        let known = {
            let world = self.process.world.lock();
            let mut known = world.given.values().flatten();
            let mut named = || known.find(|hash| url.contains(&hash.to_string()[..16])).copied();
            match self.bug {
                Bug::SizeBelieved => named(),
                Bug::ListingBelieved if self.is_listed(url) => named(),
                Bug::VersionsUnseen if world.notes[&self.process.number].is_leaving() => named(),
                Bug::OldUploadBelieved if !world.cdn.files.values().any(|it| is_at(it, url)) => named(),
                _ => None,
            }
        };
        match known {
            Some(hash) => Ok(hash),
            None => self.seat.original_hash(url, bytes).await,
        }
    }

    async fn check_delivery(&self, url: &str) -> Result<(), Trouble> {
        match self.bug {
            Bug::OldUploadBelieved | Bug::FileToldBefore => Ok(()),
            Bug::ListingBelieved if self.is_listed(url) => Ok(()),
            _ => self.seat.check_delivery(url).await,
        }
    }

    async fn probe(&self, url: &str, change: Option<&str>, ask: &Ask<'_>) -> Result<Seen, Trouble> {
        Cdn::probe(&self.seat, url, change, ask).await
    }

    async fn usage(&self, from: Date, to: Date) -> Result<Usage, Trouble> {
        self.seat.usage(from, to).await
    }
}

fn is_at(file: &File, url: &str) -> bool {
    file.deleted.is_none() && url_of(&file.path) == url
}

#[async_trait]
impl Origin for False {
    async fn fetch(&self, url: &str, spool: &Spool) -> Result<Fetched, Trouble> {
        if self.bug == Bug::FinishedAskedAgain {
            let done = self.process.world.lock().books[self.process.ledger].done.first().cloned();
            if let Some(done) = done {
                let _only_to_have_it = self.seat.fetch(&done, spool).await;
            }
        }
        loop {
            match self.seat.fetch(url, spool).await {
                Err(trouble)
                    if self.bug == Bug::TriedForEver && trouble.kind.treatment() == Treatment::Retry =>
                {
                    sleep(Duration::from_secs(1)).await;
                }
                Ok(fetched) if self.bug == Bug::CutBodyTaken => return Ok(self.cut(fetched)),
                answer => return answer,
            }
        }
    }

    async fn probe(&self, url: &str, ask: &Ask<'_>) -> Result<Seen, Trouble> {
        Origin::probe(&self.seat, url, ask).await
    }

    async fn size(&self, url: &str) -> Result<Option<u64>, Trouble> {
        self.seat.size(url).await
    }
}
