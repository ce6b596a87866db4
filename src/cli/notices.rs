//! Alerts on their way to `LONGSHORE_NOTIFY_URL` (requirement E8). A run never waits for them; the program, when it has
//! said everything, does so for as long as their tries take.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{Alerted, Record, Scope, Verb};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::open::operator;
use super::place::name_of;
use super::{Context, Interrupt};
use crate::error::Failure;
use crate::limits::NOTIFY_SILENT_MS;
use crate::outside::Trouble;
use crate::outside::notify::{Notify, NotifyRefused};
use crate::runner;
use crate::show;

/// What is being sent.
#[derive(Default)]
pub struct Notices(RefCell<Vec<JoinHandle<Result<(), Trouble>>>>);

impl Notices {
    /// Waits until each was sent or given up, and says which could not be. A Ctrl-C leaves what is still being sent; how
    /// the command ended stays as it is.
    pub fn finish(&self, runtime: &Runtime, interrupt: &Interrupt) {
        let all = self.0.take();
        if all.is_empty() {
            return;
        }
        let (leave, left) = oneshot::channel();
        interrupt.on_next(move || {
            let _nobody_waits_any_more = leave.send(());
        });
        let sending = async {
            for sending in all {
                if let Ok(Err(trouble)) = sending.await {
                    eprintln!("Note: an alert could not be sent: {}", show::plain(&trouble.message));
                }
            }
        };
        runtime.block_on(async {
            tokio::pin!(sending);
            let soon = Duration::from_millis(NOTIFY_SILENT_MS);
            if tokio::time::timeout(soon, &mut sending).await.is_ok() {
                return;
            }
            eprintln!("Alerts are still being sent; Ctrl-C leaves them.");
            tokio::select! {
                () = &mut sending => {}
                _ = left => eprintln!("Note: alerts that were still being sent are left."),
            }
        });
    }
}

impl Context<'_> {
    /// The one whom the settings name to be told.
    ///
    /// # Errors
    /// When the setting cannot be used.
    pub fn notify(&self) -> Result<Option<Notify>, Failure> {
        let url = self.config.notify_url.as_ref();
        let no = |error: NotifyRefused| {
            Failure::usage(error.to_string()).hint("Correct it, or unset it to be told by nobody")
        };
        url.map(|url| Notify::new(url.reveal())).transpose().map_err(no)
    }
}

/// Who is told of a run's alerts.
pub struct Notifier {
    to: Arc<Notify>,
    verb: Verb,
    scope: Scope,
}

impl Notifier {
    /// The one that the settings name, for a run that does this.
    ///
    /// # Errors
    /// When the setting cannot be used.
    pub fn of(context: &Context<'_>, verb: Verb, scope: Scope) -> Result<Option<Self>, Failure> {
        Ok(context.notify()?.map(|to| Self { to: Arc::new(to), verb, scope }))
    }

    /// Sends an alert, waiting for nothing.
    pub fn send(&self, context: &Context<'_>, record: &Record, alerted: &Alerted) {
        let Self { to, verb, scope } = self;
        let (run, target) = (record.run, context.target.name());
        let what = format!("{} {}", verb.name(), name_of(scope));
        let about = show::word(&alerted.about).replace('_', " ");
        let number = run.map_or(String::new(), |run| format!("run {run}, "));
        let message = show::with_flags(&alerted.message);
        let document = json!({
            "text": show::chat(&format!("Longshore ({number}{what}, {target}) {about}: {message}")),
            "about": alerted.about,
            "message": message,
            "at": record.at,
            "run": run,
            "verb": verb,
            "scope": scope,
            "target": target,
            "operator": operator(),
        });
        let to = to.clone();
        let sending = context.runtime.spawn(async move { runner::notice(|| to.post(&document)).await });
        context.notices.0.borrow_mut().push(sending);
    }
}
