//! Which URLs may be fetched (requirement S2): those of the origin's own host and of hosts allowed by name.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::is_public;
use crate::limits::URL_BYTES_MAX;

/// Why a setting cannot say what may be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAHost {
    /// The origin's base.
    #[error("the origin's base URL must be http or https, with a host and without credentials")]
    Base,
    /// An extra host.
    #[error(
        "{0:?} is no host to allow: a name or an address is, with a port behind it if it is an unusual one"
    )]
    Extra(String),
}

/// The hosts that may be fetched from.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    hosts: Vec<AllowedHost>,
    /// Whether the origin itself is set up as plain http.
    plain_http: bool,
}

/// A host that may be fetched from.
#[derive(Debug, Clone)]
struct AllowedHost {
    host: Host<String>,
    /// Without one it is the scheme's own.
    port: Option<u16>,
    /// What the port speaks, where it is known: a port of its own speaks one scheme, and whoever speaks the other to it
    /// would find nobody there and take the whole origin for away.
    scheme: Option<String>,
}

impl AllowedHost {
    fn is_at(&self, url: &Url) -> bool {
        // A port that was named may be the scheme's own, which URLs leave out.
        let is_port = match self.port {
            None => url.port().is_none(),
            named => url.port_or_known_default() == named,
        };
        url.host().is_some_and(|host| host == self.host)
            && is_port
            && self.scheme.as_ref().is_none_or(|scheme| scheme == url.scheme())
    }
}

impl Allowed {
    /// The host and port of `base`, and the hosts named, each `name` or `name:port`.
    pub(super) fn new(base: &Url, extra: &[String]) -> Result<Self, NotAHost> {
        let own = base.host().filter(|_| is_web(base) && !has_credentials(base)).ok_or(NotAHost::Base)?;
        let scheme = base.port().map(|_| base.scheme().to_owned());
        let mut hosts = vec![AllowedHost { host: own.to_owned(), port: base.port(), scheme }];
        for name in extra {
            // Whoever pastes a URL may paste a password with it.
            let shown = || name.rsplit('@').next().unwrap_or_default().chars().take(80).collect();
            hosts.push(extra_host(name).ok_or_else(|| NotAHost::Extra(shown()))?);
        }
        Ok(Self { hosts, plain_http: base.scheme() == "http" })
    }

    /// Whether this URL may be fetched, coming from `before` by a redirect; if not, why.
    pub(super) fn check(&self, url: &Url, before: Option<&Url>) -> Result<(), String> {
        let bytes = url.as_str().len();
        if bytes > URL_BYTES_MAX {
            return Err(format!("it is {bytes} bytes long"));
        }
        let host = url.host().filter(|_| is_web(url)).ok_or("it is not an http or https URL")?;
        if has_credentials(url) {
            return Err("it carries credentials".to_owned());
        }
        let secure = url.scheme() == "https";
        if !secure && before.is_some_and(|before| before.scheme() == "https") {
            return Err("it leads from https down to http".to_owned());
        }
        if !secure && !self.plain_http {
            return Err("it is plain http, and the origin is set up as https".to_owned());
        }
        let host = host.to_owned();
        if self.hosts.iter().any(|allowed| allowed.is_at(url)) {
            return Ok(());
        }
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        };
        let is_own = |allowed: &AllowedHost| allowed.host == host && allowed.port == url.port();
        if self.hosts.iter().any(is_own) {
            return Err(format!("that port of {host} does not speak {}", url.scheme()));
        }
        Err(match address {
            Some(ip) if !is_public(ip) => format!("{host} is a private address"),
            _ => format!("{} is neither the origin's host nor one allowed", host_and_port(url)),
        })
    }
}

fn extra_host(name: &str) -> Option<AllowedHost> {
    let url = Url::parse(&format!("https://{name}")).ok()?;
    let bare = url.path() == "/"
        && !name.contains(['/', '\\', '?', '#', '@'])
        && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    let (host, port) = (url.host()?.to_owned(), url.port());
    Some(AllowedHost { host, port, scheme: None }).filter(|_| bare)
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or("it");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(base: &str, extra: &[&str]) -> Allowed {
        let extra: Vec<String> = extra.iter().map(|s| (*s).to_owned()).collect();
        Allowed::new(&base.parse().unwrap(), &extra).unwrap()
    }
    #[test]
    fn s2_a_named_port_may_be_the_schemes_own() {
        let a = allowed("http://cdn.example", &["b.example:80", "c.example:443"]);
        assert!(passes(&a, "http://b.example/x") && passes(&a, "http://b.example:80/x"));
        assert!(!passes(&a, "https://b.example/x") && !passes(&a, "http://b.example:8080/x"));
        assert!(passes(&a, "https://c.example/x"));
    }

    fn passes(allowed: &Allowed, url: &str) -> bool {
        allowed.check(&url.parse().unwrap(), None).is_ok()
    }

    #[test]
    fn s2_only_the_origins_own_host_and_port_and_those_named() {
        let a = allowed("https://cdn.example", &["b.example", "c.example:8443"]);
        for fine in [
            "https://cdn.example/x",
            "https://CDN.example:443/x",
            "https://b.example/",
            "https://c.example:8443/",
        ] {
            assert!(passes(&a, fine), "{fine}");
        }
        for wrong in [
            "http://cdn.example/x",
            "https://cdn.example:8443/x",
            "https://c.example/",
            "https://d.example/",
            "https://cdn.example.evil.example/",
            "https://evil.example\\@cdn.example/",
            "https://cdn.example@evil.example/",
            "https://u:p@cdn.example/",
            "https://u@cdn.example/",
            "ftp://cdn.example/x",
            "file:///etc/passwd",
            "data:image/png,x",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert!(!passes(&a, wrong), "{wrong}");
        }
    }

    #[test]
    fn s2_a_private_literal_passes_only_where_it_is_the_host_itself() {
        let a = allowed("http://127.0.0.1:4000", &[]);
        assert!(passes(&a, "http://127.0.0.1:4000/x"));
        assert!(passes(&a, "http://0x7f.1:4000/x"), "the same address, spelt otherwise");
        for wrong in [
            "http://127.0.0.1:4001/",
            "http://127.0.0.2:4000/",
            "http://[::ffff:127.0.0.1]:4000/",
            "http://localhost:4000/",
        ] {
            assert!(!passes(&a, wrong), "{wrong}");
        }
        let why = a.check(&"http://169.254.169.254/latest".parse().unwrap(), None).unwrap_err();
        assert!(why.contains("private"), "{why}");
    }

    #[test]
    fn s2_a_port_of_its_own_speaks_one_scheme() {
        let a = allowed("http://a.example:4000", &["b.example:8443"]);
        assert!(passes(&a, "http://a.example:4000/x") && !passes(&a, "https://a.example:4000/x"));
        assert!(passes(&a, "https://b.example:8443/x") && passes(&a, "http://b.example:8443/x"));
        let a = allowed("http://a.example", &[]);
        assert!(passes(&a, "https://a.example/x"), "without a port of its own it is each scheme's");
    }

    #[test]
    fn s2_https_never_leads_down_to_http() {
        let a = allowed("http://a.example", &[]);
        let (plain, secure) = ("http://a.example/".parse().unwrap(), "https://a.example/".parse().unwrap());
        assert_eq!(a.check(&secure, Some(&plain)), Ok(()));
        assert!(a.check(&plain, Some(&secure)).is_err());
    }

    #[test]
    fn settings_that_are_no_hosts_are_refused() {
        for base in ["ftp://a.example", "https://u:p@a.example", "data:x"] {
            assert!(Allowed::new(&base.parse().unwrap(), &[]).is_err(), "{base}");
        }
        for name in ["", "a b", "a.example/x", "https://a.example", "u@a.example", "a.example?x"] {
            let base = "https://a.example".parse().unwrap();
            assert!(Allowed::new(&base, &[name.to_owned()]).is_err(), "{name}");
        }
        let base = "https://a.example".parse().unwrap();
        let said =
            Allowed::new(&base, &["https://me:s3cret@b.example/x".to_owned()]).unwrap_err().to_string();
        assert!(said.contains("b.example") && !said.contains("s3cret"), "{said}");
    }
}
