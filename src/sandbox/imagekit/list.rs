//! `GET /v1/files`: list and search.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::answer::{Answer, Refusal};
use super::model::{Folder, Stored, Version};
use super::query::{Expr, Field};
use super::{App, names, params, shape};
use crate::limits;

/// Something the list may show.
enum Item<'a> {
    File(&'a Stored),
    Version(&'a Stored, &'a Version),
    Folder(&'a Folder),
}

/// Answers a page.
pub(super) async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Response> {
    let asked = params(query.as_deref());
    let (skip, limit) = page(&asked)?;
    let sort = Sort::parse(asked.get("sort").map_or("ASC_CREATED", String::as_str))?;
    let search = match asked.get("searchQuery").filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(Expr::parse(text, is_known).ok_or_else(|| {
            Refusal::bad("Your request contains invalid syntax for the searchQuery parameter.")
        })?),
        None => None,
    };
    let kinds = match (&search, asked.get("type").map_or("file", String::as_str)) {
        // A query says itself which types it wants; old versions only come up when it names them.
        (Some(search), _) if search.mentions("file-version") => ["file", "folder", "file-version"].as_slice(),
        (Some(_), _) | (None, "all") => &["file", "folder"],
        (None, "file") => &["file"],
        (None, "folder") => &["folder"],
        (None, "file-version") => &["file-version"],
        _ => return Err(Refusal::bad("Your request contains invalid value for type parameter.")),
    };
    let folder = asked.get("path").map(|path| format!("/{}", path.trim_matches('/')));
    let file_type = asked.get("fileType").map(String::as_str).filter(|kind| *kind != "all");

    let mut library = app.shelf();
    let folders: Vec<Folder> = library.folders().cloned().collect();
    let mut prefix = folder.clone().unwrap_or_default();
    prefix.push_str(if prefix.len() > 1 { "/" } else { "" });
    let files = library.listed(&prefix);
    let mut items: Vec<Item> = Vec::new();
    for file in files {
        if kinds.contains(&"file") {
            items.push(Item::File(file));
        }
        if kinds.contains(&"file-version") {
            items.extend(file.versions.iter().rev().skip(1).map(|version| Item::Version(file, version)));
        }
    }
    if kinds.contains(&"folder") {
        items.extend(folders.iter().map(Item::Folder));
    }
    items.retain(|item| {
        folder.as_deref().is_none_or(|folder| item.folder() == folder)
            && file_type.is_none_or(|kind| item.is_of(kind))
            && search.as_ref().is_none_or(|search| search.holds(&|field| item.field(field)))
    });
    items.sort_by(|left, right| sort.order(left, right));
    let page: Vec<Value> = items.iter().skip(skip).take(limit).map(|item| item.show(&app)).collect();
    Ok(Json(page).into_response())
}

fn page(asked: &HashMap<String, String>) -> Answer<(usize, usize)> {
    let number = |name: &str, default: i64| match asked.get(name) {
        Some(text) => {
            let message =
                || Refusal::bad(format!("Your request contains invalid value for {name} parameter."));
            text.parse().map_err(|_| message())
        }
        None => Ok(default),
    };
    let most = i64::try_from(limits::SANDBOX_LIST_PAGE_MAX).unwrap_or(i64::MAX);
    let limit: i64 = number("limit", most)?;
    let skip: i64 = number("skip", 0)?;
    if limit < 1 {
        return Err(Refusal::bad(format!("Minimum value of limit parameter is 1. Value sent is {limit}.")));
    }
    if limit > most {
        return Err(Refusal::bad(format!(
            "Maximum value of limit parameter is {most}. Value sent is {limit}."
        )));
    }
    let skip = usize::try_from(skip).map_err(|_| {
        Refusal::bad(format!(
            "The value of skip parameter should be greater than or equal to 0. Value sent is {skip}."
        ))
    })?;
    Ok((skip, usize::try_from(limit).unwrap_or(limits::SANDBOX_LIST_PAGE_MAX)))
}

/// The fields a query may name. Quoted `customMetadata.x` is answered too, embedded metadata is not read.
fn is_known(field: &str) -> bool {
    const FIELDS: [&str; 14] = [
        "name",
        "path",
        "tags",
        "type",
        "size",
        "width",
        "height",
        "format",
        "createdAt",
        "updatedAt",
        "id",
        "private",
        "published",
        "transparency",
    ];
    FIELDS.contains(&field) || field.starts_with("customMetadata.")
}

impl Item<'_> {
    fn path(&self) -> &str {
        match self {
            Self::File(file) | Self::Version(file, _) => &file.path,
            Self::Folder(folder) => &folder.path,
        }
    }

    fn folder(&self) -> &str {
        names::split(self.path()).0
    }

    fn version(&self) -> Option<&Version> {
        match self {
            Self::File(file) => Some(file.current()),
            Self::Version(_, version) => Some(version),
            Self::Folder(_) => None,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::File(file) => &file.id,
            Self::Version(_, version) => &version.id,
            Self::Folder(folder) => &folder.id,
        }
    }

    fn times(&self) -> (i64, i64) {
        match self {
            Self::File(file) => (file.created_at, file.updated_at),
            Self::Version(_, version) => (version.created_at, version.created_at),
            Self::Folder(folder) => (folder.created_at, folder.created_at),
        }
    }

    fn is_of(&self, file_type: &str) -> bool {
        self.version().is_some_and(|version| version.probe.file_type() == file_type)
    }

    fn field(&self, field: &str) -> Field {
        let owner = match self {
            Self::File(file) | Self::Version(file, _) => Some(*file),
            Self::Folder(_) => None,
        };
        let probe = self.version().map(|version| &version.probe);
        let side = |of: fn((u32, u32)) -> u32| {
            probe
                .and_then(|probe| probe.dimensions)
                .map_or(Field::Absent, |both| Field::Number(f64::from(of(both))))
        };
        match field {
            "name" => Field::Text(names::split(self.path()).1.to_owned()),
            "path" => Field::Folder(self.folder().to_owned()),
            "id" => Field::Text(self.id().to_owned()),
            "type" => Field::Text(
                match self {
                    Self::File(_) => "file",
                    Self::Version(..) => "file-version",
                    Self::Folder(_) => "folder",
                }
                .to_owned(),
            ),
            "createdAt" => Field::Time(self.times().0),
            "updatedAt" => Field::Time(self.times().1),
            "width" => side(|(width, _)| width),
            "height" => side(|(_, height)| height),
            "size" => self.version().map_or(Field::Absent, |version| Field::Number(version.size as f64)),
            "format" => probe.map_or(Field::Absent, |probe| Field::Text(probe.format().to_owned())),
            "transparency" => probe.map_or(Field::Absent, |probe| Field::Bool(probe.has_alpha)),
            "private" => owner.map_or(Field::Absent, |file| Field::Bool(file.is_private)),
            "published" => owner.map_or(Field::Absent, |file| Field::Bool(file.is_published)),
            "tags" => owner.and_then(|file| file.tags.clone()).map_or(Field::Absent, Field::Many),
            _ => match owner.and_then(|file| file.custom_metadata.get(field.split_once('.')?.1)) {
                Some(Value::String(text)) => Field::Text(text.clone()),
                Some(Value::Bool(truth)) => Field::Bool(*truth),
                Some(Value::Number(number)) => Field::Number(number.as_f64().unwrap_or(f64::NAN)),
                _ => Field::Absent,
            },
        }
    }

    fn show(&self, app: &App) -> Value {
        match self {
            Self::File(file) => shape::file(&app.endpoint, file),
            Self::Version(file, version) => shape::version(&app.endpoint, file, version),
            Self::Folder(folder) => shape::folder(folder),
        }
    }
}

struct Sort {
    key: String,
    descending: bool,
}

impl Sort {
    fn parse(text: &str) -> Answer<Self> {
        const KEYS: [&str; 9] = [
            "NAME",
            "CREATED",
            "UPDATED",
            "HEIGHT",
            "WIDTH",
            "SIZE",
            "RELEVANCE",
            "DURATION",
            "ORIGINAL_CREATION_DATE",
        ];
        match text.split_once('_') {
            Some((way @ ("ASC" | "DESC"), key)) if KEYS.contains(&key) => {
                Ok(Self { key: key.to_owned(), descending: way == "DESC" })
            }
            _ => Err(Refusal::bad("Your request contains invalid value for sort parameters.")),
        }
    }

    /// The order asked for; the id settles ties, so that pages neither repeat nor leave out.
    fn order(&self, left: &Item, right: &Item) -> Ordering {
        let side = |item: &Item, of: fn((u32, u32)) -> u32| {
            item.version().and_then(|version| version.probe.dimensions).map_or(0, of)
        };
        let asked = match self.key.as_str() {
            "NAME" => names::split(left.path()).1.cmp(names::split(right.path()).1),
            "UPDATED" => left.times().1.cmp(&right.times().1),
            "HEIGHT" => side(left, |(_, height)| height).cmp(&side(right, |(_, height)| height)),
            "WIDTH" => side(left, |(width, _)| width).cmp(&side(right, |(width, _)| width)),
            "SIZE" => {
                let size = |item: &Item| item.version().map_or(0, |version| version.size);
                size(left).cmp(&size(right))
            }
            "DURATION" => Ordering::Equal,
            _ => left.times().0.cmp(&right.times().0),
        };
        let asked = if self.descending { asked.reverse() } else { asked };
        asked.then_with(|| left.times().0.cmp(&right.times().0)).then_with(|| left.id().cmp(right.id()))
    }
}
