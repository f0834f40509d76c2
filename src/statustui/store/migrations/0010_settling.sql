-- What the engine settles is what a change can reach, and it locks no more than that.
--
-- A change of some services can move the incidents they are part of, and open one for them, or for
-- what depends on them and waits for one. Who opens one reads what it depends on, down to the end,
-- and the incidents of that. All of these are locked in the order in which people's posts lock:
-- services by id, then incidents.

-- Owner-only: the services that are read when some are settled, themselves among them.
CREATE FUNCTION affected_services(p_services uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    WITH RECURSIVE above (id) AS (
        SELECT unnest(p_services)
        UNION
        SELECT d.service_id FROM above a JOIN service_dependencies d ON d.depends_on_id = a.id
    ), below (id) AS (
        SELECT unnest(p_services)
        UNION
        -- Out, and in no automatic incident: it may join one now.
        SELECT a.id FROM above a JOIN service_monitor_status said ON said.service_id = a.id
        WHERE severity(said.status) >= 3
          AND NOT EXISTS (SELECT FROM incident_services x
                          WHERE x.service_id = a.id AND x.open_auto)
        UNION
        SELECT d.depends_on_id FROM below b JOIN service_dependencies d ON d.service_id = b.id
    )
    SELECT id FROM below
    UNION
    SELECT other.service_id
    FROM below b
    JOIN incident_services x ON x.service_id = b.id AND x.open_auto
    JOIN incident_services other ON other.incident_id = x.incident_id
$$;

-- Locks what settling some services reads: the services in the order of their ids, then the open
-- automatic incidents about them, in theirs. Returns these services.
CREATE FUNCTION lock_affected_services(p_services uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_locked uuid[] := ARRAY(SELECT affected_services(p_services));
    v_more uuid[];
BEGIN
    PERFORM 1 FROM service_state st WHERE st.service_id = ANY (v_locked)
    ORDER BY st.service_id FOR UPDATE;
    LOOP
        PERFORM 1 FROM incidents i
        WHERE i.id IN (SELECT x.incident_id FROM incident_services x
                       WHERE x.service_id = ANY (v_locked) AND x.open_auto)
        ORDER BY i.id FOR UPDATE;
        -- While it waited, a service may have come into an incident. What is locked out of order is
        -- not waited for: who finds it taken is refused, gives everything back and tries again.
        v_more := ARRAY(SELECT affected_services(p_services) EXCEPT SELECT unnest(v_locked));
        EXIT WHEN v_more = '{}';
        BEGIN
            PERFORM 1 FROM service_state st WHERE st.service_id = ANY (v_more)
            ORDER BY st.service_id FOR UPDATE NOWAIT;
            PERFORM 1 FROM incidents i
            WHERE i.id IN (SELECT x.incident_id FROM incident_services x
                           WHERE x.service_id = ANY (v_more) AND x.open_auto)
            ORDER BY i.id FOR UPDATE NOWAIT;
        EXCEPTION WHEN lock_not_available THEN
            RAISE EXCEPTION 'an incident grew while its services were locked' USING ERRCODE = '40001';
        END;
        v_locked := v_locked || v_more;
    END LOOP;
    RETURN QUERY SELECT unnest(v_locked);
END $$;

-- As before, but locks its services alone: whoever settles incidents too has locked the rest.
CREATE OR REPLACE FUNCTION recompute_service_status(
    p_services uuid[], p_cause text, p_cause_id uuid DEFAULT NULL, p_at timestamptz DEFAULT NULL)
RETURNS TABLE (service_id uuid, org_id int, from_status text, to_status text,
               public_from text, public_to text, effective_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
BEGIN
    PERFORM 1 FROM service_state st WHERE st.service_id = ANY (p_services)
    ORDER BY st.service_id FOR UPDATE;
    v_now := clock_timestamp();
    RETURN QUERY
    WITH facts AS (
        SELECT s.id, s.org_id, st.current_status, st.status_since, st.public_status,
               s.pinned_status, severity(said.status) AS said, said.since AS said_since,
               said.monitor_id, win.id AS window_id, asks.house, asks.public,
               CASE coalesce(s.automatic_incidents, o.automatic_incidents)
                   WHEN 'internal' THEN coalesce(asks.published, false)
                   WHEN 'guarded' THEN coalesce(asks.published, false)
                        OR said.since <= v_now - interval '3 minutes'
                   ELSE true END AS monitors_speak_publicly
        FROM services s
        JOIN organizations o ON o.org_id = s.org_id
        JOIN service_state st ON st.service_id = s.id
        LEFT JOIN service_monitor_status said ON said.service_id = s.id
        LEFT JOIN LATERAL (
            SELECT w.id FROM maintenance_services ms
            JOIN maintenance_windows w ON w.id = ms.window_id
            WHERE ms.service_id = s.id AND w.status = 'in_progress' AND w.auto_update
            ORDER BY w.starts_at LIMIT 1) win ON true
        LEFT JOIN LATERAL (
            SELECT max(severity(x.asked_status)) AS house,
                   max(severity(x.asked_status)) FILTER (WHERE i.is_public) AS public,
                   bool_or(i.is_public) AS published
            FROM incident_services x JOIN incidents i ON i.id = x.incident_id
            WHERE x.service_id = s.id AND i.status <> 'resolved' AND i.deleted_at IS NULL
        ) asks ON true
        WHERE s.id = ANY (p_services)
    ), decided AS (
        SELECT f.*,
               CASE WHEN f.pinned_status IS NOT NULL THEN f.pinned_status
                    WHEN f.window_id IS NOT NULL THEN status_of(greatest(1, f.house))
                    ELSE status_of(greatest(0, f.said, f.house)) END AS new_current,
               CASE WHEN f.pinned_status IS NOT NULL THEN f.pinned_status
                    WHEN f.window_id IS NOT NULL THEN status_of(greatest(1, f.public))
                    ELSE status_of(greatest(0, CASE WHEN f.monitors_speak_publicly THEN f.said END,
                                            f.public)) END AS new_public
        FROM facts f
    ), changed AS (
        SELECT d.*,
               CASE -- The public learns later what the house knew: its bar starts with the outage.
                    WHEN d.new_current = d.current_status AND d.new_public = d.new_current
                        THEN d.status_since
                    WHEN p_cause = 'monitor' THEN coalesce(p_at, d.said_since, v_now)
                    ELSE coalesce(p_at, v_now) END AS effective_at
        FROM decided d
        WHERE d.new_current <> d.current_status OR d.new_public <> d.public_status
    ), written AS (
        UPDATE service_state st SET
            current_status = c.new_current,
            status_since = CASE WHEN c.new_current <> c.current_status
                                THEN c.effective_at ELSE st.status_since END,
            public_status = c.new_public,
            public_since = CASE WHEN c.new_public <> c.public_status
                                THEN c.effective_at ELSE st.public_since END,
            updated_at = v_now
        FROM changed c WHERE st.service_id = c.id
    ), recorded AS (
        INSERT INTO service_status_changes (org_id, service_id, from_status, to_status, public_from,
            public_to, cause, cause_id, effective_at, recorded_at)
        SELECT c.org_id, c.id, c.current_status, c.new_current, c.public_status, c.new_public,
               p_cause, CASE WHEN p_cause = 'monitor' THEN coalesce(p_cause_id, c.monitor_id)
                             ELSE p_cause_id END, c.effective_at, v_now
        FROM changed c ORDER BY c.id
    )
    SELECT c.id, c.org_id, c.current_status, c.new_current, c.public_status, c.new_public,
           c.effective_at
    FROM changed c ORDER BY c.id;
END $$;

DROP FUNCTION needed_by_any(uuid[]);

-- As before, but all that several windows concern is locked at once, in order, before the first
-- of them moves.
CREATE OR REPLACE FUNCTION advance_maintenance(p_at timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (window_id uuid, org_id int, status text, recurrence_rule text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_window record;
    v_status text;
    v_guarded uuid[];
BEGIN
    PERFORM 1 FROM service_state st WHERE st.service_id IN (
        SELECT ms.service_id FROM maintenance_services ms
        JOIN maintenance_windows w ON w.id = ms.window_id
        WHERE w.auto_update AND (w.status = 'scheduled' AND w.starts_at <= p_at
                                 OR w.status = 'in_progress' AND w.ends_at <= p_at)
        UNION ALL
        SELECT s.id FROM services s
        JOIN organizations o ON o.org_id = s.org_id
        JOIN service_state g ON g.service_id = s.id
        WHERE g.current_status <> g.public_status
          AND coalesce(s.automatic_incidents, o.automatic_incidents) = 'guarded')
    ORDER BY st.service_id FOR UPDATE;
    FOR v_window IN
        SELECT w.* FROM maintenance_windows w
        WHERE w.auto_update AND (w.status = 'scheduled' AND w.starts_at <= p_at
                                 OR w.status = 'in_progress' AND w.ends_at <= p_at)
        ORDER BY w.starts_at, w.id FOR UPDATE SKIP LOCKED
    LOOP
        v_status := CASE WHEN v_window.ends_at <= p_at THEN 'completed' ELSE 'in_progress' END;
        UPDATE maintenance_windows w SET status = v_status WHERE w.id = v_window.id;
        INSERT INTO maintenance_updates (org_id, window_id, status, message, is_public, author)
        VALUES (v_window.org_id, v_window.id, v_status,
                CASE v_status WHEN 'completed' THEN 'The maintenance is over.'
                              ELSE 'The maintenance has begun.' END, v_window.is_public, NULL);
        PERFORM queue_event(v_window.org_id,
            CASE v_status WHEN 'completed' THEN 'maintenance.completed' ELSE 'maintenance.started' END,
            'maintenance:' || v_window.id || ':' || v_status,
            jsonb_build_object('window_id', v_window.id, 'status', v_status));
        window_id := v_window.id;
        org_id := v_window.org_id;
        status := v_status;
        recurrence_rule := v_window.recurrence_rule;
        RETURN NEXT;
    END LOOP;
    SELECT array_agg(st.service_id) INTO v_guarded
    FROM service_state st JOIN services s ON s.id = st.service_id
    JOIN organizations o ON o.org_id = s.org_id
    WHERE st.current_status <> st.public_status
      AND coalesce(s.automatic_incidents, o.automatic_incidents) = 'guarded';
    IF v_guarded IS NOT NULL THEN
        PERFORM recompute_service_status(v_guarded, 'monitor');
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION lock_affected_services(uuid[]) TO statustui_engine;
