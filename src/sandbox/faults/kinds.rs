//! What can go wrong, by name.

use std::time::Duration;

use super::order::{CDN_OPERATIONS, Params, What, duration, number, words};
use super::{Fault, Refusal};
use crate::limits::{SANDBOX_FAULT_BYTES, SANDBOX_FAULT_MS, SANDBOX_TRICKLE_BYTES, SANDBOX_TRICKLE_MS};

/// Every kind: how it is written, and what then happens.
pub const KINDS: [(&str, &str); 25] = [
    (
        "STATUS[:reset=MS][:message=TEXT]",
        "that status, 200 to 599; 429 and 503 say how long to wait; nothing is done",
    ),
    ("quota", "ImageKit's plan is used up (upload)"),
    ("wrong_key", "ImageKit does not know the key (all but delivery)"),
    ("expired_key", "the key has expired (all but delivery)"),
    ("page", "200 and a page for people, as behind a sign-in"),
    ("redirect[:to=URL]", "302 to a path or an address; without one to itself, for ever"),
    ("closed", "the connection is closed, and nothing is done"),
    ("lost", "it is done, and the connection closed without an answer"),
    ("late[:by=MS]", "everything as usual, but after a while"),
    ("slow[:bytes=N][:every=MS]", "the body comes in pieces"),
    ("stalled[:bytes=N]", "the body stops, and the connection stays open"),
    ("cut[:bytes=N]", "the connection breaks within the body"),
    ("short_length", "Content-Length is half of the truth"),
    ("long_length", "Content-Length is twice the truth, then the connection is closed"),
    ("endless", "the body never ends, and has no Content-Length"),
    ("gzip", "the body is compressed, unasked"),
    ("bomb", "the body is small, and gigabytes once decompressed"),
    ("misreported", "the answer tells of one byte more than was stored (upload)"),
    ("untransformed", "the file as it is, whatever was asked for (delivery)"),
    ("unnegotiated", "one format for all browsers (delivery)"),
    ("no_cors", "no site is allowed to show it"),
    ("no_type", "the answer has no Content-Type"),
    ("away", "connections are refused and broken (cdn, origin, all)"),
    ("lag:by=MS", "the list is so far behind, from now on (list)"),
    ("none", "all that was ordered for this place is taken back"),
];

/// A kind that was read.
pub(super) struct Kind {
    pub(super) what: What,
    /// The operations that it can happen to.
    pub(super) befalls: fn(&str) -> bool,
}

pub(super) fn read(name: &str, params: &mut Params<'_>, lasts: Option<Duration>) -> Result<Kind, String> {
    let usual_bytes = SANDBOX_FAULT_BYTES;
    let usual_wait = Duration::from_millis(SANDBOX_FAULT_MS);
    let any = |fault| Kind { what: What::Fault(fault), befalls: |_| true };
    let says = |status, message: &str, befalls| {
        let refusal = Refusal { status, reset: None, message: Some(message.to_owned()) };
        Kind { what: What::Fault(Fault::Refusal(refusal)), befalls }
    };
    let delivery = |fault| Kind { what: What::Fault(fault), befalls: is_delivery };
    let whole = |what| Kind { what, befalls: |_| true };
    Ok(match name {
        "quota" => says(400, "Upload Limit Exceeded.", is_upload),
        "wrong_key" => says(403, "Your account cannot be authenticated.", needs_key),
        "expired_key" => says(403, "Your request contains expired private API key.", needs_key),
        "page" => any(Fault::Page),
        "redirect" => any(Fault::Redirect(params.take("to", words)?)),
        "closed" => any(Fault::DropBefore),
        "lost" => any(Fault::DropAfter),
        "late" => any(Fault::Delay(params.take("by", duration)?.unwrap_or(usual_wait))),
        "slow" => any(Fault::Trickle {
            bytes: params.take("bytes", number)?.filter(|bytes| *bytes > 0).unwrap_or(SANDBOX_TRICKLE_BYTES),
            every: params.take("every", duration)?.unwrap_or(Duration::from_millis(SANDBOX_TRICKLE_MS)),
        }),
        "stalled" => any(Fault::Stall { after_bytes: params.take("bytes", number)?.unwrap_or(usual_bytes) }),
        "cut" => any(Fault::CutBody { after_bytes: params.take("bytes", number)?.unwrap_or(usual_bytes) }),
        "short_length" => any(Fault::ShortLength),
        "long_length" => any(Fault::LongLength),
        "endless" => any(Fault::Endless),
        "gzip" => any(Fault::Gzip),
        "bomb" => any(Fault::Bomb),
        "misreported" => Kind { what: What::Fault(Fault::Misreported), befalls: is_upload },
        "untransformed" => delivery(Fault::Untransformed),
        "unnegotiated" => delivery(Fault::Unnegotiated),
        "no_cors" => any(Fault::WithoutHeader("access-control-allow-origin")),
        "no_type" => any(Fault::WithoutHeader("content-type")),
        "away" => whole(What::Away(lasts)),
        "lag" => whole(What::Lag(params.take("by", duration)?.ok_or("how far? lag:by=5s")?)),
        "none" => whole(What::Nothing),
        status => {
            let is_status = |status: &u16| (200..600).contains(status);
            let status = status.parse().ok().filter(is_status).ok_or_else(|| {
                let known: Vec<_> = KINDS.iter().map(|(written, _)| short(written)).collect();
                format!("`{name}` is no kind of fault: they are {}", known.join(", "))
            })?;
            let reset = params.take("reset", duration)?.or((status == 429).then_some(usual_wait));
            any(Fault::Refusal(Refusal { status, reset, message: params.take("message", words)? }))
        }
    })
}

/// A kind's name without what may follow it.
fn short(written: &str) -> &str {
    written.split(['[', ':']).next().unwrap_or(written)
}

fn is_delivery(op: &str) -> bool {
    op.starts_with("delivery")
}

fn is_upload(op: &str) -> bool {
    op == "upload"
}

fn needs_key(op: &str) -> bool {
    CDN_OPERATIONS.contains(&op) && !is_delivery(op)
}
