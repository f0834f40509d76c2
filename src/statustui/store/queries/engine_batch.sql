-- How results of checks become rows: one transaction per batch, its first statement the fence.

-- name: record_checks
-- Rows that are there already are left alone, and figures are made only from those that are new,
-- so that a batch that is sent twice adds nothing twice. Latencies fall into the buckets whose
-- upper bounds come as $19, negated and ascending: width_bucket then counts the bounds that are
-- not below a value. A slot counts when its own look was had and no earlier row has counted it.
WITH given AS (
    SELECT * FROM unnest($1::int[], $2::int[], $3::smallint[], $4::timestamptz[],
        $5::timestamptz[], $6::text[], $7::text[], $8::boolean[], $9::boolean[], $10::smallint[],
        $11::real[], $12::real[], $13::real[], $14::real[], $15::real[], $16::real[],
        $17::text[], $18::text[])
        AS g (org_id, monitor, region, checked_at, slot_at, status, error_kind, is_retry,
              in_maintenance, status_code, duration_ms, resolve_ms, connect_ms, tls_ms,
              first_byte_ms, transfer_ms, reason, address)
), inserted AS (
    INSERT INTO checks (org_id, monitor, region, checked_at, slot_at, status, error_kind, is_retry,
        in_maintenance, status_code, duration_ms, resolve_ms, connect_ms, tls_ms, first_byte_ms,
        transfer_ms, reason, address)
    SELECT org_id, monitor, region, checked_at, slot_at, status, error_kind, is_retry,
        in_maintenance, status_code, duration_ms, resolve_ms, connect_ms, tls_ms, first_byte_ms,
        transfer_ms, reason, address
    FROM given ORDER BY monitor, region, checked_at
    ON CONFLICT DO NOTHING
    RETURNING org_id, monitor, region, checked_at, slot_at, status, is_retry, in_maintenance,
              duration_ms
), figures AS (
    SELECT i.org_id, i.monitor, i.checked_at AS at,
           CASE WHEN NOT i.in_maintenance THEN i.status END AS status, i.in_maintenance,
           CASE WHEN t.timed THEN 23 - width_bucket(-i.duration_ms::float8, $19::float8[]) END
               AS bucket,
           CASE WHEN t.timed THEN i.duration_ms END AS duration_ms, false AS is_slot
    FROM inserted i
    CROSS JOIN LATERAL (
        SELECT NOT i.in_maintenance AND i.status IN ('success', 'degraded') AS timed) t
    UNION ALL
    SELECT DISTINCT i.org_id, i.monitor, i.slot_at, NULL, false, NULL::int, NULL::real, true
    FROM inserted i
    WHERE NOT i.is_retry AND i.status <> 'unknown'
      -- Asked row by row: a join would read the state of all monitors for each batch.
      AND (i.slot_at > coalesce((SELECT s.last_slot_at FROM monitor_state s
                                 WHERE s.monitor = i.monitor AND s.region = i.region), '-infinity')
           OR NOT EXISTS (
               SELECT FROM checks c
               WHERE c.monitor = i.monitor AND c.region = i.region AND c.slot_at = i.slot_at
                 AND c.checked_at BETWEEN i.slot_at - interval '1 minute'
                                      AND i.slot_at + interval '1 day'
                 AND NOT c.is_retry AND c.status <> 'unknown'))
), hourly AS (
    INSERT INTO rollups_hourly (org_id, monitor, hour, success, degraded, failure, timeout,
        unknown, maintenance, slots, timed, sum_ms, min_ms, max_ms,
        h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15, h16, h17,
        h18, h19, h20, h21, h22, h23)
    SELECT org_id, monitor, date_trunc('hour', at, 'UTC'),
           count(*) FILTER (WHERE status = 'success'),
           count(*) FILTER (WHERE status = 'degraded'),
           count(*) FILTER (WHERE status = 'failure'),
           count(*) FILTER (WHERE status = 'timeout'),
           count(*) FILTER (WHERE status = 'unknown'),
           count(*) FILTER (WHERE in_maintenance),
           count(*) FILTER (WHERE is_slot),
           count(bucket), coalesce(sum(duration_ms::float8), 0), min(duration_ms), max(duration_ms),
           count(*) FILTER (WHERE bucket = 0), count(*) FILTER (WHERE bucket = 1),
           count(*) FILTER (WHERE bucket = 2), count(*) FILTER (WHERE bucket = 3),
           count(*) FILTER (WHERE bucket = 4), count(*) FILTER (WHERE bucket = 5),
           count(*) FILTER (WHERE bucket = 6), count(*) FILTER (WHERE bucket = 7),
           count(*) FILTER (WHERE bucket = 8), count(*) FILTER (WHERE bucket = 9),
           count(*) FILTER (WHERE bucket = 10), count(*) FILTER (WHERE bucket = 11),
           count(*) FILTER (WHERE bucket = 12), count(*) FILTER (WHERE bucket = 13),
           count(*) FILTER (WHERE bucket = 14), count(*) FILTER (WHERE bucket = 15),
           count(*) FILTER (WHERE bucket = 16), count(*) FILTER (WHERE bucket = 17),
           count(*) FILTER (WHERE bucket = 18), count(*) FILTER (WHERE bucket = 19),
           count(*) FILTER (WHERE bucket = 20), count(*) FILTER (WHERE bucket = 21),
           count(*) FILTER (WHERE bucket = 22), count(*) FILTER (WHERE bucket = 23)
    FROM figures GROUP BY org_id, monitor, date_trunc('hour', at, 'UTC')
    ORDER BY org_id, monitor, date_trunc('hour', at, 'UTC')
    ON CONFLICT (monitor, hour) DO UPDATE SET
        success = rollups_hourly.success + EXCLUDED.success,
        degraded = rollups_hourly.degraded + EXCLUDED.degraded,
        failure = rollups_hourly.failure + EXCLUDED.failure,
        timeout = rollups_hourly.timeout + EXCLUDED.timeout,
        unknown = rollups_hourly.unknown + EXCLUDED.unknown,
        maintenance = rollups_hourly.maintenance + EXCLUDED.maintenance,
        slots = rollups_hourly.slots + EXCLUDED.slots,
        timed = rollups_hourly.timed + EXCLUDED.timed,
        sum_ms = rollups_hourly.sum_ms + EXCLUDED.sum_ms,
        h00 = rollups_hourly.h00 + EXCLUDED.h00, h01 = rollups_hourly.h01 + EXCLUDED.h01,
        h02 = rollups_hourly.h02 + EXCLUDED.h02, h03 = rollups_hourly.h03 + EXCLUDED.h03,
        h04 = rollups_hourly.h04 + EXCLUDED.h04, h05 = rollups_hourly.h05 + EXCLUDED.h05,
        h06 = rollups_hourly.h06 + EXCLUDED.h06, h07 = rollups_hourly.h07 + EXCLUDED.h07,
        h08 = rollups_hourly.h08 + EXCLUDED.h08, h09 = rollups_hourly.h09 + EXCLUDED.h09,
        h10 = rollups_hourly.h10 + EXCLUDED.h10, h11 = rollups_hourly.h11 + EXCLUDED.h11,
        h12 = rollups_hourly.h12 + EXCLUDED.h12, h13 = rollups_hourly.h13 + EXCLUDED.h13,
        h14 = rollups_hourly.h14 + EXCLUDED.h14, h15 = rollups_hourly.h15 + EXCLUDED.h15,
        h16 = rollups_hourly.h16 + EXCLUDED.h16, h17 = rollups_hourly.h17 + EXCLUDED.h17,
        h18 = rollups_hourly.h18 + EXCLUDED.h18, h19 = rollups_hourly.h19 + EXCLUDED.h19,
        h20 = rollups_hourly.h20 + EXCLUDED.h20, h21 = rollups_hourly.h21 + EXCLUDED.h21,
        h22 = rollups_hourly.h22 + EXCLUDED.h22, h23 = rollups_hourly.h23 + EXCLUDED.h23,
        min_ms = least(rollups_hourly.min_ms, EXCLUDED.min_ms),
        max_ms = greatest(rollups_hourly.max_ms, EXCLUDED.max_ms)
), daily AS (
    INSERT INTO rollups_daily (org_id, monitor, day, success, degraded, failure, timeout,
        unknown, maintenance, slots, timed, sum_ms, min_ms, max_ms,
        h00, h01, h02, h03, h04, h05, h06, h07, h08, h09, h10, h11, h12, h13, h14, h15, h16, h17,
        h18, h19, h20, h21, h22, h23)
    SELECT org_id, monitor, (at AT TIME ZONE 'UTC')::date,
           count(*) FILTER (WHERE status = 'success'),
           count(*) FILTER (WHERE status = 'degraded'),
           count(*) FILTER (WHERE status = 'failure'),
           count(*) FILTER (WHERE status = 'timeout'),
           count(*) FILTER (WHERE status = 'unknown'),
           count(*) FILTER (WHERE in_maintenance),
           count(*) FILTER (WHERE is_slot),
           count(bucket), coalesce(sum(duration_ms::float8), 0), min(duration_ms), max(duration_ms),
           count(*) FILTER (WHERE bucket = 0), count(*) FILTER (WHERE bucket = 1),
           count(*) FILTER (WHERE bucket = 2), count(*) FILTER (WHERE bucket = 3),
           count(*) FILTER (WHERE bucket = 4), count(*) FILTER (WHERE bucket = 5),
           count(*) FILTER (WHERE bucket = 6), count(*) FILTER (WHERE bucket = 7),
           count(*) FILTER (WHERE bucket = 8), count(*) FILTER (WHERE bucket = 9),
           count(*) FILTER (WHERE bucket = 10), count(*) FILTER (WHERE bucket = 11),
           count(*) FILTER (WHERE bucket = 12), count(*) FILTER (WHERE bucket = 13),
           count(*) FILTER (WHERE bucket = 14), count(*) FILTER (WHERE bucket = 15),
           count(*) FILTER (WHERE bucket = 16), count(*) FILTER (WHERE bucket = 17),
           count(*) FILTER (WHERE bucket = 18), count(*) FILTER (WHERE bucket = 19),
           count(*) FILTER (WHERE bucket = 20), count(*) FILTER (WHERE bucket = 21),
           count(*) FILTER (WHERE bucket = 22), count(*) FILTER (WHERE bucket = 23)
    FROM figures GROUP BY org_id, monitor, (at AT TIME ZONE 'UTC')::date
    ORDER BY org_id, monitor, (at AT TIME ZONE 'UTC')::date
    ON CONFLICT (org_id, monitor, day) DO UPDATE SET
        success = rollups_daily.success + EXCLUDED.success,
        degraded = rollups_daily.degraded + EXCLUDED.degraded,
        failure = rollups_daily.failure + EXCLUDED.failure,
        timeout = rollups_daily.timeout + EXCLUDED.timeout,
        unknown = rollups_daily.unknown + EXCLUDED.unknown,
        maintenance = rollups_daily.maintenance + EXCLUDED.maintenance,
        slots = rollups_daily.slots + EXCLUDED.slots,
        timed = rollups_daily.timed + EXCLUDED.timed,
        sum_ms = rollups_daily.sum_ms + EXCLUDED.sum_ms, h00 = rollups_daily.h00 + EXCLUDED.h00,
        h01 = rollups_daily.h01 + EXCLUDED.h01, h02 = rollups_daily.h02 + EXCLUDED.h02,
        h03 = rollups_daily.h03 + EXCLUDED.h03, h04 = rollups_daily.h04 + EXCLUDED.h04,
        h05 = rollups_daily.h05 + EXCLUDED.h05, h06 = rollups_daily.h06 + EXCLUDED.h06,
        h07 = rollups_daily.h07 + EXCLUDED.h07, h08 = rollups_daily.h08 + EXCLUDED.h08,
        h09 = rollups_daily.h09 + EXCLUDED.h09, h10 = rollups_daily.h10 + EXCLUDED.h10,
        h11 = rollups_daily.h11 + EXCLUDED.h11, h12 = rollups_daily.h12 + EXCLUDED.h12,
        h13 = rollups_daily.h13 + EXCLUDED.h13, h14 = rollups_daily.h14 + EXCLUDED.h14,
        h15 = rollups_daily.h15 + EXCLUDED.h15, h16 = rollups_daily.h16 + EXCLUDED.h16,
        h17 = rollups_daily.h17 + EXCLUDED.h17, h18 = rollups_daily.h18 + EXCLUDED.h18,
        h19 = rollups_daily.h19 + EXCLUDED.h19, h20 = rollups_daily.h20 + EXCLUDED.h20,
        h21 = rollups_daily.h21 + EXCLUDED.h21, h22 = rollups_daily.h22 + EXCLUDED.h22,
        h23 = rollups_daily.h23 + EXCLUDED.h23,
        min_ms = least(rollups_daily.min_ms, EXCLUDED.min_ms),
        max_ms = greatest(rollups_daily.max_ms, EXCLUDED.max_ms)
)
SELECT monitor, region, checked_at FROM inserted

-- name: record_state
-- A good look is the last look and the last good one: it comes once, the other is NULL then.
INSERT INTO monitor_state (monitor, region, org_id, state, state_since, consecutive_failures,
    consecutive_successes, first_failure_at, last_good_at, last_checked_at, last_slot_at,
    last_status, last_error_kind, last_reason, last_duration_ms, certificate_not_after, flips,
    recent, recent_until, last_look, last_good, extra)
SELECT monitor, region, org_id, state, state_since, failures, successes, first_failure_at,
       last_good_at, last_checked_at, last_slot_at, last_status, last_error_kind, last_reason,
       last_duration_ms, certificate_not_after, flips::timestamptz[], recent, recent_until,
       look, coalesce(last_good::jsonb, look), extra::jsonb
FROM (SELECT *, last_look::jsonb AS look FROM unnest($1::int[], $2::smallint[], $3::int[], $4::text[], $5::timestamptz[], $6::int[],
    $7::int[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[],
    $12::text[], $13::text[], $14::text[], $15::real[], $16::timestamptz[], $17::text[],
    $18::bytea[], $19::timestamptz[], $20::text[], $21::text[], $22::text[])
    AS g (monitor, region, org_id, state, state_since, failures, successes, first_failure_at,
          last_good_at, last_checked_at, last_slot_at, last_status, last_error_kind, last_reason,
          last_duration_ms, certificate_not_after, flips, recent, recent_until, last_look,
          last_good, extra) OFFSET 0) one
ORDER BY monitor, region
ON CONFLICT (monitor, region) DO UPDATE SET
    state = EXCLUDED.state, state_since = EXCLUDED.state_since,
    consecutive_failures = EXCLUDED.consecutive_failures,
    consecutive_successes = EXCLUDED.consecutive_successes,
    first_failure_at = EXCLUDED.first_failure_at, last_good_at = EXCLUDED.last_good_at,
    last_checked_at = EXCLUDED.last_checked_at,
    last_slot_at = greatest(monitor_state.last_slot_at, EXCLUDED.last_slot_at),
    last_status = EXCLUDED.last_status, last_error_kind = EXCLUDED.last_error_kind,
    last_reason = EXCLUDED.last_reason, last_duration_ms = EXCLUDED.last_duration_ms,
    certificate_not_after = EXCLUDED.certificate_not_after, flips = EXCLUDED.flips,
    recent = EXCLUDED.recent, recent_until = EXCLUDED.recent_until,
    last_look = EXCLUDED.last_look, last_good = EXCLUDED.last_good, extra = EXCLUDED.extra

-- name: record_slots
-- What was only seen decides nothing, but a slot in which somebody looked is not counted again.
INSERT INTO monitor_state AS s (monitor, region, org_id, state_since, last_slot_at)
SELECT monitor, region, org_id, max(slot_at), max(slot_at)
FROM unnest($1::int[], $2::smallint[], $3::int[], $4::timestamptz[])
    AS g (monitor, region, org_id, slot_at)
GROUP BY monitor, region, org_id ORDER BY monitor, region
ON CONFLICT (monitor, region) DO UPDATE SET
    last_slot_at = greatest(s.last_slot_at, EXCLUDED.last_slot_at)

-- name: record_transitions
-- Of a monitor that is looked at from one place, what that says is what it is: no region.
INSERT INTO monitor_state_changes (org_id, monitor, region, from_state, to_state, error_kind, reason,
    effective_at)
SELECT * FROM unnest($1::int[], $2::int[], $3::smallint[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::timestamptz[])

-- name: record_status
-- Only of monitors that were not paused meanwhile.
INSERT INTO monitor_status (monitor, org_id, state, since, error_kind, reason)
SELECT g.monitor, g.org_id, g.state, g.since, g.error_kind, g.reason
FROM unnest($1::int[], $2::int[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
    AS g (monitor, org_id, state, since, error_kind, reason)
JOIN monitors m ON m.key = g.monitor AND m.deleted_at IS NULL AND m.is_active
    AND (m.paused_until IS NULL OR m.paused_until <= clock_timestamp())
ORDER BY g.monitor
ON CONFLICT (monitor) DO UPDATE SET state = EXCLUDED.state, since = EXCLUDED.since,
    error_kind = EXCLUDED.error_kind, reason = EXCLUDED.reason, updated_at = clock_timestamp()

-- name: record_evidence
INSERT INTO evidence (org_id, monitor, region, checked_at, is_good, data, body)
SELECT org_id, monitor, region, checked_at, is_good, data::jsonb, body
FROM unnest($1::int[], $2::int[], $3::smallint[], $4::timestamptz[], $5::boolean[], $6::text[],
    $7::text[]) AS g (org_id, monitor, region, checked_at, is_good, data, body)
ON CONFLICT DO NOTHING

-- name: record_observed
INSERT INTO observed (org_id, observed_at, last_check_at)
SELECT org_id, clock_timestamp(), last_check_at
FROM unnest($1::int[], $2::timestamptz[]) AS g (org_id, last_check_at)
ORDER BY org_id
ON CONFLICT (org_id) DO UPDATE SET observed_at = EXCLUDED.observed_at,
    last_check_at = greatest(observed.last_check_at, EXCLUDED.last_check_at)
