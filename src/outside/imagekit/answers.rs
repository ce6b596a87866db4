//! What an answer of ImageKit's means, in E1's words. The message strings are ImageKit's own: several of its errors
//! differ in nothing else.

use std::sync::Arc;

use ledger::trouble::TroubleKind;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::limits::MESSAGE_CHARS_MAX;
use crate::outside::Trouble;
use crate::outside::http::{asked_wait, is_busy, plain};

use super::settings::Secret;
use super::wire;

/// The answer to an upload that would have made a second file or a new version.
const CONFLICT: &str = "A file with the same name already exists at the exact location";
/// Said with 400 in the specification and with 403 in the older documentation.
const QUOTA: &str = "upload limit exceeded";
const TOO_LARGE: &str = "The file size exceeds limits";
/// A 400 that is a rate limit nevertheless.
const TOO_MANY_REWRITES: &str = "too many requests to update the file recently";

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    /// What must not be repeated, whatever the other side says.
    pub(super) secret: Arc<Secret>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Whether this is the conflict that says: that file is there already.
    pub(super) fn is_conflict(&self) -> bool {
        self.status == 400 && self.message().is_some_and(|message| message.starts_with(CONFLICT))
    }

    /// Whether this is ImageKit's own word that a file does not exist. A 404 without a message of its shape comes
    /// from something in between, a proxy or a wrong address, and says nothing about files.
    pub(super) fn is_missing(&self) -> bool {
        self.status == 404 && self.message().is_some()
    }

    /// The message of an error, as it came.
    fn message(&self) -> Option<String> {
        wire::error_message(&self.body)
    }

    /// What this answer is when it is not the one hoped for.
    pub(super) fn trouble(&self) -> Trouble {
        let status = self.status.as_u16();
        let message = self.message().unwrap_or_else(|| self.without_words().to_owned());
        let kind = match is_busy(self.status, &self.headers) {
            true => TroubleKind::RateLimited,
            false => kind(status, &message),
        };
        let trouble = self.say(kind, &message);
        match asked_wait(&self.headers) {
            Some(wait) if trouble.kind == TroubleKind::RateLimited => trouble.after(wait),
            _ => trouble,
        }
    }

    /// What is wrong with an answer that says nothing itself: a refusal's number says enough.
    fn without_words(&self) -> &'static str {
        match (self.status.as_u16(), self.body.trim_ascii_start().first()) {
            (400.., _) => "",
            (300.., _) => "a redirect, which its API never sends: see IMAGEKIT_API_URL",
            (_, Some(b'<')) => "a web page instead of its API's answer: see IMAGEKIT_API_URL",
            _ => "an answer that its API does not give to this request",
        }
    }

    /// The trouble of an answer that should have been readable.
    pub(super) fn odd(&self, what: &str) -> Trouble {
        Trouble { odd: true, ..self.say(TroubleKind::ApiError, what) }
    }

    fn say(&self, kind: TroubleKind, what: &str) -> Trouble {
        let status = self.status.as_u16();
        let mut text = format!("ImageKit answered {status}");
        let what = plain(&self.secret.scrub(what), MESSAGE_CHARS_MAX);
        if !what.is_empty() {
            text.push_str(": ");
            text.push_str(&what);
        }
        // Their support asks for it.
        if let Some(id) = self.headers.get("x-ik-requestid").and_then(|id| id.to_str().ok()) {
            text.push_str(&format!(" (x-ik-requestId {})", plain(&self.secret.scrub(id), 80)));
        }
        Trouble::new(kind, text)
    }
}

fn kind(status: u16, message: &str) -> TroubleKind {
    let lower = message.to_lowercase();
    let quota = lower.contains(QUOTA) || (lower.contains("storage") && lower.contains("limit"));
    match status {
        400 | 403 if quota => TroubleKind::QuotaExceeded,
        401 | 403 => TroubleKind::Unauthorized,
        400 if message.contains(TOO_LARGE) => TroubleKind::FileTooLarge,
        400 if message.contains(TOO_MANY_REWRITES) => TroubleKind::RateLimited,
        400 => TroubleKind::Rejected,
        // Not ImageKit's own, but a proxy's before it, and it means what it says.
        413 => TroubleKind::FileTooLarge,
        _ => TroubleKind::ApiError,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([
            ("x-ik-requestid".parse().unwrap(), "r-1".parse().unwrap()),
            ("x-ratelimit-reset".parse().unwrap(), "1500".parse().unwrap()),
        ]);
        let secret = Arc::new(Secret::new("private_k3y", "Basic cHJpdmF0ZV9rM3k6"));
        Answer { secret, status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() }
    }
    fn with(status: u16, message: &str) -> Answer {
        answer(status, &serde_json::json!({ "message": message, "help": "…" }).to_string())
    }

    #[test]
    fn e1_imagekits_words_become_ours() {
        use TroubleKind::*;
        for (status, message, kind) in [
            (401, "Your request does not contain private API key.", Unauthorized),
            (403, "Your account cannot be authenticated.", Unauthorized),
            (403, "Your request contains expired private API key.", Unauthorized),
            (400, "Upload Limit Exceeded.", QuotaExceeded),
            (403, "Upload Limit Exceeded.", QuotaExceeded),
            (403, "Storage limit exceeded", QuotaExceeded),
            (
                400,
                "Your request contains invalid file parameter. The file size exceeds limits.",
                FileTooLarge,
            ),
            (
                400,
                "You have sent too many requests to update the file recently. Please try again later.",
                RateLimited,
            ),
            (429, "", RateLimited),
            (400, "Your request is missing file parameter.", Rejected),
            (413, "", FileTooLarge),
            (500, "", ApiError),
            (503, "x", ApiError),
            (202, "The pre-transformation has been queued successfully.", ApiError),
            (302, "", ApiError),
            (409, "", ApiError),
        ] {
            assert_eq!(with(status, message).trouble().kind, kind, "{status} {message}");
        }
    }

    #[test]
    fn e1_a_rejection_keeps_the_message_and_the_request_id() {
        let trouble = with(400, "Your request failed\u{1b}[2J 'checks'\r\nvalidation.").trouble();
        assert_eq!(
            trouble.message,
            "ImageKit answered 400: Your request failed [2J 'checks' validation (x-ik-requestId r-1)"
        );
        assert!(with(400, &"long ".repeat(9_000)).trouble().message.chars().count() < 400);
        assert_eq!(answer(502, "<html>").trouble().message, "ImageKit answered 502 (x-ik-requestId r-1)");
    }

    #[test]
    fn e1_an_answer_that_is_no_error_says_what_is_wrong_with_it() {
        for (status, body, what) in [
            (200, " <!doctype html>", "a web page"),
            (200, "{}", "an answer that its API does not give"),
            (202, "", "an answer that its API does not give"),
            (302, "", "a redirect"),
        ] {
            let said = answer(status, body).trouble().message;
            assert!(said.starts_with(&format!("ImageKit answered {status}: {what}")), "{said}");
        }
    }

    #[test]
    fn s1_a_key_that_is_sent_back_is_not_repeated() {
        for echo in ["no private_k3y here", "Authorization: Basic cHJpdmF0ZV9rM3k6"] {
            let text = with(400, echo).trouble().message;
            assert!(!text.contains("private_k3y") && !text.contains("cHJpdmF0ZV9rM3k6"), "{text}");
        }
        let cut = with(400, &format!("{}private_k3y", "x".repeat(295))).trouble().message;
        assert!(!cut.contains("priv"), "{cut}");
    }

    #[test]
    fn e1_the_wait_is_in_milliseconds_and_only_for_rate_limits() {
        assert_eq!(with(429, "").trouble().wait, Some(Duration::from_millis(1500)));
        assert_eq!(with(500, "").trouble().wait, None);
    }

    #[test]
    fn only_imagekits_own_404_means_missing() {
        assert!(with(404, "The requested file does not exist.").is_missing());
        assert!(!answer(404, "<html>Not Found</html>").is_missing());
        assert!(!with(400, "The requested file does not exist.").is_missing());
    }
}
