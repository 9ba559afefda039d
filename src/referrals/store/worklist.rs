//! Worklists over several receivers or states. Of one receiver in one state PostgreSQL reads the first rows from an index
//! in their order; of several it would sort all there are. So each is asked for its own first rows, and these are merged.
use super::Shown;
use super::list::Wanted;
use crate::access::rules::{AgencyId, Caller, Sight};
use crate::referrals::rules::ReferralStatus;
use std::cmp::Ordering;

/// More parts than this are read by receiver alone: many that are empty cost more than rows that are left out.
const MOST_BY_STATE: usize = 16;

impl Wanted {
    /// The same rows in parts, each of which can be read in its order.
    pub fn parts(&self, caller: &Caller) -> Vec<Self> {
        let mut receivers = self.receivers(caller);
        receivers.sort_unstable_by_key(|id| id.0);
        receivers.dedup();
        // A case has few.
        if receivers.is_empty() || self.case.is_some() {
            return vec![self.clone()];
        }
        let mut states: Vec<Vec<ReferralStatus>> = vec![];
        for state in &self.status {
            if !states.contains(&vec![*state]) {
                states.push(vec![*state]);
            }
        }
        if states.is_empty() || receivers.len() * states.len() > MOST_BY_STATE {
            states = vec![self.status.clone()];
        }
        let part = |receiver, status| Self { receiver: vec![receiver], status, ..self.clone() };
        receivers.iter().flat_map(|receiver| states.iter().map(|status| part(*receiver, status.clone()))).collect()
    }

    /// To whom all rows are addressed; none: to anybody.
    fn receivers(&self, caller: &Caller) -> Vec<AgencyId> {
        match (self.receiver.as_slice(), &caller.sight) {
            ([], Sight::Addressed(agencies)) => agencies.clone(),
            (named, _) => named.to_vec(),
        }
    }
}

/// The first `limit` rows of parts that are in order each.
pub fn merge(mut parts: Vec<Vec<Shown>>, by_due: bool, limit: i64) -> Vec<Shown> {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut rows: Vec<Shown> = parts.into_iter().flatten().collect();
    rows.sort_by(|one, other| order(one, other, by_due));
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    rows
}

/// As `ORDER BY` says it.
fn order((one, ..): &Shown, (other, ..): &Shown, by_due: bool) -> Ordering {
    if by_due {
        (one.due_at, one.id.0).cmp(&(other.due_at, other.id.0))
    } else {
        (other.created_at, other.id.0).cmp(&(one.created_at, one.id.0))
    }
}
