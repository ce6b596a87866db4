//! What can go wrong with one image or one row, in the words of requirement E1, and what is then done.

use serde::{Deserialize, Serialize};

/// The kind of a failure: the `error_type` of events, reports and exports (requirement E1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// 429, or ImageKit's 400 "too many requests … recently".
    RateLimited,
    /// No progress for the time the limits name.
    Timeout,
    /// A connection that could not be made or broke.
    Network,
    /// ImageKit answered 5xx, or something that cannot be read.
    ApiError,
    /// The origin answered 5xx or 429.
    OriginError,
    /// Stored, but its URL does not answer with an image.
    NotServed,
    /// The origin answered 404 or 410.
    NotFound,
    /// The origin answered another 4xx.
    OriginDenied,
    /// A URL that must not be fetched (requirement S2).
    ForbiddenUrl,
    /// More bytes than allowed, by header, while reading, or in ImageKit's own words.
    FileTooLarge,
    /// Not a JPEG, PNG, GIF or WebP that decodes whole, or more than 100 megapixels.
    InvalidImage,
    /// ImageKit answered another 400.
    Rejected,
    /// What ImageKit stored is not what was sent.
    IntegrityMismatch,
    /// The database refused the update, or it did not come back as sent.
    CatalogError,
    /// The venue's images are not an array or more than is read, or there is no row.
    BadData,
    /// Someone else changed what is ours.
    Drifted,
    /// The key is wrong or lacks a right.
    Unauthorized,
    /// The plan's storage or uploads are used up.
    QuotaExceeded,
}

/// What E1 does about a kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Wait as told and try again; costs no attempt.
    Wait,
    /// Try again with backoff, a few times, then the image has failed.
    Retry,
    /// Failed at once.
    Fail,
    /// Skipped at once: no later attempt could do better.
    Skip,
    /// The whole run pauses: no other image would fare better.
    Pause,
}

impl TroubleKind {
    /// Every kind, in E1's order.
    pub const ALL: [Self; 18] = [
        Self::RateLimited,
        Self::Timeout,
        Self::Network,
        Self::ApiError,
        Self::OriginError,
        Self::NotServed,
        Self::NotFound,
        Self::OriginDenied,
        Self::ForbiddenUrl,
        Self::FileTooLarge,
        Self::InvalidImage,
        Self::Rejected,
        Self::IntegrityMismatch,
        Self::CatalogError,
        Self::BadData,
        Self::Drifted,
        Self::Unauthorized,
        Self::QuotaExceeded,
    ];

    /// The table of requirement E1.
    pub fn treatment(self) -> Treatment {
        match self {
            Self::RateLimited => Treatment::Wait,
            Self::Timeout
            | Self::Network
            | Self::ApiError
            | Self::OriginError
            | Self::NotServed
            | Self::CatalogError => Treatment::Retry,
            Self::NotFound
            | Self::OriginDenied
            | Self::ForbiddenUrl
            | Self::Rejected
            | Self::IntegrityMismatch
            | Self::BadData
            | Self::Drifted => Treatment::Fail,
            Self::FileTooLarge | Self::InvalidImage => Treatment::Skip,
            Self::Unauthorized | Self::QuotaExceeded => Treatment::Pause,
        }
    }

    /// Whether the same image may well succeed at another time without anyone changing it.
    pub fn is_passing(self) -> bool {
        matches!(self.treatment(), Treatment::Wait | Treatment::Retry | Treatment::Pause)
    }

    /// The name on the wire and in reports, `rate_limited`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::ApiError => "api_error",
            Self::OriginError => "origin_error",
            Self::NotServed => "not_served",
            Self::NotFound => "not_found",
            Self::OriginDenied => "origin_denied",
            Self::ForbiddenUrl => "forbidden_url",
            Self::FileTooLarge => "file_too_large",
            Self::InvalidImage => "invalid_image",
            Self::Rejected => "rejected",
            Self::IntegrityMismatch => "integrity_mismatch",
            Self::CatalogError => "catalog_error",
            Self::BadData => "bad_data",
            Self::Drifted => "drifted",
            Self::Unauthorized => "unauthorized",
            Self::QuotaExceeded => "quota_exceeded",
        }
    }
}

impl std::fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_names_are_what_the_wire_carries() {
        for kind in TroubleKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
