//! The two databases: whether they answer, have the columns, and let us do what a run does (requirements D1, S6).

use ledger::images::{Array, Entry};
use ledger::trouble::TroubleKind;

use super::answer::{Check, Line};
use super::clocks::Offset;
use super::{UNSEEN, bounded};
use crate::cli::Context;
use crate::cli::look::files;
use crate::config::Config;
use crate::limits::{CATALOG_PAGE_VENUES, DOCTOR_IMAGES};
use crate::outside::Trouble;
use crate::outside::catalog::inspect::{Access, Column, Inspection, Policies, Route, Table, inspect};
use crate::outside::catalog::{self, Identity, Place};
use crate::runner::movable;

/// What a column has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any type that PostgreSQL casts to text.
    Any,
    Integer,
    Jsonb,
    /// Without a time zone: UTC is what is written.
    Timestamp,
}

use Kind::{Any, Integer, Jsonb, Timestamp};

const APPLICATION: [(&str, &str, Kind); 14] = [
    ("venues", "id", Integer),
    ("venues", "slug", Any),
    ("venues", "name", Any),
    ("venues", "city_id", Integer),
    ("venues", "venue_images", Jsonb),
    ("venues", "updated_at", Timestamp),
    ("cities", "id", Integer),
    ("cities", "name", Any),
    ("cities", "slug", Any),
    ("cities", "country_id", Integer),
    ("countries", "id", Integer),
    ("countries", "name", Any),
    ("countries", "code", Any),
    ("countries", "slug", Any),
];
const TRIVIA_ADVISOR: [(&str, &str, Kind); 3] =
    [("venues", "id", Integer), ("venues", "slug", Any), ("venues", "google_place_images", Any)];
/// All that is ever written.
const UPDATED: [&str; 2] = ["venue_images", "updated_at"];

/// What the application's database had to say.
#[derive(Default)]
pub struct Application {
    pub lines: Vec<Line>,
    /// How far its clock is off.
    pub offset: Option<Offset>,
    /// Which database it is, for the ledger.
    pub identity: Option<Identity>,
    /// A few images that are still at the origin.
    pub urls: Vec<String>,
    /// Whether a row has a completed image, where that was asked for.
    pub has_completed: bool,
}

/// Looks at the application's database, and where it is asked for, whether a row has a completed image.
pub async fn application(context: &Context<'_>, looks_for_completed: bool) -> Application {
    let mut seen = Application::default();
    let rest = [Check::Database, Check::Columns, Check::Rights, Check::Pooler];
    let without =
        |why: &str, from: usize| rest[from..].iter().map(|check| Line::not_checked(*check, why)).collect();
    if context.config.is_unseen(Config::database_setting(context.target)) {
        seen.lines = without(UNSEEN, 0);
        return seen;
    }
    let Ok(url) = context.config.database_url(context.target) else {
        seen.lines = without("its setting cannot be used", 0);
        return seen;
    };
    let tables = ["venues", "cities", "countries"];
    let found = match bounded(inspect(url.reveal(), Access::Update, &tables)).await {
        Ok(found) => found,
        Err(trouble) => {
            seen.lines = without("the database cannot be asked", 1);
            seen.lines.push(unreachable(Check::Database, &trouble, Config::database_setting(context.target)));
            return seen;
        }
    };
    seen.lines.push(reached(Check::Database, &found, Config::database_setting(context.target)));
    let wrong = wrong_columns(&found, &APPLICATION);
    seen.lines.extend(odd_tables(&found));
    seen.lines.push(match wrong.is_empty() {
        true => Line::ok(Check::Columns, format!("{} have what is read and written", whereabouts(&found))),
        false => columns_finding(Check::Columns, &wrong, Config::database_setting(context.target)),
    });
    seen.lines.extend(rights(&found));
    seen.lines.push(pooler(found.route.as_ref()));
    seen.offset = found.clock.map(|clock| Offset::of("the database", clock));
    if wrong.is_empty() {
        // What cannot be read has been told; without images the origin itself is asked.
        if let Ok((identity, urls)) = bounded(images(url.reveal())).await {
            (seen.identity, seen.urls) = (Some(identity), urls);
        }
        if looks_for_completed {
            seen.has_completed = bounded(has_completed(url.reveal())).await.unwrap_or(false);
        }
    }
    seen
}

/// Looks at Trivia Advisor's.
pub async fn trivia(context: &Context<'_>) -> Line {
    const CHECK: Check = Check::TriviaAdvisor;
    if context.config.is_unseen("TRIVIA_ADVISOR_DATABASE_URL") {
        return Line::not_checked(CHECK, UNSEEN);
    }
    let Ok(url) = context.config.trivia_url() else {
        return Line::not_checked(CHECK, "its setting cannot be used");
    };
    let found = match bounded(inspect(url.reveal(), Access::Read, &["venues"])).await {
        Ok(found) => found,
        Err(trouble) => return unreachable(CHECK, &trouble, "TRIVIA_ADVISOR_DATABASE_URL"),
    };
    let wrong = wrong_columns(&found, &TRIVIA_ADVISOR);
    if !wrong.is_empty() {
        return columns_finding(CHECK, &wrong, "TRIVIA_ADVISOR_DATABASE_URL");
    }
    let unread = unread(&found, &TRIVIA_ADVISOR);
    match unread.is_empty() {
        true => reached(CHECK, &found, "TRIVIA_ADVISOR_DATABASE_URL"),
        false => Line::finding(
            CHECK,
            format!("this role may not read {}", unread.join(", ")),
            format!("As the tables' owner: GRANT SELECT ON venues TO {}", role(&found)),
        ),
    }
}

/// A database that answers: as whom, on which way, and where its tables are.
fn reached(check: Check, found: &Inspection, setting: &str) -> Line {
    let said = format!("{}, {}", found.version, found.place);
    let Some(unknown) = found.unknown_server else { return Line::ok(check, said) };
    let advice = format!(
        "Write sslmode=verify-full into {setting}, and sslrootcert=FILE where the server's authority is its own"
    );
    Line::note(check, format!("{said}: {unknown}"), advice)
}

/// The tables, and the schemas they lie in.
fn whereabouts(found: &Inspection) -> String {
    let of = |table: &Table| match table.schemas.split_first() {
        None => table.table.clone(),
        Some((schema, [])) => format!("{} (schema {schema})", table.table),
        Some((schema, others)) => {
            format!("{} (schema {schema}; the search path has one in {} too)", table.table, others.join(", "))
        }
    };
    let all: Vec<String> = found.tables.iter().map(of).collect();
    all.join(", ")
}

fn odd_tables(found: &Inspection) -> Vec<Line> {
    let odd = found.tables.iter().filter_map(|table| {
        let said =
            format!("{} is a {}, and an ordinary or partitioned table is needed", table.table, table.odd?);
        let advice =
            "Name the database, or by options=-csearch_path%3DNAME the schema, that has the table itself";
        Some(Line::finding(Check::Columns, said, advice))
    });
    odd.collect()
}

fn unreachable(check: Check, trouble: &Trouble, setting: &str) -> Line {
    let advice = match trouble.kind {
        TroubleKind::Unauthorized => format!("See user and password in {setting}, and who may log in there"),
        _ if trouble.outage => format!(
            "See host and port in {setting}, that the server runs, and that this machine reaches it (VPN, firewall)"
        ),
        _ => format!("See {setting}, which names this database"),
    };
    Line::finding(check, &trouble.message, advice)
}

fn wrong_columns(found: &Inspection, needed: &[(&str, &str, Kind)]) -> Vec<String> {
    let of = |table: &str| found.columns.iter().any(|column| column.table == table);
    let mut wrong: Vec<String> = Vec::new();
    for (table, name, kind) in needed {
        if !of(table) {
            let none = format!("there is no table {table}");
            if !wrong.contains(&none) {
                wrong.push(none);
            }
            continue;
        }
        match column(found, table, name) {
            None => wrong.push(format!("{table}.{name} is missing")),
            // SQLite's types bind nobody.
            Some(column) if found.route.is_some() && !fits(*kind, &column.kind) => {
                wrong.push(format!("{table}.{name} is of type {}", column.kind));
            }
            Some(_) => {}
        }
    }
    wrong
}

fn fits(kind: Kind, found: &str) -> bool {
    match kind {
        Any => true,
        Integer => ["bigint", "integer", "smallint"].contains(&found),
        Jsonb => found == "jsonb",
        Timestamp => found.starts_with("timestamp") && found.ends_with("without time zone"),
    }
}

fn column<'a>(found: &'a Inspection, table: &str, name: &str) -> Option<&'a Column> {
    found.columns.iter().find(|column| column.table == table && column.name == name)
}

fn columns_finding(check: Check, wrong: &[String], setting: &str) -> Line {
    let advice = format!(
        "See that {setting} names the right database, and its role's search_path the right schema; needed are \
         integer ids, venue_images as jsonb and updated_at as a timestamp without time zone"
    );
    Line::finding(check, wrong.join("; "), advice)
}

/// The columns that may not be read.
fn unread(found: &Inspection, needed: &[(&str, &str, Kind)]) -> Vec<String> {
    let hidden = needed
        .iter()
        .filter(|(table, name, _)| column(found, table, name).is_some_and(|column| !column.may_read));
    hidden.map(|(table, name, _)| format!("{table}.{name}")).collect()
}

fn rights(found: &Inspection) -> Vec<Line> {
    const CHECK: Check = Check::Rights;
    let role = role(found);
    let unread = unread(found, &APPLICATION);
    let fixed: Vec<String> = UPDATED
        .iter()
        .filter(|name| column(found, "venues", name).is_some_and(|column| !column.may_update))
        .map(|name| format!("venues.{name}"))
        .collect();
    let mut lines = Vec::new();
    if !unread.is_empty() {
        let advice = format!("As the tables' owner: GRANT SELECT ON venues, cities, countries TO {role}");
        lines.push(Line::finding(CHECK, format!("this role may not read {}", unread.join(", ")), advice));
    }
    if !fixed.is_empty() {
        let advice =
            format!("As the table's owner: GRANT UPDATE (venue_images, updated_at) ON venues TO {role}");
        lines.push(Line::finding(CHECK, format!("this role may not update {}", fixed.join(", ")), advice));
    }
    if let Some(why) = &found.read_only {
        let advice =
            "Name the database that takes updates; a file and its directory must be this user's to write";
        lines.push(Line::finding(CHECK, format!("no row can be updated: {why}"), advice));
    }
    let unclaimable = found.unclaimable.iter().cloned();
    lines.extend(unclaimable.map(|why| Line::finding(CHECK, why.found, why.advice)));
    if !found.at_update.is_empty() {
        lines.push(Line::note(
            CHECK,
            format!("these have their say when a row of venues is updated: {}", found.at_update.join(", ")),
            "Look at what these triggers and rules do; a row that does not come back as sent is not committed",
        ));
    }
    match found.policies {
        Policies::None => {}
        Policies::Some => lines.push(Line::note(
            CHECK,
            "row-level security decides which venues this role sees and updates",
            "Compare `longshore countries` with what the application shows; ALTER ROLE … BYPASSRLS ends the doubt",
        )),
        Policies::NoUpdate => lines.push(Line::finding(
            CHECK,
            "row-level security is on for venues, and no policy allows this role an update",
            format!("As a superuser: ALTER ROLE {role} BYPASSRLS, or make a policy FOR ALL on venues"),
        )),
    }
    if !lines.iter().any(Line::is_finding) {
        lines.push(Line::ok(CHECK, "the tables can be read, and venue_images and updated_at updated"));
    }
    lines
}

/// The role's name as SQL has it.
fn role(found: &Inspection) -> String {
    found
        .role
        .as_ref()
        .map_or_else(|| "this role".to_owned(), |role| format!("\"{}\"", role.replace('"', "\"\"")))
}

fn pooler(route: Option<&Route>) -> Line {
    let found = match route {
        None => "a file needs none".to_owned(),
        Some(Route::Straight) => "none that shows; one in transaction mode is fine too".to_owned(),
        Some(Route::OtherPort { asked, server }) => format!(
            "the URL's port is {asked} and the server's {server}: a pooler, or a forwarded port, and either is fine"
        ),
        Some(Route::TransactionPooler) => "a pooler in transaction mode, which is fine".to_owned(),
    };
    Line::ok(Check::Pooler, found)
}

/// Which database it is, and images of several venues that a run would fetch.
async fn images(url: &str) -> Result<(Identity, Vec<String>), Trouble> {
    let catalog = catalog::open(url).await?;
    let identity = catalog.identity().await?;
    let venues = catalog.venues(Place::Everywhere, None, CATALOG_PAGE_VENUES).await?;
    let urls = venues.iter().filter_map(|venue| {
        let entries = movable(None, Place::Everywhere, venue).ok()?;
        files(&entries).into_iter().next()
    });
    Ok((identity, urls.take(DOCTOR_IMAGES).collect()))
}

/// Whether an image of ours is completed in any row.
async fn has_completed(url: &str) -> Result<bool, Trouble> {
    let catalog = catalog::open(url).await?;
    let mut after = None;
    loop {
        let rows = catalog.rows(Place::Everywhere, after, CATALOG_PAGE_VENUES).await?;
        let Some(last) = rows.last() else { return Ok(false) };
        after = Some(last.id);
        let arrays = rows.iter().filter_map(|row| Array::parse(row.images.as_deref()?).ok());
        let is_completed = |raw| Entry::parse(raw).is_some_and(|entry| entry.is_completed());
        if arrays.into_iter().any(|array| array.elements().any(is_completed)) {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_a_database_that_takes_no_updates_is_told() {
        let column = |(table, name, _): &(&str, &str, Kind)| Column {
            table: (*table).to_owned(),
            name: (*name).to_owned(),
            kind: "text".to_owned(),
            may_read: true,
            may_update: true,
        };
        let mut found = Inspection {
            version: String::new(),
            place: String::new(),
            role: None,
            columns: APPLICATION.iter().map(column).collect(),
            tables: Vec::new(),
            at_update: Vec::new(),
            unknown_server: None,
            unclaimable: Vec::new(),
            read_only: None,
            policies: Policies::None,
            route: None,
            clock: None,
        };
        assert!(!rights(&found).iter().any(Line::is_finding));
        found.read_only = Some("it is a standby, which takes no updates".to_owned());
        assert!(rights(&found).iter().any(Line::is_finding));
    }
}
