-- What is announced to everyone in a region: a published training event is seen by the village governments and the phones
-- in the regency that it is held for, not only by the governments above it.
SET lock_timeout = '2s';

ALTER TABLE changes
    ADD COLUMN below_before text[] NOT NULL DEFAULT '{}',
    ADD COLUMN below_after text[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN changes.regions_after IS 'Places of the row: governments of these regions and of those above them see it.';
COMMENT ON COLUMN changes.below_after IS 'Governments and phones at or below these regions see it. A reader compares for equality: it sees the row if one of these is its own region or one of those above that.';
