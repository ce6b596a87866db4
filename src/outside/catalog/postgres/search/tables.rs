//! Which tables of a PostgreSQL database hold texts, and how each of them is read.
//!
//! Rows are read as somebody wrote them: no function of anybody's runs for it. A view that uses functions which are not the
//! server's own, or which may do more than answer, is not read, and columns are turned into text by their types' output, not by casts.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};

use super::super::trouble::{answered, trouble};
use crate::outside::Trouble;
use crate::outside::catalog::search::{Table, Texts, Unread};

/// A view's tree, `ev_action`, tells which of the server's own functions it runs, and whether it makes any value: an entry
/// that is no plain column of what it is made of, or rows out of something that is no table. No dependency tells of the
/// server's own tables, so these are taken out of the tree too. Row-level security below a view is that of the view's owner.
const RELATIONS: &str = r"
SELECT c.oid::int8, quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname || '.' || c.relname,
       c.relkind::text, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       row_security_active(c.oid), coalesce(m.amname = 'heap', false), c.relispopulated,
       c.reltuples::float8, coalesce(pg_relation_filenode(c.oid), 0)::int8,
       coalesce(c.oid = to_regclass('venues'), false),
       ARRAY(SELECT i.inhparent::int8 FROM pg_inherits i WHERE i.inhrelid = c.oid),
       ARRAY(SELECT quote_ident(a.attname) FROM pg_index x
             JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
             WHERE x.indrelid = c.oid AND x.indisprimary
               AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') ORDER BY a.attnum),
       ARRAY(SELECT DISTINCT d.refobjid::int8 FROM pg_rewrite r
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             JOIN pg_class b ON b.oid = d.refobjid
             WHERE c.relkind = 'v' AND r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid <> c.oid
             UNION SELECT f[1]::int8 FROM pg_rewrite r
             CROSS JOIN regexp_matches(r.ev_action::text, ':relid ([0-9]+)', 'g') f
             WHERE c.relkind = 'v' AND r.ev_class = c.oid AND f[1]::int8 BETWEEN 1 AND 16383),
       EXISTS (SELECT FROM pg_rewrite r
               JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
               WHERE c.relkind = 'v' AND r.ev_class = c.oid AND d.refobjid >= 16384
                 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass))
       OR EXISTS (SELECT FROM pg_rewrite r
               CROSS JOIN regexp_matches(r.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') f
               JOIN pg_proc p ON p.oid = f[1]::oid
               WHERE c.relkind = 'v' AND r.ev_class = c.oid
                 AND (p.provolatile = 'v' OR p.proname LIKE '%to\_xml%')),
       EXISTS (SELECT FROM pg_rewrite r
               WHERE c.relkind = 'v' AND r.ev_class = c.oid
                 AND (r.ev_action::text ~ '\{TARGETENTRY :expr \{(?!VAR )'
                      OR r.ev_action::text ~ ':rtekind [^0126]')),
       ARRAY(SELECT DISTINCT b.oid::int8 FROM pg_rewrite r
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             JOIN pg_class b ON b.oid = d.refobjid
             JOIN pg_roles o ON o.oid = c.relowner
             WHERE c.relkind = 'v' AND r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass
               AND b.relrowsecurity AND NOT (o.rolsuper OR o.rolbypassrls)
               AND (b.relforcerowsecurity OR NOT pg_has_role(c.relowner, b.relowner, 'USAGE')))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am m ON m.oid = c.relam
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE c.relkind = 'v' AND e.classid = 'pg_class'::regclass
                  AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 2";

/// The columns whose type is a text, a list of texts (enum) or bytes, or holds one: domains, arrays, ranges and rows are
/// looked into.
const COLUMNS: &str = "
WITH RECURSIVE part (root, type) AS (
    SELECT DISTINCT a.atttypid, a.atttypid FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm', 'f', 'v')
    UNION
    SELECT p.root, within.type FROM part p
    JOIN pg_type t ON t.oid = p.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
        UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
        UNION ALL SELECT f.atttypid FROM pg_attribute f
                  WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
    ) within (type)
)
SELECT a.attrelid::int8, a.attnum::int4, quote_ident(a.attname),
       NOT EXISTS (SELECT FROM part p JOIN pg_type t ON t.oid = p.type
                   WHERE p.root = a.atttypid AND (t.typcategory IN ('S', 'E') OR t.typname IN ('json', 'jsonb', 'xml', 'hstore', 'tsvector', 'tsquery', 'jsonpath', 'ltree'))),
       has_schema_privilege(c.relnamespace, 'USAGE') AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm', 'f', 'v')
  AND a.atttypid IN (SELECT p.root FROM part p JOIN pg_type t ON t.oid = p.type
                     WHERE t.typcategory IN ('S', 'E')
                           OR t.typname IN ('json', 'jsonb', 'xml', 'hstore', 'tsvector', 'tsquery', 'jsonpath', 'ltree', 'bytea'))
ORDER BY 1, 2";

/// A table or something like it.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    pub(super) oid: i64,
    /// As SQL writes it, with its schema.
    pub(super) name: String,
    plain_name: String,
    kind: String,
    may_read_whole: bool,
    is_guarded: bool,
    is_heap: bool,
    is_populated: bool,
    pub(super) rows: f64,
    pub(super) filenode: i64,
    pub(super) is_venues: bool,
    parents: Vec<i64>,
    pub(super) key: Vec<String>,
    /// What a view is made of.
    over: Vec<i64>,
    /// Those of them of which row-level security may hide rows from the view's owner.
    hidden: Vec<i64>,
    /// Whether a view runs functions that are not the server's own.
    runs_functions: bool,
    /// Whether a view shows values that it makes: they stand in no table.
    makes_values: bool,
    /// Columns of bytes, which nobody can tell the meaning of.
    bytes: Vec<String>,
    /// Number and name of each column that holds text, and whether it may be read.
    columns: Vec<(i32, String, bool)>,
}

/// How a table is read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) of: Relation,
    /// Number and name of each column.
    pub(super) columns: Vec<(i32, String)>,
    /// Whether it is read with its children, as some of them cannot be read by themselves.
    pub(super) with_children: bool,
    /// Whether it has blocks that can be read one after the other.
    pub(super) has_blocks: bool,
}

/// Reads which tables there are, and decides how each is read.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn list(
    tx: &mut Transaction<'static, Postgres>,
    skip: &[String],
) -> Result<(Vec<Reading>, Texts), Trouble> {
    let rows = answered(sqlx::query(RELATIONS).persistent(false).fetch_all(&mut **tx)).await?;
    let mut relations = rows.iter().map(relation).collect::<Result<Vec<_>, _>>().map_err(trouble)?;
    let rows = answered(sqlx::query(COLUMNS).persistent(false).fetch_all(&mut **tx)).await?;
    let (mut columns, mut bytes) = (HashMap::<i64, Vec<(i32, String, bool)>>::new(), HashMap::new());
    for row in rows {
        let of: i64 = row.try_get(0).map_err(trouble)?;
        let column = (|| Ok((row.try_get(1)?, row.try_get(2)?, row.try_get(4)?)))().map_err(trouble)?;
        let kind = if row.try_get(3).map_err(trouble)? { &mut bytes } else { &mut columns };
        kind.entry(of).or_default().push(column);
    }
    for relation in &mut relations {
        relation.columns = columns.remove(&relation.oid).unwrap_or_default();
        let of_bytes = bytes.remove(&relation.oid).unwrap_or_default();
        relation.bytes = of_bytes.into_iter().map(|(_, name, _)| name).collect();
    }
    let server = "SELECT quote_ident(current_user), pg_is_in_recovery()";
    let server = answered(sqlx::query(server).persistent(false).fetch_one(&mut **tx)).await?;
    let (role, is_standby) = (server.try_get(0).map_err(trouble)?, server.try_get(1).map_err(trouble)?);
    let (readings, texts) = Deciding::new(&relations, skip).decide();
    Ok((readings, Texts { role: Some(role), is_standby, ..texts }))
}

fn relation(row: &PgRow) -> sqlx::Result<Relation> {
    Ok(Relation {
        oid: row.try_get(0)?,
        name: row.try_get(1)?,
        plain_name: row.try_get(2)?,
        kind: row.try_get(3)?,
        may_read_whole: row.try_get(4)?,
        is_guarded: row.try_get(5)?,
        is_heap: row.try_get(6)?,
        is_populated: row.try_get(7)?,
        rows: row.try_get(8)?,
        filenode: row.try_get(9)?,
        is_venues: row.try_get(10)?,
        parents: row.try_get(11)?,
        key: row.try_get(12)?,
        over: row.try_get(13)?,
        runs_functions: row.try_get(14)?,
        makes_values: row.try_get(15)?,
        hidden: row.try_get(16)?,
        bytes: Vec::new(),
        columns: Vec::new(),
    })
}

impl Relation {
    fn is_view(&self) -> bool {
        self.kind == "v"
    }

    /// Whether reading it by itself shows all of its texts.
    fn is_open(&self) -> bool {
        self.columns.iter().all(|(.., may_read)| *may_read) && !self.is_guarded
    }
}

/// What is decided about each table follows from what is about others.
struct Deciding<'a> {
    all: HashMap<i64, &'a Relation>,
    order: &'a [Relation],
    children: HashMap<i64, Vec<i64>>,
    skipped: HashSet<i64>,
    texts: Texts,
}

impl<'a> Deciding<'a> {
    fn new(relations: &'a [Relation], skip: &[String]) -> Self {
        let mut children: HashMap<i64, Vec<i64>> = HashMap::new();
        for relation in relations {
            for parent in &relation.parents {
                children.entry(*parent).or_default().push(relation.oid);
            }
        }
        let all = relations.iter().map(|relation| (relation.oid, relation)).collect();
        let mut deciding =
            Self { all, order: relations, children, skipped: HashSet::new(), texts: Texts::default() };
        skip.iter().for_each(|name| deciding.skip(name));
        deciding
    }

    fn skip(&mut self, name: &str) {
        let named: Vec<&Relation> = self
            .order
            .iter()
            .filter(|relation| relation.name == name || relation.plain_name == name)
            .collect();
        let wrong = match named[..] {
            [] => format!("there is no table {name}; its name is written SCHEMA.TABLE"),
            [one] => {
                let with_children = self.below(one.oid);
                if with_children.iter().any(|oid| self.all[oid].is_venues) {
                    "venues cannot be left out".to_owned()
                } else {
                    self.texts.skipped.push(one.name.clone());
                    return self.skipped.extend(with_children);
                }
            }
            _ => format!("{name} names several tables; write one of them with its quotes"),
        };
        self.texts.wrong_skips.push(wrong);
    }

    /// A table and all that is below it.
    fn below(&self, oid: i64) -> HashSet<i64> {
        let (mut below, mut next) = (HashSet::new(), vec![oid]);
        while let Some(oid) = next.pop() {
            if below.insert(oid) {
                next.extend(self.children.get(&oid).into_iter().flatten());
            }
        }
        below
    }

    /// Whether some table below can be read by way of this one alone.
    fn reads_children(&self, relation: &Relation) -> bool {
        let below = self.below(relation.oid).into_iter().filter(|oid| *oid != relation.oid);
        below.filter(|oid| !self.skipped.contains(oid)).any(|oid| !self.all[&oid].is_open())
    }

    /// The columns of a table that are read by way of one above it.
    fn covered(&self, relation: &Relation) -> HashSet<&'a str> {
        let (mut above, mut next) = (HashSet::new(), relation.parents.clone());
        let mut covered = HashSet::new();
        while let Some(parent) = next.pop() {
            let Some(parent) = self.all.get(&parent).filter(|parent| above.insert(parent.oid)) else {
                continue;
            };
            next.extend(&parent.parents);
            if !self.skipped.contains(&parent.oid) && self.reads_children(parent) {
                let read = parent.columns.iter().filter(|(.., may_read)| *may_read);
                covered.extend(read.map(|(_, name, _)| name.as_str()));
            }
        }
        covered
    }

    /// Whether a view shows nothing that is not looked at where it lies.
    fn is_shown_elsewhere(&self, view: &Relation) -> bool {
        if view.runs_functions || (view.makes_values && !self.is_over_skipped(view)) {
            return false;
        }
        // What is made of nothing, or of the server's own tables, stands nowhere else.
        !view.over.is_empty()
            && view.over.iter().all(|oid| match self.all.get(oid) {
                // What a view below makes is looked at in that view, or named there.
                Some(below) if below.is_view() => self.is_shown_elsewhere(below) || below.is_open(),
                Some(below) => {
                    self.skipped.contains(oid) || below.is_open() || !self.covered(below).is_empty()
                }
                None => false,
            })
    }

    /// Whether a view is made of nothing but tables that are left out.
    fn is_over_skipped(&self, view: &Relation) -> bool {
        let is_out = |oid: &i64| match self.all.get(oid) {
            Some(below) if below.is_view() => self.skipped.contains(oid) || self.is_over_skipped(below),
            _ => self.skipped.contains(oid),
        };
        !view.over.is_empty() && view.over.iter().all(is_out)
    }

    /// Whether there are rows to be read: a view over a materialized view without any fails.
    fn is_populated(&self, relation: &Relation) -> bool {
        let below = relation.over.iter().filter_map(|oid| self.all.get(oid));
        relation.is_populated && below.into_iter().all(|below| self.is_populated(below))
    }

    /// The columns of bytes that no table above has, with which they are named.
    fn own_bytes(&self, relation: &Relation) -> Vec<String> {
        let above: Vec<_> = relation.parents.iter().filter_map(|oid| self.all.get(oid)).collect();
        let is_own = |name: &&String| !above.iter().any(|parent| parent.bytes.contains(name));
        relation.bytes.iter().filter(is_own).cloned().collect()
    }

    fn runs_functions(&self, view: &Relation) -> bool {
        let below = view.over.iter().filter_map(|oid| self.all.get(oid));
        view.runs_functions || below.filter(|below| below.is_view()).any(|below| self.runs_functions(below))
    }

    /// Whether row-level security may hide rows of a table, or of one below a view that is not left out.
    fn is_guarded(&self, relation: &Relation) -> bool {
        let below = relation.over.iter().filter(|oid| !self.skipped.contains(oid));
        let may_hide = |oid: &i64| {
            relation.hidden.contains(oid) || self.all.get(oid).is_some_and(|below| self.is_guarded(below))
        };
        relation.is_guarded || below.into_iter().any(may_hide)
    }

    fn decide(mut self) -> (Vec<Reading>, Texts) {
        let mut readings = Vec::new();
        for relation in self.order {
            let is_skipped = self.skipped.contains(&relation.oid);
            let bytes = self.own_bytes(relation);
            if !bytes.is_empty() && !relation.is_view() && !is_skipped {
                self.texts.unread.push(Unread {
                    table: relation.name.clone(),
                    columns: bytes,
                    why: "bytes are not looked at".to_owned(),
                });
            }
            let is_idle = relation.columns.is_empty() || !self.is_populated(relation);
            if is_idle || is_skipped {
                continue;
            }
            if relation.is_view() && self.is_shown_elsewhere(relation) {
                continue;
            }
            let covered = self.covered(relation);
            let columns = relation.columns.iter().filter(|(_, name, _)| !covered.contains(name.as_str()));
            let (read, unread): (Vec<_>, Vec<_>) = columns.cloned().partition(|(.., may_read)| *may_read);
            let runs_functions = relation.is_view() && self.runs_functions(relation);
            let (read, unread) =
                if runs_functions { (vec![], [read, unread].concat()) } else { (read, unread) };
            if !unread.is_empty() {
                let why = match runs_functions {
                    true => "this view runs functions",
                    false => "this role may not read it",
                };
                self.texts.unread.push(Unread {
                    table: relation.name.clone(),
                    columns: unread.into_iter().map(|(_, name, _)| name).collect(),
                    why: why.to_owned(),
                });
            }
            let with_children = self.reads_children(relation);
            // A partitioned table has no rows but those of its partitions.
            if read.is_empty() || (relation.kind == "p" && !with_children) {
                continue;
            }
            if self.is_guarded(relation) {
                self.texts.guarded.push(relation.name.clone());
            }
            let has_blocks = relation.is_heap && relation.may_read_whole && !with_children;
            let columns: Vec<_> = read.into_iter().map(|(number, name, _)| (number, name)).collect();
            self.texts.tables.push(Table {
                table: relation.name.clone(),
                columns: columns.iter().map(|(_, name)| name.clone()).collect(),
                rows: None,
                is_estimate: false,
            });
            readings.push(Reading { of: relation.clone(), columns, with_children, has_blocks });
        }
        (readings, self.texts)
    }
}
