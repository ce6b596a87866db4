//! Where a file is delivered: below the endpoint, at its path (requirement S2). Whatever URL an answer gives is compared
//! with that and used for nothing else.

use url::Url;

/// ImageKit's own domain, on which the first part of a path is the account.
const DOMAIN: &str = "ik.imagekit.io";

/// The URL of a path below an endpoint.
pub fn delivered_at(endpoint: &Url, path: &str) -> String {
    let mut url = endpoint.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop_if_empty().extend(path.trim_start_matches('/').split('/'));
    }
    url.into()
}

/// Whether the URL that an answer gives is that of the path, byte for byte; what ImageKit hangs on it for caches' sake
/// (`?updatedAt=…`) does not count. Answers may name ImageKit's own domain where the endpoint is a domain of one's own,
/// and the account alone where the endpoint is one of several of it.
pub(super) fn is_of(said: &str, endpoint: &Url, path: &str) -> bool {
    let said = bare(said);
    if said == delivered_at(endpoint, path) {
        return true;
    }
    let account_of = |url: &Url| url.path_segments().and_then(|mut parts| parts.next().map(str::to_owned));
    let Some(account) = Url::parse(said).ok().as_ref().and_then(account_of) else { return false };
    let is_ours = endpoint.host_str() != Some(DOMAIN) || account_of(endpoint).as_ref() == Some(&account);
    let own = Url::parse(&format!("https://{DOMAIN}/{account}"));
    is_ours && own.is_ok_and(|own| said == delivered_at(&own, path))
}

/// A URL without its query and fragment.
pub(super) fn bare(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/venues/a/a_1.jpg";

    #[test]
    fn s2_a_url_is_that_of_the_endpoint_and_the_path_or_it_is_anothers() {
        for (endpoint, said, fits) in [
            ("https://ik.imagekit.io/acme", "https://ik.imagekit.io/acme/venues/a/a_1.jpg", true),
            (
                "https://ik.imagekit.io/acme/",
                "https://ik.imagekit.io/acme/venues/a/a_1.jpg?updatedAt=17#x",
                true,
            ),
            ("https://ik.imagekit.io/acme/shop", "https://ik.imagekit.io/acme/shop/venues/a/a_1.jpg", true),
            ("https://ik.imagekit.io/acme/shop", "https://ik.imagekit.io/acme/venues/a/a_1.jpg", true),
            ("https://images.example", "https://images.example/venues/a/a_1.jpg", true),
            ("https://images.example/x", "https://ik.imagekit.io/acme/venues/a/a_1.jpg?updatedAt=17", true),
            ("https://ik.imagekit.io/acme", "https://ik.imagekit.io/other/venues/a/a_1.jpg", false),
            ("https://ik.imagekit.io/acme/shop", "https://ik.imagekit.io/other/venues/a/a_1.jpg", false),
            ("https://ik.imagekit.io/acme", "https://images.example/venues/a/a_1.jpg", false),
            ("https://ik.imagekit.io/acme", "http://ik.imagekit.io/acme/venues/a/a_1.jpg", false),
            ("https://ik.imagekit.io/acme", "https://ik.imagekit.io/acme/venues/a/A_1.jpg", false),
            ("https://ik.imagekit.io/acme", "https://ik.imagekit.io/acme/x/../venues/a/a_1.jpg", false),
            ("https://ik.imagekit.io/acme", "https://ik.imagekit.io/acme/venues/b/a_1.jpg", false),
            ("https://images.example", "https://ik.imagekit.io/acme/x/venues/a/a_1.jpg", false),
            ("https://images.example", "https://ik.imagekit.io/venues/a/a_1.jpg", false),
            ("https://images.example", "https://ik.imagekit.io//venues/a/a_1.jpg", false),
            ("https://images.example", "https://ik.imagekit.io.example/acme/venues/a/a_1.jpg", false),
            ("https://images.example", "https://u@ik.imagekit.io/acme/venues/a/a_1.jpg", false),
            ("https://images.example", "https://ik.imagekit.io:444/acme/venues/a/a_1.jpg", false),
            ("https://images.example", "http://ik.imagekit.io/acme/venues/a/a_1.jpg", false),
            ("https://images.example", "javascript:alert(1)", false),
            ("https://images.example", "", false),
        ] {
            assert_eq!(is_of(said, &endpoint.parse().unwrap(), PATH), fits, "{said} below {endpoint}");
        }
    }
}
