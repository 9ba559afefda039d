DROP TABLE referral_notes, referral_history, referrals;
DROP FUNCTION check_referral_move;
DELETE FROM codes WHERE list IN ('failure-reasons', 'hold-reasons', 'forward-reasons', 'withdrawal-reasons', 'correction-reasons');
DELETE FROM code_lists WHERE name IN ('failure-reasons', 'hold-reasons', 'forward-reasons', 'withdrawal-reasons', 'correction-reasons');
