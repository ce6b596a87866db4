//! Addresses that a download must not connect to (requirement S2), and the name resolution that keeps to it. The
//! check sits in the resolver because only there what is checked is what is connected to: a name looked up twice
//! may answer differently.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks a name up, blocking. The system's own way is [`system_lookup`].
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// A name that leads to private addresses alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} leads to a private address")]
pub struct ForbiddenAddress {
    /// The name.
    pub host: String,
}

/// The name service of this machine, hosts file included.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

/// A resolver that hands out public addresses only; `localhost`, which can only have been allowed by that very
/// name, gives loopback ones.
pub(super) struct Guard {
    pub(super) lookup: Lookup,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.lookup);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = {
                let host = host.clone();
                tokio::task::spawn_blocking(move || lookup(&host)).await??
            };
            let admitted = admit(&host, found)?;
            Ok(Box::new(admitted.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

fn admit(host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, ForbiddenAddress> {
    let some = !found.is_empty();
    let admitted: Vec<IpAddr> = found
        .into_iter()
        .filter(|ip| if host == "localhost" { ip.is_loopback() } else { is_public(*ip) })
        .collect();
    if some && admitted.is_empty() { Err(ForbiddenAddress { host: host.to_owned() }) } else { Ok(admitted) }
}

/// Whether an address lies in the public internet: none of the ranges that the IANA special-purpose registries keep
/// for private, local, shared, reserved, documentation or multicast use, also when an IPv4 address of that sort is
/// wrapped in an IPv6 one.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        || a >= 224;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let wrapped = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // IPv4-mapped, and NAT64, which a network without IPv4 needs to reach it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => wrapped(high, low),
        // 6to4 carries the IPv4 address it tunnels to.
        [0x2002, high, low, ..] => wrapped(high, low),
        // Protocol assignments (Teredo among them) and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // All else that is routed lies in 2000::/3: no loopback, unique local, link-local or multicast address.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_private_addresses_are_told_from_public_ones() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::",
            "2001:0:1::",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "223.255.255.1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2002:101:101::",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn s2_only_localhost_may_lead_home() {
        let ips = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(admit("localhost", ips(&["127.0.0.1", "10.0.0.1"])), Ok(ips(&["127.0.0.1"])));
        assert_eq!(admit("a.example", ips(&["127.0.0.1", "1.1.1.1"])), Ok(ips(&["1.1.1.1"])));
        assert!(admit("a.example", ips(&["127.0.0.1", "::1"])).is_err());
        assert!(admit("localhost.", ips(&["127.0.0.1"])).is_err());
        assert_eq!(admit("a.example", vec![]), Ok(vec![]));
    }
}
