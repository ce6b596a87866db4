//! How many requests get a fault.

/// How many requests get a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// The first so many.
    Times(u64),
    /// So many of each hundred.
    Share(u32),
    /// All of them.
    Always,
}

impl Amount {
    /// Reads what stands behind the `x`: `10` or `30%`.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Share),
            None => text.parse().ok().filter(|times| *times > 0).map(Self::Times),
        }
    }

    /// Whether the request at this turn, counted from 0, gets it, `given` having got it before.
    pub(super) fn is_due(&self, turn: u64, given: u64, seed: u64) -> bool {
        match self {
            Self::Times(times) => given < *times,
            Self::Share(percent) => is_among(turn, *percent, seed),
            Self::Always => true,
        }
    }
}

/// Whether a turn is among the share. Each hundred turns are shuffled by the seed, so that the share is exact, comes
/// in lumps as it does in life, and is the same each time.
fn is_among(turn: u64, percent: u32, seed: u64) -> bool {
    let (hundred, place) = (turn / 100, turn % 100);
    let mut order: Vec<u32> = (0..100).collect();
    fastrand::Rng::with_seed(seed.wrapping_add(hundred)).shuffle(&mut order);
    order.get(place as usize).is_some_and(|rank| *rank < percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c14_a_share_is_exact_in_each_hundred_and_the_same_for_the_same_seed() {
        let taken = |seed: u64| (0..300).map(|turn| is_among(turn, 30, seed)).collect::<Vec<_>>();
        for hundred in taken(1).chunks(100) {
            assert_eq!(hundred.iter().filter(|is| **is).count(), 30);
        }
        assert_eq!(taken(1), taken(1));
        assert_ne!(taken(1), taken(2));
        assert_ne!(taken(1)[..100], taken(1)[100..200], "no hundred is like the one before");
        assert!(taken(1).windows(2).any(|two| two == [true, true]), "it comes in lumps too");
        assert!((0..100).all(|turn| is_among(turn, 100, 1) && !is_among(turn, 0, 1)));
    }
}
