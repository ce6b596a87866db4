//! Whether anybody answers at a web address: asked without a key, and whatever is answered is an answer.

use std::time::{Duration, SystemTime};

use ledger::trouble::TroubleKind;
use reqwest::header::{AGE, DATE, HeaderMap};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::http::progress;
use super::log::send;
use super::{Trouble, http_client_builder};

/// What answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knocked {
    /// The HTTP status.
    pub status: u16,
    /// What time it is there, to the second, where the answer says.
    pub clock: Option<SystemTime>,
}

/// Asks for the head of a URL's answer. No redirect is followed.
///
/// # Errors
/// `network` and `timeout` when nobody answers within `idle`.
pub async fn knock(url: &Url, whom: &str, idle: Duration) -> Result<Knocked, Trouble> {
    let client = http_client_builder().build();
    let client = client.map_err(|error| Trouble::new(TroubleKind::Network, error.to_string()))?;
    let answer = progress(send(client.head(url.clone())), idle, whom).await?;
    Ok(Knocked { status: answer.status().as_u16(), clock: clock(answer.headers()) })
}

/// What time it is at the other side. What comes out of a cache was dated when it went in, and says how long it has
/// lain there.
pub(super) fn clock(headers: &HeaderMap) -> Option<SystemTime> {
    let dated = OffsetDateTime::parse(headers.get(DATE)?.to_str().ok()?.trim(), &Rfc2822).ok()?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    SystemTime::from(dated).checked_add(Duration::from_secs(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_an_answer_out_of_a_cache_is_as_old_as_it_says() {
        let at = |date: &'static str, age: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(DATE, date.parse().unwrap())]);
            headers.extend(age.map(|age| (AGE, age.parse().unwrap())));
            clock(&headers).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(at("Thu, 01 Jan 1970 00:01:40 GMT", None), Some(100));
        assert_eq!(at("Thu, 01 Jan 1970 00:01:40 GMT", Some("20")), Some(120));
        assert_eq!(at("Thu, 01 Jan 1970 00:01:40 GMT", Some("18446744073709551615")), None);
        assert_eq!(at("yesterday", None), None);
    }
}
