//! The real program before an ImageKit that does not tell the truth (rules S2 and S7): what goes into a row is made of our
//! own settings and of what was sent, and what an answer says beside that is compared.

mod fields;
mod listing;
mod urls;

use serde_json::Value;

use crate::support::liar::Liar;
use crate::support::raw_http::Asked;
use crate::support::site::Site;
use crate::support::stage::Kind;

/// How a file comes to be ImageKit's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is sent.
    Sent,
    /// It is there already, and this ledger does not know it.
    Adopted,
    /// It was sent before the run was cut off, and is looked at again.
    Confirmed,
}

impl Way {
    const ALL: [Self; 3] = [Self::Sent, Self::Adopted, Self::Confirmed];

    /// What is typed to come to the answer.
    fn typed(self, more: &'static [&'static str]) -> Vec<&'static str> {
        match self {
            Self::Sent | Self::Adopted => {
                [&["migrate", "--country", "PL", "--yes", "--max-error-rate", "100"], more].concat()
            }
            Self::Confirmed => vec!["resume", "--retry-failed", "--yes"],
        }
    }
}

/// A site with one image, of which the next command gets an answer, and the server that may lie in it.
fn site(way: Way, more: &'static [&'static str]) -> (Site, Liar) {
    let mut site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/a.jpg"]);
    let liar = Liar::before(&mut site);
    let before = site.stage.images(1).unwrap();
    match way {
        Way::Sent => {}
        Way::Adopted => {
            site.run(&Way::Sent.typed(more)).code(0);
            site.stage.set_images(1, &before);
            std::fs::remove_file(site.ledger()).unwrap();
        }
        Way::Confirmed => {
            site.forbid(1);
            site.run(&Way::Sent.typed(more)).code(10);
            site.permit(1);
        }
    }
    assert_eq!(site.stage.images(1).unwrap(), before);
    (site, liar)
}

/// Changes each file of an answer.
fn each(said: &mut Value, change: impl Fn(&mut Value)) {
    match said {
        Value::Array(files) => files.iter_mut().for_each(change),
        file if file["fileId"].is_string() => change(file),
        _ => {}
    }
}

/// Whether a file is uploaded by this.
fn is_upload(asked: &Asked) -> bool {
    asked.target.ends_with("/upload")
}

/// Why the last image that failed did so.
#[track_caller]
fn last_failed(site: &Site) -> Value {
    site.events(&["--kind", "failed"]).pop().expect("an image failed")["event"]["failed"].take()
}
