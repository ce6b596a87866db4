//! Paths and other words in commands that people are told to type.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether a character shows itself and steers nothing.
pub fn is_plain(c: char) -> bool {
    let is_unseen = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !is_unseen
}

/// A word as a shell reads it back, byte for byte; without backslashes where it can, as Markdown has its own. What would
/// not show itself is written in `$'…'`, which bash, zsh and ksh read.
pub fn word(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./,:@%+".contains(byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(is_bare) => text.to_owned(),
        Some(text) if text.chars().all(is_plain) => {
            let inside = text.replace('\'', r#"'"'"'"#);
            // Behind a backquote a command of this program would be taken for one, and flags be put into it.
            format!("'{}'", inside.replace("`longshore", "`''longshore"))
        }
        _ => {
            let escaped = bytes.iter().map(|byte| match byte {
                b'\\' | b'\'' => format!("\\{}", char::from(*byte)),
                b' '..=b'_' | b'a'..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\{byte:03o}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

/// A path as a shell reads it back, which no command takes for a flag.
pub fn quoted(path: &Path) -> String {
    let is_like_a_flag = path.as_os_str().as_bytes().starts_with(b"-");
    let path = if is_like_a_flag { &Path::new(".").join(path) } else { path };
    word(path.as_os_str())
}

/// A path as a string of SQL, to be a part of a word.
pub fn sql(path: &Path) -> OsString {
    let mut text = b"'".to_vec();
    for byte in path.as_os_str().as_bytes() {
        text.extend(if *byte == b'\'' { &b"''"[..] } else { std::slice::from_ref(byte) });
    }
    text.push(b'\'');
    OsStr::from_bytes(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn d7_a_word_comes_back_from_a_shell_as_it_was() {
        assert_eq!(word(OsStr::new("../a/b-1.ledger")), "../a/b-1.ledger");
        for hard in [
            "",
            "with space",
            "it's",
            "$HOME `id` \"x\" \\ *",
            "~/x",
            "=x",
            "Kraków;|&<>()#!",
            "a`longshore $(id)",
        ] {
            let script = format!("printf %s {}", word(OsStr::new(hard)));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
            assert_eq!(String::from_utf8(said).unwrap(), hard, "{script}");
            assert!(!script.contains("`longshore "), "{script}");
        }
        for (unseen, written) in [
            (&b"a\nb`"[..], r"$'a\012b\140'"),
            (b"\xff'\\", r"$'\377\'\\'"),
            ("a\u{202e}b".as_bytes(), r"$'a\342\200\256b'"),
        ] {
            assert_eq!(word(OsStr::from_bytes(unseen)), written);
        }
    }

    #[test]
    fn s7_a_path_is_no_flag_and_a_string_of_sql_ends_where_it_ends() {
        assert_eq!(quoted(Path::new("-x y")), "'./-x y'");
        assert_eq!(quoted(Path::new("a/-x")), "a/-x");
        assert_eq!(sql(Path::new("it's;")), "'it''s;'");
    }
}
