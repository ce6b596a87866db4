//! What else of an answer steers something.

use serde_json::json;

use super::{Way, each, is_upload, last_failed, site};

#[test]
fn s2_details_that_are_of_another_file_are_refused() {
    for way in [Way::Adopted, Way::Confirmed] {
        let (site, liar) = site(way, &[]);
        let before = site.stage.images(1).unwrap();
        // The path, size and sides that were asked for, under the id of who knows what.
        liar.lie(|asked, said| {
            if asked.target.ends_with("/details") {
                each(said, |file| file["fileId"] = json!("5f00000000000000000000ff"));
            }
        });
        let ran = site.run(&way.typed(&[])).code(10);
        assert_eq!(site.stage.images(1).unwrap(), before, "{way:?}: {ran}");
        let failed = last_failed(&site);
        assert_eq!(failed["error_type"], "api_error", "{way:?}: {failed}");
        assert!(failed["message"].as_str().unwrap().contains("another file"), "{failed}");
    }
}

#[test]
fn s2_a_file_that_no_visitor_sees_is_in_no_row() {
    for (field, value) in [
        ("isPrivateFile", json!(true)),
        ("isPublished", json!(false)),
        ("fileType", json!("non-image")),
        ("type", json!("file-version")),
        ("width", json!("many")),
        ("height", json!(-3)),
        ("tags", json!("longshore")),
    ] {
        for way in Way::ALL {
            let (site, liar) = site(way, &["--no-delivery-check"]);
            let (before, value) = (site.stage.images(1).unwrap(), value.clone());
            liar.lie(move |asked, said| {
                if is_upload(asked) || asked.target.ends_with("/details") {
                    each(said, |file| file[field] = value.clone());
                }
            });
            let ran = site.run(&way.typed(&["--no-delivery-check"])).code(10);
            assert_eq!(site.stage.images(1).unwrap(), before, "{field}, {way:?}: {ran}");
        }
    }
}

#[test]
fn s7_an_answer_that_names_another_file_has_none_deleted() {
    // A file of somebody else's, and an upload whose answer names it.
    let (site, liar) = site(Way::Sent, &[]);
    site.venue(2, 2, &["/other.jpg"]);
    site.run(&["migrate", "--country", "DE", "--yes"]).code(0);
    let theirs = site.stage.imagekit.files().remove(0);
    for is_whole in [true, false] {
        let (id, path) = (theirs.id.clone(), theirs.path.clone());
        liar.lie(move |asked, said| {
            if is_upload(asked) {
                said["fileId"] = id.clone().into();
                said["versionInfo"]["id"] = id.clone().into();
                if is_whole {
                    said["filePath"] = path.clone().into();
                } else {
                    said["size"] = 7.into();
                }
            }
        });
        let ran = site.run(&Way::Sent.typed(&[])).code(10);
        assert!(site.stage.imagekit.files().contains(&theirs), "{ran}");
        let failed = last_failed(&site);
        assert_eq!(failed["error_type"], "integrity_mismatch", "{failed}");
        assert_eq!(failed["file_id"], theirs.id, "it is named: {failed}");
        liar.be_honest();
        for file in site.stage.imagekit.files().into_iter().filter(|file| file.id != theirs.id) {
            site.stage.delete_file(&file.path);
        }
    }
}

#[test]
fn d6_amounts_beyond_all_measure_are_no_amounts() {
    let (site, liar) = site(Way::Sent, &[]);
    liar.lie(|asked, said| {
        if asked.target.contains("/accounts/usage") {
            said["mediaLibraryStorageBytes"] = u64::MAX.into();
        }
    });
    site.run(&["plan", "--country", "PL"]).code(0).says("bytes are more than there can be");
}

#[test]
fn s2_an_original_that_does_not_end_or_is_compressed_is_not_ours() {
    for (fault, kind, message) in [
        ("delivery_original=endlessx1", "integrity_mismatch", "the original has more than"),
        ("delivery_original=bombx4", "not_served", "compressed"),
        ("delivery_original=gzipx4", "not_served", "compressed"),
    ] {
        let (site, _liar) = site(Way::Adopted, &[]);
        let before = site.stage.images(1).unwrap();
        site.stage.order(fault);
        let ran = site.run(&Way::Adopted.typed(&[])).code(10);
        let failed = last_failed(&site);
        assert_eq!(failed["error_type"], kind, "{fault}: {failed}");
        assert!(failed["message"].as_str().unwrap().contains(message), "{fault}: {failed}");
        assert_eq!(site.stage.images(1).unwrap(), before, "{fault}: {ran}");
        assert_eq!(site.paths().len(), 1, "it stays: {ran}");
        site.run(&Way::Adopted.typed(&[])).code(0);
    }
}
