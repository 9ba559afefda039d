//! By what referrals are counted, and which counts are not told to whom. Pure.
use super::labels;
use crate::codes::rules::Labels;
use crate::referrals::rules::ReferralStatus;
use crate::text_enum;

/// Fewer people than these could be told apart.
pub const FEWEST: i64 = 5;

text_enum! {
    /// By what referrals are counted.
    ReferralGroup {
        /// Where they stand.
        Status = "status",
        /// What they ask for.
        Service = "service",
        /// The regions directly below.
        Region = "region",
        /// The month in which they were sent, in the zone of their village.
        Month = "month",
        /// Who asks.
        Sender = "sender",
        /// Who is asked.
        Receiver = "receiver",
    }
}

/// What a state is called.
pub fn status_labels(status: ReferralStatus) -> Labels {
    match status {
        ReferralStatus::Submitted => labels("Dikirim", "Submitted"),
        ReferralStatus::Received => labels("Diterima", "Received"),
        ReferralStatus::Accepted => labels("Disanggupi", "Accepted"),
        ReferralStatus::InProgress => labels("Dikerjakan", "In progress"),
        ReferralStatus::OnHold => labels("Ditunda", "On hold"),
        ReferralStatus::Completed => labels("Selesai", "Completed"),
        ReferralStatus::Rejected => labels("Ditolak", "Rejected"),
        ReferralStatus::Failed => labels("Gagal", "Failed"),
        ReferralStatus::Forwarded => labels("Diteruskan", "Forwarded"),
        ReferralStatus::Withdrawn => labels("Ditarik", "Withdrawn"),
        ReferralStatus::Cancelled => labels("Dibatalkan", "Cancelled"),
        ReferralStatus::Expired => labels("Kedaluwarsa", "Expired"),
        ReferralStatus::EnteredInError => labels("Salah entri", "Entered in error"),
    }
}

/// Counts, and their sum, as told to who may not see the rows. The sum is told by every answer about the same referrals,
/// so whether it is told depends on nothing but itself, and what is hidden must not follow from it.
pub fn suppress(counts: &[i64]) -> (Vec<Option<i64>>, Option<i64>) {
    let small = |count: i64| (1..FEWEST).contains(&count);
    let total = counts.iter().sum();
    let hidden: Vec<i64> = counts.iter().copied().filter(|count| small(*count)).collect();
    if small(total) {
        return (vec![None; counts.len()], None);
    }
    let Some(smallest) = counts.iter().copied().filter(|count| *count >= FEWEST).min() else {
        // Nothing large to hide behind: where there is nobody is hidden too.
        return (counts.iter().map(|_| hidden.is_empty().then_some(0)).collect(), Some(total));
    };
    let (cells, sum) = (i64::try_from(hidden.len()).unwrap_or(i64::MAX), hidden.iter().sum::<i64>());
    // One alone follows from the total, as do as many as they are people, and all of the most that is hidden.
    let follows = sum > 0 && (sum < FEWEST || cells < 2 || sum == cells || sum == cells.saturating_mul(FEWEST - 1));
    // All that are equally small go with them: which one would be a hint.
    let hide = |count: i64| small(count) || (follows && count == smallest);
    (counts.iter().map(|count| (!hide(*count)).then_some(*count)).collect(), Some(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;

    #[test]
    fn small_counts_are_hidden_and_do_not_follow_from_the_rest() {
        let told = |counts: &[i64]| {
            let (shown, total) = suppress(counts);
            let words = shown.into_iter().chain([total]).map(|told| told.map_or("*".to_owned(), |n| n.to_string()));
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(&[0, 5, 12]), "0 5 12 17");
        assert_eq!(told(&[0, 0]), "0 0 0");
        assert_eq!(told(&[]), "0");
        // one alone would follow from the total: the smallest other one goes with it
        assert_eq!(told(&[3, 9, 7, 0]), "* 9 * 0 19");
        assert_eq!(told(&[3, 3, 7]), "* * 7 13");
        // two of one each would follow, and two of four
        assert_eq!(told(&[1, 1, 1, 1, 1, 7, 9]), "* * * * * * 9 21");
        assert_eq!(told(&[4, 4, 7, 9]), "* * * 9 24");
        // two and one are three people
        assert_eq!(told(&[2, 1, 7, 9]), "* * * 9 19");
        // nothing to hide behind
        assert_eq!(told(&[3, 0, 3]), "* * * 6");
        assert_eq!(told(&[4, 0]), "* * *");
    }

    /// Who knows this very rule, and the total, finds at least two counts possible for everything hidden: of all tables
    /// that lead to the same answer.
    #[test]
    fn who_knows_the_rule_recovers_nothing() {
        for (cells, most) in [(2, 30), (3, 22), (4, 11), (5, 7)] {
            let mut tables: Vec<Vec<i64>> = vec![vec![]];
            for _ in 0..cells {
                tables = tables.iter().flat_map(|t| (0..=most).map(|n| [t.as_slice(), &[n]].concat())).collect();
            }
            let mut answers: BTreeMap<_, Vec<Vec<i64>>> = BTreeMap::new();
            for table in tables {
                answers.entry(suppress(&table)).or_default().push(table);
            }
            for ((shown, total), tables) in answers {
                assert!(shown.iter().flatten().chain(&total).all(|count| !(1..FEWEST).contains(count)));
                for hidden in (0..cells).filter(|at| shown[*at].is_none()) {
                    let mut possible: Vec<i64> = tables.iter().map(|table| table[hidden]).collect();
                    possible.sort_unstable();
                    possible.dedup();
                    // tables with larger counts than were tried may lead there too
                    let tried = total.is_none_or(|total| total - shown.iter().flatten().sum::<i64>() <= most);
                    assert!(possible.len() >= 2 || !tried, "{shown:?} of {total:?} can only be {tables:?}");
                }
            }
        }
    }
}
