//! Who learns from a refusal that somebody is registered pays as for a search, and it is recorded as one is: numbers are not to
//! be tried out by registering.
use crate::access::api::Purse;
use crate::access::rules::{Budget, Caller, VolunteerId};
use crate::audit::rules::{Event, Outcome};
use crate::audit::store::Recorder;
use crate::platform::app::App;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult};
use crate::volunteers::rules::{VOLUNTEER_ALIKE, VOLUNTEER_EXISTS};
use crate::volunteers::store;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::Value;
use std::future::{Ready, ready};
use uuid::Uuid;

/// What is needed to charge for a refusal.
pub(super) struct Tries<'a> {
    pub(super) caller: &'a Caller,
    pub(super) app: &'a App,
    pub(super) db: &'a Db,
    pub(super) till: &'a Till,
}

/// Where is paid and recorded.
pub struct Till {
    recorder: Recorder,
    purse: Purse,
}

impl FromRequest for Till {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let recorder = Recorder::from_request(req, payload).into_inner();
        let purse = Purse::from_request(req, payload).into_inner();
        ready(recorder.and_then(|recorder| Ok(Self { recorder, purse: purse? })))
    }
}

impl Tries<'_> {
    /// Before a NIK is looked at: with nothing left of the budget, that it is free is not told either.
    pub(super) fn check_left(&self) -> ApiResult<()> {
        self.till.purse.check_left(self.caller, Budget::Searches)
    }

    /// Charges and records a refusal that names somebody; anything else is answered as it is. Spent, the refusal is 429.
    pub(super) async fn charge<T>(&self, action: &str, result: ApiResult<T>) -> ApiResult<T> {
        let Err(refused) = result else { return result };
        if *refused.code() != VOLUNTEER_EXISTS && *refused.code() != VOLUNTEER_ALIKE {
            return Err(refused);
        }
        self.record(action, &refused).await?;
        self.till.purse.spend(self.caller, Budget::Searches)?;
        Err(refused)
    }

    /// In a transaction of its own: the request's is undone.
    async fn record(&self, action: &str, refused: &ApiError) -> ApiResult<()> {
        let named = named(refused);
        let seen = self.db.read(async |c| store::full_of(c, self.caller, &named).await).await?;
        let rows = seen.iter().map(|(volunteer, _)| (volunteer.id.0, volunteer.id.0, &volunteer.village_code));
        let event = Event::by(self.caller, action, self.app.clock.new_id(), self.app.clock.now());
        let event = event.rows("volunteer", rows, &[]).regions(self.caller.sight.region());
        self.till.recorder.record(event.outcome(Outcome::Denied).detail(refused.code().code)).await
    }
}

/// Whom a refusal names.
fn named(refused: &ApiError) -> Vec<VolunteerId> {
    let id = |value: &Value| value.as_str().and_then(|id| Uuid::parse_str(id).ok()).map(VolunteerId);
    let alike = refused.told_member("candidates").and_then(Value::as_array).into_iter().flatten();
    refused.told_member("id").into_iter().chain(alike.filter_map(|one| one.get("id"))).filter_map(id).collect()
}
