//! The NIK of a volunteer: sealed, found by its blind index, one row's alone.
use super::rules::{IdentityState, VOLUNTEER_EXISTS, nik_status, nik_warnings};
use super::store::{self, Person};
use crate::access::rules::{Caller, Scope, VolunteerId};
use crate::platform::app::App;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::nik::{Nik, NikStatus, Sex};
use crate::platform::region_code::RegionCode;
use crate::regions::store as regions;
use chrono::NaiveDate;

/// By which a NIK is found.
pub fn nik_index(app: &App, nik: &Nik) -> Vec<u8> {
    app.keys.blind_index("volunteer_people.nik", nik.reveal())
}

/// What binds a sealed NIK to its row.
pub fn nik_context(id: VolunteerId) -> String {
    format!("volunteer_people.nik:{id}")
}

/// Encrypts the NIK into the person's row.
fn seal_nik(app: &App, person: &mut Person, nik: &Nik, today: NaiveDate) -> ApiResult<()> {
    nik.check_born(today).map_err(|fault| ApiError::malformed(Place::Pointer("/nik".to_owned()), fault))?;
    let sealed = app.keys.encrypt(&nik_context(person.volunteer_id), nik.reveal()).map_err(ApiError::internal)?;
    person.nik = Some(sealed);
    person.nik_index = Some(nik_index(app, nik));
    person.nik_last_four = Some(nik.last_four().to_owned());
    Ok(())
}

/// Takes a NIK into the person's row: sealed, and this row's alone, or disputed. The NIK is held ([`store::hold_nik`]). Whoever
/// learns by it that another row has this NIK is charged for that: nothing else may be left to be refused.
pub async fn take_nik(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    person: &mut Person,
    nik: &Nik,
    today: NaiveDate,
) -> ApiResult<()> {
    seal_nik(app, person, nik, today)?;
    let index = nik_index(app, nik);
    person.identity_state = dispute(conn, caller, person.volunteer_id, &index).await?;
    person.disputed_at = (person.identity_state == IdentityState::Disputed).then(|| app.clock.now());
    Ok(())
}

/// Whether another row has this NIK. One that the caller sees is named, disputed or not; of one that it does not see it
/// learns nothing, and its own row is marked.
async fn dispute(conn: &mut Conn, caller: &Caller, id: VolunteerId, nik_index: &[u8]) -> ApiResult<IdentityState> {
    let mut others = store::holders_of(conn, &[nik_index.to_vec()]).await?;
    others.retain(|(_, holder, _)| *holder != id);
    if let Some((_, seen, _)) = others.iter().find(|(_, holder, village)| caller.sight.shows(*holder, village)) {
        return Err(ApiError::from(&VOLUNTEER_EXISTS).member("id", seen));
    }
    Ok(if others.is_empty() { IdentityState::Sole } else { IdentityState::Disputed })
}

/// Notes where the NIK differs from what is stated.
pub async fn warn(conn: &mut Conn, person: &mut Person, nik: &Nik, sex: Option<Sex>) -> ApiResult<()> {
    let known = match RegionCode::parse(nik.district()) {
        Ok(district) => regions::exists(conn, &district).await?,
        Err(_) => false,
    };
    person.nik_warnings = nik_warnings(nik, person.birth_date, sex, known);
    Ok(())
}

/// The same for the NIK that is stored, after what it is compared with has changed.
pub async fn compare(conn: &mut Conn, app: &App, person: &mut Person, sex: Option<Sex>) -> ApiResult<()> {
    person.nik_warnings = vec![];
    if let Some(nik) = open_nik(app, person)? {
        warn(conn, person, &nik, sex).await?;
    }
    Ok(())
}

/// The status of a NIK that the caller may state.
pub fn stated_status(caller: &Caller, has_nik: bool, stated: Option<NikStatus>) -> ApiResult<NikStatus> {
    if stated == Some(NikStatus::Verified) && !caller.scopes.has(Scope::VolunteersWrite) {
        let fault =
            Fault::new("nik_status_reserved", "hanya Dinas Sosial yang memverifikasi", "only a social office verifies");
        return Err(ApiError::rule("/nik_status", fault));
    }
    nik_status(has_nik, stated)
}

/// Removes the NIK from the person's row.
pub fn forget_nik(person: &mut Person) {
    (person.nik, person.nik_index, person.nik_last_four) = (None, None, None);
    person.nik_warnings = vec![];
    (person.identity_state, person.disputed_at) = (IdentityState::Sole, None);
}

/// The NIK in full.
pub fn open_nik(app: &App, person: &Person) -> ApiResult<Option<Nik>> {
    let Some(sealed) = &person.nik else { return Ok(None) };
    let closed = |_| ApiError::internal("a stored NIK does not open");
    let plain = app.keys.decrypt(&nik_context(person.volunteer_id), sealed).map_err(closed)?;
    let nik = Nik::parse(&plain).map_err(|_fault| ApiError::internal("a stored NIK does not parse"))?;
    Ok(Some(nik))
}
