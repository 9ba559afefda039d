//! What an agency may be and when it may call. Pure.
use crate::access::rules::{AgencyId, AgencyKind, ClientId, ClientKind, Scope, VolunteerId};
use crate::platform::error::{ApiError, Fault};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use crate::{error_codes, text_enum};

error_codes! {
    /// Another agency already is this government.
    AGENCY_EXISTS = (409, "agency_exists", "Pemerintah ini sudah terdaftar.", "This government is already registered.");
    /// The agency is not in the state that the act begins from.
    AGENCY_STATE_CONFLICT = (409, "agency_state_conflict", "Keadaan instansi tidak memungkinkan tindakan ini.", "The state of the agency does not allow this act.");
    /// An agency cannot suspend itself or give up administering agencies: nobody could undo it.
    OWN_AGENCY = (422, "own_agency", "Instansi tidak dapat mencabut haknya sendiri.", "An agency cannot take its own rights away.");
}

text_enum! {
    /// Whether an agency may call.
    AgencyState {
        /// It may.
        Active = "active",
        /// Its tokens are refused within a second.
        Suspended = "suspended",
    }
}

text_enum! {
    /// Whether a client may call.
    ClientState {
        /// It may.
        Active = "active",
        /// It may not, for good.
        Disabled = "disabled",
    }
}

/// Whether the regions fit the kind: a government has the one that it governs.
pub fn check_regions(kind: AgencyKind, regions: &[RegionCode]) -> Result<(), ApiError> {
    let wrong = |id: &'static str, en: &'static str| {
        Err(ApiError::rule("/region_codes", Fault::new("jurisdiction_wrong", id, en)))
    };
    match (kind.jurisdiction(), kind) {
        (Some(level), _) => match regions {
            [one] if one.level() == level => Ok(()),
            _ => wrong(
                "pemerintah memiliki tepat satu wilayah pada tingkatnya",
                "a government has exactly one region, of its level",
            ),
        },
        (None, AgencyKind::Ministry) if !regions.is_empty() => {
            wrong("kementerian tidak dibatasi wilayah", "a ministry has no region")
        }
        _ => Ok(()),
    }
}

/// A client to be registered.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Its id.
    pub id: ClientId,
    /// Whose it is.
    pub agency: AgencyId,
    /// Who uses it.
    pub kind: ClientKind,
    /// For the agency's own overview.
    pub name: Line<200>,
    /// Why it reads personal data.
    pub purpose: Line<200>,
    /// No more than the agency holds.
    pub scopes: Vec<Scope>,
    /// Of a phone.
    pub volunteer: Option<VolunteerId>,
}
