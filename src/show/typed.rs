//! Commands that people are told to type next: with the flags that keep them on the same database and ledger.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use super::human::is_plain;

/// How a command begins where it stands in a text. Messages, advice in events included, name commands without flags:
/// the ledger knows none, and whoever reads it later may be elsewhere.
const COMMAND: &str = "`longshore ";

/// The flags that a command needs, by its verb.
type Flags = dyn Fn(&str) -> String + Send + Sync;

static FLAGS: OnceLock<Box<Flags>> = OnceLock::new();

/// Says which flags a command of a verb needs, already quoted; from here on everything that is shown has them. The
/// first call counts: a process is started with one set of flags.
pub fn carry_flags(flags: impl Fn(&str) -> String + Send + Sync + 'static) {
    let _was_said = FLAGS.set(Box::new(flags));
}

/// The text as it may be shown: every command in it can be pasted, and works on the same database and ledger. A text
/// that went through here before stays as it is.
pub fn with_flags(text: &str) -> String {
    FLAGS.get().map_or_else(|| text.to_owned(), |flags| filled(text, flags))
}

fn filled(text: &str, flags: &Flags) -> String {
    let mut parts = text.split(COMMAND);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        filled.push_str(COMMAND);
        let verb = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
        let flags = if verb.starts_with('-') { String::new() } else { flags(verb) };
        if !flags.is_empty() {
            filled.push_str(&flags);
            filled.push(' ');
        }
        filled.push_str(rest);
    }
    filled
}

/// An argument as a shell reads it back, byte for byte; without backslashes where it can, as Markdown has its own. What would not show itself is written in `$'…'`, which bash, zsh
/// and ksh read.
pub fn quoted(argument: &OsStr) -> String {
    let bytes = argument.as_bytes();
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./,:@%+".contains(byte);
    match argument.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(is_bare) => text.to_owned(),
        Some(text) if text.chars().all(is_plain) => format!("'{}'", text.replace('\'', r#"'"'"'"#)),
        _ => {
            let escaped = bytes.iter().map(|byte| match byte {
                b'\\' | b'\'' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\{byte:03o}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn d7_every_command_of_a_text_has_its_flags_and_has_them_once() {
        let flags = |verb: &str| match verb {
            "populate" => String::new(),
            _ => "--target dev".to_owned(),
        };
        let text =
            "`longshore log` and `longshore ledger verify`, `longshore populate`; not longshore log, `log`.";
        let filled_once = filled(text, &flags);
        assert_eq!(
            filled_once,
            "`longshore --target dev log` and `longshore --target dev ledger verify`, `longshore populate`; \
             not longshore log, `log`."
        );
        assert_eq!(filled(&filled_once, &flags), filled_once);
    }

    #[test]
    fn d7_an_argument_comes_back_from_a_shell_as_it_was() {
        assert_eq!(quoted(OsStr::new("../a/b-1.ledger")), "../a/b-1.ledger");
        for hard in ["", "with space", "it's", "$HOME `id` \"x\" \\ *", "~/x", "=x", "Kraków;|&<>()#!"] {
            let script = format!("printf %s {}", quoted(OsStr::new(hard)));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
            assert_eq!(String::from_utf8(said).unwrap(), hard, "{script}");
        }
        for (unseen, written) in [
            (&b"a\nb"[..], r"$'a\012b'"),
            (b"\xff'\\", r"$'\377\'\\'"),
            ("a\u{202e}b".as_bytes(), r"$'a\342\200\256b'"),
        ] {
            assert_eq!(quoted(OsStr::from_bytes(unseen)), written);
        }
    }
}
