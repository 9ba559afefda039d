DROP TRIGGER count_new ON referrals;
DROP TRIGGER count_changed ON referrals;
DROP FUNCTION fold_referral_counts, count_referrals, count_referral;
DROP TABLE referral_counts;
