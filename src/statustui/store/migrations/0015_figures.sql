-- Figures can be made again from raw checks, are shown as far back as a plan says, and what has
-- become too old goes by itself.

-- The bucket of a latency, 0 to 23: how many of the upper bounds (0003) are below it. A copy of the
-- domain's bounds; a test compares them.
CREATE FUNCTION latency_bucket(p_ms double precision) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog
AS $$
    SELECT 23 - width_bucket(-p_ms, ARRAY[-30000.0, -18776.54762526115, -11751.958024123327,
        -7355.373317667387, -4603.617246691894, -2881.3346160327956, -1803.3838880751116,
        -1128.7107820356973, -706.4430584679677, -442.1520577286315, -276.73630565162864,
        -173.20508075688772, -108.4064482589635, -67.8499612873279, -42.466267649454565,
        -26.578996566235674, -16.635393161919215, -10.411841732323992, -6.5166147384554325,
        -4.078650899736237, -2.552766095523723, -1.5977378056251041, -1.0]::float8[])
$$;

-- How many slots were scheduled, per monitor and bucket of p_bucket from p_from on: the instants t
-- with t mod interval = phase, from_at <= t < to_at. In whole microseconds, because an edit seldom
-- falls on a whole millisecond; each moment is turned into a number once, not once for each pair.
CREATE OR REPLACE FUNCTION scheduled_slots(
    p_org int, p_from timestamptz, p_to timestamptz, p_bucket interval)
RETURNS TABLE (monitor int, at timestamptz, slots bigint)
LANGUAGE sql STABLE SET search_path = statustui, pg_temp
AS $$
    WITH pieces AS MATERIALIZED (
        SELECT s.monitor, s.phase_ms * 1000::bigint + 1 AS phase,
               s.interval_seconds * 1000000::bigint AS step,
               round(date_part('epoch', s.from_at) * 1e6)::bigint AS begins,
               round(date_part('epoch', coalesce(s.to_at, p_to)) * 1e6)::bigint AS ends
        FROM monitor_schedules s
        WHERE s.org_id = p_org AND s.from_at < p_to AND coalesce(s.to_at, p_to) > p_from
    ), buckets AS MATERIALIZED (
        SELECT b.at, round(date_part('epoch', b.at) * 1e6)::bigint AS begins,
               round(date_part('epoch', least(b.at + p_bucket, p_to)) * 1e6)::bigint AS ends
        FROM generate_series(p_from, p_to - interval '1 microsecond', p_bucket) AS b (at)
    )
    SELECT p.monitor, b.at, sum((least(p.ends, b.ends) - p.phase) / p.step
                              - (greatest(p.begins, b.begins) - p.phase) / p.step)::bigint
    FROM pieces p JOIN buckets b ON p.begins < b.ends AND p.ends > b.begins
    GROUP BY p.monitor, b.at
$$;

-- -- how far back is shown -----------------------------------------------------------------------

-- From which day on, in UTC, an organization's readers see figures and raw checks: today and as
-- many days before it as the plan has. Incidents and statuses are no figures and stay.
CREATE FUNCTION shown_since(p_org int) RETURNS date
LANGUAGE sql STABLE SET search_path = statustui, pg_temp
AS $$
    SELECT (now() AT TIME ZONE 'UTC')::date - p.retention_days
    FROM organizations o JOIN plans p ON p.name = o.plan WHERE o.org_id = p_org
$$;

-- The public views of 0009, limited in this way.
DO $$
DECLARE
    v_sums text := (SELECT string_agg(format('sum(r.%1$s)::bigint AS %1$s', n), ', ')
        FROM (SELECT unnest(ARRAY['success', 'degraded', 'failure', 'timeout', 'unknown',
                                  'maintenance', 'slots', 'timed'])
              UNION ALL SELECT 'h' || to_char(i, 'FM00') FROM generate_series(0, 23) i) t (n));
    v_shown text := '(SELECT o.org_id, (now() AT TIME ZONE ''UTC'')::date - p.retention_days AS since
        FROM organizations o JOIN plans p ON p.name = o.plan)';
BEGIN
    EXECUTE format('CREATE OR REPLACE VIEW public_daily WITH (security_barrier) AS
        SELECT c.page_slug, c.service_id, r.day, sum(r.sum_ms) AS sum_ms, min(r.min_ms) AS min_ms,
               max(r.max_ms) AS max_ms, %s
        FROM page_contents c
        JOIN %s shown ON shown.org_id = c.org_id
        JOIN monitors m ON m.service_id = c.service_id
        JOIN rollups_daily r ON r.org_id = c.org_id AND r.monitor = m.key AND r.day >= shown.since
        GROUP BY c.page_slug, c.service_id, r.day', v_sums, v_shown);
    EXECUTE format('CREATE OR REPLACE VIEW public_hourly WITH (security_barrier) AS
        SELECT c.page_slug, c.service_id, r.hour, sum(r.sum_ms) AS sum_ms, min(r.min_ms) AS min_ms,
               max(r.max_ms) AS max_ms, %s
        FROM page_contents c
        JOIN %s shown ON shown.org_id = c.org_id
        JOIN monitors m ON m.service_id = c.service_id
        JOIN rollups_hourly r ON r.monitor = m.key
            AND r.hour >= shown.since::timestamp AT TIME ZONE ''UTC''
        GROUP BY c.page_slug, c.service_id, r.hour', v_sums, v_shown);
END $$;

CREATE OR REPLACE FUNCTION public_slots(
    p_page_slug text, p_from timestamptz, p_to timestamptz, p_bucket interval)
RETURNS TABLE (service_id uuid, at timestamptz, slots bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT m.service_id, s.at, sum(s.slots)::bigint
    FROM pages p
    CROSS JOIN LATERAL scheduled_slots(
        p.org_id, greatest(p_from, shown_since(p.org_id)::timestamp AT TIME ZONE 'UTC'),
        least(p_to, now()), p_bucket) s
    JOIN monitors m ON m.key = s.monitor
    JOIN page_contents c ON c.service_id = m.service_id AND c.page_slug = p_page_slug
    WHERE p.slug = p_page_slug
      AND p_to - p_from <= interval '400 days' AND p_bucket >= interval '1 hour'
    GROUP BY m.service_id, s.at
$$;

-- -- figures from raw checks ---------------------------------------------------------------------

-- Owner-only: the sums of some monitors over hours or days, as they are kept and as their raw checks
-- add up; and what writes the second where the first should be.
DO $$
DECLARE
    v_buckets text[] := (SELECT array_agg('h' || to_char(i, 'FM00') ORDER BY i)
                         FROM generate_series(0, 23) i);
    v_counts text[] := ARRAY['success', 'degraded', 'failure', 'timeout', 'unknown', 'maintenance',
                             'slots', 'timed'] || v_buckets;
    v_names text := array_to_string(v_counts, ', ') || ', sum_ms, min_ms, max_ms';
    v_of_checks text := (SELECT string_agg(format('count(*) FILTER (WHERE bucket = %s) AS %s',
                                                  ordinality - 1, name), ', ')
                         FROM unnest(v_buckets) WITH ORDINALITY AS b (name, ordinality));
    v_set text := (SELECT string_agg(format('%1$s = coalesce(made.%1$s, 0)', name), ', ')
                   FROM unnest(v_counts || ARRAY['sum_ms']) AS c (name))
        || ', min_ms = made.min_ms, max_ms = made.max_ms';
    v_grain record;
BEGIN
    EXECUTE format('CREATE TYPE rollup_sums AS (monitor int, at timestamptz, %s, sum_ms float8, min_ms real, max_ms real)',
        (SELECT string_agg(name || ' int', ', ') FROM unnest(v_counts) AS c (name)));

    EXECUTE format($f$
        CREATE FUNCTION rollups_kept(p_org int, p_monitors int[], p_from timestamptz, p_to timestamptz, p_grain text)
        RETURNS SETOF rollup_sums
        LANGUAGE sql STABLE SET search_path = statustui, pg_temp
        AS $body$
            SELECT monitor, hour, %1$s FROM rollups_hourly
            WHERE p_grain = 'hour' AND org_id = p_org AND monitor = ANY (p_monitors)
              AND hour >= p_from AND hour < p_to
            UNION ALL
            SELECT monitor, day::timestamp AT TIME ZONE 'UTC', %1$s FROM rollups_daily
            WHERE p_grain = 'day' AND org_id = p_org AND monitor = ANY (p_monitors)
              AND day >= (p_from AT TIME ZONE 'UTC')::date AND day < (p_to AT TIME ZONE 'UTC')::date
        $body$ $f$, v_names);

    -- A check counts where it began, a slot where it was due: its look comes a little later.
    EXECUTE format($f$
        CREATE FUNCTION rollups_from_checks(p_org int, p_monitors int[], p_from timestamptz, p_to timestamptz, p_grain text)
        RETURNS SETOF rollup_sums
        LANGUAGE sql STABLE SET search_path = statustui, pg_temp
        AS $body$
            WITH seen AS (
                SELECT monitor, region, checked_at, slot_at, is_retry, in_maintenance, status, duration_ms
                FROM checks
                WHERE org_id = p_org AND monitor = ANY (p_monitors)
                  AND checked_at >= p_from - interval '1 minute' AND checked_at < p_to + interval '1 day'
            ), sums AS (
                SELECT monitor, date_trunc(p_grain, checked_at, 'UTC') AS at,
                       count(*) FILTER (WHERE status = 'success' AND NOT in_maintenance) AS success,
                       count(*) FILTER (WHERE status = 'degraded' AND NOT in_maintenance) AS degraded,
                       count(*) FILTER (WHERE status = 'failure' AND NOT in_maintenance) AS failure,
                       count(*) FILTER (WHERE status = 'timeout' AND NOT in_maintenance) AS timeout,
                       count(*) FILTER (WHERE status = 'unknown' AND NOT in_maintenance) AS unknown,
                       count(*) FILTER (WHERE in_maintenance) AS maintenance, count(took) AS timed,
                       coalesce(sum(took::float8), 0) AS sum_ms, min(took) AS min_ms, max(took) AS max_ms,
                       %2$s
                FROM seen
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN NOT in_maintenance AND status IN ('success', 'degraded')
                                THEN duration_ms END AS took) AS t
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN took IS NOT NULL THEN latency_bucket(took) END AS bucket) AS b
                WHERE checked_at >= p_from AND checked_at < p_to
                GROUP BY 1, 2
            ), looked AS (
                SELECT monitor, date_trunc(p_grain, slot_at, 'UTC') AS at, count(*) AS slots
                FROM (SELECT DISTINCT monitor, region, slot_at FROM seen
                      WHERE NOT is_retry AND status <> 'unknown'
                        AND slot_at >= p_from AND slot_at < p_to) AS each
                GROUP BY 1, 2
            )
            SELECT monitor, at, %1$s FROM (
                SELECT monitor, at, coalesce(sum_ms, 0) AS sum_ms, min_ms, max_ms, %3$s
                FROM sums FULL JOIN looked USING (monitor, at)) AS both_of_them
        $body$ $f$, v_names, v_of_checks,
        (SELECT string_agg(format('coalesce(%1$s, 0)::int AS %1$s', name), ', ') FROM unnest(v_counts) AS c (name)));

    -- Where both say something else. Sums of floating numbers depend on the order of adding.
    EXECUTE format($f$
        CREATE FUNCTION rollups_that_differ(p_org int, p_monitors int[], p_from timestamptz, p_to timestamptz, p_grain text)
        RETURNS TABLE (monitor int, at timestamptz, kept_checks bigint, made_checks bigint,
                       kept_slots int, made_slots int)
        LANGUAGE sql STABLE SET search_path = statustui, pg_temp
        AS $body$
            SELECT monitor, at,
                   coalesce(kept.success::bigint + kept.degraded + kept.failure + kept.timeout
                            + kept.unknown + kept.maintenance, 0),
                   coalesce(made.success::bigint + made.degraded + made.failure + made.timeout
                            + made.unknown + made.maintenance, 0),
                   coalesce(kept.slots, 0), coalesce(made.slots, 0)
            FROM rollups_kept(p_org, p_monitors, p_from, p_to, p_grain) kept
            FULL JOIN rollups_from_checks(p_org, p_monitors, p_from, p_to, p_grain) made
                USING (monitor, at)
            WHERE ARRAY[%s] <> ARRAY[%s]
               OR (kept.min_ms, kept.max_ms) IS DISTINCT FROM (made.min_ms, made.max_ms)
               OR abs(coalesce(kept.sum_ms, 0) - coalesce(made.sum_ms, 0))
                  > 1e-6 * greatest(kept.sum_ms, made.sum_ms)
        $body$ $f$,
        (SELECT string_agg(format('coalesce(kept.%s, 0)', name), ', ') FROM unnest(v_counts) AS c (name)),
        (SELECT string_agg(format('coalesce(made.%s, 0)', name), ', ') FROM unnest(v_counts) AS c (name)));

    -- Rewrites what differs, while engines go on writing. A row is locked before its checks are
    -- read. A batch adds to the row and makes its checks visible in one commit: so either it was
    -- first, and the checks are seen, or it waits, they are not, and it adds to what was written.
    -- Rows are locked in the order in which batches lock them, and only of one table at once.
    FOR v_grain IN VALUES ('hour', 'rollups_hourly', 'monitor, hour', 'k.at', 'r.hour = k.at'),
        ('day', 'rollups_daily', 'org_id, monitor, day', '(k.at AT TIME ZONE ''UTC'')::date',
         'r.day = (k.at AT TIME ZONE ''UTC'')::date')
    LOOP
        EXECUTE format($f$
            CREATE FUNCTION rebuild_%1$ss(p_org int, p_monitors int[], p_from timestamptz, p_to timestamptz)
            RETURNS int
            LANGUAGE plpgsql SET search_path = statustui, pg_temp
            AS $body$
            DECLARE
                v_monitors int[];
                v_ats timestamptz[];
            BEGIN
                SELECT array_agg(monitor ORDER BY monitor, at), array_agg(at ORDER BY monitor, at)
                INTO v_monitors, v_ats
                FROM rollups_that_differ(p_org, p_monitors, p_from, p_to, %1$L);
                IF v_monitors IS NULL THEN
                    RETURN 0;
                END IF;
                INSERT INTO %2$I AS r (org_id, monitor, %1$s)
                SELECT p_org, k.monitor, %4$s FROM unnest(v_monitors, v_ats) AS k (monitor, at)
                ORDER BY 1, 2, 3
                ON CONFLICT (%3$s) DO UPDATE SET success = r.success;
                UPDATE %2$I AS r SET %6$s
                FROM unnest(v_monitors, v_ats) AS k (monitor, at)
                LEFT JOIN rollups_from_checks(p_org, p_monitors, p_from, p_to, %1$L) made
                    ON made.monitor = k.monitor AND made.at = k.at
                WHERE r.org_id = p_org AND r.monitor = k.monitor AND %5$s;
                DELETE FROM %2$I AS r USING unnest(v_monitors, v_ats) AS k (monitor, at)
                WHERE r.org_id = p_org AND r.monitor = k.monitor AND %5$s
                  AND r.success + r.degraded + r.failure + r.timeout + r.unknown + r.maintenance
                      + r.slots = 0;
                RETURN cardinality(v_monitors);
            END $body$ $f$, v_grain.column1, v_grain.column2, v_grain.column3, v_grain.column4,
            v_grain.column5, v_set);
    END LOOP;
END $$;

-- Who may ask for figures to be made again: the engine's role, and owners, because these figures
-- are what reports say.
CREATE FUNCTION require_figures_right(p_org int) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF NOT pg_has_role(session_user, 'statustui_engine', 'MEMBER') THEN
        PERFORM require_role(p_org, 'owner');
    END IF;
END $$;

-- From which day on each monitor's raw checks are all there. The day of its oldest check counts only
-- when nothing is known of the time before that check: else the day is cut, by a month that was
-- dropped or by a past that was written without checks.
CREATE FUNCTION rollup_beginnings(p_org int) RETURNS TABLE (monitor int, first_day date)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM require_figures_right(p_org);
    RETURN QUERY
    WITH oldest AS (
        SELECT m.key, min(least(c.checked_at, c.slot_at)) AS at
        FROM monitors m CROSS JOIN regions r
        CROSS JOIN LATERAL (
            SELECT k.checked_at, k.slot_at FROM checks k
            WHERE k.monitor = m.key AND k.region = r.key ORDER BY k.checked_at LIMIT 1) c
        WHERE m.org_id = p_org GROUP BY m.key)
    SELECT o.key, (o.at AT TIME ZONE 'UTC')::date + CASE WHEN
            EXISTS (SELECT FROM rollups_hourly h
                    WHERE h.monitor = o.key AND h.hour < date_trunc('hour', o.at, 'UTC'))
            OR EXISTS (SELECT FROM rollups_daily d
                       WHERE d.org_id = p_org AND d.monitor = o.key
                         AND d.day < (o.at AT TIME ZONE 'UTC')::date) THEN 1 ELSE 0 END
    FROM oldest o;
END $$;

-- Owner-only: those of the monitors whose checks of that day are all there. The looks of a day's
-- last slots may stand in the day after it.
CREATE FUNCTION rebuildable(p_org int, p_monitors int[], p_day date) RETURNS int[]
LANGUAGE sql STABLE SET search_path = statustui, pg_temp
AS $$
    SELECT coalesce(array_agg(b.monitor), '{}') FROM rollup_beginnings(p_org) b
    WHERE b.monitor = ANY (p_monitors) AND b.first_day <= p_day
      AND (SELECT count(*) FROM check_partitions
           WHERE month IN (date_trunc('month', p_day), date_trunc('month', p_day + 1)))
          = CASE WHEN date_trunc('month', p_day) = date_trunc('month', p_day + 1) THEN 1 ELSE 2 END
$$;

-- Where the kept figures of one day are not those of its raw checks, in hours or as a day.
CREATE FUNCTION rollup_compare(p_org int, p_monitors int[], p_day date, p_grain text)
RETURNS TABLE (monitor int, at timestamptz, kept_checks bigint, made_checks bigint,
               kept_slots int, made_slots int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
    PERFORM require_figures_right(p_org);
    RETURN QUERY SELECT d.* FROM rollups_that_differ(
        p_org, rebuildable(p_org, p_monitors, p_day), p_day::timestamptz,
        (p_day + 1)::timestamptz, p_grain) d;
END $$;

-- Makes them those of its raw checks; returns how many rows were rewritten. Waits for a batch that
-- is being written for 2 s at most, and is then to be asked again.
CREATE FUNCTION rollup_rebuild(p_org int, p_monitors int[], p_day date, p_grain text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s'
AS $$
DECLARE
    v_monitors int[];
    v_rows int;
BEGIN
    PERFORM require_figures_right(p_org);
    v_monitors := rebuildable(p_org, p_monitors, p_day);
    IF p_grain = 'hour' THEN
        v_rows := rebuild_hours(p_org, v_monitors, p_day::timestamptz, (p_day + 1)::timestamptz);
    ELSIF p_grain = 'day' THEN
        v_rows := rebuild_days(p_org, v_monitors, p_day::timestamptz, (p_day + 1)::timestamptz);
    ELSE
        RAISE EXCEPTION 'figures are kept by hour and by day' USING ERRCODE = 'SU001';
    END IF;
    IF v_rows > 0 THEN
        INSERT INTO audit_log (org_id, actor, action, table_name, row_id, after)
        VALUES (p_org, session_user, 'update',
                CASE p_grain WHEN 'hour' THEN 'rollups_hourly' ELSE 'rollups_daily' END,
                p_day, jsonb_build_object('rebuilt', v_rows));
    END IF;
    RETURN v_rows;
END $$;

-- -- what goes -----------------------------------------------------------------------------------

-- From which day on raw checks are kept: as many days as some organization's readers may still see,
-- and at most p_days.
CREATE FUNCTION checks_kept_since(p_days int) RETURNS date
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF p_days < 7 THEN
        RAISE EXCEPTION 'raw checks are kept for 7 days at least' USING ERRCODE = 'SU001';
    END IF;
    RETURN (now() AT TIME ZONE 'UTC')::date
        - greatest(7, (SELECT coalesce(max(least(p.retention_days, p_days)), p_days)
                       FROM organizations o JOIN plans p ON p.name = o.plan));
END $$;

-- The months of raw checks that have become too old, oldest first.
CREATE FUNCTION old_check_months(p_days int) RETURNS SETOF date
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT month FROM check_partitions
    WHERE month + interval '1 month' <= checks_kept_since(p_days) ORDER BY month
$$;

-- What is in them. Rows are counted where the month is small or was never analysed, else estimated.
CREATE FUNCTION prunable_partitions(p_days int) RETURNS TABLE (month date, rows bigint, bytes bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_each record;
BEGIN
    FOR v_each IN
        SELECT p.month, c.reltuples, c.relpages, pg_total_relation_size(c.oid) AS bytes
        FROM check_partitions p
        JOIN pg_class c ON c.relname = p.table_name AND c.relnamespace = 'statustui'::regnamespace
        WHERE p.month IN (SELECT old_check_months(p_days)) ORDER BY p.month
    LOOP
        month := v_each.month;
        bytes := v_each.bytes;
        rows := v_each.reltuples;
        IF v_each.reltuples <= 0 OR v_each.relpages < 10000 THEN
            -- By way of the parent: its policies do not apply to a partition itself.
            rows := (SELECT count(*) FROM checks
                     WHERE checked_at >= v_each.month::timestamptz
                       AND checked_at < (v_each.month + interval '1 month')::timestamptz);
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- Drops one whole month. DROP waits for everybody who uses the table, and everybody else waits
-- behind it: so for half a second at most, to be tried again.
CREATE OR REPLACE FUNCTION drop_check_partition(p_month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET timezone = 'UTC' SET lock_timeout = '500ms'
AS $$
DECLARE
    v_name text;
BEGIN
    IF date_trunc('month', p_month) + interval '1 month' > now() - interval '7 days' THEN
        RAISE EXCEPTION 'checks of the last week are not dropped' USING ERRCODE = 'SU001';
    END IF;
    DELETE FROM check_partitions WHERE month = date_trunc('month', p_month)::date
    RETURNING table_name INTO v_name;
    IF v_name IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE statustui.%I', v_name);
    RETURN true;
END $$;

-- Hourly rollups before this moment are too old. At midnight, so that a day has all its hours or none.
CREATE FUNCTION hours_kept_since(p_days int) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF p_days < 35 THEN
        RAISE EXCEPTION 'hourly figures are kept for 35 days at least' USING ERRCODE = 'SU001';
    END IF;
    RETURN date_trunc('day', now(), 'UTC') - p_days * interval '24 hours';
END $$;

CREATE FUNCTION prunable_hours(p_days int) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT count(*) FROM monitors m
    JOIN rollups_hourly r ON r.monitor = m.key AND r.hour < hours_kept_since(p_days)
$$;

-- Deletes at most so many of them; returns how many.
CREATE FUNCTION prune_hours(p_days int, p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    v_since timestamptz := hours_kept_since(p_days);
    v_gone int;
BEGIN
    DELETE FROM rollups_hourly r USING (
        SELECT m.key, old.hour FROM monitors m
        CROSS JOIN LATERAL (SELECT o.hour FROM rollups_hourly o
                            WHERE o.monitor = m.key AND o.hour < v_since
                            ORDER BY o.hour LIMIT p_limit) AS old
        LIMIT p_limit) AS gone
    WHERE r.monitor = gone.key AND r.hour = gone.hour;
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;

-- Owner-only: evidence as old as dropped checks that belongs to no incident. An incident's is kept:
-- its first failures, its looks until the end, and the last good look of the day before.
CREATE FUNCTION old_evidence(p_days int) RETURNS SETOF uuid
LANGUAGE sql STABLE SET search_path = statustui, pg_temp
AS $$
    SELECT e.id FROM evidence e
    JOIN monitors m ON m.key = e.monitor
    WHERE e.checked_at < checks_kept_since(p_days)::timestamp AT TIME ZONE 'UTC'
      AND NOT EXISTS (
          SELECT FROM incident_services x JOIN incidents i ON i.id = x.incident_id
          WHERE x.service_id = m.service_id
            AND e.checked_at >= i.started_at - interval '1 day'
            AND e.checked_at <= coalesce(i.resolved_at, 'infinity'))
$$;

CREATE FUNCTION prunable_evidence(p_days int) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$ SELECT count(*) FROM old_evidence(p_days) $$;

CREATE FUNCTION prune_evidence(p_days int, p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    v_gone int;
BEGIN
    DELETE FROM evidence WHERE id IN (SELECT o FROM old_evidence(p_days) o LIMIT p_limit);
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;

-- What an organization's own people see of it they may read; what goes concerns everybody on this
-- database, so only the watch's role sees and does it.
GRANT EXECUTE ON FUNCTION shown_since, latency_bucket, rollup_beginnings, rollup_compare,
    rollup_rebuild TO statustui_operator, statustui_engine;
GRANT EXECUTE ON FUNCTION checks_kept_since, hours_kept_since, old_check_months,
    prunable_partitions, prunable_hours, prune_hours, prunable_evidence, prune_evidence TO statustui_engine;
