//! What of a case's documents a referral shows to whom. Pure.
use super::PersonSight;
use crate::cases::rules::documents::CaseDocumentKind;
use crate::text_enum;

text_enum! {
    /// What a document of a referral is.
    ReferralDocumentKind {
        /// Surat keterangan of a hospital, a health centre or a school.
        FacilityLetter = "facility_letter",
        /// What somebody states in writing, such as SKTM.
        Statement = "statement",
        /// KTP, family card, birth certificate.
        IdDocument = "id_document",
        /// Of the person or of where they live; an image.
        Photo = "photo",
        /// Anything else.
        Other = "other",
    }
}

impl From<ReferralDocumentKind> for CaseDocumentKind {
    fn from(kind: ReferralDocumentKind) -> Self {
        match kind {
            ReferralDocumentKind::FacilityLetter => Self::FacilityLetter,
            ReferralDocumentKind::Statement => Self::Statement,
            ReferralDocumentKind::IdDocument => Self::IdDocument,
            ReferralDocumentKind::Photo => Self::Photo,
            ReferralDocumentKind::Other => Self::Other,
        }
    }
}

/// Whether somebody who sees so much of the person is told what documents there are. Of several branches that may take it, none is.
pub fn shows(sight: PersonSight, in_pool: bool) -> bool {
    match sight {
        PersonSight::Open => true,
        PersonSight::Eligibility | PersonSight::Masked => !in_pool,
        PersonSight::Header => false,
    }
}

/// Whether a document is opened to somebody who sees so much of the person: what is needed to find out whether the person is entitled
/// as soon as a number may be revealed for that, anything else with the person.
pub fn may_open(sight: PersonSight, kind: CaseDocumentKind) -> bool {
    match sight {
        PersonSight::Open => true,
        PersonSight::Eligibility => kind.shows_entitlement(),
        PersonSight::Masked | PersonSight::Header => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_opened_as_the_person_is() {
        let kinds = CaseDocumentKind::ALL;
        let opened = |sight| kinds.iter().filter(|kind| may_open(sight, **kind)).count();
        assert_eq!(opened(PersonSight::Open), kinds.len());
        assert_eq!(opened(PersonSight::Eligibility), 3);
        assert_eq!((opened(PersonSight::Masked), opened(PersonSight::Header)), (0, 0));
        assert!(shows(PersonSight::Masked, false) && !shows(PersonSight::Masked, true));
        assert!(!shows(PersonSight::Header, false) && shows(PersonSight::Open, true));
        for kind in ReferralDocumentKind::ALL {
            assert_eq!(CaseDocumentKind::from(*kind).as_str(), kind.as_str());
        }
    }
}
