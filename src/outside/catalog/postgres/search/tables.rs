//! Which tables of a PostgreSQL database hold texts, and how each of them is read.
//!
//! Rows are read as somebody wrote them: no function of anybody's runs for it. A view that uses functions which are not the
//! server's own, or which may do more than answer, is not read, and columns are turned into text by their types' output, not by casts.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};

use super::super::trouble::{answered, trouble};
use crate::outside::Trouble;
use crate::outside::catalog::search::{Table, Texts, Unread};

/// A view's tree, `ev_action`, tells which of the server's own functions it runs, and whether it makes any value: an entry
/// that is no plain column of what it is made of, or rows out of something that is no table. No dependency tells of the
/// server's own tables, so these are taken out of the tree too. Other rules of a view, on writing, show nothing of it. Row-level
/// security below a view is that of the view's owner, but for one with `security_invoker`, which shows what whoever looks may
/// see, also by way of another view.
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
             WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1' AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid <> c.oid
             UNION SELECT f[1]::int8 FROM pg_rewrite r
             CROSS JOIN regexp_matches(r.ev_action::text, ':relid ([0-9]+)', 'g') f
             WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1' AND f[1]::int8 BETWEEN 1 AND 16383),
       EXISTS (SELECT FROM pg_rewrite r
               JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
               WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1' AND d.refobjid >= 16384
                 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass))
       OR EXISTS (SELECT FROM pg_rewrite r
               CROSS JOIN regexp_matches(r.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') f
               JOIN pg_proc p ON p.oid = f[1]::oid
               WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1'
                 AND (p.provolatile = 'v' OR p.proname LIKE '%to\_xml%')),
       EXISTS (SELECT FROM pg_rewrite r
               WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1'
                 AND (r.ev_action::text ~ '\{TARGETENTRY :expr \{(?!VAR )'
                      OR r.ev_action::text ~ ':rtekind [^0126]')),
       ARRAY(SELECT DISTINCT b.oid::int8 FROM pg_rewrite r
             JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             JOIN pg_class b ON b.oid = d.refobjid
             JOIN pg_roles o ON o.oid = c.relowner
             WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1' AND d.refclassid = 'pg_class'::regclass
               AND b.relrowsecurity AND NOT (o.rolsuper OR o.rolbypassrls)
               AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions) s
                               WHERE s.option_name = 'security_invoker' AND s.option_value::bool)
               AND (b.relforcerowsecurity OR NOT pg_has_role(c.relowner, b.relowner, 'USAGE'))),
       quote_ident(pg_get_userbyid(c.relowner))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am m ON m.oid = c.relam
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE c.relkind = 'v' AND e.classid = 'pg_class'::regclass
                  AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 2";

/// The columns whose type holds text or bytes: domains, arrays, ranges and rows are looked into. A type that somebody made may
/// hold text; the server's own do but for those named here, of numbers, moments, shapes, addresses and places.
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
), root (type, has_text, has_bytes) AS (
    SELECT p.root,
           bool_or(t.typtype = 'e' OR t.typtype = 'b' AND t.oid <> 'bytea'::regtype
                   AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
                   AND (t.oid >= 16384
                        OR t.typcategory NOT IN ('A', 'B', 'D', 'G', 'I', 'N', 'T', 'V')
                           AND t.typname NOT IN ('uuid', 'pg_lsn', 'xid', 'xid8', 'cid', 'tid', 'macaddr', 'macaddr8',
                                                 'txid_snapshot', 'pg_snapshot', 'aclitem', 'char'))),
           bool_or(t.oid = 'bytea'::regtype)
    FROM part p JOIN pg_type t ON t.oid = p.type GROUP BY p.root
)
SELECT a.attrelid::int8, a.attnum::int4, quote_ident(a.attname), r.has_text, r.has_bytes,
       has_schema_privilege(c.relnamespace, 'USAGE') AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN root r ON r.type = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm', 'f', 'v') AND (r.has_text OR r.has_bytes)
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
    /// The role that owns it, as SQL writes it.
    owner: String,
    /// Whether a view runs functions that are not the server's own.
    runs_functions: bool,
    /// Whether a view shows values that it makes: they stand in no table.
    makes_values: bool,
    /// Columns that hold bytes, which nobody can tell the meaning of. They may hold text, too.
    bytes: Vec<String>,
    columns: Vec<Column>,
}

/// Number and name of a column that holds text, and whether it may be read.
type Column = (i32, String, bool);

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
    let (mut columns, mut bytes) = (HashMap::new(), HashMap::<i64, Vec<String>>::new());
    for row in rows {
        let of: i64 = row.try_get(0).map_err(trouble)?;
        let (number, name, may_read): Column =
            (|| Ok((row.try_get(1)?, row.try_get(2)?, row.try_get(5)?)))().map_err(trouble)?;
        if row.try_get(4).map_err(trouble)? {
            bytes.entry(of).or_default().push(name.clone());
        }
        if row.try_get(3).map_err(trouble)? {
            columns.entry(of).or_insert_with(Vec::new).push((number, name, may_read));
        }
    }
    for relation in &mut relations {
        relation.columns = columns.remove(&relation.oid).unwrap_or_default();
        relation.bytes = bytes.remove(&relation.oid).unwrap_or_default();
    }
    let server = "SELECT quote_ident(current_user), pg_is_in_recovery()";
    let server = answered(sqlx::query(server).persistent(false).fetch_one(&mut **tx)).await?;
    let (role, is_standby): (String, bool) =
        (server.try_get(0).map_err(trouble)?, server.try_get(1).map_err(trouble)?);
    let (readings, texts) = Deciding::new(&relations, skip).decide();
    let hidden_from = hidden_from(&relations, &texts, &role);
    Ok((readings, Texts { role: Some(role), is_standby, hidden_from, ..texts }))
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
        owner: row.try_get(17)?,
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

/// From whom rows of the guarded tables may be hidden: the role that looks, and the owners of views below which they are.
fn hidden_from(relations: &[Relation], texts: &Texts, role: &str) -> Vec<String> {
    let all: HashMap<i64, &Relation> = relations.iter().map(|relation| (relation.oid, relation)).collect();
    let is_skipped = |oid: &i64| all.get(oid).is_some_and(|below| texts.skipped.contains(&below.name));
    let guarded = relations.iter().filter(|relation| texts.guarded.contains(&relation.name));
    let (mut next, mut seen): (Vec<_>, _) = (guarded.collect(), HashSet::new());
    let mut roles = BTreeSet::new();
    while let Some(relation) = next.pop() {
        if !seen.insert(relation.oid) {
            continue;
        }
        let below = || relation.over.iter().filter(|oid| !is_skipped(oid));
        if relation.is_guarded {
            roles.insert(role);
        }
        if below().any(|oid| relation.hidden.contains(oid)) {
            roles.insert(&relation.owner);
        }
        next.extend(below().filter_map(|oid| all.get(oid)));
    }
    roles.into_iter().map(str::to_owned).collect()
}

/// What is decided about each table follows from what is about others.
struct Deciding<'a> {
    all: HashMap<i64, &'a Relation>,
    order: &'a [Relation],
    children: HashMap<i64, Vec<i64>>,
    skipped: HashSet<i64>,
    /// Tables of which some below can be read by way of these alone.
    reading_children: HashSet<i64>,
    /// What is known of each table; nothing is of a view that is made of itself, or is over one.
    known: HashMap<i64, Known>,
    texts: Texts,
}

/// What is known of a table or view by what it is made of.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Whether there are rows to be read: a view over a materialized view without any fails.
    is_populated: bool,
    runs_functions: bool,
    /// Whether row-level security may hide rows of it, or of one below that is not left out.
    is_guarded: bool,
    /// Whether it is left out, or a view of nothing but tables that are.
    is_out: bool,
    /// Whether it shows nothing that is not looked at where it lies.
    is_shown: bool,
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
        let mut deciding = Self {
            all,
            order: relations,
            children,
            skipped: HashSet::new(),
            reading_children: HashSet::new(),
            known: HashMap::new(),
            texts: Texts::default(),
        };
        skip.iter().for_each(|name| deciding.skip(name));
        let reading = relations.iter().filter(|relation| deciding.reads_children(relation));
        deciding.reading_children = reading.map(|relation| relation.oid).collect();
        deciding.know();
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
            if !self.skipped.contains(&parent.oid) && self.reading_children.contains(&parent.oid) {
                let read = parent.columns.iter().filter(|(.., may_read)| *may_read);
                covered.extend(read.map(|(_, name, _)| name.as_str()));
            }
        }
        covered
    }

    /// Learns what follows for each table from what it is made of, which is known before. No view waits twice, and views that
    /// are made of each other, which the server lets be made and never reads, wait for ever.
    fn know(&mut self) {
        let mut above: HashMap<i64, Vec<&'a Relation>> = HashMap::new();
        let mut waiting: HashMap<i64, usize> = HashMap::new();
        let mut next = Vec::new();
        for relation in self.order {
            let below: HashSet<i64> =
                relation.over.iter().copied().filter(|oid| self.all.contains_key(oid)).collect();
            match below.len() {
                0 => next.push(relation),
                count => drop(waiting.insert(relation.oid, count)),
            }
            below.into_iter().for_each(|oid| above.entry(oid).or_default().push(relation));
        }
        while let Some(relation) = next.pop() {
            self.known.insert(relation.oid, self.of(relation));
            for view in above.remove(&relation.oid).into_iter().flatten() {
                let left = waiting.get_mut(&view.oid).expect("a view waits for what it is made of");
                *left -= 1;
                if *left == 0 {
                    next.push(view);
                }
            }
        }
    }

    /// What is known of a table whose parts are known.
    fn of(&self, relation: &Relation) -> Known {
        let is_skipped = self.skipped.contains(&relation.oid);
        let over = &relation.over;
        let parts: Vec<Option<(&Relation, Known)>> =
            over.iter().map(|oid| self.all.get(oid).map(|part| (*part, self.known[oid]))).collect();
        let below = || parts.iter().flatten().copied();
        // A table is made of nothing.
        let is_of_skipped =
            !over.is_empty() && parts.iter().all(|part| part.is_some_and(|(_, part)| part.is_out));
        let hides = relation.hidden.iter().any(|oid| !self.skipped.contains(oid));
        let guards = |part: &Relation, known: Known| known.is_guarded && !self.skipped.contains(&part.oid);
        let shows_itself = relation.runs_functions || (relation.makes_values && !is_of_skipped);
        Known {
            is_populated: relation.is_populated && below().all(|(_, part)| part.is_populated),
            runs_functions: relation.runs_functions || below().any(|(_, part)| part.runs_functions),
            is_guarded: relation.is_guarded || hides || below().any(|(part, known)| guards(part, known)),
            is_out: is_skipped || is_of_skipped,
            is_shown: match relation.is_view() {
                // What is made of nothing, or of the server's own tables, stands nowhere else. What a view below makes is
                // looked at in that view, or named there.
                true => {
                    let is_shown = |(part, known): (&Relation, Known)| {
                        known.is_shown || (part.is_view() && part.is_open())
                    };
                    !shows_itself && !over.is_empty() && parts.iter().all(|part| part.is_some_and(is_shown))
                }
                false => is_skipped || relation.is_open() || !self.covered(relation).is_empty(),
            },
        }
    }

    /// The columns of bytes that no table above has, with which they are named.
    fn own_bytes(&self, relation: &Relation) -> Vec<String> {
        let above: Vec<_> = relation.parents.iter().filter_map(|oid| self.all.get(oid)).collect();
        let is_own = |name: &&String| !above.iter().any(|parent| parent.bytes.contains(name));
        relation.bytes.iter().filter(is_own).cloned().collect()
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
            if relation.columns.is_empty() || is_skipped {
                continue;
            }
            let Some(known) = self.known.get(&relation.oid).copied() else {
                self.texts.unread.push(Unread {
                    table: relation.name.clone(),
                    columns: relation.columns.iter().map(|(_, name, _)| name.clone()).collect(),
                    why: "this view is made of itself, and shows nothing".to_owned(),
                });
                continue;
            };
            if !known.is_populated || (relation.is_view() && known.is_shown) {
                continue;
            }
            let covered = self.covered(relation);
            let columns = relation.columns.iter().filter(|(_, name, _)| !covered.contains(name.as_str()));
            let (read, unread): (Vec<_>, Vec<_>) = columns.cloned().partition(|(.., may_read)| *may_read);
            let runs_functions = relation.is_view() && known.runs_functions;
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
            let with_children = self.reading_children.contains(&relation.oid);
            // A partitioned table has no rows but those of its partitions.
            if read.is_empty() || (relation.kind == "p" && !with_children) {
                continue;
            }
            if known.is_guarded {
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
