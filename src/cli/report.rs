//! `report`: how well it went, and what to do next (requirement C9).

use clap::Args;
use ledger::event::Scope;
use ledger::ids::Seq;
use ledger::report::{Added, Advice, By, Milliseconds, Report, ReportFold, ReportLine, Verdict, added};
use ledger::store::LedgerError;
use serde::Serialize;

use super::Context;
use super::out::OutArgs;
use super::past::{AsOfArgs, PastArgs};
use super::place::name_of;
use super::status::say_added;
use super::usage::{self, Used};
use crate::error::{Exit, Failure};
use crate::show::{self, Cell, Column, Grid, Sheet};

/// How well it went, and what to do next.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    what: PastArgs,
    #[command(flatten)]
    as_of: AsOfArgs,
    /// Ask ImageKit, too, what of its plan is used. That is as of now, so no answer about the past has it.
    #[arg(long, conflicts_with = "as_of")]
    usage: bool,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Serialize)]
struct Answer {
    /// The last event it takes account of.
    upto: Seq,
    /// What was asked for.
    scope: Scope,
    #[serde(flatten)]
    report: Report,
    /// What `populate` added there and is in the rows still.
    added: Vec<Added>,
    /// Null where it was not asked for, or ImageKit could not be asked.
    usage: Option<Used>,
}

pub fn run(context: &Context<'_>, args: &ReportArgs) -> Result<Exit, Failure> {
    let out = args.out.out(context)?;
    let ledger = args.as_of.read(context)?;
    let scope = args.what.scope(ledger.state())?.unwrap_or(Scope::Everywhere);
    let mut fold = ReportFold::new(ledger.state(), scope.clone());
    ledger.events(Seq(1), |placed| {
        fold.take(&placed);
        Ok::<_, LedgerError>(())
    })?;
    let usage = args.usage.then(|| usage::ask(context)).flatten();
    let added = added(ledger.state(), &scope);
    let answer = Answer { upto: ledger.upto(), scope, report: fold.finish(), added, usage };
    show::say(&out, || sheet(&answer), &answer)?;
    Ok(Exit::Done)
}

/// Advice in words.
pub fn advised(advice: &Advice) -> String {
    match &advice.reasons[..] {
        [] => verdict(advice).to_owned(),
        reasons => format!("{}: {}", verdict(advice), reasons.join("; ")),
    }
}

fn verdict(advice: &Advice) -> &'static str {
    match advice.verdict {
        Verdict::GoOn => "go on",
        Verdict::Investigate => "investigate",
        Verdict::Pause => "pause",
        Verdict::RollBack => "roll back",
    }
}

fn sheet(answer: &Answer) -> Sheet {
    let Report { by, lines, total, waits } = &answer.report;
    let mut sheet = Sheet::new(format!("How well it went: {}", name_of(&answer.scope)));
    sheet.line(format!("As of event {}.", answer.upto));
    if total.images + total.venues_failed == 0 {
        sheet.line(match answer.added.is_empty() {
            true => "Nothing was planned there.",
            false => "Nothing was migrated there yet.",
        });
        say_added(&mut sheet, &answer.added);
        return sheet;
    }
    let tables = Tables { by: *by, lines, total };
    sheet.table(tables.make(
        &["Venues", "Images", "Done", "Failed", "Skipped", "Drifted", "Back", "Closed"].map(Column::number),
        |line| {
            let c = line.counts;
            let counts = [
                line.venues,
                line.images,
                c.completed,
                c.failed,
                c.skipped,
                c.drifted,
                c.rolled_back,
                c.closed,
            ];
            counts.map(Cell::Count).into()
        },
    ));
    let open = total.counts.in_progress + total.counts.untouched;
    if open > 0 {
        let waiting = match total.waiting {
            0 => String::new(),
            n => format!(" {n} of them on the CDN, waiting for their row: they have gone well so far."),
        };
        sheet.line(format!("{} not moved yet.{waiting}", show::count(open, "image")));
    }
    if total.venues_failed > 0 {
        sheet.line(format!("{} failed as a whole (bad_data).", show::count(total.venues_failed, "venue")));
    }
    sheet.heading("Success is hoped for above 95 %, errors below 5 %");
    sheet.table(tables.make(
        &[Column::percent("Success"), Column::percent("Errors"), Column::text("Advice")],
        |line| {
            let rate = |rate: Option<f64>| rate.map_or(Cell::Unknown, Cell::Percent);
            let advice = line.advice.as_ref().map(|advice| verdict(advice).to_owned());
            vec![rate(line.success_percent), rate(line.error_percent), advice.into()]
        },
    ));
    sheet.heading("Work");
    let columns = [
        Column::number("Sent"),
        Column::number("Found"),
        Column::bytes("Bytes"),
        Column::number("Retries"),
        Column::seconds("Running"),
        Column::number("Images/min"),
    ];
    sheet.table(tables.make(&columns, |line| {
        let rate = line.images_per_minute.map_or(Cell::Unknown, |rate| Cell::Decimal(rate, 1));
        let (sent, found) = (Cell::Count(line.uploads), Cell::Count(line.adopted));
        let (bytes, retries) = (Cell::Bytes(line.bytes_uploaded), Cell::Count(line.retries));
        vec![sent, found, bytes, retries, Cell::Seconds(line.running_ms.div_ceil(1_000)), rate]
    }));
    sheet.heading("Uploads, hoped for below 5000 ms on average");
    sheet.table(tables.times(|line| line.upload_ms));
    sheet.heading("Row updates");
    sheet.table(tables.times(|line| line.row_ms));
    if !waits.is_empty() {
        sheet.heading("Waits");
        let (times, time) = (Column::number("Times"), Column::seconds("Together"));
        let mut grid = Grid::new([Column::text("For"), Column::text("Because of"), times, time]);
        for wait in waits {
            let (part, reason) = (show::word(&wait.part), show::word(&wait.reason).replace('_', " "));
            let time = Cell::Seconds(wait.ms.div_ceil(1_000));
            grid.row([part.into(), reason.into(), Cell::Count(wait.times), time]);
        }
        sheet.table(grid);
    }
    if !total.by_kind.is_empty() {
        sheet.heading("Not moved");
        let mut grid = Grid::new([by_column(*by), Column::text("Kind"), Column::number("Images")]);
        for line in lines {
            for (kind, images) in &line.by_kind {
                grid.row([name(*by, line), (*kind).into(), Cell::Count(*images)]);
            }
        }
        sheet.table(grid);
    }
    say_added(&mut sheet, &answer.added);
    if let Some(advice) = &total.advice {
        sheet.line(format!("Advice: {}.", advised(advice)));
    }
    sheet.line("Not in the ledger: the speed of delivery, which asks for a rollback too when");
    sheet.line("it is slower: `longshore verify --compare`.");
    if let Some(used) = &answer.usage {
        let of = |now, free| format!("{} of {} used", show::bytes(now), show::bytes(free));
        sheet.line(format!("Storage: {}.", of(used.storage_bytes, used.storage_limit_bytes)));
        let bandwidth = of(used.bandwidth_bytes, used.bandwidth_limit_bytes);
        sheet.line(format!("Bandwidth since {}: {bandwidth}.", used.bandwidth_since));
    }
    sheet
}

/// The same lines, looked at from several sides.
struct Tables<'a> {
    by: By,
    lines: &'a [ReportLine],
    total: &'a ReportLine,
}

impl Tables<'_> {
    fn make(&self, columns: &[Column], cells: impl Fn(&ReportLine) -> Vec<Cell>) -> Grid {
        let mut grid = Grid::new([&[by_column(self.by)], columns].concat());
        let row = |name: Cell, line| [vec![name], cells(line)].concat();
        for line in self.lines {
            grid.row(row(name(self.by, line), line));
        }
        grid.total(row("Total".into(), self.total));
        grid
    }

    fn times(&self, of: impl Fn(&ReportLine) -> Option<Milliseconds>) -> Grid {
        self.make(&["Average", "p50", "p95", "p99"].map(Column::millis), |line| match of(line) {
            None => vec![Cell::Unknown; 4],
            Some(ms) => [ms.avg.round() as u64, ms.p50, ms.p95, ms.p99].map(Cell::Millis).into(),
        })
    }
}

fn by_column(by: By) -> Column {
    match by {
        By::Country => Column::text("Country"),
        By::City => Column::text("City"),
    }
}

fn name(by: By, line: &ReportLine) -> Cell {
    match by {
        By::Country => line.country.as_deref().unwrap_or("(no country)").into(),
        By::City => line.city.as_deref().unwrap_or("(no city)").into(),
    }
}
