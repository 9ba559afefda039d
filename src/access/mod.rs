//! Who is calling, and what it may do.
//!
//! A token (RFC 9068) is signed and verified in [`tokens`], by the files of [`keys`]; [`api`] turns it into a [`rules::Caller`] before a handler
//! runs, after looking at [`store`], which tells whether agency and client may still call. A handler states its right
//! in its signature: [`api::Permit`].
pub mod api;
pub mod keys;
pub mod limits;
pub mod rules;
pub mod store;
pub mod tokens;
