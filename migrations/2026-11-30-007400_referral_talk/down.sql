SET lock_timeout = '2s';

ALTER TABLE referrals DROP COLUMN comments, DROP COLUMN questions_to_sender, DROP COLUMN questions_to_receiver;
DROP TABLE referral_comment_texts;
DROP TABLE referral_comments;
