//! The retry loop, on a clock that the tests hold where they can.

use ledger::trouble::TroubleKind;

use super::*;

mod outage;

fn retry() -> (Retry, watch::Sender<bool>, mpsc::UnboundedReceiver<Message>) {
    let (stop, stopping) = watch::channel(false);
    let (inbox, told) = mpsc::unbounded_channel();
    (Retry::new(stopping, inbox, Duration::from_secs(60)), stop, told)
}

/// Answers with these troubles one after the other, then with success; counts the requests.
async fn tried(retry: &Retry, troubles: Vec<Trouble>) -> (Result<Tried<()>, Halt>, usize) {
    let mut made = 0;
    let result = retry
        .run(Outside::Upload, || {
            let answer = troubles.get(made).cloned().map_or(Ok(()), Err);
            made += 1;
            async { answer }
        })
        .await;
    (result, made)
}

fn trouble(kind: TroubleKind) -> Trouble {
    Trouble::new(kind, "it did not work")
}

#[tokio::test(start_paused = true)]
async fn e1_three_retries_then_the_last_real_trouble() {
    let (retry, _stop, _told) = retry();
    let (ok, made) = tried(&retry, vec![trouble(TroubleKind::Timeout); 3]).await;
    assert_eq!((ok.unwrap().attempts, made), (4, 4));
    let mut four = vec![trouble(TroubleKind::Timeout); 3];
    four.push(trouble(TroubleKind::Network));
    match tried(&retry, four).await {
        (Err(Halt::Trouble(last, 4)), 4) => assert_eq!(last.kind, TroubleKind::Network),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn e1_pointless_kinds_are_tried_once() {
    let (retry, _stop, _told) = retry();
    for kind in TroubleKind::ALL {
        let pointless = matches!(kind.treatment(), Treatment::Fail | Treatment::Skip | Treatment::Pause);
        let (_, made) = tried(&retry, vec![trouble(kind)]).await;
        assert_eq!(made, if pointless { 1 } else { 2 }, "{kind}");
    }
}

#[tokio::test]
async fn e1_a_rate_limit_costs_no_attempt_and_shuts_the_gate_for_all() {
    let (retry, _stop, mut told) = retry();
    let limited = trouble(TroubleKind::RateLimited).after(Duration::from_millis(30));
    let started = Instant::now();
    let (ok, made) = tried(&retry, vec![limited; 5]).await;
    assert_eq!((ok.unwrap().attempts, made), (1, 6));
    assert!(started.elapsed() >= Duration::from_millis(150));
    assert!(matches!(told.try_recv(), Ok(Message::Waiting { .. })));
    retry.gates.of(Outside::Upload).shut(
        Some(Duration::from_millis(30)),
        backoff,
        Duration::MAX,
        (WaitReason::Outage, ""),
    );
    let started = Instant::now();
    tried(&retry, vec![]).await.0.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(29));
}

#[tokio::test]
async fn e3_patience_ends_as_an_outage() {
    let (mut retry, _stop, _told) = retry();
    retry.patience = Duration::from_millis(50);
    let away = trouble(TroubleKind::Network).outage().after(Duration::from_millis(20));
    match tried(&retry, vec![away; 99]).await {
        (Err(Halt::Trouble(trouble, 0)), made) => assert!(trouble.outage && made < 9),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn e4_after_a_stop_only_what_completes_is_tried_and_once() {
    let (retry, stop, _told) = retry();
    stop.send(true).unwrap();
    assert!(matches!(tried(&retry, vec![]).await, (Err(Halt::GivenUp), 0)));
    let mut made = 0;
    let mut attempt = |answer: Result<(), Trouble>| {
        made += 1;
        async { answer }
    };
    assert!(retry.complete(Outside::Upload, || attempt(Ok(()))).await.is_ok());
    let again = retry.complete(Outside::Upload, || attempt(Err(trouble(TroubleKind::NotServed)))).await;
    assert!(matches!(again, Err(Halt::GivenUp)));
    assert_eq!(made, 2);
}

#[tokio::test]
async fn e4_a_stop_ends_every_wait() {
    let (retry, stop, _told) = retry();
    let away = trouble(TroubleKind::Network).outage().after(Duration::from_secs(60));
    let waiting = tokio::spawn(async move { tried(&retry, vec![away; 99]).await.0 });
    stop.send(true).unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(Halt::GivenUp)));
}

#[tokio::test(start_paused = true)]
async fn e3_ten_odd_answers_in_a_row_are_an_outage_and_cost_no_attempt() {
    for kind in [TroubleKind::ApiError, TroubleKind::OriginError, TroubleKind::NotServed] {
        let (retry, _stop, mut told) = retry();
        let gate = retry.gates.of(Outside::Upload);
        assert_eq!((1..OUTAGE_ANSWERS_IN_A_ROW).map(|_| gate.failed()).last(), Some(9));
        // The first is the tenth of the part; three more would have been the last tries.
        let (ok, made) = tried(&retry, vec![trouble(kind); 5]).await;
        assert_eq!((ok.unwrap().attempts, made), (1, 6), "{kind}");
        let mut alerts = 0;
        let mut back = 0;
        while let Ok(message) = told.try_recv() {
            match message {
                Message::Alert(alert) => {
                    assert_eq!(alert.about, AlertAbout::Outage);
                    alerts += 1;
                }
                Message::Back { outside, waited } => {
                    assert_eq!((outside, waited.is_alerted), (Outside::Upload, true));
                    back += 1;
                }
                _ => {}
            }
        }
        assert_eq!((alerts, back), (1, 1), "told once, and once that it is over");
        // What came between counts anew.
        let (_, made) = tried(&retry, vec![trouble(kind); 9]).await;
        assert_eq!(made, 4, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn e3_a_plain_no_or_a_broken_connection_is_no_outage() {
    let (retry, _stop, _told) = retry();
    for kind in [TroubleKind::Timeout, TroubleKind::Network, TroubleKind::CatalogError] {
        for _ in 0..5 {
            assert_eq!(tried(&retry, vec![trouble(kind); 9]).await.1, 4, "{kind}");
        }
    }
    for _ in 0..3 {
        let (_, made) = tried(&retry, vec![trouble(TroubleKind::ApiError); 9]).await;
        assert_eq!(made, 4);
        assert!(tried(&retry, vec![trouble(TroubleKind::Rejected)]).await.0.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn e3_what_was_never_asked_for_does_not_speak_for_its_part() {
    let (retry, _stop, _told) = retry();
    let gate = retry.gates.of(Outside::Upload);
    assert_eq!((1..OUTAGE_ANSWERS_IN_A_ROW).map(|_| gate.failed()).last(), Some(9));
    assert!(tried(&retry, vec![trouble(TroubleKind::ForbiddenUrl)]).await.0.is_err());
    let (ok, made) = tried(&retry, vec![trouble(TroubleKind::OriginError); 5]).await;
    assert_eq!((ok.unwrap().attempts, made), (1, 6), "the tenth is an outage");
}

#[tokio::test(start_paused = true)]
async fn e5_trouble_of_this_machines_own_is_called_so() {
    let (retry, _stop, mut told) = retry();
    let here = trouble(TroubleKind::Network).here();
    tried(&retry, vec![here; 3]).await.0.unwrap();
    let mut alerts = Vec::new();
    while let Ok(message) = told.try_recv() {
        if let Message::Alert(alert) = message {
            alerts.push(alert.message);
        }
    }
    assert_eq!(alerts, ["this machine is in trouble, and the run waits: it did not work"]);
}

#[tokio::test(start_paused = true)]
async fn e8_a_rate_limit_of_over_a_minute_is_told_once() {
    let (mut retry, _stop, mut told) = retry();
    retry.patience = Duration::from_secs(600);
    let limited = trouble(TroubleKind::RateLimited).after(Duration::from_secs(10));
    tried(&retry, vec![limited.clone(); 5]).await.0.unwrap();
    let alerts = |told: &mut mpsc::UnboundedReceiver<Message>| {
        let mut alerts = Vec::new();
        while let Ok(message) = told.try_recv() {
            if let Message::Alert(alert) = message {
                alerts.push(alert.about);
            }
        }
        alerts
    };
    assert_eq!(alerts(&mut told), []);
    tried(&retry, vec![limited; 20]).await.0.unwrap();
    assert_eq!(alerts(&mut told), [AlertAbout::RateLimit]);
}

#[tokio::test(start_paused = true)]
async fn e3_what_begins_during_an_outage_has_no_patience_of_its_own() {
    let (retry, _stop, _told) = retry();
    let away = trouble(TroubleKind::Network).outage();
    retry.gates.of(Outside::Upload).shut(None, backoff, Duration::MAX, (WaitReason::Outage, ""));
    tokio::time::sleep(Duration::from_secs(59)).await;
    let (ended, made) = tried(&retry, vec![away; 99]).await;
    assert!(
        matches!(ended, Err(Halt::Trouble(trouble, 0)) if trouble.outage) && made <= 3,
        "one second is left: {made}"
    );
}

#[tokio::test(start_paused = true)]
async fn c15_a_rate_spreads_requests_over_all_workers() {
    let (retry, _stop, _told) = retry();
    retry.gates.set_cdn_rate(Some(4));
    let started = Instant::now();
    let workers = (0..3).map(|_| {
        let retry = retry.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                tried(&retry, vec![]).await.0.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::from_secs(2), "nine requests, a quarter of a second apart");
    retry.gates.set_cdn_rate(None);
    tried(&retry, vec![]).await.0.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn e8_a_notice_is_tried_three_times() {
    let mut made = 0;
    let mut attempt = |ok_at: u32| {
        made += 1;
        let answer = if made == ok_at { Ok(()) } else { Err(trouble(TroubleKind::Network)) };
        async { answer }
    };
    assert!(notice(|| attempt(3)).await.is_ok());
    assert!(notice(|| attempt(7)).await.is_err());
    assert_eq!(made, 6);
}

#[tokio::test(start_paused = true)]
async fn e3_a_rate_limit_that_lets_others_through_never_ends_the_run() {
    let (retry, _stop, mut told) = retry();
    let limited = trouble(TroubleKind::RateLimited).after(Duration::from_secs(9));
    let unlucky = {
        let retry = retry.clone();
        tokio::spawn(async move { tried(&retry, vec![limited; 30]).await })
    };
    // Somebody gets through every now and then, for far longer than the patience of a minute.
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        tried(&retry, vec![]).await.0.unwrap();
    }
    let (ended, made) = unlucky.await.unwrap();
    assert_eq!((ended.unwrap().attempts, made), (1, 31));
    while let Ok(message) = told.try_recv() {
        assert!(!matches!(message, Message::Alert(_)), "e8: nothing stood still for a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn e1_a_part_that_asks_for_hours_is_not_waited_for_so_long() {
    let (retry, _stop, _told) = retry();
    let busy = trouble(TroubleKind::OriginError).after(Duration::from_secs(u64::MAX));
    let started = Instant::now();
    assert_eq!(tried(&retry, vec![busy; 9]).await.1, 4);
    assert!(started.elapsed() <= 3 * Duration::from_millis(RETRY_WAIT_MS_MAX));
    let limited = trouble(TroubleKind::RateLimited).after(Duration::from_secs(u64::MAX));
    assert!(matches!(tried(&retry, vec![limited]).await.0, Err(Halt::Trouble(trouble, 0)) if trouble.outage));
}

#[tokio::test(start_paused = true)]
async fn e4_what_completes_passes_a_shut_gate_once_when_the_run_stops() {
    let (retry, stop, _told) = retry();
    retry.gates.of(Outside::Upload).shut(
        Some(Duration::from_secs(60)),
        backoff,
        Duration::MAX,
        (WaitReason::Outage, ""),
    );
    stop.send(true).unwrap();
    let mut made = 0;
    let completed = retry.complete(Outside::Upload, || {
        made += 1;
        async { Ok::<_, Trouble>(()) }
    });
    assert!(completed.await.is_ok());
    assert_eq!(made, 1);
}

#[tokio::test(start_paused = true)]
async fn c15_what_workers_wait_for_can_be_asked_and_a_rest_is_no_part_of_the_patience() {
    let (retry, _stop, _told) = retry();
    let gate = retry.gates.of(Outside::Upload);
    gate.shut(Some(Duration::from_secs(5)), backoff, Duration::MAX, (WaitReason::Outage, "it is away"));
    assert_eq!(retry.waiting().as_deref(), Some("it is away"));
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(retry.waiting(), None, "nobody waits any more");
    gate.forget();
    let away = trouble(TroubleKind::Network).outage();
    tried(&retry, vec![away; 4]).await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn e3_the_patience_is_used_to_its_end() {
    let (retry, _stop, _told) = retry();
    let started = Instant::now();
    let away = trouble(TroubleKind::Network).outage();
    let (ended, _) = tried(&retry, vec![away; 99]).await;
    assert!(matches!(ended, Err(Halt::Trouble(trouble, 0)) if trouble.outage));
    assert_eq!(started.elapsed().as_secs(), 60);
}
