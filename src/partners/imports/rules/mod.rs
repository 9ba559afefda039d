//! What an import is, how its file is read, and what makes a row good. Pure.
pub mod csv;
pub mod header;
pub mod ndjson;
pub mod person;
pub mod sheet;
pub mod values;
pub mod villages;
pub mod xlsx;

use crate::platform::error::Fault;
use crate::{error_codes, text_enum, uuid_id};
use serde::{Deserialize, Serialize};

uuid_id!(/** Identifies an import. */ ImportId);

error_codes! {
    /// This very file is in already: `id` names the import.
    FILE_IMPORTED_ALREADY = (409, "file_imported_already", "Berkas ini sudah diimpor.", "This file has been imported already.");
    /// The import is not in a state that the act begins from: `state` tells.
    IMPORT_STATE_CONFLICT = (409, "import_state_conflict", "Keadaan impor tidak memungkinkan tindakan ini.", "The state of the import does not allow this act.");
    /// What was left of the file has been removed after its time; `expired_at` says when. Send it again.
    IMPORT_EXPIRED = (409, "import_expired", "Baris berkas ini sudah dihapus; kirim ulang berkasnya.", "The rows of this file have been removed; send it again.");
    /// All rows were to be applied, and some cannot be: `faulty` and `duplicates` count them.
    ROWS_NOT_READY = (409, "rows_not_ready", "Ada baris yang belum dapat diterapkan.", "Some rows cannot be applied.");
    /// The file as a whole cannot be imported; `errors` says why.
    FILE_REFUSED = (422, "file_refused", "Berkas tidak dapat diimpor.", "The file cannot be imported.");
}

text_enum! {
    /// Where an import stands.
    ImportState {
        /// Read and stored; nobody has looked at its rows.
        Uploaded = "uploaded",
        /// Its rows are being looked through.
        Validating = "validating",
        /// Every row is known to be ready, faulty or a duplicate. Nothing is registered.
        Validated = "validated",
        /// Rows are being registered.
        Applying = "applying",
        /// They are. What is left may be applied later.
        Applied = "applied",
        /// Stopped: `failure` says why. What was registered stays.
        Failed = "failed",
        /// Given up, by its agency or because nobody came back to it.
        Discarded = "discarded",
    }
}

text_enum! {
    /// Why an import stopped.
    ImportFailure {
        /// The client that sent it may not register volunteers any more.
        ClientNotAllowed = "client_not_allowed",
        /// A fault of ours.
        Internal = "internal",
    }
}

text_enum! {
    /// What the file was.
    ImportFormat {
        /// Text with separators.
        Csv = "csv",
        /// Excel workbook.
        Xlsx = "xlsx",
        /// A JSON object a line.
        Ndjson = "ndjson",
    }
}

text_enum! {
    /// Where a row stands.
    RowState {
        /// It can be applied.
        Ready = "ready",
        /// `errors` says what is wrong.
        Faulty = "faulty",
        /// It is, or may be, somebody who is registered already: `candidates`.
        Duplicate = "duplicate",
        /// Registered: `volunteer_id`.
        Applied = "applied",
    }
}

text_enum! {
    /// What is to be done with a chunk of rows.
    Todo {
        /// Look through its rows.
        Validate = "validate",
        /// Register them.
        Apply = "apply",
    }
}

text_enum! {
    /// Which rows to apply.
    ApplyMode {
        /// All of them: each must be ready, else none is begun with. One that turns out not to be, as somebody was registered
        /// meanwhile, is left, and the others are registered.
        All = "all",
        /// Those that are ready.
        GoodRows = "good_rows",
    }
}

impl From<sheet::Kind> for ImportFormat {
    fn from(kind: sheet::Kind) -> Self {
        match kind {
            sheet::Kind::Csv | sheet::Kind::Any => Self::Csv,
            sheet::Kind::Xlsx => Self::Xlsx,
            sheet::Kind::Ndjson => Self::Ndjson,
        }
    }
}

impl ImportState {
    /// Whether rows may be chosen and applied, as far as the state tells.
    pub fn may_be_applied(self) -> bool {
        matches!(self, Self::Validated | Self::Applied)
    }

    /// Whether it may be given up: before anything is registered.
    pub fn may_be_discarded(self) -> bool {
        matches!(self, Self::Uploaded | Self::Validating | Self::Validated)
    }
}

/// What is wrong with, or worth knowing of, one cell or row, as stored. Never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Header as in the file; none: the row as a whole, or a column that the file does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Word of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable reason.
    pub code: String,
    /// In Indonesian.
    pub id: String,
    /// In English.
    pub en: String,
}

impl Finding {
    /// Of a fault.
    pub fn new(column: Option<&str>, field: Option<&str>, fault: &Fault) -> Self {
        Self {
            column: column.map(str::to_owned),
            field: field.map(str::to_owned),
            code: fault.code.to_string(),
            id: fault.message.id.to_string(),
            en: fault.message.en.to_string(),
        }
    }
}

/// A row on its way, as it is stored: with what only the whole file can tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its cells.
    pub row: sheet::Row,
    /// Other rows with the same NIK.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_nik: Vec<i32>,
    /// Rows before it of the same name, birth date and village.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alike: Vec<i32>,
}
