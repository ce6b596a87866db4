//! Credentials go over TLS only, loopback excepted (requirement S3): every setting that carries one, as every command
//! meets it. What is refused is refused before anything is sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

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

/// Answers each connection with TLS, by a certificate of its own making. A database's clients ask for TLS first.
fn server() -> u16 {
    const PEM: &[u8] = include_bytes!("localhost.pem");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = CertificateDer::pem_slice_iter(PEM).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // What the other side makes of it is what is looked at.
            let _it_hangs_up = meet(stream.unwrap(), &config);
        }
    });
    port
}

fn meet(mut stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
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
    Ok(())
}

#[test]
fn s3_who_is_not_known_on_a_machine_without_certificates_is_told_with_what_is_missing() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let port = server();
    let database = format!("postgres://me:pass-w0rd@localhost:{port}/x?sslmode=verify-full");
    for (name, value) in
        [("PRODUCTION_DATABASE_URL", database), ("IMAGEKIT_API_URL", format!("https://localhost:{port}"))]
    {
        let doctor = |slim: bool| {
            let mut command = at.command(&["doctor"]);
            command.env(name, &value).envs(SLIM.into_iter().filter(|_| slim));
            Ran::new(&["doctor"], command.output().unwrap()).code(13)
        };
        let ran = doctor(true).says("UnknownIssuer").says("install the package ca-certificates");
        assert!(!ran.to_string().contains("pass-w0rd"), "{ran}");
        let ran = doctor(false).says("UnknownIssuer");
        assert!(!ran.stdout.contains("ca-certificates"), "this machine has some: {ran}");
    }
}
