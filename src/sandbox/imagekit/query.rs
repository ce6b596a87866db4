//! The little language of `searchQuery` and `checks`: `field op value` with AND, OR, NOT and parentheses.

use super::clock::{self, Ms};

/// A parsed expression.
#[derive(Debug)]
pub(super) enum Expr {
    /// All hold.
    All(Vec<Expr>),
    /// One holds.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// One comparison.
    Test(Test),
}

/// One comparison.
#[derive(Debug)]
pub(super) struct Test {
    field: String,
    op: Op,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    Begins,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Has,
    Exists,
}

/// What a field holds.
#[derive(Debug, PartialEq)]
pub(super) enum Field {
    /// Case-sensitive text; `:` is "begins with".
    Text(String),
    /// A number; values may carry a unit such as `1mb`.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A moment.
    Time(Ms),
    /// Several texts.
    Many(Vec<String>),
    /// A folder; `=` is that folder, `:` also those in it.
    Folder(String),
    /// A known field without a value here.
    Absent,
}

impl Expr {
    /// Parses an expression; `None` when it is not well-formed or names a field that is not `known`.
    pub(super) fn parse(text: &str, known: impl Fn(&str) -> bool) -> Option<Self> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, known };
        let expr = parser.any(0)?;
        (parser.at == parser.tokens.len()).then_some(expr)
    }

    /// Whether it holds for what has these fields.
    pub(super) fn holds(&self, field: &impl Fn(&str) -> Field) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(field)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(field)),
            Self::Not(part) => !part.holds(field),
            Self::Test(test) => test.holds(&field(&test.field)),
        }
    }

    /// Whether any comparison is with this value.
    pub(super) fn mentions(&self, value: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.mentions(value)),
            Self::Not(part) => part.mentions(value),
            Self::Test(test) => test.values.iter().any(|one| one == value),
        }
    }
}

impl Test {
    fn holds(&self, field: &Field) -> bool {
        if self.op == Op::Exists {
            return *field != Field::Absent;
        }
        self.values.iter().any(|value| self.one(field, value))
    }

    fn one(&self, field: &Field, value: &str) -> bool {
        match field {
            Field::Absent => false,
            Field::Many(all) => all.iter().any(|text| self.text(text, value)),
            Field::Text(text) => self.text(text, value),
            Field::Bool(truth) => value.parse() == Ok(*truth),
            Field::Number(number) => bytes(value).is_some_and(|value| self.ordered(number, &value)),
            Field::Time(at) => {
                clock::parse(value, clock::now()).is_some_and(|value| self.ordered(at, &value))
            }
            Field::Folder(path) => {
                let (path, value) = (path.trim_matches('/'), value.trim_matches('/'));
                let within =
                    || value.is_empty() || path.strip_prefix(value).is_some_and(|rest| rest.starts_with('/'));
                path == value || (self.op == Op::Begins && within())
            }
        }
    }

    fn text(&self, text: &str, value: &str) -> bool {
        match self.op {
            Op::Begins => text.starts_with(value),
            Op::Has => {
                let words = |text: &str| -> Vec<String> {
                    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
                };
                let present = words(text);
                words(value).iter().all(|word| present.contains(word))
            }
            _ => self.ordered(text, value),
        }
    }

    fn ordered<T: PartialOrd + ?Sized>(&self, left: &T, right: &T) -> bool {
        match self.op {
            Op::Less => left < right,
            Op::LessOrEqual => left <= right,
            Op::Greater => left > right,
            Op::GreaterOrEqual => left >= right,
            Op::Equal | Op::In | Op::Begins | Op::Has | Op::Exists => left == right,
        }
    }
}

/// A number with or without a unit of bytes. ImageKit does not say which megabyte it means; this is the decimal one.
fn bytes(text: &str) -> Option<f64> {
    let lower = text.trim().to_lowercase();
    let units = [("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("b", 1.0)];
    let unit = units
        .iter()
        .find_map(|(unit, factor)| lower.strip_suffix(unit).map(|number| (number.to_owned(), *factor)));
    let (number, factor) = unit.unwrap_or((lower, 1.0));
    number.trim().parse::<f64>().ok().map(|number| number * factor)
}

#[derive(Debug, PartialEq)]
enum Token {
    Quoted(String),
    Bare(String),
    Mark(&'static str),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    const MARKS: [&str; 11] = ["<=", ">=", "<", ">", "=", ":", "(", ")", "[", "]", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let mut value = String::new();
            let mut chars = rest[1..].char_indices();
            let end = loop {
                match chars.next()? {
                    (_, '\\') => value.push(chars.next()?.1),
                    (at, c) if c == first => break at + 2,
                    (_, c) => value.push(c),
                }
            };
            tokens.push(Token::Quoted(value));
            rest = &rest[end..];
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            tokens.push(Token::Mark(mark));
            rest = &rest[mark.len()..];
        } else {
            let ends = |c: char| c.is_whitespace() || "\"'()[],=:<>".contains(c);
            let end = rest.find(ends).unwrap_or(rest.len());
            tokens.push(Token::Bare(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some(tokens)
}

/// Parentheses deeper than this are refused: the parser calls itself for each.
const DEPTH_MAX: usize = 50;

struct Parser<K> {
    tokens: Vec<Token>,
    at: usize,
    known: K,
}

impl<K: Fn(&str) -> bool> Parser<K> {
    fn word(&mut self, word: &str) -> bool {
        let is =
            matches!(self.tokens.get(self.at), Some(Token::Bare(bare)) if bare.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn mark(&mut self, mark: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Mark(one)) if *one == mark);
        self.at += usize::from(is);
        is
    }

    fn value(&mut self) -> Option<String> {
        let value = match self.tokens.get(self.at)? {
            Token::Quoted(text) | Token::Bare(text) => text.clone(),
            Token::Mark(_) => return None,
        };
        self.at += 1;
        Some(value)
    }

    fn any(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.all(depth)?];
        while self.word("OR") {
            parts.push(self.all(depth)?);
        }
        Some(Expr::Any(parts))
    }

    fn all(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.part(depth)?];
        while self.word("AND") {
            parts.push(self.part(depth)?);
        }
        Some(Expr::All(parts))
    }

    fn part(&mut self, depth: usize) -> Option<Expr> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.word("NOT") {
            return Some(Expr::Not(Box::new(self.part(depth + 1)?)));
        }
        if self.mark("(") {
            let inner = self.any(depth + 1)?;
            return self.mark(")").then_some(inner);
        }
        self.test()
    }

    fn test(&mut self) -> Option<Expr> {
        let field = self.value().filter(|field| (self.known)(field))?;
        let negated = self.word("NOT");
        let op = self.op()?;
        let values = match op {
            Op::Exists => Vec::new(),
            _ if self.mark("[") => self.list()?,
            _ => vec![self.value()?],
        };
        let test = Expr::Test(Test { field, op, values });
        Some(if negated { Expr::Not(Box::new(test)) } else { test })
    }

    fn op(&mut self) -> Option<Op> {
        let marks = [
            ("=", Op::Equal),
            (":", Op::Begins),
            ("<=", Op::LessOrEqual),
            (">=", Op::GreaterOrEqual),
            ("<", Op::Less),
            (">", Op::Greater),
        ];
        let words = [("IN", Op::In), ("HAS", Op::Has), ("EXISTS", Op::Exists)];
        marks
            .iter()
            .find_map(|(mark, op)| self.mark(mark).then_some(*op))
            .or_else(|| words.iter().find_map(|(word, op)| self.word(word).then_some(*op)))
    }

    fn list(&mut self) -> Option<Vec<String>> {
        let mut values = vec![self.value()?];
        while self.mark(",") {
            values.push(self.value()?);
        }
        self.mark("]").then_some(values)
    }
}
