SET lock_timeout = '2s';

DROP TABLE region_successors;
