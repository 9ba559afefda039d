-- Figures of a province read thousands of rows that lie apart; with all that they count by, the index is enough.
SET lock_timeout = '2s';

CREATE INDEX referral_counts_of_province ON referral_counts (province_code, month)
    INCLUDE (status, sender_agency_id, receiver_agency_id, service, regency_code, count);
DROP INDEX referral_counts_by_province;
