//! Which referrals follow from one. Pure.
use super::ReferralId;

/// A referral of a case and all to which it was passed on, and these in turn; in the order of `all`.
pub fn chain_of<T>(first: ReferralId, all: Vec<T>, of: impl Fn(&T) -> (ReferralId, Option<ReferralId>)) -> Vec<T> {
    let mut found = vec![first];
    // A referral follows one that was there before it, so as many rounds as there are find all.
    for _ in 0..all.len() {
        let next = |one: &T| {
            let (id, previous) = of(one);
            (!found.contains(&id) && previous.is_some_and(|previous| found.contains(&previous))).then_some(id)
        };
        let more: Vec<ReferralId> = all.iter().filter_map(next).collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    all.into_iter().filter(|one| found.contains(&of(one).0)).collect()
}

/// A referral and those before it, each of which was passed on to the next.
pub fn chain_before(last: ReferralId, all: &[(ReferralId, Option<ReferralId>)]) -> Vec<ReferralId> {
    let mut found = vec![last];
    while let Some((_, Some(before))) = all.iter().find(|(id, _)| found.last() == Some(id)) {
        if found.contains(before) {
            break;
        }
        found.push(*before);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_chain_is_what_follows_and_nothing_else_of_the_case() {
        let id = |n: u128| ReferralId(Uuid::from_u128(n));
        let all = vec![(id(1), None), (id(4), Some(id(3))), (id(3), Some(id(2))), (id(2), Some(id(1))), (id(5), None)];
        let chain =
            |first| chain_of(id(first), all.clone(), |one| *one).into_iter().map(|one| one.0).collect::<Vec<_>>();
        assert_eq!(chain(1), [id(1), id(4), id(3), id(2)]);
        assert_eq!(chain(3), [id(4), id(3)]);
        assert_eq!(chain(5), [id(5)]);
        assert_eq!(chain_before(id(4), &all), [id(4), id(3), id(2), id(1)]);
        assert_eq!(chain_before(id(5), &all), [id(5)]);
    }
}
