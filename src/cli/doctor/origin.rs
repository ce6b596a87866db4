//! The origin: whether it gives away an image that a run would fetch.

use super::answer::{Check, Line};
use super::clocks::Offset;
use super::{UNSEEN, bounded};
use crate::cli::Context;
use crate::cli::open::now;
use crate::limits::IMAGE_BYTES_MAX;
use crate::outside::probe::{Accept, Ask, Reading, Seen};

const CHECK: Check = Check::Origin;
const ADVICE: &str =
    "See ORIGIN_BASE_URL, whether this machine reaches it, and whether the images are public there";

/// Looks at these images until one is well, or at the base where there are none; and at the clock there.
pub async fn check(context: &Context<'_>, allow_hosts: &[String], urls: &[String]) -> (Line, Option<Offset>) {
    if context.config.is_unseen("ORIGIN_BASE_URL") {
        return (Line::not_checked(CHECK, UNSEEN), None);
    }
    let Ok(origin) = context.open_origin(IMAGE_BYTES_MAX, allow_hosts) else {
        return (Line::not_checked(CHECK, "its setting cannot be used"), None);
    };
    let ask =
        Ask { accept: Accept::Modern, site: None, reading: Reading::Header, bytes_max: IMAGE_BYTES_MAX };
    let base = std::slice::from_ref(&context.config.origin_base_url);
    let (looked, is_image) = if urls.is_empty() { (base, false) } else { (urls, true) };
    let (mut found, mut offset) = (String::new(), None);
    for url in looked {
        let before = now();
        let seen = match bounded(origin.probe(url, &ask)).await {
            Ok(seen) => seen,
            Err(no) => {
                found = no.message;
                continue;
            }
        };
        offset = seen.clock.map(|at| Offset::of_http("the origin", before, at, now()));
        found = match seen {
            Seen { status: 200, picture: Ok(_), .. } => {
                return (Line::ok(CHECK, "it gives an image of the catalog away"), offset);
            }
            _ if !is_image => {
                return (Line::ok(CHECK, "it answers; no image is known that could be asked for"), offset);
            }
            Seen { status: 200, picture: Err(what), .. } => format!("it answers with no image: {what}"),
            Seen { status, .. } => format!("it answers {status} for an image of the catalog"),
        };
    }
    let found = match looked.len() {
        1 => found,
        n => format!("of {n} images it gave none away; of the last: {found}"),
    };
    (Line::finding(CHECK, found, ADVICE), offset)
}
