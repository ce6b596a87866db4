//! A JSON array as slices of its own text.

use std::ops::Range;

use serde_json::value::RawValue;

/// The text is not a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a JSON array")]
pub struct NotAnArray;

/// An array's text and where in it the elements lie.
#[derive(Debug)]
pub struct Array<'a> {
    text: &'a str,
    spans: Vec<Range<usize>>,
}

impl<'a> Array<'a> {
    /// Finds the elements. Nothing inside them is looked at beyond where they end.
    ///
    /// # Errors
    /// When the text is not a JSON array.
    pub fn parse(text: &'a str) -> Result<Self, NotAnArray> {
        let raw: Vec<&'a RawValue> = serde_json::from_str(text).map_err(|_| NotAnArray)?;
        let start = text.as_ptr() as usize;
        let span = |raw: &RawValue| {
            let from = raw.get().as_ptr() as usize - start;
            from..from + raw.get().len()
        };
        Ok(Self { text, spans: raw.into_iter().map(span).collect() })
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The elements in order, each in its own text.
    pub fn elements(&self) -> impl Iterator<Item = &'a str> {
        self.spans.iter().map(|span| &self.text[span.clone()])
    }

    /// The element at a place.
    pub fn get(&self, place: usize) -> Option<&'a str> {
        self.spans.get(place).map(|span| &self.text[span.clone()])
    }

    /// The whole text with some elements replaced: `with` gives the new text of a place, or leaves it.
    pub fn replace<'b>(&self, with: impl Fn(usize) -> Option<&'b str>) -> String {
        let mut out = String::with_capacity(self.text.len() + 256);
        let mut copied = 0;
        for (place, span) in self.spans.iter().enumerate() {
            if let Some(new) = with(place) {
                out.push_str(&self.text[copied..span.start]);
                out.push_str(new);
                copied = span.end;
            }
        }
        out.push_str(&self.text[copied..]);
        out
    }
}

impl Array<'_> {
    /// The whole text with elements appended, each in its own text.
    pub fn append<'b>(&self, new: impl IntoIterator<Item = &'b str>) -> String {
        let end =
            self.spans.last().map_or_else(|| self.text.find('[').map_or(0, |at| at + 1), |span| span.end);
        let mut out = self.text[..end].to_owned();
        for (n, element) in new.into_iter().enumerate() {
            out.push_str(if n == 0 && self.is_empty() { "" } else { ", " });
            out.push_str(element);
        }
        out.push_str(&self.text[end..]);
        out
    }

    /// The whole text with only those elements that are to stay; what stood before a kept one stands there still.
    pub fn retain(&self, is_kept: impl Fn(usize) -> bool) -> String {
        let (Some(first), Some(last)) = (self.spans.first(), self.spans.last()) else {
            return self.text.to_owned();
        };
        let mut out = self.text[..first.start].to_owned();
        let mut is_empty = true;
        for (place, span) in self.spans.iter().enumerate().filter(|(place, _)| is_kept(*place)) {
            let gap = if is_empty { span.start } else { self.spans[place - 1].end };
            out.push_str(&self.text[gap..span.end]);
            is_empty = false;
        }
        out.push_str(&self.text[last.end..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_slices_of_the_text() {
        let text = " [ {\"a\" : 1} ,\n12345678901234567890123, \"\\ud800\" ,[[]] ] ";
        let array = Array::parse(text).unwrap();
        let elements: Vec<_> = array.elements().collect();
        assert_eq!(elements, ["{\"a\" : 1}", "12345678901234567890123", "\"\\ud800\"", "[[]]"]);
        assert_eq!(array.replace(|_| None), text);
        assert_eq!(
            array.replace(|place| (place == 1).then_some("7")),
            text.replace("12345678901234567890123", "7")
        );
    }

    #[test]
    fn appending_and_retaining_leave_all_else() {
        let text = " [ 1 ,2,  3 ]\n";
        let array = Array::parse(text).unwrap();
        assert_eq!(array.append(["4", "5"]), " [ 1 ,2,  3, 4, 5 ]\n");
        assert_eq!(array.retain(|_| true), text);
        assert_eq!(array.retain(|place| place == 0), " [ 1 ]\n");
        assert_eq!(array.retain(|place| place != 1), " [ 1,  3 ]\n");
        assert_eq!(array.retain(|place| place > 1), " [ 3 ]\n");
        assert_eq!(array.retain(|_| false), " [  ]\n");
        for empty in ["[]", "[ ]"] {
            let array = Array::parse(empty).unwrap();
            assert_eq!(array.append(["1", "2"]), empty.replacen('[', "[1, 2", 1));
            assert_eq!(array.append([]), empty);
        }
    }

    #[test]
    fn depth_is_no_matter() {
        let deep = format!("[{}{}]", "[".repeat(3_000), "]".repeat(3_000));
        assert_eq!(Array::parse(&deep).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in ["", "null", "{}", "\"[]\"", "[", "[1,]", "[] x"] {
            assert!(Array::parse(text).is_err(), "{text}");
        }
    }
}
