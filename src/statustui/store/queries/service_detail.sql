-- The last look of each monitor of a service.

-- name: load_looks
SELECT m.key, x.region, r.name AS region_name, x.last_checked_at, x.last_status, x.last_duration_ms,
       x.last_error_kind, x.last_reason, x.last_look, x.last_good, x.last_good_at
FROM monitors m
JOIN monitor_state x ON x.monitor = m.key
JOIN regions r ON r.key = x.region
WHERE m.org_id = $1 AND m.service_id = $2 AND m.deleted_at IS NULL
ORDER BY m.name, r.name

-- name: load_evidence
-- The newest evidence of each monitor and region of a service.
SELECT DISTINCT ON (e.monitor, e.region) e.monitor, e.region, e.checked_at, e.data, e.body
FROM monitors m
JOIN evidence e ON e.monitor = m.key AND NOT e.is_good
WHERE m.org_id = $1 AND m.service_id = $2 AND m.deleted_at IS NULL
ORDER BY e.monitor, e.region, e.checked_at DESC
