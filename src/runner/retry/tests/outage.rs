//! An outage of a part, told from images that it alone does not give.

use async_trait::async_trait;

use super::*;

fn step(index: u32) -> Step {
    Step::Upload(ledger::ids::ImageId { planned: ledger::ids::Seq(3), index })
}

/// Gives what it is told to give.
struct Says(Option<bool>);

#[async_trait]
impl Witness for Says {
    async fn answers(&self, _: Outside) -> Option<bool> {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn e3_an_image_that_fails_while_others_get_through_fails_by_itself() {
    let (retry, _stop, _told) = retry();
    let deferred = Arc::<Deferred>::default();
    let ill = |n| retry.of(step(n), deferred.clone());
    let odd = || vec![trouble(TroubleKind::ApiError); 99];
    // Four images that never work, each tried until the part is taken for away.
    let mut made = 0;
    let mut ends = Vec::new();
    for n in 0..4 {
        let (end, tries) = tried(&ill(n), odd()).await;
        made += tries;
        ends.push(end);
    }
    assert!(made >= OUTAGE_ANSWERS_IN_A_ROW as usize);
    let is_deferred = |end: &Result<_, _>| matches!(end, Err(Halt::Deferred));
    let put_off: Vec<u32> = (0..).zip(&ends).filter(|(_, end)| is_deferred(end)).map(|(n, _)| n).collect();
    assert!(!put_off.is_empty() && ends.iter().all(|end| is_deferred(end) || end.is_err()));
    // Another gets through, and after it they fail by themselves, however many they are.
    for n in put_off {
        loop {
            assert!(tried(&ill(9), vec![]).await.0.is_ok());
            for _ in 0..9 {
                retry.gates.of(Outside::Upload).failed();
            }
            match tried(&ill(n), odd()).await.0 {
                Err(Halt::Deferred) => {}
                Err(Halt::Trouble(trouble, 4)) if !trouble.outage => break,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e3_what_an_outage_put_off_is_not_failed_by_the_next_one() {
    for outside in [Outside::Upload, Outside::Origin] {
        let (retry, _stop, _told) = retry();
        let deferred = Arc::<Deferred>::default();
        let ill = |n| retry.of(step(n), deferred.clone());
        let away = || async { Err::<(), _>(trouble(TroubleKind::ApiError)) };
        for _ in 0..9 {
            retry.gates.of(outside).failed();
        }
        assert!(matches!(ill(0).run(outside, away).await, Err(Halt::Deferred)));
        // It is back, and goes away again before this image has its turn.
        assert!(ill(1).run(outside, || async { Ok(()) }).await.is_ok());
        for _ in 0..9 {
            retry.gates.of(outside).failed();
        }
        for turn in 0..6 {
            let end = ill(0).run(outside, away).await;
            assert!(matches!(end, Err(Halt::Deferred)), "{outside:?} {turn} {end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e1_an_image_that_is_told_to_come_back_in_an_hour_keeps_no_other_waiting() {
    let (retry, _stop, _told) = retry();
    let retry = Retry { witness: Some(Arc::new(Says(Some(true)))), ..retry };
    let (hour, other) = (Duration::from_secs(3_600), retry.clone());
    let waiting = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        tried(&other, vec![]).await.0.unwrap();
        started.elapsed()
    });
    let refused = trouble(TroubleKind::RateLimited).after(hour);
    let answer = || async {
        // Long enough for the other to come to the gate behind it.
        tokio::time::sleep(Duration::from_millis(2)).await;
        Err::<(), _>(refused.clone())
    };
    match retry.run(Outside::Upload, answer).await {
        Err(Halt::Trouble(trouble, 1)) => assert!(!trouble.outage, "it is this image's own"),
        other => panic!("{other:?}"),
    }
    assert!(waiting.await.unwrap() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn e3_answers_to_requests_that_were_under_way_are_no_sign_of_life() {
    let (retry, _stop, _told) = retry();
    let gate = retry.gates.of(Outside::Origin);
    let before = Instant::now();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let failed_at = Instant::now();
    gate.answered(before);
    assert!(!gate.has_answered_since(failed_at));
    tokio::time::sleep(Duration::from_millis(1)).await;
    gate.answered(Instant::now());
    assert!(gate.has_answered_since(failed_at));
}

#[tokio::test(start_paused = true)]
async fn e3_a_part_that_gives_what_it_gave_before_is_not_away() {
    for (says, is_away) in [(Some(true), false), (Some(false), true), (None, true)] {
        let (retry, _stop, _told) = retry();
        let retry = Retry { witness: Some(Arc::new(Says(says))), ..retry };
        let away = trouble(TroubleKind::Network).outage();
        match tried(&retry, vec![away; 99]).await.0 {
            Err(Halt::Trouble(last, attempts)) => {
                assert_eq!((last.outage, attempts == 4), (is_away, !is_away), "{says:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn e3_with_nothing_that_ever_worked_an_outage_stays_one_though_images_take_turns() {
    let (retry, _stop, _told) = retry();
    let deferred = Arc::<Deferred>::default();
    let started = Instant::now();
    for n in (0..5).cycle() {
        match tried(&retry.of(step(n), deferred.clone()), vec![trouble(TroubleKind::OriginError).outage(); 9])
            .await
            .0
        {
            Err(Halt::Deferred) => assert!(started.elapsed() < Duration::from_secs(60)),
            Err(Halt::Trouble(trouble, _)) => {
                assert!(trouble.outage, "{trouble:?}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(started.elapsed().as_secs(), 60, "the patience is used to its end");
}

#[tokio::test(start_paused = true)]
async fn e1_what_a_listing_does_not_show_yet_keeps_nobody_else_waiting() {
    let (retry, _stop, _told) = retry();
    let late = trouble(TroubleKind::ApiError).lagging();
    let (ok, made) = tried(&retry, vec![late.clone(); 5]).await;
    assert_eq!((ok.unwrap().attempts, made), (1, 6), "it costs no attempt");
    assert_eq!(retry.waiting(), None, "the gate was never shut");
    let started = Instant::now();
    match tried(&retry, vec![late; 99]).await.0 {
        Err(Halt::Trouble(trouble, _)) => assert!(!trouble.outage, "it fails by itself"),
        other => panic!("{other:?}"),
    }
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn e3_imagekits_three_hosts_are_away_each_by_itself_and_told_once() {
    let (retry, _stop, mut told) = retry();
    let away = trouble(TroubleKind::Network).outage();
    let fails = |outside| {
        let mut made = 0;
        let (retry, away) = (retry.clone(), away.clone());
        async move {
            let attempt = || {
                made += 1;
                let answer = if made < 4 { Err(away.clone()) } else { Ok(()) };
                async { answer }
            };
            retry.run(outside, attempt).await
        }
    };
    let all = tokio::join!(fails(Outside::Upload), fails(Outside::Api), fails(Outside::Delivery));
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    let mut alerts = 0;
    while let Ok(message) = told.try_recv() {
        alerts += u32::from(matches!(message, Message::Alert(_)));
    }
    assert_eq!(alerts, 1);
}
