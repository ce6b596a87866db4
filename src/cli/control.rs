//! `control`: steering a run from another terminal (requirement C15).

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Context;
use super::open::operator;
use super::out::PlainFormat;
use super::place::name_of;
use crate::error::{Exit, Failure};
use crate::limits::{CONTROL_BYTES_MAX, CONTROL_MS_MAX, IN_FLIGHT_MAX};
use crate::runner::control::{Answer, Ask, Phase, Request, Socket, stranger};
use crate::show;

/// Steering a run that goes on in another terminal.
#[derive(Debug, Subcommand)]
pub enum ControlVerb {
    /// Finish what is in the air, then wait in place.
    Pause,
    /// Let a run that waits in place go on.
    Resume,
    /// Change how fast it goes, from here on.
    Set(SetArgs),
    /// Where it stands.
    Status,
}

/// What is changed.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// `concurrency=8`: so many images in flight. `rate=20/s`: at most so many requests to the CDN a second;
    /// `rate=none` for no limit.
    #[arg(value_name = "SETTING", required = true, value_parser = setting)]
    settings: Vec<Ask>,
}

fn setting(text: &str) -> Result<Ask, String> {
    let wrong = || "concurrency=8, rate=20/s or rate=none".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let number = |text: &str| text.parse().ok().filter(|number: &u32| *number > 0);
    match name {
        "concurrency" => number(value)
            .filter(|number| *number as usize <= IN_FLIGHT_MAX)
            .map(Ask::Concurrency)
            .ok_or_else(|| format!("1 to {IN_FLIGHT_MAX} images can be in flight")),
        "rate" if value == "none" => Ok(Ask::Rate(None)),
        "rate" => {
            number(value.strip_suffix("/s").unwrap_or(value)).map(Some).map(Ask::Rate).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

pub fn run(context: &Context<'_>, verb: &ControlVerb) -> Result<Exit, Failure> {
    let asks = match verb {
        ControlVerb::Pause => &[Ask::Pause][..],
        ControlVerb::Resume => &[Ask::Resume],
        ControlVerb::Status => &[Ask::Status],
        ControlVerb::Set(args) => &args.settings,
    };
    let mut last = None;
    for ask in asks {
        let answer = asked(context, *ask)?;
        if let Some(why) = &answer.refused {
            return Err(Failure::usage(format!("run {} does not do that: {why}", answer.run)));
        }
        last = Some(answer);
    }
    let answer = last.expect("something is asked");
    match context.plain_format()? {
        PlainFormat::Json => show::json(&answer)?,
        PlainFormat::Table => say(&answer)?,
    }
    Ok(Exit::Done)
}

/// Asks the run that goes on with this ledger.
fn asked(context: &Context<'_>, ask: Ask) -> Result<Answer, Failure> {
    let ledger = context.ledger_path();
    let nobody = || {
        Failure::usage(format!("no run goes on with the ledger {}", ledger.display())).hint(
            "`longshore status` tells which can be resumed; `--target` and `--ledger` name another ledger",
        )
    };
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::UnexpectedEof => nobody(),
        ErrorKind::PermissionDenied => {
            Failure::new(Exit::CannotGoOn, "the run belongs to another user, who alone can steer it")
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Failure::new(Exit::CannotGoOn, "the run does not answer")
                .hint("Try again; `longshore status` reads its ledger")
        }
        _ => Failure::new(Exit::CannotGoOn, "the run cannot be reached").because(error),
    };
    let path = Socket::path(&ledger);
    let connect = async {
        let stream = tokio::net::UnixStream::connect(&path).await?;
        let stranger = stranger(&stream, &ledger)?;
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        Ok((stream, stranger))
    };
    let (mut stream, stranger): (UnixStream, _) = context.runtime.block_on(connect).map_err(failed)?;
    if let Some(uid) = stranger {
        let what = format!("the socket {} is listened on by user {uid}, not by you", path.display());
        return Err(Failure::new(Exit::CannotGoOn, format!("{what}; nothing was said there"))
            .hint("Ask who may write to that directory; work in one that is yours alone"));
    }
    // A pause is answered when nothing is in the air any more.
    let patience = (ask != Ask::Pause).then(|| Duration::from_millis(CONTROL_MS_MAX));
    stream.set_read_timeout(patience).map_err(failed)?;
    let request = Request { ask, operator: operator() };
    let mut line = serde_json::to_string(&request).expect("a request has nothing that cannot be written");
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream.take(CONTROL_BYTES_MAX)).read_line(&mut answer).map_err(failed)?;
    if answer.is_empty() {
        let what = "the run gave no answer: it has ended, or too many wait for its pause already";
        return Err(Failure::new(Exit::CannotGoOn, what).hint("`longshore status` tells how it stands"));
    }
    serde_json::from_str(&answer).map_err(|_| {
        Failure::new(Exit::CannotGoOn, "the run's answer cannot be read")
            .hint("Is it another version of longshore? Use the one that runs")
    })
}

fn say(answer: &Answer) -> Result<(), Failure> {
    let Answer { run, images, settled, in_air, concurrency, .. } = answer;
    let does = match answer.phase {
        Phase::Planning => "is choosing venues",
        Phase::Going => "goes on",
        Phase::Pausing => "finishes what is in the air",
        Phase::Paused => "is paused, and waits in place",
        Phase::Stopping => "is stopping",
        Phase::Deleting => "is deleting files",
    };
    show::line(&format!("Run {run} ({} {}) {does}.", answer.verb.name(), name_of(&answer.scope)))?;
    let steps = show::count(*in_air, "step");
    show::line(&format!("{settled} of {images} images settled, {steps} in the air."))?;
    let rate = answer
        .rate_per_second_max
        .map_or("no limit of requests".to_owned(), |rate| format!("{rate} requests/s"));
    show::line(&format!("Concurrency {concurrency}, {rate}."))?;
    if let Some(why) = &answer.waiting {
        show::line(&format!("It waits: {why}"))?;
    }
    if answer.phase == Phase::Paused {
        show::line("`longshore control resume` lets it go on.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c15_settings_are_read_strictly() {
        assert_eq!(setting("concurrency=8"), Ok(Ask::Concurrency(8)));
        assert_eq!(setting("rate=20/s"), Ok(Ask::Rate(Some(20))));
        assert_eq!(setting("rate=5"), Ok(Ask::Rate(Some(5))));
        assert_eq!(setting("rate=none"), Ok(Ask::Rate(None)));
        for wrong in [
            "",
            "concurrency",
            "concurrency=0",
            "concurrency=257",
            "rate=0/s",
            "rate=-1",
            "rate=1.5/s",
            "speed=3",
        ] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
