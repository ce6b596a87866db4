//! Values that both the upload form and the management calls carry.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal};
use super::library::Library;
use super::names;
use crate::limits;

/// The parts of a comma-separated text.
pub(super) fn list(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Tags within ImageKit's bounds.
pub(super) fn tags(tags: &[String]) -> Answer<Vec<String>> {
    let chars: usize = tags.iter().map(|tag| tag.chars().count()).sum();
    if chars > limits::SANDBOX_TAG_CHARS_MAX || tags.iter().any(|tag| tag.contains('%')) {
        return Err(Refusal::bad("Your request contains invalid tags parameter."));
    }
    Ok(tags.to_vec())
}

/// `x,y,width,height`.
pub(super) fn coordinates(text: &str) -> Answer<String> {
    let numbers: Option<Vec<u32>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match numbers {
        Some(numbers) if numbers.len() == 4 => Ok(text.to_owned()),
        _ => Err(Refusal::bad("Your request contains invalid customCoordinates parameter.")),
    }
}

/// A JSON object sent as text.
pub(super) fn object(text: &str) -> Answer<Map<String, Value>> {
    serde_json::from_str(text).map_err(|_| invalid_metadata(&[]))
}

/// Custom metadata may only use fields that were defined before.
pub(super) fn defined(library: &Library, metadata: &Map<String, Value>) -> Answer<()> {
    let is_defined = |name: &str| library.fields().iter().any(|field| field["name"] == name);
    let unknown: Vec<&str> = metadata.keys().map(String::as_str).filter(|name| !is_defined(name)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(invalid_metadata(&unknown)) }
}

fn invalid_metadata(unknown: &[&str]) -> Refusal {
    let errors: Map<String, Value> =
        unknown.iter().map(|name| ((*name).to_owned(), json!(["This field is not defined."]))).collect();
    Refusal::bad("Invalid custom metadata.").with("errors", errors.into())
}

/// A list of file ids out of a JSON body.
///
/// # Errors
/// ImageKit's words for a list that is missing, no list, empty, or longer than `most`; 404 with the missing ones.
pub(super) fn file_ids(library: &Library, body: &Value, most: usize, too_many: &str) -> Answer<Vec<String>> {
    let ids = match &body["fileIds"] {
        Value::Null => return Err(Refusal::bad("fileIds parameter is missing.")),
        Value::Array(ids) if ids.is_empty() => return Err(Refusal::bad("fileIds is empty.")),
        Value::Array(ids) if ids.len() > most => return Err(Refusal::bad(too_many)),
        Value::Array(ids) => ids,
        _ => return Err(Refusal::bad("fileIds should be an Array.")),
    };
    let mut known = Vec::new();
    let mut missing = Vec::new();
    for id in ids {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let into = if library.get(&id).is_some() { &mut known } else { &mut missing };
        if !into.contains(&id) {
            into.push(id);
        }
    }
    if missing.is_empty() { Ok(known) } else { Err(Refusal::missing_ids(&missing)) }
}

/// A file id out of a path.
///
/// # Errors
/// ImageKit's words for what is no id.
pub(super) fn file_id(id: &str) -> Answer<&str> {
    if names::is_id(id) {
        Ok(id)
    } else {
        Err(Refusal::bad("Your request contains invalid fileId parameter."))
    }
}
