-- What a service's status is: decided in one function, whoever the writer is.
--
-- The pinned status if there is one; else, inside a running window with auto-update,
-- under_maintenance unless what a person asks in an open incident is worse; else the worst of what
-- its monitors say and what open incidents ask; else operational. An automatic incident asks
-- nothing until a person sets what it asks.
--
-- The public status is made the same way from published incidents only, and hears the monitors as
-- the service's (or the organization's) automatic_incidents says: public and off at once, guarded
-- after three minutes or with the first published incident, internal only with a published one.

-- Owner-only: everything that these services depend on, directly or not.
CREATE FUNCTION needed_by_any(p_services uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    WITH RECURSIVE needed (id) AS (
        SELECT d.depends_on_id FROM service_dependencies d WHERE d.service_id = ANY (p_services)
        UNION
        SELECT d.depends_on_id FROM needed n JOIN service_dependencies d ON d.service_id = n.id
    )
    SELECT id FROM needed
$$;

CREATE FUNCTION recompute_service_status(
    p_services uuid[], p_cause text, p_cause_id uuid DEFAULT NULL, p_at timestamptz DEFAULT NULL)
RETURNS TABLE (service_id uuid, org_id int, from_status text, to_status text,
               public_from text, public_to text, effective_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
BEGIN
    -- After what monitors say come incidents, in the same transaction: their services, and those
    -- depended on, are locked here too, so that a later lock never comes out of order.
    PERFORM 1 FROM service_state st
    WHERE st.service_id = ANY (p_services)
       OR p_cause = 'monitor' AND st.service_id IN (
            SELECT y.service_id FROM incident_services x
            JOIN incident_services y ON y.incident_id = x.incident_id
            WHERE x.service_id = ANY (p_services) AND x.open_auto
            UNION ALL
            SELECT needed.id FROM needed_by_any(p_services) needed (id))
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

-- Pinning, unpinning, another mode of automatic incidents: settled when the service is edited.
CREATE FUNCTION settle_service() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM recompute_service_status(ARRAY[NEW.id], 'manual');
    RETURN NULL;
END $$;
CREATE TRIGGER settle_insert AFTER INSERT ON services FOR EACH ROW
    WHEN (NEW.pinned_status IS NOT NULL) EXECUTE FUNCTION settle_service();
ALTER TRIGGER state_begin ON services RENAME TO a_state_begin;
CREATE TRIGGER settle_update AFTER UPDATE ON services FOR EACH ROW
    WHEN ((OLD.pinned_status, OLD.automatic_incidents)
          IS DISTINCT FROM (NEW.pinned_status, NEW.automatic_incidents))
    EXECUTE FUNCTION settle_service();

CREATE FUNCTION settle_organization() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM recompute_service_status(ARRAY(SELECT id FROM services WHERE org_id = NEW.org_id), 'manual');
    RETURN NULL;
END $$;
CREATE TRIGGER settle_update AFTER UPDATE OF automatic_incidents ON organizations FOR EACH ROW
    WHEN (OLD.automatic_incidents <> NEW.automatic_incidents) EXECUTE FUNCTION settle_organization();

-- A window moves: its times are set and its services settled, whoever moved it.
CREATE FUNCTION keep_maintenance() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status <> NEW.status
       AND (OLD.status, NEW.status) NOT IN (('scheduled', 'in_progress'), ('scheduled', 'cancelled'),
            ('scheduled', 'completed'), ('in_progress', 'completed'), ('in_progress', 'cancelled')) THEN
        RAISE EXCEPTION 'a window that is % cannot become %', OLD.status, NEW.status
            USING ERRCODE = 'SU004';
    END IF;
    IF NEW.status = 'in_progress' THEN
        NEW.started_at := coalesce(NEW.started_at, clock_timestamp());
    ELSIF NEW.status IN ('completed', 'cancelled') THEN
        NEW.finished_at := coalesce(NEW.finished_at, clock_timestamp());
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON maintenance_windows
    FOR EACH ROW EXECUTE FUNCTION keep_maintenance();

CREATE FUNCTION settle_maintenance() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM maintenance_services WHERE window_id = NEW.id),
        'maintenance', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER settle_update AFTER UPDATE ON maintenance_windows FOR EACH ROW
    WHEN ((OLD.status, OLD.auto_update) IS DISTINCT FROM (NEW.status, NEW.auto_update))
    EXECUTE FUNCTION settle_maintenance();

CREATE FUNCTION settle_maintenance_services() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM recompute_service_status(
        ARRAY(SELECT c.service_id FROM changed c JOIN maintenance_windows w ON w.id = c.window_id
              WHERE w.status = 'in_progress'), 'maintenance');
    RETURN NULL;
END $$;
CREATE TRIGGER settle_insert AFTER INSERT ON maintenance_services REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION settle_maintenance_services();
CREATE TRIGGER settle_delete AFTER DELETE ON maintenance_services REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION settle_maintenance_services();

-- Moves windows at their times, and lets guarded colours through after their three minutes. Called
-- by the watch every second; returns the windows that moved. The next occurrence of a recurring
-- window is written by the watch, which can expand its rule.
CREATE FUNCTION advance_maintenance(p_at timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (window_id uuid, org_id int, status text, recurrence_rule text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_window record;
    v_status text;
    v_guarded uuid[];
BEGIN
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
