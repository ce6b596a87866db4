//! The URL that an answer gives.

use super::{Way, each, last_failed, site};
use crate::support::site::Site;

/// How the delivery check is left out.
const UNCHECKED: &[&str] = &["--no-delivery-check"];

/// A URL that an answer gives for a path.
type Url = fn(&Site, &str) -> String;

/// Lies, and sees that no row gets what they say.
#[track_caller]
fn is_refused(name: &str, url: Url, more: &'static [&'static str]) {
    for way in Way::ALL {
        let (site, liar) = site(way, more);
        let before = site.stage.images(1).unwrap();
        let endpoint = site.stage.imagekit.url_endpoint();
        let path = |file: &serde_json::Value| file["filePath"].as_str().unwrap().to_owned();
        let forged = url(&site, "/venues/pub-1/x.jpg");
        let said = move |path: &str| match forged.split_once("/venues/pub-1/x.jpg") {
            Some((front, back)) => format!("{front}{path}{back}"),
            None => forged.clone(),
        };
        liar.lie(move |_, said_so| each(said_so, |file| file["url"] = said(&path(file)).into()));
        let ran = site.run(&way.typed(more)).code(10);
        assert_eq!(site.stage.images(1).unwrap(), before, "{name}, {way:?}: {ran}");
        let failed = last_failed(&site);
        assert_eq!(failed["error_type"], "integrity_mismatch", "{name}, {way:?}: {failed}");
        assert!(failed["message"].as_str().unwrap().contains("IMAGEKIT_URL_ENDPOINT"), "{failed}");
        assert!(!failed.to_string().contains("s3cret"), "{failed}");
        // A file that is there already is somebody's, whatever is said of it.
        assert_eq!(site.paths().len(), usize::from(way != Way::Sent), "{name}, {way:?}: {ran}");
        liar.be_honest();
        site.run(&[&["migrate", "--country", "PL", "--yes"], more].concat()).code(0);
        let row = site.stage.images(1).unwrap();
        assert!(row.contains(&format!("\"{endpoint}{}\"", site.paths()[0])), "{name}, {way:?}: {row}");
    }
}

#[test]
fn s2_a_url_on_another_host_is_in_no_row() {
    is_refused("another host", |_, path| format!("https://evil.example/x{path}?s3cret"), UNCHECKED);
    is_refused(
        "a host that begins alike",
        |site, path| format!("{}.evil.example{path}", site.stage.imagekit.url_endpoint()),
        UNCHECKED,
    );
}

#[test]
fn s2_a_url_that_is_a_script_is_in_no_row() {
    is_refused("a script", |_, path| format!("javascript:alert(1)//{path}"), UNCHECKED);
    is_refused("data", |_, _| "data:image/png;base64,AAAA".to_owned(), UNCHECKED);
    is_refused(
        "a login",
        |site, path| site.stage.imagekit.url_endpoint().replace("http://", "http://u:s3cret@") + path,
        UNCHECKED,
    );
}

#[test]
fn s2_another_tenants_url_on_the_same_host_is_in_no_row() {
    is_refused(
        "another tenant",
        |site, path| site.stage.imagekit.url_endpoint().replace("/sandbox", "/another") + path,
        UNCHECKED,
    );
    is_refused(
        "another tenant by dots",
        |site, path| site.stage.imagekit.url_endpoint() + "/../another" + path,
        UNCHECKED,
    );
}

#[test]
fn s2_a_url_that_is_served_and_is_another_files_is_in_no_row() {
    // The delivery check alone sees a picture there.
    for way in Way::ALL {
        let (site, liar) = site(way, &[]);
        let before = site.stage.images(1).unwrap();
        site.venue(2, 2, &["/other.jpg"]);
        site.run(&["migrate", "--country", "DE", "--yes"]).code(0);
        let other = site.paths().into_iter().find(|path| path.contains("pub-2")).unwrap();
        let url = format!("{}{other}", site.stage.imagekit.url_endpoint());
        liar.lie(move |_, said| each(said, |file| file["url"] = url.clone().into()));
        let ran = match way {
            Way::Confirmed => site.run(&["resume", "--run", "2", "--retry-failed", "--yes"]).code(10),
            _ => site.run(&way.typed(&[])).code(10),
        };
        assert_eq!(site.stage.images(1).unwrap(), before, "{way:?}: {ran}");
        assert_eq!(last_failed(&site)["error_type"], "integrity_mismatch", "{way:?}: {ran}");
    }
}

#[test]
fn c4_a_url_on_imagekits_own_domain_stands_for_a_domain_of_ones_own() {
    // The endpoint of these tests is no domain of ImageKit's: as with a domain of one's own, answers may name the other.
    for way in Way::ALL {
        let (site, liar) = site(way, &[]);
        liar.lie(|_, said| {
            each(said, |file| {
                let url = format!("https://ik.imagekit.io/acme{}", file["filePath"].as_str().unwrap());
                file["url"] = format!("{url}?updatedAt=1718876290234").into();
            });
        });
        site.run(&way.typed(&[])).code(0);
        let (row, endpoint) = (site.stage.images(1).unwrap(), site.stage.imagekit.url_endpoint());
        assert!(row.contains(&format!("\"{endpoint}{}\"", site.paths()[0])), "{way:?}: {row}");
    }
}
