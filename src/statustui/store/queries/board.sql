-- The first screen: read in one transaction, so that its parts agree.

-- name: load_services
-- $2: only these; NULL for all.
SELECT s.id, s.name, coalesce(s.group_name, '') AS group_name,
       coalesce(s.description, '') AS description, s.display_order, s.is_visible,
       st.current_status, st.public_status, st.status_since, s.pinned_status
FROM services s
JOIN service_state st ON st.service_id = s.id
WHERE s.org_id = $1 AND s.deleted_at IS NULL AND ($2::uuid[] IS NULL OR s.id = ANY ($2))
ORDER BY s.display_order, s.name

-- name: load_dependencies
SELECT d.service_id, d.depends_on_id
FROM service_dependencies d
JOIN services s ON s.id = d.depends_on_id AND s.deleted_at IS NULL
WHERE d.org_id = $1
ORDER BY d.service_id, s.display_order, s.name

-- name: load_states
-- One row for each monitor and region; a monitor that never looked has one without a region.
SELECT m.service_id, m.key AS monitor, m.name, m.degraded_after_ms, m.tags, m.failure_threshold,
       NOT m.is_active OR coalesce(m.paused_until > now(), false) AS is_paused,
       CASE WHEN m.is_active THEN m.paused_until END AS paused_until,
       m.regions, r.name AS region_name, ms.state, ms.error_kind, ms.reason,
       x.state AS region_state, x.last_checked_at, cardinality(x.flips) AS flips,
       x.recent, x.recent_until, x.last_status, x.last_error_kind, x.last_reason,
       x.consecutive_failures AS failures,
       CASE WHEN x.state = 'degraded' THEN coalesce((x.extra ->> 'good')::int, 0)
            ELSE x.consecutive_successes END AS successes
FROM monitors m
LEFT JOIN monitor_status ms ON ms.monitor = m.key
LEFT JOIN (monitor_state x JOIN regions r ON r.key = x.region)
    ON x.monitor = m.key AND r.name = ANY (m.regions)
WHERE m.org_id = $1 AND m.deleted_at IS NULL AND ($2::uuid[] IS NULL OR m.service_id = ANY ($2))
ORDER BY m.service_id, m.key, x.region

-- name: load_maintained
-- Services inside a running window.
SELECT DISTINCT ms.service_id
FROM maintenance_windows w
JOIN maintenance_services ms ON ms.window_id = w.id
WHERE w.org_id = $1 AND w.status = 'in_progress'

-- name: find_neighbours
-- A service, everything it needs however far down, and what needs it directly.
WITH RECURSIVE down (id) AS (
    SELECT $2::uuid
    UNION
    SELECT d.depends_on_id
    FROM down JOIN service_dependencies d ON d.service_id = down.id AND d.org_id = $1
)
SELECT id FROM down
UNION
SELECT d.service_id FROM service_dependencies d WHERE d.org_id = $1 AND d.depends_on_id = $2
