//! The retry loop, on a clock that the tests hold where they can.

use ledger::trouble::TroubleKind;

use super::*;

fn retry() -> (Retry, watch::Sender<bool>, mpsc::UnboundedReceiver<Message>) {
    let (stop, stopping) = watch::channel(false);
    let (inbox, told) = mpsc::unbounded_channel();
    (Retry::new(stopping, inbox, Duration::from_secs(60)), stop, told)
}

/// Answers with these troubles one after the other, then with success; counts the requests.
async fn tried(retry: &Retry, troubles: Vec<Trouble>) -> (Result<Tried<()>, Halt>, usize) {
    let mut made = 0;
    let result = retry
        .run(Outside::Cdn, || {
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
    retry.gates[Outside::Cdn as usize].shut(Some(Duration::from_millis(30)), backoff);
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
    assert!(retry.complete(Outside::Cdn, || attempt(Ok(()))).await.is_ok());
    let again = retry.complete(Outside::Cdn, || attempt(Err(trouble(TroubleKind::NotServed)))).await;
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
        let gate = &retry.gates[Outside::Cdn as usize];
        assert_eq!((1..OUTAGE_ANSWERS_IN_A_ROW).map(|_| gate.odd()).last(), Some(9));
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
                Message::Back { outside, .. } => {
                    assert_eq!(outside, Outside::Cdn);
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
    retry.gates[Outside::Cdn as usize].shut(None, backoff);
    tokio::time::sleep(Duration::from_secs(59)).await;
    let (ended, made) = tried(&retry, vec![away; 99]).await;
    assert!(matches!(ended, Err(Halt::Trouble(trouble, 0)) if trouble.outage) && made <= 2, "{made}");
}

#[tokio::test(start_paused = true)]
async fn c15_a_rate_spreads_requests_over_all_workers() {
    let (retry, _stop, _told) = retry();
    retry.gates[Outside::Cdn as usize].set_rate(Some(4));
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
    retry.gates[Outside::Cdn as usize].set_rate(None);
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
