//! Commands that people are told to type next: with the flags that keep them on the same database and ledger.

use std::sync::OnceLock;

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

#[cfg(test)]
mod tests {
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
}
