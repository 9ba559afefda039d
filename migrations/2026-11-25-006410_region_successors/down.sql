SET lock_timeout = '2s';

DROP INDEX regions_namesakes;
DROP INDEX regions_retired;
DROP TABLE region_successors;
