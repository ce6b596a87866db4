//! The page on machine output, read as a program would have to read it, and held against documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A documented key.
struct Row {
    /// Its type, as the page has it.
    kind: String,
    /// The words that its meaning names.
    words: BTreeSet<String>,
}

impl Row {
    /// The section that describes what is in it, if another one does.
    fn shape(&self) -> Option<&str> {
        let (_, link) = self.kind.split_once("](")?;
        Some(link.split_once(')')?.0)
    }

    /// Whether a value, found under a key, is what the page says.
    fn fits(&self, key: &str, value: &Value) -> bool {
        if self.kind.contains("by word") && !self.words.contains(key) {
            return false;
        }
        let first = self.kind.split([' ', ',']).next().unwrap();
        match value {
            _ if self.kind == "any JSON" => true,
            Value::Null => self.kind.contains(" or null"),
            Value::Array(_) => first == "list",
            // A shape may be a text or an object; its own section is held against it.
            _ if self.shape().is_some() => first != "list",
            Value::String(word) if first == "word" => self.words.contains(word),
            Value::String(_) => first == "text",
            Value::Bool(_) => first == "boolean",
            Value::Number(number) => first == "number" && (self.kind.contains("decimal") || !number.is_f64()),
            Value::Object(_) => first == "object",
        }
    }
}

/// The page, and what was seen of it.
pub struct Page {
    /// Rows by section, as a link names it, and key.
    sections: BTreeMap<String, BTreeMap<String, Row>>,
    seen: BTreeSet<(String, String)>,
    wrong: BTreeSet<String>,
}

impl Page {
    /// Reads the page.
    pub fn read(text: &str) -> Self {
        let mut sections: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
        let (mut title, mut are_keys) = (String::new(), false);
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                title = anchor(heading);
            }
            // Other tables are about something else.
            are_keys = line.starts_with('|') && (are_keys || line == "| key | type | meaning |");
            let row = line.strip_prefix("| `").filter(|_| are_keys);
            let Some((key, rest)) = row.and_then(|row| row.split_once("` | ")) else { continue };
            let (kind, meaning) = rest.split_once(" | ").unwrap();
            let words = meaning.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let row = Row { kind: kind.to_owned(), words };
            let others = sections.entry(title.clone()).or_default();
            assert!(others.insert(key.to_owned(), row).is_none(), "{title} has {key} twice");
        }
        assert!(sections.len() > 20, "the page was not understood");
        Self { sections, seen: BTreeSet::new(), wrong: BTreeSet::new() }
    }

    /// Holds a document against a section.
    pub fn take(&mut self, title: &str, document: &Value) {
        self.walk(&anchor(title), "", document);
    }

    fn walk(&mut self, section: &str, at: &str, value: &Value) {
        match value {
            Value::Array(elements) => {
                let at = format!("{at}[]");
                elements.iter().for_each(|element| self.walk(section, &at, element));
            }
            Value::Object(members) => {
                members.iter().for_each(|(key, value)| self.key(section, at, key, value))
            }
            _ => {}
        }
    }

    fn key(&mut self, section: &str, at: &str, key: &str, value: &Value) {
        let path = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        let any = path("*");
        let Some(rows) = self.sections.get(section) else {
            self.wrong.insert(format!("there is no section {section}"));
            return;
        };
        let path = if rows.contains_key(&any) { any } else { path(key) };
        match rows.get(&path) {
            Some(row) => {
                if !row.fits(key, value) {
                    self.wrong.insert(format!("{section}: {path} is no {}: {key} {value}", row.kind));
                }
                self.seen.insert((section.to_owned(), path.clone()));
                match row.shape().map(str::to_owned) {
                    _ if row.kind == "any JSON" => {}
                    // Another page's matter, which another test holds.
                    Some(shape) if shape.contains(".md") => {}
                    Some(shape) => self.shape(shape.trim_start_matches('#'), value),
                    None => self.walk(section, &path, value),
                }
            }
            // A map needs no row but that of its elements, and neither does what lies around one.
            None if rows.keys().any(|known| known.starts_with(&format!("{path}.*"))) && value.is_object() => {
                self.walk(section, &path, value);
            }
            None => drop(self.wrong.insert(format!("{section}: {path} is not documented"))),
        }
    }

    /// What a row leaves to a shape's section: one, or a list of them.
    fn shape(&mut self, shape: &str, value: &Value) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|element| self.walk(shape, "", element)),
            value => self.walk(shape, "", value),
        }
    }

    /// Sees that the page and what was printed are the same.
    #[track_caller]
    pub fn assert_same(mut self) {
        for (section, rows) in &self.sections {
            for key in rows.keys().filter(|key| !self.seen.contains(&(section.clone(), (*key).clone()))) {
                self.wrong.insert(format!("{section}: {key} was never printed"));
            }
        }
        let wrong: Vec<String> = self.wrong.into_iter().collect();
        assert!(wrong.is_empty(), "docs/machine-output.md and the program differ:\n  {}", wrong.join("\n  "));
    }
}

/// A heading as it is linked to.
fn anchor(heading: &str) -> String {
    heading.trim().to_lowercase().replace(' ', "-")
}
