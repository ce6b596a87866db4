//! What a row of Poland must become: worked out from the sandbox's seed and the row as it was, not from the program.

use std::collections::BTreeMap;

use longshore::sandbox::seed::{Awkward, Image, Venue};
use serde_json::value::RawValue;

use crate::support::program::Workplace;

/// Venues in the sandbox: enough for Poland to have each kind of awkward image, odd slugs and twins.
pub const VENUES: u32 = 120;

/// An array's elements, each in its own text.
pub fn elements(array: &str) -> Vec<&str> {
    let all: Vec<&RawValue> = serde_json::from_str(array).unwrap();
    all.into_iter().map(RawValue::get).collect()
}

/// An object's keys with their values' own texts; `None` for what is no object.
pub fn members(element: &str) -> Option<BTreeMap<String, &str>> {
    let all: BTreeMap<String, &RawValue> = serde_json::from_str(element).ok()?;
    Some(all.into_iter().map(|(key, value)| (key, value.get())).collect())
}

fn text(raw: &str) -> String {
    serde_json::from_str(raw).unwrap()
}

/// What the origin has for an element that is to be migrated; `None` for everybody else's elements.
pub fn image_of<'a>(at: &'a Workplace, element: &str) -> Option<&'a Image> {
    let members = members(element)?;
    let is = |key: &str, value: &str| members.get(key).is_some_and(|raw| text(raw) == value);
    if !is("source", "trivia_advisor_migration") || !is("upload_status", "external") {
        return None;
    }
    let url = text(members["url"]);
    let path = url.strip_prefix(&at.sandbox.origin.base_url()).expect("ours lie on the origin");
    Some(at.sandbox.world.image(path).expect("the origin knows all of ours"))
}

/// The folder and file name that requirement C4 gives a picture of a venue.
pub fn cdn_path(venue: &Venue, image: &Image) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let slug: Option<String> = venue.slug.as_ref().map(|slug| slug.chars().map(plain).take(64).collect());
    let slug = slug.filter(|slug| !slug.is_empty()).unwrap_or_else(|| format!("venue-{}", venue.id));
    let hash = blake3::hash(&image.picture.bytes()).to_hex();
    let extension = match serde_json::to_value(image.picture.format()).unwrap().as_str().unwrap() {
        "jpeg" | "jpg" => "jpg",
        "png" => "png",
        "gif" => "gif",
        "webp" => "webp",
        other => panic!("{other} is no format of pictures"),
    };
    format!("/venues/{slug}/{slug}_{}.{extension}", &hash[..16])
}

/// Sees that an element became what requirement D3 says, and gives the URL it has now.
pub fn is_completed(at: &Workplace, venue: &Venue, image: &Image, before: &str, after: &str) -> String {
    let (before, after) = (members(before).unwrap(), members(after).unwrap());
    const NEW: [&str; 3] = ["imagekit_file_id", "imagekit_uploaded_at", "original_tigris_url"];
    let mut keys: Vec<&str> = before.keys().map(String::as_str).chain(NEW).collect();
    keys.sort_unstable();
    assert_eq!(after.keys().map(String::as_str).collect::<Vec<_>>(), keys);
    let url = format!("{}{}", at.sandbox.imagekit.url_endpoint(), cdn_path(venue, image));
    let file = at.sandbox.imagekit.files().into_iter().find(|file| file.path == cdn_path(venue, image));
    let file = file.unwrap_or_else(|| panic!("{url} is not on the CDN"));
    let filled = |key: &str, pixels: u32| match before[key] {
        "null" => pixels.to_string(),
        known => known.to_owned(),
    };
    for (key, value) in &after {
        match key.as_str() {
            "url" => assert_eq!(text(value), url),
            "upload_status" => assert_eq!(text(value), "completed"),
            "width" => assert_eq!(*value, filled("width", image.picture.width())),
            "height" => assert_eq!(*value, filled("height", image.picture.height())),
            "imagekit_file_id" => assert_eq!(text(value), file.id),
            "imagekit_uploaded_at" => assert!(is_time_with_milliseconds(&text(value)), "{value}"),
            "original_tigris_url" => assert_eq!(text(value), text(before["url"])),
            other => assert_eq!(*value, before[other], "{other} is not ours"),
        }
    }
    assert_eq!((file.versions, file.bytes), (1, image.picture.bytes().len() as u64), "{url}");
    url
}

fn is_time_with_milliseconds(text: &str) -> bool {
    let like = |(c, model): (char, char)| if model == '0' { c.is_ascii_digit() } else { c == model };
    text.len() == 24 && text.chars().zip("0000-00-00T00:00:00.000Z".chars()).all(like)
}

/// What the ledger calls the trouble with an awkward image.
pub fn kind_of(awkward: Awkward) -> (&'static str, &'static str) {
    match awkward {
        Awkward::Missing => ("failed", "not_found"),
        Awkward::Html | Awkward::Truncated => ("skipped", "invalid_image"),
        Awkward::Oversized => ("skipped", "file_too_large"),
    }
}
