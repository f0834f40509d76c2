-- Figures over time, from sums; only the finest charts look at single checks. Sums leave out what
-- was flagged as inside maintenance, and nothing is older than the plan shows (shown_since, asked
-- once per statement by way of a sub-select).

-- name: load_days
-- Every service's days since $2, counted from it, with what was seen on each.
SELECT d.service_id, array_agg(d.day) AS days, array_agg(d.succeeded) AS succeeded,
       array_agg(d.looked) AS looked, array_agg(d.slots) AS slots
FROM (SELECT m.service_id, r.day - $2::date AS day, sum(r.success + r.degraded) AS succeeded,
             sum(r.success + r.degraded + r.failure + r.timeout) AS looked, sum(r.slots) AS slots
      FROM rollups_daily r
      JOIN monitors m ON m.key = r.monitor
      WHERE r.org_id = $1 AND r.day >= (SELECT greatest($2::date, shown_since($1)))
      GROUP BY m.service_id, r.day) d
GROUP BY d.service_id

-- name: load_scheduled
-- How many slots each service had on each of these days.
SELECT d.service_id, array_agg(d.day) AS days, array_agg(d.slots) AS slots
FROM (SELECT m.service_id, (c.at AT TIME ZONE 'UTC')::date - $2::date AS day,
             sum(c.slots)::bigint AS slots
      FROM scheduled_slots($1, greatest($2::date, shown_since($1))::timestamp AT TIME ZONE 'UTC',
                           now(), interval '1 day') c
      JOIN monitors m ON m.key = c.monitor
      GROUP BY 1, 2) d
GROUP BY d.service_id

-- name: load_window
-- What a window amounts to, for services $2 (NULL: for all): the hours from $3 until $4, the days
-- from $5 until $6, the hours from $7 until $8. Each monitor's rows are found by the keys of theirs.
SELECT m.service_id, sum(r.success)::bigint AS success, sum(r.degraded)::bigint AS degraded,
       sum(r.failure)::bigint AS failure, sum(r.timeout)::bigint AS timeout,
       sum(r.unknown)::bigint AS unknown, sum(r.maintenance)::bigint AS maintenance,
       sum(r.slots)::bigint AS slots, sum(r.timed)::bigint AS timed, sum(r.sum_ms) AS sum_ms,
       min(r.min_ms) AS min_ms, max(r.max_ms) AS max_ms,
       sum(r.h00) AS h00, sum(r.h01) AS h01, sum(r.h02) AS h02, sum(r.h03) AS h03,
       sum(r.h04) AS h04, sum(r.h05) AS h05, sum(r.h06) AS h06, sum(r.h07) AS h07,
       sum(r.h08) AS h08, sum(r.h09) AS h09, sum(r.h10) AS h10, sum(r.h11) AS h11,
       sum(r.h12) AS h12, sum(r.h13) AS h13, sum(r.h14) AS h14, sum(r.h15) AS h15,
       sum(r.h16) AS h16, sum(r.h17) AS h17, sum(r.h18) AS h18, sum(r.h19) AS h19,
       sum(r.h20) AS h20, sum(r.h21) AS h21, sum(r.h22) AS h22, sum(r.h23) AS h23
FROM monitors m
CROSS JOIN LATERAL (
    SELECT success, degraded, failure, timeout, unknown, maintenance, slots, timed, sum_ms, min_ms,
           max_ms, h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15,
           h16, h17, h18, h19, h20, h21, h22, h23
    FROM rollups_hourly
    WHERE monitor = m.key AND hour >= $3::timestamptz AND hour < $4::timestamptz
    UNION ALL
    SELECT success, degraded, failure, timeout, unknown, maintenance, slots, timed, sum_ms, min_ms,
           max_ms, h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15,
           h16, h17, h18, h19, h20, h21, h22, h23
    FROM rollups_daily
    WHERE org_id = $1 AND monitor = m.key AND day >= $5::date AND day < $6::date
    UNION ALL
    SELECT success, degraded, failure, timeout, unknown, maintenance, slots, timed, sum_ms, min_ms,
           max_ms, h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15,
           h16, h17, h18, h19, h20, h21, h22, h23
    FROM rollups_hourly
    WHERE monitor = m.key AND hour >= $7::timestamptz AND hour < $8::timestamptz
) AS r
WHERE m.org_id = $1 AND ($2::uuid[] IS NULL OR m.service_id = ANY ($2::uuid[]))
GROUP BY m.service_id

-- name: load_shown_since
SELECT shown_since($1)

-- name: load_uptime
-- Checks that succeeded and checks that looked, of every service since day $2: from an index alone.
SELECT m.service_id, sum(r.success + r.degraded) AS succeeded,
       sum(r.success + r.degraded + r.failure + r.timeout) AS looked
FROM (SELECT monitor, sum(success) AS success, sum(degraded) AS degraded, sum(failure) AS failure,
             sum(timeout) AS timeout
      FROM rollups_daily
      WHERE org_id = $1 AND day >= (SELECT greatest($2::date, shown_since($1)))
      GROUP BY monitor) r
JOIN monitors m ON m.key = r.monitor
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
WHERE m.org_id = $1 AND m.service_id = $2 AND NOT c.in_maintenance
  AND c.checked_at >= (
      SELECT greatest($4::timestamptz, shown_since($1)::timestamp AT TIME ZONE 'UTC'))
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
WHERE m.org_id = $1 AND m.service_id = $2
  AND r.hour >= (
      SELECT greatest($3::timestamptz, shown_since($1)::timestamp AT TIME ZONE 'UTC'))
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
WHERE m.org_id = $1 AND m.service_id = $2 AND r.day >= (
      SELECT greatest($3::date, shown_since($1)))
GROUP BY r.day
ORDER BY r.day
