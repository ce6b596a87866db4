//! What a database's URL says, read as libpq reads it: every part is understood, or refused with what to type instead.
//! Nothing of a value is repeated in a message, because a password may stand where it does not belong.

use std::net::IpAddr;

use super::parameters;

/// What a URL says.
#[derive(Default)]
pub(super) struct Said {
    /// A host's name, its address, or the directory of a Unix socket.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) sslmode: Option<String>,
    /// JDBC's `ssl=true`: TLS is wanted, and it is not said how much of it.
    pub(super) is_ssl: bool,
    pub(super) sslrootcert: Option<String>,
    pub(super) sslcert: Option<String>,
    pub(super) sslkey: Option<String>,
    pub(super) application_name: Option<String>,
    /// The server's settings that `options` asks for, in its order.
    pub(super) settings: Vec<(String, String)>,
}

const SEVERAL: &str = "names several hosts, and one is used: name the primary's alone";

/// Reads a URL.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with "the database URL", and what to type.
pub(super) fn read(url: &str) -> Result<Said, String> {
    let (_, rest) = url.split_once("://").ok_or("has no ://")?;
    if rest.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("holds a space, a tab or a line's end: write %20 for a space".into());
    }
    if rest.contains('#') {
        return Err("holds a #: in a name or a password write %23".into());
    }
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    // A database whose name has an @ is written with %40, so one there belongs to what stands before the hosts.
    let is_torn = path.contains('@')
        || (!authority.contains('@')
            && !authority.is_empty()
            && query.is_some_and(|query| query.contains('@')));
    if is_torn {
        let what = "holds a / or ? before its @, and so names no host: in a user's name or a password write %2F for /";
        return Err(format!("{what} and %3F for ?"));
    }
    let (user, hosts) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user, _)) if user.contains('@') => {
            return Err("holds more than one @: in a user's name or a password write %40 for it".into());
        }
        Some((user, hosts)) => (Some(user), hosts),
    };
    let mut said = Said::default();
    if let Some(user) = user {
        let (name, password) = user.split_once(':').map_or((user, None), |(name, rest)| (name, Some(rest)));
        said.user = some(decoded(name, "the user's name")?);
        said.password = password.map(|password| decoded(password, "the password")).transpose()?;
    }
    said.place(hosts)?;
    said.database = some(decoded(path, "the database's name")?);
    let mut seen = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("has a parameter without a =")?;
        let (name, value) = (decoded(name, "a parameter's name")?, decoded(value, "a parameter")?);
        let name = parameters::usual(&name).to_owned();
        if seen.contains(&name) && !name.starts_with("options") {
            return Err(format!("has its parameter {} twice", parameters::shown(&name)));
        }
        parameters::take(&mut said, &name, value, seen.iter().any(|name| name == "password"))?;
        seen.push(name);
    }
    Ok(said)
}

impl Said {
    /// The file with the roots that the server's certificate is to come from; `system` means this machine's own.
    pub(super) fn root(&self) -> Option<String> {
        self.sslrootcert.clone().filter(|root| root != "system")
    }

    /// Takes the host and the port that stand before the path.
    fn place(&mut self, hosts: &str) -> Result<(), String> {
        let (host, port) = match hosts.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(None) => return Err("has a [ without its ]".into()),
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, port))) => (host, Some(port.strip_prefix(':').ok_or(SEVERAL)?)),
            None => hosts.split_once(':').map_or((hosts, None), |(host, port)| (host, Some(port))),
        };
        if hosts.contains(',') {
            return Err(SEVERAL.into());
        }
        if !host.is_empty() {
            self.host(&decoded(host, "the host's name")?)?;
        }
        port.filter(|port| !port.is_empty()).map_or(Ok(()), |port| self.port(port))
    }

    /// Takes a host.
    pub(super) fn host(&mut self, host: &str) -> Result<(), String> {
        if host.contains(',') {
            return Err(SEVERAL.into());
        }
        if host.starts_with('@') || host.is_empty() {
            return Err(
                "has a host that is none: a name, an address, or a directory such as /var/run/postgresql"
                    .into(),
            );
        }
        self.host = Some(host.to_owned());
        Ok(())
    }

    /// Takes a host's address, which is what is connected to.
    pub(super) fn address(&mut self, address: &str) -> Result<(), String> {
        let address: IpAddr = address
            .parse()
            .map_err(|_| "has a hostaddr that is no address: write a name as the host, or one address")?;
        self.host = Some(address.to_string());
        Ok(())
    }

    /// Takes a port.
    pub(super) fn port(&mut self, port: &str) -> Result<(), String> {
        let no = || {
            "has a port that is none: a number, and in a password write %3A for : and %2F for /".to_owned()
        };
        self.port = Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(no)?);
        Ok(())
    }
}

pub(super) fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A part of the URL with its %XX read; a + stays one, as with libpq.
fn decoded(text: &str, what: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let read = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(
            read.ok_or_else(|| format!("has a % in {what} that stands for nothing: write %25 for it"))?,
        );
        rest = &after[2..];
    }
    if bytes.contains(&0) {
        return Err(format!("has a %00 in {what}"));
    }
    String::from_utf8(bytes).map_err(|_| format!("has {what} in another encoding than UTF-8"))
}
