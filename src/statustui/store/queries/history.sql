-- Writing a past at once, as the superuser of a database that is one's own: nothing here is needed,
-- or allowed, for the daily work.

-- name: find_organization
SELECT org_id FROM statustui.organizations WHERE slug = $1

-- name: act_as
SELECT set_config('session_authorization', $1, true)

-- name: current_role
SELECT session_user::text

-- name: dress_organization
UPDATE statustui.organizations
SET brand_color = $2, recovery_watch_seconds = $3
WHERE org_id = $1

-- name: dress_page
UPDATE statustui.pages SET name = $2, description = $3 WHERE org_id = $1

-- name: monitor_keys
SELECT id, key FROM statustui.monitors WHERE org_id = $1

-- name: open_schedules
SELECT monitor, from_at FROM statustui.monitor_schedules WHERE org_id = $1 AND to_at IS NULL

-- name: region_key
SELECT key FROM statustui.regions WHERE name = $1

-- name: ensure_partitions
SELECT statustui.ensure_check_partitions($1, $2)

-- name: point_monitor
UPDATE statustui.monitors SET config = $3, runbook = $4
WHERE org_id = $1 AND id = $2 AND (config, runbook) IS DISTINCT FROM ($3::jsonb, $4)

-- name: analyze
ANALYZE statustui.checks, statustui.rollups_hourly, statustui.rollups_daily,
    statustui.monitor_schedules, statustui.service_status_changes, statustui.incidents,
    statustui.incident_updates, statustui.incident_services

-- name: settle_service
UPDATE statustui.service_state
SET current_status = $2, status_since = $3, public_status = $4, public_since = $5
WHERE service_id = $1
