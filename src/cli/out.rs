//! Formats and files: how the answer of a command is asked for (requirements C9, C10, C11).

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::Context;
use crate::error::Failure;
use crate::show::{Format, Out};

/// Where the answer goes.
#[derive(Debug, Clone, Args)]
pub struct OutArgs {
    /// Write the answer to this file, readable for its owner alone; one that is there is replaced as a whole.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The formats of a command that has no table to give away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl OutArgs {
    /// Where the answer goes, looked at before the work begins.
    ///
    /// # Errors
    /// When the file cannot be one.
    pub fn out(&self, context: &Context<'_>) -> Result<Out, Failure> {
        Out::new(context.common.format, self.output.clone())
    }
}

impl Context<'_> {
    /// The format, for a command that has only these two.
    ///
    /// # Errors
    /// When another one was asked for.
    pub fn plain_format(&self) -> Result<PlainFormat, Failure> {
        match self.common.format {
            Format::Table => Ok(PlainFormat::Table),
            Format::Json => Ok(PlainFormat::Json),
            other => Err(Failure::usage(format!("this command does not write {}", other.name()))
                .hint("`--format table` and `--format json` are what it can write")),
        }
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }
    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Table => "For people at a terminal",
            Self::Json => "For programs",
            Self::Csv => "For spreadsheets: tables only",
            Self::Markdown => "For wikis and pull requests",
            Self::Html => "For browsers: one page that needs nothing else",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}
