-- How the processes find each other and what they leave behind: leases, engines, the outbox,
-- drafts, and the audit log.

-- Who does the work that only one may do. On the database's clock; only the engine's role writes.
CREATE TABLE leases (
    name text PRIMARY KEY CHECK (is_line(name, 100)),
    holder uuid NOT NULL,
    epoch bigint NOT NULL CHECK (epoch > 0),
    expires_at timestamptz NOT NULL,
    acquired_at timestamptz NOT NULL,
    info jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
COMMENT ON COLUMN leases.epoch IS
    'raised whenever the holder changes: a writer names it first, FOR SHARE, so that a stale one is refused';

-- Takes a free or expired lease, or renews one's own; returns the epoch, NULL when another has it.
CREATE FUNCTION lease_take(p_name text, p_holder uuid, p_ttl_seconds double precision, p_info jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE sql SET search_path = statustui, pg_temp
AS $$
    INSERT INTO leases AS l (name, holder, epoch, expires_at, acquired_at, info)
    VALUES (p_name, p_holder, 1, clock_timestamp() + make_interval(secs => p_ttl_seconds),
            clock_timestamp(), p_info)
    ON CONFLICT (name) DO UPDATE SET
        epoch = CASE WHEN l.holder = p_holder AND l.expires_at > clock_timestamp()
                     THEN l.epoch ELSE l.epoch + 1 END,
        acquired_at = CASE WHEN l.holder = p_holder AND l.expires_at > clock_timestamp()
                           THEN l.acquired_at ELSE clock_timestamp() END,
        holder = p_holder, expires_at = clock_timestamp() + make_interval(secs => p_ttl_seconds),
        info = p_info
    WHERE l.holder = p_holder OR l.expires_at <= clock_timestamp()
    RETURNING epoch
$$;

-- Ends a lease that this holder has; its row stays with its epoch.
CREATE FUNCTION lease_release(p_name text, p_holder uuid, p_epoch bigint) RETURNS boolean
LANGUAGE sql SET search_path = statustui, pg_temp
AS $$
    WITH released AS (
        UPDATE leases SET expires_at = clock_timestamp()
        WHERE name = p_name AND holder = p_holder AND epoch = p_epoch
        RETURNING 1)
    SELECT EXISTS (SELECT FROM released)
$$;

-- First statement of every writing transaction of a holder: true and locked while the lease is its.
CREATE FUNCTION lease_hold(p_name text, p_holder uuid, p_epoch bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM leases
    WHERE name = p_name AND holder = p_holder AND epoch = p_epoch AND expires_at > clock_timestamp()
    FOR SHARE;
    RETURN FOUND;
END $$;

CREATE TABLE engines (
    id uuid PRIMARY KEY,
    region smallint NOT NULL REFERENCES regions,
    host text NOT NULL CHECK (is_line(host, 255)),
    process_id int NOT NULL,
    version text NOT NULL CHECK (is_line(version, 50)),
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz,
    offline_since timestamptz,
    behind_seconds real NOT NULL DEFAULT 0,
    info jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
COMMENT ON COLUMN engines.offline_since IS 'the engine found that it lost its own network';

-- Where news go. Its config is sealed or refers to the watch host's environment.
CREATE TABLE channels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL REFERENCES organizations,
    name text NOT NULL CHECK (is_line(name, 255)),
    kind text NOT NULL CHECK (kind IN ('email', 'webhook', 'slack', 'pagerduty', 'apprise')),
    config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    events text[] NOT NULL DEFAULT '{}' CHECK (array_position(events, NULL) IS NULL),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, org_id),
    UNIQUE (org_id, name)
);
COMMENT ON COLUMN channels.events IS 'empty: all events';
CREATE TRIGGER touch BEFORE UPDATE ON channels FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- Deliveries: one row per event and target, written in the transaction that caused it.
CREATE TABLE outbox (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    channel_id uuid NOT NULL,
    event text NOT NULL CHECK (event ~ '^[a-z]+(\.[a-z_]+)?$'),
    event_key text NOT NULL CHECK (is_line(event_key, 200)),
    incident_id uuid,
    service_id uuid,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL DEFAULT now(),
    claimed_by uuid,
    claimed_until timestamptz,
    attempts int NOT NULL DEFAULT 0,
    last_error text,
    delivered_at timestamptz,
    dead_at timestamptz,
    UNIQUE (channel_id, event_key),
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
    CHECK (delivered_at IS NULL OR dead_at IS NULL),
    FOREIGN KEY (channel_id, org_id) REFERENCES channels (id, org_id) ON DELETE CASCADE,
    FOREIGN KEY (incident_id, org_id) REFERENCES incidents (id, org_id),
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
COMMENT ON COLUMN outbox.event_key IS 'the same event is queued once per target, however often it is decided';
CREATE INDEX outbox_due ON outbox (not_before) WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_org ON outbox (org_id, created_at);

-- One delivery for each of the organization's channels that wants this event; returns how many.
CREATE FUNCTION queue_event(
    p_org int, p_event text, p_event_key text, p_payload jsonb, p_incident uuid DEFAULT NULL,
    p_service uuid DEFAULT NULL, p_not_before timestamptz DEFAULT now())
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_queued int;
BEGIN
    INSERT INTO outbox (org_id, channel_id, event, event_key, incident_id, service_id, payload, not_before)
    SELECT p_org, c.id, p_event, p_event_key, p_incident, p_service, p_payload, p_not_before
    FROM channels c
    WHERE c.org_id = p_org AND c.is_active AND (c.events = '{}' OR p_event = ANY (c.events))
    ON CONFLICT (channel_id, event_key) DO NOTHING;
    GET DIAGNOSTICS v_queued = ROW_COUNT;
    RETURN v_queued;
END $$;

-- What somebody is still writing; outlives a dropped line, is nobody else's, and is not audited.
CREATE TABLE drafts (
    org_id int NOT NULL REFERENCES organizations,
    role_name text NOT NULL DEFAULT session_user,
    subject text NOT NULL CHECK (is_line(subject, 100)),
    kind text NOT NULL CHECK (kind IN ('public', 'note')),
    incident_id uuid,
    base_version int,
    body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object' AND pg_column_size(body) <= 65536),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, role_name, subject, kind),
    CONSTRAINT subject_names_the_incident CHECK (subject = coalesce(incident_id::text, 'new')),
    FOREIGN KEY (incident_id, org_id) REFERENCES incidents (id, org_id)
);
COMMENT ON COLUMN drafts.subject IS 'the incident''s id, or "new"';

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id int,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
    table_name text NOT NULL,
    row_id text,
    before jsonb,
    after jsonb
);
COMMENT ON COLUMN audit_log.before IS 'an update keeps the changed columns only; secrets are masked';
CREATE INDEX audit_log_org_at ON audit_log (org_id, at);
CREATE INDEX audit_log_row ON audit_log (row_id, at);

-- Replaces what stands under a telling name, and passwords inside addresses.
CREATE FUNCTION mask_secrets(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = statustui, pg_temp
AS $$
BEGIN
    CASE jsonb_typeof(value)
    WHEN 'object' THEN
        RETURN (SELECT coalesce(jsonb_object_agg(key, CASE
                    WHEN key ~* '(passw|secret|token|authorization|cookie|credential|api[_-]?key|private[_-]?key|sealed|bearer|dsn)|^(body|send)$'
                         AND jsonb_typeof(v) <> 'null' THEN '"***"'::jsonb
                    ELSE mask_secrets(v) END), '{}')
                FROM jsonb_each(value) AS e (key, v));
    WHEN 'array' THEN
        RETURN (SELECT coalesce(jsonb_agg(mask_secrets(v) ORDER BY n), '[]')
                FROM jsonb_array_elements(value) WITH ORDINALITY AS e (v, n));
    WHEN 'string' THEN
        RETURN to_jsonb(regexp_replace(regexp_replace(value #>> '{}',
            '(://)[^/@\s]+@', '\1***@', 'g'),
            '([?&][^=&\s]*(token|key|secret|passw)[^=&\s]*=)[^&\s#]+', '\1***', 'gi'));
    ELSE
        RETURN value;
    END CASE;
END $$;

-- Columns that say nothing about what a person did, and texts that must be able to disappear.
CREATE FUNCTION audited(row_value jsonb, table_name text) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = statustui, pg_temp
AS $$
    SELECT mask_secrets(
        (row_value - ARRAY['updated_at', 'epoch', 'channel_key', 'version', 'is_open_auto', 'open_auto',
                             'run_requested_at'])
        - CASE WHEN table_name IN ('incident_updates', 'pending_posts')
               THEN ARRAY['message', 'still_works'] ELSE ARRAY[]::text[] END)
$$;

-- Audits one row. Arguments: the column that identifies it.
CREATE FUNCTION write_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN audited(to_jsonb(OLD), TG_TABLE_NAME) END;
    v_after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN audited(to_jsonb(NEW), TG_TABLE_NAME) END;
    v_row jsonb := coalesce(v_after, v_before);
    v_actor text := (SELECT role_name FROM acting_as
                     WHERE txid = pg_current_xact_id_if_assigned()::text::bigint);
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(b.key, b.value), jsonb_object_agg(b.key, v_after -> b.key)
        INTO v_before, v_after
        FROM jsonb_each(v_before) b WHERE b.value IS DISTINCT FROM v_after -> b.key;
        IF v_before IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO audit_log (org_id, actor, action, table_name, row_id, before, after)
    VALUES ((v_row ->> 'org_id')::int, coalesce(v_actor, session_user), lower(TG_OP),
            TG_TABLE_NAME, v_row ->> TG_ARGV[0], v_before, v_after);
    RETURN NULL;
END $$;

DO $$
DECLARE
    v_table text;
    v_key text;
BEGIN
    FOR v_table, v_key IN VALUES
        ('organizations', 'id'), ('pages', 'id'), ('page_tokens', 'id'), ('page_services', 'page_id'),
        ('users', 'role_name'), ('members', 'role_name'), ('services', 'id'),
        ('service_dependencies', 'service_id'), ('monitors', 'id'), ('incidents', 'id'),
        ('incident_services', 'incident_id'), ('incident_updates', 'incident_id'),
        ('pending_posts', 'incident_id'), ('marks', 'id'), ('maintenance_windows', 'id'),
        ('maintenance_services', 'window_id'), ('maintenance_updates', 'window_id'),
        ('channels', 'id')
    LOOP
        EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION write_audit(%L)', v_table, v_key);
    END LOOP;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- Announcements: one channel, payload "<organization's key>:<kind>", or "*:<kind>" for what belongs
-- to no organization. PostgreSQL folds equal ones within a transaction into one.
CREATE FUNCTION announce() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('statustui', o.channel_key || ':' || TG_ARGV[0])
    FROM organizations o WHERE o.org_id IN (SELECT org_id FROM changed);
    RETURN NULL;
END $$;

CREATE FUNCTION announce_everybody() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('statustui', '*:' || TG_ARGV[0]);
    RETURN NULL;
END $$;

DO $$
DECLARE
    v_table text;
    v_kind text;
BEGIN
    FOR v_table, v_kind IN VALUES
        ('organizations', 'configuration'), ('pages', 'configuration'),
        ('page_tokens', 'configuration'), ('page_services', 'configuration'),
        ('members', 'configuration'), ('services', 'configuration'),
        ('service_dependencies', 'configuration'), ('monitors', 'configuration'),
        ('channels', 'configuration'), ('service_state', 'services'),
        ('service_monitor_status', 'services'), ('monitor_status', 'monitors'),
        ('observed', 'checks'), ('incidents', 'incidents'), ('incident_services', 'incidents'),
        ('incident_updates', 'incidents'), ('pending_posts', 'incidents'), ('marks', 'marks'),
        ('mark_services', 'marks'), ('maintenance_windows', 'maintenance'),
        ('maintenance_services', 'maintenance'), ('maintenance_updates', 'maintenance'),
        ('outbox', 'outbox'), ('drafts', 'drafts')
    LOOP
        EXECUTE format('CREATE TRIGGER announce_insert AFTER INSERT ON %I
            REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce(%L)',
            v_table, v_kind);
        EXECUTE format('CREATE TRIGGER announce_update AFTER UPDATE ON %I
            REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce(%L)',
            v_table, v_kind);
        EXECUTE format('CREATE TRIGGER announce_delete AFTER DELETE ON %I
            REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce(%L)',
            v_table, v_kind);
    END LOOP;
END $$;
CREATE TRIGGER announce_insert AFTER INSERT ON leases
    FOR EACH ROW EXECUTE FUNCTION announce_everybody('leases');
CREATE TRIGGER announce_update AFTER UPDATE ON leases FOR EACH ROW
    WHEN (OLD.epoch <> NEW.epoch OR NEW.expires_at < OLD.expires_at)
    EXECUTE FUNCTION announce_everybody('leases');
CREATE TRIGGER announce_insert AFTER INSERT ON engines
    FOR EACH ROW EXECUTE FUNCTION announce_everybody('engines');
CREATE TRIGGER announce_update AFTER UPDATE ON engines FOR EACH ROW
    WHEN ((OLD.stopped_at, OLD.offline_since) IS DISTINCT FROM (NEW.stopped_at, NEW.offline_since))
    EXECUTE FUNCTION announce_everybody('engines');
