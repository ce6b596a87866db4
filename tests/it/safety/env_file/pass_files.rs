//! A `.env` that has a password of a pass file sent to somebody else (requirements S1, S3).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Planted;
use crate::safety::tls::{PEM, forged};
use crate::support::program::Ran;

/// A `.env` with a database's URL, beside a pass file of one line.
struct Tried {
    planted: Planted,
}

impl Tried {
    fn new() -> Self {
        let mut planted = Planted::new();
        let dir = planted.at.sandbox_dir();
        fs::write(dir.join("root.pem"), PEM).unwrap();
        planted.at.settings.insert("PGPASSFILE".into(), dir.join("pass").display().to_string());
        Self { planted }
    }

    fn with(&self, line: &str, url: &str) -> Ran {
        let pass = self.planted.at.sandbox_dir().join("pass");
        fs::write(&pass, format!("{line}\n")).unwrap();
        fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
        self.planted.write(&format!("PRODUCTION_DATABASE_URL='{url}'\n"));
        self.planted.at.run(&["countries"])
    }
}

#[test]
fn s1_a_password_for_any_port_of_a_host_is_not_sent_to_the_one_that_a_dotenv_names() {
    let mut tried = Tried::new();
    let (port, heard) = forged();
    let take = || std::mem::take(&mut *heard.lock().unwrap());
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("postgres://me@{host}:{port}/x");
        let ran = tried.with(&format!("{host}:*:*:me:pass-w0rd"), &url).code(2);
        let ran = ran.says("without naming its port").says("the port that the password is for");
        assert_eq!(take(), [""; 0], "{ran}");
        let ran = tried.with("*:*:*:me:pass-w0rd", &url).code(2).says("without naming its host and port");
        assert_eq!(take(), [""; 0], "{ran}");
        // Whoever says which server is meant is obeyed, in the line or in the environment.
        tried.with(&format!("{host}:{port}:*:me:pass-w0rd"), &url).code(30);
        assert_eq!(take(), ["pass-w0rd\0"]);
        tried.planted.at.settings.insert("PRODUCTION_DATABASE_URL".into(), url.clone());
        tried.with(&format!("{host}:*:*:me:pass-w0rd"), &url).code(30);
        assert_eq!(take(), ["pass-w0rd\0"]);
        tried.planted.at.settings.remove("PRODUCTION_DATABASE_URL");
    }
    // A socket's directory is in no line, and naming the host there would be of no use.
    let said = tried.with("localhost:*:*:me:pass-w0rd", "postgres://me@/x?host=/nowhere");
    assert!(said.stderr.contains("export PRODUCTION_DATABASE_URL"), "{said}");
    assert!(!said.stderr.contains("into that line"), "{said}");
}

#[test]
fn s3_a_password_is_not_sent_to_a_host_that_a_dotenv_leaves_unproven() {
    let mut tried = Tried::new();
    let (port, heard) = forged();
    let take = || std::mem::take(&mut *heard.lock().unwrap());
    let line = format!("0.0.0.0:{port}:*:me:pass-w0rd");
    let root = tried.planted.at.sandbox_dir().join("root.pem");
    let root = root.display();
    for parameters in [
        "sslmode=require".to_owned(),
        // An authority that comes with the file is the file's author's.
        format!("sslmode=verify-full&sslrootcert={root}"),
        format!("sslmode=verify-ca&sslrootcert={root}"),
        format!("sslrootcert={root}"),
    ] {
        let url = format!("postgres://me@0.0.0.0:{port}/x?{parameters}");
        let ran = tried.with(&line, &url).code(2).says("must not come from .env");
        let ran = ran.says("sslmode=verify-full and no sslrootcert").says("export PRODUCTION_DATABASE_URL");
        assert_eq!(take(), [""; 0], "{parameters}: {ran}");
        // The environment is trusted.
        tried.planted.at.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
        tried.with(&line, "sqlite:x").code(30);
        assert_eq!(take(), ["pass-w0rd\0"], "{parameters}");
        tried.planted.at.settings.remove("PRODUCTION_DATABASE_URL");
    }
    // What asks for a server that is known is let through, and finds that this one is not.
    for parameters in ["", "?sslmode=verify-full", "?sslmode=verify-full&sslrootcert=system"] {
        let ran = tried.with(&line, &format!("postgres://me@0.0.0.0:{port}/x{parameters}")).code(30);
        assert_eq!(take(), [""; 0], "{ran}");
        ran.says("authority");
    }
}
