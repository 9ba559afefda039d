//! A case with the same person and a category in common that is open in the same regency is offered, not made twice.
use super::likeness::{AlikeBy, Traits, alike};
use super::person::band_of;
use super::rules::{CASE_ALIKE, CaseId, CaseState};
use super::store::alike as store;
use super::store::{self as cases, Case, CasePerson};
use crate::access::api::Purse;
use crate::access::rules::{AgencyId, Budget, Caller};
use crate::audit::rules::{Event, Outcome};
use crate::audit::store::Recorder;
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::app::App;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, ID_TAKEN, Place};
use crate::platform::person::{AgeBand, initials};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;
use std::cmp::Reverse;
use uuid::Uuid;

/// Named in one refusal, and by one create.
const MOST: usize = 50;

/// A case to which a new one is alike, as the refusal tells of it.
#[derive(Serialize)]
struct Candidate {
    case_id: CaseId,
    number: String,
    state: CaseState,
    village_code: RegionCode,
    ppks: Vec<Code>,
    reporter_agency_id: AgencyId,
    created_at: DateTime<Utc>,
    by: AlikeBy,
    initials: String,
    age_band: Option<AgeBand>,
}

/// What a create says of the cases to which it is alike.
#[derive(Debug)]
pub struct Distinct {
    from: Vec<CaseId>,
    reason: Option<Reason>,
}

#[derive(Debug)]
struct Reason {
    code: Code,
    /// It tells why others have the name, which does not tell why they have the number.
    namesake: bool,
}

impl Distinct {
    /// As it was sent: cases that the caller sees, and a code of the list `distinct-reasons`. `today` is the village's.
    pub async fn check(
        conn: &mut Conn,
        caller: &Caller,
        from: Vec<CaseId>,
        reason: Option<Code>,
        today: NaiveDate,
    ) -> ApiResult<Self> {
        if from.len() > MOST {
            let fault = Fault::new("out_of_range", "0 sampai 50", "0 to 50");
            return Err(ApiError::malformed(Place::Pointer("/distinct_from".to_owned()), fault));
        }
        let required = |at| ApiError::rule(at, Fault::new("required", "wajib diisi", "required"));
        let reason = match reason {
            Some(code) => {
                let found = codes::valid(conn, "distinct-reasons", std::slice::from_ref(&code), today).await?;
                let entry = found.first().ok_or_else(|| ApiError::rule("/distinct_reason", UNKNOWN_CODE))?;
                Some(Reason { code, namesake: entry.group_code.as_deref() == Some("namesake") })
            }
            None => None,
        };
        match (from.is_empty(), reason.is_none()) {
            (true, false) => return Err(required("/distinct_from")),
            (false, true) => return Err(required("/distinct_reason")),
            (true, true) => return Ok(Self { from, reason }),
            (false, false) => {}
        }
        let seen = store::seen(&mut &*conn, caller, &from).await?;
        if let Some(index) = from.iter().position(|id| seen.iter().all(|(case, _)| case.id != *id)) {
            let fault = Fault::new("case_unknown", "kasus tidak ditemukan", "no such case");
            return Err(ApiError::rule(&format!("/distinct_from/{index}"), fault));
        }
        Ok(Self { from, reason })
    }

    /// Inserts a case unless it is alike to some from which it is not said to be distinct; returns why it is, where it is. Nothing else
    /// may refuse it afterwards. Its number was taken, so the regency's counter is held: whoever reports in the regency at the same
    /// time is seen, or waits.
    pub async fn create(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        case: &Case,
        person: &CasePerson,
        today: NaiveDate,
    ) -> ApiResult<Option<Code>> {
        let others = self.offer(conn, caller, case, person, today).await?;
        let others: Vec<_> = others.into_iter().map(|other| (case.id, other)).collect();
        let saved = cases::create(conn, case, person).await.map_err(ApiError::from);
        saved.map_err(|error| error.on_constraint("cases_pkey", || ApiError::from(&ID_TAKEN)))?;
        let Some(reason) = self.reason.as_ref().filter(|_| !others.is_empty()) else { return Ok(None) };
        store::keep_distinctions(conn, caller, &others, &reason.code, case.created_at).await?;
        Ok(Some(reason.code.clone()))
    }

    /// Keeps that a case which is there is another one than those named, alike or not: what is closed may be opened again, and a name may
    /// be corrected. Returns why it is.
    pub async fn keep(
        self,
        conn: &mut Conn,
        caller: &Caller,
        case: &Case,
        person: &CasePerson,
        now: DateTime<Utc>,
    ) -> ApiResult<Option<Code>> {
        if let Some(index) = self.from.iter().position(|id| *id == case.id) {
            let fault = Fault::new("case_itself", "kasus ini sendiri", "this very case");
            return Err(ApiError::rule(&format!("/distinct_from/{index}"), fault));
        }
        let today = TimeZone::of(&case.village_code).day(now);
        let traits = Traits::of(case, person, today);
        let others = store::seen(&mut &*conn, caller, &self.from).await?;
        let alike = others.iter().filter_map(|(other, its)| alike(&traits, &Traits::of(other, its, today)));
        self.check_reason(alike.into_iter().any(|by| by != AlikeBy::Name))?;
        let Some(Reason { code, .. }) = self.reason else { return Ok(None) };
        let later_first = |(other, _): &(Case, CasePerson)| {
            let is_later = (case.created_at, case.id) > (other.created_at, other.id);
            if is_later { (case.id, other.id) } else { (other.id, case.id) }
        };
        let pairs: Vec<_> = others.iter().map(later_first).collect();
        store::keep_distinctions(conn, caller, &pairs, &code, now).await?;
        Ok(Some(code))
    }

    /// A number is nobody's namesake.
    fn check_reason(&self, numbered: bool) -> ApiResult<()> {
        if numbered && self.reason.as_ref().is_some_and(|reason| reason.namesake) {
            let fault = Fault::new(
                "reason_unfit",
                "nomornya sama, bukan hanya namanya",
                "the number is the same, not only the name",
            );
            return Err(ApiError::rule("/distinct_reason", fault));
        }
        Ok(())
    }

    /// The cases that are alike, if it is said of all that they are others.
    async fn offer(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        case: &Case,
        person: &CasePerson,
        today: NaiveDate,
    ) -> ApiResult<Vec<CaseId>> {
        let traits = Traits::of(case, person, today);
        let near = store::near(conn, caller, case, person).await?;
        let judged = |(other, its): (Case, CasePerson)| {
            let by = alike(&traits, &Traits::of(&other, &its, today))?;
            Some((other, its, by))
        };
        let mut found: Vec<_> = near.into_iter().filter_map(judged).collect();
        // As many as can be named: who has looked at the newest of so many is not kept from reporting.
        found.sort_unstable_by_key(|(other, ..)| Reverse((other.created_at, other.id)));
        found.truncate(MOST);
        let (distinct, open): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(other, ..)| self.from.contains(&other.id));
        if !open.is_empty() {
            let told: Vec<Candidate> = open.into_iter().map(|found| candidate(found, today)).collect();
            return Err(ApiError::from(&CASE_ALIKE).member("candidates", told));
        }
        self.check_reason(distinct.iter().any(|(.., by)| *by != AlikeBy::Name))?;
        Ok(distinct.into_iter().map(|(other, ..)| other.id).collect())
    }
}

fn candidate((case, person, by): (Case, CasePerson, AlikeBy), today: NaiveDate) -> Candidate {
    Candidate {
        case_id: case.id,
        number: case.number,
        state: case.state,
        village_code: case.village_code,
        ppks: case.ppks,
        reporter_agency_id: case.reporter_agency_id,
        created_at: case.created_at,
        by,
        initials: initials(&person.name),
        age_band: band_of(&person, today),
    }
}

/// Where a refusal that names cases is paid and recorded.
pub struct Till<'a> {
    /// Who asked.
    pub caller: &'a Caller,
    /// The service.
    pub app: &'a App,
    /// Where the cases are read once more.
    pub db: &'a Db,
    /// Takes the event.
    pub recorder: &'a Recorder,
    /// Takes the price.
    pub purse: &'a Purse,
}

impl Till<'_> {
    /// Charges and records a refusal that names cases, as a search is: persons are not to be tried out by reporting them. Anything else
    /// is answered as it is. Spent, the refusal is 429. Nobody is kept from reporting whom nothing is alike to.
    pub async fn charge<T>(&self, result: ApiResult<T>) -> ApiResult<T> {
        match result {
            Err(refused) if *refused.code() == CASE_ALIKE => {
                self.record(&refused).await?;
                self.purse.spend(self.caller, Budget::Searches)?;
                Err(refused)
            }
            other => other,
        }
    }

    /// In a transaction of its own: the request's is undone.
    async fn record(&self, refused: &ApiError) -> ApiResult<()> {
        let told = refused.told_member("candidates").and_then(Value::as_array).into_iter().flatten();
        let id = |one: &Value| one.get("case_id")?.as_str().and_then(|id| Uuid::parse_str(id).ok()).map(CaseId);
        let named: Vec<CaseId> = told.filter_map(id).collect();
        let seen = self.db.read(async |c| store::seen(c, self.caller, &named).await).await?;
        let rows = seen.iter().map(|(case, person)| (case.id.0, person.id, &case.village_code));
        let event = Event::by(self.caller, "case.create", self.app.clock.new_id(), self.app.clock.now());
        let event = event.rows("case", rows, &[]).regions(self.caller.sight.region());
        self.recorder.record(event.outcome(Outcome::Denied).detail(refused.code().code)).await
    }
}
