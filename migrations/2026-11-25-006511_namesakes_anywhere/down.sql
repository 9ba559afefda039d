SET lock_timeout = '2s';

DROP INDEX regions_namesakes_anywhere;
