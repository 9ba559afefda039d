//! How often one may call: a client, all clients of an agency, and at the token endpoint whoever has not proved yet who it
//! is. Each node counts for itself.
use super::rules::{AgencyId, BUDGET_SPENT, Budget, ClientId};
use super::store::AccessState;
use crate::platform::clock::Clock;
use crate::platform::config::Rates;
use crate::platform::error::{ApiError, RATE_LIMITED};
use crate::platform::http::RateFields;
use crate::platform::limits::{Buckets, Rate, Standing};
use quick_cache::sync::Cache;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use uuid::Uuid;

/// Clients, agencies or sources that are counted at a time.
const MOST: usize = 65_536;
/// So long a client that proved itself from a source is not counted among the strangers there: a phone that is used now and
/// then is none.
const PROVEN: Duration = Duration::from_hours(30 * 24);
/// So many times as often as a stranger it may fail: enough to get in however many of its attempts go wrong, and less than the
/// database would feel.
const KNOWN: u32 = 10;

/// How often a link may be opened while it is good.
const OPENINGS: u32 = 30;

/// What stands in an answer of how its buckets stand, and whether the request was one too many.
type Counted = (RateFields, Result<(), ApiError>);

/// The buckets of this node.
pub struct Limits {
    rates: Rates,
    clock: Clock,
    clients: Buckets<ClientId>,
    agencies: Buckets<AgencyId>,
    budgets: Buckets<(AgencyId, Budget)>,
    /// Until when a budget has nothing left.
    spent: Cache<(AgencyId, Budget), Duration>,
    links: Buckets<Uuid>,
    checks: Buckets<Source>,
    tokens: Buckets<ClientId>,
    attempts: Buckets<Attempt>,
    held: Cache<Attempt, Duration>,
    proven: Cache<(Source, ClientId), Duration>,
}

/// Who tries to get in.
#[derive(Debug, Clone, Copy)]
pub enum Stranger {
    /// Says that it is this client.
    Naming(ClientId),
    /// Has a one-time code.
    WithCode,
}

/// Whose failures are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Attempt {
    /// In the name of a client that has proved itself from there.
    Known(Source, ClientId),
    /// In any other name.
    Unknown(Source),
    /// With a code.
    Code(Source),
}

/// Where a request comes from, as one who can choose addresses at will is counted: an IPv6 host has a /64 of its own.
/// `None`: not known.
type Source = Option<IpAddr>;

fn source(address: Option<IpAddr>) -> Source {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    })
}

impl Limits {
    /// By the configured rates.
    pub fn new(rates: Rates, clock: &Clock) -> Self {
        Self {
            rates,
            clock: clock.clone(),
            clients: Buckets::new(clock.clone(), MOST),
            agencies: Buckets::new(clock.clone(), MOST),
            budgets: Buckets::new(clock.clone(), MOST),
            spent: Cache::new(MOST),
            links: Buckets::new(clock.clone(), MOST),
            checks: Buckets::new(clock.clone(), MOST),
            tokens: Buckets::new(clock.clone(), MOST),
            attempts: Buckets::new(clock.clone(), MOST),
            held: Cache::new(MOST),
            proven: Cache::new(MOST),
        }
    }

    /// Counts a call of a client that is let in. What stands in the answer either way, and whether it was one too many.
    pub fn call(&self, state: &AccessState) -> Counted {
        let granted = granted(state);
        let agency = granted.unwrap_or(self.rates.agency);
        // An agency that was granted more or less has clients that may more or less.
        let client = granted.map_or(self.rates.client, |rate| rate.scaled(self.rates.client, self.rates.agency));
        let client = self.clients.take(state.client_id, client);
        // What its own client may not does not count against the agency's others.
        let agency = client.wait.is_none().then(|| self.agencies.take(state.agency_id, agency));
        let wait = client.wait.or(agency.and_then(|agency| agency.wait));
        let fields = RateFields::of([("client", Some(client)), ("agency", agency)]);
        (fields, wait.map_or(Ok(()), |wait| Err(too_many(wait))))
    }

    /// Counts what an agency does from a budget of an hour or a day. What stands in the answer either way, and whether it is
    /// spent; or how much it holds, if that is less than is asked for. An agency that was granted more or fewer requests has more
    /// or less of each budget.
    pub fn spend(&self, agency: AgencyId, granted: Option<Rate>, budget: Budget, uses: u32) -> Result<Counted, u32> {
        let (name, rate) = match budget {
            Budget::Searches => ("searches", self.rates.searches),
            Budget::Reveals => ("reveals", self.rates.reveals),
            Budget::ExportedNiks => ("exported-niks", self.rates.exported_niks),
        };
        let rate = granted.map_or(rate, |granted| rate.scaled(granted, self.rates.agency));
        let standing = self.budgets.take_many((agency, budget), rate, uses).ok_or(rate.requests())?;
        if standing.left == 0 {
            let wait = standing.wait.unwrap_or_else(|| rate.one());
            self.spent.insert((agency, budget), self.clock.elapsed() + wait);
        }
        Ok((RateFields::of([(name, Some(standing))]), standing.wait.map_or(Ok(()), |wait| Err(spent(wait)))))
    }

    /// Counts that something was opened by a link: whoever was given it may open it a few times more than anybody needs.
    pub fn open_link(&self, link: Uuid) -> Result<(), ApiError> {
        let wait = self.links.take(link, Rate::an_hour(OPENINGS)).wait;
        wait.map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Counts that somebody who needs no token looked something up.
    pub fn check(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        let wait = self.checks.take(source(address), self.rates.checks).wait;
        wait.map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Refuses an agency that has nothing left of a budget, without counting: what may or may not turn out to cost something.
    pub fn check_left(&self, agency: AgencyId, budget: Budget) -> Result<(), ApiError> {
        let until = self.spent.get(&(agency, budget));
        let wait = until.and_then(|until| until.checked_sub(self.clock.elapsed())).filter(|wait| !wait.is_zero());
        wait.map_or(Ok(()), |wait| Err(spent(wait)))
    }

    /// Before a client has proved itself, or a phone has shown its code: so long it has to wait, if too many failed before it.
    pub fn held_back(&self, address: Option<IpAddr>, stranger: Stranger) -> Option<Duration> {
        let until = self.held.get(&self.attempt(address, stranger))?;
        until.checked_sub(self.clock.elapsed()).filter(|wait| !wait.is_zero())
    }

    /// Counts an attempt that failed. Those that succeed cost nothing, so a crowd behind one address comes in.
    pub fn failed(&self, address: Option<IpAddr>, stranger: Stranger) {
        let attempt = self.attempt(address, stranger);
        let rate = match attempt {
            Attempt::Known(..) => Rate::a_minute(self.rates.strangers.requests().saturating_mul(KNOWN)),
            Attempt::Unknown(_) | Attempt::Code(_) => self.rates.strangers,
        };
        if let Some(wait) = self.attempts.take(attempt, rate).wait {
            self.held.insert(attempt, self.clock.elapsed() + wait);
        }
    }

    /// A client that proved itself from there not long ago is counted by itself: strangers at the same address, who may be
    /// many behind one router or may mean harm, do not keep it out.
    fn attempt(&self, address: Option<IpAddr>, stranger: Stranger) -> Attempt {
        let source = source(address);
        match stranger {
            Stranger::WithCode => Attempt::Code(source),
            Stranger::Naming(client) => {
                let until = self.proven.get(&(source, client));
                let known = until.is_some_and(|until| self.clock.elapsed() < until);
                if known { Attempt::Known(source, client) } else { Attempt::Unknown(source) }
            }
        }
    }

    /// After a client has proved itself: whoever only names it takes nothing from it.
    pub fn token(&self, address: Option<IpAddr>, client: ClientId) -> Option<Duration> {
        self.proven.insert((source(address), client), self.clock.elapsed() + PROVEN);
        self.tokens.take(client, self.rates.tokens).wait
    }
}

/// Requests a minute that an agency was granted, if not as many as every agency.
pub fn granted(state: &AccessState) -> Option<Rate> {
    state.rate_limit.and_then(|limit| u32::try_from(limit).ok()).map(Rate::a_minute)
}

/// Whole seconds, so that who waits as long is let through.
pub fn retry_after(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

fn spent(wait: Duration) -> ApiError {
    ApiError::from(&BUDGET_SPENT).header("retry-after", retry_after(wait))
}

fn too_many(wait: Duration) -> ApiError {
    ApiError::from(&RATE_LIMITED).header("retry-after", retry_after(wait))
}

impl RateFields {
    /// Of the buckets that were asked.
    fn of<const N: usize>(buckets: [(&str, Option<Standing>); N]) -> Self {
        let asked = buckets.into_iter().filter_map(|(name, standing)| Some(standing?.fields(name)));
        let (policy, state): (Vec<_>, Vec<_>) = asked.unzip();
        Self { policy: policy.join(", "), state: state.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_counted_once_however_many_addresses_it_has() {
        let of = |raw: &str| source(raw.parse().ok());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn whoever_waits_as_long_as_it_was_told_is_let_through() {
        let told: Vec<u64> = [0, 1, 1000, 1001].map(Duration::from_millis).map(retry_after).into();
        assert_eq!(told, [1, 1, 1, 2]);
    }
}
