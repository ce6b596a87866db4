//! What is looked at before a file is deleted, said before the question: whoever answers sees what was not looked at, too.

use super::Context;
use crate::error::Failure;
use crate::limits::SHOWN_TABLES_MAX;
use crate::outside::catalog::Catalog;
use crate::outside::catalog::search::{Table, Texts, Unread};
use crate::show;

/// What there is to look at for uses of files.
///
/// # Errors
/// When the database cannot be asked, or a table that is to be left out is not there or may not be left out.
pub fn searched(context: &Context<'_>, catalog: &dyn Catalog, skip: &[String]) -> Result<Texts, Failure> {
    let texts = context.runtime.block_on(catalog.texts(skip))?;
    match texts.wrong_skips.first() {
        None => Ok(texts),
        Some(wrong) => Err(Failure::usage(format!("--skip-table: {wrong}"))
            .hint("`longshore reconcile --format json` names all tables, in `looks_at`")),
    }
}

/// Refuses to delete where rows may be hidden.
///
/// # Errors
/// Where row-level security is active for this role, and on a standby.
pub fn refuse_hidden(texts: &Texts, command: &str) -> Result<(), Failure> {
    let Some(why) = texts.refusal() else { return Ok(()) };
    let guarded = &texts.guarded;
    let command = format!("{command}{}", skips(&texts.skipped));
    let failure = Failure::usage(format!("no file is deleted: {why}"));
    if texts.is_standby {
        return Err(failure
            .hint(format!("Name the primary server in the database's URL, then `longshore {command}`")));
    }
    let failure =
        guarded.iter().skip(1).fold(failure, |failure, more| failure.because(format!("{more} too")));
    let roles = texts.hidden_from.iter().map(|role| format!("ALTER ROLE {role} BYPASSRLS"));
    let sql = roles.collect::<Vec<_>>().join("; ");
    Err(failure
        .hint(format!("As a superuser: {sql}, and then the same command again"))
        .hint(format!("Or, where no row of it uses a file: `longshore {command}{}`", skips(guarded))))
}

/// The flags that leave tables out, to stand behind a command.
pub fn skips(tables: &[String]) -> String {
    tables.iter().map(|table| format!(" --skip-table {}", show::quoted(table.as_ref()))).collect()
}

/// Says what is looked at. `all` is the command that names everything, between backticks.
pub fn say(texts: &Texts, all: &str) {
    let columns: usize = texts.tables.iter().map(|table| table.columns.len()).sum();
    let (columns, tables) =
        (show::count(columns as u64, "column"), show::count(texts.tables.len() as u64, "table"));
    eprintln!("Looked at for uses, right before each file goes: {columns} of {tables}.");
    let named: Vec<String> = texts.tables.iter().map(table).collect();
    listed(&named, all);
    if !texts.skipped.is_empty() {
        eprintln!("Not looked at, because of --skip-table:");
        listed(&texts.skipped, all);
    }
    if !texts.unread.is_empty() {
        eprintln!("Not looked at, because it cannot be read:");
        listed(&texts.unread.iter().map(unread).collect::<Vec<_>>(), all);
    }
    if texts.role.is_some() {
        eprintln!("Nor are large objects, and values of types that hold no text, such as numbers and dates.");
    }
}

fn table(table: &Table) -> String {
    let rows = match (table.rows, table.is_estimate) {
        (None, _) => "rows not counted".to_owned(),
        (Some(rows), true) => format!("about {}", show::count(rows, "row")),
        (Some(rows), false) => show::count(rows, "row"),
    };
    format!("{} ({rows}): {}", table.table, table.columns.join(", "))
}

fn unread(unread: &Unread) -> String {
    match unread.columns[..] {
        [] => format!("{}: {}", unread.table, unread.why),
        _ => format!("{} ({}): {}", unread.table, unread.columns.join(", "), unread.why),
    }
}

fn listed(names: &[String], all: &str) {
    for name in names.iter().take(SHOWN_TABLES_MAX) {
        show::wrapped(&show::plain(name), "  ").iter().for_each(|line| eprintln!("{line}"));
    }
    if let Some(more) = names.len().checked_sub(SHOWN_TABLES_MAX).filter(|more| *more > 0) {
        eprintln!("  … and {more} more; {all} names them all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_what_is_looked_at_fits_a_narrow_terminal() {
        let columns = (0..60).map(|n| format!("column_{n}")).collect();
        let long = Table { table: "public.t".into(), columns, rows: Some(7), is_estimate: true };
        let lines = show::wrapped(&table(&long), "  ");
        assert!(lines.iter().all(|line| line.chars().count() <= 80) && lines.len() > 5, "{lines:?}");
        assert!(lines[0].starts_with("  public.t (about 7 rows): column_0,"), "{}", lines[0]);
        assert!(lines[1].starts_with("    column_"), "{}", lines[1]);
        assert!(lines.concat().ends_with("column_59"));
    }
}
