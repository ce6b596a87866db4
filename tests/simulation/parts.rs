//! The parts of the outside, and what their trouble looks like to a client.

use std::time::Duration;

use ledger::trouble::TroubleKind;
use longshore::outside::Trouble;

use super::faults::Fault;

/// What a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Origin,
    Upload,
    Api,
    Delivery,
    Database,
}

impl Part {
    pub const ALL: [Self; 5] = [Self::Origin, Self::Upload, Self::Api, Self::Delivery, Self::Database];

    /// Whether such trouble can come about here.
    pub fn has(self, fault: Fault) -> bool {
        match fault {
            Fault::WrongKey => matches!(self, Self::Upload | Self::Api),
            Fault::UsedUp => self == Self::Upload,
            _ => true,
        }
    }

    /// An answer that says that there were too many requests.
    pub fn limited(self, wait: Option<Duration>) -> Trouble {
        let trouble = Trouble::new(TroubleKind::RateLimited, "too many requests");
        match (self, wait) {
            (Self::Database, _) => self.away(),
            (_, Some(wait)) => trouble.after(wait),
            (_, None) => trouble,
        }
    }

    /// An error of the part's own.
    pub fn odd(self) -> Trouble {
        match self {
            Self::Origin => Trouble::new(TroubleKind::OriginError, "the origin answered 503"),
            Self::Upload | Self::Api => Trouble::new(TroubleKind::ApiError, "ImageKit answered 502"),
            Self::Delivery => Trouble::new(TroubleKind::NotServed, "the delivery answered 500"),
            Self::Database => Trouble::new(TroubleKind::CatalogError, "could not serialize access"),
        }
    }

    /// Nobody is there.
    pub fn away(self) -> Trouble {
        match self {
            Self::Database => Trouble::new(TroubleKind::CatalogError, "the database is away").outage(),
            _ => Trouble::new(TroubleKind::Network, "connection refused").outage(),
        }
    }

    /// No answer came; whether the request arrived is unknown.
    pub fn unanswered(self) -> Trouble {
        match self {
            Self::Database => Trouble::new(TroubleKind::CatalogError, "the connection was lost").outage(),
            _ => Trouble::new(TroubleKind::Timeout, "no answer"),
        }
    }
}
