-- What is watched and how: services, what they depend on, and the monitors that look at them.
--
-- What the engine writes stands in tables of its own, because an operator may hold a row lock on
-- anything that an operator may update.

CREATE TABLE services (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL REFERENCES organizations,
    name text NOT NULL CHECK (is_line(name, 255)),
    description text CHECK (is_prose(description, 5000)),
    group_name text CHECK (is_line(group_name, 255)),
    display_order int NOT NULL DEFAULT 0,
    is_visible boolean NOT NULL DEFAULT true,
    pinned_status text CHECK (pinned_status IN ('operational', 'degraded_performance',
        'partial_outage', 'major_outage', 'under_maintenance')),
    automatic_incidents text
        CHECK (automatic_incidents IN ('public', 'guarded', 'internal', 'off')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    UNIQUE (id, org_id)
);
COMMENT ON COLUMN services.automatic_incidents IS 'NULL: as the organization says';
CREATE UNIQUE INDEX services_name ON services (org_id, name) WHERE deleted_at IS NULL;
CREATE TRIGGER touch BEFORE UPDATE ON services FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE page_services (
    org_id int NOT NULL,
    page_id uuid NOT NULL,
    service_id uuid NOT NULL,
    display_order int NOT NULL DEFAULT 0,
    group_name text CHECK (is_line(group_name, 255)),
    PRIMARY KEY (page_id, service_id),
    FOREIGN KEY (page_id, org_id) REFERENCES pages (id, org_id) ON DELETE CASCADE,
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
CREATE INDEX page_services_service ON page_services (service_id);

CREATE TABLE service_dependencies (
    org_id int NOT NULL,
    service_id uuid NOT NULL,
    depends_on_id uuid NOT NULL,
    PRIMARY KEY (service_id, depends_on_id),
    CONSTRAINT depends_on_itself CHECK (service_id <> depends_on_id),
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE,
    FOREIGN KEY (depends_on_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
CREATE INDEX service_dependencies_depends_on ON service_dependencies (depends_on_id);

CREATE FUNCTION check_dependencies() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_name text;
BEGIN
    UPDATE organizations SET epoch = epoch + 1 WHERE org_id IN (SELECT org_id FROM changed);
    WITH RECURSIVE reached (start_id, id) AS (
        SELECT c.service_id, c.depends_on_id FROM changed c
        UNION
        SELECT r.start_id, d.depends_on_id
        FROM reached r JOIN service_dependencies d ON d.service_id = r.id
    )
    SELECT s.name INTO v_name
    FROM reached r JOIN services s ON s.id = r.start_id
    WHERE r.start_id = r.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% would depend on itself', v_name
            USING ERRCODE = 'SU001', HINT = 'Remove one of the dependencies in the circle.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_insert AFTER INSERT ON service_dependencies REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_dependencies();
CREATE TRIGGER check_update AFTER UPDATE ON service_dependencies REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_dependencies();

-- The settled statuses: what the house sees, and what the public is told. Written by
-- recompute_service_status alone.
CREATE TABLE service_state (
    service_id uuid PRIMARY KEY,
    org_id int NOT NULL,
    current_status text NOT NULL DEFAULT 'operational' CHECK (current_status IN ('operational',
        'degraded_performance', 'partial_outage', 'major_outage', 'under_maintenance')),
    status_since timestamptz NOT NULL DEFAULT now(),
    public_status text NOT NULL DEFAULT 'operational' CHECK (public_status IN ('operational',
        'degraded_performance', 'partial_outage', 'major_outage', 'under_maintenance')),
    public_since timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX service_state_org ON service_state (org_id);

-- What a service's monitors say together; written by the engine when it changes.
CREATE TABLE service_monitor_status (
    service_id uuid PRIMARY KEY,
    org_id int NOT NULL,
    status text NOT NULL CHECK (status IN ('operational', 'degraded_performance',
        'partial_outage', 'major_outage')),
    since timestamptz NOT NULL,
    monitor_id uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
COMMENT ON COLUMN service_monitor_status.since IS 'the first look that said so, not the one that confirmed it';
COMMENT ON COLUMN service_monitor_status.monitor_id IS 'the monitor whose verdict changed it';

CREATE TABLE service_status_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id int NOT NULL,
    service_id uuid NOT NULL,
    from_status text NOT NULL CHECK (severity(from_status) IS NOT NULL),
    to_status text NOT NULL CHECK (severity(to_status) IS NOT NULL),
    public_from text NOT NULL CHECK (severity(public_from) IS NOT NULL),
    public_to text NOT NULL CHECK (severity(public_to) IS NOT NULL),
    cause text NOT NULL CHECK (cause IN ('monitor', 'incident', 'maintenance', 'manual')),
    cause_id uuid,
    effective_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (from_status <> to_status OR public_from <> public_to),
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
COMMENT ON COLUMN service_status_changes.effective_at IS 'when the outage began or ended; bars use it';
COMMENT ON COLUMN service_status_changes.recorded_at IS 'when we knew; a view of the past uses it';
CREATE INDEX service_status_changes_effective ON service_status_changes (service_id, effective_at);
CREATE INDEX service_status_changes_recorded ON service_status_changes (org_id, recorded_at);

CREATE TABLE regions (
    key smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO regions (name) VALUES ('local');

CREATE TABLE monitors (
    key int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    service_id uuid NOT NULL,
    name text NOT NULL CHECK (is_line(name, 255)),
    type text NOT NULL CHECK (type IN ('http', 'tcp', 'dns', 'ping', 'tls', 'postgres',
        'heartbeat', 'command')),
    config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    interval_seconds int NOT NULL DEFAULT 60 CHECK (interval_seconds BETWEEN 5 AND 86400),
    timeout_ms int NOT NULL CHECK (timeout_ms BETWEEN 1000 AND 30000),
    failure_threshold smallint NOT NULL DEFAULT 3 CHECK (failure_threshold BETWEEN 1 AND 10),
    recovery_threshold smallint NOT NULL DEFAULT 1 CHECK (recovery_threshold BETWEEN 1 AND 10),
    retry_interval_seconds int NOT NULL CHECK (retry_interval_seconds BETWEEN 1 AND 86400),
    degraded_after_ms int CHECK (degraded_after_ms BETWEEN 1 AND 30000),
    conditions text[] NOT NULL DEFAULT '{}' CHECK (array_position(conditions, NULL) IS NULL),
    degraded_conditions text[] NOT NULL DEFAULT '{}'
        CHECK (array_position(degraded_conditions, NULL) IS NULL),
    regions text[] NOT NULL DEFAULT '{local}'
        CHECK (cardinality(regions) > 0 AND array_position(regions, NULL) IS NULL),
    region_quorum smallint CHECK (region_quorum > 0),
    is_active boolean NOT NULL DEFAULT true,
    paused_until timestamptz,
    paused_by text,
    runbook text CHECK (is_prose(runbook, 100000)),
    tags text[] NOT NULL DEFAULT '{}' CHECK (array_position(tags, NULL) IS NULL),
    run_requested_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    UNIQUE (id, org_id),
    UNIQUE (key, org_id),
    CONSTRAINT timeout_below_interval CHECK (timeout_ms < interval_seconds * 1000),
    CONSTRAINT quorum_within_regions CHECK (region_quorum <= cardinality(regions)),
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
COMMENT ON COLUMN monitors.paused_until IS
    'checks rest until then; is_active = false rests them until somebody resumes';
COMMENT ON COLUMN monitors.run_requested_at IS 'somebody asked to look now; the engine looks once after it';
CREATE UNIQUE INDEX monitors_name ON monitors (service_id, name) WHERE deleted_at IS NULL;
CREATE INDEX monitors_org ON monitors (org_id);
CREATE TRIGGER touch BEFORE UPDATE ON monitors FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- Timeout: the smaller of 10 s and interval - 1 s. Retry: a third of the interval, 5 to 20 s, and
-- never more than the interval.
CREATE FUNCTION monitor_defaults() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    NEW.timeout_ms := coalesce(NEW.timeout_ms, least(10000, (NEW.interval_seconds - 1) * 1000));
    NEW.retry_interval_seconds := coalesce(NEW.retry_interval_seconds,
        least(NEW.interval_seconds, greatest(5, least(20, NEW.interval_seconds / 3))));
    RETURN NEW;
END $$;
CREATE TRIGGER defaults BEFORE INSERT OR UPDATE ON monitors
    FOR EACH ROW EXECUTE FUNCTION monitor_defaults();

CREATE FUNCTION check_monitors() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_bad record;
BEGIN
    UPDATE organizations SET epoch = epoch + 1 WHERE org_id IN (SELECT org_id FROM changed);
    SELECT o.plan, p.max_monitors INTO v_bad
    FROM organizations o JOIN plans p ON p.name = o.plan
    WHERE o.org_id IN (SELECT org_id FROM changed WHERE deleted_at IS NULL)
      AND p.max_monitors < (SELECT count(*) FROM monitors m
                            WHERE m.org_id = o.org_id AND m.deleted_at IS NULL)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'plan % allows % monitors', v_bad.plan, v_bad.max_monitors
            USING ERRCODE = 'SU006', HINT = 'Remove a monitor or change the plan.';
    END IF;
    SELECT c.name, o.plan, p.min_interval_seconds INTO v_bad
    FROM changed c JOIN organizations o ON o.org_id = c.org_id JOIN plans p ON p.name = o.plan
    WHERE c.deleted_at IS NULL AND c.interval_seconds < p.min_interval_seconds
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'monitor %: plan % allows no interval below % s',
            v_bad.name, v_bad.plan, v_bad.min_interval_seconds
            USING ERRCODE = 'SU006', HINT = 'Lengthen the interval or change the plan.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_insert AFTER INSERT ON monitors REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_monitors();
CREATE TRIGGER check_update AFTER UPDATE ON monitors REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_monitors();

-- When a monitor was to look: closed and reopened at every edit, pause and resume, so that a pause
-- is no hole in the coverage and an engine's stop is one. Slots are the instants t (milliseconds
-- since 1970) with t mod interval = phase and from_at <= t < to_at. The engine takes its phase here.
CREATE TABLE monitor_schedules (
    monitor int NOT NULL,
    region smallint NOT NULL REFERENCES regions,
    org_id int NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz,
    interval_seconds int NOT NULL CHECK (interval_seconds > 0),
    phase_ms int NOT NULL CHECK (phase_ms >= 0 AND phase_ms < interval_seconds * 1000),
    PRIMARY KEY (monitor, region, from_at),
    CHECK (to_at > from_at),
    FOREIGN KEY (monitor, org_id) REFERENCES monitors (key, org_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX monitor_schedules_open ON monitor_schedules (monitor, region)
    WHERE to_at IS NULL;
CREATE INDEX monitor_schedules_org ON monitor_schedules (org_id);

CREATE FUNCTION schedule_phase_ms(monitor uuid, region text, interval_seconds int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (('x' || left(md5(monitor::text || ':' || region), 12))::bit(48)::bigint
              % (interval_seconds * 1000))::int $$;

CREATE FUNCTION keep_schedules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_at timestamptz := clock_timestamp();
BEGIN
    DELETE FROM monitor_schedules WHERE monitor = NEW.key AND from_at >= v_at;
    UPDATE monitor_schedules SET to_at = v_at
    WHERE monitor = NEW.key AND (to_at IS NULL OR to_at > v_at);
    IF NEW.is_active AND NEW.deleted_at IS NULL THEN
        INSERT INTO regions (name)
        SELECT r FROM unnest(NEW.regions) r WHERE r NOT IN (SELECT name FROM regions)
        ON CONFLICT DO NOTHING;
        INSERT INTO monitor_schedules (monitor, region, org_id, from_at, interval_seconds, phase_ms)
        SELECT DISTINCT NEW.key, r.key, NEW.org_id, greatest(v_at, NEW.paused_until),
               NEW.interval_seconds, schedule_phase_ms(NEW.id, r.name, NEW.interval_seconds)
        FROM regions r WHERE r.name = ANY (NEW.regions);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER schedules_insert AFTER INSERT ON monitors
    FOR EACH ROW EXECUTE FUNCTION keep_schedules();
CREATE TRIGGER schedules_update AFTER UPDATE ON monitors
    FOR EACH ROW WHEN (
        (OLD.interval_seconds, OLD.regions, OLD.is_active, OLD.paused_until, OLD.deleted_at)
        IS DISTINCT FROM
        (NEW.interval_seconds, NEW.regions, NEW.is_active, NEW.paused_until, NEW.deleted_at))
    EXECUTE FUNCTION keep_schedules();

-- Asks the engine to look now: no edit, so every member may.
CREATE FUNCTION request_run(p_monitor uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_org int := (SELECT org_id FROM monitors WHERE id = p_monitor AND deleted_at IS NULL);
BEGIN
    IF v_org IS NULL OR NOT v_org = ANY (my_orgs('viewer')) THEN
        RAISE EXCEPTION 'no such monitor' USING ERRCODE = 'SU002';
    END IF;
    PERFORM require_role(v_org, 'member');
    UPDATE monitors SET run_requested_at = clock_timestamp() WHERE id = p_monitor;
    RETURN clock_timestamp();
END $$;

-- How many slots were scheduled, per monitor and bucket of p_bucket from p_from on.
CREATE FUNCTION scheduled_slots(p_org int, p_from timestamptz, p_to timestamptz, p_bucket interval)
RETURNS TABLE (monitor int, at timestamptz, slots bigint)
LANGUAGE sql STABLE SET search_path = statustui, pg_temp
AS $$
    SELECT s.monitor, b.at, sum(floor((extract(epoch FROM e.ends) * 1000 - s.phase_ms - 1)
                                      / (s.interval_seconds * 1000))
                              - floor((extract(epoch FROM e.starts) * 1000 - s.phase_ms - 1)
                                      / (s.interval_seconds * 1000)))::bigint
    FROM monitor_schedules s
    CROSS JOIN LATERAL generate_series(p_from, p_to - interval '1 microsecond', p_bucket) AS b (at)
    CROSS JOIN LATERAL (SELECT greatest(s.from_at, b.at) AS starts,
                               least(coalesce(s.to_at, p_to), b.at + p_bucket, p_to) AS ends) AS e
    WHERE s.org_id = p_org AND s.from_at < p_to AND coalesce(s.to_at, p_to) > p_from
      AND e.ends > e.starts
    GROUP BY s.monitor, b.at
$$;

-- One row per monitor and region, written by the engine with every batch: no index but its key and
-- room on each page, so that every update stays on its page.
CREATE TABLE monitor_state (
    monitor int NOT NULL,
    region smallint NOT NULL,
    org_id int NOT NULL,
    state text NOT NULL DEFAULT 'unknown'
        CHECK (state IN ('down', 'flapping', 'degraded', 'unknown', 'up')),
    state_since timestamptz NOT NULL,
    consecutive_failures int NOT NULL DEFAULT 0,
    consecutive_successes int NOT NULL DEFAULT 0,
    first_failure_at timestamptz,
    last_good_at timestamptz,
    last_checked_at timestamptz,
    last_slot_at timestamptz,
    last_status text CHECK (last_status IN ('success', 'degraded', 'failure', 'timeout', 'unknown')),
    last_error_kind text,
    last_reason text,
    last_duration_ms real,
    certificate_not_after timestamptz,
    flips timestamptz[] NOT NULL DEFAULT '{}',
    recent bytea NOT NULL DEFAULT '' CHECK (octet_length(recent) <= 60),
    recent_until timestamptz,
    last_look jsonb NOT NULL DEFAULT '{}',
    last_good jsonb NOT NULL DEFAULT '{}',
    extra jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (monitor, region)
) WITH (fillfactor = 60);
COMMENT ON COLUMN monitor_state.last_slot_at IS 'the newest slot in which somebody looked: a slot counts once';
COMMENT ON COLUMN monitor_state.recent IS 'one byte for each of the last 60 minutes, oldest first';
COMMENT ON COLUMN monitor_state.recent_until IS 'the minute after the last byte of recent';
COMMENT ON COLUMN monitor_state.last_look IS
    'phases, address, status_code, certificate, answers, repeat_command of the last look';
COMMENT ON COLUMN monitor_state.last_good IS 'the same of the last look that succeeded';
COMMENT ON COLUMN monitor_state.flips IS 'when the state changed lately, for flapping';

-- What the regions say together; written by the engine when it changes.
CREATE TABLE monitor_status (
    monitor int PRIMARY KEY,
    org_id int NOT NULL,
    state text NOT NULL CHECK (state IN ('down', 'flapping', 'degraded', 'unknown', 'up', 'paused')),
    since timestamptz NOT NULL,
    error_kind text,
    reason text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (monitor, org_id) REFERENCES monitors (key, org_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX monitor_status_org ON monitor_status (org_id);

CREATE TABLE monitor_state_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id int NOT NULL,
    monitor int NOT NULL,
    region smallint REFERENCES regions,
    from_state text NOT NULL
        CHECK (from_state IN ('down', 'flapping', 'degraded', 'unknown', 'up', 'paused')),
    to_state text NOT NULL
        CHECK (to_state IN ('down', 'flapping', 'degraded', 'unknown', 'up', 'paused')),
    error_kind text,
    reason text,
    effective_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (from_state <> to_state),
    FOREIGN KEY (monitor, org_id) REFERENCES monitors (key, org_id) ON DELETE CASCADE
);
COMMENT ON COLUMN monitor_state_changes.region IS 'NULL: the regions together';
CREATE INDEX monitor_state_changes_monitor ON monitor_state_changes (monitor, effective_at);
CREATE INDEX monitor_state_changes_recorded ON monitor_state_changes (org_id, recorded_at);

-- Every service has its state row from the start.
CREATE FUNCTION service_state_begin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    INSERT INTO service_state (service_id, org_id, status_since, public_since)
    VALUES (NEW.id, NEW.org_id, NEW.created_at, NEW.created_at);
    RETURN NULL;
END $$;
CREATE TRIGGER state_begin AFTER INSERT ON services
    FOR EACH ROW EXECUTE FUNCTION service_state_begin();

-- Whoever deletes a service deletes its monitors, and brings those back with it.
CREATE FUNCTION service_deletion() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS NULL THEN
        UPDATE monitors SET deleted_at = NULL
        WHERE service_id = NEW.id AND deleted_at = OLD.deleted_at;
    ELSE
        UPDATE monitors SET deleted_at = NEW.deleted_at
        WHERE service_id = NEW.id AND deleted_at IS NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER deletion AFTER UPDATE ON services FOR EACH ROW
    WHEN (OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) EXECUTE FUNCTION service_deletion();

-- Changes the plan. Lowering it pauses nothing silently: it is refused with the list of what is over.
CREATE FUNCTION organization_set_plan(p_org int, p_plan text) RETURNS organizations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_plan plans;
    v_org organizations;
    v_over text[] := '{}';
    v_monitors bigint;
    v_members bigint;
    v_short text;
BEGIN
    PERFORM require_role(p_org, 'owner');
    SELECT * INTO v_plan FROM plans WHERE name = p_plan;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no plan is called %', p_plan USING ERRCODE = 'SU002';
    END IF;
    UPDATE organizations SET epoch = epoch + 1 WHERE org_id = p_org;
    SELECT count(*) INTO v_monitors FROM monitors WHERE org_id = p_org AND deleted_at IS NULL;
    IF v_monitors > v_plan.max_monitors THEN
        v_over := v_over || format('%s monitors, %s allowed', v_monitors, v_plan.max_monitors);
    END IF;
    SELECT count(*) INTO v_members FROM members WHERE org_id = p_org;
    IF v_members > v_plan.max_members THEN
        v_over := v_over || format('%s members, %s allowed', v_members, v_plan.max_members);
    END IF;
    SELECT string_agg(s.name || '/' || m.name, ', ' ORDER BY s.name, m.name) INTO v_short
    FROM monitors m JOIN services s ON s.id = m.service_id
    WHERE m.org_id = p_org AND m.deleted_at IS NULL
      AND m.interval_seconds < v_plan.min_interval_seconds;
    IF v_short IS NOT NULL THEN
        v_over := v_over || format('interval below %s s: %s', v_plan.min_interval_seconds, v_short);
    END IF;
    IF v_over <> '{}' THEN
        RAISE EXCEPTION 'too much for plan %: %', p_plan, array_to_string(v_over, '; ')
            USING ERRCODE = 'SU006', HINT = 'Remove or change what is over, then lower the plan.';
    END IF;
    UPDATE organizations SET plan = p_plan WHERE org_id = p_org RETURNING * INTO v_org;
    RETURN v_org;
END $$;
