//! Trying again: exponential back-off with jitter, `Retry-After` within bounds, and an end that was promised.
//!
//! The wait before attempt k + 1 is `first_wait`·2^(k−1), at most `longest_wait`, times a factor from [0.5, 1) that differs
//! from process to process, so that a hundred jobs that met the same dead server do not come back together. A server that
//! names a longer wait than `longest_wait` is not asked again, and no attempt is begun, or waited for, beyond `total`.

use std::time::Duration;

use super::channel::{Again, Channel, Setback};
use super::notice::Notice;

/// How long and how often a channel is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest time of one attempt.
    pub attempt: Duration,
    /// Attempts at most.
    pub attempts: u32,
    /// The wait after the first attempt.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// All attempts and waits together.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(15),
            attempts: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(20),
            total: Duration::from_mins(1),
        }
    }
}

/// Time, as a retry sees it.
pub struct Clock<'a> {
    /// Time since the first attempt.
    pub elapsed: &'a dyn Fn() -> Duration,
    /// Waits.
    pub wait: &'a dyn Fn(Duration),
    /// Random bits, for the jitter.
    pub random: u64,
}

/// The share of a wait that is waited: from [0.5, 1), another one for each attempt.
fn jitter(random: u64, attempt: u32) -> f64 {
    // SplitMix64's finaliser: neighbouring inputs give unrelated outputs.
    let mut mixed = random.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    0.5 + 0.5 * ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The wait after so many attempts.
fn back_off(patience: &Patience, random: u64, attempts: u32) -> Duration {
    let doubled = patience.first_wait.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    doubled.min(patience.longest_wait).mul_f64(jitter(random, attempts))
}

/// Says a notice until it is said or the patience is at its end; `count` hears of each attempt as it begins.
///
/// # Errors
/// What the last attempt said.
pub fn send_with_retries(
    channel: &dyn Channel,
    notice: &Notice,
    patience: &Patience,
    clock: &Clock<'_>,
    count: &dyn Fn(u32),
) -> Result<(), String> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        count(attempts);
        let left = patience.total.saturating_sub((clock.elapsed)());
        let Err(Setback { message, again }) = channel.say(notice, patience.attempt.min(left)) else { return Ok(()) };
        let wait = match again {
            Again::Never => return Err(message),
            Again::Later => back_off(patience, clock.random, attempts),
            Again::After(asked) if asked > patience.longest_wait => {
                let (asked, most) = (asked.as_secs_f64().ceil(), patience.longest_wait.as_secs_f64());
                return Err(format!("{message}; it asks for a wait of {asked} s, at most {most} s are waited"));
            }
            Again::After(asked) => asked,
        };
        if attempts >= patience.attempts.max(1) || (clock.elapsed)() + wait >= patience.total {
            return Err(message);
        }
        (clock.wait)(wait);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::Mutex;

    use super::super::Event;
    use super::*;

    /// Answers from a list, the last one again and again; each takes its time, but no longer than it may.
    struct Script {
        answers: Mutex<Vec<Result<(), Setback>>>,
        takes: Duration,
        now: Mutex<Duration>,
        limits: Mutex<Vec<Duration>>,
    }

    impl Script {
        fn pass(&self, time: Duration) {
            *self.now.lock().unwrap() += time;
        }
    }

    impl Channel for Script {
        fn kind(&self) -> &'static str {
            "script"
        }

        fn place(&self) -> String {
            "here".into()
        }

        fn say(&self, _: &Notice, limit: Duration) -> Result<(), Setback> {
            self.pass(self.takes.min(limit));
            self.limits.lock().unwrap().push(limit);
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        }
    }

    /// What came of it: the result, the attempts, the waits, the limits, and the time in all.
    struct Told {
        result: Result<(), String>,
        attempts: u32,
        waits: Vec<Duration>,
        limits: Vec<Duration>,
        spent: Duration,
    }

    fn run(answers: Vec<Result<(), Setback>>, patience: Patience, takes: Duration) -> Told {
        let script = Script { answers: Mutex::new(answers), takes, now: Mutex::default(), limits: Mutex::default() };
        let (waits, attempts) = (RefCell::new(Vec::new()), Cell::new(0));
        let notice = Notice {
            event: Event::Success,
            title: String::new(),
            summary: String::new(),
            facts: Vec::new(),
            model: "m".into(),
            at_ms: 0,
        };
        let wait = |time: Duration| {
            waits.borrow_mut().push(time);
            script.pass(time);
        };
        let elapsed = || *script.now.lock().unwrap();
        let clock = Clock { elapsed: &elapsed, wait: &wait, random: 7 };
        let result = send_with_retries(&script, &notice, &patience, &clock, &|number| attempts.set(number));
        let (limits, spent) = (std::mem::take(&mut *script.limits.lock().unwrap()), elapsed());
        Told { result, attempts: attempts.get(), waits: waits.take(), limits, spent }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_passes_is_tried_again_and_what_lasts_is_not() {
        let later = || Err(Setback::passing("500"));
        let facts = |told: Told| (told.result, told.attempts, told.waits.len());
        assert_eq!(facts(run(vec![later(), Ok(())], Patience::default(), SECOND)), (Ok(()), 2, 1));
        assert_eq!(facts(run(vec![later()], Patience::default(), SECOND)), (Err("500".into()), 3, 2));
        let lasting = Err(Setback::lasting("404"));
        assert_eq!(facts(run(vec![lasting], Patience::default(), SECOND)), (Err("404".into()), 1, 0));
        let once = Patience { attempts: 0, ..Patience::default() };
        assert_eq!(facts(run(vec![later()], once, SECOND)), (Err("500".into()), 1, 0));
    }

    #[test]
    fn waits_double_with_jitter_up_to_the_longest() {
        let patience = Patience { attempts: 8, total: SECOND * 1000, ..Patience::default() };
        let told = run(vec![Err(Setback::passing("500"))], patience, SECOND);
        assert_eq!((told.attempts, told.waits.len()), (8, 7));
        for (wait, whole) in told.waits.iter().zip([1, 2, 4, 8, 16, 20, 20]) {
            let share = wait.as_secs_f64() / f64::from(whole);
            assert!((0.5..1.0).contains(&share), "{wait:?} of {whole}");
        }
        assert_ne!(told.waits[5], told.waits[6]);
        let shares: Vec<f64> = (0..1000).map(|random| jitter(random, 1)).collect();
        let mean = shares.iter().sum::<f64>() / 1000.0;
        assert!((mean - 0.75).abs() < 0.02, "{mean}");
    }

    #[test]
    fn a_named_wait_is_honoured_within_bounds() {
        let after = |wait| Err(Setback { message: "429".into(), again: Again::After(wait) });
        let told = run(vec![after(SECOND * 7), after(Duration::ZERO), Ok(())], Patience::default(), SECOND);
        assert_eq!((told.result, told.waits), (Ok(()), vec![SECOND * 7, Duration::ZERO]));
        let told = run(vec![after(SECOND * 3600)], Patience::default(), SECOND);
        assert_eq!(told.attempts, 1);
        assert_eq!(told.result.unwrap_err(), "429; it asks for a wait of 3600 s, at most 20 s are waited");
    }

    #[test]
    fn all_of_it_ends_in_time() {
        let patience = Patience { attempts: 100, ..Patience::default() };
        let told = run(vec![Err(Setback::passing("hangs"))], patience, SECOND * 600);
        assert!(told.result.is_err() && told.attempts > 2, "{}", told.attempts);
        assert!(told.spent <= patience.total, "{:?}", told.spent);
        // The last attempt gets what is left.
        let last = told.limits[told.limits.len() - 1];
        assert!(told.limits.iter().all(|limit| *limit <= patience.attempt) && last < patience.attempt, "{last:?}");
    }
}
