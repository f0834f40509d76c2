-- What the engine of a region works with: its monitors, and what is remembered of them.

-- name: installation
SELECT id FROM installation

-- name: forget_engines
DELETE FROM engines WHERE heartbeat_at < clock_timestamp() - interval '7 days'

-- name: forget_generations
-- Those of a region's last thousand stay however old they are: an engine may have held a monitor
-- since any of them, and results that wait on disk are judged by who had it in between.
DELETE FROM share_generations g USING shares s
WHERE s.region = g.region AND g.generation < s.generation - 1000
  AND g.at < clock_timestamp() - interval '7 days'

-- name: monitors
-- A schedule that begins later is there when a pause ends later.
SELECT m.key, m.id, m.org_id, m.service_id, m.name, m.type, m.config, m.interval_seconds,
       m.timeout_ms, m.failure_threshold, m.recovery_threshold, m.retry_interval_seconds,
       m.degraded_after_ms, m.conditions, m.degraded_conditions, m.is_active, m.paused_until,
       m.runbook, m.tags, m.regions, m.region_quorum, m.run_requested_at,
       NOT m.is_active OR coalesce(m.paused_until > clock_timestamp(), false) AS is_paused,
       t.interval_seconds AS slot_seconds, t.phase_ms, t.from_at,
       t.from_at <= clock_timestamp() AS has_begun
FROM monitors m
JOIN services s ON s.id = m.service_id AND s.deleted_at IS NULL
LEFT JOIN monitor_schedules t ON t.monitor = m.key AND t.region = $1 AND t.to_at IS NULL
WHERE m.deleted_at IS NULL AND $2 = ANY (m.regions)
ORDER BY m.key

-- name: beats
-- With the last sign of life before the server's last start: in between nobody could note a beat.
SELECT b.monitor, clock_timestamp() AS now, b.expected_from, b.last_at, b.is_ok, b.message,
       pg_postmaster_start_time() AS server_started_at, e.last_sign_at
FROM beats b
CROSS JOIN (SELECT max(heartbeat_at) AS last_sign_at FROM engines
            WHERE heartbeat_at < pg_postmaster_start_time()) e
WHERE b.monitor = ANY ($1::int[])

-- name: memories
SELECT s.* FROM monitor_state s
WHERE s.region = $1 AND ($2::int[] IS NULL OR s.monitor = ANY ($2))

-- name: windows
-- Those that flag checks: by their times where they move by themselves, else while they run.
SELECT x.service_id,
       CASE WHEN w.auto_update THEN w.starts_at ELSE w.started_at END AS starts_at,
       CASE WHEN w.auto_update THEN least(w.ends_at, w.finished_at) ELSE w.finished_at END
           AS ends_at
FROM maintenance_windows w JOIN maintenance_services x ON x.window_id = w.id
WHERE w.status IN ('scheduled', 'in_progress', 'completed')
  AND (w.auto_update OR w.started_at IS NOT NULL)
  AND coalesce(w.finished_at, w.ends_at) > clock_timestamp() - interval '1 hour'

-- name: ensure_partitions
SELECT ensure_check_partitions(clock_timestamp() - interval '1 day',
                               clock_timestamp() + interval '2 months')

-- name: now
-- Hosts may differ about the time; those who decide go by one clock.
SELECT clock_timestamp()
