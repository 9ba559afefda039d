//! Who can help: the volunteers of the villages (*Pekerja Sosial Masyarakat*), from the proposal of a candidate to the end
//! of the service.
//!
//! The social office of the posting's regency decides, the province above it may, a village proposes. Personal data are
//! in a row of their own ([`store::Person`]) and leave only through a view made for the caller.
pub mod rules;
pub mod store;
