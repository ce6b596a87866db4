//! The file `.env`, read as data: nothing in it is replaced by anything else.
//!
//! A line is empty, a comment that begins with `#`, or `NAME=value`, also with `export ` before it and with blanks
//! around the `=`. A name is made of ASCII letters, digits, `_` and `.`, and begins with no digit and no dot. A value is
//! made of pieces that stand side by side:
//!
//! - `'…'` is what it holds, to the letter, over several lines if need be;
//! - `"…"` likewise, but for a backslash: `\n` is a line's end, and `\\`, `\'`, `\"`, `\$` and a backslash before a blank
//!   are the character behind it;
//! - anything else ends at a blank, with the same backslashes. Behind the blank nothing but a comment may stand.
//!
//! A name that is set twice has its last value. A byte order mark and `\r\n` are taken as editors write them.
//!
//! A `$` is itself. Earlier versions replaced `$NAME` and `${NAME}` outside `'…'` by a variable, so such a value of a
//! setting is refused: it would have another meaning now.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use ledger::store::private::{Refused, open_trusted};

use super::SETTINGS;
use crate::error::Failure;
use crate::limits::ENV_FILE_BYTES_MAX;

/// The way past a `.env` that is not taken: exported settings alone do not help where it lies, as it may hold others.
const ELSEWHERE: &str = "Work in a directory of your own, with the settings exported or in a .env of yours there, and with a copy of a ledger that \
     is here, of which a new one knows nothing";

/// Why a `.env` is not used.
#[derive(Debug)]
pub(super) enum Unused {
    /// It is somebody else's, or may be: its owner, those who may write it, or rights that let nobody else read it say so.
    NotTaken(Failure),
    /// It is ours, and something in it is wrong.
    Wrong(Failure),
}

/// What a `.env` sets, if there is one. Nothing of a line is repeated in an error, as it may hold a key.
///
/// # Errors
/// When it cannot be read or understood, or somebody else could have written it.
pub(super) fn read(path: &Path) -> Result<HashMap<String, String>, Unused> {
    let no = |what: &str| Failure::usage(format!("the .env in this directory {what}"));
    let file = match open_trusted(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => {
            return Err(match Refused::of(&error) {
                Some(refused) => Unused::NotTaken(
                    no("is not taken")
                        .because(refused)
                        .because("whoever can write it can have the key sent elsewhere")
                        .hint(todo(path, refused)),
                ),
                None if error.kind() == ErrorKind::PermissionDenied => {
                    Unused::NotTaken(no("cannot be read, if there is one").because(&error).hint(format!(
                        "{ELSEWHERE}; or run this as its owner, where that is a user of yours"
                    )))
                }
                None => Unused::Wrong(
                    no("cannot be read").because(error).hint("See what it is (ls -l .env), and move it away"),
                ),
            });
        }
    };
    understood(file, no).map_err(Unused::Wrong)
}

/// What to do about a `.env` that is not taken. To have it given to oneself is no way out: it takes a colleague's project, or
/// one that is mounted in a container, away from its owner.
fn todo(path: &Path, refused: &Refused) -> String {
    let is_file = path.metadata().is_ok_and(|about| about.is_file());
    match (is_file, refused.advice()) {
        (false, _) => {
            "Move it away, and export the settings or write them into a file of that name".to_owned()
        }
        (true, advice) if advice.starts_with("chmod ") => {
            format!("{ELSEWHERE}; or look at what the file says before you use it, and then: {advice}")
        }
        (true, advice) if advice.starts_with("Give it one name") => {
            format!("Look at what it says before you use it. {advice}")
        }
        _ => format!(
            "{ELSEWHERE}; or run this as the owner of the file and its directory, where that is a user of yours"
        ),
    }
}

fn understood(file: File, no: impl Fn(&str) -> Failure) -> Result<HashMap<String, String>, Failure> {
    let bytes = whole(file).map_err(|error| no("cannot be read").because(error))?;
    if bytes.len() as u64 > ENV_FILE_BYTES_MAX {
        return Err(no(&format!("is longer than {ENV_FILE_BYTES_MAX} bytes")));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(no("is UTF-16, as some editors write it").hint("Save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|_| no("is not UTF-8").hint("Save it as UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Parser { rest: text, line: 1 }.all().map_err(|Wrong { line, why, todo }| {
        no("cannot be read").because(format!("line {line}: {why}")).hint(todo)
    })
}

fn whole(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(ENV_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is wrong with a line.
struct Wrong {
    line: usize,
    why: String,
    todo: &'static str,
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
}

impl Parser<'_> {
    fn all(mut self) -> Result<HashMap<String, String>, Wrong> {
        let mut all = HashMap::new();
        loop {
            while self.next_if(char::is_whitespace).is_some() {}
            match self.rest.chars().next() {
                None => return Ok(all),
                Some('#') => self.comment(),
                Some(_) => {
                    let (name, value) = self.setting()?;
                    all.insert(name, value);
                }
            }
        }
    }

    fn next_if(&mut self, is: impl Fn(char) -> bool) -> Option<char> {
        let c = self.rest.chars().next().filter(|c| is(*c))?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn wrong(&self, why: impl Into<String>) -> Wrong {
        Wrong { line: self.line, why: why.into(), todo: "One NAME='value' a line" }
    }

    fn comment(&mut self) {
        while self.next_if(|c| c != '\n').is_some() {}
    }

    fn blanks(&mut self) {
        while self.next_if(|c| c.is_whitespace() && c != '\n').is_some() {}
    }

    fn setting(&mut self) -> Result<(String, String), Wrong> {
        let mut name = self.name()?;
        self.blanks();
        if name == "export" && !self.rest.starts_with('=') {
            name = self.name()?;
            self.blanks();
        }
        self.next_if(|c| c == '=').ok_or_else(|| self.wrong("there is no = behind a name"))?;
        self.blanks();
        let value = if self.rest.starts_with('#') { String::new() } else { self.value(&name)? };
        self.comment();
        Ok((name, value))
    }

    fn name(&mut self) -> Result<String, Wrong> {
        let mut name = String::new();
        name.extend(self.next_if(|c| c.is_ascii_alphabetic() || c == '_'));
        if name.is_empty() {
            return Err(self.wrong("it does not begin with a name"));
        }
        while let Some(c) = self.next_if(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
            name.push(c);
        }
        Ok(name)
    }

    fn value(&mut self, name: &str) -> Result<String, Wrong> {
        let (mut value, mut quote, began) = (String::new(), None, self.line);
        while let Some(c) = self.next_if(|c| quote.is_some() || !is_end(c)) {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (Some('\''), c) => value.push(c),
                (_, '\\') => value.push(self.escaped()?),
                (_, '$') if self.is_variable() && SETTINGS.contains(&name) => {
                    return Err(Wrong {
                        line: self.line,
                        why: format!(
                            "{name} has a $ that earlier versions replaced by a variable; nothing is replaced any more"
                        ),
                        todo: "Write the value out; within '…' a $ is itself",
                    });
                }
                (_, c) => value.push(c),
            }
        }
        if quote.is_some() {
            return Err(Wrong { line: began, ..self.wrong("a quote is not closed") });
        }
        self.blanks();
        match self.rest.chars().next() {
            None | Some('\n' | '#') => Ok(value),
            Some(_) => Err(self.wrong("a value with a blank in it is not quoted")),
        }
    }

    fn escaped(&mut self) -> Result<char, Wrong> {
        match self.next_if(|c| c != '\n' && c != '\r') {
            Some('n') => Ok('\n'),
            Some(c @ ('\\' | '\'' | '"' | '$' | ' ')) => Ok(c),
            _ => Err(self.wrong(r"a \ stands before something that needs none")),
        }
    }

    fn is_variable(&self) -> bool {
        self.rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{')
    }
}

/// Where a value without quotes ends.
fn is_end(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<HashMap<String, String>, String> {
        Parser { rest: text, line: 1 }.all().map_err(|wrong| format!("{}: {}", wrong.line, wrong.why))
    }

    #[track_caller]
    fn is(line: &str, value: &str) {
        assert_eq!(parsed(line), Ok(HashMap::from([("A".to_owned(), value.to_owned())])), "{line:?}");
    }

    #[test]
    fn d6_values_mean_what_they_always_meant() {
        for (line, value) in [
            ("A=1", "1"),
            ("  A = 1  ", "1"),
            ("export   A=1", "1"),
            ("A='fo ur' # why", "fo ur"),
            (r#"A="fi ve""#, "fi ve"),
            (r"A=s\ ix", "s ix"),
            ("A=", ""),
            ("A=   # nothing", ""),
            ("A=#nothing", ""),
            ("A=a#b", "a#b"),
            (r#"A="a \"b\" \\ \' \$c\nd""#, "a \"b\" \\ ' $c\nd"),
            (r"A=\$sweet", "$sweet"),
            (r"A='sweet $\fgs'\''fds'", r"sweet $\fgs'fds"),
            (r"A='${A}$B\'", r"${A}$B\"),
            ("A='two\nlines'", "two\nlines"),
            ("A='a'\"b\"c", "abc"),
            ("A=a=b&c=d", "a=b&c=d"),
            ("A=1\nA=2", "2"),
            ("# x\r\n\r\nA='b'\r\n", "b"),
            ("A=1\t\r\n#A=2", "1"),
        ] {
            is(line, value);
        }
        assert_eq!(parsed("export=x").unwrap()["export"], "x");
        assert_eq!(parsed("A.B=x\n_=y").unwrap().len(), 2);
        assert_eq!(parsed(" \n#'\n"), Ok(HashMap::new()));
    }

    #[test]
    fn d6_a_dollar_is_itself_and_never_a_variable() {
        is("A=a$ b".replace(" b", "").as_str(), "a$");
        is(r#"A="pa$$!x""#, "pa$$!x");
        // What is not ours is not used, and stays what it says.
        is(r#"A="${HOME}/$USER""#, "${HOME}/$USER");
        let name = "IMAGEKIT_PRIVATE_KEY";
        assert_eq!(parsed(&format!("{name}='a$b${{c}}'")).unwrap()[name], "a$b${c}");
        assert_eq!(parsed(&format!(r#"{name}="a\$b\${{c}}""#)).unwrap()[name], "a$b${c}");
        for value in ["a$b", "${b}", "\"a${b}\"", "'a'$b", "$_b", "$1"] {
            let wrong = parsed(&format!("\n{name}={value}")).unwrap_err();
            assert!(
                wrong.starts_with(&format!("2: {name} has a $ that earlier versions replaced")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn d6_a_line_that_is_none_is_named_by_its_number() {
        for (text, why) in [
            ("A=1\nfoo", "2: there is no = behind a name"),
            ("very bacon = yes", "1: there is no = behind a name"),
            ("=value", "1: it does not begin with a name"),
            ("1A=b", "1: it does not begin with a name"),
            ("A=my uncool value", "1: a value with a blank in it is not quoted"),
            ("A='why\n\n", "1: a quote is not closed"),
            (r"A=h\8u", r"1: a \ stands before something that needs none"),
            ("A=x\\\nB=1", r"1: a \ stands before something that needs none"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), why, "{text:?}");
        }
    }

    #[test]
    fn d6_a_file_that_is_too_long_or_utf_16_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = dir.path().join(".env");
            std::fs::write(&path, bytes).unwrap();
            super::read(&path).map_err(|failure| format!("{failure:?}"))
        };
        assert_eq!(read(b"\xef\xbb\xbfA=1").unwrap()["A"], "1");
        assert!(read(b"A\0=\x001\0").unwrap_err().contains("UTF-16"));
        let mut long = vec![b'#'; usize::try_from(ENV_FILE_BYTES_MAX).unwrap()];
        assert!(read(&long).unwrap().is_empty());
        long.push(b'#');
        assert!(read(&long).unwrap_err().contains("longer than"));
    }
}
