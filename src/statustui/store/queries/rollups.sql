-- Figures made again from raw checks, an organization at a time.

-- name: load_beginnings
-- From which day on each monitor's raw checks are all there.
SELECT monitor, first_day FROM rollup_beginnings($1) ORDER BY monitor

-- name: compare
-- $4 is 'hour' or 'day'.
SELECT monitor, at, kept_checks, made_checks, kept_slots, made_slots
FROM rollup_compare($1, $2, $3, $4) ORDER BY monitor, at

-- name: rebuild
SELECT rollup_rebuild($1, $2, $3, $4)

-- name: load_names
SELECT m.key, s.name || '/' || m.name AS address
FROM monitors m JOIN services s ON s.id = m.service_id WHERE m.org_id = $1
