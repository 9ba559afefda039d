SET lock_timeout = '2s';

ALTER TABLE cases DROP COLUMN consent_evidence_ids;
DROP TABLE case_documents;
