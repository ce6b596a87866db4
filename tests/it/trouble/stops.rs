//! A wrong key and a plan that is used up: no other image would fare better, so the run stops at the first answer.

use super::Trouble;

fn stops(orders: &str, reason: &str, says: &str) -> Trouble {
    let it = Trouble::of(orders);
    it.migrate(&["--concurrency", "1"]).code(11).says(says).says("longshore resume");
    assert!(it.failed().is_empty(), "{:?}", it.failed());
    assert_eq!(it.pauses().iter().map(|(why, _)| why.as_str()).collect::<Vec<_>>(), [reason]);
    it
}

#[test]
fn e1_a_wrong_key_pauses_at_the_first_answer_and_nothing_is_half_done() {
    for orders in ["cdn=wrong_key", "cdn=expired_key", "upload=401"] {
        let work = stops(orders, "unauthorized", "IMAGEKIT_PRIVATE_KEY").work;
        assert_eq!(work.requests("upload"), 1, "{orders}: nothing more is asked with it");
        assert!(work.sandbox.imagekit.files().is_empty());
    }
}

#[test]
fn e1_a_key_that_expires_in_the_middle_pauses_and_another_gets_to_the_same_end() {
    let it = stops("cdn=expired_key:after=12", "unauthorized", "expired private API key");
    assert!(!it.uploaded().is_empty());
    // What was stored is written down, and no row points at what is not there.
    let told: Vec<_> = it.uploaded().iter().map(|it| it.path.to_string()).collect();
    assert!(it.work.sandbox.imagekit.files().iter().all(|file| told.contains(&file.path)));
    // With the same key it pauses again, at once.
    it.work.run(&["resume"]).code(11);
    it.is_the_same_end(it.well_again());
}

#[test]
fn e1_a_used_up_plan_pauses_at_the_first_answer_and_room_gets_to_the_same_end() {
    let it = stops("upload=quota:after=10", "quota_exceeded", "Make room in the ImageKit plan");
    assert_eq!((it.work.requests("upload"), it.uploaded().len()), (11, 10));
    it.is_the_same_end(it.well_again());
}
