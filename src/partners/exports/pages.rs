//! The rows of an export, a page at a time.
use super::rules::Record;
use crate::access::api::Gate;
use crate::access::rules::{RevealPurpose, SharedCaller, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::platform::app::App;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, UNAVAILABLE};
use crate::platform::region_code::RegionCode;
use crate::regions::store as regions;
use crate::volunteers::api::FIELDS;
use crate::volunteers::identity::open_nik;
use crate::volunteers::store::{self as volunteers, Full, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// Rows of a page: so many are in memory at a time, and are recorded in one event.
const ROWS: usize = 1000;

/// Milliseconds between two attempts at a page.
const PAUSES: [u64; 5] = [250, 500, 1000, 2000, 4000];

/// What is read, and for whom.
pub struct Pages {
    pub caller: SharedCaller,
    pub app: Arc<App>,
    pub gate: Arc<Gate>,
    pub db: Db,
    pub recorder: Recorder,
    pub wanted: Wanted,
    /// Why NIKs are written in full; none: they are not.
    pub revealing: Option<RevealPurpose>,
    /// By the clock ([`crate::platform::clock::Clock::elapsed`]): the export ends then, whole or not.
    pub until: Duration,
}

/// Some rows, already recorded, and after which row it goes on, if it does.
pub struct Page {
    pub records: Vec<Record>,
    pub next: Option<VolunteerId>,
}

impl Pages {
    /// Refuses a caller that would not be let in any more.
    pub async fn check_still_in(&self) -> ApiResult<()> {
        self.gate.check_still_in(&self.db, &self.caller, self.app.clock.now()).await
    }

    /// How many NIKs there are to be written.
    pub async fn niks(&self) -> ApiResult<i64> {
        self.db.report(async |c| volunteers::count_with_nik(&mut &*c, &self.caller, &self.wanted).await).await
    }

    /// The rows after one. No connection is held when this returns: whoever reads slowly keeps none from others. A database that
    /// has no room for it just now is asked again: an export of many pages would otherwise hardly come to its end.
    pub async fn after(&self, after: Option<VolunteerId>) -> ApiResult<Page> {
        let mut pauses = PAUSES.into_iter();
        loop {
            if self.app.clock.elapsed() >= self.until {
                return Err(ApiError::from(&UNAVAILABLE));
            }
            match (self.page(after).await, pauses.next()) {
                (Err(error), Some(pause)) if error.is_busy() => sleep(Duration::from_millis(pause)).await,
                (done, _) => return done,
            }
        }
    }

    async fn page(&self, after: Option<VolunteerId>) -> ApiResult<Page> {
        self.check_still_in().await?;
        let (mut rows, names) = self.read(after).await?;
        let more = rows.len() > ROWS;
        rows.truncate(ROWS);
        let next = rows.last().map(|(volunteer, _)| volunteer.id).filter(|_| more);
        let records = rows.into_iter().map(|full| self.record(full, &names)).collect::<ApiResult<Vec<_>>>()?;
        self.note(&records).await?;
        Ok(Page { records, next })
    }

    /// On a connection for what is slow, which has room for few and keeps the others' reads free.
    async fn read(&self, after: Option<VolunteerId>) -> ApiResult<(Vec<Full>, BTreeMap<RegionCode, String>)> {
        let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
        self.db
            .report(async |c| {
                let rows = volunteers::list(&mut &*c, &self.caller, &self.wanted, after, limit).await?;
                let mut villages: Vec<_> = rows.iter().map(|(volunteer, _)| volunteer.village_code.clone()).collect();
                villages.sort_unstable();
                villages.dedup();
                let names = regions::names(&mut &*c, &villages).await?;
                Ok((rows, names.into_iter().collect()))
            })
            .await
    }

    fn record(&self, (volunteer, person): Full, names: &BTreeMap<RegionCode, String>) -> ApiResult<Record> {
        let nik = if self.revealing.is_some() { open_nik(&self.app, &person)? } else { None };
        let nik = nik.map(|nik| Zeroizing::new(nik.reveal().to_owned()));
        let village = names.get(&volunteer.village_code).cloned();
        Ok(Record { volunteer, person, nik, village })
    }

    /// Records whose data are about to be sent.
    async fn note(&self, records: &[Record]) -> ApiResult<()> {
        if records.is_empty() {
            return Ok(());
        }
        let rows = records.iter().map(|record| &record.volunteer).map(|one| (one.id.0, one.id.0, &one.village_code));
        let fields: Vec<&str> = match self.revealing {
            Some(_) => FIELDS.iter().copied().filter(|field| *field != "nik_last_four").chain(["nik"]).collect(),
            None => FIELDS.to_vec(),
        };
        let event = Event::by(&self.caller, "volunteer.export", self.app.clock.new_id(), self.app.clock.now());
        let event = event.rows("volunteer", rows, &fields);
        let event = if let Some(purpose) = self.revealing { event.purpose(purpose.as_str()) } else { event };
        self.recorder.record(event).await
    }
}
