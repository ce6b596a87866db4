//! URLs that lead where nothing may be sent, and some that only look so.

use url::Url;

use super::world::{Body, Fate, Forge};
use crate::support::pictures::jpeg;
use crate::support::raw_http::answer;

const FORBIDDEN: Fate = Fate::Stopped("forbidden_url");

/// One of each, as entries of a venue that has a picture beside it which is well.
pub fn bodies(forge: &Forge<'_>) -> Vec<Body> {
    let mut all = Vec::new();
    for url in forbidden(forge) {
        let what = format!("the URL {:.60?}", url);
        all.push(Body::of(what, vec![(forge.at(&url), FORBIDDEN), forge.fine()]));
    }
    for value in ["7", "null", "true", "[]", "[\"http://evil.invalid/\"]", "{\"a\": {}}", "1e40"] {
        all.push(Body::of(
            format!("the URL is the value {value}"),
            vec![forge.fine(), (forge.entry(value), FORBIDDEN)],
        ));
    }
    let without = forge.at("x").replace("\"url\": \"x\", ", "");
    all.push(Body::of("no URL", vec![(without, FORBIDDEN)]));
    for url in only_odd(forge) {
        let path = Url::parse(&url).unwrap().path().to_owned();
        forge.shelf.put(&path, answer(200, &[], &jpeg(16, 16)));
        all.push(Body::of(format!("the origin spelt {url:.60?}"), vec![(forge.at(&url), Fate::Moved)]));
    }
    for (what, path) in [
        ("a path of 10 kB", format!("/{}", "p".repeat(10_000))),
        ("a header in the path", "/x\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1".to_owned()),
    ] {
        let url = format!("{}{path}", forge.base);
        all.push(Body::of(what, vec![(forge.at(&url), Fate::Stopped("not_found"))]));
    }
    all
}

fn forbidden(forge: &Forge<'_>) -> Vec<String> {
    let (own, trap, v6) = (forge.base.trim_start_matches("http://"), forge.traps.port, forge.traps.port_v6);
    let texts = [
        // None at all.
        "",
        " ",
        "?",
        "#",
        "x",
        "/uploads/x.jpg",
        "../../x.jpg",
        "http://",
        "http:///",
        "http://[::1",
        "http://:80/",
        "http://127.0.0.1:99999/x",
        "\u{1b}]0;x\u{7}",
        "\u{202e}http://OWN/x.jpg",
        "http://OWN\u{202e}/x.jpg",
        "//127.0.0.1:TRAP/x",
        // Another scheme.
        "file:///etc/passwd",
        "file://OWN/etc/passwd",
        "ftp://OWN/x",
        "gopher://OWN/x",
        "ws://OWN/x",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "blob:http://OWN/x",
        "jar:http://OWN!/x",
        "mailto:a@evil.invalid",
        "http+unix://%2Ftmp%2Fsocket/x",
        "https://OWN/x.jpg",
        // Another place on this machine.
        "http://127.0.0.1:TRAP/x",
        "http://127.0.0.2:TRAP/x",
        "http://127.1:TRAP/x",
        "http://2130706433:TRAP/x",
        "http://0x7f000001:TRAP/x",
        "http://0177.0.0.1:TRAP/x",
        "http://0:TRAP/x",
        "http://0.0.0.0:TRAP/x",
        "http://localhost:TRAP/x",
        "http://LOCALHOST.:TRAP/x",
        "http://x.localhost:TRAP/x",
        "http://[::1]:SIX/x",
        "http://[::]:SIX/x",
        "http://[::ffff:127.0.0.1]:TRAP/x",
        "http://[::127.0.0.1]:TRAP/x",
        "http://１２７.０.０.１:TRAP/x",
        "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:TRAP/x",
        "http://127.0.0.1%2e:TRAP/x",
        "http://%31%32%37.0.0.1:TRAP/x",
        // Another network.
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://10.0.0.1/x",
        "http://192.168.0.1/x",
        "http://172.16.0.1/x",
        "http://100.100.100.200/x",
        "http://[fe80::1]/x",
        "http://224.0.0.1/x",
        "http://metadata.google.internal/x",
        // Another host, or the origin's where it only seems to be the host.
        "http://evil.invalid/x.jpg",
        "http://OWN.evil.invalid/x.jpg",
        "http://evil.invalid:80/OWN",
        "http://OWN@127.0.0.1:TRAP/x",
        "http://127.0.0.1:TRAP#@OWN/x",
        "http://127.0.0.1:TRAP?@OWN/x",
        "http://127.0.0.1:TRAP\\@OWN/x",
        "http://OWN:80@127.0.0.1:TRAP/",
        // Credentials.
        "http://user:s3cret@OWN/x.jpg",
        "http://s3cret@OWN/x.jpg",
        "http://:s3cret@OWN/x.jpg",
    ];
    let fill = |text: &str| {
        text.replace("OWN", own).replace("TRAP", &trap.to_string()).replace("SIX", &v6.to_string())
    };
    let longest = format!("{}/{}", forge.base, "p".repeat(70_000));
    texts.into_iter().map(fill).chain([longest]).collect()
}

/// Spellings of the origin that everyone reads as the origin.
fn only_odd(forge: &Forge<'_>) -> Vec<String> {
    let port = Url::parse(forge.base).unwrap().port().unwrap();
    let texts = [
        "HTTP://127.0.0.1:PORT/odd/a.jpg",
        "  http://127.0.0.1:PORT/odd/b.jpg\n",
        "ht\ttp://127.0.0.1:PORT/odd/c.jpg",
        "http:\\\\127.0.0.1:PORT\\odd\\d.jpg",
        "http://127.0.0.1:PORT/../../odd/e.jpg",
        "http://127.0.0.1:PORT/%2e%2e/%2E./odd/f.jpg",
        "http://0x7f.1:PORT/odd/g.jpg",
        "http://2130706433:PORT/odd/h.jpg",
        "http:127.0.0.1:PORT/odd/i.jpg",
        "http://127.0.0.1:PORT/odd/j.jpg#<script>",
        "http://127.0.0.1:PORT/odd/k.jpg?=1+1",
        "http://127.0.0.1:PORT/odd/<b>\u{202e}\u{1b}[2J.jpg",
    ];
    texts.into_iter().map(|text| text.replace("PORT", &port.to_string())).collect()
}
