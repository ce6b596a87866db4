//! Answers that are written while the ledger is read: too long to be held at once.

use std::io::{self, Write};

use ledger::store::LedgerError;
use serde::Serialize;

use crate::error::Failure;
use crate::show::{self, Out};

/// Why a writing ended: nobody takes it any more, or there is nothing more to say.
pub enum Broken {
    /// The file or stdout.
    Writing(io::Error),
    /// What is to be written could not be had.
    Failed(Failure),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Writing(error)
    }
}

impl From<LedgerError> for Broken {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Lets an answer be written to where it goes. A file is put into place only when all of it is there.
pub fn deliver(out: &Out, write: impl FnOnce(&mut dyn Write) -> Result<(), Broken>) -> Result<(), Failure> {
    let mut failed = None;
    let delivered = show::deliver(out, |to| {
        write(to).map_err(|broken| match broken {
            Broken::Writing(error) => error,
            Broken::Failed(failure) => {
                failed = Some(failure);
                io::Error::other("the answer is not whole")
            }
        })
    });
    match failed {
        Some(failure) => Err(failure),
        None => delivered,
    }
}

/// A JSON object, written member by member.
pub struct Object<'a> {
    to: &'a mut dyn Write,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins it.
    pub fn new(to: &'a mut dyn Write) -> Result<Self, Broken> {
        to.write_all(b"{")?;
        Ok(Self { to, is_empty: true })
    }
    /// Goes on with a member.
    pub fn member(&mut self, name: &str, value: &impl Serialize) -> Result<(), Broken> {
        Ok(show::json_part(self.named(name)?, value)?)
    }
    /// Goes on with a member that is an array.
    pub fn array(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Array<'_>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        array(self.named(name)?, fill)
    }
    /// Ends it, and its line.
    pub fn end(self) -> Result<(), Broken> {
        Ok(self.to.write_all(b"}\n")?)
    }

    fn named(&mut self, name: &str) -> Result<&mut dyn Write, Broken> {
        let before = if std::mem::take(&mut self.is_empty) { "" } else { ", " };
        write!(self.to, "{before}\"{name}\": ")?;
        Ok(self.to)
    }
}

/// A JSON array, an element a line.
pub struct Array<'a> {
    to: &'a mut dyn Write,
    is_empty: bool,
}

/// Writes an array of what `fill` gives it.
pub fn array(
    to: &mut dyn Write,
    fill: impl FnOnce(&mut Array<'_>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    to.write_all(b"[")?;
    let mut array = Array { to, is_empty: true };
    fill(&mut array)?;
    Ok(array.to.write_all(if array.is_empty { b"]" } else { b"\n]" })?)
}

impl Array<'_> {
    /// Goes on with an element.
    pub fn push(&mut self, element: &impl Serialize) -> Result<(), Broken> {
        let before: &[u8] = if std::mem::take(&mut self.is_empty) { b"\n" } else { b",\n" };
        self.to.write_all(before)?;
        Ok(show::json_part(self.to, element)?)
    }
}
