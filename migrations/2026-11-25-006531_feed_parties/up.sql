-- Whom the feed tells of what it is party to: `visible_to` of cases and referrals shows an office what lies in its region and
-- nothing else, so one whose region was changed is no longer told of what it once reported.
SET lock_timeout = '2s';

-- As its namesake, which the former version of the service calls; `within`: of what it is party to, only what lies in its region,
-- or in one around it, or lies nowhere.
CREATE FUNCTION is_among(
    agencies uuid[], regions text[], volunteers uuid[], below text[], within boolean,
    everything boolean, own_agencies uuid[], own_region text, own_volunteer uuid, around text[], home text
) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(
        agencies && own_agencies AND (NOT within OR own_region IS NULL OR regions = '{}'
            OR regions && around OR lies_in(regions, own_region))
        OR lies_in(regions, own_region)
        OR own_volunteer = ANY (volunteers)
        OR below && around
        OR lies_in(below, home)
        OR everything
            AND cardinality(agencies) + cardinality(regions) + cardinality(volunteers) + cardinality(below) > 0,
        false);

-- Nobody asks by it.
DROP INDEX changes_by_entity;
