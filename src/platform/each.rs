//! Items of one request that are read one by one: what is wrong with one of them is answered in its own place, and the others
//! are done.
use super::error::ApiError;
use super::input::read_as;
use super::json::Json;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// An item as `T`, or what is wrong with it; pointers begin at the item.
#[derive(Debug, Clone)]
pub struct Each<T>(pub Result<T, Arc<ApiError>>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Each<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(read_as(Json::deserialize(deserializer)?).map_err(Arc::new)))
    }
}
