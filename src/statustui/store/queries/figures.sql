-- Figures over time, from sums; only the finest charts look at single checks. Sums leave out what
-- was flagged as inside maintenance.

-- name: load_days
-- Every service's days since $2, counted from it, with what was seen on each.
SELECT d.service_id, array_agg(d.day) AS days, array_agg(d.succeeded) AS succeeded,
       array_agg(d.looked) AS looked, array_agg(d.slots) AS slots
FROM (SELECT m.service_id, r.day - $2::date AS day, sum(r.success + r.degraded) AS succeeded,
             sum(r.success + r.degraded + r.failure + r.timeout) AS looked, sum(r.slots) AS slots
      FROM rollups_daily r
      JOIN monitors m ON m.key = r.monitor
      WHERE r.org_id = $1 AND r.day >= $2
      GROUP BY m.service_id, r.day) d
GROUP BY d.service_id

-- name: load_scheduled
-- How many slots each service had on each of these days.
SELECT d.service_id, array_agg(d.day) AS days, array_agg(d.slots) AS slots
FROM (SELECT m.service_id, (c.at AT TIME ZONE 'UTC')::date - $2::date AS day,
             sum(c.slots)::bigint AS slots
      FROM scheduled_slots($1, $2::date::timestamp AT TIME ZONE 'UTC', now(), interval '1 day') c
      JOIN monitors m ON m.key = c.monitor
      GROUP BY 1, 2) d
GROUP BY d.service_id

-- name: load_latency_of_day
-- The latencies of the last 24 hours of every service, as a histogram.
SELECT m.service_id, min(r.min_ms) AS min_ms, max(r.max_ms) AS max_ms,
       sum(r.h00) AS h00, sum(r.h01) AS h01, sum(r.h02) AS h02, sum(r.h03) AS h03,
       sum(r.h04) AS h04, sum(r.h05) AS h05, sum(r.h06) AS h06, sum(r.h07) AS h07,
       sum(r.h08) AS h08, sum(r.h09) AS h09, sum(r.h10) AS h10, sum(r.h11) AS h11,
       sum(r.h12) AS h12, sum(r.h13) AS h13, sum(r.h14) AS h14, sum(r.h15) AS h15,
       sum(r.h16) AS h16, sum(r.h17) AS h17, sum(r.h18) AS h18, sum(r.h19) AS h19,
       sum(r.h20) AS h20, sum(r.h21) AS h21, sum(r.h22) AS h22, sum(r.h23) AS h23
FROM rollups_hourly r
JOIN monitors m ON m.key = r.monitor
WHERE r.org_id = $1 AND m.org_id = $1 AND r.hour > now() - interval '25 hours'
GROUP BY m.service_id

-- name: load_worst
-- The changes of status since then, and what each service was before the first of them.
SELECT c.service_id, c.from_status, c.to_status, c.effective_at
FROM service_status_changes c
JOIN services s ON s.id = c.service_id AND s.deleted_at IS NULL
WHERE c.org_id = $1 AND c.effective_at >= $2 AND c.from_status <> c.to_status
ORDER BY c.service_id, c.effective_at, c.id

-- name: load_statuses
SELECT s.id, st.current_status, (s.created_at AT TIME ZONE 'UTC')::date AS since
FROM services s
JOIN service_state st ON st.service_id = s.id
WHERE s.org_id = $1 AND s.deleted_at IS NULL
ORDER BY s.display_order, s.name

-- name: load_latency_from_checks
-- $3 the width of a bucket, $4 from when on.
SELECT date_bin($3::interval, c.checked_at, timestamptz '2000-01-01 00:00+00') AS at,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY c.duration_ms)
           FILTER (WHERE c.status IN ('success', 'degraded')) AS percentiles,
       count(*) FILTER (WHERE c.status <> 'unknown') AS checks,
       count(*) FILTER (WHERE c.status IN ('failure', 'timeout')) AS failures
FROM monitors m
JOIN checks c ON c.monitor = m.key AND c.org_id = $1
WHERE m.org_id = $1 AND m.service_id = $2 AND c.checked_at >= $4 AND NOT c.in_maintenance
GROUP BY 1
ORDER BY 1

-- name: load_latency_hourly
SELECT r.hour AS at, min(r.min_ms) AS min_ms, max(r.max_ms) AS max_ms,
       sum(r.success + r.degraded + r.failure + r.timeout) AS checks,
       sum(r.failure + r.timeout) AS failures,
       sum(r.h00) AS h00, sum(r.h01) AS h01, sum(r.h02) AS h02, sum(r.h03) AS h03,
       sum(r.h04) AS h04, sum(r.h05) AS h05, sum(r.h06) AS h06, sum(r.h07) AS h07,
       sum(r.h08) AS h08, sum(r.h09) AS h09, sum(r.h10) AS h10, sum(r.h11) AS h11,
       sum(r.h12) AS h12, sum(r.h13) AS h13, sum(r.h14) AS h14, sum(r.h15) AS h15,
       sum(r.h16) AS h16, sum(r.h17) AS h17, sum(r.h18) AS h18, sum(r.h19) AS h19,
       sum(r.h20) AS h20, sum(r.h21) AS h21, sum(r.h22) AS h22, sum(r.h23) AS h23
FROM monitors m
JOIN rollups_hourly r ON r.monitor = m.key AND r.org_id = $1
WHERE m.org_id = $1 AND m.service_id = $2 AND r.hour >= $3
GROUP BY r.hour
ORDER BY r.hour

-- name: load_latency_daily
SELECT r.day::timestamp AT TIME ZONE 'UTC' AS at, min(r.min_ms) AS min_ms, max(r.max_ms) AS max_ms,
       sum(r.success + r.degraded + r.failure + r.timeout) AS checks,
       sum(r.failure + r.timeout) AS failures,
       sum(r.h00) AS h00, sum(r.h01) AS h01, sum(r.h02) AS h02, sum(r.h03) AS h03,
       sum(r.h04) AS h04, sum(r.h05) AS h05, sum(r.h06) AS h06, sum(r.h07) AS h07,
       sum(r.h08) AS h08, sum(r.h09) AS h09, sum(r.h10) AS h10, sum(r.h11) AS h11,
       sum(r.h12) AS h12, sum(r.h13) AS h13, sum(r.h14) AS h14, sum(r.h15) AS h15,
       sum(r.h16) AS h16, sum(r.h17) AS h17, sum(r.h18) AS h18, sum(r.h19) AS h19,
       sum(r.h20) AS h20, sum(r.h21) AS h21, sum(r.h22) AS h22, sum(r.h23) AS h23
FROM monitors m
JOIN rollups_daily r ON r.monitor = m.key AND r.org_id = $1
WHERE m.org_id = $1 AND m.service_id = $2 AND r.day >= $3
GROUP BY r.day
ORDER BY r.day
