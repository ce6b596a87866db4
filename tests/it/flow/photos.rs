//! Photos as large as what people upload, there and back.

use std::collections::BTreeMap;

use super::poland::{elements, image_of, is_completed};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

#[test]
fn c4_c6_photos_go_there_whole_and_come_back() {
    let at = Workplace::with_photos(Kind::Sqlite, 12);
    let before = at.rows();
    let awkward = at.sandbox.world.awkward().len();
    assert!(awkward < 20, "few are awkward: {awkward}");
    let went = at.run_json(&["migrate", "--country", "Germany", "--yes"]);
    let tally = &went.json()["runs"][0]["report"]["total"]["counts"];
    let after = at.rows();
    let files: BTreeMap<String, String> =
        at.sandbox.imagekit.files().into_iter().map(|file| (file.path, file.content)).collect();
    let mut moved = 0;
    for venue in at.sandbox.world.to_migrate("DE") {
        let text = |rows: &crate::support::program::Rows| rows[&venue.id].images.clone().unwrap();
        let (old, new) = (text(&before), text(&after));
        for (old, new) in elements(&old).into_iter().zip(elements(&new)) {
            if let Some(image) = image_of(&at, old).filter(|image| image.awkward.is_none()) {
                is_completed(&at, venue, image, old, new);
                let content = blake3::hash(&image.picture.bytes()).to_hex().to_string();
                assert!(files.values().any(|stored| *stored == content), "{}", image.path);
                moved += 1;
            }
        }
    }
    assert!(moved > 0 && tally["completed"] == moved, "{moved}: {went}");
    at.run(&["verify", "--country", "Germany", "--content"]).code(0);
    at.run(&["rollback", "--country", "Germany", "--yes"]).code(0);
    for (id, row) in at.rows() {
        assert_eq!(row.images, before[&id].images, "venue {id}");
    }
}
