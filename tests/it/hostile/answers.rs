//! Answers of an origin that lies, leads astray, and has no end.

use super::world::{Body, Fate, Forge};
use crate::support::pictures::jpeg;
use crate::support::raw_http::{Act, answer, head};

/// One of each. Only two of them are of a kind that is tried again, so that ten in a row never fail.
pub fn bodies(forge: &Forge<'_>) -> Vec<Body> {
    let mut all = Vec::new();
    let mut add = |what: &str, acts: Vec<Act>, fate: Fate| {
        let path = format!("/answers/{}.jpg", all.len());
        all.push(Body::of(what, vec![(forge.answered(&path, acts), fate)]));
    };
    let say = |text: String| Act::Say(text.into_bytes());
    for (what, status, fate) in [
        ("404", 404, "not_found"),
        ("410", 410, "not_found"),
        ("400", 400, "origin_denied"),
        ("401", 401, "origin_denied"),
        ("403", 403, "origin_denied"),
        ("418", 418, "origin_denied"),
        ("451", 451, "origin_denied"),
        ("499", 499, "origin_denied"),
    ] {
        add(
            what,
            answer(status, &[("www-authenticate", "Basic realm=\"\u{9b}2J<script>\"")], b"\x1b[2J<script>"),
            Fate::Stopped(fate),
        );
    }
    add(
        "404 without an end",
        vec![say(head(404, &[])), Act::Repeat(vec![b'x'; 10_000])],
        Fate::Stopped("not_found"),
    );
    add(
        "401 without an end",
        vec![say(head(401, &[])), Act::Repeat(vec![b'x'; 10_000])],
        Fate::Stopped("origin_denied"),
    );

    let invalid = Fate::Stopped("invalid_image");
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\x02\xff".as_slice(), &[0xed; 2_000]].concat();
    for (what, bytes) in [
        ("nothing at all", &b""[..]),
        ("one byte", b"\xff"),
        ("HTML", b"<!DOCTYPE html><html><script>alert(1)</script>"),
        ("SVG with a script", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("a PDF", b"%PDF-1.7\n"),
        ("a program", b"\x7fELF\x02\x01\x01"),
        ("an archive", b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("gzip", &gzip),
        ("a film", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
        ("text that steers a terminal", b"\x1b[2J\x1b]0;x\x07 and so on"),
        ("a picture's beginning alone", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("a BMP", b"BM\x1a\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0"),
    ] {
        add(what, answer(200, &[("content-type", "image/jpeg")], bytes), invalid);
    }
    add("HTML without an end", vec![say(head(200, &[])), Act::Repeat(b"<html><body>".repeat(100))], invalid);

    let large = Fate::Stopped("file_too_large");
    add(
        "a picture without an end",
        vec![
            say(head(200, &[("content-type", "image/jpeg")])),
            Act::Say(jpeg(64, 64)),
            Act::Repeat(vec![0; 10_000]),
        ],
        large,
    );
    let chunked = say("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n".to_owned());
    let chunk = [b"1000\r\n".to_vec(), vec![0xff; 0x1000], b"\r\n".to_vec()].concat();
    let first =
        [format!("{:x}\r\n", jpeg(64, 64).len()).into_bytes(), jpeg(64, 64), b"\r\n".to_vec()].concat();
    add("chunks without an end", vec![chunked, Act::Say(first), Act::Repeat(chunk)], large);
    for length in ["200001", "99999999999", "9223372036854775807"] {
        add(
            &format!("a length of {length}"),
            vec![say(head(200, &[("content-length", length)])), Act::Hang],
            large,
        );
    }

    let forbidden = Fate::Stopped("forbidden_url");
    let (own, trap, v6) = (forge.base.trim_start_matches("http://"), forge.traps.port, forge.traps.port_v6);
    for target in [
        format!("http://127.0.0.1:{trap}/x"),
        format!("//127.0.0.1:{trap}/x"),
        format!("http://localhost:{trap}/x"),
        format!("http://[::1]:{v6}/x"),
        format!("http://{own}@127.0.0.1:{trap}/x"),
        format!("http://user:s3cret@{own}/good/0.jpg"),
        format!("https://{own}/good/0.jpg"),
        "http://169.254.169.254/latest/meta-data/?token=s3cret".to_owned(),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
        "data:image/png;base64,AAAA".to_owned(),
        "http://evil.invalid/<script>".to_owned(),
        "ftp://evil.invalid/x".to_owned(),
    ] {
        add(&format!("a redirect to {target:.40}"), answer(302, &[("location", &target)], b""), forbidden);
    }
    add("a redirect to the next", answer(308, &[("location", "hop/2")], b""), Fate::Moved);
    forge.shelf.put("/answers/hop/2", answer(307, &[("location", &format!("//{own}/good/3.jpg"))], b""));
    forge.good(3);

    add(
        "a redirect to itself, for ever",
        answer(301, &[("location", "?again=1")], b""),
        Fate::Stopped("origin_error"),
    );
    let bomb = [("content-encoding", "gzip"), ("content-type", "image/jpeg")];
    add(
        "gzip, said to be so",
        vec![say(head(200, &bomb)), Act::Say(gzip), Act::Repeat(vec![0; 10_000])],
        Fate::Stopped("invalid_image"),
    );

    let odd = [
        ("content-type", "text/html\u{9b}2J; charset=<script>"),
        ("content-disposition", "attachment; filename=\"../../../../tmp/evil\""),
        ("set-cookie", "a=b; Domain=127.0.0.1"),
        ("content-location", "file:///etc/passwd"),
        ("refresh", "0; url=http://evil.invalid/"),
        ("link", "<http://evil.invalid/>; rel=preload"),
        ("x-\u{7f}", "y"),
    ];
    add("headers that nobody should obey", answer(200, &odd[..6], &jpeg(18, 18)), Fate::Moved);
    all
}
