//! All that knows no domain: how the service is configured, speaks HTTP, keeps secrets and reaches its database.
//!
//! Read [`error`] and [`input`] first: what a handler may take and what it may answer.
pub mod answer;
pub mod app;
pub mod cells;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod db;
pub mod error;
pub mod http;
pub mod idempotency;
pub mod input;
mod json;
pub mod jwk;
pub mod limits;
pub mod moment;
pub mod names;
pub mod network;
pub mod nik;
pub mod objects;
pub mod openapi;
pub mod page;
pub mod pdf;
pub mod person;
pub mod region_code;
pub mod sending;
pub mod telemetry;
pub mod text;
