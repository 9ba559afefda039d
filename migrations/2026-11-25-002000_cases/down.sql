DROP TABLE case_history, case_people, cases, case_numbers;
DELETE FROM codes WHERE list IN ('case-outcomes', 'reopen-reasons');
DELETE FROM code_lists WHERE name IN ('case-outcomes', 'reopen-reasons');
