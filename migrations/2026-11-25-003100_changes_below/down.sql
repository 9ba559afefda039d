COMMENT ON COLUMN changes.regions_after IS NULL;
ALTER TABLE changes DROP COLUMN below_before, DROP COLUMN below_after;
