-- Of rows with one NIK one has it undisputed. Where a change of the only one had left all of them disputed, the one that has
-- waited longest has it from now on.
SET lock_timeout = '2s';

UPDATE volunteer_people p SET identity_state = 'sole', disputed_at = NULL
FROM (
    SELECT DISTINCT ON (nik_index) volunteer_id FROM volunteer_people
    WHERE identity_state = 'disputed'
        AND nik_index NOT IN (SELECT nik_index FROM volunteer_people WHERE identity_state = 'sole' AND nik_index IS NOT NULL)
    ORDER BY nik_index, disputed_at, volunteer_id
) first
WHERE p.volunteer_id = first.volunteer_id;
