SET lock_timeout = '2s';

DROP TRIGGER to_the_living ON training_enrolments;
DROP TRIGGER of_the_living ON training_enrolments;
DROP TRIGGER to_the_living ON cases;
DROP TRIGGER of_the_living ON cases;
DROP FUNCTION refuse_merged_volunteer();
