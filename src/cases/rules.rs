//! What a case is, and what may be said of a person to whom. Pure.
pub mod documents;

use crate::platform::error::Fault;
use crate::platform::person::age;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::{error_codes, text_enum, uuid_id};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

uuid_id!(/** Identifies a case. */ CaseId);

/// A closed case may be reopened for so long.
pub const REOPENING: TimeDelta = TimeDelta::days(90);

error_codes! {
    /// The case is not in the state that the act begins from.
    CASE_STATE_CONFLICT = (409, "case_state_conflict", "Keadaan kasus tidak memungkinkan tindakan ini.", "The state of the case does not allow this act.");
    /// A case is closed with a referral open, and without asking to end it too.
    REFERRALS_OPEN = (409, "referrals_open", "Kasus masih memiliki rujukan yang terbuka.", "The case still has an open referral.");
    /// Open cases of your sight in the same regency have a person who is alike, and a category in common: `candidates` names them.
    /// `distinct_from` says that it is another case.
    CASE_ALIKE = (409, "case_alike", "Sudah ada kasus terbuka yang serupa.", "There are open cases that are alike.");
    /// The data are not processed by consent, so that none can be withdrawn.
    CONSENT_NOT_THE_BASIS = (409, "consent_not_the_basis", "Dasar pemrosesan kasus ini bukan persetujuan.", "The data of this case are not processed by consent.");
    /// More than 90 days after closing.
    REOPENING_OVER = (409, "reopening_over", "Batas 90 hari untuk membuka kembali sudah lewat.", "The 90 days for reopening are over.");
}

text_enum! {
    /// Whether the need is still being met.
    CaseState {
        /// It is.
        Open = "open",
        /// It ended, with an outcome.
        Closed = "closed",
        /// The consent was withdrawn: nothing is done with it, and it is shown to who reported it only.
        Restricted = "restricted",
    }
}

text_enum! {
    /// How much it hurries.
    Urgency {
        /// Days.
        Normal = "normal",
        /// Hours.
        Urgent = "urgent",
    }
}

text_enum! {
    /// Why these data may be processed (UU 27/2022, art. 20).
    LawfulBasis {
        /// The person, or the guardian, agreed.
        Consent = "consent",
        /// The person's life or health is in danger.
        VitalInterest = "vital_interest",
        /// A law demands it.
        LegalObligation = "legal_obligation",
        /// A task in the public interest.
        PublicTask = "public_task",
    }
}

text_enum! {
    /// Who agreed.
    ConsentBy {
        /// The person.
        Person = "person",
        /// The guardian: of a child, always (UU 27/2022, art. 25).
        Guardian = "guardian",
        /// Somebody else who may speak for the person.
        Representative = "representative",
    }
}

text_enum! {
    /// How it was said.
    ConsentMethod {
        /// By word of mouth.
        Spoken = "spoken",
        /// Signed.
        Written = "written",
        /// With a thumbprint, by who does not write.
        Thumbprint = "thumbprint",
        /// Recorded in a video.
        Video = "video",
        /// Recorded as sound.
        Audio = "audio",
        /// In signs, with or without an interpreter.
        SignLanguage = "sign_language",
    }
}

text_enum! {
    /// What somebody is to the person.
    Relation {
        /// Wife or husband.
        Spouse = "spouse",
        /// Mother or father.
        Parent = "parent",
        /// Daughter or son.
        Child = "child",
        /// Sister or brother.
        Sibling = "sibling",
        /// Grandmother or grandfather.
        Grandparent = "grandparent",
        /// Of the family otherwise.
        OtherFamily = "other_family",
        /// Lives nearby.
        Neighbour = "neighbour",
        /// Cares for the person, at home or in an institution.
        Caregiver = "caregiver",
        /// Named by a court.
        LegalGuardian = "legal_guardian",
        /// Somebody else.
        Other = "other",
    }
}

text_enum! {
    /// What it takes to talk with the person (UU 27/2022, art. 26).
    CommunicationNeed {
        /// Speaks a local language only.
        LocalLanguage = "local_language",
        /// Signs.
        SignLanguage = "sign_language",
        /// Cannot read usual print.
        LargePrintOrBraille = "large_print_or_braille",
        /// Needs plain words.
        EasyLanguage = "easy_language",
        /// Needs somebody beside.
        Companion = "companion",
    }
}

text_enum! {
    /// What is written into the history of a case.
    CaseAction {
        /// Reported.
        Create = "create",
        /// Changed in what it says.
        Update = "update",
        /// Ended.
        Close = "close",
        /// Open again.
        Reopen = "reopen",
        /// The consent was taken back.
        WithdrawConsent = "withdraw-consent",
        /// A new one was given.
        RestoreConsent = "restore-consent",
        /// Said to be another one than some to which it is alike.
        Distinguish = "distinguish",
        /// Given to another volunteer, or to none.
        Assign = "assign",
    }
}

/// The whole table of moves; none: the state does not allow the act. `ended`: a restricted case had been closed before.
pub fn decide(action: CaseAction, from: Option<CaseState>, ended: bool) -> Option<CaseState> {
    use CaseAction as A;
    use CaseState as S;
    match (action, from) {
        (A::Create, None) | (A::Update | A::Distinguish | A::Assign, Some(S::Open)) | (A::Reopen, Some(S::Closed)) => {
            Some(S::Open)
        }
        (A::Close, Some(S::Open)) => Some(S::Closed),
        (A::WithdrawConsent, Some(S::Open | S::Closed)) => Some(S::Restricted),
        (A::RestoreConsent, Some(S::Restricted)) => Some(if ended { S::Closed } else { S::Open }),
        _ => None,
    }
}

/// A clock that says a time later than the service's by more than this is wrong; what it says is kept all the same.
pub const CLOCK_AHEAD: TimeDelta = TimeDelta::minutes(10);

/// Age on `today`, from a birth date or from an estimate made earlier.
pub fn age_on(today: NaiveDate, born: Option<NaiveDate>, estimate: Option<(i16, NaiveDate)>) -> Option<u32> {
    let estimated = || estimate.and_then(|(years, on)| Some(u32::try_from(years).ok()? + age(on, today)));
    born.map(|born| age(born, today)).or_else(estimated)
}

/// `KS-1706-2026-000123`.
pub fn number(regency: &RegionCode, year: i32, serial: i32) -> String {
    let digits: String = regency.as_str().chars().filter(char::is_ascii_digit).collect();
    format!("KS-{digits}-{year:04}-{serial:06}")
}

/// The four codes of a village; none if the code is not one of a village.
pub fn levels(village: &RegionCode) -> Option<[RegionCode; 4]> {
    let at = |level| village.at(level);
    Some([at(RegionLevel::Province)?, at(RegionLevel::Regency)?, at(RegionLevel::District)?, at(RegionLevel::Village)?])
}

/// Whether a closed case may be open again.
pub fn may_reopen(closed_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - closed_at <= REOPENING
}

/// A number of a family card or of a BPJS card: so many digits, spaces, dots and dashes apart. Like a NIK it shows in
/// no log and is stored encrypted.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Digits<const LENGTH: usize>(zeroize::Zeroizing<String>);

/// Number of a family card (Kartu Keluarga).
pub type KkNumber = Digits<16>;
/// Number of a BPJS card (`noKartu`).
pub type CardNumber = Digits<13>;

impl<const LENGTH: usize> Digits<LENGTH> {
    /// All digits: to encrypt and to index.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept beside the ciphertext.
    pub fn last_four(&self) -> &str {
        self.0.get(LENGTH.saturating_sub(4)..).unwrap_or_default()
    }
}

impl<const LENGTH: usize> TryFrom<String> for Digits<LENGTH> {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let raw = zeroize::Zeroizing::new(raw);
        let digits: String = raw.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
        if digits.len() == LENGTH && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(zeroize::Zeroizing::new(digits)));
        }
        Err(Fault::with("number_malformed", format!("harus {LENGTH} angka"), format!("must have {LENGTH} digits")))
    }
}

impl<const LENGTH: usize> std::fmt::Debug for Digits<LENGTH> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digits(…)")
    }
}

impl<const LENGTH: usize> Digits<LENGTH> {
    /// What is taken, for the document.
    fn pattern() -> String {
        format!(r"^[ .\-]*([0-9][ .\-]*){{{LENGTH}}}$")
    }
}

impl<const LENGTH: usize> utoipa::PartialSchema for Digits<LENGTH> {
    fn schema() -> RefOr<Schema> {
        let text = format!("{LENGTH} digits; spaces, dots and dashes do not count. Always a string.");
        let pattern = Self::pattern();
        // Nobody's: no region begins with 00.
        let example = format!("{:0LENGTH$}", 1234);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(text))
            .pattern(Some(pattern))
            .examples([serde_json::json!(example)])
            .into()
    }
}
impl<const LENGTH: usize> utoipa::ToSchema for Digits<LENGTH> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Digits{LENGTH}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn a_number_has_all_its_digits_and_the_document_says_so() {
        let pattern = regex::Regex::new(&CardNumber::pattern()).unwrap();
        for (raw, good) in [
            ("0001234567890", true),
            (" 000-1234.567 890 ", true),
            ("000123456789", false),
            ("00012345678901", false),
            ("000123456789x", false),
            ("", false),
        ] {
            assert_eq!((CardNumber::try_from(raw.to_owned()).is_ok(), pattern.is_match(raw)), (good, good), "{raw}");
        }
    }

    /// Every state and every act: for review by those who do the work.
    #[test]
    fn the_whole_state_machine() {
        use std::fmt::Write;
        let mut table = String::new();
        let states = [None, Some(CaseState::Open), Some(CaseState::Closed), Some(CaseState::Restricted)];
        for from in states {
            let _ = writeln!(table, "{}", from.map_or("-", CaseState::as_str));
            for action in CaseAction::ALL {
                let to = |ended| decide(*action, from, ended).map_or("x", CaseState::as_str);
                let _ = writeln!(table, "  {:<17} {:<11} had been closed: {}", action.as_str(), to(false), to(true));
            }
        }
        table.push_str("\nx  not in this state (409)\n");
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_age_is_known_or_estimated() {
        assert_eq!(age_on(day(2026, 11, 25), Some(day(1950, 11, 26)), None), Some(75));
        assert_eq!(age_on(day(2026, 11, 26), Some(day(1950, 11, 26)), None), Some(76));
        // an estimate ages with the person
        assert_eq!(age_on(day(2028, 1, 1), None, Some((70, day(2026, 1, 1)))), Some(72));
        assert_eq!(age_on(day(2026, 1, 1), None, None), None);
    }

    #[test]
    fn numbers_are_of_regency_and_year() {
        let regency = RegionCode::parse("17.06").unwrap();
        assert_eq!(number(&regency, 2026, 123), "KS-1706-2026-000123");
        assert_eq!(number(&regency, 2026, 1_234_567), "KS-1706-2026-1234567");
    }

    #[test]
    fn card_numbers_keep_their_zeros_and_do_not_show() {
        let card = CardNumber::try_from("0001 2345 67890".to_owned()).unwrap();
        assert_eq!((card.reveal(), card.last_four()), ("0001234567890", "7890"));
        assert_eq!(format!("{card:?}"), "Digits(…)");
        assert!(CardNumber::try_from("000123456789O".to_owned()).is_err());
    }
}
