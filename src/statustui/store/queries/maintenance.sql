-- Announced work.

-- name: load_windows
-- What runs or is ahead, and what ended within the last week.
SELECT w.id, w.title, coalesce(w.description, '') AS description, w.starts_at, w.ends_at, w.status,
       w.recurrence_rule, w.auto_update,
       ARRAY(SELECT s.name FROM maintenance_services ms JOIN services s ON s.id = ms.service_id
             WHERE ms.window_id = w.id AND s.deleted_at IS NULL
             ORDER BY s.display_order, s.name) AS services
FROM maintenance_windows w
WHERE w.org_id = $1
  AND (w.status IN ('scheduled', 'in_progress') OR w.finished_at > now() - interval '7 days')
ORDER BY w.starts_at, w.title
LIMIT 500
