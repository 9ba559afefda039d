DROP TABLE access_state;
