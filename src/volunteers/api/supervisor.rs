//! Who accompanies a volunteer: a TKSK or an officer of the social office, by that office's own id and never by name.
use crate::access::rules::{ActingUser, AgencyId};
use crate::agencies::store as agencies;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::volunteers::rules::{SupervisorKind, may_supervise};
use crate::volunteers::store::Volunteer;
use chrono::NaiveDate;
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who is to accompany a volunteer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Supervisor {
    kind: SupervisorKind,
    /// A social office whose region the posting is in.
    agency_id: AgencyId,
    /// That office's own opaque id of the person, as in `acting_user`: no name.
    #[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$", example = "tksk-1706-02")]
    officer: ActingUser,
}

/// Who accompanies a volunteer.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupervisorView {
    kind: SupervisorKind,
    agency_id: AgencyId,
    /// That office's own opaque id of the person.
    #[schema(example = "tksk-1706-02")]
    officer: String,
    /// First day.
    since: NaiveDate,
}

impl SupervisorView {
    pub(super) fn of(volunteer: &Volunteer) -> Option<Self> {
        Some(Self {
            kind: volunteer.supervisor_kind?,
            agency_id: volunteer.supervisor_agency_id?,
            officer: volunteer.supervisor_officer.clone()?,
            since: volunteer.supervisor_since?,
        })
    }
}

/// Gives a volunteer its supervisor, or none. The one that it has already stays since when it is.
pub(super) async fn set_supervisor(
    conn: &mut Conn,
    volunteer: &mut Volunteer,
    new: Option<Supervisor>,
    today: NaiveDate,
) -> ApiResult<()> {
    let Some(new) = new else {
        volunteer.leave_supervisor();
        return Ok(());
    };
    let has = (volunteer.supervisor_agency_id, volunteer.supervisor_officer.as_deref(), volunteer.supervisor_kind);
    if has == (Some(new.agency_id), Some(new.officer.as_str()), Some(new.kind)) {
        return Ok(());
    }
    let agency = agencies::find(&mut &*conn, new.agency_id).await.optional()?;
    if !agency.is_some_and(|agency| may_supervise(agency.kind, &agency.region_codes, &volunteer.village_code)) {
        let fault = Fault::new(
            "not_the_office",
            "bukan Dinas Sosial wilayah penugasan",
            "not a social office of the posting\'s region",
        );
        return Err(ApiError::rule("/supervisor/agency_id", fault));
    }
    (volunteer.supervisor_kind, volunteer.supervisor_agency_id) = (Some(new.kind), Some(new.agency_id));
    volunteer.supervisor_officer = Some(new.officer.as_str().to_owned());
    volunteer.supervisor_since = Some(today);
    Ok(())
}

/// After a transfer: who is of an office elsewhere accompanies it no more.
pub async fn keep_supervisor_in_region(conn: &mut Conn, volunteer: &mut Volunteer) -> ApiResult<()> {
    let Some(id) = volunteer.supervisor_agency_id else { return Ok(()) };
    let agency = agencies::find(&mut &*conn, id).await?;
    if !may_supervise(agency.kind, &agency.region_codes, &volunteer.village_code) {
        volunteer.leave_supervisor();
    }
    Ok(())
}
