//! Logs of what the program does (requirement C20): off, unless a flag or `LONGSHORE_LOG` asks for them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgAction, Args, ValueEnum};
use ledger::store::private::{self, Refused};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::show;

/// What is logged, and where.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Log what is done: runs, venues, images and steps; twice, also requests, rows, retries and waits
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Append the log to this file, private to its owner, instead of writing it to stderr; alone it logs as -vv does
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// How a line of the log is written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// A JSON document a line
    Json,
}

/// Begins to log, if that is asked for.
///
/// # Errors
/// When the filter is none, or the file cannot be written.
pub fn begin(args: &TraceArgs, config: &Config) -> Result<(), Failure> {
    let filter = match (&config.log, args.verbose, &args.log_file) {
        (Some(said), ..) => said,
        (None, 0, None) => return Ok(()),
        (None, 1, _) => "longshore=info",
        (None, ..) => "longshore=debug",
    };
    let filter = EnvFilter::builder().with_regex(false).parse(filter).map_err(|error| {
        Failure::usage(format!("LONGSHORE_LOG is no filter: {error}"))
            .hint("Like longshore=debug, or longshore=info,hyper_util=debug")
    })?;
    // A link to what stderr is, where the log goes anyway.
    let file = args.log_file.as_deref().filter(|file| *file != Path::new("/dev/stderr"));
    let to = file.map(open).transpose()?;
    let lines = layer().with_ansi(false).log_internal_errors(false);
    let lines = lines.with_writer(Log(Arc::new(to)));
    let lines = match args.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().with_current_span(false).boxed(),
    };
    // Fails only when somebody logs already, and then there is nothing to begin.
    let _begun_already = registry().with(filter).with(lines).try_init();
    Ok(())
}

/// Opens the file to append to. It is never somebody else's, and never what a link leads to: whoever may write to the
/// directory could have a file of ours filled with lines.
fn open(path: &Path) -> Result<File, Failure> {
    let cannot = || Failure::usage(format!("the log {} cannot be written", path.display()));
    let failed = |error: io::Error| match (private::leads_to(path, private::is_own_file), Refused::of(&error))
    {
        (Some(to), Some(_)) => cannot()
            .because(&error)
            .hint(format!("`--log-file {}` names what it leads to itself", private::quoted(&to))),
        (None, Some(refused)) => cannot().because(&error).hint(refused.advice()),
        (_, None) => Failure { exit: Exit::CannotGoOn, ..cannot().because(error) }
            .hint("`--log-file` names a file in a directory that you may write to"),
    };
    // The same devices as for an answer. A pipe of its own would hold the program up until somebody reads it.
    let is_pipe = path.symlink_metadata().is_ok_and(|about| about.file_type().is_fifo());
    if !is_pipe && let Some(stream) = show::open_stream(path).map_err(failed)? {
        return Ok(stream);
    }
    let mut file = private::append_or_create(path).map_err(failed)?;
    let mut head = [0; 16];
    if file.read_exact(&mut head).is_ok() && head.starts_with(b"SQLite format 3") {
        return Err(cannot().because("it is an SQLite database, such as a ledger"));
    }
    let about = file.metadata().map_err(|error| cannot().because(error))?;
    if about.mode() & 0o077 != 0 {
        let shell = format!("chmod 600 {}", private::quoted(path));
        return Err(cannot().because("others may read or write it").hint(shell));
    }
    Ok(file)
}

/// Every line that anything logs is written here, whole: to stderr, where there is no file.
#[derive(Clone)]
struct Log(Arc<Option<File>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = show::scrubbed(String::from_utf8_lossy(line).trim_end_matches('\n'));
        match &*self.0 {
            // One write a line: several processes may append to one file.
            Some(file) => io::Write::write_all(&mut &*file, format!("{text}\n").as_bytes())?,
            None => show::log_line(&text),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
