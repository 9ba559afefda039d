//! What a handler may ask of its caller: one right, one type.
use super::Scope;

/// A right that a handler asks for: the type parameter of [`crate::access::api::Permit`].
pub trait Permission: 'static {
    /// The token must carry one of these; none: any token will do.
    const SCOPES: &'static [Scope];
    /// The token must carry each of these as well.
    const AND: &'static [Scope] = &[];
    /// Decisions and reveals: an officer's client must say who sits at the keyboard.
    const ACTING_USER: bool = false;
    /// What its use is counted by, beside every request.
    const BUDGET: Option<Budget> = None;
}

/// What an agency may do so many times an hour or a day only: personal numbers are not tried out or gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Searching by a personal number.
    Searches,
    /// Showing identity numbers in full.
    Reveals,
    /// Writing them into exports, counted by person.
    ExportedNiks,
}

/// Reference data: any token.
pub struct ReadReference;
impl Permission for ReadReference {
    const SCOPES: &'static [Scope] = &[];
}

/// Give a volunteer's phone its code, and cut it off.
pub struct ManagePhones;
impl Permission for ManagePhones {
    const SCOPES: &'static [Scope] = &[Scope::ClientsManage];
    const ACTING_USER: bool = true;
}

/// See who did what.
pub struct ReadAudit;
impl Permission for ReadAudit {
    const SCOPES: &'static [Scope] = &[Scope::AuditRead];
}

/// Read the feed of changes, each caller those of rows of its sight.
pub struct ReadChanges;
impl Permission for ReadChanges {
    const SCOPES: &'static [Scope] = &[Scope::ChangesRead];
}

/// See volunteers, each caller those of its sight.
pub struct ReadVolunteers;
impl Permission for ReadVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersRead];
}

/// Register a candidate.
pub struct ProposeVolunteers;
impl Permission for ProposeVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersPropose, Scope::VolunteersWrite];
}

/// Change what is known of a volunteer.
pub struct WriteVolunteers;
impl Permission for WriteVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersWrite];
}

/// Decide on a volunteer: status and posting.
pub struct DecideVolunteers;
impl Permission for DecideVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersWrite];
    const ACTING_USER: bool = true;
}

/// Search volunteers by a personal number.
pub struct SearchVolunteers;
impl Permission for SearchVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersRead];
    const ACTING_USER: bool = true;
    const BUDGET: Option<Budget> = Some(Budget::Searches);
}

/// Search referrals by a personal number or by the own reference.
pub struct SearchReferrals;
impl Permission for SearchReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsRead];
    const ACTING_USER: bool = true;
    const BUDGET: Option<Budget> = Some(Budget::Searches);
}

/// See identity numbers of many in full: counted by how many they are, once that is known.
pub struct RevealMany;
impl Permission for RevealMany {
    const SCOPES: &'static [Scope] = &[Scope::IdentityReveal];
    const ACTING_USER: bool = true;
}

/// See identity numbers in full.
pub struct RevealIdentity;
impl Permission for RevealIdentity {
    const SCOPES: &'static [Scope] = &[Scope::IdentityReveal];
    const ACTING_USER: bool = true;
    const BUDGET: Option<Budget> = Some(Budget::Reveals);
}

/// Have identity numbers in full in an export. It is counted by how many they are, once that is known.
pub struct ExportIdentities;
impl Permission for ExportIdentities {
    const SCOPES: &'static [Scope] = &[Scope::IdentityReveal];
    const ACTING_USER: bool = true;
}

/// Get at the content of a volunteer's documents, in which identity numbers may stand.
pub struct OpenDocuments;
impl Permission for OpenDocuments {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersRead];
    const ACTING_USER: bool = true;
}

/// Remove a document of a volunteer, for good.
pub struct RemoveDocuments;
impl Permission for RemoveDocuments {
    const SCOPES: &'static [Scope] = &[Scope::VolunteersWrite];
    const ACTING_USER: bool = true;
}

/// See the imports of the own agency.
pub struct ReadImports;
impl Permission for ReadImports {
    const SCOPES: &'static [Scope] = &[Scope::ImportsWrite];
}

/// Register volunteers from a file. Beside its scope it takes that of registering them.
pub struct ImportVolunteers;
impl Permission for ImportVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::ImportsWrite];
    const AND: &'static [Scope] = &[Scope::VolunteersWrite];
    const ACTING_USER: bool = true;
}

/// Take volunteers out as a file: who may do that must be able to read them.
pub struct ExportVolunteers;
impl Permission for ExportVolunteers {
    const SCOPES: &'static [Scope] = &[Scope::ImportsWrite];
    const AND: &'static [Scope] = &[Scope::VolunteersRead];
    const ACTING_USER: bool = true;
}

/// See training events and who takes part.
pub struct ReadTraining;
impl Permission for ReadTraining {
    const SCOPES: &'static [Scope] = &[Scope::TrainingRead];
}

/// Take seats in training events and give them back.
pub struct EnrolTraining;
impl Permission for EnrolTraining {
    const SCOPES: &'static [Scope] = &[Scope::TrainingEnrol];
}

/// Record who came.
pub struct AttendTraining;
impl Permission for AttendTraining {
    const SCOPES: &'static [Scope] = &[Scope::TrainingAttend];
}

/// Prepare training events.
pub struct WriteTraining;
impl Permission for WriteTraining {
    const SCOPES: &'static [Scope] = &[Scope::TrainingWrite];
}

/// Decide on training events: announce them and call them off, and who passed.
pub struct DecideTraining;
impl Permission for DecideTraining {
    const SCOPES: &'static [Scope] = &[Scope::TrainingWrite];
    const ACTING_USER: bool = true;
}

/// See who takes part in training, or lacks it, by name: lists, papers, certificates.
pub struct ReadParticipants;
impl Permission for ReadParticipants {
    const SCOPES: &'static [Scope] = &[Scope::TrainingRead];
    const AND: &'static [Scope] = &[Scope::VolunteersRead];
}

/// See figures.
pub struct ReadStatistics;
impl Permission for ReadStatistics {
    const SCOPES: &'static [Scope] = &[Scope::StatisticsRead];
}

/// See cases, each caller those of its sight.
pub struct ReadCases;
impl Permission for ReadCases {
    const SCOPES: &'static [Scope] = &[Scope::CasesRead];
}

/// Report a case, or change what is known of it.
pub struct WriteCases;
impl Permission for WriteCases {
    const SCOPES: &'static [Scope] = &[Scope::CasesWrite];
}

/// Close or reopen a case.
pub struct DecideCases;
impl Permission for DecideCases {
    const SCOPES: &'static [Scope] = &[Scope::CasesWrite];
    const ACTING_USER: bool = true;
}

/// See referrals, each caller those of its sight.
pub struct ReadReferrals;
impl Permission for ReadReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsRead];
}

/// Ask a source system.
pub struct SendReferrals;
impl Permission for SendReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsSend];
}

/// Take back what was asked.
pub struct TakeBackReferrals;
impl Permission for TakeBackReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsSend];
    const ACTING_USER: bool = true;
}

/// Answer referrals.
pub struct HandleReferrals;
impl Permission for HandleReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsHandle];
    const ACTING_USER: bool = true;
}

/// Say something about a referral to its other side: whoever may send or answer referrals. It decides nothing.
pub struct TalkReferrals;
impl Permission for TalkReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsSend, Scope::ReferralsHandle];
}

/// Get at the content of a case's documents, in which identity numbers may stand.
pub struct OpenCaseDocuments;
impl Permission for OpenCaseDocuments {
    const SCOPES: &'static [Scope] = &[Scope::CasesRead];
    const ACTING_USER: bool = true;
}

/// Remove a document of a case, for good.
pub struct RemoveCaseDocuments;
impl Permission for RemoveCaseDocuments {
    const SCOPES: &'static [Scope] = &[Scope::CasesWrite];
    const ACTING_USER: bool = true;
}

/// Get at the content of a referral's documents.
pub struct OpenReferralDocuments;
impl Permission for OpenReferralDocuments {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsRead];
    const ACTING_USER: bool = true;
}

/// Remove a document of a referral, for good.
pub struct RemoveReferralDocuments;
impl Permission for RemoveReferralDocuments {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsSend, Scope::ReferralsHandle];
    const ACTING_USER: bool = true;
}

/// Undo an ending, or say that a referral should never have been.
pub struct CorrectReferrals;
impl Permission for CorrectReferrals {
    const SCOPES: &'static [Scope] = &[Scope::ReferralsCorrect];
    const ACTING_USER: bool = true;
}

/// See the clients of the own agency.
pub struct ReadClients;
impl Permission for ReadClients {
    const SCOPES: &'static [Scope] = &[Scope::ClientsManage];
}

/// Make and change the clients of the own agency.
pub struct ManageClients;
impl Permission for ManageClients {
    const SCOPES: &'static [Scope] = &[Scope::ClientsManage];
    const ACTING_USER: bool = true;
}

/// Create, change, suspend agencies.
pub struct AdministerAgencies;
impl Permission for AdministerAgencies {
    const SCOPES: &'static [Scope] = &[Scope::AgenciesAdmin];
    const ACTING_USER: bool = true;
}

/// Enter what a source system offers: the ministry for anyone, who answers referrals for the own agency and its branches.
pub struct EnterOffers;
impl Permission for EnterOffers {
    const SCOPES: &'static [Scope] = &[Scope::AgenciesAdmin, Scope::ReferralsHandle];
    const ACTING_USER: bool = true;
}
