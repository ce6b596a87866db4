//! What uses a file is not deleted: wherever in the database it is named, in whatever spelling (requirement S7).

mod hidden;
mod places;
mod postgres;
mod sqlite;

use serde_json::Value;

use crate::support::program::Ran;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];
const DELETE: [&str; 5] = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files"];
const ORPHANS: [&str; 3] = ["reconcile", "--delete-orphans", "--yes"];

/// One file on the CDN whose row is back, so that nothing uses it.
struct Unused {
    site: Site,
    path: String,
    id: String,
}

impl Unused {
    fn new(kind: Kind) -> Self {
        Self::from(kind, "/1.jpg")
    }

    /// The same of an original at another path, which has other bytes.
    fn from(kind: Kind, path: &str) -> Self {
        let site = Site::new(kind);
        site.venue(1, 1, &[path]);
        site.one_run(&MIGRATE, 0);
        site.one_run(&ROLLBACK, 0);
        let files = site.stage.imagekit.files();
        assert_eq!(files.len(), 1);
        Self { path: files[0].path.clone(), id: files[0].id.clone(), site }
    }

    /// Comes as a role that may read and update as a run needs it. Its name, for further grants.
    fn as_role(kind: Kind, tables: &str) -> (Self, String) {
        let mut unused = Self::new(kind);
        unused.site.stage.sql(tables);
        let role = unused.site.stage.run_as_role();
        unused.site.stage.sql(&format!("GRANT UPDATE (venue_images, updated_at) ON venues TO {role}"));
        let url = unused.site.stage.url();
        unused.site.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
        (unused, role)
    }

    /// The file's name without folder and extension.
    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap();
        name.rsplit_once('.').unwrap().0
    }

    /// The file's URL.
    fn url(&self) -> String {
        format!("{}{}", self.site.stage.imagekit.url_endpoint(), self.path)
    }

    /// Runs SQL, with the file's URL for `$url`, its name without extension for `$stem` and its id for `$id`.
    fn sql(&self, sql: &str) {
        let sql = sql.replace("$url", &self.url()).replace("$stem", self.stem()).replace("$id", &self.id);
        self.site.stage.sql(&sql);
    }

    /// Sees that neither command deletes the file, and that both say where it is used.
    #[track_caller]
    fn stays(&self, because: &str) {
        for (command, code) in [(&DELETE[..], 0), (&ORPHANS[..], 0)] {
            let ran = self.site.run(command).code(code);
            assert_eq!(self.site.paths(), std::slice::from_ref(&self.path), "{because}: {ran}");
            if command == DELETE {
                ran.says(&format!("{because} uses it"));
            }
        }
        let answer = self.site.run_json(&["reconcile"]).code(0).json();
        let used_by = &answer["named"]["files"];
        assert_eq!(answer["files"]["classes"]["in_use"]["files"], 1, "{because}: {used_by}");
    }

    /// Sees that the file is deleted, so that what kept it was what the test did.
    #[track_caller]
    fn goes(&self, args: &[&str]) -> Ran {
        let ran = self.site.run(args).code(0);
        assert!(self.site.paths().is_empty(), "{ran}");
        ran
    }

    /// What the ledger says of the deleted file.
    fn deleted(&self) -> Value {
        let mut events = self.site.events(&["--kind", "cdn_deleted"]);
        assert_eq!(events.len(), 1);
        events.remove(0)["event"]["cdn_deleted"].clone()
    }
}
