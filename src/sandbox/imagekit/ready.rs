//! What delivery made before: a picture of the sandbox's own differs from the others of its template by its comment
//! alone, so that all of them have one WebP. To make it again for each would cost more processor time than all that the
//! program does with the picture.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::picture;
use crate::limits::SANDBOX_READY_MAX;
use crate::sandbox::pictures;

/// The WebP of a template; none where it would not be smaller.
type Made = Arc<OnceLock<Option<Bytes>>>;

/// The WebPs of the templates that were asked for.
#[derive(Default)]
pub(super) struct Ready {
    made: Mutex<HashMap<blake3::Hash, Made>>,
}

impl Ready {
    /// Where the WebP of a file is kept; `None` for a file that is not the sandbox's own.
    pub(super) fn place(&self, file: &[u8]) -> Option<Made> {
        let template = pictures::fingerprint(file)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match made.get(&template) {
            Some(place) => Some(Arc::clone(place)),
            // Anyone can upload files that look like the sandbox's own.
            None if made.len() == SANDBOX_READY_MAX => None,
            None => Some(Arc::clone(made.entry(template).or_default())),
        }
    }
}

/// The WebP of a file, made if it is not there yet. Whoever comes meanwhile waits for it.
pub(super) fn webp(made: &Made, file: &[u8]) -> Option<Bytes> {
    // None of the sandbox's own is too large for a WebP.
    made.get_or_init(|| picture::webp(file).unwrap_or_default()).clone()
}

#[cfg(test)]
mod tests {
    use ledger::ids::Format;

    use super::*;
    use crate::sandbox::pictures::{Pictures, with_comment};

    #[test]
    fn c14_pictures_of_one_template_have_one_webp_and_uploads_none() {
        let ready = Ready::default();
        let ours = (0..400).map(|key| Pictures::Small.picture(1, &key.to_string()));
        let pngs: Vec<_> = ours.filter(|picture| picture.format() == Format::Png).collect();
        let of = |width| pngs.iter().filter(move |png| png.width() == width).map(|png| png.bytes());
        let places: Vec<Made> = of(100).map(|png| ready.place(&png).unwrap()).collect();
        let first = of(100).next().unwrap();
        let same: Vec<_> = places.iter().filter(|place| Arc::ptr_eq(place, &places[0])).collect();
        assert!(places.len() > same.len() && same.len() > 1, "{} of {}", same.len(), places.len());
        let made = webp(&places[0], &first).expect("a coarser PNG is smaller");
        assert_eq!(same.last().unwrap().get(), Some(&Some(made)));
        assert!(!Arc::ptr_eq(&ready.place(&of(120).next().unwrap()).unwrap(), &places[0]));

        let jpeg = crate::sandbox::pictures::photo(Format::Jpeg, 64, 48, true);
        let [one, other] = ["one", "other"].map(|key| with_comment(Format::Jpeg, &jpeg, key));
        assert!(Arc::ptr_eq(&ready.place(&one).unwrap(), &ready.place(&other).unwrap()));
        let foreign = String::from_utf8_lossy(&one).replace("Longshore", "Elsewhere").into_bytes();
        for upload in [&jpeg[..], &foreign, &first[..60], b"", b"\xff\xd8\xff\xe0", b"text"] {
            assert!(ready.place(upload).is_none());
        }
    }
}
