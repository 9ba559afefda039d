-- One event may show rows of many regions. Who reads of it is told of the rows of its own region, and not of the others.
SET lock_timeout = '2s';

ALTER TABLE audit_events ADD COLUMN subject_regions text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN audit_events.subject_regions IS
    'Region of each of subject_ids, and of each of person_ids, at that time and in their order: a government is told of those of its region. None: all of them concern all who may read the row.';

ALTER TABLE audit_events DISABLE TRIGGER append_only;
UPDATE audit_events e SET subject_regions = ARRAY(
    SELECT coalesce(v.village_code, c.village_code, r.village_code, s.village_code, '')
    FROM unnest(e.subject_ids) WITH ORDINALITY AS told(id, n)
    LEFT JOIN volunteers v ON e.subject_type = 'volunteer' AND v.id = told.id
    LEFT JOIN cases c ON e.subject_type = 'case' AND c.id = told.id
    LEFT JOIN referrals r ON e.subject_type = 'referral' AND r.id = told.id
    LEFT JOIN (training_enrolments t JOIN volunteers s ON s.id = t.volunteer_id)
        ON e.subject_type = 'training_enrolment' AND t.id = told.id
    ORDER BY told.n)
    WHERE cardinality(subject_ids) > 1 AND cardinality(person_ids) IN (0, cardinality(subject_ids))
        AND subject_type IN ('volunteer', 'case', 'referral', 'training_enrolment') AND action <> 'volunteer.follow_village';
ALTER TABLE audit_events ENABLE TRIGGER append_only;

-- Whether whoever sees a region is told that an event speaks of this row or person.
CREATE FUNCTION audit_tells(id uuid, subject_ids uuid[], person_ids uuid[], subject_regions text[], region text)
    RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT cardinality(subject_regions) = 0 OR EXISTS (
        SELECT FROM unnest(subject_ids, person_ids, subject_regions) AS told(subject, person, place)
        WHERE (told.subject = id OR told.person = id) AND (told.place = region OR starts_with(told.place, region || '.')))
$$;
