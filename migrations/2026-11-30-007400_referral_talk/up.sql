-- Both sides of a referral talk about it without moving it: comments, and questions that the other side answers.
SET lock_timeout = '2s';

CREATE TABLE referral_comments (
    id uuid PRIMARY KEY,
    referral_id uuid NOT NULL REFERENCES referrals,
    kind text NOT NULL CHECK (kind IN ('comment', 'question')),
    side text NOT NULL CHECK (side IN ('sender', 'receiver')),
    -- The question that it answers.
    answers uuid,
    -- Of a question: its first answer.
    answered_by_id uuid,
    answered_at timestamptz,
    agency_id uuid NOT NULL REFERENCES agencies,
    client_id uuid NOT NULL,
    acting_user text,
    volunteer_id uuid,
    create_request bytea NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (referral_id, id),
    -- An answer is to a question of the same referral.
    FOREIGN KEY (referral_id, answers) REFERENCES referral_comments (referral_id, id),
    FOREIGN KEY (referral_id, answered_by_id) REFERENCES referral_comments (referral_id, id),
    CHECK (kind = 'comment' OR answers IS NULL),
    CHECK ((answered_by_id IS NULL) = (answered_at IS NULL) AND (kind = 'question' OR answered_at IS NULL))
);
COMMENT ON TABLE referral_comments IS 'What the sides of a referral say to each other beside its moves. Nothing of it changes but that a question is answered, once.';
COMMENT ON COLUMN referral_comments.side IS 'On which side it was said: who may act as receiver can be another branch by then.';
CREATE INDEX referral_comments_in_order ON referral_comments (referral_id, created_at, id);
CREATE INDEX referral_comments_by_question ON referral_comments (referral_id, answers);
CREATE INDEX referral_comments_by_answer ON referral_comments (referral_id, answered_by_id);
CREATE INDEX referral_comments_by_agency ON referral_comments (agency_id);

-- What was said: about a person, so in a row of its own, as the notes of moves.
CREATE TABLE referral_comment_texts (
    comment_id uuid PRIMARY KEY REFERENCES referral_comments,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 4000)
);

-- Counted with each comment, and no change of the referral: its version stays. Null where there is none, so that the few with an
-- open question are found by a partial index.
ALTER TABLE referrals
    ADD COLUMN comments integer NOT NULL DEFAULT 0 CHECK (comments >= 0),
    ADD COLUMN questions_to_sender smallint CHECK (questions_to_sender > 0),
    ADD COLUMN questions_to_receiver smallint CHECK (questions_to_receiver > 0);
COMMENT ON COLUMN referrals.questions_to_sender IS 'Questions of the receiver that the sender has not answered yet.';
CREATE INDEX referrals_asked_received ON referrals (receiver_agency_id, created_at DESC, id DESC)
    WHERE questions_to_sender IS NOT NULL OR questions_to_receiver IS NOT NULL;
CREATE INDEX referrals_asked_sent ON referrals (sender_agency_id, created_at DESC, id DESC)
    WHERE questions_to_sender IS NOT NULL OR questions_to_receiver IS NOT NULL;
CREATE INDEX referrals_asked_reported ON referrals (reporter_agency_id, created_at DESC, id DESC)
    WHERE questions_to_sender IS NOT NULL OR questions_to_receiver IS NOT NULL;
CREATE INDEX referrals_asked_of_regency ON referrals (regency_code, created_at DESC, id DESC)
    WHERE questions_to_sender IS NOT NULL OR questions_to_receiver IS NOT NULL;
CREATE INDEX referrals_asked_of_province ON referrals (province_code, created_at DESC, id DESC)
    WHERE questions_to_sender IS NOT NULL OR questions_to_receiver IS NOT NULL;

GRANT SELECT, INSERT ON referral_comments, referral_comment_texts TO simpul_service;
GRANT UPDATE (answered_by_id, answered_at) ON referral_comments TO simpul_service;
