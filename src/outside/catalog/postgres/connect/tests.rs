//! What comes of every part of a URL. Each text has the secret `hunter2` in it, which no message may repeat.

use super::*;

fn options(url: &str) -> Result<PgConnectOptions, Trouble> {
    way(url, "test").map(|way| way.options)
}

fn mode(url: &str) -> Result<PgSslMode, Trouble> {
    options(url).map(|options| options.get_ssl_mode())
}

/// Sees that a URL is refused in these words.
#[track_caller]
fn refuses(url: &str, words: &[&str]) {
    let said = way(url, "test").unwrap_err().to_string();
    for word in words {
        assert!(said.contains(word), "{word} for {url}: {said}");
    }
    assert!(said.contains("the database URL") && !said.contains("hunter2"), "{url}: {said}");
}

#[test]
fn s3_another_machine_is_reached_over_tls_only() {
    for url in [
        "postgres://me:pw@db.example/x",
        "postgres://me:pw@db.example/x?ssl=true",
        "postgres://me:pw@localhost/x?host=db.example",
        "postgres://me:pw@%2Ftmp/x?host=db.example",
        "postgres://me:pw@0.0.0.0/x",
        "postgres://me:pw@[::ffff:127.0.0.1]/x",
        "postgres://me:pw@db.example/x?sslmode=verify-full",
        "postgres://me:pw@db.example/x?ssl-mode=verify-full",
        "postgres://me:pw@db.example/x?ssl=true&sslmode=verify-full",
        "postgres://me:pw@db.example/x?sslmode=verify-full&sslrootcert=system",
        "postgres://me:pw@db.example/x?sslrootcert=system",
    ] {
        assert!(matches!(mode(url), Ok(PgSslMode::VerifyFull)), "{url}");
    }
    for url in [
        "postgres://me:pw@10.0.0.1/x?sslmode=require",
        "postgres://me:pw@10.0.0.1/x?ssl=true&sslmode=require",
    ] {
        assert!(matches!(mode(url), Ok(PgSslMode::Require)), "{url}");
    }
    for sslmode in ["disable", "prefer", "allow"] {
        let words = [sslmode, "over TLS only", "write sslmode=verify-full"];
        refuses(&format!("postgres://me:hunter2@db.example/x?sslmode={sslmode}"), &words);
        refuses(&format!("postgres://me:hunter2@127.0.0.1/x?hostaddr=10.0.0.1&sslmode={sslmode}"), &words);
    }
}

#[test]
fn s3_who_names_a_root_gets_a_server_that_has_it() {
    let root = tempfile::NamedTempFile::new().unwrap();
    let url =
        |asked: &str| format!("postgres://me@db.example/x?sslrootcert={}{asked}", root.path().display());
    assert!(matches!(mode(&url("")), Ok(PgSslMode::VerifyFull)));
    for asked in ["&sslmode=require", "&sslmode=verify-ca"] {
        assert!(matches!(mode(&url(asked)), Ok(PgSslMode::VerifyCa)), "{asked}");
    }
    assert!(mode(&url("&sslmode=prefer")).is_err());
}

#[test]
fn s3_loopback_may_do_without_tls() {
    for url in [
        "postgres://me@127.0.0.1/x?sslmode=disable",
        "postgres://me@localhost:6543/x?sslmode=disable&pgbouncer=true",
        "postgres://me@[::1]/x?sslmode=disable",
        "postgres://me@/x?host=/var/run/postgresql&sslmode=disable",
    ] {
        assert!(matches!(mode(url), Ok(PgSslMode::Disable)), "{url}");
    }
    assert!(matches!(mode("postgres://me@localhost/x"), Ok(PgSslMode::Prefer)));
    assert!(matches!(mode("postgres://me@localhost/x?ssl=true"), Ok(PgSslMode::Require)));
}

#[test]
fn d6_each_part_of_a_url_is_read_as_psql_reads_it() {
    type Read<'a> = (&'a str, u16, &'a str, &'a str);
    let all: [(&str, Read<'_>); 9] = [
        ("postgresql://me@h", ("h", 5432, "me", "me")),
        ("postgres://me:hunter2@h:6543/x", ("h", 6543, "me", "x")),
        (
            "postgres://postgres.abcdef:pw@pooler.example:6543/postgres",
            ("pooler.example", 6543, "postgres.abcdef", "postgres"),
        ),
        ("postgres://m%40e:p%40%2F%3A%25@h/x%2Fy", ("h", 5432, "m@e", "x/y")),
        ("postgres://me@[::1]:7/x", ("::1", 7, "me", "x")),
        ("postgres://me+you@h/a+b", ("h", 5432, "me+you", "a+b")),
        ("postgres:///x?user=me&host=h&port=8", ("h", 8, "me", "x")),
        ("postgres://me@h:5432/x?dbname=y&user=you&hostaddr=10.1.2.3", ("10.1.2.3", 5432, "you", "y")),
        ("postgres://me@h:/x?", ("h", 5432, "me", "x")),
    ];
    for (url, read) in all {
        let options = options(url).unwrap();
        let found =
            (options.get_host(), options.get_port(), options.get_username(), options.get_database().unwrap());
        assert_eq!(found, read, "{url}");
        assert!(options.get_socket().is_none() && options.get_application_name() == Some("test"), "{url}");
    }
}

#[test]
fn d6_a_directory_is_a_unix_sockets() {
    for (url, directory) in [
        ("postgres://me:pw@/x?host=/cloudsql/project:region:name", "/cloudsql/project:region:name"),
        ("postgres://me@%2Fvar%2Frun%2Fpostgresql/x", "/var/run/postgresql"),
        ("postgres://me@%2Fvar%2Frun:7/x?application_name=a%20b", "/var/run"),
        ("postgres://me@db.example/x?host=%2Ftmp", "/tmp"),
    ] {
        let options = options(url).unwrap();
        assert_eq!(options.get_socket().map(|path| path.to_str().unwrap()), Some(directory), "{url}");
    }
}

#[test]
fn d6_what_asks_for_nothing_else_is_taken() {
    for parameter in [
        "pgbouncer=true",
        "target_session_attrs=any",
        "channel_binding=prefer",
        "gssencmode=disable",
        "client_encoding=UTF8",
        "sslnegotiation=postgres",
        "sslcompression=0",
        "ssl_min_protocol_version=TLSv1.2",
        "options=",
    ] {
        options(&format!("postgres://me:hunter2@h/x?{parameter}")).unwrap();
    }
    let named = |query: &str| {
        let options = options(&format!("postgres://me@h/x?{query}")).unwrap();
        options.get_application_name().map(str::to_owned)
    };
    assert_eq!(named("application_name=a&fallback_application_name=b").as_deref(), Some("a"));
    assert_eq!(named("fallback_application_name=b").as_deref(), Some("b"));
}

#[test]
fn d6_settings_of_the_server_are_made_in_every_transaction() {
    let settings = |options: &str| way(&format!("postgres://me@h/x?{options}"), "test").unwrap().settings;
    let path = "SELECT set_config('search_path', 'tenant', true); ";
    for spelling in [
        "options=-csearch_path%3Dtenant",
        "options=-csearch_path=tenant",
        "options=-c%20search_path%3Dtenant",
        "options=%20--search-path%3Dtenant%20",
        "options[search_path]=tenant",
        "options%5Bsearch_path%5D=tenant",
    ] {
        assert_eq!(settings(spelling), path, "{spelling}");
    }
    let more = settings("options=-c%20geqo=off%20-csearch_path=a%2C%5C%20b'c&options[work_mem]=4MB");
    let geqo = "SELECT set_config('geqo', 'off', true); ";
    let found =
        "SELECT set_config('search_path', 'a, b''c', true); SELECT set_config('work_mem', '4MB', true); ";
    assert_eq!(more, format!("{geqo}{found}"));
}

#[test]
fn d6_what_cannot_be_kept_is_refused_by_name() {
    for (parameter, instead) in [
        ("sslmod=verify-full", "did you mean sslmode?"),
        ("SSLMODE2=require", "leave it out"),
        ("pool_size=10", "leave it out"),
        ("supa=base-pooler.x", "leave it out"),
        ("target_session_attrs=read-write", "the primary's host alone"),
        ("service=hunter2", "into the URL"),
        ("servicefile=hunter2", "into the URL"),
        ("passfile=hunter2", "PGPASSFILE"),
        ("connect_timeout=10", "a limit of its own"),
        ("keepalives=1", "leave it out"),
        ("keepalives_idle=1", "leave it out"),
        ("keepalives_interval=1", "leave it out"),
        ("keepalives_count=1", "leave it out"),
        ("tcp_user_timeout=1", "leave it out"),
        ("load_balance_hosts=random", "the primary's host alone"),
        ("channel_binding=require", "sslmode=verify-full"),
        ("gssencmode=require", "sslmode=verify-full"),
        ("client_encoding=LATIN1", "leave it out"),
        ("sslnegotiation=direct", "leave it out"),
        ("sslcompression=1", "leave it out"),
        ("ssl_min_protocol_version=TLSv1.3", "1.2 or newer"),
        ("ssl_max_protocol_version=TLSv1.2", "leave it out"),
        ("sslcrl=hunter2", "revoked"),
        ("sslcrldir=hunter2", "revoked"),
        ("sslpassword=hunter2", "without a password"),
        ("sslcertmode=allow", "sslcert"),
        ("sslsni=0", "leave it out"),
        ("sslkeylogfile=hunter2", "leave it out"),
        ("requirepeer=hunter2", "leave it out"),
        ("require_auth=scram-sha-256", "leave it out"),
        ("krbsrvname=hunter2", "a password or a certificate"),
        ("gsslib=gssapi", "a password or a certificate"),
        ("gssdelegation=1", "a password or a certificate"),
        ("replication=database", "leave it out"),
        ("schema=tenant", "options=-csearch_path%3DNAME"),
        ("currentSchema=tenant", "options=-csearch_path%3DNAME"),
        ("search_path=tenant", "options=-csearch_path%3DNAME"),
        ("statement-cache-capacity=9", "leave it out"),
        ("sslrootcert=/nowhere/hunter2.pem", "cannot be read"),
        ("ssl=false", "write sslmode"),
    ] {
        let name = parameter.split('=').next().unwrap();
        refuses(&format!("postgres://me:hunter2@h/x?{parameter}"), &[name, instead]);
    }
    refuses("postgres://me:hunter2@h/x?sslmode=hunter2", &["unknown sslmode", "verify-full"]);
    refuses("postgres://me:hunter2@h/x?sslmode=require&ssl-mode=prefer", &["sslmode twice"]);
    refuses("postgres://me:hunter2@h/x?sslrootcert=system&sslmode=require", &["write sslmode=verify-full"]);
    refuses("postgres://me:hunter2@h/x?sslcert=/nowhere", &["sslcert and sslkey", "both"]);
}

#[test]
fn d6_options_that_cannot_be_kept_are_refused() {
    for (options, words) in [
        ("options=-d%205", "something else than -cNAME=VALUE"),
        ("options=search_path%3Dhunter2", "something else than -cNAME=VALUE"),
        ("options=-csearch_path", "something else than -cNAME=VALUE"),
        ("options=-c", "something else than -cNAME=VALUE"),
        ("options=-cstatement_timeout%3D5s", "statement_timeout"),
        ("options=--lock-timeout%3D5s", "lock_timeout"),
        ("options[client_encoding]=LATIN1", "client_encoding"),
        ("options=-ca'b%3Dhunter2", "a setting whose name is none"),
    ] {
        refuses(&format!("postgres://me:hunter2@h/x?{options}"), &[words]);
    }
}

#[test]
fn d6_what_is_written_wrongly_is_told_with_what_to_type() {
    for (url, words) in [
        ("postgres://me:hunter2@h1:5432,h2:5433/x", "several hosts"),
        ("postgres://me:hunter2@h1,h2/x", "several hosts"),
        ("postgres://me:hunter2@[::1],[::2]/x", "several hosts"),
        ("postgres://me:hunter2@/x?host=h1,h2", "several hosts"),
        ("postgres://me:hunter2@h/x?hostaddr=10.0.0.1,10.0.0.2", "one address"),
        ("postgres://me:p@hunter2@h/x", "%40"),
        ("postgres://me:hunter2/p@h/x", "%2F"),
        ("postgres://me:12/hunter2@h/x", "%2F"),
        ("postgres://me:12?hunter2@h/x", "%3F"),
        ("postgres://me:hunter2#p@h/x", "%23"),
        ("postgres://me:hunter2 p@h/x", "%20"),
        ("postgres://me:hunter2%zz@h/x", "%25"),
        ("postgres://me:hunter2%f@h/x", "%25"),
        ("postgres://me:%ffhunter2@h/x", "UTF-8"),
        ("postgres://me:%00hunter2@h/x", "%00"),
        ("postgres://me:hunter2", "a port that is none"),
        ("postgres://me@h/x?password=hunter2&hunter2", "without a ="),
        ("postgres://me@h/x?password=a&hunter2=b", "%26"),
        ("postgres://me@h/x?hunter2%20=b", "something, which is no parameter"),
        ("postgres://me:hunter2@:x/y", "a port that is none"),
        ("postgres://me:hunter2@h:0/y", "a port that is none"),
        ("postgres://me:hunter2@h/x?port=hunter2", "a port that is none"),
        ("postgres://me:hunter2@h/x?host=@hunter2", "a host that is none"),
        ("postgres://me:hunter2@/x", "names no host"),
        ("postgres:///hunter2", "names no host"),
        ("postgres://h/hunter2", "names no user"),
        ("postgres://:hunter2@h/x", "names no user"),
        ("postgres://me:hunter2@[::1/x", "a [ without its ]"),
    ] {
        refuses(url, &[words]);
    }
}

#[test]
fn d6_what_the_environment_would_add_is_refused() {
    let said = |query: &str| read(&format!("postgres://me:pw@h/x?{query}")).unwrap();
    for (variable, parameter) in UNSAID {
        let no = unsaid(&said(""), |name| name == variable).unwrap_err().to_string();
        assert!(no.contains(variable) && no.contains(&format!("write {parameter}=")), "{no}");
        // Options add up, so these are refused beside others.
        let is_fine = unsaid(&said(&format!("{parameter}=-ca%3Db")), |name| name == variable).is_ok();
        assert_eq!(is_fine, parameter != "options", "{variable}");
    }
    assert!(unsaid(&said(""), |name| ["PGHOST", "PGUSER", "PGSSLMODE"].contains(&name)).is_ok());
}
