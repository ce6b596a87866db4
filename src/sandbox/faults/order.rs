//! The language in which people order faults, by flag or at the control address.
//!
//! ```text
//! PLACE=KIND[xN|xN%][:NAME=VALUE]…
//!
//! upload=503x10                    the next ten uploads are answered with 503
//! upload=429x30%:reset=200         30 of each hundred uploads, with ImageKit's headers: wait for 200 ms
//! cdn=away:after=20:for=3s         nobody answers at ImageKit's port for 3 s from its 20th request on
//! origin/uploads/a.jpg=404         this file alone, until it is taken back
//! origin=none                      everything ordered for this place is taken back
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Fault;
use super::amount::Amount;
use super::kinds;

/// The operations of ImageKit's stand-in; the last two are of its delivery, and need no key.
pub const CDN_OPERATIONS: [&str; 15] = [
    "upload",
    "list",
    "details",
    "update",
    "delete",
    "bulk_delete",
    "purge",
    "purge_status",
    "tags",
    "move",
    "versions",
    "usage",
    "other",
    "delivery",
    "delivery_original",
];

/// The operations of the origin's stand-in: asking for a file, and asking for its size.
pub const ORIGIN_OPERATIONS: [&str; 2] = ["origin", "origin_head"];

/// What listens on a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Cdn,
    Origin,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cdn => "cdn",
            Self::Origin => "origin",
        }
    }
}

/// What a fault is ordered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The name as it was written: an operation, `cdn` or `all`.
    name: String,
    /// The path, not percent-encoded; with a `*` at its end, all that begin so.
    path: Option<String>,
}

impl Place {
    fn read(text: &str) -> Result<Self, String> {
        let (name, path) = match text.find('/') {
            Some(at) => (&text[..at], Some(text[at..].to_owned())),
            None => (text, None),
        };
        let place = Self { name: name.to_owned(), path };
        if !CDN_OPERATIONS.iter().chain(&ORIGIN_OPERATIONS).any(|op| place.has(op)) {
            let known: Vec<_> = CDN_OPERATIONS.into_iter().chain(ORIGIN_OPERATIONS).collect();
            return Err(format!("`{name}` is no operation: they are cdn, all, {}", known.join(", ")));
        }
        Ok(place)
    }

    /// Whether an operation is meant by it.
    pub(super) fn has(&self, op: &str) -> bool {
        match self.name.as_str() {
            "all" => true,
            "cdn" => CDN_OPERATIONS.contains(&op),
            name => name == op,
        }
    }

    fn has_path(&self, path: &str) -> bool {
        self.path.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == wanted,
        })
    }

    /// The ports that are meant by it, where it means whole ones. `origin` does, its one operation but the sizes.
    pub(super) fn parts(&self) -> &'static [Part] {
        match (self.name.as_str(), &self.path) {
            ("all", None) => &[Part::Cdn, Part::Origin],
            ("cdn", None) => &[Part::Cdn],
            ("origin", None) => &[Part::Origin],
            _ => &[],
        }
    }
}

/// What is to happen.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// To a request.
    Fault(Fault),
    /// The whole port is away, for so long or until it is taken back.
    Away(Option<Duration>),
    /// The list lags so far behind.
    Lag(Duration),
    /// What was ordered before is taken back.
    Nothing,
}

/// A fault, as it is ordered.
#[derive(Clone, Debug)]
pub struct Order {
    place: Place,
    what: What,
    befalls: fn(&str) -> bool,
    amount: Amount,
    after: u64,
    lasts: Option<Duration>,
    text: String,
}

/// Why a text is no order, in words that tell how to write one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {why}")]
pub struct NotAnOrder {
    text: String,
    why: String,
}

impl Order {
    /// An order that is none of the language.
    pub(super) fn of(op: &str, after: u64, times: u64, fault: Fault) -> Self {
        Self {
            place: Place { name: op.to_owned(), path: None },
            what: What::Fault(fault),
            befalls: |_| true,
            amount: Amount::Times(times),
            after,
            lasts: None,
            text: format!("{op}=…x{times}"),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let Some((place, rest)) = text.split_once('=') else {
            return Err("it is written like upload=503x10".to_owned());
        };
        let place = Place::read(place.trim())?;
        let (kind, params) = rest.split_once(':').unwrap_or((rest, ""));
        let (kind, amount) = amount(kind.trim())?;
        let mut params = Params::read(params)?;
        let after = params.take("after", number)?;
        let lasts = params.take("for", duration)?;
        let kind = kinds::read(kind, &mut params, lasts)?;
        params.all_taken()?;
        match &kind.what {
            What::Away(_) if place.parts().is_empty() => {
                return Err("only whole parts can be away: cdn, origin or all".to_owned());
            }
            What::Lag(_) if !place.has("list") || place.path.is_some() => {
                return Err("only the list lags: list, cdn or all".to_owned());
            }
            What::Away(_) | What::Lag(_) | What::Nothing if amount.is_some() => {
                return Err("this happens once, or not".to_owned());
            }
            What::Lag(_) | What::Nothing if after.is_some() || lasts.is_some() => {
                return Err("this happens now, and stays".to_owned());
            }
            _ => {}
        }
        let all = CDN_OPERATIONS.iter().chain(&ORIGIN_OPERATIONS);
        if !all.into_iter().any(|op| place.has(op) && (kind.befalls)(op)) {
            return Err(format!("that never happens to `{}`", place.name));
        }
        Ok(Self {
            place,
            what: kind.what,
            befalls: kind.befalls,
            amount: amount.unwrap_or(Amount::Always),
            after: after.unwrap_or(0),
            lasts,
            text: text.to_owned(),
        })
    }

    /// Whether a request could get it.
    pub(super) fn is_for(&self, op: &str, path: &str) -> bool {
        let is_whole =
            matches!(self.what, What::Away(_)) && self.place.name == "origin" && op == "origin_head";
        (self.place.has(op) || is_whole) && self.place.has_path(path) && (self.befalls)(op)
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn what(&self) -> &What {
        &self.what
    }

    pub(super) fn amount(&self) -> &Amount {
        &self.amount
    }

    /// Requests that pass before the first that may get it.
    pub(super) fn after(&self) -> u64 {
        self.after
    }

    /// How long it lasts, counted from its beginning.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.lasts
    }
}

impl FromStr for Order {
    type Err = NotAnOrder;

    fn from_str(text: &str) -> Result<Self, NotAnOrder> {
        let text = text.trim();
        Self::read(text).map_err(|why| NotAnOrder { text: text.to_owned(), why })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes the `x10` or `x30%` off a kind. A kind's own name may hold an x, but none followed by a digit.
fn amount(kind: &str) -> Result<(&str, Option<Amount>), String> {
    let Some((name, times)) =
        kind.rsplit_once('x').filter(|(_, times)| times.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return Ok((kind, None));
    };
    let amount =
        Amount::read(times).ok_or_else(|| format!("`x{times}` is neither like x10 nor like x30%"))?;
    Ok((name.trim(), Some(amount)))
}

/// What stands behind the kind.
pub(super) struct Params<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Params<'a> {
    /// An address or a sentence may hold anything, and so takes all that is left.
    fn read(text: &'a str) -> Result<Self, String> {
        let (mut all, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let is_last = rest.starts_with("to=") || rest.starts_with("message=");
            let (one, further) = rest.split_once(':').filter(|_| !is_last).unwrap_or((rest, ""));
            let (name, value) = one.split_once('=').ok_or_else(|| format!("`{one}` is not like after=5"))?;
            all.push((name.trim(), value.trim()));
            rest = further;
        }
        Ok(Self(all))
    }

    /// A parameter's value, if it is there.
    pub(super) fn take<T>(&mut self, name: &str, read: fn(&str) -> Option<T>) -> Result<Option<T>, String> {
        let Some(at) = self.0.iter().position(|(named, _)| *named == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        read(value).map(Some).ok_or_else(|| format!("`{value}` is no {name}"))
    }

    fn all_taken(&self) -> Result<(), String> {
        match self.0.first() {
            Some((name, _)) => Err(format!("`{name}` means nothing here")),
            None => Ok(()),
        }
    }
}

pub(super) fn number<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok()
}

pub(super) fn words(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// `20s`, `1500ms`, or bare milliseconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number = number.parse().ok()?;
    match unit {
        "" | "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}
