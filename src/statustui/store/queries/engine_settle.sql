-- How what monitors say reaches services and incidents.

-- name: settle_pauses
-- Brings the state `paused` in step with pausing, resuming and the end of a pause. What was known
-- before a pause says nothing about now, so a resumed monitor is unknown until it looks. An engine
-- that looked meanwhile was faster, and what it wrote stands: only what is still to be changed then is.
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
        WHERE (monitor_status.state = 'paused') <> (EXCLUDED.state = 'paused')
    RETURNING monitor
), forgotten AS (
    UPDATE monitor_state s SET state = 'unknown', state_since = clock_timestamp(),
        consecutive_failures = 0, consecutive_successes = 0, first_failure_at = NULL, extra = '{}'
    FROM written w WHERE s.monitor = w.monitor
), recorded AS (
    INSERT INTO monitor_state_changes (org_id, monitor, from_state, to_state, effective_at)
    SELECT c.org_id, c.key, c.state, c.to_state, clock_timestamp()
    FROM changed c JOIN written w ON w.monitor = c.key
)
SELECT DISTINCT c.org_id, c.service_id FROM changed c JOIN written w ON w.monitor = c.key

-- name: monitors_of_services
SELECT m.service_id, m.id AS monitor_id,
       CASE WHEN NOT m.is_active OR m.paused_until > clock_timestamp() THEN 'paused'
            ELSE coalesce(t.state, 'unknown') END AS state,
       coalesce(t.since, m.created_at) AS since
FROM monitors m LEFT JOIN monitor_status t ON t.monitor = m.key
WHERE m.service_id = ANY ($1::uuid[]) AND m.deleted_at IS NULL
ORDER BY m.service_id, m.key

-- name: all_begin_well
-- Of none of these services anything was ever said, and nothing is wrong with any of their monitors.
SELECT NOT EXISTS (SELECT FROM service_monitor_status t WHERE t.service_id = ANY ($1::uuid[]))
   AND NOT EXISTS (
       SELECT FROM monitors m JOIN monitor_status t ON t.monitor = m.key
       WHERE m.service_id = ANY ($1::uuid[]) AND m.deleted_at IS NULL
         AND t.state NOT IN ('up', 'unknown', 'paused'))

-- name: says_of_services
SELECT s.id AS service_id, s.org_id, t.status, t.since
FROM services s LEFT JOIN service_monitor_status t ON t.service_id = s.id
WHERE s.id = ANY ($1::uuid[]) AND s.deleted_at IS NULL
ORDER BY s.id

-- name: services
SELECT id FROM services WHERE deleted_at IS NULL ORDER BY id

-- name: services_of_organizations
SELECT s.id FROM services s JOIN organizations o ON o.org_id = s.org_id
WHERE o.channel_key = ANY ($1::text[]) AND s.deleted_at IS NULL ORDER BY s.id

-- name: failing_looks
-- Of the monitors of these services that are down: what the last failed look saw.
SELECT m.service_id, m.type, m.config, u.error_kind, coalesce(u.reason, '') AS reason,
       r.last_look
FROM monitors m
JOIN monitor_status u ON u.monitor = m.key AND u.state = 'down'
LEFT JOIN LATERAL (
    SELECT r.last_look FROM monitor_state r WHERE r.monitor = m.key
    ORDER BY (r.state = 'down') DESC, r.region LIMIT 1) r ON true
WHERE m.service_id = ANY ($1::uuid[]) AND m.deleted_at IS NULL
ORDER BY m.service_id, u.since, m.key

-- name: record_says
-- A host whose clock is ahead saw it later than now: it would then have to last until that time.
INSERT INTO service_monitor_status (service_id, org_id, status, since, monitor_id, causes)
SELECT service_id, org_id, status, least(since, clock_timestamp()), monitor_id, causes::text[]
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[])
    AS g (service_id, org_id, status, since, monitor_id, causes)
ON CONFLICT (service_id) DO UPDATE SET status = EXCLUDED.status, since = EXCLUDED.since,
    monitor_id = EXCLUDED.monitor_id, causes = EXCLUDED.causes, updated_at = clock_timestamp()

-- name: lock_affected
-- What settling these services reads, locked.
SELECT lock_affected_services($1::uuid[], $2::text[]) AS id

-- name: recompute
SELECT service_id, org_id, to_status, public_to FROM recompute_service_status($1::uuid[], 'monitor')

-- name: recompute_companions
-- The same for all that share an incident with these services: one that became public lets the
-- colours of internal services through.
SELECT service_id, org_id, to_status, public_to FROM recompute_service_status(ARRAY(
    SELECT other.service_id
    FROM incident_services x JOIN incident_services other ON other.incident_id = x.incident_id
    WHERE x.service_id = ANY ($1::uuid[]) AND x.open_auto
    UNION SELECT unnest($1::uuid[])), 'monitor')

-- name: situation_services
SELECT s.id, s.org_id, o.recovery_watch_seconds, s.name, s.display_order, s.is_visible,
       s.pinned_status,
       coalesce(s.automatic_incidents, o.automatic_incidents) AS mode,
       t.status AS say, t.since AS say_since, t.updated_at AS said_at, t.causes,
       -- What is recorded afterwards may have been seen inside a window that is over by now.
       EXISTS (SELECT FROM maintenance_services x JOIN maintenance_windows w ON w.id = x.window_id
               WHERE x.service_id = s.id AND w.auto_update
                 AND (w.status = 'in_progress' OR w.status IN ('scheduled', 'completed')
                      AND $2::timestamptz < clock_timestamp() - interval '30 seconds'
                      AND $2 >= w.starts_at AND $2 < least(w.ends_at, w.finished_at)))
           AS in_window,
       ARRAY(SELECT d.depends_on_id FROM service_dependencies d WHERE d.service_id = s.id
             ORDER BY d.depends_on_id) AS depends_on,
       looks.watched, looks.checked, looks.failing, looks.is_flapping, looks.resolves_names,
       looks.broke_at, coalesce(looks.down_good_until, looks.good_until) AS good_until,
       looks.failing_since, looks.confirmed_by,
       worst.error_kind, worst.reason, worst.status_code,
       (SELECT max(coalesce(i.deleted_at, i.resolved_at))
        FROM incident_services x JOIN incidents i ON i.id = x.incident_id
        WHERE x.service_id = s.id
          AND (i.deleted_at IS NOT NULL OR i.status = 'resolved' AND i.touched_at IS NOT NULL))
           AS closed_at,
       EXISTS (SELECT FROM incident_services x JOIN incidents i ON i.id = x.incident_id
               WHERE x.service_id = s.id AND i.status <> 'resolved' AND i.deleted_at IS NULL
                 AND NOT i.is_auto)
           AS is_covered
FROM services s
JOIN organizations o ON o.org_id = s.org_id
LEFT JOIN service_monitor_status t ON t.service_id = s.id
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(u.state NOT IN ('unknown', 'paused')), false) AS watched,
           count(*) > 0 AS checked,
           -- Nobody can look at what was down when it was seen last: that is no recovery.
           coalesce(bool_or(u.state <> 'paused' AND r.consecutive_failures > 0
               OR u.state = 'unknown' AND (
                   SELECT c.from_state FROM monitor_state_changes c
                   WHERE c.monitor = m.key AND c.region IS NULL
                   ORDER BY c.effective_at DESC, c.id DESC LIMIT 1) = 'down'), false) AS failing,
           coalesce(bool_or(u.state = 'flapping'), false) AS is_flapping,
           coalesce(bool_or(u.state = 'down' AND m.type = 'dns'), false) AS resolves_names,
           min(u.since) FILTER (WHERE u.state = 'down') AS broke_at,
           max(r.last_good_at) FILTER (WHERE r.state = 'down') AS down_good_until,
           CASE WHEN bool_or(u.state = 'down') THEN NULL ELSE max(r.last_good_at) END AS good_until,
           min(r.first_failure_at) FILTER (WHERE unconfirmed.is_so) AS failing_since,
           -- As many looks as it takes, each as long as it may be, and the writing.
           max(r.first_failure_at + make_interval(secs =>
               (m.failure_threshold - 1) * m.retry_interval_seconds
               + m.failure_threshold * m.timeout_ms / 1000.0 + 2))
               FILTER (WHERE unconfirmed.is_so) AS confirmed_by
    FROM monitors m
    LEFT JOIN monitor_status u ON u.monitor = m.key
    LEFT JOIN monitor_state r ON r.monitor = m.key
    CROSS JOIN LATERAL (SELECT coalesce(u.state, 'unknown') NOT IN ('down', 'paused')
        AND r.consecutive_failures BETWEEN 1 AND m.failure_threshold - 1 AS is_so) unconfirmed
    WHERE m.service_id = s.id AND m.deleted_at IS NULL) looks
LEFT JOIN LATERAL (
    SELECT u.error_kind, u.reason, (r.last_look ->> 'status_code')::int AS status_code
    FROM monitors m JOIN monitor_status u ON u.monitor = m.key
    LEFT JOIN monitor_state r ON r.monitor = m.key AND r.state = 'down'
    WHERE m.service_id = s.id AND m.deleted_at IS NULL AND u.state = 'down'
    ORDER BY u.since, m.key, r.region LIMIT 1) worst ON true
WHERE s.id = ANY ($1::uuid[]) AND s.deleted_at IS NULL
ORDER BY s.id

-- name: situation_incidents
SELECT i.id, i.org_id, i.status, i.touched_at IS NOT NULL AS touched, i.started_at, i.monitoring_at,
       i.cause_service_id, i.flapping_since IS NOT NULL AS says_flapping, x.services, x.asked_of
FROM incidents i
CROSS JOIN LATERAL (
    SELECT array_agg(x.service_id ORDER BY x.service_id) AS services,
           coalesce(array_agg(x.service_id) FILTER (WHERE x.asked_status IS NOT NULL), '{}')
               AS asked_of
    FROM incident_services x WHERE x.incident_id = i.id) x
WHERE i.id IN (SELECT x.incident_id FROM incident_services x
               WHERE x.service_id = ANY ($1::uuid[]) AND x.open_auto)
ORDER BY i.started_at, i.id

-- name: looks_since_cause
-- Of these services those that are out in an incident whose cause has recovered: how many looks of
-- one monitor have failed since, at most two.
SELECT x.service_id, max(looks.failed) AS failed
FROM incident_services x
JOIN incidents i ON i.id = x.incident_id AND i.cause_service_id <> x.service_id
JOIN service_monitor_status cause ON cause.service_id = i.cause_service_id
    AND cause.status NOT IN ('major_outage', 'partial_outage')
JOIN service_monitor_status said ON said.service_id = x.service_id
    AND said.status IN ('major_outage', 'partial_outage')
JOIN monitors m ON m.service_id = x.service_id AND m.deleted_at IS NULL
JOIN monitor_state r ON r.monitor = m.key AND r.state = 'down'
CROSS JOIN LATERAL (
    SELECT count(*) AS failed FROM (
        SELECT FROM checks c
        WHERE c.monitor = m.key AND c.region = r.region AND c.checked_at > cause.since
          AND c.status IN ('failure', 'timeout')
        LIMIT 2) two) looks
WHERE x.service_id = ANY ($1::uuid[]) AND x.open_auto
GROUP BY x.service_id

-- name: leave_incidents
SELECT g.service_id, leave_automatic_incident(
    p_incident => g.incident_id, p_service => g.service_id, p_message => g.message,
    p_at => $4) AS outcome
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS g (incident_id, service_id, message)

-- name: flag_flapping
SELECT g.incident_id, flag_flapping(
    p_incident => g.incident_id, p_is_flapping => g.is_flapping,
    p_internal_title => g.internal_title, p_message => g.message, p_at => $5) AS outcome
FROM unnest($1::uuid[], $2::boolean[], $3::text[], $4::text[])
    AS g (incident_id, is_flapping, internal_title, message)

-- name: open_incidents
-- In the order in which they are given: causes before what joins them.
SELECT g.service_id, o.incident_id, o.code, o.outcome
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::timestamptz[],
            $7::text[], $8::text[], $9::text[], $10::uuid[], $11::uuid[], $12::boolean[])
     WITH ORDINALITY AS g (service_id, title, impact, is_public, message, started_at, to_status,
                           internal_title, error_kind, cause_id, joins_id, is_guarded, place)
CROSS JOIN LATERAL open_automatic_incident(
    p_service => g.service_id, p_title => g.title, p_impact => g.impact,
    p_is_public => g.is_public, p_message => g.message, p_started_at => g.started_at,
    p_to_status => g.to_status, p_internal_title => g.internal_title,
    p_error_kind => g.error_kind, p_cause_service => g.cause_id, p_joins => g.joins_id,
    p_is_guarded => g.is_guarded, p_at => $13) o
ORDER BY g.place

-- name: move_incidents
SELECT g.incident_id, g.status, move_automatic_incident(
    p_incident => g.incident_id, p_status => g.status, p_message => g.message,
    p_at => g.at) AS outcome
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
    AS g (incident_id, status, message, at)

-- name: tell_of_late_incidents
SELECT tell_of_late_incidents() AS incident_id

-- name: post_guarded_sentences
SELECT post_guarded_sentences() AS incident_id

-- name: services_due
-- One service of each automatic incident in which nothing is out any more, and which nobody has
-- moved accordingly: its recovery has lasted long enough, or something was still failing when it
-- began. What a person said after the recovery stands.
SELECT min(x.service_id::text)::uuid AS service_id
FROM incidents i
JOIN organizations o ON o.org_id = i.org_id
JOIN incident_services x ON x.incident_id = i.id
JOIN services s ON s.id = x.service_id AND s.deleted_at IS NULL
LEFT JOIN service_monitor_status t ON t.service_id = x.service_id
WHERE i.is_open_auto AND i.status <> 'resolved' AND i.deleted_at IS NULL
GROUP BY i.id, o.recovery_watch_seconds
HAVING bool_and(coalesce(t.status = 'operational', false))
   AND CASE WHEN i.touched_at IS NOT NULL
            THEN i.status <> 'monitoring' AND i.touched_at < max(t.updated_at)
            ELSE i.status <> 'monitoring' OR max(t.since) <= clock_timestamp()
                 - make_interval(secs => o.recovery_watch_seconds) END
UNION ALL
-- And those of which every service was deleted.
SELECT min(x.service_id::text)::uuid
FROM incidents i
JOIN incident_services x ON x.incident_id = i.id
JOIN services s ON s.id = x.service_id
WHERE i.is_open_auto AND i.touched_at IS NULL
GROUP BY i.id
HAVING bool_and(s.deleted_at IS NOT NULL)

-- name: services_waiting
-- Those that went out or left a window lately and are in no incident although they may be: what they
-- need had begun to fail, and by now it is confirmed, or well again, or should have been; or nobody
-- came to settle them. And those that stay out after the cause of their incident has recovered.
SELECT s.id AS service_id
FROM service_monitor_status t
JOIN services s ON s.id = t.service_id AND s.deleted_at IS NULL AND s.pinned_status IS NULL
JOIN organizations o ON o.org_id = s.org_id
WHERE t.status IN ('major_outage', 'partial_outage')
  AND (t.updated_at > clock_timestamp() - interval '15 minutes' OR EXISTS (
      SELECT FROM maintenance_services x JOIN maintenance_windows w ON w.id = x.window_id
      WHERE x.service_id = s.id AND w.finished_at > clock_timestamp() - interval '15 minutes'))
  AND coalesce(s.automatic_incidents, o.automatic_incidents) <> 'off'
  AND NOT EXISTS (SELECT FROM incident_services x JOIN incidents i ON i.id = x.incident_id
                  WHERE x.service_id = s.id AND i.status <> 'resolved' AND i.deleted_at IS NULL)
  AND NOT EXISTS (SELECT FROM maintenance_services x JOIN maintenance_windows w ON w.id = x.window_id
                  WHERE x.service_id = s.id AND w.status = 'in_progress' AND w.auto_update)
UNION ALL
SELECT x.service_id
FROM incidents i
JOIN service_monitor_status cause ON cause.service_id = i.cause_service_id
    AND cause.status NOT IN ('major_outage', 'partial_outage')
JOIN incident_services x ON x.incident_id = i.id AND x.open_auto AND x.asked_status IS NULL
    AND x.service_id <> i.cause_service_id
JOIN service_monitor_status t ON t.service_id = x.service_id
    AND t.status IN ('major_outage', 'partial_outage')
WHERE i.status <> 'resolved' AND i.deleted_at IS NULL AND i.is_auto

-- name: apply_due_posts
SELECT post_id, incident_id, outcome FROM apply_due_posts()

-- name: advance_maintenance
SELECT window_id, org_id, status, recurrence_rule FROM advance_maintenance()

-- name: services_of_windows
SELECT DISTINCT service_id FROM maintenance_services WHERE window_id = ANY ($1::uuid[])

-- name: recurring_windows
-- Series whose newest occurrence is over, so that the next one is to be written, and where they
-- began: with the first window since the rule is what it is. A series is one organization's.
SELECT w.id, w.series_id, w.starts_at, w.ends_at, w.recurrence_rule, w.exceptions, o.timezone,
       (SELECT min(earlier.starts_at) FROM maintenance_windows earlier
        WHERE earlier.series_id = w.series_id AND earlier.org_id = w.org_id
          AND earlier.starts_at > coalesce(
              (SELECT max(other.starts_at) FROM maintenance_windows other
               WHERE other.series_id = w.series_id AND other.org_id = w.org_id
                 AND other.recurrence_rule IS DISTINCT FROM w.recurrence_rule), '-infinity'))
           AS first_starts_at
FROM maintenance_windows w JOIN organizations o ON o.org_id = w.org_id
WHERE w.recurrence_rule IS NOT NULL AND w.status = 'completed'
  AND NOT EXISTS (SELECT FROM maintenance_windows later
                  WHERE later.series_id = w.series_id AND later.org_id = w.org_id
                    AND later.starts_at > w.starts_at)

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
