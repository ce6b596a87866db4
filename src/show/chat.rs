//! A text as chat services show it: Slack and what copies it read markup out of angle brackets, Mattermost, Discord and
//! Teams read Markdown, and each has words by which everybody is called. Names of places and messages of servers are
//! other people's text (requirement S4).

use super::flat;

/// Cannot be seen, and what stands on both sides of it belongs together no more.
const APART: char = '\u{200b}';

/// One line in which nothing is a link, an image, a call to anybody, or the beginning of code that does not end. Commands
/// of ours, in their backticks, stay to the letter, so that they can be pasted, but for a word in them that begins with an @.
pub fn chat(text: &str) -> String {
    let text = flat(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = single(&text);
    let parts: Vec<&str> = text.split('`').collect();
    let last = parts.len() - 1;
    let shown = parts.iter().enumerate().map(|(at, part)| {
        let is_command = at % 2 == 1 && at < last && part.starts_with("longshore ");
        if is_command { part.replace(" @", &format!(" @{APART}")) } else { apart(part) }
    });
    shown.collect::<Vec<_>>().join("`")
}

/// With single backticks alone, each of which pairs with the next: runs of them, and those behind a backslash, do not.
fn single(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_alone = !matches!(before, '`' | '\\') && rest.peek() != Some(&'`');
        out.push(if c == '`' && !is_alone { '\'' } else { c });
        before = c;
    }
    out
}

fn apart(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let is_joint = matches!(c, '@' | ']' | '!') || c == ':' && rest.peek() == Some(&'/');
        if is_joint {
            out.push(APART);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s4_a_chat_service_reads_no_link_no_call_and_no_code_out_of_a_name() {
        for hostile in [
            "[pay](https://evil.example)",
            "![x](https://evil.example/pixel.gif)",
            "[a][b] [b]: https://evil.example",
            "@everyone @here @channel @all",
            "<!channel> <@U123> <https://evil.example|pay>",
            "```\nall of it",
            "`longshore @everyone",
            "``longshore [x](https://evil.example)`",
            "\\`longshore @here `",
        ] {
            let said = chat(&format!("In {hostile}: `longshore resume --run 2` goes on"));
            for sign in ["](", "][", "]:", "![", "@e", "@h", "@c", "@a", "<", ">", "://", "``", "\\`", "\n"] {
                assert!(!said.contains(sign), "{sign} in {said}");
            }
        }
        let quoted = "`longshore resume --ledger 'a b'`";
        assert_eq!(chat(quoted), quoted);
        let pasted = "`longshore --ledger 'a@b](c' resume`";
        assert!(chat(&format!("{pasted} goes on")).starts_with(pasted));
        assert_eq!(chat("run 2, Łódź: 3 % (a/b)"), "run 2, Łódź: 3 % (a/b)");
    }

    proptest! {
        #[test]
        fn s4_whatever_a_name_holds_it_calls_nobody(text in "[@`\\\\!<>\\[\\]():/a ]{0,12}") {
            let said = chat(&text);
            prop_assert!(!said.contains("](") && !said.contains("@a") && !said.contains("``") && !said.contains('<'));
        }
    }
}
