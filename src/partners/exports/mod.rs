//! Volunteers out as a file: CSV, XLSX or NDJSON, with the filters of the list, of any length in the same memory.
//!
//! The rows are read a page at a time ([`pages`]), each in a statement of its own that holds no connection afterwards; the
//! persons of a page are recorded before a byte of it is sent. CSV and NDJSON ([`text`]) are sent as they are read. A workbook
//! ([`sheet`]) can only be put together whole: it grows in a file that has no name and goes with its last user.
pub mod api;
mod pages;
pub mod rules;
mod sheet;
mod text;
