//! Time and new ids come from here and from nowhere else, so that tests can let time pass.
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use uuid::{NoContext, Timestamp, Uuid};

/// The service's clock: the machine's, moved by [`Clock::advance`] in tests.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Microseconds added to the machine's time.
    ahead: Arc<AtomicI64>,
    began: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { ahead: Arc::default(), began: Instant::now() }
    }
}

impl Clock {
    /// The time now, in whole microseconds: PostgreSQL keeps no more, and an answer must not differ from what is read
    /// back later.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = Utc::now().timestamp_micros().saturating_add(self.ahead.load(Ordering::Relaxed));
        Utc.timestamp_micros(micros).single().unwrap_or_default()
    }

    /// Since this clock was made. Unlike the machine's time it never goes back.
    pub fn elapsed(&self) -> Duration {
        let ahead = u64::try_from(self.ahead.load(Ordering::Relaxed)).unwrap_or_default();
        self.began.elapsed() + Duration::from_micros(ahead)
    }

    /// A new `UUIDv7`: sorts by time of making, so that inserts touch one end of an index.
    pub fn new_id(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }

    /// Lets time pass (or go back) for everyone who shares this clock.
    pub fn advance(&self, by: TimeDelta) {
        self.ahead.fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::Relaxed);
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Duration;
    fn now(&self) -> Duration {
        self.elapsed()
    }
}
