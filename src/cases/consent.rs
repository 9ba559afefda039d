//! Who agreed to the processing of the data, for whom, how and when.
use super::person::is_child;
use super::rules::{ConsentBy, ConsentMethod, LawfulBasis, Relation};
use super::store::{Case, CasePerson};
use crate::documents::rules::DocumentId;
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::moment::Day;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who agreed to the processing, how and when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Consent {
    /// Of a child, always the guardian.
    by: ConsentBy,
    /// What who agreed is to the person; null: it was the person, or it was not written down.
    #[schema(required)]
    relation: Option<Relation>,
    /// How it was said; null: it was not written down.
    #[schema(required)]
    method: Option<ConsentMethod>,
    /// The day.
    on: NaiveDate,
    /// Documents of the case of the kind `consent_evidence`, oldest first: that it was said.
    evidence_document_ids: Vec<DocumentId>,
}

/// Who agrees to the processing, how and when.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsent {
    /// Of a child, always the guardian.
    pub by: ConsentBy,
    /// What who agrees is to the person. Of a guardian as the person's `guardian_relation` has it, unless said here; of a
    /// representative it must be said.
    pub relation: Option<Relation>,
    /// How it was said.
    pub method: ConsentMethod,
    /// The day.
    pub on: Day,
}

impl Consent {
    /// The consent of a stored case.
    pub fn of(case: &Case) -> Option<Self> {
        let (by, on) = case.consent_by.zip(case.consent_on)?;
        let (relation, method) = (case.consent_relation, case.consent_method);
        Some(Self { by, relation, method, on, evidence_document_ids: case.consent_evidence_ids.clone() })
    }

    /// As it was given with a request, for this person.
    pub fn given(new: NewConsent, person: &CasePerson) -> Self {
        let relation = new.relation.or(person.guardian_relation.filter(|_| new.by == ConsentBy::Guardian));
        let (by, method, on) = (new.by, Some(new.method), new.on.date());
        Self { by, relation, method, on, evidence_document_ids: vec![] }
    }

    /// The day.
    pub fn on(&self) -> NaiveDate {
        self.on
    }
}

/// Writes a consent, or that there is none, into a case.
pub fn set(case: &mut Case, consent: Option<&Consent>) {
    case.consent_by = consent.map(|consent| consent.by);
    case.consent_on = consent.map(|consent| consent.on);
    case.consent_relation = consent.and_then(|consent| consent.relation);
    case.consent_method = consent.and_then(|consent| consent.method);
}

/// Refuses a consent that is missing, not expected, of nobody who may give it, or of a day that is yet to come. `latest` is today
/// in the village, or what the device took for today: a report is not lost by a clock that is ahead.
pub fn check(
    basis: LawfulBasis,
    consent: Option<&Consent>,
    person: &CasePerson,
    today: NaiveDate,
    latest: NaiveDate,
) -> ApiResult<()> {
    let rule = |pointer, code, id, en| Err(ApiError::rule(pointer, Fault::new(code, id, en)));
    let (consent, child) = match (basis, consent) {
        (LawfulBasis::Consent, Some(consent)) => (consent, is_child(person, today)),
        (LawfulBasis::Consent, None) => {
            return rule(
                "/consent",
                "required",
                "wajib diisi bila dasarnya persetujuan",
                "is required when the basis is consent",
            );
        }
        (_, None) => return Ok(()),
        (_, Some(_)) => {
            return rule(
                "/consent",
                "not_expected",
                "hanya bila dasarnya persetujuan",
                "only when the basis is consent",
            );
        }
    };
    match consent.by {
        _ if consent.on > latest => rule("/consent/on", "date_impossible", "belum terjadi", "lies in the future"),
        ConsentBy::Person | ConsentBy::Representative if child => {
            rule("/consent/by", "guardian_needed", "anak diwakili oleh wali", "the guardian agrees for a child")
        }
        ConsentBy::Guardian if child && person.guardian_name.is_none() => {
            rule("/person/guardian_name", "required", "nama wali wajib diisi", "the guardian's name is required")
        }
        ConsentBy::Person if consent.relation.is_some() => {
            rule("/consent/relation", "not_expected", "hanya bila diwakili", "only when somebody else agrees")
        }
        ConsentBy::Representative if consent.relation.is_none() => {
            rule("/consent/relation", "required", "wajib diisi bila diwakili", "is required of a representative")
        }
        _ => Ok(()),
    }
}
