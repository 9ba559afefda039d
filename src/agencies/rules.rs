//! What an agency may be and when it may call. Pure.
use crate::access::rules::{AgencyKind, Scope, Scopes};
use crate::platform::error::{ApiError, Fault};
use crate::platform::region_code::RegionCode;
use crate::{error_codes, text_enum};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

error_codes! {
    /// Another agency already is this government.
    AGENCY_EXISTS = (409, "agency_exists", "Pemerintah ini sudah terdaftar.", "This government is already registered.");
    /// The agency is not in the state that the act begins from.
    AGENCY_STATE_CONFLICT = (409, "agency_state_conflict", "Keadaan instansi tidak memungkinkan tindakan ini.", "The state of the agency does not allow this act.");
    /// What a source system offers is entered by itself, the agency whose branch it is, or the ministry.
    ENTRY_NOT_YOURS = (403, "entry_not_yours", "Isian sistem sumber ini bukan milik Anda.", "The entry of this source system is not yours.");
    /// Whether a source system may forward, the ministry decides.
    FORWARDING_NOT_YOURS = (403, "forwarding_not_yours", "Hak meneruskan rujukan hanya diberikan oleh kementerian.", "Only the ministry grants the right to forward.");
    /// The agency already is a source system: change its entry.
    SOURCE_SYSTEM_EXISTS = (409, "source_system_exists", "Instansi ini sudah menjadi sistem sumber.", "This agency already is a source system.");
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

/// How often an agency may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "i64")]
pub struct RequestsAMinute(i32);

impl RequestsAMinute {
    const MOST: i32 = 1_000_000;
}

impl From<RequestsAMinute> for i32 {
    fn from(limit: RequestsAMinute) -> Self {
        limit.0
    }
}

impl TryFrom<i64> for RequestsAMinute {
    type Error = Fault;
    fn try_from(requests: i64) -> Result<Self, Fault> {
        let limit = i32::try_from(requests).ok().filter(|limit| (1..=Self::MOST).contains(limit));
        limit.map(Self).ok_or_else(|| {
            let (id, en) = (format!("1 sampai {}", Self::MOST), format!("1 to {}", Self::MOST));
            Fault::with("out_of_range", id, en)
        })
    }
}

impl utoipa::PartialSchema for RequestsAMinute {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MOST))
            .description(Some("Requests a minute."))
            .into()
    }
}
impl utoipa::ToSchema for RequestsAMinute {}

/// The scopes that agencies of a kind typically hold.
pub fn typical_scopes(kind: AgencyKind) -> Vec<Scope> {
    let words = match kind {
        AgencyKind::Ministry => {
            "agencies:admin clients:manage volunteers:read volunteers:write cases:read referrals:read training:read \
             statistics:read changes:read audit:read"
        }
        AgencyKind::DinsosProvince | AgencyKind::DinsosRegency => {
            "clients:manage volunteers:read volunteers:propose volunteers:write cases:read cases:write referrals:read \
             referrals:send referrals:handle referrals:correct training:read training:enrol training:attend \
             training:write statistics:read identity:reveal changes:read webhooks:manage imports:write audit:read \
             privacy:manage"
        }
        AgencyKind::VillageGovernment => {
            "clients:manage volunteers:read volunteers:propose cases:read cases:write referrals:read referrals:send \
             training:read training:enrol statistics:read changes:read"
        }
        _ => {
            "clients:manage referrals:read referrals:handle referrals:correct identity:reveal changes:read \
             webhooks:manage audit:read"
        }
    };
    Scopes::parse(words).unwrap_or_default().list()
}
