//! What a document may be: types, sizes, states. Pure.
use crate::{error_codes, text_enum, uuid_id};
use chrono::TimeDelta;
use std::fmt::Write;

uuid_id!(/** Identifies a document. */ DocumentId);

error_codes! {
    /// As many documents as there may be of one thing.
    TOO_MANY_DOCUMENTS = (409, "too_many_documents", "Sudah ada terlalu banyak dokumen; hapus salah satunya.", "There are too many documents already; remove one.");
    /// A link was used after its end.
    LINK_EXPIRED = (410, "link_expired", "Tautan sudah berakhir; minta yang baru.", "The link has ended; ask for another one.");
}

text_enum! {
    /// What kind of file it is, by its first bytes.
    DocumentType {
        /// PDF.
        Pdf = "application/pdf",
        /// JPEG.
        Jpeg = "image/jpeg",
        /// PNG.
        Png = "image/png",
    }
}

text_enum! {
    /// Where a document stands.
    DocumentState {
        /// Its content may be there or not.
        Uploading = "uploading",
        /// It is there.
        Stored = "stored",
        /// It is shown to nobody, and its content about to go.
        Removed = "removed",
    }
}

/// Most bytes of a document.
pub const MOST_BYTES: usize = 10 * 1024 * 1024;
/// A phone on a bad network gets so many seconds for it.
pub const MOST_SECONDS: u64 = 120;
/// An upload whose row is older than this is not on its way any more, or as good as: it takes nobody's place.
pub const UNDER_WAY: TimeDelta = TimeDelta::minutes(5);
/// Most bytes of a photo.
pub const MOST_BYTES_OF_PHOTO: usize = 5 * 1024 * 1024;
/// Most documents of one thing: a list of them is one page.
pub const MOST_DOCUMENTS: i64 = 30;
/// A document is never changed, only removed.
pub const VERSION: i32 = 1;

impl DocumentType {
    /// What the first bytes say; none of the types that are taken if nothing.
    pub fn of(content: &[u8]) -> Option<Self> {
        let begins = |kind: &Self| match kind {
            Self::Pdf => content.starts_with(b"%PDF-"),
            Self::Jpeg => content.starts_with(b"\xff\xd8\xff"),
            Self::Png => content.starts_with(b"\x89PNG\r\n\x1a\n"),
        };
        Self::ALL.iter().copied().find(begins)
    }

    /// Behind the dot of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// What may be sent as a kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fits {
    /// Any type.
    File,
    /// A picture, and smaller.
    Photo,
}

impl Fits {
    /// Whether it may be of this type.
    pub fn takes(self, kind: DocumentType) -> bool {
        self == Self::File || kind != DocumentType::Pdf
    }

    /// Most bytes of one.
    pub fn most_bytes(self) -> usize {
        if self == Self::Photo { MOST_BYTES_OF_PHOTO } else { MOST_BYTES }
    }
}

/// A digest as it is shown.
pub fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_by_the_first_bytes() {
        let of = DocumentType::of;
        assert_eq!(of(b"%PDF-1.7\n"), Some(DocumentType::Pdf));
        assert_eq!(of(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some(DocumentType::Jpeg));
        assert_eq!(of(b"\x89PNG\r\n\x1a\n\0\0"), Some(DocumentType::Png));
        for other in
            [b"".as_slice(), b"%PDF", b" %PDF-1.7", b"<html>", b"MZ", b"\x89PNG\n", b"GIF89a", b"PK\x03\x04", b"<svg"]
        {
            assert_eq!(of(other), None, "{other:?}");
        }
        assert!(!Fits::Photo.takes(DocumentType::Pdf) && Fits::File.takes(DocumentType::Png));
        assert_eq!(hexadecimal(&[0, 255, 16]), "00ff10");
    }
}
