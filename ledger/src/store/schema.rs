//! Whether a file's schema is that of a ledger, to the letter.
//!
//! SQLite does what a schema says: with a view in the place of a table, or with a trigger more or less, reading and
//! appending do what somebody else wants. So nothing is read before this.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::private;

/// The schemas that ledgers were made with, the newest first. A ledger keeps its own for ever.
const LANDED: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_1.sql")];

/// What SQLite adds by itself for whoever has it `ANALYZE` the file, or once made a table with AUTOINCREMENT there.
const OF_SQLITE: &str = "
CREATE TABLE sqlite_stat1(tbl,idx,stat);
CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample);
CREATE TABLE sqlite_sequence(name,seq);";

/// Objects that are looked at: twice what a ledger has.
pub(super) const OBJECTS_MAX: usize = 32;
/// Differences that are told one by one.
const TOLD_MAX: usize = 3;
/// Characters of the file's own words that a message repeats.
const CHARS_MAX: usize = 80;

/// One row of `sqlite_schema`, without the page where its content begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

impl Object {
    fn is_named_like(&self, other: &Self) -> bool {
        (&self.kind, &self.name) == (&other.kind, &other.name)
    }

    fn told(&self) -> String {
        match self.kind.as_str() {
            kind @ ("table" | "view" | "index" | "trigger") => format!("the {kind} {}", shown(&self.name)),
            kind => format!("the object {} of the kind {}", shown(&self.name), shown(kind)),
        }
    }
}

/// What is different from a ledger's schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// For people.
    pub(super) told: String,
    /// The statements that take it away; none where nothing does.
    pub(super) drops: Vec<String>,
}

impl Difference {
    /// One that nothing takes away.
    pub(super) fn lasting(told: String) -> Self {
        Self { told, drops: Vec::new() }
    }
}

/// What is different from every ledger's schema; `None` where it is one.
///
/// # Errors
/// When SQLite cannot read the schema.
pub(super) fn difference(connection: &Connection) -> rusqlite::Result<Option<Difference>> {
    let rows = "SELECT type, name, tbl_name, sql, rootpage FROM main.sqlite_schema LIMIT ?1";
    let mut rows = connection.prepare(rows)?;
    let mut rows = rows.query([OBJECTS_MAX as i64 + 1])?;
    let (mut found, mut pages, mut misplaced) = (Vec::new(), Vec::new(), None);
    while let Some(row) = rows.next()? {
        let text = |column| match row.get_ref(column)? {
            ValueRef::Text(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            other => Ok::<_, rusqlite::Error>(format!("({})", other.data_type())),
        };
        let object = Object { kind: text(0)?, name: text(1)?, table: text(2)?, sql: text(3)? };
        // A table has a place in the file, one of its own, and nothing else of a ledger has one.
        let page = match row.get_ref(4)? {
            ValueRef::Integer(page) => page,
            _ => -1,
        };
        let is_sound = match object.kind.as_str() {
            "table" => page > 1 && !pages.contains(&page),
            _ => page == 0,
        };
        if !is_sound {
            misplaced = Some(format!("{} begins at page {page}, where it cannot be", object.told()));
        }
        pages.push(page);
        found.push(object);
    }
    if found.len() > OBJECTS_MAX {
        let told = format!("it has more than {OBJECTS_MAX} tables, views, indexes and triggers");
        return Ok(Some(Difference::lasting(told)));
    }
    let of_sqlite = objects(OF_SQLITE);
    found.retain(|object| !of_sqlite.contains(object));
    let nearest = LANDED.map(objects).map(|landed| (differences(&found, &landed), landed));
    let nearest = nearest.into_iter().min_by_key(|(differences, _)| differences.len());
    let Some((nearest, landed)) = nearest.filter(|(nearest, _)| !nearest.is_empty()) else {
        return Ok(misplaced.map(Difference::lasting));
    };
    let added: Vec<_> =
        found.iter().filter(|object| !landed.iter().any(|landed| landed.is_named_like(object))).collect();
    let drops = match added.len() == nearest.len() && misplaced.is_none() {
        true => drops(&added),
        false => Vec::new(),
    };
    let mut told = nearest[..nearest.len().min(TOLD_MAX)].join("; ");
    if nearest.len() > TOLD_MAX {
        told.push_str(&format!("; and {} more", nearest.len() - TOLD_MAX));
    }
    Ok(Some(Difference { told, drops }))
}

/// The statements that take away what was added; none where a part of it cannot be named in one line, or not be dropped.
fn drops(added: &[&Object]) -> Vec<String> {
    let holds = |object: &&Object| ["table", "view"].contains(&object.kind.as_str());
    // What belongs to a table or a view goes with it.
    let goes_along = |object: &Object| {
        !holds(&object) && added.iter().any(|other| holds(other) && other.name == object.table)
    };
    let statement = |object: &&Object| {
        let name = &object.name;
        let is_known = ["table", "view", "index", "trigger"].contains(&object.kind.as_str());
        let is_one_line = name.chars().count() <= CHARS_MAX && name.chars().all(private::is_plain);
        let is_sqlites = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
        (is_known && is_one_line && !is_sqlites)
            .then(|| format!("DROP {} \"{}\"", object.kind.to_uppercase(), name.replace('"', "\"\"")))
    };
    let all: Option<Vec<_>> = added.iter().filter(|object| !goes_along(object)).map(statement).collect();
    all.unwrap_or_default()
}

fn differences(found: &[Object], landed: &[Object]) -> Vec<String> {
    let mut all = Vec::new();
    for (index, object) in found.iter().enumerate() {
        match landed.iter().find(|landed| landed.is_named_like(object)) {
            Some(_) if found[..index].iter().any(|before| before.is_named_like(object)) => {
                all.push(format!("{} is there twice", object.told()));
            }
            Some(landed) if landed == object => {}
            Some(landed) if landed.sql == object.sql => {
                all.push(format!("{} belongs to {}", object.told(), shown(&object.table)));
            }
            Some(landed) => {
                all.push(format!("{} reads {}", object.told(), otherwise(&object.sql, &landed.sql)))
            }
            None => all.push(format!("{} is no part of a ledger", object.told())),
        }
    }
    let missing = landed.iter().filter(|landed| !found.iter().any(|object| object.is_named_like(landed)));
    all.extend(missing.map(|missing| format!("{} is missing", missing.told())));
    all
}

/// From where on a text is another one, with a little before.
fn otherwise(found: &str, landed: &str) -> String {
    let same = found.chars().zip(landed.chars()).take_while(|(found, landed)| found == landed).count();
    let from = same.saturating_sub(CHARS_MAX / 3);
    let part = |text: &str| shown(&text.chars().skip(from).take(CHARS_MAX).collect::<String>());
    format!("{} where a ledger has {}", part(found), part(landed))
}

/// Somebody else's words: one line, of a bounded length, with nothing in it that a terminal obeys.
pub(super) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let part: String = chars.by_ref().take(CHARS_MAX).collect();
    format!("{part:?}{}", if chars.next().is_some() { "…" } else { "" })
}

/// The statements of a script as SQLite keeps them: without the comments between, and without the last semicolon. Each
/// begins a line, and no other line begins with `CREATE` or with a comment.
fn objects(script: &str) -> Vec<Object> {
    let statements = script.split("\nCREATE ").map(|part| part.strip_prefix("CREATE ").unwrap_or(part));
    let statements = statements.filter(|part| !part.is_empty()).map(|part| {
        let sql = part.split("\n--").next().unwrap_or(part);
        format!("CREATE {}", sql.trim_end().trim_end_matches(';'))
    });
    let word = |sql: &str, index| -> String {
        let mut words = sql.split([' ', '\n', '(']).filter(|word| !word.is_empty());
        words.nth(index).unwrap_or_default().to_owned()
    };
    let object = |sql: String| {
        let (kind, name) = (word(&sql, 1).to_lowercase(), word(&sql, 2));
        let table = match kind.as_str() {
            // CREATE TRIGGER name BEFORE what ON table
            "trigger" => word(&sql, 6),
            _ => name.clone(),
        };
        Object { kind, name, table, sql }
    };
    statements.map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_the_scripts_are_read_as_sqlite_keeps_them() {
        for script in LANDED {
            let made = Connection::open_in_memory().unwrap();
            made.execute_batch(script).unwrap();
            assert_eq!(difference(&made).unwrap(), None);
            let mut rows = made.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").unwrap();
            let rows = rows.query_map([], |row| {
                Ok(Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
            });
            assert_eq!(objects(script), rows.unwrap().map(Result::unwrap).collect::<Vec<_>>());
        }
    }

    #[test]
    fn e7_words_of_the_file_are_bounded_and_obeyed_by_no_terminal() {
        assert_eq!(shown("event"), "\"event\"");
        assert_eq!(shown("a\u{1b}[2J\n\u{202e}b"), "\"a\\u{1b}[2J\\n\\u{202e}b\"");
        assert_eq!(shown(&"x".repeat(1_000_000)).chars().count(), CHARS_MAX + 3);
    }
}
