//! Looking at an image of the origin without fetching it into the spool (requirement C7), by the rules of every
//! download: hosts, redirects, addresses, size and time (requirement S2).

use std::time::Instant;

use ledger::trouble::TroubleKind;

use reqwest::Method;

use super::{HttpOrigin, WHOM};
use crate::outside::Trouble;
use crate::outside::http::unanswered;
use crate::outside::probe::{Ask, Held, Seen};

impl HttpOrigin {
    /// The look of [`super::Origin::probe`].
    pub(super) async fn look(&self, url: &str, ask: &Ask<'_>) -> Result<Seen, Trouble> {
        let started = Instant::now();
        let response = self.answer(Method::GET, url, &ask.headers()).await?;
        if let Some(trouble) = unanswered(&response, WHOM, TroubleKind::OriginError) {
            return Err(trouble);
        }
        let (mut seen, held) = ask.read(response, started, self.patience, WHOM, Some(&self.pictures)).await?;
        if let Some(Held { bytes, room }) = held {
            seen.flaw = self.pictures.check_bytes(bytes, room).await.err().map(|why| why.to_string());
        }
        Ok(seen)
    }
}
