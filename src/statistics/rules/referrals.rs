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

/// Counts as told to who may not see the rows, and whether the total may be told: those from 1 to 4 are hidden, and so
/// are as many others, smallest first, as it takes that nothing hidden follows from the total.
pub fn suppress(counts: &[i64]) -> (Vec<Option<i64>>, bool) {
    let mut hidden: Vec<bool> = counts.iter().map(|count| (1..FEWEST).contains(count)).collect();
    if !hidden.contains(&true) {
        return (counts.iter().copied().map(Some).collect(), true);
    }
    let mut open: Vec<(usize, i64)> =
        counts.iter().copied().enumerate().filter(|(_, count)| *count >= FEWEST).collect();
    open.sort_by_key(|(index, count)| (*count, *index));
    let told = loop {
        let (cells, sum) = counts
            .iter()
            .zip(&hidden)
            .filter(|(_, hide)| **hide)
            .fold((0, 0), |(n, sum), (count, _)| (n + 1, sum + count));
        // Each hidden one is at least 1: a sum of n hides nothing, and a small sum hides little.
        if cells >= 2 && sum >= FEWEST && sum > cells {
            break true;
        }
        if open.is_empty() {
            break false;
        }
        let (index, _) = open.remove(0);
        if let Some(hide) = hidden.get_mut(index) {
            *hide = true;
        }
    };
    (counts.iter().zip(hidden).map(|(count, hide)| (!hide).then_some(*count)).collect(), told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_hidden_and_do_not_follow_from_the_rest() {
        let told = |counts: &[i64]| {
            let (shown, total) = suppress(counts);
            (
                shown.iter().map(|count| count.map_or("*".to_owned(), |n| n.to_string())).collect::<Vec<_>>().join(" "),
                total,
            )
        };
        assert_eq!(told(&[0, 5, 12]), ("0 5 12".to_owned(), true));
        // one alone would follow from the total: the smallest other one goes with it
        assert_eq!(told(&[3, 9, 7, 0]), ("* 9 * 0".to_owned(), true));
        assert_eq!(told(&[3, 2, 7]), ("* * 7".to_owned(), true));
        // two of one each would follow, too
        assert_eq!(told(&[1, 1, 7, 9]), ("* * * 9".to_owned(), true));
        assert_eq!(told(&[1, 1, 1, 1, 1, 8]), ("* * * * * *".to_owned(), true));
        // nothing left to hide behind: the total is not told
        assert_eq!(told(&[4, 0]), ("* 0".to_owned(), false));
        assert_eq!(told(&[1, 2]), ("* *".to_owned(), false));
        assert_eq!(told(&[]), (String::new(), true));
    }

    proptest::proptest! {
        #[test]
        fn nothing_small_is_ever_told(counts in proptest::collection::vec(0i64..20, 0..8)) {
            let (shown, total) = suppress(&counts);
            let hidden: Vec<i64> = counts.iter().zip(&shown).filter(|(_, told)| told.is_none()).map(|(count, _)| *count).collect();
            proptest::prop_assert!(shown.iter().flatten().all(|count| !(1..FEWEST).contains(count)));
            if total && !hidden.is_empty() {
                proptest::prop_assert!(hidden.len() >= 2 && hidden.iter().sum::<i64>() >= FEWEST);
            }
        }
    }
}
