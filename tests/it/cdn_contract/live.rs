//! The contract on the real ImageKit, for whoever has an account.

use std::any::Any;
use std::time::Duration;

use longshore::outside::imagekit::{ImageKit, ImageKitOptions};

use super::{Bench, differences};

/// How long the real listing may lag; ImageKit does not say.
const LAG_MAX: Duration = Duration::from_secs(60);

/// A setting of the account.
fn setting(name: &str) -> String {
    let why = "it is run on a real account, as docs/sandbox.md says";
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {why}"))
}

/// What a part of the contract said when it did not hold.
pub fn said(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Deletes what was stored, listed or not, and whatever else lies in the bench's folder, until the listing has nothing more
/// to show; what cannot be deleted, in words.
pub async fn clean(bench: &Bench) -> Option<String> {
    let stored = bench.stored.lock().unwrap().clone();
    if let Err(trouble) = bench.cdn.delete_many(&stored).await {
        return Some(format!("{} is not cleaned up: {trouble}", bench.folder));
    }
    let mut is_quiet = 0;
    for _ in 0..60 {
        let listed = match bench.cdn.list(&bench.folder, 0, 100).await {
            Ok(listed) => listed,
            Err(trouble) => return Some(format!("{} is not cleaned up: {trouble}", bench.folder)),
        };
        let odd = listed.odd.into_iter().filter_map(|file| file.id);
        let files: Vec<_> = listed.files.into_iter().map(|file| file.id).chain(odd).collect();
        // A listing that lags may come to show a file that was stored last.
        is_quiet = if files.is_empty() { is_quiet + 1 } else { 0 };
        if is_quiet == 3 {
            return None;
        }
        if let Err(trouble) = bench.cdn.delete_many(&files).await {
            return Some(format!("{} is not cleaned up: {trouble}", bench.folder));
        }
        tokio::time::sleep(bench.lag / 30).await;
    }
    Some(format!("{} still lists files that were deleted", bench.folder))
}

/// The suite's own course, so that it is not first gone by whoever has an account.
#[tokio::test]
async fn c4_the_suite_tells_no_difference_of_the_stand_in_and_leaves_no_file() {
    let told = differences(async |_: &str| Bench::stand_in().await).await;
    assert!(told.is_empty(), "{told:?}");
    let bench = Bench::stand_in().await;
    let file = bench.store("a.jpg", &crate::support::pictures::jpeg(41, 23)).await;
    assert_eq!(clean(&bench).await, None);
    assert_eq!(bench.cdn.details(&file.id).await, Ok(None));
    assert_eq!(bench.page("/", 0, 10).await, []);
}

#[tokio::test]
#[ignore = "needs an ImageKit account: IMAGEKIT_LIVE_PRIVATE_KEY and IMAGEKIT_LIVE_URL_ENDPOINT"]
async fn c4_the_real_imagekit_is_as_we_picture_it() {
    let key = setting("IMAGEKIT_LIVE_PRIVATE_KEY");
    let endpoint: url::Url = setting("IMAGEKIT_LIVE_URL_ENDPOINT").parse().expect("a URL endpoint");
    let run = format!("/longshore-contract-{:08x}", fastrand::u32(..));
    let bench = async |part: &str| {
        let [upload, api] = ["https://upload.imagekit.io/", "https://api.imagekit.io/"]
            .map(|it| it.parse::<url::Url>().unwrap());
        let editors = Some((upload.clone(), key.clone()));
        let options = ImageKitOptions::new(key.as_str(), endpoint.clone(), upload, api);
        let cdn = Box::new(ImageKit::new(options).unwrap());
        let folder = format!("{run}/{part}");
        Bench { folder, lag: LAG_MAX, editors, ..Bench::new(cdn, tempfile::tempdir().unwrap()) }
    };
    let differences = differences(bench).await;
    assert!(
        differences.is_empty(),
        "the real ImageKit differs from our picture of it:\n{}",
        differences.join("\n")
    );
}
