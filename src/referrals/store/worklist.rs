//! Worklists over several receivers or states. Of one receiver in one state PostgreSQL reads the first rows from an index
//! in their order; of several it would sort all there are. So each is asked for its own first rows, and these are merged.
use super::list::{Order, Wanted};
use super::{Referral, Scene};
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
        let part = |receiver, handler, pool, status: &Vec<ReferralStatus>| Self {
            receiver,
            branch: None,
            handler,
            pool,
            status: status.clone(),
            ..self.clone()
        };
        let addressed =
            receivers.iter().flat_map(|receiver| states.iter().map(|status| part(vec![*receiver], None, None, status)));
        let mut parts: Vec<Self> = addressed.collect();
        if let Some(branch) = self.branch.or((caller.branch && self.receiver.is_empty()).then_some(caller.agency)) {
            parts.extend(states.iter().map(|status| part(vec![], Some(branch), None, status)));
            let waits = |status: &ReferralStatus| status.is_unanswered();
            let open = states.iter().filter(|status| status.is_empty() || status.iter().any(waits));
            parts.extend(open.map(|status| part(vec![], None, Some(branch), status)));
        }
        parts
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
pub fn merge(mut parts: Vec<Vec<Scene>>, order: Order, limit: i64) -> Vec<Scene> {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut rows: Vec<Scene> = parts.into_iter().flatten().collect();
    rows.sort_by(|one, other| compare(&one.referral, &other.referral, order));
    // A branch may have claimed what is addressed to itself.
    rows.dedup_by_key(|row| row.referral.id);
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    rows
}

/// As `ORDER BY` says it.
fn compare(one: &Referral, other: &Referral, order: Order) -> Ordering {
    match order {
        Order::Due => (one.due_at, one.id.0).cmp(&(other.due_at, other.id.0)),
        Order::Changed => (one.updated_at, one.id.0).cmp(&(other.updated_at, other.id.0)),
        Order::Newest => (other.created_at, other.id.0).cmp(&(one.created_at, one.id.0)),
    }
}
