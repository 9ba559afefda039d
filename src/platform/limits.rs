//! Rate limits: token buckets in the memory of this node, and never more of them than fit.
use super::clock::Clock;
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use quick_cache::sync::Cache;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The time in which an empty bucket is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Window {
    Minute,
    Hour,
    Day,
}

/// Requests a minute, an hour or a day. So many may come at once; then one every n-th part of that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    requests: NonZeroU32,
    window: Window,
}

impl Rate {
    /// At least one.
    pub fn a_minute(requests: u32) -> Self {
        Self { requests: NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN), window: Window::Minute }
    }

    /// At least one.
    pub fn an_hour(requests: u32) -> Self {
        Self { window: Window::Hour, ..Self::a_minute(requests) }
    }

    /// At least one.
    pub fn a_day(requests: u32) -> Self {
        Self { window: Window::Day, ..Self::a_minute(requests) }
    }

    /// Requests in a minute, an hour or a day.
    pub fn requests(self) -> u32 {
        self.requests.get()
    }

    /// How long it takes for one more.
    pub fn one(self) -> Duration {
        Duration::from_secs(self.seconds()) / self.requests()
    }

    fn seconds(self) -> u64 {
        match self.window {
            Window::Minute => 60,
            Window::Hour => 3600,
            Window::Day => 86_400,
        }
    }

    fn quota(self) -> Quota {
        match self.window {
            Window::Minute => Quota::per_minute(self.requests),
            Window::Hour => Quota::per_hour(self.requests),
            Window::Day => {
                let each = Duration::from_secs(self.seconds()) / self.requests.get();
                Quota::with_period(each).unwrap_or(Quota::per_hour(self.requests)).allow_burst(self.requests)
            }
        }
    }

    /// As much of this rate as `part` is of `whole`.
    #[must_use]
    pub fn scaled(self, part: Self, whole: Self) -> Self {
        let requests = u64::from(self.requests()) * u64::from(part.requests()) / u64::from(whole.requests());
        let requests = NonZeroU32::new(u32::try_from(requests).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
        Self { requests, ..self }
    }
}

/// How a bucket stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it is filled with.
    pub rate: Rate,
    /// Requests that it still lets through at once.
    pub left: u32,
    /// The request was not let through: so long until the next one is.
    pub wait: Option<Duration>,
}

impl Standing {
    /// `RateLimit-Policy` and `RateLimit` of one bucket (draft-ietf-httpapi-ratelimit-headers-10): what it grants, and what is
    /// left of it with the seconds until it is full again.
    pub fn fields(&self, name: &str) -> (String, String) {
        let (most, left, window) = (u64::from(self.rate.requests()), u64::from(self.left), self.rate.seconds());
        let full_in = (most.saturating_sub(left) * window).div_ceil(most);
        (format!("\"{name}\";q={most};w={window}"), format!("\"{name}\";r={left};t={full_in}"))
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Clock, StateInformationMiddleware>;

/// A bucket for each key. The ones used least are dropped when there are too many, and begin anew, full: whoever has so many
/// names is not held back by any limit of a name.
pub struct Buckets<K> {
    clock: Clock,
    // By rate too: a key whose rate is changed begins anew.
    kept: Cache<(K, Rate), Arc<Bucket>>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// With room for `most` keys, about 200 bytes each.
    pub fn new(clock: Clock, most: usize) -> Self {
        Self { clock, kept: Cache::new(most) }
    }

    /// Takes one request out of the bucket of a key.
    pub fn take(&self, key: K, rate: Rate) -> Standing {
        let bucket = self.bucket(key, rate);
        self.standing(rate, bucket.check())
    }

    /// Takes so many requests out of it, or none of them; none if the bucket never holds as many.
    pub fn take_many(&self, key: K, rate: Rate, requests: u32) -> Option<Standing> {
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        let checked = self.bucket(key, rate).check_n(requests).ok()?;
        Some(self.standing(rate, checked))
    }

    fn bucket(&self, key: K, rate: Rate) -> Arc<Bucket> {
        let new = || -> Result<_, std::convert::Infallible> {
            let bucket = RateLimiter::direct_with_clock(rate.quota(), self.clock.clone());
            Ok(Arc::new(bucket.with_middleware::<StateInformationMiddleware>()))
        };
        let Ok(bucket) = self.kept.get_or_insert_with(&(key, rate), new);
        bucket
    }

    fn standing(&self, rate: Rate, checked: Result<StateSnapshot, NotUntil<Duration>>) -> Standing {
        match checked {
            Ok(state) => Standing { rate, left: state.remaining_burst_capacity(), wait: None },
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.elapsed());
                Standing { rate, left: 0, wait: Some(wait) }
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_fills_evenly() {
        let clock = Clock::default();
        let (buckets, rate) = (Buckets::new(clock.clone(), 10), Rate::a_minute(6));
        let take = || buckets.take("a", rate);
        for left in (0..6).rev() {
            assert_eq!((take().left, take_wait(&buckets.take("other", rate))), (left, None));
        }
        let refused = take();
        assert!(refused.wait.is_some_and(|wait| wait > Duration::from_secs(9) && wait <= Duration::from_secs(10)));
        let (policy, state) = refused.fields("client");
        assert_eq!((policy.as_str(), state.as_str()), ("\"client\";q=6;w=60", "\"client\";r=0;t=60"));
        clock.advance(TimeDelta::seconds(10));
        assert_eq!((take().wait, take().wait.is_some()), (None, true));
        clock.advance(TimeDelta::seconds(3600));
        assert_eq!(take().left, 5);
    }

    fn take_wait(standing: &Standing) -> Option<Duration> {
        standing.wait
    }

    #[test]
    fn a_budget_is_for_an_hour() {
        let clock = Clock::default();
        let (buckets, rate) = (Buckets::new(clock.clone(), 10), Rate::an_hour(60));
        while buckets.take("a", rate).wait.is_none() {}
        let refused = buckets.take("a", rate);
        assert!(refused.wait.is_some_and(|wait| wait > Duration::from_secs(59) && wait <= Duration::from_mins(1)));
        let (policy, state) = refused.fields("reveals");
        assert_eq!((policy.as_str(), state.as_str()), ("\"reveals\";q=60;w=3600", "\"reveals\";r=0;t=3600"));
        clock.advance(TimeDelta::minutes(1));
        assert_eq!(buckets.take("a", rate).left, 0);
        let granted = rate.scaled(Rate::a_minute(50), Rate::a_minute(100));
        assert_eq!((granted, Rate::an_hour(1) == Rate::a_minute(1)), (Rate::an_hour(30), false));
    }

    #[test]
    fn many_are_taken_at_once_or_none_of_them() {
        let (buckets, rate) = (Buckets::new(Clock::default(), 10), Rate::a_day(100));
        let take = |many| buckets.take_many("a", rate, many);
        let first = take(60).unwrap();
        assert_eq!((first.left, first.wait), (40, None));
        let refused = take(60).unwrap().wait.unwrap();
        assert!(refused > Duration::from_mins(287) && refused <= Duration::from_mins(288), "{refused:?}");
        let rest = take(40).unwrap();
        assert_eq!((rest.left, rest.wait), (0, None));
        assert_eq!(rest.fields("niks").0, "\"niks\";q=100;w=86400");
        assert_eq!(take(101), None);
    }

    #[test]
    fn a_million_keys_take_no_more_room_than_a_thousand() {
        let (buckets, rate) = (Buckets::new(Clock::default(), 1000), Rate::a_minute(1));
        for key in 0..1_000_000_u32 {
            buckets.take(key, rate);
        }
        assert!(buckets.len() <= 1000, "{}", buckets.len());
    }

    #[test]
    fn a_rate_that_is_changed_holds_at_once() {
        let buckets = Buckets::new(Clock::default(), 10);
        assert!(buckets.take(1, Rate::a_minute(1)).wait.is_none());
        assert!(buckets.take(1, Rate::a_minute(1)).wait.is_some());
        assert_eq!(buckets.take(1, Rate::a_minute(5)).left, 4);
        assert_eq!(Rate::a_minute(900).scaled(Rate::a_minute(20), Rate::a_minute(100)), Rate::a_minute(180));
        assert_eq!(Rate::a_minute(1).scaled(Rate::a_minute(1), Rate::a_minute(100)), Rate::a_minute(1));
    }
}
