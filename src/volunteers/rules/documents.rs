//! What a volunteer's documents are. Pure.
use crate::documents::rules::Fits;
use crate::text_enum;

text_enum! {
    /// What a document is.
    DocumentKind {
        /// Surat keputusan.
        AppointmentLetter = "appointment_letter",
        /// Of a training.
        Certificate = "certificate",
        /// Of the volunteer; an image.
        Photo = "photo",
    }
}

impl DocumentKind {
    /// What may be sent as one.
    pub fn fits(self) -> Fits {
        if self == Self::Photo { Fits::Photo } else { Fits::File }
    }
}
