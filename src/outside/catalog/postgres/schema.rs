//! In which schemas the tables lie: found once, as the server finds them for this role, and pinned in every transaction
//! from then on.
//!
//! A search path is other people's matter in three ways. A schema named like the role comes first without anybody having
//! said so. Behind a pooler, another client's temporary tables and its `SET search_path` are still in the session. And
//! a path may put a schema before the system's own.

use sqlx::PgConnection;

use super::trouble::answered;
use crate::outside::Trouble;
use crate::outside::catalog::inspect::Table;
use crate::outside::catalog::refused;

/// The tables of these names in the schemas of the path, in its order. Temporary ones are nobody's tables.
const TABLES: &str = "
SELECT t.name, s.schema::text, c.relkind::text
FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY t (name, place)
CROSS JOIN pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY s (schema, place)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_temp'
ORDER BY t.place, s.place";

const PATH: &str = "SELECT current_user::text, pg_catalog.current_setting('search_path'), \
     pg_catalog.current_schemas(false)::text[]";

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    /// The tables that are there.
    pub(super) all: Vec<Table>,
    /// The statement that makes the path stand, for each transaction.
    pub(super) pin: String,
}

impl Tables {
    /// Looks for tables, inside a transaction whose search path is the one that is meant.
    ///
    /// # Errors
    /// When the path finds a schema first only because it is named like the role, and another has such a table too;
    /// `has_search_path` says that the URL has spoken. Otherwise those of the server.
    pub(super) async fn find(
        connection: &mut PgConnection,
        names: &[&str],
        has_search_path: bool,
    ) -> Result<Self, Trouble> {
        let path = sqlx::query_as::<_, (String, String, Vec<String>)>(PATH).persistent(false);
        let (user, setting, path) = answered(path.fetch_one(&mut *connection)).await?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let tables = sqlx::query_as::<_, (String, String, String)>(TABLES).bind(names).persistent(false);
        let mut all: Vec<Table> = Vec::new();
        for (table, schema, kind) in answered(tables.fetch_all(&mut *connection)).await? {
            match all.last_mut().filter(|last| last.table == table) {
                Some(last) => last.schemas.push(schema),
                None => all.push(Table { table, schemas: vec![schema], odd: odd(&kind) }),
            }
        }
        let unsaid = |found: &&Table| found.schemas.len() > 1 && found.schemas[0] == user;
        if let Some(found) = all.iter().find(unsaid).filter(|_| !has_search_path && setting.contains("$user"))
        {
            return Err(refused(format!(
                "there is a table {} in the schemas {}, and the first would be taken only because it is named like the \
                 role: write options=-csearch_path%3DNAME into the database URL, with the schema that is meant",
                found.table,
                found.schemas.iter().map(|schema| quoted(schema)).collect::<Vec<_>>().join(" and ")
            )));
        }
        let pin = pin(&all, &path);
        Ok(Self { all, pin })
    }

    /// The schema in which a table lies.
    pub(super) fn schema(&self, table: &str) -> Option<&str> {
        self.all.iter().find(|found| found.table == table).map(|found| found.schemas[0].as_str())
    }

    /// Refuses what is no table: nobody knows what an update of a view, or of another server's table, comes to.
    ///
    /// # Errors
    /// Names the first.
    pub(super) fn are_tables(&self) -> Result<(), Trouble> {
        match self.all.iter().find_map(|found| Some((found, found.odd?))) {
            None => Ok(()),
            Some((Table { table, schemas, .. }, what)) => Err(refused(format!(
                "{table} is a {what} in the schema {}, and an ordinary or partitioned table is needed: name the \
                 database or the schema that has it (options=-csearch_path%3DNAME in the database URL)",
                quoted(&schemas[0])
            ))),
        }
    }
}

/// What a kind is called that is no table.
fn odd(kind: &str) -> Option<&'static str> {
    match kind {
        "v" => Some("view"),
        "m" => Some("materialized view"),
        "f" => Some("foreign table"),
        _ => None,
    }
}

/// The schemas of the tables first, then the path as it was, so that triggers find what they find for the application.
/// The system's own schema is not named, which puts it before all others; temporary tables come last.
fn pin(tables: &[Table], path: &[String]) -> String {
    let mut pinned: Vec<String> = Vec::new();
    let meant = path.iter().filter(|schema| tables.iter().any(|found| found.schemas[0] == **schema));
    for schema in meant.chain(path).filter(|schema| !schema.starts_with("pg_temp") && *schema != "pg_catalog")
    {
        let schema = quoted(schema);
        if !pinned.contains(&schema) {
            pinned.push(schema);
        }
    }
    pinned.push("pg_temp".to_owned());
    format!("SELECT set_config('search_path', '{}', true); ", pinned.join(", ").replace('\'', "''"))
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_the_pinned_path_has_the_tables_first_and_what_is_temporary_last() {
        let found = |table: &str, schema: &str| Table {
            table: table.to_owned(),
            schemas: vec![schema.to_owned()],
            odd: None,
        };
        let path = ["early", "it's \"odd\"", "pg_catalog", "public", "pg_temp_3"].map(str::to_owned);
        assert_eq!(
            pin(&[found("venues", "public"), found("cities", "it's \"odd\"")], &path),
            "SELECT set_config('search_path', '\"it''s \"\"odd\"\"\", \"public\", \"early\", pg_temp', true); "
        );
        assert_eq!(pin(&[], &[]), "SELECT set_config('search_path', 'pg_temp', true); ");
    }
}
