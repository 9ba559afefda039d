//! The outbox: what changed and for whom, written in the transaction of the change. The feed and webhooks read it.
pub mod rules;
pub mod store;
