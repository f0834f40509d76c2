-- How what monitors say reaches services and incidents.

-- name: organizations
SELECT org_id FROM organizations ORDER BY org_id

-- name: organizations_of_keys
SELECT org_id FROM organizations WHERE channel_key = ANY ($1::text[]) ORDER BY org_id

-- name: settle_pauses
-- Brings the state `paused` in step with pausing, resuming and the end of a pause. What was known
-- before a pause says nothing about now, so a resumed monitor is unknown until it looks.
WITH wanted AS (
    SELECT m.key, m.org_id, m.service_id, coalesce(t.state, 'unknown') AS state,
           NOT m.is_active OR coalesce(m.paused_until > clock_timestamp(), false) AS paused
    FROM monitors m LEFT JOIN monitor_status t ON t.monitor = m.key
    WHERE m.deleted_at IS NULL
), changed AS (
    SELECT w.key, w.org_id, w.service_id, w.state,
           CASE WHEN w.paused THEN 'paused' ELSE 'unknown' END AS to_state
    FROM wanted w WHERE w.paused <> (w.state = 'paused')
), written AS (
    INSERT INTO monitor_status (monitor, org_id, state, since)
    SELECT key, org_id, to_state, clock_timestamp() FROM changed ORDER BY key
    ON CONFLICT (monitor) DO UPDATE SET state = EXCLUDED.state, since = EXCLUDED.since,
        error_kind = NULL, reason = NULL, updated_at = clock_timestamp()
), forgotten AS (
    UPDATE monitor_state s SET state = 'unknown', state_since = clock_timestamp(),
        consecutive_failures = 0, consecutive_successes = 0, first_failure_at = NULL, extra = '{}'
    FROM changed c WHERE s.monitor = c.key
), recorded AS (
    INSERT INTO monitor_state_changes (org_id, monitor, from_state, to_state, effective_at)
    SELECT org_id, key, state, to_state, clock_timestamp() FROM changed
)
SELECT DISTINCT org_id, service_id FROM changed

-- name: monitors_of_services
SELECT m.service_id, m.id AS monitor_id,
       CASE WHEN NOT m.is_active OR m.paused_until > clock_timestamp() THEN 'paused'
            ELSE coalesce(t.state, 'unknown') END AS state,
       coalesce(t.since, m.created_at) AS since
FROM monitors m LEFT JOIN monitor_status t ON t.monitor = m.key
WHERE m.service_id = ANY ($1::uuid[]) AND m.deleted_at IS NULL
ORDER BY m.service_id, m.key

-- name: says_of_services
SELECT s.id AS service_id, s.org_id, t.status, t.since
FROM services s LEFT JOIN service_monitor_status t ON t.service_id = s.id
WHERE s.id = ANY ($1::uuid[]) AND s.deleted_at IS NULL
ORDER BY s.id

-- name: services_of_organizations
SELECT id FROM services WHERE org_id = ANY ($1::int[]) AND deleted_at IS NULL ORDER BY id

-- name: record_says
INSERT INTO service_monitor_status (service_id, org_id, status, since, monitor_id)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::uuid[])
ON CONFLICT (service_id) DO UPDATE SET status = EXCLUDED.status, since = EXCLUDED.since,
    monitor_id = EXCLUDED.monitor_id, updated_at = clock_timestamp()

-- name: recompute
SELECT service_id, org_id, to_status, public_to FROM recompute_service_status($1::uuid[], 'monitor')

-- name: situation_services
SELECT s.id, s.name, s.is_visible, s.pinned_status,
       coalesce(s.automatic_incidents, o.automatic_incidents) AS mode,
       t.status AS say, t.since AS say_since, t.updated_at AS said_at,
       EXISTS (SELECT FROM maintenance_services x JOIN maintenance_windows w ON w.id = x.window_id
               WHERE x.service_id = s.id AND w.status = 'in_progress' AND w.auto_update)
           AS in_window,
       ARRAY(SELECT d.depends_on_id FROM service_dependencies d WHERE d.service_id = s.id
             ORDER BY d.depends_on_id) AS depends_on,
       looks.watched, looks.failing, worst.error_kind, worst.reason,
       (SELECT max(coalesce(i.deleted_at, i.resolved_at))
        FROM incident_services x JOIN incidents i ON i.id = x.incident_id
        WHERE x.service_id = s.id
          AND (i.deleted_at IS NOT NULL OR i.status = 'resolved' AND i.touched_at IS NOT NULL))
           AS closed_at,
       EXISTS (SELECT FROM incident_services x JOIN incidents i ON i.id = x.incident_id
               WHERE x.service_id = s.id AND i.status <> 'resolved' AND i.deleted_at IS NULL)
           AS is_covered
FROM services s
JOIN organizations o ON o.org_id = s.org_id
LEFT JOIN service_monitor_status t ON t.service_id = s.id
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(u.state NOT IN ('unknown', 'paused')), false) AS watched,
           coalesce(bool_or(u.state <> 'paused' AND r.consecutive_failures > 0), false) AS failing
    FROM monitors m
    LEFT JOIN monitor_status u ON u.monitor = m.key
    LEFT JOIN monitor_state r ON r.monitor = m.key
    WHERE m.service_id = s.id AND m.deleted_at IS NULL) looks
LEFT JOIN LATERAL (
    SELECT u.error_kind, u.reason
    FROM monitors m JOIN monitor_status u ON u.monitor = m.key
    WHERE m.service_id = s.id AND m.deleted_at IS NULL AND u.state = 'down'
    ORDER BY u.since, m.key LIMIT 1) worst ON true
WHERE s.org_id = $1 AND s.deleted_at IS NULL
ORDER BY s.id

-- name: situation_incidents
SELECT i.id, i.status, i.touched_at IS NOT NULL AS touched, i.started_at, i.monitoring_at,
       ARRAY(SELECT x.service_id FROM incident_services x WHERE x.incident_id = i.id
             ORDER BY x.service_id) AS services
FROM incidents i WHERE i.org_id = $1 AND i.is_open_auto
ORDER BY i.started_at, i.id

-- name: recovery_watch
SELECT recovery_watch_seconds FROM organizations WHERE org_id = $1

-- name: open_incident
SELECT incident_id, code, outcome FROM open_automatic_incident(
    p_service => $1, p_title => $2, p_impact => $3, p_is_public => $4, p_message => $5,
    p_started_at => $6, p_to_status => $7, p_internal_title => $8, p_error_kind => $9,
    p_cause_service => $10)

-- name: move_incident
SELECT move_automatic_incident(p_incident => $1, p_status => $2, p_message => $3) AS outcome

-- name: organizations_due
-- Whose automatic incidents have watched a recovery for long enough.
SELECT DISTINCT i.org_id
FROM incidents i JOIN organizations o ON o.org_id = i.org_id
WHERE i.is_open_auto AND i.status = 'monitoring' AND i.touched_at IS NULL
  AND NOT EXISTS (
      SELECT FROM incident_services x JOIN service_monitor_status t ON t.service_id = x.service_id
      WHERE x.incident_id = i.id
        AND t.since > clock_timestamp() - make_interval(secs => o.recovery_watch_seconds))

-- name: apply_due_posts
SELECT post_id, incident_id, outcome FROM apply_due_posts()

-- name: advance_maintenance
SELECT window_id, org_id, status, recurrence_rule FROM advance_maintenance()

-- name: recurring_windows
-- Series whose newest occurrence is over, so that the next one is to be written.
SELECT w.id, w.org_id, w.series_id, w.title, w.description, w.starts_at, w.ends_at, w.auto_update,
       w.is_public, w.recurrence_rule, w.exceptions, w.notify_before_seconds, w.created_by,
       o.timezone
FROM maintenance_windows w JOIN organizations o ON o.org_id = w.org_id
WHERE w.recurrence_rule IS NOT NULL AND w.status = 'completed'
  AND NOT EXISTS (SELECT FROM maintenance_windows later
                  WHERE later.series_id = w.series_id AND later.starts_at > w.starts_at)

-- name: add_occurrence
WITH made AS (
    INSERT INTO maintenance_windows (org_id, series_id, title, description, starts_at, ends_at,
        auto_update, is_public, recurrence_rule, exceptions, notify_before_seconds, created_by)
    SELECT org_id, series_id, title, description, $2, $3, auto_update, is_public, recurrence_rule,
           exceptions, notify_before_seconds, created_by
    FROM maintenance_windows WHERE id = $1
    ON CONFLICT (series_id, starts_at) DO NOTHING
    RETURNING id, org_id)
INSERT INTO maintenance_services (org_id, window_id, service_id)
SELECT made.org_id, made.id, x.service_id FROM maintenance_services x CROSS JOIN made
WHERE x.window_id = $1
