//! ImageKit: the key, the upload host, the endpoint, and what of the plan is used. Everything is only looked at.

use std::time::Duration;

use ledger::timestamp::Timestamp;
use ledger::trouble::TroubleKind;
use url::Url;

use super::answer::{Check, Line};
use super::clocks::Offset;
use super::{UNSEEN, bounded};
use crate::cli::Context;
use crate::cli::open::now;
use crate::cli::usage::{Amount, Free, Used, used};
use crate::config::{self, Config};
use crate::limits::{DELIVERY_BYTES_READ_MAX, DOCTOR_ASK_MS_MAX, DOCTOR_IMAGES, USED_NOTE_PERCENT};
use crate::outside::Trouble;
use crate::outside::imagekit::{Cdn, CdnFile, ImageKit, ImageKitOptions, delivered_at};
use crate::outside::knock::knock;
use crate::outside::probe::{Accept, Ask, Reading, Seen};

/// A name that no file has.
const NO_FILE: &str = "longshore-doctor-asks-for-no-file";

/// What says who is asked for the key, the endpoint and the usage, with what, and what the plan has.
const ASKED: [&str; 5] = [
    "IMAGEKIT_PRIVATE_KEY",
    "IMAGEKIT_URL_ENDPOINT",
    "IMAGEKIT_API_URL",
    "IMAGEKIT_STORAGE_LIMIT_GB",
    "IMAGEKIT_BANDWIDTH_LIMIT_GB",
];

/// Where nothing asks ImageKit for anything, and it is not set up.
pub fn not_needed() -> Vec<Line> {
    let all = [Check::ImagekitKey, Check::ImagekitUpload, Check::Endpoint, Check::Usage];
    all.map(|check| Line::not_checked(check, "it is not set, and not needed here")).into()
}

/// Looks at all of it, and at the clock there.
pub async fn check(context: &Context<'_>) -> (Vec<Line>, Option<Offset>) {
    let config = &context.config;
    let (upload, offset) = upload_host(config).await;
    let mut lines = vec![upload];
    if ASKED.iter().any(|name| config.is_unseen(name)) {
        let rest = [Check::ImagekitKey, Check::Endpoint, Check::Usage];
        lines.extend(rest.map(|check| Line::not_checked(check, UNSEEN)));
        return (lines, offset);
    }
    let Some(Asked { cdn, endpoint, has_key }) = asked(config) else {
        let rest = [Check::ImagekitKey, Check::Endpoint, Check::Usage];
        lines.extend(rest.map(|check| Line::not_checked(check, "a setting of ImageKit's cannot be used")));
        return (lines, offset);
    };
    if !has_key {
        let rest = [Check::ImagekitKey, Check::Usage];
        lines.extend(rest.map(|check| Line::not_checked(check, "there is no key")));
        lines.push(delivery(&cdn, &endpoint, &[]).await);
        return (lines, offset);
    }
    let listed = bounded(cdn.list("/", 0, DOCTOR_IMAGES as u32)).await.map(|listed| listed.files);
    let used = bounded(used(&cdn, Free::of(config))).await;
    lines.push(key(&listed, &used));
    lines.push(plan(&used));
    lines.push(delivery(&cdn, &endpoint, &listed.unwrap_or_default()).await);
    (lines, offset)
}

/// Who is asked.
struct Asked {
    cdn: ImageKit,
    endpoint: Url,
    has_key: bool,
}

/// Delivery is asked without the key, and so it can be where there is none.
fn asked(config: &Config) -> Option<Asked> {
    let endpoint = config::url("IMAGEKIT_URL_ENDPOINT", config.imagekit_url_endpoint.as_ref()?).ok()?;
    let upload = config::url("IMAGEKIT_UPLOAD_URL", &config.imagekit_upload_url).ok()?;
    let api = config::url("IMAGEKIT_API_URL", &config.imagekit_api_url).ok()?;
    let key = config.imagekit_private_key.as_ref();
    let options = ImageKitOptions::new(key.map_or("none", |key| key.reveal()), endpoint.clone(), upload, api);
    let cdn = ImageKit::new(options).ok()?;
    Some(Asked { cdn, endpoint, has_key: key.is_some() })
}

/// A listing and the usage show together what kind of key it is: a key may be let into the one and not the other.
fn key(listed: &Result<Vec<CdnFile>, Trouble>, used: &Result<Used, Trouble>) -> Line {
    const CHECK: Check = Check::ImagekitKey;
    let is_refused = |no: &Trouble| no.kind == TroubleKind::Unauthorized;
    match (listed, used) {
        (Ok(_), _) => Line::ok(
            CHECK,
            "ImageKit takes it and lets it read the media library; the first upload shows whether it may write, too",
        ),
        (Err(no), Ok(_)) if is_refused(no) => Line::finding(
            CHECK,
            format!("ImageKit takes it, and does not let it read the media library: {}", no.message),
            "Give the key read and write access to the media library: dashboard, Developer options, API keys",
        ),
        (Err(no), _) if is_refused(no) => Line::finding(
            CHECK,
            format!("ImageKit refuses it: {}", no.message),
            "Copy the private key anew into IMAGEKIT_PRIVATE_KEY (dashboard, Developer options, API keys); it must \
             belong to the account of the URL endpoint, and not have expired",
        ),
        (Err(no), _) if no.kind == TroubleKind::RateLimited => {
            Line::note(CHECK, &no.message, "Something else asks ImageKit too often; a run would wait")
        }
        (Err(no), _) => Line::finding(
            CHECK,
            &no.message,
            "See IMAGEKIT_API_URL, and whether this machine reaches it (firewall, VPN)",
        ),
    }
}

fn plan(used: &Result<Used, Trouble>) -> Line {
    const CHECK: Check = Check::Usage;
    let used = match used {
        Ok(used) => used,
        Err(no) => return Line::not_checked(CHECK, &no.message),
    };
    let found: Vec<String> = used.amounts().iter().map(Amount::to_string).collect();
    let found = found.join(", ");
    let above = |percent| used.above(percent).iter().map(|amount| amount.setting).collect::<Vec<_>>();
    let full = above(100);
    if !full.is_empty() {
        let advice = format!(
            "Enlarge ImageKit's plan or free some of it; if the plan has more, say so in {}",
            full.join(" and ")
        );
        return Line::finding(CHECK, format!("what is free is used up: {found}"), advice);
    }
    match above(USED_NOTE_PERCENT).is_empty() {
        true => Line::ok(CHECK, found),
        false => Line::note(CHECK, found, "`longshore plan --country …` says whether a country still fits"),
    }
}

/// Whether files of the library are delivered below the endpoint; in an empty library, whether it answers as ImageKit
/// does, which names the reason why there is no file in a header of its own.
async fn delivery(cdn: &ImageKit, endpoint: &Url, files: &[CdnFile]) -> Line {
    const CHECK: Check = Check::Endpoint;
    const COMPARE: &str = "Copy IMAGEKIT_URL_ENDPOINT anew from the dashboard (URL endpoints): its id must be that of \
                           the key's account, and it must deliver the media library without signed URLs";
    let ask = Ask {
        accept: Accept::Modern,
        site: None,
        reading: Reading::Header,
        bytes_max: DELIVERY_BYTES_READ_MAX as u64,
    };
    let look = async |path: &str| bounded(cdn.probe(&delivered_at(endpoint, path), None, &ask)).await;
    let mut refused = None;
    for file in files {
        match look(&file.path.to_string()).await {
            Ok(seen) if seen.status == 200 => {
                return Line::ok(CHECK, "it delivers what lies in the media library");
            }
            other => refused = Some(other),
        }
    }
    let (seen, is_known) = match refused {
        Some(refused) => (refused, true),
        None => (look(NO_FILE).await, false),
    };
    match seen {
        Err(no) => {
            let advice = "See IMAGEKIT_URL_ENDPOINT, and whether this machine reaches it (firewall, VPN)";
            Line::finding(CHECK, no.message, advice)
        }
        Ok(Seen { status, excuse, .. }) if is_known => {
            let why = excuse.map(|why| format!(" ({why})")).unwrap_or_default();
            Line::finding(
                CHECK,
                format!("it answers {status} for a file that the media library has{why}"),
                COMPARE,
            )
        }
        Ok(Seen { excuse: Some(_), .. }) => {
            Line::ok(CHECK, "it answers as ImageKit does; no file is known that it could deliver")
        }
        Ok(Seen { status, .. }) => {
            Line::finding(CHECK, format!("it answers {status}, and not as ImageKit's delivery does"), COMPARE)
        }
    }
}

/// Any answer will do: what the host takes, only an upload shows.
async fn upload_host(config: &Config) -> (Line, Option<Offset>) {
    const CHECK: Check = Check::ImagekitUpload;
    if config.is_unseen("IMAGEKIT_UPLOAD_URL") {
        return (Line::not_checked(CHECK, UNSEEN), None);
    }
    let Ok(url) = config::url("IMAGEKIT_UPLOAD_URL", &config.imagekit_upload_url) else {
        return (Line::not_checked(CHECK, "its setting cannot be used"), None);
    };
    let advice = "See IMAGEKIT_UPLOAD_URL, and whether this machine reaches it (firewall, VPN)";
    let before: Timestamp = now();
    let idle = Duration::from_millis(DOCTOR_ASK_MS_MAX);
    match bounded(knock(&url, "the upload host", idle)).await {
        Err(no) => (Line::finding(CHECK, no.message, advice), None),
        Ok(knocked) => {
            let offset = knocked.clock.map(|at| Offset::of_http("ImageKit", before, at, now()));
            let line = match knocked.status {
                500.. => Line::finding(CHECK, format!("the upload host answers {}", knocked.status), advice),
                _ => Line::ok(CHECK, "the upload host answers"),
            };
            (line, offset)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_a_plan_is_noted_when_it_is_nearly_used_up_and_found_when_it_is() {
        let line = |storage_bytes, bandwidth_bytes| {
            plan(&Ok(Used {
                storage_bytes,
                storage_limit_bytes: 1_000,
                bandwidth_bytes,
                bandwidth_limit_bytes: 2_000,
                bandwidth_since: String::new(),
            }))
        };
        let has_advice = |line: &Line| serde_json::to_value(line).unwrap()["advice"].is_string();
        assert!(!has_advice(&line(899, 1_799)));
        for noted in [line(900, 0), line(0, 1_800), line(999, 1_999)] {
            assert!(has_advice(&noted) && !noted.is_finding());
        }
        assert!(line(1_000, 0).is_finding() && line(0, 2_000).is_finding());
    }
}
