//! The certificates that a server's own is to come from: this machine's, or Mozilla's list inside the program where the
//! machine has none, as in slim containers.

use std::error::Error;
use std::io;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ledger::store::private::{self, Refused};
use reqwest::Certificate;
use rustls::{CertificateError, RootCertStore};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Whether this machine has no certificate that can be used.
static HAS_NONE: LazyLock<bool> = LazyLock::new(|| {
    // Reading it might never end.
    if check_authorities().is_err() {
        return true;
    }
    let found = rustls_native_certs::load_native_certs().certs;
    RootCertStore::empty().add_parsable_certificates(found).0 == 0
});

static BUNDLED: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let bundled = TLS_SERVER_ROOT_CERTS.iter().filter(|_| *HAS_NONE);
    bundled.filter_map(|root| Certificate::from_der(root).ok()).collect()
});

/// Sees that the file of CA certificates that the environment names, if it is there, is one: the libraries that read it,
/// the database's driver among them, would wait for a pipe for ever.
///
/// # Errors
/// A [`Refused`] where it is something else.
pub fn check_authorities() -> io::Result<()> {
    let Some(file) = std::env::var_os("SSL_CERT_FILE") else { return Ok(()) };
    private::open_regular(file.as_ref()).map(drop).or_else(|error| match Refused::of(&error) {
        Some(_) => Err(error),
        None => Ok(()),
    })
}

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

/// What went wrong, in words where it is a server's certificate, and where the server was not known, what this machine
/// lacks.
pub(super) fn explained(why: String, error: &(dyn Error + 'static)) -> String {
    match certificate_error(error) {
        Some(wrong) => explained_where(wrong, || *HAS_NONE),
        None => why,
    }
}

fn explained_where(wrong: &CertificateError, has_none: impl FnOnce() -> bool) -> String {
    let why = format!("the server's certificate is not taken: {}", words(wrong));
    match matches!(wrong, CertificateError::UnknownIssuer) && has_none() {
        true => format!(
            "{why}; this machine has no CA certificates, so only those inside the program were tried: install the \
             package ca-certificates, or name a file of them in SSL_CERT_FILE"
        ),
        false => why,
    }
}

/// What is wrong with a certificate, where that is what an error is about.
pub(super) fn certificate_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(wrong)) = error.downcast_ref() {
            return Some(wrong);
        }
        // An I/O error that wraps another does not call it its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Whether an authority's own certificate was shown as a server's. The library has a name for it in its text alone.
pub(super) fn is_an_authoritys(wrong: &CertificateError) -> bool {
    matches!(wrong, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

/// The library's own texts are names out of its code for most of them.
fn words(wrong: &CertificateError) -> String {
    use CertificateError as Wrong;
    let words = match wrong {
        Wrong::BadEncoding => "it cannot be read",
        Wrong::Expired | Wrong::ExpiredContext { .. } => "it is out of date",
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => "it is not valid yet",
        Wrong::Revoked => "it was revoked",
        Wrong::UnhandledCriticalExtension => "it has a critical extension that is not understood",
        Wrong::UnknownIssuer => "no authority that is known here has signed it",
        Wrong::BadSignature => "its signature is wrong",
        Wrong::UnsupportedSignatureAlgorithmContext { .. }
        | Wrong::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way that is not supported"
        }
        Wrong::NotValidForNameContext { expected, presented } => {
            // `DnsName("localhost")`, as the library writes them.
            let name = |text: &String| {
                let inside = text.split_once('(').map_or(text.as_str(), |(_, inside)| inside);
                inside.trim_end_matches(')').trim_matches('"').to_owned()
            };
            let names: Vec<_> = presented.iter().map(name).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            return format!("it is made out for {names}, and not for {}", expected.to_str());
        }
        Wrong::NotValidForName => "it is made out for another name",
        Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. } => "it is not one for servers",
        other if is_an_authoritys(other) => {
            "it is one of an authority (basicConstraints CA:TRUE), and not one of a server"
        }
        _ => "it is not made as a server's certificate has to be",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_only_where_a_machine_lacks_certificates_it_is_told_so() {
        let unknown = CertificateError::UnknownIssuer;
        assert!(explained_where(&unknown, || true).contains("install the package ca-certificates"));
        assert!(!explained_where(&unknown, || false).contains("ca-certificates"));
        assert!(!explained_where(&CertificateError::Expired, || true).contains("ca-certificates"));
    }
}
