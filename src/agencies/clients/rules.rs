//! What a client may be and hold. Pure.
use crate::access::rules::{AgencyId, Caller, ClientId, ClientKind, Scope, Scopes, VolunteerId};
use crate::platform::error::{ApiError, Fault};
use crate::platform::network::{Network, allows};
use crate::platform::text::Line;
use crate::{error_codes, text_enum};
use chrono::{DateTime, TimeDelta, Utc};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

error_codes! {
    /// The agency has a client that manages its clients: the ministry makes the first one only.
    CLIENTS_EXIST = (409, "clients_exist", "Instansi ini sudah mengelola kliennya sendiri.", "This agency already manages its own clients.");
    /// The client is not in the state that the act begins from.
    CLIENT_STATE_CONFLICT = (409, "client_state_conflict", "Keadaan klien tidak memungkinkan tindakan ini.", "The state of the client does not allow this act.");
    /// A phone that was disabled: it registers anew.
    PHONE_STAYS_DISABLED = (409, "phone_stays_disabled", "Ponsel yang dinonaktifkan harus mendaftar kembali.", "A disabled phone has to register anew.");
    /// The client has this key, or one of this name.
    KEY_EXISTS = (409, "key_exists", "Klien sudah memiliki kunci ini atau kunci dengan nama ini.", "The client already has this key, or one of this name.");
    /// A phone has the key that it made itself, and nothing else to prove itself by.
    PHONE_KEEPS_ITS_KEY = (409, "phone_keeps_its_key", "Ponsel hanya memakai kunci yang dibuatnya sendiri; ponsel lain mendaftar dengan kode baru.", "A phone uses only the key that it made itself; another one registers with a new code.");
    /// A client has few keys: two while one replaces the other.
    TOO_MANY_KEYS = (409, "too_many_keys", "Klien sudah memiliki terlalu banyak kunci.", "The client has too many keys.");
    /// A client cannot lock itself out: nobody of its agency might be left to undo it.
    OWN_CLIENT = (422, "own_client", "Klien tidak dapat mencabut haknya sendiri.", "A client cannot take its own rights away.");
}

text_enum! {
    /// Whether a client may call.
    ClientState {
        /// It may.
        Active = "active",
        /// Its tokens are refused within a second. A phone stays so for good.
        Disabled = "disabled",
    }
}

/// Keys that a client may have at a time.
pub const MOST_KEYS: i64 = 10;

/// How long the secret before lives on beside a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "u16")]
pub struct Overlap(u8);

impl Overlap {
    const MOST: u8 = 168;

    /// As a span of time.
    pub fn span(self) -> TimeDelta {
        TimeDelta::hours(self.0.into())
    }
}

impl Default for Overlap {
    fn default() -> Self {
        Self(24)
    }
}

impl TryFrom<u16> for Overlap {
    type Error = Fault;
    fn try_from(hours: u16) -> Result<Self, Fault> {
        let hours = u8::try_from(hours).ok().filter(|hours| *hours <= Self::MOST);
        hours.map(Self).ok_or_else(|| {
            let (id, en) = (format!("0 sampai {}", Self::MOST), format!("0 to {}", Self::MOST));
            Fault::with("out_of_range", id, en)
        })
    }
}

impl utoipa::PartialSchema for Overlap {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(Self::MOST))
            .default(Some(serde_json::json!(Self::default().0)))
            .description(Some("Hours. 0: it ends now, since others have seen it."))
            .into()
    }
}
impl utoipa::ToSchema for Overlap {}

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
    /// From where it may call; none: from everywhere.
    pub networks: Vec<Network>,
    /// Ends then.
    pub expires_at: Option<DateTime<Utc>>,
    /// Of a phone.
    pub volunteer: Option<VolunteerId>,
    /// Client that creates it.
    pub created_by: Option<ClientId>,
    /// Digest of the create.
    pub create_request: Option<Vec<u8>>,
}

/// What a phone of a volunteer may do: all that a phone can, of what its agency may.
pub fn phone_scopes(agency: &[Scope]) -> Vec<Scope> {
    most(ClientKind::Phone).and(agency.iter().copied().collect()).list()
}

/// What a client of this kind may hold at most.
fn most(kind: ClientKind) -> Scopes {
    match kind {
        ClientKind::Dashboard => Scopes::from_iter([Scope::StatisticsRead]),
        ClientKind::Phone => Scopes::from_iter([
            Scope::VolunteersRead,
            Scope::CasesRead,
            Scope::CasesWrite,
            Scope::ReferralsRead,
            Scope::ReferralsSend,
            Scope::TrainingRead,
            Scope::TrainingEnrol,
            Scope::ChangesRead,
        ]),
        ClientKind::Officer | ClientKind::System => Scope::ALL.iter().copied().collect(),
    }
}

/// Refuses scopes that the agency does not hold, or that are not for this kind of client.
pub fn check_scopes(kind: ClientKind, scopes: &[Scope], agency: &[Scope]) -> Result<(), ApiError> {
    let (held, fitting): (Scopes, Scopes) = (agency.iter().copied().collect(), most(kind));
    let at = |index: usize| format!("/scopes/{index}");
    if let Some(index) = scopes.iter().position(|scope| !held.has(*scope)) {
        let fault = Fault::new("scope_not_granted", "bukan hak instansi", "not a scope of the agency");
        return Err(ApiError::rule(&at(index), fault));
    }
    if let Some(index) = scopes.iter().position(|scope| !fitting.has(*scope)) {
        let fault = Fault::new("scope_not_for_kind", "bukan untuk jenis klien ini", "not for this kind of client");
        return Err(ApiError::rule(&at(index), fault));
    }
    Ok(())
}

/// Refuses an end that has come.
pub fn check_end(end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), ApiError> {
    if end.is_some_and(|end| end <= now) {
        let fault = Fault::new("in_the_past", "sudah lewat", "has passed");
        return Err(ApiError::rule("/expires_at", fault));
    }
    Ok(())
}

/// Whether the caller could not go on managing clients if it were limited like this.
pub fn locks_out(caller: &Caller, client: ClientId, scopes: &[Scope], networks: &[Network]) -> bool {
    client == caller.client && (!scopes.contains(&Scope::ClientsManage) || !allows(networks, caller.address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_holds_what_its_agency_and_its_kind_allow() {
        let agency = [Scope::StatisticsRead, Scope::ClientsManage, Scope::CasesRead];
        let good = |kind, scopes: &[Scope]| check_scopes(kind, scopes, &agency).is_ok();
        assert!(good(ClientKind::Officer, &agency) && good(ClientKind::System, &[]));
        assert!(!good(ClientKind::Officer, &[Scope::AgenciesAdmin]));
        assert!(good(ClientKind::Dashboard, &[Scope::StatisticsRead]));
        assert!(!good(ClientKind::Dashboard, &[Scope::CasesRead]));
        assert!(good(ClientKind::Phone, &[Scope::CasesRead]) && !good(ClientKind::Phone, &[Scope::ClientsManage]));
    }
}
