//! `verify`: whether every image is served as the database says (requirement C7). It asks the origin and the CDN and
//! changes nothing anywhere.

mod asking;
mod check;
mod choose;
mod compare;
mod finding;
mod known;
mod told;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, stream};
use ledger::event::Event;
use ledger::ledger::Ledger;
use tokio::sync::mpsc;
use url::{Host, Url};

use self::asking::Asker;
use self::check::{Checks, Content};
use self::choose::{Choice, Rows, Sample, Subject, subjects};
use self::compare::Stopwatch;
use self::told::Answer;
use super::Context;
use super::drive::HostArgs;
use super::out::OutArgs;
use super::place::PlaceArgs;
use crate::error::{Exit, Failure};
use crate::limits::{
    COMPARE_IMAGES_DEFAULT, COMPARE_ROUNDS_DEFAULT, COMPARE_ROUNDS_MAX, IMAGE_BYTES_MAX, PATIENCE_MS_DEFAULT,
    VERIFY_IN_FLIGHT_DEFAULT, VERIFY_IN_FLIGHT_MAX,
};
use crate::outside::catalog::{Catalog, Place, Venue};
use crate::outside::origin::Origin;
use crate::runner::{Geography, Message, Told};
use crate::show;

/// See that every image is served as the database says. Without a place: everywhere.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only so many images, or such a share of them, of every country some.
    #[arg(long, value_name = "N|P%")]
    sample: Option<Sample>,
    /// Which sample: the same number takes the same images [default: a new one, which is told]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// See that external images may be shown by this site, like https://example.com (CORS).
    #[arg(long, value_name = "URL", conflicts_with = "compare")]
    site_origin: Option<String>,
    /// Read whole files: what the CDN stored is compared with the ledger, external images are checked to be whole.
    #[arg(long, conflicts_with = "compare")]
    content: bool,
    /// Measure the origin against the CDN, one request at a time [default sample: 100]
    #[arg(long)]
    compare: bool,
    /// Warm requests an image and side [default: 3]
    #[arg(long, value_name = "N", requires = "compare",
        value_parser = clap::value_parser!(u32).range(1..=COMPARE_ROUNDS_MAX as i64))]
    rounds: Option<u32>,
    /// Images looked at at once [default: 8]
    #[arg(long, value_name = "N", conflicts_with = "compare",
        value_parser = clap::value_parser!(u32).range(1..=VERIFY_IN_FLIGHT_MAX as i64))]
    concurrency: Option<u32>,
    /// How long an outage or a rate limit is waited through [default: 300]
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    #[command(flatten)]
    hosts: HostArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// Why ImageKit's settings are needed.
const COMPLETED: &str = "completed images are in scope, and they are asked for there";

pub fn run(context: &Context<'_>, args: &VerifyArgs) -> Result<Exit, Failure> {
    let out = args.out.out(context)?;
    let site = args.site_origin.as_deref().map(site).transpose()?;
    let origin = context.open_origin(IMAGE_BYTES_MAX, &args.hosts.allow_host)?;
    let catalog = context.open_catalog()?;
    let ledger = match args.content || context.ledger_path().exists() {
        true => Some(context.read_ledger(&*catalog).map_err(|no| match args.content {
            true => no.because("`--content` compares with what the ledger says was uploaded"),
            false => no.because("what it knows of failed images already is told apart from findings"),
        })?),
        false => None,
    };
    let checks = Checks { site, content: args.content };
    let verifying = Verifying { context, args, catalog: &*catalog, ledger: ledger.as_ref(), checks };
    let answer = context.runtime.block_on(verifying.go(origin))?;
    show::say(&out, || answer.sheet(), &answer)?;
    Ok(if answer.is_clean() { Exit::Done } else { Exit::Findings })
}

/// A site as browsers name it in `Origin`.
fn site(text: &str) -> Result<String, Failure> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && matches!(url.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)))
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let wrong =
        || Failure::usage("--site-origin is no site").hint("Scheme and host alone: https://example.com");
    Ok(url.ok_or_else(wrong)?.origin().ascii_serialization())
}

struct Verifying<'a> {
    context: &'a Context<'a>,
    args: &'a VerifyArgs,
    catalog: &'a dyn Catalog,
    ledger: Option<&'a Ledger>,
    checks: Checks,
}

impl Verifying<'_> {
    async fn go(&self, origin: Arc<dyn Origin>) -> Result<Answer, Failure> {
        let (args, catalog) = (self.args, self.catalog);
        let geography = Geography::read(catalog).await?;
        let chosen = args.place.in_catalog(catalog, &geography).await?;
        let (place, scope) = match chosen {
            Some(chosen) => (chosen.place, chosen.name),
            None => (Place::Everywhere, "every country".to_owned()),
        };
        let sample = args.sample.or_else(|| args.compare.then_some(Sample::Number(COMPARE_IMAGES_DEFAULT)));
        let seed = sample.map(|_| args.seed.unwrap_or_else(|| fastrand::u32(..)));
        let at = (catalog, place, &geography);
        let choice = Choice::make(at, sample, seed.unwrap_or(0).into(), |it| self.is_fit(it)).await?;
        // Local development has external images alone, and no account at ImageKit: its settings are asked for where
        // something is to be asked of it.
        let cdn = match choice.taken[1] {
            0 => self.context.open_cdn().ok(),
            _ => Some(self.context.open_cdn().map_err(|no| no.because(COMPLETED))?),
        };
        let mut answer = Answer::new(scope, self.context.target.name(), seed, &choice);
        answer.announce();

        let (inbox, mut waiting) = mpsc::unbounded_channel();
        let patience = args.patience.map_or(PATIENCE_MS_DEFAULT, |seconds| seconds.saturating_mul(1_000));
        let asker = Asker::new(origin, cdn, inbox, Duration::from_millis(patience));
        let mut progress = show::Progress::new(0, choice.taken.iter().sum());
        let mut stopwatch =
            args.compare.then(|| Stopwatch::new(args.rounds.unwrap_or(COMPARE_ROUNDS_DEFAULT)));
        let at_once = args.concurrency.unwrap_or(VERIFY_IN_FLIGHT_DEFAULT) as usize;
        let mut rows = Rows::of(catalog, place);
        loop {
            let page = rows.next().await?;
            if page.is_empty() {
                break;
            }
            let work = self.work(&geography, &choice, &page)?;
            if let Some(stopwatch) = &mut stopwatch {
                for (subject, _) in &work {
                    let measured = stopwatch.image(&asker, subject);
                    answer.add(telling(measured, &mut waiting, &mut progress).await?, None);
                    progress.settle_one();
                }
                continue;
            }
            let looks = work.iter().map(async |(subject, content)| {
                (self.checks.check(&asker, subject, *content).await, subject.known)
            });
            let mut looks = stream::iter(looks).buffer_unordered(at_once);
            while let Some((findings, known)) = telling(looks.next(), &mut waiting, &mut progress).await {
                answer.add(findings?, known);
                progress.settle_one();
            }
        }
        drop(progress);
        asker.check_silence()?;
        answer.end(stopwatch.map(|stopwatch| stopwatch.comparison()));
        Ok(answer)
    }

    /// Whether an image comes into question: only one that is on both sides can be compared.
    fn is_fit(&self, subject: &Subject) -> bool {
        subject.is_completed || !self.args.compare
    }

    /// The chosen images of a page, with what the ledger says about their contents.
    fn work(
        &self,
        geography: &Geography,
        choice: &Choice,
        page: &[Venue],
    ) -> Result<Vec<(Subject, Content)>, Failure> {
        let mut work = Vec::new();
        for venue in page {
            let mut all = subjects(venue).unwrap_or_default();
            if let Some(ledger) = self.ledger {
                known::look_up(ledger.state(), &mut all);
            }
            for subject in all {
                if self.is_fit(&subject) && choice.takes(geography, venue, &subject) {
                    let content = match self.ledger {
                        Some(ledger) if subject.is_completed && self.checks.content => {
                            content(ledger, &subject)?
                        }
                        _ => Content::NotAsked,
                    };
                    work.push((subject, content));
                }
            }
        }
        Ok(work)
    }
}

/// Waits for some work, and tells meanwhile what it waits for itself.
async fn telling<T>(
    work: impl Future<Output = T>,
    waiting: &mut mpsc::UnboundedReceiver<Message>,
    progress: &mut show::Progress,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            Some(message) = waiting.recv() => {
                if let Message::Waiting { why, wait } = message {
                    progress.tell(&Told::Waiting(&why, wait));
                }
            }
            done = &mut work => return done,
        }
    }
}

/// What the ledger says was uploaded as this image's file.
fn content(ledger: &Ledger, subject: &Subject) -> Result<Content, Failure> {
    let state = ledger.state();
    let (Some(file), Some(plans)) = (&subject.file_id, state.venue(subject.venue)) else {
        return Ok(Content::Unknown);
    };
    for planned in plans.all().iter().rev() {
        let Some(plan) = state.plan(*planned) else { continue };
        for image in &plan.images {
            let (Some(uploaded), Some(downloaded)) = (image.uploaded, image.downloaded) else { continue };
            let Event::Uploaded(uploaded) = ledger.store().record(uploaded)?.event else { continue };
            if uploaded.file_id.to_string() == *file
                && let Event::Downloaded(known) = ledger.store().record(downloaded)?.event
            {
                return Ok(Content::Is(known.hash, known.bytes));
            }
        }
    }
    Ok(Content::Unknown)
}

#[cfg(test)]
mod tests {
    use super::site;

    #[test]
    fn c7_a_site_is_scheme_and_host() {
        assert_eq!(site("https://Example.com:443/").unwrap(), "https://example.com");
        assert_eq!(site("http://localhost:4000").unwrap(), "http://localhost:4000");
        for wrong in
            ["example.com", "https://example.com/x", "ftp://example.com", "https://u@example.com", "https://"]
        {
            assert!(site(wrong).is_err(), "{wrong}");
        }
    }
}
