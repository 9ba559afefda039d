DROP TABLE case_references;
