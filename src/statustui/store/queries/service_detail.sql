-- The last look of each monitor of a service.

-- name: load_looks
SELECT m.key, x.region, r.name AS region_name, x.last_checked_at, x.last_status, x.last_duration_ms,
       x.last_error_kind, x.last_reason, x.last_look, x.last_good, x.last_good_at
FROM monitors m
JOIN monitor_state x ON x.monitor = m.key
JOIN regions r ON r.key = x.region
WHERE m.org_id = $1 AND m.service_id = $2 AND m.deleted_at IS NULL
ORDER BY m.name, r.name
