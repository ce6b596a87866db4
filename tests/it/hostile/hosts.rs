//! Where the real program sends anything at all (requirement S2): the origin's own host, those that are allowed by name,
//! and none that is private by what it resolves to.

use std::net::{IpAddr, ToSocketAddrs};

use serde_json::Value;

use super::place::Place;
use super::traps::Traps;
use super::world::{Body, Fate, Forge, Venue};
use crate::support::pictures::jpeg;
use crate::support::raw_http::{RawServer, answer};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "HX", "--yes"];

/// A world of one venue, with these entries.
fn world(elements: impl FnOnce(&Forge<'_>) -> Vec<(String, Fate)>) -> Place {
    let place = Place::new(Kind::Sqlite);
    let base = place.base();
    let body = Body::of("the only one", elements(&place.forge(&base)));
    place.fill(&[Venue { id: 1, slug: Some("pub".into()), name: None, body }]);
    place
}

/// The `error_type` of each image that did not go.
fn failures(place: &Place) -> Vec<String> {
    let failures = place.site.run_json(&["export", "failures"]).code(0).json();
    let kind = |failure: &Value| failure["error_type"].as_str().unwrap().to_owned();
    failures.as_array().unwrap().iter().map(kind).collect()
}

#[test]
fn s2_another_host_is_gone_to_where_it_is_allowed_by_name_and_not_else() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let elsewhere =
        runtime.block_on(RawServer::start(|_| answer(200, &[("content-type", "image/jpeg")], &jpeg(9, 9))));
    let (there, port) = (elsewhere.address.to_string(), elsewhere.address.port());
    let place = world(|forge| {
        let redirect = answer(302, &[("location", &elsewhere.url("/b.jpg"))], b"");
        vec![
            (forge.answered("/a.jpg", redirect), Fate::Moved),
            (forge.at(&elsewhere.url("/c.jpg")), Fate::Moved),
        ]
    });
    let with = |args: &[&str], allowed: &[&str]| {
        let flags = allowed.iter().flat_map(|host| ["--allow-host", *host]);
        place.site.run(&args.iter().copied().chain(flags).collect::<Vec<_>>())
    };
    let verify = ["verify", "--venue-id", "1"];
    let plan = ["plan", "--country", "HX", "--exact"];
    // Neither the name of the address nor its usual port is what was allowed.
    let others = format!("localhost:{port}");
    with(&verify, &[]).code(13).says("forbidden_url");
    for allowed in [&[][..], &["127.0.0.1"], &[&others], &["evil.invalid"]] {
        with(&plan, allowed).code(0);
        with(&MIGRATE, allowed).code(10);
        // From now on the ledger knows them.
        with(&verify, allowed).code(0).says("forbidden_url");
        assert_eq!(failures(&place), ["forbidden_url"; 2], "{allowed:?}");
    }
    assert_eq!(elsewhere.asked().len(), 0);
    for wrong in ["", "a b", "http://a.example", "a.example/x", "user@a.example"] {
        with(&MIGRATE, &[wrong]).code(2).says("no host to allow");
    }
    with(&verify, &["evil.invalid", &there]).code(0);
    with(&plan, &[&there]).code(0);
    let looked = elsewhere.asked().len();
    assert!(looked >= 4, "both were looked at, and asked for their sizes: {looked}");
    let fetched = || elsewhere.asked().iter().filter(|asked| asked.method == "GET").count();
    let looked = fetched();
    with(&MIGRATE, &[&there]).code(0);
    assert_eq!((fetched(), failures(&place).len()), (looked + 2, 0));
    place.traps.assert_empty();
}

/// A name of this machine, other than `localhost`, that leads to private addresses alone.
fn private_name() -> String {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let listed = hosts.lines().filter_map(|line| line.split('#').next());
    let listed =
        listed.flat_map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>());
    let own = gethostname::gethostname().to_string_lossy().into_owned();
    let is_private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    let leads_home = |name: &String| {
        let found = (name.as_str(), 0).to_socket_addrs();
        let all: Vec<_> = found.map(Iterator::collect).unwrap_or_default();
        !all.is_empty() && all.iter().all(|address| is_private(address.ip()))
    };
    let fit = |name: &String| name != "localhost" && name.parse::<IpAddr>().is_err() && leads_home(name);
    [own]
        .into_iter()
        .chain(listed)
        .find(fit)
        .expect("this machine's name, or one in its hosts file, leads to it")
}

#[test]
fn s2_a_name_that_resolves_to_a_private_address_is_not_connected_to() {
    let traps = Traps::set();
    let name = private_name();
    let trap = format!("http://{name}:{}", traps.port);
    let mut place = world(|forge| {
        let redirect = answer(307, &[("location", &format!("{trap}/b.jpg"))], b"");
        vec![(forge.answered("/a.jpg", redirect), Fate::Stopped("forbidden_url"))]
    });
    // Allowed by name, and still private by address: by a redirect, and as the origin itself.
    let host = format!("{name}:{}", traps.port);
    place.site.run(&[&MIGRATE[..], &["--allow-host", &host]].concat()).code(10);
    assert_eq!(failures(&place), ["forbidden_url"]);
    let asked = place.origin.asked().len();
    place.site.settings.insert("ORIGIN_BASE_URL".into(), trap.clone());
    place.sql(&format!(
        "UPDATE venues SET venue_images = replace(venue_images, '{}', '{trap}')",
        place.base()
    ));
    place.site.run(&MIGRATE).code(10).says("leads to a private address");
    place.site.run(&["verify", "--venue-id", "1"]).code(0).says("forbidden_url");
    place.site.run(&["plan", "--country", "HX", "--exact"]).code(0);
    assert_eq!(failures(&place), ["forbidden_url"]);
    assert_eq!(place.origin.asked().len(), asked);
    traps.assert_empty();
    place.traps.assert_empty();
}

#[test]
#[should_panic(expected = "something arrived")]
fn a_trap_knows_who_was_there() {
    let traps = Traps::set();
    drop(std::net::TcpStream::connect(("127.0.0.1", traps.port)).unwrap());
    traps.assert_empty();
}
