//! `POST /api/v1/files/upload` and `/api/v2/files/upload`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal};
use super::form::{Form, Incoming};
use super::library::Library;
use super::model::{Probe, Stored, Version};
use super::names::{self, Api};
use super::query::{Expr, Field};
use super::steps::{Step, Wanted};
use super::{App, clock, fields, picture, shape};
use crate::limits;

/// Stores a file under its V1 name.
pub(super) async fn v1(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    upload(app, Api::V1, request).await
}

/// Stores a file under its V2 name.
pub(super) async fn v2(State(app): State<Arc<App>>, request: Request) -> Answer<Response> {
    upload(app, Api::V2, request).await
}

async fn upload(app: Arc<App>, api: Api, request: Request) -> Answer<Response> {
    let parts = Multipart::from_request(request, &())
        .await
        .map_err(|_| Refusal::bad("Your request is missing file parameter."))?;
    let mut form = Form::read(parts, &app.incoming, app.options.upload_bytes_max).await?;
    let wish = Wish::read(api, &form)?;
    let extensions = extensions(&form)?;
    if let Some(steps) = &wish.before {
        let (file, steps) = (form.file, steps.clone());
        form.file = app.pictures(move || picture::before_storing(file, &steps)).await?;
    }
    let (path, name) = (form.file.path.clone(), wish.name.clone());
    let probe = app.pictures(move || picture::probe(&path, &name)).await?;
    wish.check(&form, &probe)?;
    let wanted: Vec<String> = fields::list(form.field("responseFields"));
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let stored = store(&mut app.shelf(), &app, wish, form.file, probe)?;
    let mut answer = shape::uploaded(&app.endpoint, &stored, &wanted);
    if let Some(extensions) = extensions {
        answer["extensionStatus"] = extensions;
    }
    Ok((StatusCode::OK, Json(answer)).into_response())
}

/// What the form asks for, read and found valid.
struct Wish {
    name: String,
    folder: String,
    unique: bool,
    overwrite: bool,
    keep_tags: bool,
    keep_metadata: bool,
    tags: Option<Vec<String>>,
    coordinates: Option<String>,
    metadata: Option<Map<String, Value>>,
    description: Option<String>,
    private: bool,
    published: bool,
    before: Option<Vec<Step>>,
}

impl Wish {
    fn read(api: Api, form: &Form) -> Answer<Self> {
        if ["publicKey", "token", "signature", "expire"].iter().any(|name| form.field(name).is_some()) {
            return Err(Refusal::bad(
                "Your request contains both private API key and client-side authentication parameters.",
            ));
        }
        let name = form
            .field("fileName")
            .ok_or_else(|| Refusal::bad("Your request is missing fileName parameter."))?;
        form.truth("overwriteAITags", true)?;
        Ok(Self {
            name: names::file_name(api, name),
            folder: names::folder(api, form.field("folder").unwrap_or("/"))?,
            unique: form.truth("useUniqueFileName", true)?,
            overwrite: form.truth("overwriteFile", true)?,
            keep_tags: !form.truth("overwriteTags", true)?,
            keep_metadata: !form.truth("overwriteCustomMetadata", true)?,
            tags: form.field("tags").map(|text| fields::tags(&fields::list(Some(text)))).transpose()?,
            coordinates: form.field("customCoordinates").map(fields::coordinates).transpose()?,
            metadata: form.field("customMetadata").map(fields::object).transpose()?,
            description: form.field("description").map(str::to_owned),
            private: form.truth("isPrivateFile", false)?,
            published: form.truth("isPublished", true)?,
            before: form.field("transformation").map(transformation).transpose()?.flatten(),
        })
    }

    /// The `checks` expression: over what was sent and what it turned out to be.
    fn check(&self, form: &Form, probe: &Probe) -> Answer<()> {
        const KNOWN: [&str; 6] = [
            "file.size",
            "file.mime",
            "request.folder",
            "request.fileName",
            "mediaMetadata.width",
            "mediaMetadata.height",
        ];
        let Some(text) = form.field("checks") else { return Ok(()) };
        let expr = Expr::parse(text, |field| KNOWN.contains(&field))
            .ok_or_else(|| Refusal::bad("Your request contains invalid syntax for the checks parameter."))?;
        let side = |of: fn((u32, u32)) -> u32| {
            probe.dimensions.map_or(Field::Absent, |both| Field::Number(f64::from(of(both))))
        };
        let holds = expr.holds(&|field: &str| match field {
            "file.size" => Field::Number(form.file.bytes as f64),
            "file.mime" => Field::Text(probe.mime.clone()),
            "request.folder" => Field::Folder(self.folder.clone()),
            "request.fileName" => Field::Text(self.name.clone()),
            "mediaMetadata.width" => side(|(width, _)| width),
            _ => side(|(_, height)| height),
        });
        if holds { Ok(()) } else { Err(Refusal::bad("Your request failed 'checks' validation.")) }
    }
}

/// The steps to take before storing, if any. What is to happen after storing needs the real service and is only read.
fn transformation(text: &str) -> Answer<Option<Vec<Step>>> {
    let invalid =
        || Refusal::bad("The file could not be uploaded because the transformation field is invalid.");
    let read = fields::object(text).map_err(|_| invalid())?;
    let known = read.keys().all(|key| key == "pre" || key == "post");
    let post_fits = read.get("post").is_none_or(|post| post.as_array().is_some_and(|post| post.len() <= 5));
    if !known || !post_fits {
        return Err(invalid());
    }
    match read.get("pre") {
        None => Ok(None),
        Some(pre) => {
            let steps = pre.as_str().and_then(|pre| Wanted::parse(pre)?.steps()).ok_or_else(invalid)?;
            Ok(Some(steps))
        }
    }
}

/// The status of the extensions asked for: they are well-formed, and the sandbox has none of them.
fn extensions(form: &Form) -> Answer<Option<Value>> {
    let Some(text) = form.field("extensions") else { return Ok(None) };
    let invalid = || Refusal::bad("Your request contains invalid extensions parameter.");
    let asked: Vec<Value> = serde_json::from_str(text).map_err(|_| invalid())?;
    let names: Option<Vec<&str>> = asked.iter().map(|one| one["name"].as_str()).collect();
    Ok(Some(names.ok_or_else(invalid)?.into_iter().map(|name| (name.to_owned(), json!("failed"))).collect()))
}

/// Looks whether the name is free and stores, without letting go of the library in between: of two create-only
/// uploads of one name exactly one is stored.
fn store(library: &mut Library, app: &App, wish: Wish, file: Incoming, probe: Probe) -> Answer<Stored> {
    if let Some(metadata) = &wish.metadata {
        fields::defined(library, metadata)?;
    }
    let mut path = names::join(&wish.folder, &wish.name);
    if wish.unique {
        path = names::join(&wish.folder, &names::unique(&wish.name));
    }
    let earlier = library.at(&path).cloned();
    if earlier.is_some() && !wish.overwrite {
        return Err(Refusal::bad(
            "A file with the same name already exists at the exact location. We could not overwrite it because both \
             overwriteFile and useUniqueFileName are set to false.",
        ));
    }
    if earlier.as_ref().is_some_and(|earlier| earlier.versions.len() >= limits::SANDBOX_VERSIONS_MAX) {
        return Err(Refusal::bad("The file has reached its limit of versions."));
    }
    if app.options.storage_bytes_max.is_some_and(|most| library.bytes() + file.bytes > most) {
        return Err(Refusal::bad("Upload Limit Exceeded."));
    }
    library.make_folders(&wish.folder)?;
    let stored = merged(earlier, wish, path, &file, probe);
    file.keep(&library.content(&stored.id, stored.current()))?;
    library.put(stored.clone())?;
    Ok(stored)
}

/// The record of a new file, or of an earlier one with one more version.
fn merged(earlier: Option<Stored>, wish: Wish, path: String, file: &Incoming, probe: Probe) -> Stored {
    let now = clock::now();
    let version_id = names::new_id();
    let number = earlier.as_ref().map_or(1, Stored::number_next);
    let version = Version {
        id: version_id.clone(),
        name: format!("Version {number}"),
        size: file.bytes,
        content: file.content.clone(),
        created_at: now,
        probe,
    };
    let (old_tags, old_metadata) = match &earlier {
        Some(file) => (
            file.tags.clone().filter(|_| wish.keep_tags),
            Some(file.custom_metadata.clone()).filter(|_| wish.keep_metadata),
        ),
        None => (None, None),
    };
    let (id, created_at, mut versions) =
        earlier.map_or((version_id, now, Vec::new()), |file| (file.id, file.created_at, file.versions));
    versions.push(version);
    Stored {
        id,
        path,
        versions,
        tags: wish.tags.or(old_tags),
        custom_coordinates: wish.coordinates,
        custom_metadata: wish.metadata.or(old_metadata).unwrap_or_default(),
        description: wish.description,
        is_private: wish.private,
        is_published: wish.published,
        created_at,
        updated_at: now,
    }
}
