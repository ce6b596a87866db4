//! People at other terminals: they pause a run and let it go on, change its settings, and stop it in order.

use std::sync::Arc;
use std::time::Duration;

use ledger::event::{PauseReason, Paused};
use longshore::runner::Message;
use longshore::runner::control::{Ask, Asked, Phase, Request};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::command::operator;
use super::faults::Fault;
use super::process::Process;
use super::world::Inner;

/// Has people steer the run of a process, where the weather has it.
pub fn begin(process: &Arc<Process>, outbox: &mpsc::UnboundedSender<Message>) {
    let mut world = process.world.lock();
    if world.strikes(Fault::Steered) {
        tokio::spawn(steer(process.clone(), outbox.clone()));
    }
    if world.strikes(Fault::Interrupted) {
        let (process, outbox, wait) = (process.clone(), outbox.clone(), pause(&mut world, 200_000));
        tokio::spawn(async move {
            sleep(wait).await;
            stop(&process, &outbox);
        });
    }
}

/// Some time, often a short one: many runs are over in a second.
fn pause(world: &mut Inner, ms: u64) -> Duration {
    let ms = if world.dice.bool() { 1_000 } else { ms };
    world.within(1..ms)
}

async fn steer(process: Arc<Process>, outbox: mpsc::UnboundedSender<Message>) {
    loop {
        let (wait, ask, is_last) = {
            let mut world = process.world.lock();
            let ask = match world.dice.u32(0..8) {
                0..4 => Ask::Pause,
                4 => Ask::Concurrency(world.dice.u32(0..5)),
                5 => Ask::Rate([None, Some(0), Some(1), Some(20)][world.dice.usize(0..4)]),
                6 => Ask::Resume,
                _ => Ask::Status,
            };
            (pause(&mut world, 30_000), ask, world.dice.u32(0..4) == 0)
        };
        sleep(wait).await;
        let Some(is_paused) = say(&process, &outbox, ask).await else { return };
        if is_paused {
            let (wait, goes_on) = {
                let mut world = process.world.lock();
                world.count("paused in place");
                world.people.resting.insert(process.number);
                (world.within(1..900_000), world.dice.u32(0..4) > 0)
            };
            sleep(wait).await;
            process.world.lock().people.resting.remove(&process.number);
            match goes_on {
                true if say(&process, &outbox, Ask::Resume).await.is_some() => {}
                true => return,
                false => return stop(&process, &outbox),
            }
        }
        if is_last {
            return;
        }
    }
}

/// Asks something of the run. Whether it waits in place by that; none when it has ended.
async fn say(process: &Process, outbox: &mpsc::UnboundedSender<Message>, ask: Ask) -> Option<bool> {
    if process.is_dead() {
        return None;
    }
    process.world.lock().tell(|| format!("process {} is asked: {ask:?}", process.number));
    let (reply, answer) = oneshot::channel();
    let request = Request { ask, operator: operator() };
    outbox.send(Message::Control(Asked { request, reply })).ok()?;
    match answer.await {
        Ok(answer) => Some(ask == Ask::Pause && answer.refused.is_none() && answer.phase == Phase::Paused),
        Err(_) => {
            if !process.is_dead() {
                let mut world = process.world.lock();
                world.break_promise(format!("process {} does not answer {ask:?}", process.number));
            }
            None
        }
    }
}

fn stop(process: &Process, outbox: &mpsc::UnboundedSender<Message>) {
    if process.is_dead() {
        return;
    }
    process.world.lock().tell(|| format!("process {} is asked to stop", process.number));
    let paused = Paused {
        reason: PauseReason::Interrupted,
        message: "it was interrupted".to_owned(),
        advice: "`longshore resume` goes on".to_owned(),
    };
    let _it_has_ended = outbox.send(Message::Stop(paused));
}
