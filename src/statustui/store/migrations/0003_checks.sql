-- What was seen: raw checks by month, their hourly and daily sums, and the evidence of failures.
--
-- The latency histogram has 24 buckets with upper bounds at equal ratios: bound i is
-- 30000 ^ (i / 22) milliseconds, from 1 ms (i = 0) to 30,000 ms (i = 22); the last is open. A value
-- belongs to the first bucket whose bound is not below it.

CREATE TABLE checks (
    monitor int NOT NULL,
    region smallint NOT NULL,
    checked_at timestamptz NOT NULL,
    org_id int NOT NULL,
    slot_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'degraded', 'failure', 'timeout', 'unknown')),
    error_kind text CHECK (error_kind IN ('dns', 'connect', 'refused', 'timeout', 'tls', 'protocol',
        'http_status', 'assertion', 'loss', 'command', 'observer')),
    is_retry boolean NOT NULL DEFAULT false,
    in_maintenance boolean NOT NULL DEFAULT false,
    status_code smallint,
    duration_ms real NOT NULL CHECK (duration_ms >= 0),
    resolve_ms real,
    connect_ms real,
    tls_ms real,
    first_byte_ms real,
    transfer_ms real,
    reason text CHECK (char_length(reason) <= 500),
    address text CHECK (char_length(address) <= 300),
    PRIMARY KEY (monitor, region, checked_at)
) PARTITION BY RANGE (checked_at);
COMMENT ON COLUMN checks.checked_at IS 'the actual start; made increasing per monitor and region by the engine';

-- Owner-only: the months that exist. Its key also makes two makers of one month wait for each other.
CREATE TABLE check_partitions (
    month date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    table_name text NOT NULL UNIQUE
);

-- Makes the partitions for every month that touches the given time, returns how many were new.
-- LIKE and ATTACH, because PARTITION OF waits behind writers. No grant on a partition: the policies
-- of its parent would not apply there.
CREATE FUNCTION ensure_check_partitions(
    p_from timestamptz DEFAULT now(), p_to timestamptz DEFAULT now() + interval '2 months')
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
    v_month date;
    v_name text;
    v_made int := 0;
BEGIN
    IF p_from < now() - interval '10 years' OR p_to > now() + interval '2 years' THEN
        RAISE EXCEPTION 'partitions are made from ten years back to two years ahead'
            USING ERRCODE = 'SU001';
    END IF;
    FOR v_month IN
        SELECT generate_series(date_trunc('month', p_from), p_to, interval '1 month')::date
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM check_partitions WHERE month = v_month);
        v_name := 'checks_' || to_char(v_month, 'YYYY_MM');
        INSERT INTO check_partitions (month, table_name) VALUES (v_month, v_name)
        ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        EXECUTE format('CREATE TABLE statustui.%I (LIKE statustui.checks INCLUDING ALL)', v_name);
        EXECUTE format('ALTER TABLE statustui.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', v_name);
        EXECUTE format('ALTER TABLE statustui.checks ATTACH PARTITION statustui.%I FOR VALUES FROM (%L) TO (%L)',
            v_name, v_month::timestamptz, (v_month + interval '1 month')::timestamptz);
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
END $$;
SELECT ensure_check_partitions(now() - interval '7 days', now() + interval '2 months');

-- Drops one whole month; waits for writers at most 2 s and then says so, to be tried again.
CREATE FUNCTION drop_check_partition(p_month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s'
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

DO $$
DECLARE
    v_buckets text := (SELECT string_agg(format('h%s int NOT NULL DEFAULT 0', to_char(i, 'FM00')), ', ')
                       FROM generate_series(0, 23) i);
    v_counts text := 'success int NOT NULL DEFAULT 0, degraded int NOT NULL DEFAULT 0,
        failure int NOT NULL DEFAULT 0, timeout int NOT NULL DEFAULT 0,
        unknown int NOT NULL DEFAULT 0, maintenance int NOT NULL DEFAULT 0,
        slots int NOT NULL DEFAULT 0, timed int NOT NULL DEFAULT 0,
        sum_ms double precision NOT NULL DEFAULT 0, min_ms real, max_ms real';
BEGIN
    EXECUTE format('CREATE TABLE rollups_hourly (org_id int NOT NULL, monitor int NOT NULL,
        hour timestamptz NOT NULL CHECK (extract(minute FROM hour) = 0 AND extract(second FROM hour) = 0),
        %s, %s, PRIMARY KEY (monitor, hour)) WITH (fillfactor = 60)', v_counts, v_buckets);
    EXECUTE format('CREATE TABLE rollups_daily (org_id int NOT NULL, monitor int NOT NULL,
        day date NOT NULL, %s, %s, PRIMARY KEY (org_id, monitor, day)
        INCLUDE (success, degraded, failure, timeout, unknown, maintenance, slots, timed, sum_ms))
        WITH (fillfactor = 60)', v_counts, v_buckets);
END $$;
COMMENT ON TABLE rollups_hourly IS
    'per monitor and hour in UTC, fed only by checks that were really inserted';
COMMENT ON COLUMN rollups_daily.success IS
    'the five counts leave out checks flagged as inside maintenance; those are counted in maintenance';
COMMENT ON COLUMN rollups_daily.slots IS
    'scheduled slots (monitor, region, slot_at) in which at least one check looked, inside maintenance or not';
COMMENT ON COLUMN rollups_daily.timed IS
    'checks with success or degraded outside maintenance: those whose latency is in sum_ms, min_ms, max_ms and h00 to h23';

CREATE TABLE evidence (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    monitor int NOT NULL,
    region smallint NOT NULL REFERENCES regions,
    checked_at timestamptz NOT NULL,
    is_good boolean NOT NULL DEFAULT false,
    data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
    body text CHECK (octet_length(body) <= 16384),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (monitor, region, checked_at),
    FOREIGN KEY (monitor, org_id) REFERENCES monitors (key, org_id) ON DELETE CASCADE
);
COMMENT ON TABLE evidence IS
    'what a look saw in detail: the first failure of an outage, and the last good look before it';
COMMENT ON COLUMN evidence.data IS
    'phases, address, certificate, headers (masked), answers, redirects, repeat_command, changed';

-- When the last batch of an organization was written; a change of it announces new checks.
CREATE TABLE observed (
    org_id int PRIMARY KEY REFERENCES organizations,
    observed_at timestamptz NOT NULL,
    last_check_at timestamptz
) WITH (fillfactor = 50);
