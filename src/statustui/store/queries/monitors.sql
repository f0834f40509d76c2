-- Monitors: what they are, what they say now, and what people change about them.

-- name: load_monitors
-- The worst region speaks for the last look; $2 is one monitor's id, $3 one service's, NULL for all.
SELECT m.key, m.id, m.name, m.service_id, s.name AS service_name, m.type, m.config, m.interval_seconds,
       m.timeout_ms, m.failure_threshold, m.recovery_threshold, m.retry_interval_seconds,
       m.degraded_after_ms, m.conditions, m.degraded_conditions, m.is_active, m.paused_until,
       m.runbook, m.tags, m.regions, m.region_quorum,
       ARRAY(SELECT coalesce((SELECT st.state FROM monitor_state st JOIN regions g ON g.key = st.region
                              WHERE st.monitor = m.key AND g.name = n.name), 'unknown')
             FROM unnest(m.regions) WITH ORDINALITY AS n (name, place) ORDER BY n.place)
           AS region_states,
       coalesce(m.paused_until > now(), false) AS is_resting,
       coalesce(ms.state, 'unknown') AS state, ms.since AS state_since,
       x.last_checked_at, x.last_status, x.last_duration_ms, x.last_error_kind, x.last_reason,
       x.recent, x.recent_until,
       ms.error_kind, ms.reason, x.state AS region_state, x.consecutive_failures,
       sc.phase_ms, sc.from_at AS scheduled_from
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
LEFT JOIN monitor_status ms ON ms.monitor = m.key
LEFT JOIN LATERAL (
    SELECT st.* FROM monitor_state st
    JOIN regions g ON g.key = st.region AND g.name = ANY (m.regions)
    WHERE st.monitor = m.key
    ORDER BY array_position(ARRAY['down', 'flapping', 'degraded', 'unknown', 'up'], st.state),
             st.last_checked_at DESC NULLS LAST
    LIMIT 1) x ON true
LEFT JOIN LATERAL (
    SELECT c.phase_ms, c.from_at FROM monitor_schedules c
    WHERE c.monitor = m.key AND c.to_at IS NULL
    ORDER BY c.region LIMIT 1) sc ON true
WHERE m.org_id = $1 AND m.deleted_at IS NULL
  AND ($2::uuid IS NULL OR m.id = $2) AND ($3::uuid IS NULL OR m.service_id = $3)
ORDER BY s.name, m.name

-- name: load_addresses
SELECT m.id, m.name, s.name AS service_name
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
WHERE m.org_id = $1 AND m.deleted_at IS NULL
ORDER BY s.name, m.name

-- name: add
INSERT INTO monitors (org_id, service_id, name, type, config, interval_seconds, timeout_ms,
    failure_threshold, recovery_threshold, retry_interval_seconds, degraded_after_ms, conditions,
    degraded_conditions, is_active, paused_until, runbook, tags, regions,
    region_quorum)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
    $18, $19)
RETURNING id

-- name: update
UPDATE monitors SET type = $3, config = $4::text::jsonb, interval_seconds = $5, timeout_ms = $6,
    failure_threshold = $7, recovery_threshold = $8, retry_interval_seconds = $9,
    degraded_after_ms = $10, conditions = $11, degraded_conditions = $12, is_active = $13,
    paused_until = $14, runbook = $15, tags = $16, regions = $17, region_quorum = $18
WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING id

-- name: pause
-- Until a time, or (NULL) until somebody resumes it.
UPDATE monitors SET is_active = $3::timestamptz IS NOT NULL, paused_until = $3, paused_by = session_user
WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING id

-- name: resume
UPDATE monitors SET is_active = true, paused_until = NULL, paused_by = NULL
WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING id

-- name: request_run
SELECT request_run(m.id) FROM monitors m
WHERE m.org_id = $1 AND m.id = $2 AND m.deleted_at IS NULL
