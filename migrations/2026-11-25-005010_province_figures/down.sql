SET lock_timeout = '2s';

CREATE INDEX referral_counts_by_province ON referral_counts (province_code, month);
DROP INDEX referral_counts_of_province;
