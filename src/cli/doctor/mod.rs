//! `doctor`: whether a run could begin, looked at beforehand, with a line each and what to do (requirement C16). It
//! changes nothing anywhere, and what it finds keeps it from nothing else that it can still look at.

mod answer;
mod cdn;
mod clocks;
mod databases;
mod ledger;
mod machine;
mod origin;
mod settings;

use std::time::Duration;

use ::ledger::trouble::TroubleKind;
use clap::Args;

use self::answer::Answer;
use super::Context;
use super::drive::HostArgs;
use super::out::OutArgs;
use crate::config::Target;
use crate::error::{Exit, Failure};
use crate::limits::DOCTOR_ASK_MS_MAX;
use crate::outside::Trouble;
use crate::show;

/// See whether a run could begin: settings, databases, ImageKit, origin, disk, clocks, ledger. Changes nothing.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    hosts: HostArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// Looks at everything, given what is wrong with the settings.
pub fn run(context: &Context<'_>, args: &DoctorArgs, wrong: Vec<Failure>) -> Result<Exit, Failure> {
    let out = args.out.out(context)?;
    let path = context.ledger_path();
    // Local development has no account at ImageKit, and needs none before something is to be migrated there.
    let config = &context.config;
    let is_unseen =
        ["IMAGEKIT_PRIVATE_KEY", "IMAGEKIT_URL_ENDPOINT"].iter().any(|name| config.is_unseen(name));
    let has_none =
        !is_unseen && config.imagekit_private_key.is_none() && config.imagekit_url_endpoint.is_none();
    let may_do_without =
        context.target == Target::Dev && has_none && !ledger::has_migrated(&context.ledger_path());
    let ((application, (origin, origin_clock)), trivia, (cdn, cdn_clock)) = context.runtime.block_on(async {
        let ours = async {
            let application = databases::application(context, may_do_without).await;
            let origin = origin::check(context, &args.hosts.allow_host, &application.urls).await;
            (application, origin)
        };
        let cdn = async {
            match may_do_without {
                true => (cdn::not_needed(), None),
                false => cdn::check(context).await,
            }
        };
        let (ours, trivia, cdn) = tokio::join!(ours, databases::trivia(context), cdn);
        match may_do_without && ours.0.has_completed {
            true => (ours, trivia, cdn::check(context).await),
            false => (ours, trivia, cdn),
        }
    });
    let does_without = may_do_without && !application.has_completed;
    let mut lines = settings::check(context, &args.hosts.allow_host, wrong, does_without);
    let offsets: Vec<_> = [application.offset, cdn_clock, origin_clock].into_iter().flatten().collect();
    lines.extend(application.lines);
    lines.extend(cdn);
    lines.extend([trivia, origin, clocks::check(&offsets)]);
    lines.extend(ledger::check(context, application.identity.as_ref()));
    lines.extend([
        machine::disk(&path, &context.spool_path()),
        machine::descriptors(),
        machine::memory(),
        machine::socket(&path),
    ]);
    let answer = Answer::new(context.target.name(), &path, lines);
    show::say(&out, || answer.sheet(), &answer)?;
    Ok(if answer.is_well() { Exit::Done } else { Exit::Findings })
}

/// Why a check is left out whose settings a `.env` may hold that is not taken. What they would be without it, defaults
/// included, is asked of nobody: it may be what the file is there to change.
const UNSEEN: &str = ".env is not taken, and this may be set in it";

/// Waits for an outside part, and not for ever.
async fn bounded<T>(asked: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let most = Duration::from_millis(DOCTOR_ASK_MS_MAX);
    let late = |_| {
        let message = format!("there was no answer within {} s", most.as_secs());
        Err(Trouble::new(TroubleKind::Timeout, message).outage())
    };
    tokio::time::timeout(most, asked).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn c16_an_outside_part_that_says_nothing_is_not_waited_for_for_ever() {
        let silent = std::future::pending::<Result<(), Trouble>>();
        let trouble = bounded(silent).await.unwrap_err();
        assert_eq!((trouble.kind, trouble.outage), (TroubleKind::Timeout, true));
        assert_eq!(trouble.message, "there was no answer within 15 s");
    }
}
