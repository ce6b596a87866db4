//! The certificates that a server's own is to come from: this machine's, or Mozilla's list inside the program where the
//! machine has none, as in slim containers.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Certificate;
use rustls::RootCertStore;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Whether this machine has no certificate that can be used.
static HAS_NONE: LazyLock<bool> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs().certs;
    RootCertStore::empty().add_parsable_certificates(found).0 == 0
});

static BUNDLED: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let bundled = TLS_SERVER_ROOT_CERTS.iter().filter(|_| *HAS_NONE);
    bundled.filter_map(|root| Certificate::from_der(root).ok()).collect()
});

/// What HTTP clients trust beside this machine's own: nothing, unless it has none.
pub(super) fn for_http() -> Vec<Certificate> {
    BUNDLED.clone()
}

/// The same for a database's driver, as one PEM text.
pub(super) fn for_database() -> Option<Vec<u8>> {
    let pem = |der: &[u8]| {
        let text = BASE64_STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    HAS_NONE.then(|| TLS_SERVER_ROOT_CERTS.iter().map(|root| pem(root)).collect::<String>().into_bytes())
}

/// What went wrong, and where a server was not known, what this machine lacks.
pub(super) fn explained(why: String) -> String {
    explained_where(why, || *HAS_NONE)
}

fn explained_where(why: String, has_none: impl FnOnce() -> bool) -> String {
    match why.contains("UnknownIssuer") && has_none() {
        true => format!(
            "{why}; this machine has no CA certificates, so only those inside the program were tried: install the \
             package ca-certificates, or name a file of them in SSL_CERT_FILE"
        ),
        false => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_only_where_a_machine_lacks_certificates_it_is_told_so() {
        let unknown = "invalid peer certificate: UnknownIssuer".to_owned();
        assert!(explained_where(unknown.clone(), || true).contains("install the package ca-certificates"));
        assert_eq!(explained_where(unknown.clone(), || false), unknown);
        let other = "connection refused".to_owned();
        assert_eq!(explained_where(other.clone(), || true), other);
    }
}
