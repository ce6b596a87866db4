//! Finding what a person named among what there is: the same for countries and cities, in the database and in the ledger.

use deunicode::deunicode_with_tofu;

use crate::error::Failure;

/// What stands for a character that has no letters.
const UNKNOWN: &str = "\u{fffd}";
/// How alike two names are that one may have been meant for the other, from 0 to 1.
const LIKENESS_MIN: f64 = 0.75;
/// How many names are suggested.
const NEAR_MAX: usize = 3;

/// Something that has names.
pub struct Named<T> {
    pub item: T,
    /// What it may be called: the name for people first, then slugs and codes, and older ones.
    pub names: Vec<String>,
    /// How it is told apart from another of its name.
    pub said: String,
}

/// Where is looked.
pub struct Search<'a> {
    /// How it is said that there is none, before what it is.
    pub none: &'a str,
    /// Where to look when no name is near.
    pub hint: &'a str,
}

impl Search<'_> {
    /// Finds the `country` or `city` that fits: letter by letter where one does, else in any case, else without accents and with a
    /// slug's hyphens for a name's spaces. An empty name fits nothing.
    ///
    /// # Errors
    /// When none fits, or several.
    pub fn find<T>(&self, what: &str, wanted: &str, all: Vec<Named<T>>) -> Result<T, Failure> {
        for form in [exact, caseless, plain] {
            let Some(form_of_wanted) = form(wanted) else { continue };
            let is_it = |name: &String| form(name).as_ref() == Some(&form_of_wanted);
            let fits: Vec<usize> = (0..all.len()).filter(|at| all[*at].names.iter().any(is_it)).collect();
            match fits[..] {
                [] => {}
                [at] => return Ok(all.into_iter().nth(at).expect("it was just found").item),
                _ => return Err(several(what, wanted, fits.into_iter().map(|at| all[at].said.clone()))),
            }
        }
        Err(self.unknown(what, wanted, &all))
    }

    fn unknown<T>(&self, what: &str, wanted: &str, all: &[Named<T>]) -> Failure {
        let failure = Failure::usage(format!("{} {what} {wanted:?}", self.none));
        let like = plain(wanted).unwrap_or_default();
        let likeness = |name: &String| plain(name).map_or(0.0, |name| strsim::jaro_winkler(&like, &name));
        let mut near: Vec<(f64, &String)> = Vec::new();
        for named in all {
            let best = named.names.iter().map(likeness).fold(0.0, f64::max);
            let Some(name) = named.names.first().filter(|_| best > LIKENESS_MIN) else { continue };
            near.push((best, name));
        }
        near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
        near.dedup_by(|one, other| one.1 == other.1);
        let near: Vec<&str> = near.into_iter().take(NEAR_MAX).map(|(_, name)| name.as_str()).collect();
        match near.is_empty() {
            true => failure.hint(self.hint),
            false => failure.hint(format!("Did you mean {}?", near.join(", or "))),
        }
    }
}

fn several(what: &str, wanted: &str, said: impl Iterator<Item = String>) -> Failure {
    let (all, hint) = match what {
        "country" => ("countries", "An ISO code names one"),
        _ => ("cities", "`--country` narrows it, and a slug typed exactly names one"),
    };
    let failure = Failure::usage(format!("{wanted:?} fits several {all}"));
    said.fold(failure, Failure::because).hint(hint)
}

fn exact(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn caseless(text: &str) -> Option<String> {
    exact(&text.to_lowercase())
}

/// Without accents, as slugs are made from names. Only where a letter is one: how other scripts sound does not tell
/// their words apart.
fn plain(text: &str) -> Option<String> {
    let is_letter = |c: char| c < '\u{530}' || ('\u{1e00}'..'\u{2000}').contains(&c) || !c.is_alphabetic();
    if !text.chars().all(is_letter) {
        return None;
    }
    let text = deunicode_with_tofu(text, UNKNOWN);
    if text.contains(UNKNOWN) {
        return None;
    }
    let words = text.split(|c: char| c == '-' || c.is_whitespace()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    exact(&words.join(" ").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search<'_> = Search { none: "there is no", hint: "look" };

    fn find(wanted: &str, all: &[&[&str]]) -> Result<usize, Failure> {
        let named = |(item, names): (usize, &&[&str])| Named {
            item,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            said: names.join(" "),
        };
        SEARCH.find("city", wanted, all.iter().enumerate().map(named).collect())
    }

    #[test]
    fn scopes_are_found_by_name_slug_or_code_in_any_case_and_spelling() {
        for (wanted, name) in [
            ("krakow", "Kraków"),
            ("Krako\u{301}w", "Kraków"),
            ("KRAKÓW", "Krako\u{301}w"),
            ("ŁÓDŹ", "Łódź"),
            ("saint-etienne", "Saint-Étienne"),
            ("pl", "PL"),
            (" Koln ", "Köln"),
            ("GIESSEN", "Gießen"),
            ("GIEẞEN", "Gießen"),
            ("gießen", "GIEẞEN"),
            ("DIYARBAKIR", "Diyarbakır"),
            ("istanbul", "İstanbul"),
            ("ΠΑΤΡΑΣ", "Πάτρας"),
            ("西宮", "西宮"),
        ] {
            assert_eq!(find(wanted, &[&["Elsewhere"], &[name]]).unwrap(), 1, "{wanted} {name}");
        }
        // The second sounds the same in other words; the third has no letters at all.
        for (wanted, name) in [("Krak", "Kraków"), ("東經", "東京"), ("\u{e000}", "\u{e001}")] {
            assert!(find(wanted, &[&[name]]).is_err(), "{wanted} {name}");
        }
    }

    #[test]
    fn scopes_an_empty_name_fits_nothing_not_even_what_has_no_slug() {
        for wanted in ["", " ", "-", "\u{301}"] {
            assert!(find(wanted, &[&["Poland", "PL", "", " "]]).is_err(), "{wanted:?}");
        }
    }

    #[test]
    fn scopes_what_fits_letter_by_letter_goes_before_what_fits_otherwise() {
        let both: &[&[&str]] = &[&["Malmö", "malmo-se"], &["Malmo", "malmo"]];
        assert_eq!(find("Malmö", both).unwrap(), 0);
        assert_eq!(find("Malmo", both).unwrap(), 1);
        assert_eq!(find("MALMÖ", both).unwrap(), 0);
        let several: &[&[&str]] = &[&["Newport", "newport"], &["Newport", "newport-iow"]];
        assert_eq!(find("newport", several).unwrap(), 0);
        assert!(find("Newport", several).unwrap_err().message.contains("fits several cities"));
        assert!(find("NEWPORT", several).is_err());
    }
}
