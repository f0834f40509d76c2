-- How what single regions say becomes what a monitor is.

-- name: hold_status
-- What the regions said together, locked in the order of the keys: two regions that change at the
-- same moment are put together one after the other.
SELECT t.monitor, t.state, t.since, t.error_kind, t.reason
FROM monitor_status t WHERE t.monitor = ANY ($1::int[]) ORDER BY t.monitor FOR UPDATE

-- name: begin_status
INSERT INTO monitor_status (monitor, org_id, state, since)
SELECT m.key, m.org_id, 'unknown', clock_timestamp()
FROM monitors m WHERE m.key = ANY ($1::int[]) ORDER BY m.key
ON CONFLICT (monitor) DO NOTHING

-- name: region_says
-- Of monitors that are looked at at present, from the regions that they name now.
SELECT m.key AS monitor, m.org_id, m.service_id, m.region_quorum, s.state, s.state_since,
       s.last_error_kind, s.last_reason
FROM monitors m
LEFT JOIN monitor_state s ON s.monitor = m.key
    AND s.region IN (SELECT r.key FROM regions r WHERE r.name = ANY (m.regions))
WHERE m.key = ANY ($1::int[]) AND m.deleted_at IS NULL AND m.is_active
  AND (m.paused_until IS NULL OR m.paused_until <= clock_timestamp())
ORDER BY m.key, s.region

-- name: record_together
WITH given AS (
    SELECT * FROM unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::text[],
        $7::text[]) AS g (monitor, org_id, from_state, state, since, error_kind, reason)
), changed AS (
    UPDATE monitor_status t SET state = g.state, since = g.since, error_kind = g.error_kind,
        reason = g.reason, updated_at = clock_timestamp()
    FROM given g WHERE t.monitor = g.monitor
)
INSERT INTO monitor_state_changes (org_id, monitor, from_state, to_state, error_kind, reason,
    effective_at)
SELECT org_id, monitor, from_state, state, error_kind, reason, since FROM given ORDER BY monitor

-- name: edited
-- Monitors of several regions, and those that were looked at from one that they do not name any
-- more; $1: of these organizations, NULL for all.
SELECT m.key FROM monitors m
JOIN organizations o ON o.org_id = m.org_id
WHERE m.deleted_at IS NULL AND ($1::text[] IS NULL OR o.channel_key = ANY ($1))
  AND (cardinality(m.regions) > 1 OR EXISTS (
        SELECT FROM monitor_state s JOIN regions r ON r.key = s.region
        WHERE s.monitor = m.key AND NOT r.name = ANY (m.regions)))
ORDER BY m.key

-- name: silent
SELECT r.key, r.name FROM silent_regions($1) AS s (region) JOIN regions r ON r.key = s.region

-- name: gone
SELECT region_gone($1) AS is_gone

-- name: silence
-- What a region said is unknown from now on; where it is one of several that is a change of its own.
WITH changed AS (
    SELECT s.monitor, s.org_id, s.state, m.service_id, cardinality(m.regions) > 1 AS is_one_of_several
    FROM monitor_state s JOIN monitors m ON m.key = s.monitor AND m.deleted_at IS NULL
    WHERE s.region = $1 AND s.state <> 'unknown'
), forgotten AS (
    UPDATE monitor_state s SET state = 'unknown', state_since = clock_timestamp(),
        consecutive_failures = 0, consecutive_successes = 0, first_failure_at = NULL, extra = '{}'
    FROM changed c WHERE s.monitor = c.monitor AND s.region = $1
), recorded AS (
    INSERT INTO monitor_state_changes (org_id, monitor, region, from_state, to_state, reason,
        effective_at)
    SELECT org_id, monitor, $1, state, 'unknown', 'no engine of this region is left',
           clock_timestamp()
    FROM changed WHERE is_one_of_several
)
SELECT monitor, service_id FROM changed ORDER BY monitor
