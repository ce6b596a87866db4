//! Whole numbers as spreadsheets and data frames write them.

/// Above this a number that once was a float may have been another: floats have no odd ones any more.
const FLOAT_MAX: i64 = 1 << 53;
/// No exponent of a whole number of 64 bits is larger.
const EXPONENT_MAX: usize = 18;

/// Reads a whole number: `457`, `+457`, `457.0`, `457.`, `4.57E+02`. Nothing is rounded, and nothing that may have been
/// is taken.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn whole(text: &str) -> Result<i64, &'static str> {
    const NONE: &str = "is no whole number";
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    if text.contains(',') && text.bytes().all(|byte| byte.is_ascii_digit() || b",.+-".contains(&byte)) {
        return Err("has a comma, which may stand for thousands or for decimals: write the digits alone");
    }
    let (digits, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(a, b)| (a, Some(b)));
    let (sign, digits) = match digits.strip_prefix(['+', '-']) {
        Some(rest) if digits.starts_with('-') => (-1, rest),
        rest => (1, rest.unwrap_or(digits)),
    };
    let (front, behind) = digits.split_once('.').unwrap_or((digits, ""));
    if front.is_empty() || !front.bytes().chain(behind.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(NONE);
    }
    let exponent = match exponent.map(|exponent| exponent.strip_prefix('+').unwrap_or(exponent)) {
        None => 0,
        Some(exponent) if exponent.bytes().all(|byte| byte.is_ascii_digit()) => {
            exponent.parse().ok().filter(|exponent| *exponent <= EXPONENT_MAX).ok_or(NONE)?
        }
        Some(_) => return Err(NONE),
    };
    // `4.57E+05` has three of six digits: the others may have been anything.
    if exponent > behind.len() {
        return Err("is written with fewer digits than it has, and may have been rounded: write all digits");
    }
    let (more, fraction) = behind.split_at(exponent);
    if fraction.bytes().any(|byte| byte != b'0') {
        return Err(NONE);
    }
    let number: i64 = format!("{front}{more}").parse().map_err(|_| NONE)?;
    match number <= FLOAT_MAX {
        true => Ok(sign * number),
        false => Err("is written as a decimal number and too large for one, so it may have been rounded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_whole_numbers_are_read_in_any_usual_spelling() {
        for (text, number) in [
            ("457", 457),
            (" 457\u{a0}", 457),
            ("+457", 457),
            ("-457.0", -457),
            ("0457", 457),
            ("457.0", 457),
            ("457.", 457),
            ("457.000", 457),
            ("+457.0", 457),
            ("4.57E+02", 457),
            ("4.570e2", 457),
            ("4.57e02", 457),
            ("457E0", 457),
            ("0.0", 0),
            ("9007199254740992.0", 1 << 53),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(whole(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn d4_what_is_not_whole_or_may_have_been_rounded_is_refused() {
        for (text, why) in [
            ("", "no whole number"),
            (".", "no whole number"),
            (".0", "no whole number"),
            ("457.5", "no whole number"),
            ("457.0000000000000001", "no whole number"),
            ("4.575E+02", "no whole number"),
            ("4.57E-02", "no whole number"),
            ("4.57E", "no whole number"),
            ("4.57E+", "no whole number"),
            ("1E99999999999999999999", "no whole number"),
            ("nan", "no whole number"),
            ("inf", "no whole number"),
            ("0x1F", "no whole number"),
            ("٤٥٧", "no whole number"),
            ("4 57", "no whole number"),
            ("9223372036854775808", "no whole number"),
            ("4.57E+05", "may have been rounded"),
            ("1E+03", "may have been rounded"),
            ("9007199254740993.0", "may have been rounded"),
            ("1,234", "has a comma"),
            ("1.234,0", "has a comma"),
            ("457,0", "has a comma"),
        ] {
            assert!(whole(text).unwrap_err().contains(why), "{text}: {:?}", whole(text));
        }
    }
}
