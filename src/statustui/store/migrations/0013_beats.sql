-- What jobs say about themselves: the last beat of every heartbeat monitor. Whether it came in time
-- is the engine's to judge; here it is only noted, on the database's clock.

CREATE TABLE beats (
    monitor int PRIMARY KEY,
    org_id int NOT NULL,
    expected_from timestamptz NOT NULL,
    last_at timestamptz,
    is_ok boolean,
    message text CHECK (is_line(message, 500)),
    author text,
    beats bigint NOT NULL DEFAULT 0,
    CHECK ((last_at IS NULL) = (is_ok IS NULL)),
    FOREIGN KEY (monitor, org_id) REFERENCES monitors (key, org_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
COMMENT ON TABLE beats IS 'One row for each heartbeat monitor: what its job said last.';
COMMENT ON COLUMN beats.expected_from IS
    'since when beats are expected: the monitor was made, resumed, or became a heartbeat';
COMMENT ON COLUMN beats.is_ok IS 'false: the job said itself that it failed';
COMMENT ON COLUMN beats.beats IS 'how many there were';
CREATE INDEX beats_org ON beats (org_id);

-- A job cannot be late before anybody waited for it.
CREATE FUNCTION expect_beats() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    INSERT INTO beats (monitor, org_id, expected_from)
    VALUES (NEW.key, NEW.org_id, greatest(clock_timestamp(), NEW.paused_until))
    ON CONFLICT (monitor) DO UPDATE SET expected_from = EXCLUDED.expected_from;
    RETURN NULL;
END $$;
CREATE TRIGGER expect_beats_insert AFTER INSERT ON monitors
    FOR EACH ROW WHEN (NEW.type = 'heartbeat') EXECUTE FUNCTION expect_beats();
CREATE TRIGGER expect_beats_update AFTER UPDATE ON monitors
    FOR EACH ROW WHEN (NEW.type = 'heartbeat'
        AND (OLD.type, OLD.is_active, OLD.paused_until, OLD.deleted_at)
            IS DISTINCT FROM (NEW.type, NEW.is_active, NEW.paused_until, NEW.deleted_at))
    EXECUTE FUNCTION expect_beats();
INSERT INTO beats (monitor, org_id, expected_from)
SELECT key, org_id, clock_timestamp() FROM monitors WHERE type = 'heartbeat';

-- Notes a beat; every member may, since a job's account is one. The engine is asked to look at once
-- when the beat may change what it says: otherwise a thousand jobs would have it read its monitors a
-- thousand times for nothing.
CREATE FUNCTION beat(p_monitor uuid, p_is_ok boolean DEFAULT true, p_message text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_monitor monitors;
    v_at timestamptz;
    v_was_ok boolean;
BEGIN
    SELECT * INTO v_monitor FROM monitors WHERE id = p_monitor AND deleted_at IS NULL;
    IF v_monitor.id IS NULL OR NOT v_monitor.org_id = ANY (my_orgs('viewer')) THEN
        RAISE EXCEPTION 'no such monitor' USING ERRCODE = 'SU002';
    END IF;
    PERFORM require_role(v_monitor.org_id, 'member');
    IF v_monitor.type <> 'heartbeat' THEN
        RAISE EXCEPTION '% is of type %, and only heartbeat monitors take beats',
            v_monitor.name, v_monitor.type USING ERRCODE = 'SU001';
    END IF;
    SELECT is_ok INTO v_was_ok FROM beats WHERE monitor = v_monitor.key FOR UPDATE;
    -- After the lock: of two beats at once, the one that is noted last is the newer one.
    v_at := clock_timestamp();
    UPDATE beats SET last_at = v_at, is_ok = coalesce(p_is_ok, true), message = p_message,
        author = session_user, beats = beats.beats + 1
    WHERE monitor = v_monitor.key;
    IF NOT coalesce(p_is_ok, true) OR v_was_ok IS NOT TRUE OR NOT EXISTS (
        SELECT FROM monitor_status WHERE monitor = v_monitor.key AND state = 'up')
    THEN
        UPDATE monitors SET run_requested_at = v_at WHERE key = v_monitor.key;
    END IF;
    RETURN v_at;
END $$;

ALTER TABLE beats ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON beats TO statustui_owner USING (true) WITH CHECK (true);
CREATE POLICY members_see ON beats FOR SELECT TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('viewer'))::int[]));
CREATE POLICY engine_sees ON beats FOR SELECT TO statustui_engine USING (true);
GRANT SELECT ON beats TO statustui_operator, statustui_engine;

REVOKE EXECUTE ON FUNCTION expect_beats(), beat(uuid, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION beat(uuid, boolean, text) TO statustui_operator;
