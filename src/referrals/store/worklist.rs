//! A worklist over several receivers: PostgreSQL reads the first rows of one receiver from an index in their order, but of
//! several it would sort all they ever received. So each is asked for its own first rows, and these are merged.
use super::{Shown, Wanted};
use crate::access::rules::{AgencyId, Caller, Sight};
use std::cmp::Ordering;

impl Wanted {
    /// The same rows by parts, of one receiver each where several are meant: each part can be read in its order.
    pub fn by_receiver(&self, caller: &Caller) -> Vec<Self> {
        let receivers: &[AgencyId] = match (self.receiver.as_slice(), &caller.sight) {
            // A case has few.
            _ if self.case.is_some() => &[],
            ([], Sight::Addressed(agencies)) => agencies,
            (named, _) => named,
        };
        if receivers.is_empty() {
            return vec![self.clone()];
        }
        receivers.iter().map(|receiver| Self { receiver: vec![*receiver], ..self.clone() }).collect()
    }
}

/// The first `limit` rows of pages that are in order, in the same order.
pub fn merge(pages: Vec<Vec<Shown>>, by_due: bool, limit: i64) -> Vec<Shown> {
    let several = pages.len() > 1;
    let mut rows: Vec<Shown> = pages.into_iter().flatten().collect();
    if several {
        rows.sort_by(|one, other| order(one, other, by_due));
        rows.truncate(usize::try_from(limit).unwrap_or_default());
    }
    rows
}

fn order((one, ..): &Shown, (other, ..): &Shown, by_due: bool) -> Ordering {
    if by_due {
        (one.due_at, one.id.0).cmp(&(other.due_at, other.id.0))
    } else {
        (other.created_at, other.id.0).cmp(&(one.created_at, one.id.0))
    }
}
