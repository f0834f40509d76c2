-- Announced work.

-- name: load_series
-- The newest occurrence of each series that runs or is ahead, with what the file of `apply` says.
SELECT w.id, w.series_id, w.title, w.description, w.starts_at, w.ends_at, w.status,
       w.recurrence_rule, w.exceptions, w.auto_update, w.is_public,
       ARRAY(SELECT s.name FROM maintenance_services ms JOIN services s ON s.id = ms.service_id
             WHERE ms.window_id = w.id AND s.deleted_at IS NULL
             ORDER BY s.display_order, s.name) AS services
FROM maintenance_windows w
WHERE w.org_id = $1 AND w.status IN ('scheduled', 'in_progress')
ORDER BY w.starts_at, w.title, w.id

-- name: load_updates
SELECT u.status, u.message, u.is_public, u.author, u.created_at
FROM maintenance_updates u WHERE u.org_id = $1 AND u.window_id = $2 ORDER BY u.created_at, u.id

-- name: add_window
INSERT INTO maintenance_windows (org_id, title, description, starts_at, ends_at, auto_update,
    is_public, recurrence_rule, exceptions)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id

-- name: edit_window
UPDATE maintenance_windows SET title = $3, description = $4, starts_at = $5, ends_at = $6,
    auto_update = $7, is_public = $8, recurrence_rule = $9, exceptions = $10
WHERE org_id = $1 AND id = $2 AND status IN ('scheduled', 'in_progress')
RETURNING id

-- name: set_services
WITH gone AS (
    DELETE FROM maintenance_services
    WHERE org_id = $1 AND window_id = $2 AND service_id <> ALL ($3::uuid[]))
INSERT INTO maintenance_services (org_id, window_id, service_id)
SELECT $1, $2, unnest($3::uuid[]) ON CONFLICT DO NOTHING

-- name: end_window
UPDATE maintenance_windows SET status = $3
WHERE org_id = $1 AND id = $2 AND status IN ('scheduled', 'in_progress')
RETURNING id

-- name: add_update
INSERT INTO maintenance_updates (org_id, window_id, status, message, is_public)
SELECT org_id, id, status, $3, is_public FROM maintenance_windows WHERE org_id = $1 AND id = $2

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
