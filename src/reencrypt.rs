//! Encrypting everything anew by the data key that seals now, while the service runs. Every encrypted column is named here.
//!
//! A row is written only if it is still what was read. What was sealed by the former key and is committed later, by a node that
//! has not read the directory again or in a long transaction, is found by a later pass. Interrupted, it is simply run again.
use crate::access::rules::VolunteerId;
use crate::cases::store::{documents::CaseDocuments, sealed as cases};
use crate::documents::rules::DocumentId;
use crate::documents::{Rows, left_over};
use crate::platform::clock::Clock;
use crate::platform::crypto::Keys;
use crate::platform::db::Writer;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::objects::Objects;
use crate::referrals::details::Details;
use crate::referrals::rules::ReferralId;
use crate::referrals::store::details as referrals;
use crate::volunteers::identity::nik_context;
use crate::volunteers::store::{documents::VolunteerDocuments, sealed as volunteers};
use chrono::TimeDelta;
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
    /// Of `referral_details`.
    pub referrals: usize,
    /// Files of documents.
    pub documents: usize,
}

/// Longer than the service takes to read the directory again, and then the longest transaction or upload that sealed before it
/// did: two seconds and ninety.
pub const SETTLED: TimeDelta = TimeDelta::seconds(120);

/// Encrypts everything anew that another key sealed, until nothing is left: a pass that began when all that the former key
/// sealed had been committed, as long as `settled` after the key was taken up, found nothing.
pub async fn run(
    writer: &Writer,
    keys: &Arc<Keys>,
    objects: &Objects,
    clock: &Clock,
    settled: TimeDelta,
) -> anyhow::Result<Resealed> {
    let mut done = Resealed::default();
    loop {
        keys.reload()?;
        let began = clock.now();
        let until = keys.seals_since(began)? + settled;
        let found = pass(writer, keys, objects).await?;
        done.volunteers += found.volunteers;
        done.cases += found.cases;
        done.referrals += found.referrals;
        done.documents += found.documents;
        let nothing = found == Resealed::default();
        if nothing && began >= until {
            return Ok(done);
        }
        // After a pass that found something: a node that has not got the key yet would write more.
        let next = if nothing { until } else { until.max(clock.now() + settled) };
        tokio::time::sleep((next - clock.now()).to_std().unwrap_or_default()).await;
    }
}

async fn pass(writer: &Writer, keys: &Arc<Keys>, objects: &Objects) -> anyhow::Result<Resealed> {
    let bar = ProgressBar::new_spinner();
    let done = Resealed {
        volunteers: pass_volunteers(writer, keys, &bar).await?,
        cases: pass_cases(writer, keys, &bar).await?,
        referrals: pass_referrals(writer, keys, &bar).await?,
        documents: pass_documents::<VolunteerDocuments>(writer, objects, &bar).await?
            + pass_documents::<CaseDocuments>(writer, objects, &bar).await?,
    };
    bar.finish_and_clear();
    Ok(done)
}

fn told(error: ApiError) -> anyhow::Error {
    anyhow::anyhow!(error.told())
}

async fn pass_volunteers(writer: &Writer, keys: &Arc<Keys>, bar: &ProgressBar) -> anyhow::Result<usize> {
    let (mut done, mut after) = (0, Some(VolunteerId(Uuid::nil())));
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
        bar.inc(u64::try_from(written)?);
        (done, after) = (done + written, last);
    }
    Ok(done)
}

async fn pass_cases(writer: &Writer, keys: &Arc<Keys>, bar: &ProgressBar) -> anyhow::Result<usize> {
    let (mut done, mut after) = (0, Some(Uuid::nil()));
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
        bar.inc(u64::try_from(written)?);
        (done, after) = (done + written, last);
    }
    Ok(done)
}

async fn pass_referrals(writer: &Writer, keys: &Arc<Keys>, bar: &ProgressBar) -> anyhow::Result<usize> {
    let (mut done, mut after) = (0, Some(ReferralId(Uuid::nil())));
    while let Some(from) = after {
        let keys = keys.clone();
        let page = writer.run(async move |c| {
            let rows = referrals::sealed(c, from, PAGE).await?;
            let (mut written, last) = (0, rows.last().map(|(id, _)| *id));
            for (id, old) in rows.iter().filter(|(_, sealed)| !keys.is_current(sealed)) {
                let new = Details::reseal(&keys, *id, old).map_err(ApiError::internal)?;
                written += referrals::replace_sealed(c, *id, old, &new).await?;
            }
            ApiResult::Ok((written, last))
        });
        let (written, last) = page.await.map_err(told)?;
        bar.inc(u64::try_from(written)?);
        (done, after) = (done + written, last);
    }
    Ok(done)
}

/// The content of one kind of documents; returns of how many it was written.
async fn pass_documents<R: Rows>(writer: &Writer, objects: &Objects, bar: &ProgressBar) -> anyhow::Result<usize> {
    let (mut after, mut all) = (DocumentId(Uuid::nil()), 0);
    loop {
        let ids = R::kept_after(writer, after, PAGE).await.map_err(told)?;
        let Some(last) = ids.last() else { return Ok(all) };
        after = *last;
        for id in ids {
            let written = left_over::reseal::<R>(writer, objects, id).await.map_err(told)?;
            all += usize::from(written);
            bar.inc(u64::from(written));
        }
    }
}
