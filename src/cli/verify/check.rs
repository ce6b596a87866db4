//! The checks: what is expected of one image, and what was found instead.

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind;

use super::asking::{Asked, Asker};
use super::choose::Subject;
use super::finding::{Finding, Kind};
use crate::error::Failure;
use crate::limits::{FINDING_CHARS_MAX, IMAGE_BYTES_MAX, VERIFY_WIDTH_PIXELS};
use crate::outside::Trouble;
use crate::outside::probe::{Accept, Ask, Reading, Seen, Shape};

/// What is asked of every image.
pub struct Checks {
    /// The site that has to be allowed to show external images.
    pub site: Option<String>,
    /// Whether contents are read and compared.
    pub content: bool,
}

/// The content that a completed image's file should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It is not compared.
    NotAsked,
    /// The ledger does not know the file.
    Unknown,
    /// This hash, of so many bytes.
    Is(ContentHash, u64),
}

/// The findings about one image.
struct Report<'a> {
    subject: &'a Subject,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, url: Option<&str>, kind: Kind, expected: impl Into<String>, found: impl Into<String>) {
        self.findings.push(self.subject.finding(url, kind, expected, found));
    }
}

impl Checks {
    /// Looks at one image in every way that was asked for.
    ///
    /// # Errors
    /// When an outside part is away as a whole.
    pub async fn check(
        &self,
        asker: &Asker,
        subject: &Subject,
        content: Content,
    ) -> Result<Vec<Finding>, Failure> {
        let mut report = Report { subject, findings: Vec::new() };
        match (&subject.url, subject.is_completed) {
            (None, _) => report.add(None, Kind::BadEntry, "a url", "none that is a text"),
            (Some(url), false) => self.external(asker, url, &mut report).await?,
            (Some(url), true) => {
                completed(asker, url, content, &mut report).await?;
                fallback(asker, &mut report).await?;
            }
        }
        Ok(report.findings)
    }

    async fn external(&self, asker: &Asker, url: &str, report: &mut Report<'_>) -> Result<(), Failure> {
        let reading = if self.content { Reading::Check } else { Reading::Header };
        let site = self.site.as_deref();
        let ask = Ask { accept: Accept::Modern, site, reading, bytes_max: IMAGE_BYTES_MAX };
        let (seen, shape) = match picture(asker.origin(url, &ask, report.subject.known.is_some()).await?) {
            Ok(answer) => answer,
            Err((kind, expected, found)) => {
                report.add(Some(url), kind, expected, found);
                return Ok(());
            }
        };
        if let Some((expected, found)) = other_sides(report.subject, shape) {
            report.add(Some(url), Kind::WrongDimensions, expected, found);
        }
        if seen.is_too_large {
            let found = seen.bytes.map_or_else(|| "more".to_owned(), |bytes| format!("{bytes} bytes"));
            report.add(Some(url), Kind::TooLarge, format!("at most {IMAGE_BYTES_MAX} bytes"), found);
        }
        if let Some(flaw) = seen.flaw {
            report.add(Some(url), Kind::NotWhole, "a whole picture", flaw);
        }
        if let Some(site) = site
            && !seen.allowed_site.as_deref().is_some_and(|allowed| allowed == "*" || allowed == site)
        {
            let found = seen.allowed_site.unwrap_or_else(|| "no such header".to_owned());
            let expected = format!("Access-Control-Allow-Origin: * or {site}");
            report.add(Some(url), Kind::CorsDenied, expected, found);
        }
        Ok(())
    }
}

fn plain(accept: Accept) -> Ask<'static> {
    Ask { accept, site: None, reading: Reading::Header, bytes_max: IMAGE_BYTES_MAX }
}

async fn completed(
    asker: &Asker,
    url: &str,
    content: Content,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let (seen, shape) = match picture(asker.cdn(url, None, &plain(Accept::Old)).await?) {
        Ok(answer) => answer,
        // What else could be said about it would say the same again.
        Err((kind, expected, found)) => {
            report.add(Some(url), kind, expected, found);
            return Ok(());
        }
    };
    if let Some((expected, found)) = other_sides(report.subject, shape)
        && !is_turned(asker, url, report.subject, shape).await?
    {
        report.add(Some(url), Kind::WrongDimensions, expected, found);
    }
    width(asker, url, shape, report).await?;
    if matches!(shape.media_type, "image/jpeg" | "image/png") {
        format(asker, url, &seen, shape, report).await?;
    }
    match content {
        Content::NotAsked => {}
        Content::Unknown => {
            let expected = "a file whose upload the ledger knows";
            let found = report
                .subject
                .file_id
                .as_deref()
                .map(short)
                .map_or("no file id".to_owned(), |id| format!("file {id}"));
            report.add(Some(url), Kind::NotInLedger, expected, found);
        }
        Content::Is(hash, bytes) => {
            let ask =
                Ask { reading: Reading::Hash, bytes_max: IMAGE_BYTES_MAX.max(bytes), ..plain(Accept::Old) };
            let found = match asker.cdn(url, Some("orig-true"), &ask).await? {
                Err(trouble) => Some(trouble.to_string()),
                Ok(Seen { status: 200, hash: Some(found), .. }) if found == hash => None,
                Ok(Seen { status: 200, hash: Some(found), .. }) => Some(format!("BLAKE3 {found}")),
                Ok(Seen { status: 200, .. }) => Some(format!("more than {} bytes", ask.bytes_max)),
                Ok(seen) => Some(status(&seen)),
            };
            if let Some(found) = found {
                report.add(Some(url), Kind::ContentDiffers, format!("BLAKE3 {hash}"), found);
            }
        }
    }
    Ok(())
}

/// The width asked for is the width got. Never more is asked for than there is, as nothing is enlarged.
async fn width(asker: &Asker, url: &str, shape: Shape, report: &mut Report<'_>) -> Result<(), Failure> {
    let Some((width, _)) = shape.size else { return Ok(()) };
    let wanted = (width / 2).clamp(1, VERIFY_WIDTH_PIXELS);
    let found = match picture(asker.cdn(url, Some(&format!("w-{wanted}")), &plain(Accept::Old)).await?) {
        Ok((_, Shape { size: Some((got, _)), .. })) if got == wanted => return Ok(()),
        Ok((_, Shape { size: Some((got, _)), .. })) => format!("{got} pixels across"),
        Ok((_, Shape { media_type, size: None })) => format!("{media_type}, whose width cannot be read"),
        Err((.., found)) => found,
    };
    report.add(Some(url), Kind::WidthNotHonoured, format!("{wanted} pixels across (tr=w-{wanted})"), found);
    Ok(())
}

/// Whoever takes modern formats gets a smaller one, where there is one. A format that changed is believed to be the
/// better choice. One that stayed is right unless it is larger than what others get, or than the WebP that the CDN
/// makes of the same picture when it is told to.
async fn format(
    asker: &Asker,
    url: &str,
    old: &Seen,
    shape: Shape,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let modern = match picture(asker.cdn(url, None, &plain(Accept::Modern)).await?) {
        Ok((_, Shape { media_type, .. })) if media_type != shape.media_type => return Ok(()),
        Ok((seen, _)) => seen.bytes,
        Err((_, _, found)) => {
            report.add(Some(url), Kind::FormatNotNegotiated, "an image for today's browsers", found);
            return Ok(());
        }
    };
    let found = |bytes: u64| format!("{} of {bytes} bytes", shape.media_type);
    if let (Some(modern), Some(old)) = (modern, old.bytes)
        && modern > old
    {
        let expected = format!("at most the {old} bytes that older browsers get");
        report.add(Some(url), Kind::FormatNotNegotiated, expected, found(modern));
        return Ok(());
    }
    let webp = asker.cdn(url, Some("f-webp"), &plain(Accept::Modern)).await?.ok();
    let webp = webp.filter(|seen| seen.status == 200 && seen.picture.is_ok()).and_then(|seen| seen.bytes);
    if let (Some(modern), Some(webp)) = (modern, webp)
        && webp < modern
    {
        let expected = format!("a smaller modern format, like the {webp} bytes of tr=f-webp");
        report.add(Some(url), Kind::FormatNotNegotiated, expected, found(modern));
    }
    Ok(())
}

async fn fallback(asker: &Asker, report: &mut Report<'_>) -> Result<(), Failure> {
    let Some(url) = &report.subject.original else {
        report.add(None, Kind::FallbackGone, "an original_tigris_url", "none that is a text");
        return Ok(());
    };
    match picture(asker.origin(url, &plain(Accept::Modern), false).await?) {
        Ok(_) => {}
        Err((Kind::ForbiddenUrl, expected, found)) => {
            report.add(Some(url), Kind::ForbiddenUrl, expected, found)
        }
        Err((_, expected, found)) => report.add(Some(url), Kind::FallbackGone, expected, found),
    }
    Ok(())
}

/// The answer, where it is a picture; else the kind of finding, what was expected and what was found.
pub fn picture(asked: Asked) -> Result<(Seen, Shape), (Kind, String, String)> {
    let seen = asked.map_err(|trouble| match trouble {
        Trouble { kind: TroubleKind::ForbiddenUrl, message, .. } => {
            (Kind::ForbiddenUrl, "a URL that may be asked for".to_owned(), message)
        }
        other => (Kind::NoAnswer, "an answer".to_owned(), other.to_string()),
    })?;
    if seen.status != 200 || seen.excuse.is_some() {
        return Err((Kind::WrongStatus, "200".to_owned(), status(&seen)));
    }
    let not_an_image = |found: String| Err((Kind::NotAnImage, "an image".to_owned(), found));
    match seen.media_type.as_deref() {
        Some(media_type) if media_type.starts_with("image/") => {}
        Some(media_type) => return not_an_image(format!("media type {media_type}")),
        None => return not_an_image("no media type".to_owned()),
    }
    match seen.picture.clone() {
        Ok(shape) => Ok((seen, shape)),
        Err(why) => not_an_image(why),
    }
}

/// A text of the catalog's, as much of it as a finding repeats.
fn short(text: &str) -> String {
    text.chars().take(FINDING_CHARS_MAX).collect()
}

fn status(seen: &Seen) -> String {
    match &seen.excuse {
        Some(excuse) => format!("{}: {excuse}", seen.status),
        None => seen.status.to_string(),
    }
}

/// What the catalog says and what the picture has, where they differ. A side that the catalog does not say is any.
fn other_sides(subject: &Subject, shape: Shape) -> Option<(String, String)> {
    let (width, height) = shape.size?;
    let is = |side: &Option<String>, pixels: u32| {
        side.as_ref().is_none_or(|text| text.parse() == Ok(f64::from(pixels)))
    };
    let [w, h] = &subject.sides;
    if is(w, width) && is(h, height) {
        return None;
    }
    let say = |side: &Option<String>| side.as_deref().map_or_else(|| "any".to_owned(), short);
    Some((format!("{} × {}", say(w), say(h)), format!("{width} × {height}")))
}

/// Whether the CDN delivers upright what a camera stored lying on its side: then the sides of the stored picture, which
/// are the catalog's, have changed places.
async fn is_turned(asker: &Asker, url: &str, subject: &Subject, shape: Shape) -> Result<bool, Failure> {
    let swapped = Shape { size: shape.size.map(|(width, height)| (height, width)), ..shape };
    if other_sides(subject, swapped).is_some() {
        return Ok(false);
    }
    let stored = picture(asker.cdn(url, Some("orig-true"), &plain(Accept::Old)).await?);
    Ok(stored.is_ok_and(|(_, stored)| other_sides(subject, stored).is_none()))
}
