//! Encrypting everything anew by the data key that seals now, while the service runs. Every encrypted column is named here.
//!
//! A row is written only if it is still what was read: what a request changes meanwhile is sealed by the current key
//! anyway. Interrupted, it is simply run again.
use crate::access::rules::VolunteerId;
use crate::cases::store::sealed as cases;
use crate::platform::crypto::Keys;
use crate::platform::db::Writer;
use crate::platform::error::{ApiError, ApiResult};
use crate::volunteers::identity::nik_context;
use crate::volunteers::store::sealed as volunteers;
use indicatif::ProgressBar;
use std::sync::Arc;
use uuid::Uuid;

/// Rows a transaction.
const PAGE: i64 = 500;

/// Rows that were written, by table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Resealed {
    /// Of `volunteer_people`.
    pub volunteers: usize,
    /// Of `case_people`.
    pub cases: usize,
}

/// Encrypts everything anew that another key sealed.
pub async fn run(writer: &Writer, keys: &Arc<Keys>) -> anyhow::Result<Resealed> {
    keys.reload()?;
    let bar = ProgressBar::new_spinner();
    let told = |error: ApiError| anyhow::anyhow!(error.told());
    let mut done = Resealed::default();
    let mut after = Some(VolunteerId(Uuid::nil()));
    while let Some(from) = after {
        let keys = keys.clone();
        let page = writer.run(async move |c| {
            let rows = volunteers::sealed_niks(c, from, PAGE).await?;
            let (mut written, last) = (0, rows.last().map(|(id, _)| *id));
            for (id, old) in rows.iter().filter_map(|(id, sealed)| Some((*id, sealed.as_ref()?))) {
                if !keys.is_current(old) {
                    let new = keys.reseal(&nik_context(id), old).map_err(ApiError::internal)?;
                    written += volunteers::replace_sealed_nik(c, id, old, &new).await?;
                }
            }
            ApiResult::Ok((written, last))
        });
        let (written, last) = page.await.map_err(told)?;
        done.volunteers += written;
        bar.inc(u64::try_from(written)?);
        after = last;
    }
    let mut after = Some(Uuid::nil());
    while let Some(from) = after {
        let keys = keys.clone();
        let page = writer.run(async move |c| {
            let rows = cases::sealed_numbers(c, from, PAGE).await?;
            let (mut written, last) = (0, rows.last().map(|row| row.id));
            for old in &rows {
                if let Some(new) = old.resealed(&keys).map_err(ApiError::internal)? {
                    written += cases::replace_sealed_numbers(c, old, &new).await?;
                }
            }
            ApiResult::Ok((written, last))
        });
        let (written, last) = page.await.map_err(told)?;
        done.cases += written;
        bar.inc(u64::try_from(written)?);
        after = last;
    }
    bar.finish_and_clear();
    Ok(done)
}
