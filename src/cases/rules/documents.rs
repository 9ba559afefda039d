//! What a document of a case is, and who takes it away. Pure.
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::documents::rules::Fits;
use crate::{error_codes, text_enum};

error_codes! {
    /// Who attached a document removes it.
    DOCUMENT_OF_ANOTHER = (403, "document_of_another", "Dokumen ini dilampirkan oleh pihak lain.", "This document was attached by somebody else.");
}

text_enum! {
    /// What a document of a case is.
    CaseDocumentKind {
        /// That somebody agreed: what was signed, or a picture of it. Of the case itself, never of a referral.
        ConsentEvidence = "consent_evidence",
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

impl CaseDocumentKind {
    /// What may be sent as one.
    pub fn fits(self) -> Fits {
        if self == Self::Photo { Fits::Photo } else { Fits::File }
    }

    /// Whether it is needed to find out whether the person is entitled: who decides on a referral opens these before it accepts.
    pub fn shows_entitlement(self) -> bool {
        matches!(self, Self::FacilityLetter | Self::Statement | Self::IdDocument)
    }
}

/// Whether the caller removes a document of this agency: who attached it, a phone its own volunteer's alone.
pub fn may_remove(caller: &Caller, created_by: AgencyId, volunteer: Option<VolunteerId>) -> bool {
    created_by == caller.agency && (caller.volunteer.is_none() || caller.volunteer == volunteer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::rules::DocumentType;

    #[test]
    fn before_it_is_accepted_only_what_shows_entitlement_is_opened() {
        let early: Vec<_> = CaseDocumentKind::ALL.iter().filter(|kind| kind.shows_entitlement()).collect();
        assert_eq!(
            early,
            [&CaseDocumentKind::FacilityLetter, &CaseDocumentKind::Statement, &CaseDocumentKind::IdDocument]
        );
        assert!(!CaseDocumentKind::Photo.fits().takes(DocumentType::Pdf));
        assert!(CaseDocumentKind::Other.fits().takes(DocumentType::Pdf));
    }
}
