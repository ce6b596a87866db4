//! RFC 6902 patches between two arrays, whose values are the entries' own texts: numbers of forty digits survive.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::images::Array;

/// One operation of a JSON patch.
#[derive(Debug, Serialize)]
pub struct Operation {
    /// `test`, `add`, `replace` or `remove`.
    pub op: &'static str,
    /// A JSON pointer: an entry's index, or nothing for the whole document.
    pub path: String,
    /// The raw text of an entry or of the document; `remove` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Box<RawValue>>,
}

impl Operation {
    fn new(op: &'static str, path: String, value: &str) -> Option<Self> {
        let value = RawValue::from_string(value.to_owned()).ok()?;
        Some(Self { op, path, value: Some(value) })
    }
}

/// What leads from one array to another. SQL NULL is the document `null`. Each entry that is replaced or removed is
/// tested first, so that the patch fits nowhere else. `None` when a text that would have to be in it is not JSON.
pub fn patch(before: Option<&str>, after: Option<&str>) -> Option<Vec<Operation>> {
    if before == after {
        return Some(Vec::new());
    }
    let arrays = (before.map(Array::parse), after.map(Array::parse));
    if let (Some(Ok(before)), Some(Ok(after))) = arrays {
        let (before, after): (Vec<&str>, Vec<&str>) =
            (before.elements().collect(), after.elements().collect());
        return entries(&before, &after);
    }
    let whole = |op, text: Option<&str>| Operation::new(op, String::new(), text.unwrap_or("null"));
    Some(vec![whole("test", before)?, whole("replace", after)?])
}

fn entries(before: &[&str], after: &[&str]) -> Option<Vec<Operation>> {
    let mut patch = Vec::new();
    if let Some(new) = additions(before, after) {
        for place in new {
            patch.push(Operation::new("add", format!("/{place}"), after[place])?);
        }
    } else if let Some(old) = additions(after, before) {
        remove(&mut patch, old, before)?;
    } else {
        for (place, (old, new)) in before.iter().zip(after).enumerate().filter(|(_, (old, new))| old != new) {
            patch.push(Operation::new("test", format!("/{place}"), old)?);
            patch.push(Operation::new("replace", format!("/{place}"), new)?);
        }
        for (place, new) in after.iter().enumerate().skip(before.len()) {
            patch.push(Operation::new("add", format!("/{place}"), new)?);
        }
        remove(&mut patch, (after.len()..before.len()).collect(), before)?;
    }
    Some(patch)
}

/// The last first: the places of the others stay what they are.
fn remove(patch: &mut Vec<Operation>, places: Vec<usize>, before: &[&str]) -> Option<()> {
    for place in places.into_iter().rev() {
        patch.push(Operation::new("test", format!("/{place}"), before[place])?);
        patch.push(Operation { op: "remove", path: format!("/{place}"), value: None });
    }
    Some(())
}

/// The places in `more` of what it has beyond `fewer`; `None` when it is not `fewer` with something put in.
fn additions(fewer: &[&str], more: &[&str]) -> Option<Vec<usize>> {
    let mut rest = fewer.iter().peekable();
    let mut new = Vec::new();
    for (place, element) in more.iter().enumerate() {
        if rest.next_if(|kept| *kept == element).is_none() {
            new.push(place);
        }
    }
    rest.next().is_none().then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(before: Option<&str>, after: Option<&str>) -> String {
        serde_json::to_string(&patch(before, after).unwrap()).unwrap()
    }

    #[test]
    fn c10_a_patch_says_the_least_in_the_entries_own_texts() {
        let long = "1234567890123456789012345678901234567890";
        assert_eq!(said(Some("[1]"), Some("[1]")), "[]");
        assert_eq!(
            said(Some("[1, 2]"), Some(&format!("[1,{long}]"))),
            format!(
                r#"[{{"op":"test","path":"/1","value":2}},{{"op":"replace","path":"/1","value":{long}}}]"#
            )
        );
        assert_eq!(
            said(Some("[1]"), Some(r#"[1, "\ud800", 2]"#)),
            r#"[{"op":"add","path":"/1","value":"\ud800"},{"op":"add","path":"/2","value":2}]"#
        );
        assert_eq!(
            said(Some("[1,2,3]"), Some("[2]")),
            r#"[{"op":"test","path":"/2","value":3},{"op":"remove","path":"/2"},{"op":"test","path":"/0","value":1},{"op":"remove","path":"/0"}]"#
        );
    }

    #[test]
    fn c10_null_is_a_document_of_its_own() {
        assert_eq!(
            said(None, Some("[]")),
            r#"[{"op":"test","path":"","value":null},{"op":"replace","path":"","value":[]}]"#
        );
        assert_eq!(
            said(Some("[1]"), None),
            r#"[{"op":"test","path":"","value":[1]},{"op":"replace","path":"","value":null}]"#
        );
        assert_eq!(said(None, None), "[]");
        assert!(patch(Some("no JSON"), Some("[]")).is_none());
    }

    #[test]
    fn c10_depth_is_no_matter() {
        let deep = format!("[{}{}]", "[".repeat(3_000), "]".repeat(3_000));
        assert!(said(Some("[]"), Some(&deep)).contains(&deep[1..deep.len() - 1]));
    }
}
