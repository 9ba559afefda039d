DROP TRIGGER count_volunteers ON volunteers;
DROP FUNCTION count_volunteers;
DROP FUNCTION fold_volunteer_figures;
DROP VIEW village_coverage;
DROP TABLE coverage_figures;
DROP TABLE volunteer_figures;
