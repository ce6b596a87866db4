//! Credentials go over TLS only, loopback excepted (requirement S3): every setting that carries one, as every command
//! meets it. What is refused is refused before anything is sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const REPORT: &str =
    "match_type,ea_slug,ea_id,distance_m,ta_slug,ta_id,confidence,images_count,ta_name,ea_name,name_distance
slug_only,a,1,1,a,1,0.85,1,A,A,0
";

#[test]
fn s3_a_setting_that_would_send_a_credential_in_the_open_is_refused_by_every_command_that_uses_it() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let forward: [&[&str]; 2] = [&["migrate", "--country", "DE", "--yes"], &["doctor"]];
    let populate: &[&str] = &["populate", "--matches", "report.csv", "--yes"];
    std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
    // An address in documentation's own range: whoever sends something there waits in vain, and does not end with 2.
    let open = "postgres://me:pass-w0rd@192.0.2.7/x?sslmode=disable";
    for (name, value, said, commands) in [
        ("PRODUCTION_DATABASE_URL", open, "over TLS only", &[forward[0], forward[1], &["countries"]][..]),
        ("TRIVIA_ADVISOR_DATABASE_URL", open, "over TLS only", &[populate, forward[1]]),
        ("IMAGEKIT_API_URL", "http://192.0.2.7", "must be https", &forward),
        ("IMAGEKIT_UPLOAD_URL", "http://192.0.2.7", "must be https", &forward),
        ("LONGSHORE_NOTIFY_URL", "http://192.0.2.7/hook", "must be https", &forward),
    ] {
        for args in commands {
            let counts = at.counts();
            let ran = Ran::new(args, at.command(args).env(name, value).output().unwrap());
            let code = if *args == forward[1] { 13 } else { 2 };
            let ran = ran.code(code).says(said).says(name_in(name, said));
            assert!(!ran.to_string().contains("pass-w0rd"), "{ran}");
            if code == 2 {
                assert_eq!(at.counts(), counts, "something was sent: {ran}");
            }
        }
    }
    assert!(!at.ledger().exists(), "nothing was begun");
}

/// The database's own words do not name the setting.
fn name_in(name: &'static str, said: &'static str) -> &'static str {
    if said == "must be https" { name } else { said }
}

/// A machine without certificates, as slim containers are.
const SLIM: [(&str, &str); 2] = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];

#[test]
fn s3_a_machine_without_certificates_works_on_loopback() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.settings.insert("LONGSHORE_NOTIFY_URL".into(), "http://127.0.0.1:1/hook".into());
    let said = at.run(&["doctor"]).stdout;
    at.settings.extend(SLIM.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let ran = at.run(&["doctor"]);
    assert_eq!(ran.stdout.lines().count(), said.lines().count(), "{ran}");
    // One venue of Germany has data that cannot be read.
    at.run(&["migrate", "--country", "DE", "--yes"]).code(10).says("100.00 %");
    at.run(&["verify", "--country", "DE"]).code(0);
}

/// A certificate of the tests' own making, for `localhost` and 0.0.0.0, and its key.
pub(super) const PEM: &[u8] = include_bytes!("localhost.pem");

/// What is done with a connection after its handshake.
type Then = dyn Fn(&mut rustls::Stream<'_, ServerConnection, TcpStream>) -> std::io::Result<()> + Send;

/// Answers each connection with TLS, by that certificate. A database's clients ask for TLS first.
fn server(then: Box<Then>) -> u16 {
    server_with(PEM, then)
}

/// The same, by another certificate.
fn server_with(pem: &[u8], then: Box<Then>) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // What the other side makes of it is what is looked at.
            let _it_hangs_up = meet(stream.unwrap(), &config, &then);
        }
    });
    port
}

fn meet(mut stream: TcpStream, config: &Arc<ServerConfig>, then: &Then) -> std::io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first)?;
    if first[0] == 0 {
        stream.read_exact(&mut [0; 8])?;
        stream.write_all(b"S")?;
    }
    let mut tls = ServerConnection::new(config.clone()).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    then(&mut rustls::Stream::new(&mut tls, &mut stream))
}

/// A PostgreSQL server that nobody should believe: it asks for the password in clear, and keeps what comes. Programs
/// take 0.0.0.0, which leads to this machine, for another one's address.
pub(super) fn forged() -> (u16, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keeps = heard.clone();
    let port = server(Box::new(move |tls| {
        let mut length = [0; 4];
        tls.read_exact(&mut length)?;
        tls.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize - 4])?;
        tls.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
        tls.flush()?;
        let mut head = [0; 5];
        tls.read_exact(&mut head)?;
        let mut said = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
        tls.read_exact(&mut said)?;
        keeps.lock().unwrap().push(String::from_utf8_lossy(&said).into_owned());
        Ok(())
    }));
    (port, heard)
}

#[test]
fn s3_a_forged_certificate_gets_no_password_unless_the_url_asks_for_no_more() {
    let at = Workplace::new(Kind::Sqlite, 4);
    std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
    let root = at.work().join("root.pem");
    std::fs::write(&root, PEM).unwrap();
    let (port, heard) = forged();
    let url = |parameters: &str| format!("postgres://me:pass-w0rd@0.0.0.0:{port}/x{parameters}");
    let tell = |name: &str, parameters: &str, args: &[&str]| {
        let mut command = at.command(args);
        // What the environment says of another program's connections makes nothing weaker.
        command.env(name, url(parameters)).env("PGSSLMODE", "disable");
        let ran = Ran::new(args, command.output().unwrap());
        assert!(!ran.to_string().contains("pass-w0rd"), "{ran}");
        (ran, std::mem::take(&mut *heard.lock().unwrap()))
    };
    let populate: &[&str] = &["populate", "--matches", "report.csv", "--yes"];
    let production: &[&str] = &["countries"];
    let named = format!("?sslrootcert={}", root.display());
    for (name, args) in [
        ("PRODUCTION_DATABASE_URL", production),
        ("PRODUCTION_DATABASE_URL", &["doctor"]),
        ("TRIVIA_ADVISOR_DATABASE_URL", populate),
        ("TRIVIA_ADVISOR_DATABASE_URL", &["doctor"]),
    ] {
        for parameters in ["", "?sslmode=verify-full", "?ssl=true", "?application_name=x"] {
            let (ran, password) = tell(name, parameters, args);
            assert_eq!(password, [""; 0], "{parameters}: {ran}");
            ran.says("authority").says("sslrootcert=FILE");
        }
        // Half a promise is none.
        for half in ["prefer", "allow"] {
            let (ran, password) = tell(name, &format!("?sslmode={half}"), args);
            assert_eq!(password, [""; 0], "{half}: {ran}");
            ran.says("sslmode=verify-full").says(half);
        }
        // Who says so may do without knowing the server, and who names its authority knows it.
        for parameters in ["?sslmode=require", &named] {
            let (ran, password) = tell(name, parameters, args);
            assert!(!password.is_empty() && password.iter().all(|heard| heard == "pass-w0rd\0"), "{ran}");
        }
    }
}

#[test]
fn s3_who_is_not_known_on_a_machine_without_certificates_is_told_with_what_is_missing() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let port = server(Box::new(|_| Ok(())));
    let database = format!("postgres://me:pass-w0rd@localhost:{port}/x?sslmode=verify-full");
    for (name, value) in
        [("PRODUCTION_DATABASE_URL", database), ("IMAGEKIT_API_URL", format!("https://localhost:{port}"))]
    {
        let doctor = |slim: bool| {
            let mut command = at.command(&["doctor"]);
            command.env(name, &value).envs(SLIM.into_iter().filter(|_| slim));
            Ran::new(&["doctor"], command.output().unwrap()).code(13)
        };
        let ran = doctor(true).says("authority").says("install the package ca-certificates");
        assert!(!ran.to_string().contains("pass-w0rd"), "{ran}");
        let ran = doctor(false).says("authority");
        assert!(!ran.stdout.contains("ca-certificates"), "this machine has some: {ran}");
    }
}

/// Certificates for the same names that were of use in January 2020 alone, and will be from 2999 on.
const EXPIRED: &[u8] = include_bytes!("expired.pem");
/// One that is its own authority, as PostgreSQL's manual makes it by `openssl req -new -x509`.
const AUTHORITY: &[u8] = include_bytes!("authority.pem");
const EARLY: &[u8] = include_bytes!("early.pem");

#[test]
fn s3_what_is_advised_fits_what_is_wrong_with_a_databases_certificate() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let named = |pem: &[u8]| {
        let root = at.work().join(format!("root-{}.pem", pem[60]));
        std::fs::write(&root, pem).unwrap();
        format!("sslmode=verify-full&sslrootcert={}", root.display())
    };
    let of_name = "sslmode=verify-ca";
    for (pem, host, parameters, says, is_name) in [
        (PEM, "localhost", "sslmode=verify-full".to_owned(), "sslrootcert=FILE", false),
        (PEM, "[::ffff:127.0.0.1]", named(PEM), of_name, true),
        (EXPIRED, "localhost", named(EXPIRED), "have it renewed", false),
        (EARLY, "localhost", named(EARLY), "this machine's clock", false),
        (AUTHORITY, "localhost", named(AUTHORITY), "basicConstraints=CA:FALSE", false),
    ] {
        let port = server_with(pem, Box::new(|_| Ok(())));
        let mut command = at.command(&["countries"]);
        command
            .env("PRODUCTION_DATABASE_URL", format!("postgres://me:pass-w0rd@{host}:{port}/x?{parameters}"));
        let ran = Ran::new(&["countries"], command.output().unwrap()).code(30);
        let ran = ran.says("the server's certificate is not taken: ").says(says);
        assert_eq!(ran.to_string().contains(of_name), is_name, "{ran}");
        // No names out of a library's code.
        for name in ["OtherError", "EndEntity", "DnsName", "Context"] {
            assert!(!ran.to_string().contains(name), "{ran}");
        }
    }
}
