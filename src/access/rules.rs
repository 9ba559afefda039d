//! Scopes, kinds of agencies and clients, and what a caller may see. Pure.
mod permissions;

pub use permissions::*;

use crate::platform::error::Fault;
use crate::platform::http::Identity;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::{error_codes, text_enum, uuid_id};
use chrono::TimeDelta;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

uuid_id!(/** Identifies an agency. */ AgencyId);
uuid_id!(/** Identifies a client of an agency. */ ClientId);
uuid_id!(/** Identifies a volunteer. */ VolunteerId);

/// So long something may go on that was begun with a token: an export, a link. So long a token that has ended can be revoked, and is
/// remembered as revoked.
pub const OUTLIVED: TimeDelta = TimeDelta::hours(1);

error_codes! {
    /// An officer's client decides or reveals without saying who sits at the keyboard.
    ACTING_USER_REQUIRED = (403, "acting_user_required", "Token harus memuat acting_user untuk tindakan ini.", "The token must name an acting_user for this act.");
    /// The client may call from other networks only.
    ADDRESS_NOT_ALLOWED = (403, "address_not_allowed", "Klien ini tidak boleh memanggil dari alamat ini.", "This client may not call from this address.");
    /// The agency has searched by number, or shown or exported identity numbers in full, as often as it may in an hour or a day.
    BUDGET_SPENT = (429, "budget_spent", "Jatah instansi untuk pencarian nomor, pembukaan identitas atau ekspor NIK lengkap habis.", "The agency's budget of searches by number, or of identity numbers shown or exported in full, is spent.");
}

text_enum! {
    /// What an agency is. The four governments have a jurisdiction; the rest see what is addressed to them.
    AgencyKind {
        /// Kementerian Sosial.
        Ministry = "ministry",
        /// Dinas Sosial of a province.
        DinsosProvince = "dinsos_province",
        /// Dinas Sosial of a regency or city.
        DinsosRegency = "dinsos_regency",
        /// Government of a desa or kelurahan.
        VillageGovernment = "village_government",
        /// Health insurance, national or a branch.
        BpjsKesehatan = "bpjs_kesehatan",
        /// Employment insurance, national or a branch.
        BpjsKetenagakerjaan = "bpjs_ketenagakerjaan",
        /// Hospital or health centre.
        HealthFacility = "health_facility",
        /// Dukcapil.
        CivilRegistry = "civil_registry",
        /// Care home, foundation.
        SocialInstitution = "social_institution",
        /// Any other body that can help.
        Other = "other",
    }
}

impl AgencyKind {
    /// Level of its one region, for governments; `None`: no region, or as many as it says.
    pub fn jurisdiction(self) -> Option<RegionLevel> {
        match self {
            Self::DinsosProvince => Some(RegionLevel::Province),
            Self::DinsosRegency => Some(RegionLevel::Regency),
            Self::VillageGovernment => Some(RegionLevel::Village),
            _ => None,
        }
    }
}

text_enum! {
    /// Who uses a client.
    ClientKind {
        /// An office's own application: says who sits at the keyboard (`acting_user`).
        Officer = "officer",
        /// Another system, such as the BPJS integration.
        System = "system",
        /// The phone of one volunteer.
        Phone = "phone",
        /// Figures only.
        Dashboard = "dashboard",
    }
}

text_enum! {
    /// A right, granted to an agency and to each of its clients.
    Scope {
        /// Create, change, suspend agencies.
        AgenciesAdmin = "agencies:admin",
        /// Manage the clients of the own agency.
        ClientsManage = "clients:manage",
        /// Read volunteers.
        VolunteersRead = "volunteers:read",
        /// Propose candidates.
        VolunteersPropose = "volunteers:propose",
        /// Change volunteers.
        VolunteersWrite = "volunteers:write",
        /// Read cases.
        CasesRead = "cases:read",
        /// Create and change cases.
        CasesWrite = "cases:write",
        /// Read referrals.
        ReferralsRead = "referrals:read",
        /// Send referrals.
        ReferralsSend = "referrals:send",
        /// Answer referrals.
        ReferralsHandle = "referrals:handle",
        /// Correct finished referrals.
        ReferralsCorrect = "referrals:correct",
        /// Read training events.
        TrainingRead = "training:read",
        /// Enrol participants.
        TrainingEnrol = "training:enrol",
        /// Record attendance.
        TrainingAttend = "training:attend",
        /// Create and run training events.
        TrainingWrite = "training:write",
        /// Read figures.
        StatisticsRead = "statistics:read",
        /// See NIK, KK and card numbers in full, for a purpose.
        IdentityReveal = "identity:reveal",
        /// Read the feed of changes.
        ChangesRead = "changes:read",
        /// Manage webhooks.
        WebhooksManage = "webhooks:manage",
        /// Import and export.
        ImportsWrite = "imports:write",
        /// Read the audit record.
        AuditRead = "audit:read",
        /// Answer requests of data subjects.
        PrivacyManage = "privacy:manage",
    }
}

impl Scope {
    /// For the consent of a person reading the document.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::AgenciesAdmin => "Create, change and suspend agencies",
            Self::ClientsManage => "Manage the clients of the own agency",
            Self::VolunteersRead => "Read volunteers",
            Self::VolunteersPropose => "Propose candidates",
            Self::VolunteersWrite => "Register and change volunteers",
            Self::CasesRead => "Read cases",
            Self::CasesWrite => "Create and change cases",
            Self::ReferralsRead => "Read referrals",
            Self::ReferralsSend => "Send referrals",
            Self::ReferralsHandle => "Answer referrals",
            Self::ReferralsCorrect => "Correct finished referrals",
            Self::TrainingRead => "Read training events",
            Self::TrainingEnrol => "Enrol participants",
            Self::TrainingAttend => "Record attendance",
            Self::TrainingWrite => "Create and run training events",
            Self::StatisticsRead => "Read figures",
            Self::IdentityReveal => "See identity numbers in full, for a purpose",
            Self::ChangesRead => "Read the feed of changes",
            Self::WebhooksManage => "Manage webhooks",
            Self::ImportsWrite => "Import and export",
            Self::AuditRead => "Read the audit record",
            Self::PrivacyManage => "Answer requests of data subjects",
        }
    }

    fn bit(self) -> u32 {
        Self::ALL.iter().position(|scope| *scope == self).map_or(0, |index| 1 << index)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u32);

impl Scopes {
    /// Whether `scope` is in it.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of it is in `other`.
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Its members, in the order of [`Scope::ALL`].
    pub fn list(self) -> Vec<Scope> {
        Scope::ALL.iter().copied().filter(|scope| self.has(*scope)).collect()
    }

    /// Parses scopes separated by single spaces (RFC 6749, section 3.3); `None` if one is unknown.
    pub fn parse(words: &str) -> Option<Self> {
        words.split(' ').map(Scope::parse).collect::<Option<Vec<_>>>().map(|scopes| scopes.into_iter().collect())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = self.list().into_iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

/// The agency's own opaque id of the officer at the keyboard: no name, no e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct ActingUser(String);

impl ActingUser {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ActingUser {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        // Sixteen digits alone would be somebody's NIK.
        let number = raw.len() == 16 && raw.bytes().all(|b| b.is_ascii_digit());
        if (1..=64).contains(&raw.len()) && raw.bytes().all(good) && !number {
            return Ok(Self(raw));
        }
        Err(Fault::new(
            "acting_user_malformed",
            "1 sampai 64 huruf, angka atau . _ : -",
            "1 to 64 letters, digits or . _ : -",
        ))
    }
}

/// Whose rows a caller sees. Every `visible_to` begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The ministry.
    Everything,
    /// A government and its subtree.
    Region(RegionCode),
    /// A source system: referrals addressed to it or to its branches, and what these show.
    Addressed(Vec<AgencyId>),
    /// A volunteer's phone: that volunteer's own work.
    Own(VolunteerId),
}

/// Whose rows a caller sees, as a query asks it: rows whose village lies in the half-open range of codes, and the one
/// volunteer's. The same statement serves every caller, so it is prepared once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// First village code.
    pub from: String,
    /// First code behind the last one.
    pub until: String,
    /// A phone's volunteer; nil for everyone else.
    pub own: VolunteerId,
}

/// Which rows of a list a caller sees, as an index finds them: one equality instead of [`Window`]'s range, whose size the
/// planner can only guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    Everywhere,
    /// Those of this region's subtree.
    Within(RegionCode),
    /// Those of one volunteer, in this region if one was asked for.
    Own(VolunteerId, Option<RegionCode>),
    /// None of them.
    Nowhere,
}

impl Sight {
    /// Whether it is that of a village's government. Everyone knows everyone in a village: it is not told of a child, an illness or a crime.
    pub fn is_village(&self) -> bool {
        matches!(self, Self::Region(region) if region.level() == RegionLevel::Village)
    }

    /// What a list shows that is asked for a region, or for none.
    pub fn reach(&self, asked: Option<&RegionCode>) -> Reach {
        match (self, asked) {
            (Self::Everything, None) => Reach::Everywhere,
            (Self::Everything, Some(asked)) => Reach::Within(asked.clone()),
            (Self::Region(own), Some(asked)) if own.contains(asked) => Reach::Within(asked.clone()),
            (Self::Region(own), Some(asked)) if !asked.contains(own) => Reach::Nowhere,
            (Self::Region(own), _) => Reach::Within(own.clone()),
            (Self::Own(own), asked) => Reach::Own(*own, asked.cloned()),
            (Self::Addressed(_), _) => Reach::Nowhere,
        }
    }

    /// Of rows that governments see by region and a phone by its volunteer; source systems see none of these.
    pub fn window(&self) -> Window {
        let (from, until) = match self {
            // Codes are digits and dots, which stand before the colon; behind a dot stands the slash.
            Self::Everything => (String::new(), ":".to_owned()),
            Self::Region(code) => (code.to_string(), format!("{code}/")),
            Self::Addressed(_) | Self::Own(_) => (String::new(), String::new()),
        };
        Window { from, until, own: if let Self::Own(id) = self { *id } else { VolunteerId(Uuid::nil()) } }
    }

    /// Whether a volunteer who is posted in `village` is among them.
    pub fn shows(&self, volunteer: VolunteerId, village: &RegionCode) -> bool {
        match self {
            Self::Everything => true,
            Self::Region(region) => region.contains(village),
            Self::Addressed(_) => false,
            Self::Own(own) => *own == volunteer,
        }
    }

    /// The region that all of them lie in, for callers that see by region.
    pub fn region(&self) -> Option<&RegionCode> {
        if let Self::Region(code) = self { Some(code) } else { None }
    }
}

text_enum! {
    /// Why an identity number is shown in full or a person is searched by one. Recorded.
    RevealPurpose {
        /// Whether the person may have the service.
        Eligibility = "eligibility",
        /// Whether it is the person.
        IdentityCheck = "identity_check",
        /// The service cannot be given without it.
        ServiceDelivery = "service_delivery",
        /// A law asks for it.
        LegalDuty = "legal_duty",
    }
}

/// Who is calling, as of this request: the token's word, cut to what the database still grants.
#[derive(Debug)]
pub struct Caller {
    /// The client.
    pub client: ClientId,
    /// Who uses it.
    pub client_kind: ClientKind,
    /// Its agency.
    pub agency: AgencyId,
    /// What the agency is.
    pub agency_kind: AgencyKind,
    /// What it may do.
    pub scopes: Scopes,
    /// What it sees.
    pub sight: Sight,
    /// Its agency is a branch of another source system: what is addressed there may be open to it.
    pub branch: bool,
    /// The agency's jurisdiction or the regencies of a branch; empty = the whole country.
    pub regions: Vec<RegionCode>,
    /// The officer at the keyboard, if the token names one.
    pub acting_user: Option<ActingUser>,
    /// Of a phone.
    pub volunteer: Option<VolunteerId>,
    /// Why this client reads personal data.
    pub purpose: String,
    /// Of this request.
    pub request: Uuid,
    /// Where this request comes from.
    pub address: Option<IpAddr>,
    /// When the token ends.
    pub expires_at: chrono::DateTime<chrono::Utc>,
    /// `jti` of the token.
    pub token: Uuid,
    /// Of the token.
    pub epoch: i32,
}

impl Caller {
    /// Whom cursors and idempotency keys belong to.
    pub fn identity(&self) -> Identity {
        Identity { agency: self.agency.0, client: self.client.0 }
    }
}

/// With what a caller was let in: sealed into something that it is given, to be let in again by it ([`super::api::Gate::recall`]).
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct LetIn {
    /// The client.
    pub client: ClientId,
    /// Its agency.
    pub agency: AgencyId,
    /// `jti` of its token.
    pub token: Uuid,
    /// Of its token.
    pub epoch: i32,
    /// Of its token.
    pub scopes: String,
    /// The officer at the keyboard.
    pub acting_user: Option<ActingUser>,
    /// Of a phone.
    pub volunteer: Option<VolunteerId>,
}

impl LetIn {
    /// With what this one was.
    pub fn as_caller(caller: &Caller) -> Self {
        Self {
            client: caller.client,
            agency: caller.agency,
            token: caller.token,
            epoch: caller.epoch,
            scopes: caller.scopes.to_string(),
            acting_user: caller.acting_user.clone(),
            volunteer: caller.volunteer,
        }
    }
}

/// A caller that can be moved into a transaction.
pub type SharedCaller = Arc<Caller>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_of_known_words() {
        let some = Scopes::parse("cases:read statistics:read").unwrap();
        assert_eq!(some.to_string(), "cases:read statistics:read");
        assert!(some.has(Scope::CasesRead) && !some.has(Scope::CasesWrite));
        assert!(some.within(Scope::ALL.iter().copied().collect()));
        for bad in ["", " ", "cases:read  cases:write", "cases:READ", "cases:read ", "everything"] {
            assert_eq!(Scopes::parse(bad), None, "{bad:?}");
        }
        let bits: std::collections::BTreeSet<_> = Scope::ALL.iter().map(|scope| scope.bit()).collect();
        assert_eq!(bits.len(), Scope::ALL.len());
    }

    #[test]
    fn a_window_holds_the_subtree_and_nothing_beside_it() {
        let inside = |sight: Sight, village: &str| {
            let window = sight.window();
            window.from.as_str() <= village && village < window.until.as_str()
        };
        let region = |raw| Sight::Region(RegionCode::parse(raw).unwrap());
        assert!(inside(Sight::Everything, "11.01.01.2001") && inside(Sight::Everything, "97.01.01.2001"));
        assert!(inside(region("17.06"), "17.06.02.1009") && inside(region("17.06.02.1009"), "17.06.02.1009"));
        assert!(!inside(region("17.06"), "17.07.01.2001") && !inside(region("17.06.02.1009"), "17.06.02.1010"));
        assert!(!inside(Sight::Own(VolunteerId(Uuid::nil())), "17.06.02.1009"));
        assert!(!inside(Sight::Addressed(vec![]), "17.06.02.1009"));
        let code = |raw| RegionCode::parse(raw).unwrap();
        let reach = |asked| region("17.06").reach(Some(&code(asked)));
        assert_eq!(region("17.06").reach(None), Reach::Within(code("17.06")));
        assert_eq!((reach("17"), reach("17.06.02")), (Reach::Within(code("17.06")), Reach::Within(code("17.06.02"))));
        assert_eq!((reach("17.01"), reach("15")), (Reach::Nowhere, Reach::Nowhere));
        assert_eq!(Sight::Addressed(vec![]).reach(Some(&code("17"))), Reach::Nowhere);
    }

    #[test]
    fn an_acting_user_is_opaque() {
        let parse = |raw: &str| ActingUser::try_from(raw.to_owned()).is_ok();
        assert!(parse("staf-0017") && parse("3f1c:ab_9.z"));
        for bad in ["", "sri@dinsos.example", "Sri Wahyuni", "1706024508950001", &"x".repeat(65)] {
            assert!(!parse(bad), "{bad}");
        }
    }
}
