//! The client: one request of ImageKit's API a method, each tried once. Trying again is the runner's business.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use ledger::ids::{CdnPath, ContentHash, FileId};
use ledger::trouble::TroubleKind;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use time::Date;
use url::Url;

use super::answers::Answer;
use super::settings::{ImageKitOptions, ImageKitRefused, Secret};
use super::{Cdn, CdnFile, Deleted, Listed, OddFile, Stored, Upload, Usage, delivered_at, wire};
use crate::limits::{ANSWER_BYTES_MAX, BULK_DELETE_FILES_MAX, FIND_FILES_MAX, LIST_FILES_MAX};
use crate::outside::http::{Patience, progress};
use crate::outside::incoming::Incoming;
use crate::outside::log::send;
use crate::outside::probe::{Ask, Seen};
use crate::outside::spool::Spool;
use crate::outside::{Trouble, http_client_builder};

/// What messages call the API.
const WHOM: &str = "ImageKit's API";

/// ImageKit over HTTP. Redirects are never followed, so the key reaches the configured hosts and no other.
#[derive(Debug)]
pub struct ImageKit {
    pub(super) client: Client,
    authorization: HeaderValue,
    secret: Arc<Secret>,
    pub(super) url_endpoint: Url,
    upload_url: Url,
    api_url: Url,
    pub(super) patience: Patience,
}

impl ImageKit {
    /// A client by its options. Nothing is sent.
    ///
    /// # Errors
    /// When a setting cannot be used, or would send the key in the open (requirement S3).
    pub fn new(options: ImageKitOptions) -> Result<Self, ImageKitRefused> {
        if let Some(refused) = options.refusals().into_iter().next() {
            return Err(refused);
        }
        let client = http_client_builder().build()?;
        let sample =
            client.get(options.api_url.clone()).basic_auth(&options.private_key, Some("")).build()?;
        let authorization = sample.headers().get(AUTHORIZATION).cloned().ok_or(ImageKitRefused::Key)?;
        let secret = Secret::new(&options.private_key, authorization.to_str().unwrap_or_default());
        let ImageKitOptions { url_endpoint, upload_url, api_url, idle, whole, .. } = options;
        let (secret, patience) = (Arc::new(secret), Patience { idle, whole });
        Ok(Self { client, authorization, secret, url_endpoint, upload_url, api_url, patience })
    }

    /// A request to the upload host, with the key.
    pub(super) fn upload_request(&self) -> RequestBuilder {
        let url = at(&self.upload_url, &["api", "v1", "files", "upload"]);
        self.with_key(self.client.post(url))
    }

    /// A request to the management API, with the key.
    fn api_request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.with_key(self.client.request(method, at(&self.api_url, path)))
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(AUTHORIZATION, self.authorization.clone()).header(ACCEPT_ENCODING, "identity")
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Trouble> {
        self.read(progress(send(request), self.patience.idle, WHOM).await?).await
    }

    /// Reads an answer whole, within its bound.
    pub(super) async fn read(&self, response: reqwest::Response) -> Result<Answer, Trouble> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Answer { secret: Arc::clone(&self.secret), status, headers, body: Vec::new() };
        let read = async |body: &mut Vec<u8>| {
            let mut incoming = Incoming::of(response, ANSWER_BYTES_MAX as u64, self.patience, WHOM)?;
            while let Some(piece) = incoming.next().await? {
                body.extend_from_slice(&piece);
            }
            Ok(())
        };
        match read(&mut answer.body).await {
            Ok(()) => Ok(answer),
            Err(Trouble { kind: TroubleKind::FileTooLarge, .. }) => {
                Err(answer.odd("an answer longer than any should be"))
            }
            Err(Trouble { kind: TroubleKind::InvalidImage, message, .. }) => Err(answer.odd(&message)),
            Err(trouble) => Err(trouble),
        }
    }

    async fn page(
        &self,
        path: Option<&str>,
        search: &str,
        skip: u64,
        limit: u32,
    ) -> Result<(Answer, Listed), Trouble> {
        let limit = limit.clamp(1, LIST_FILES_MAX);
        let (skip, most) = (skip.to_string(), limit.to_string());
        let mut query =
            vec![("searchQuery", search), ("sort", "ASC_CREATED"), ("skip", &skip), ("limit", &most)];
        query.extend(path.map(|path| ("path", path)));
        let answer = self.ask(self.api_request(Method::GET, &["v1", "files"]).query(&query)).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.trouble());
        }
        let listed = wire::page(&answer.body, &self.url_endpoint).map_err(|why| answer.odd(&why))?;
        let n = listed.files.len() + listed.odd.len();
        if n > limit as usize {
            return Err(answer.odd(&format!("{n} files on a page of {limit}")));
        }
        Ok((answer, listed))
    }

    /// The one file that an answer is about, which was asked for by its id.
    fn file_of(&self, answer: &Answer, file: &FileId) -> Result<CdnFile, Trouble> {
        let found = wire::file(&answer.body, &self.url_endpoint).map_err(|why| answer.odd(&why))?;
        if found.id != *file {
            return Err(answer.odd(&format!("another file, {}, than was asked for, {file}", found.id)));
        }
        Ok(found)
    }
}

#[async_trait]
impl Cdn for ImageKit {
    fn delivered_at(&self, path: &CdnPath) -> String {
        delivered_at(&self.url_endpoint, path.as_str())
    }
    async fn upload(&self, upload: &Upload, spool: &Spool) -> Result<Stored, Trouble> {
        self.upload_from(upload, spool).await
    }

    async fn details(&self, file: &FileId) -> Result<Option<CdnFile>, Trouble> {
        let id = addressable(file)?;
        let answer = self.ask(self.api_request(Method::GET, &["v1", "files", &id, "details"])).await?;
        match answer.status {
            StatusCode::OK => self.file_of(&answer, file).map(Some),
            _ if answer.is_missing() => Ok(None),
            _ => Err(answer.trouble()),
        }
    }

    async fn versions(&self, file: &FileId) -> Result<Vec<CdnFile>, Trouble> {
        let id = addressable(file)?;
        let answer = self.ask(self.api_request(Method::GET, &["v1", "files", &id, "versions"])).await?;
        match answer.status {
            StatusCode::OK => {
                let found = wire::files(&answer.body, &self.url_endpoint).map_err(|why| answer.odd(&why))?;
                match found.iter().find(|version| version.id != *file) {
                    Some(other) => {
                        Err(answer.odd(&format!("another file, {}, than was asked for, {file}", other.id)))
                    }
                    None if found.is_empty() => Err(answer.odd("a file without a version")),
                    None => Ok(found),
                }
            }
            _ if answer.is_missing() => Ok(Vec::new()),
            _ => Err(answer.trouble()),
        }
    }

    async fn find(&self, path: &CdnPath) -> Result<Option<CdnFile>, Trouble> {
        // With a search, ImageKit ignores the parameters `type`, `tags` and `name`, but not `path`.
        let search = format!("type = \"file\" AND name = {}", quoted(path.name()));
        let (answer, listed) = self.page(Some(path.folder()), &search, 0, FIND_FILES_MAX).await?;
        let found = listed.files.into_iter().find(|file| file.path == *path);
        let is_it = |odd: &&OddFile| odd.path.as_ref().is_none_or(|odd| odd == path);
        match listed.odd.iter().find(is_it) {
            // It may be the one.
            Some(odd) if found.is_none() => Err(answer.odd(&odd.to_string())),
            _ => Ok(found),
        }
    }

    async fn list(&self, folder: &str, skip: u64, limit: u32) -> Result<Listed, Trouble> {
        // With its slash at the end, the folder's name is no prefix of another's.
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let search = format!("type = \"file\" AND path : {}", quoted(&folder));
        let (answer, listed) = self.page(None, &search, skip, limit).await?;
        let odd_paths = listed.odd.iter().filter_map(|file| file.path.as_ref());
        let mut paths = listed.files.iter().map(|file| &file.path).chain(odd_paths);
        if paths.any(|path| !path.as_str().starts_with(&folder)) {
            return Err(answer.odd("a file of another folder than was asked for"));
        }
        let (mut ids, odd_ids) = (HashSet::new(), listed.odd.iter().filter_map(|file| file.id.as_ref()));
        if !listed.files.iter().map(|file| &file.id).chain(odd_ids).all(|id| ids.insert(id)) {
            return Err(answer.odd("one file twice on a page"));
        }
        Ok(listed)
    }

    async fn set_tags(&self, file: &FileId, tags: &[String]) -> Result<CdnFile, Trouble> {
        let id = addressable(file)?;
        let request = self.api_request(Method::PATCH, &["v1", "files", &id, "details"]);
        let answer = self.ask(request.json(&wire::TagsRequest { tags })).await?;
        match answer.status {
            StatusCode::OK => {
                let found = self.file_of(&answer, file)?;
                match tags.iter().all(|tag| found.tags.contains(tag)) {
                    true => Ok(found),
                    false => Err(answer.odd("a file without the tags that it was given")),
                }
            }
            _ => Err(answer.trouble()),
        }
    }

    async fn delete(&self, file: &FileId) -> Result<bool, Trouble> {
        let id = addressable(file)?;
        let answer = self.ask(self.api_request(Method::DELETE, &["v1", "files", &id])).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(true),
            _ if answer.is_missing() => Ok(false),
            _ => Err(answer.trouble()),
        }
    }

    async fn delete_many(&self, files: &[FileId]) -> Result<Deleted, Trouble> {
        assert!(files.len() <= BULK_DELETE_FILES_MAX, "ImageKit deletes at most 100 files by one request");
        let mut wanted: Vec<&FileId> = files.iter().collect();
        let mut missing = Vec::new();
        // When one file is missing, ImageKit deletes none. Each round drops at least one, so there are as many
        // rounds as files at most.
        while !wanted.is_empty() {
            let body = wire::DeleteRequest { file_ids: wanted.clone() };
            let request = self.api_request(Method::POST, &["v1", "files", "batch", "deleteByFileIds"]);
            let answer = self.ask(request.json(&body)).await?;
            match answer.status {
                StatusCode::OK | StatusCode::MULTI_STATUS => {
                    let gone = wire::deleted_ids(&answer.body).map_err(|why| answer.odd(&why))?;
                    wanted.retain(|id| gone.contains(&id.to_string()));
                    return Ok(Deleted { deleted: wanted.into_iter().cloned().collect(), missing });
                }
                StatusCode::NOT_FOUND => {
                    let absent = wire::missing_ids(&answer.body).map_err(|why| answer.odd(&why))?;
                    let (gone, rest) = wanted.into_iter().partition(|id| absent.contains(&id.to_string()));
                    wanted = rest;
                    let gone: Vec<&FileId> = gone;
                    if gone.is_empty() {
                        return Err(answer.odd("files are missing, but none of those asked for"));
                    }
                    missing.extend(gone.into_iter().cloned());
                }
                _ => return Err(answer.trouble()),
            }
        }
        Ok(Deleted { deleted: Vec::new(), missing })
    }

    async fn original_hash(&self, url: &str, bytes: u64) -> Result<ContentHash, Trouble> {
        self.hash_original(url, bytes).await
    }

    async fn check_delivery(&self, url: &str) -> Result<(), Trouble> {
        self.see_delivery(url).await
    }

    async fn probe(&self, url: &str, transformation: Option<&str>, ask: &Ask<'_>) -> Result<Seen, Trouble> {
        self.look(url, transformation, ask).await
    }

    async fn usage(&self, from: Date, to: Date) -> Result<Usage, Trouble> {
        let query = [("startDate", from.to_string()), ("endDate", to.to_string())];
        let request = self.api_request(Method::GET, &["v1", "accounts", "usage"]);
        let answer = self.ask(request.query(&query)).await?;
        match answer.status {
            StatusCode::OK => wire::usage(&answer.body).map_err(|why| answer.odd(&why)),
            _ => Err(answer.trouble()),
        }
    }
}

/// The base with a path of these parts, each encoded.
fn at(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.clear().extend(path);
    }
    url
}

/// A file id as a part of a path. Dots alone would walk up it, and no file of ImageKit's has such an id.
fn addressable(file: &FileId) -> Result<String, Trouble> {
    let id = file.to_string();
    if id.bytes().all(|byte| byte == b'.') {
        return Err(Trouble::new(TroubleKind::Rejected, format!("the file id {id:?} cannot be asked for")));
    }
    Ok(id)
}

/// A string of ImageKit's search language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
