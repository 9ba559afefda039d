//! A register that an office kept as a file, on its way in.
pub mod rules;
pub mod store;
