DROP TABLE codes;
DROP TABLE code_lists;
