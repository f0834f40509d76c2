-- Incidents that share a cause, times that are true, and words that wait.
--
-- What fails together is one incident: whatever joins it is told to nobody, because the incident
-- was. What was seen while the database was away is written later with the times at which it
-- happened, and nobody is woken for what is over. An incident that flaps says so.

ALTER TABLE service_monitor_status
    ADD COLUMN causes text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN service_monitor_status.causes IS
    'what else would fail with it, one line each (host, address, resolver, certificate), while it is out';
CREATE INDEX service_monitor_status_out ON service_monitor_status (org_id)
    WHERE status IN ('major_outage', 'partial_outage');

ALTER TABLE incidents
    ADD COLUMN flapping_since timestamptz,
    ADD COLUMN to_be_told boolean NOT NULL DEFAULT false,
    ADD COLUMN draft text CHECK (char_length(draft) >= 1 AND is_prose(draft, 5000)),
    ADD COLUMN draft_due_at timestamptz,
    ADD COLUMN held_by text,
    ADD COLUMN held_at timestamptz,
    ADD CONSTRAINT draft_has_a_time CHECK ((draft IS NULL) = (draft_due_at IS NULL)),
    ADD CONSTRAINT held_whole CHECK ((held_by IS NULL) = (held_at IS NULL));
COMMENT ON COLUMN incidents.flapping_since IS 'something in it is flapping, and the incident says so';
COMMENT ON COLUMN incidents.to_be_told IS
    'recorded afterwards: nobody was told yet, because it may be over already';
COMMENT ON COLUMN incidents.draft IS
    'guarded: words that wait; without a person the approved sentence follows at draft_due_at';
COMMENT ON COLUMN incidents.held_by IS 'a person holds the words: nothing is posted by itself';

-- ---------------------------------------------------------------------------------------------
-- What is read and locked.

DROP FUNCTION lock_affected_services(uuid[]);
DROP FUNCTION affected_services(uuid[]);

-- Owner-only: the services that are read when some are settled, themselves among them. p_causes is
-- what these services fail of, as far as that is not recorded yet.
CREATE FUNCTION affected_services(p_services uuid[], p_causes text[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    WITH RECURSIVE orgs AS MATERIALIZED (
        SELECT DISTINCT org_id FROM services WHERE id = ANY (p_services)
    ), known AS (
        SELECT p_causes || coalesce((
            SELECT array_agg(DISTINCT cause)
            FROM service_monitor_status t, unnest(t.causes) cause
            WHERE t.service_id = ANY (p_services) AND severity(t.status) >= 3), '{}') AS causes
    ), out_now AS MATERIALIZED (
        SELECT t.service_id AS id, t.since, t.causes, x.incident_id, i.cause_service_id
        FROM orgs
        JOIN service_monitor_status t
            ON t.org_id = orgs.org_id AND t.status IN ('major_outage', 'partial_outage')
        LEFT JOIN incident_services x ON x.service_id = t.service_id AND x.open_auto
        LEFT JOIN incidents i ON i.id = x.incident_id
    ), above (id) AS (
        SELECT unnest(p_services)
        UNION
        SELECT d.service_id FROM above a JOIN service_dependencies d ON d.depends_on_id = a.id
    ), down (id) AS (
        SELECT unnest(p_services)
        UNION
        SELECT d.depends_on_id FROM down b JOIN service_dependencies d ON d.service_id = b.id
    ), doubtful AS MATERIALIZED (
        -- What they need and nobody has seen well for a while: others may fail of that, too.
        SELECT w.id, (SELECT max(r.last_good_at)
                      FROM monitors m JOIN monitor_state r ON r.monitor = m.key
                      WHERE m.service_id = w.id AND m.deleted_at IS NULL) AS good_until
        FROM down w
        WHERE w.id <> ALL (p_services) AND NOT EXISTS (SELECT FROM out_now o WHERE o.id = w.id)
    ), reach (root, since, id) AS (
        SELECT o.id, o.since, o.id FROM out_now o WHERE EXISTS (SELECT FROM doubtful)
        UNION
        SELECT r.root, r.since, d.depends_on_id
        FROM reach r JOIN service_dependencies d ON d.service_id = r.id
    ), below (id) AS (
        SELECT unnest(p_services)
        UNION
        -- Out above them, and in no incident or in one that has no other cause: it may join one, or
        -- be joined by its cause.
        SELECT o.id FROM above a JOIN out_now o ON o.id = a.id
        WHERE o.incident_id IS NULL OR o.cause_service_id IS NULL OR o.cause_service_id = o.id
        UNION
        SELECT o.id FROM out_now o, known WHERE o.causes && known.causes
        UNION
        SELECT r.root FROM reach r JOIN doubtful w ON w.id = r.id
        WHERE w.good_until IS NULL OR r.since > w.good_until - interval '10 seconds'
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
CREATE FUNCTION lock_affected_services(p_services uuid[], p_causes text[] DEFAULT '{}')
RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_locked uuid[] := ARRAY(SELECT affected_services(p_services, p_causes));
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
        v_more := ARRAY(SELECT affected_services(p_services, p_causes) EXCEPT SELECT unnest(v_locked));
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

-- ---------------------------------------------------------------------------------------------
-- What the engine decided.

-- Owner-only: when something is said to have happened. What is settled live happens now, on the
-- database's clock; what was seen half a minute ago or more happened then, and is recorded
-- afterwards.
CREATE FUNCTION moment_of(p_at timestamptz, OUT at timestamptz, OUT is_afterwards boolean)
LANGUAGE sql STABLE SET search_path = statustui, pg_temp
AS $$
    SELECT CASE WHEN p_at < clock_timestamp() - interval '30 seconds'
                THEN p_at ELSE clock_timestamp() END,
           coalesce(p_at < clock_timestamp() - interval '30 seconds', false)
$$;

-- Owner-only: a line of the timeline that no public sees and nobody wrote.
CREATE FUNCTION add_watch_event(
    p_incident incidents, p_message text, p_at timestamptz DEFAULT clock_timestamp()) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    INSERT INTO incident_updates (org_id, incident_id, kind, status, message, is_public, created_at)
    VALUES (p_incident.org_id, p_incident.id, 'event', p_incident.status, left(p_message, 5000),
            false, p_at)
$$;

-- As before, and whether the public reads it.
CREATE OR REPLACE FUNCTION incident_payload(p_incident incidents, p_update uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT jsonb_build_object('incident_id', p_incident.id, 'code', p_incident.code,
        'title', p_incident.title, 'status', p_incident.status, 'impact', p_incident.impact,
        'update_id', p_update, 'is_public', p_incident.is_public)
$$;

DROP FUNCTION open_automatic_incident(uuid, text, text, boolean, text, timestamptz, text, text, text, uuid);

-- Opens an automatic incident for a service that went down. Outcome 'opened'; 'exists' when one is
-- open for it already; 'attached' when p_joins (or, without one, p_cause_service) has an open
-- automatic incident: the service joins it. p_cause_service takes it down, or is itself when it
-- takes down the incident that it joins. p_is_public says what the service's mode allows;
-- p_is_guarded lets the words wait; without a visible service it stays internal. An internal
-- incident becomes public, under p_title, with its first visible service. p_at is when that was
-- settled: long ago, it is recorded afterwards with its true times, and nobody is told yet. The
-- house is told once for each incident, whoever joins it later.
CREATE FUNCTION open_automatic_incident(
    p_service uuid, p_title text, p_impact text, p_is_public boolean, p_message text,
    p_started_at timestamptz, p_to_status text, p_internal_title text DEFAULT NULL,
    p_error_kind text DEFAULT NULL, p_cause_service uuid DEFAULT NULL, p_joins uuid DEFAULT NULL,
    p_is_guarded boolean DEFAULT false, p_at timestamptz DEFAULT NULL)
RETURNS TABLE (incident_id uuid, code text, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_service services;
    v_incident incidents;
    v_from text;
    v_update uuid;
    v_outcome text := 'opened';
    v_public boolean;
    v_draft boolean;
    v_now record;
    v_at timestamptz;
    v_joins uuid := coalesce(p_joins, p_cause_service);
BEGIN
    PERFORM 1 FROM service_state st WHERE st.service_id IN (p_service, v_joins, p_cause_service)
    ORDER BY st.service_id FOR UPDATE;
    SELECT * INTO v_service FROM services s WHERE s.id = p_service AND s.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT i.* INTO v_incident FROM incident_services x JOIN incidents i ON i.id = x.incident_id
    WHERE x.service_id = p_service AND x.open_auto;
    IF FOUND THEN
        RETURN QUERY SELECT v_incident.id, v_incident.code, 'exists';
        RETURN;
    END IF;
    SELECT * INTO v_now FROM moment_of(p_at);
    v_at := greatest(v_now.at, least(p_started_at, clock_timestamp()));
    v_public := p_is_public AND v_service.is_visible;
    v_draft := p_is_guarded AND v_service.is_visible AND NOT v_public;
    v_from := (SELECT CASE WHEN severity(st.current_status) > severity(p_to_status)
                           THEN p_to_status ELSE st.current_status END
               FROM service_state st WHERE st.service_id = p_service);
    IF v_from = p_to_status THEN
        v_from := coalesce((SELECT c.from_status FROM service_status_changes c
            WHERE c.service_id = p_service AND c.to_status = p_to_status
              AND severity(c.from_status) < severity(p_to_status)
            ORDER BY c.id DESC LIMIT 1), v_from);
    END IF;
    SELECT i.* INTO v_incident FROM incident_services x JOIN incidents i ON i.id = x.incident_id
    WHERE x.service_id = v_joins AND x.open_auto FOR UPDATE OF i;
    IF FOUND THEN
        v_outcome := 'attached';
        INSERT INTO incident_services (org_id, incident_id, service_id, from_status, to_status, open_auto, added_at)
        VALUES (v_service.org_id, v_incident.id, p_service, v_from, p_to_status, true, v_at);
        UPDATE incidents i SET version = i.version + 1,
            cause_service_id = coalesce(p_cause_service, i.cause_service_id),
            error_kind = CASE WHEN p_cause_service = p_service THEN p_error_kind ELSE i.error_kind END,
            -- Until a person has touched it, its words and impact grow with what it takes down.
            title = CASE WHEN (v_public OR NOT i.is_public) AND i.touched_at IS NULL
                         THEN p_title ELSE i.title END,
            internal_title = CASE WHEN i.touched_at IS NULL
                THEN coalesce(p_internal_title, i.internal_title)
                ELSE coalesce(i.internal_title, p_internal_title) END,
            impact = CASE WHEN i.touched_at IS NULL
                THEN worse_impact(i.impact, p_impact) ELSE i.impact END,
            started_at = CASE WHEN i.touched_at IS NULL
                THEN least(i.started_at, p_started_at) ELSE i.started_at END,
            is_public = i.is_public OR v_public,
            published_at = CASE WHEN v_public AND NOT i.is_public THEN v_at ELSE i.published_at END,
            draft = CASE WHEN i.is_public OR v_public THEN NULL
                         WHEN v_draft THEN p_message ELSE i.draft END,
            draft_due_at = CASE WHEN i.is_public OR v_public THEN NULL
                WHEN v_draft THEN coalesce(i.draft_due_at, v_at + interval '10 minutes')
                ELSE i.draft_due_at END
        WHERE i.id = v_incident.id;
    ELSE
        INSERT INTO incidents (org_id, title, internal_title, impact, is_auto, is_public,
            published_at, started_at, cause_service_id, error_kind, is_retroactive, to_be_told,
            draft, draft_due_at)
        VALUES (v_service.org_id, p_title, p_internal_title, p_impact, true, v_public,
            CASE WHEN v_public THEN v_at END, least(p_started_at, clock_timestamp()),
            p_cause_service, p_error_kind, v_now.is_afterwards, v_now.is_afterwards,
            CASE WHEN v_draft THEN p_message END,
            CASE WHEN v_draft THEN v_at + interval '10 minutes' END)
        RETURNING * INTO v_incident;
        INSERT INTO incident_services (org_id, incident_id, service_id, from_status, to_status, open_auto, added_at)
        VALUES (v_service.org_id, v_incident.id, p_service, v_from, p_to_status, true, v_at);
    END IF;
    IF v_outcome = 'opened' OR v_public AND NOT v_incident.is_public THEN
        INSERT INTO incident_updates (org_id, incident_id, status, message, is_public, created_at)
        VALUES (v_service.org_id, v_incident.id, v_incident.status, p_message, v_public, v_at)
        RETURNING id INTO v_update;
    ELSE
        PERFORM add_watch_event(v_incident, v_service.name || CASE WHEN p_cause_service = p_service
            THEN ' is down too, and takes down what needs it' ELSE ' is affected too' END, v_at);
    END IF;
    IF v_outcome = 'opened' AND v_now.is_afterwards THEN
        PERFORM add_watch_event(v_incident, 'recorded afterwards: what was seen had to wait');
    END IF;
    SELECT * INTO v_incident FROM incidents i WHERE i.id = v_incident.id;
    IF v_draft AND NOT v_incident.is_public AND v_incident.draft = p_message THEN
        PERFORM add_watch_event(v_incident, 'the words wait as a draft; without a person the approved '
            || 'sentence follows at '
            || to_char(v_incident.draft_due_at AT TIME ZONE 'UTC', 'HH24:MI') || 'Z', v_at);
    END IF;
    IF v_update IS NOT NULL AND NOT v_incident.to_be_told THEN
        PERFORM queue_event(v_incident.org_id, 'incident.created', 'opened:' || v_incident.id,
            incident_payload(v_incident, v_update), v_incident.id, p_service);
    END IF;
    RETURN QUERY SELECT v_incident.id, v_incident.code, v_outcome;
END $$;

DROP FUNCTION move_automatic_incident(uuid, text, text, timestamptz);

-- Moves an open automatic incident: 'monitoring' on recovery, 'investigating' when it fails again,
-- 'resolved' when it has stayed up. Outcomes: 'moved'; 'unchanged' (there already); 'closed' (not
-- open any more); 'touched' (a person has posted or edited: the resolving is theirs); 'failing' (one
-- of its services is still down, so it is not resolved). The words are public if the incident is.
-- p_at is when that was due. Who was not told yet of an incident recorded afterwards hears once:
-- that it is over, or that it fails now.
CREATE FUNCTION move_automatic_incident(
    p_incident uuid, p_status text, p_message text, p_at timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents;
    v_update uuid;
    v_now record;
    v_at timestamptz;
    v_to_be_told boolean;
BEGIN
    BEGIN
        v_incident := lock_incident(p_incident);
    EXCEPTION WHEN SQLSTATE 'SU002' THEN
        RETURN 'closed';
    END;
    IF NOT v_incident.is_open_auto THEN
        RETURN 'closed';
    ELSIF v_incident.status = p_status THEN
        RETURN 'unchanged';
    ELSIF p_status = 'resolved' AND v_incident.touched_at IS NOT NULL THEN
        RETURN 'touched';
    ELSIF p_status IN ('resolved', 'monitoring') AND EXISTS (
            SELECT FROM incident_services x
            JOIN service_monitor_status said ON said.service_id = x.service_id
            JOIN services s ON s.id = x.service_id AND s.deleted_at IS NULL
            WHERE x.incident_id = p_incident AND severity(said.status) >= 3) THEN
        RETURN 'failing';
    END IF;
    SELECT * INTO v_now FROM moment_of(p_at);
    -- Never before what the timeline says already.
    v_at := greatest(v_now.at, v_incident.started_at, (
        SELECT max(u.created_at) FROM incident_updates u
        WHERE u.incident_id = p_incident AND u.kind = 'update' AND u.supersedes_id IS NULL));
    v_to_be_told := v_incident.to_be_told;
    UPDATE incidents SET status = p_status,
        identified_at = CASE WHEN p_status = 'identified' THEN v_at ELSE identified_at END,
        monitoring_at = CASE WHEN p_status = 'monitoring' THEN v_at ELSE monitoring_at END,
        resolved_at = CASE WHEN p_status = 'resolved' THEN v_at END,
        next_update_by = CASE WHEN p_status <> 'resolved' THEN next_update_by END,
        to_be_told = to_be_told AND p_status <> 'resolved'
            AND (v_now.is_afterwards OR p_status = 'monitoring'),
        draft = CASE WHEN p_status <> 'resolved' THEN draft END,
        draft_due_at = CASE WHEN p_status <> 'resolved' THEN draft_due_at END
    WHERE id = p_incident RETURNING * INTO v_incident;
    INSERT INTO incident_updates (org_id, incident_id, status, message, is_public, created_at)
    VALUES (v_incident.org_id, p_incident, p_status, p_message, v_incident.is_public, v_at)
    RETURNING id INTO v_update;
    IF v_now.is_afterwards AND NOT v_incident.is_retroactive THEN
        PERFORM add_watch_event(v_incident, 'recorded afterwards: ' || p_status || ' since '
            || to_char(v_at AT TIME ZONE 'UTC', 'HH24:MI:SS') || 'Z');
    END IF;
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM incident_services WHERE incident_id = p_incident),
        'incident', p_incident);
    IF NOT v_incident.to_be_told THEN
        PERFORM queue_event(v_incident.org_id,
            CASE WHEN p_status = 'resolved' THEN 'incident.resolved'
                 WHEN v_to_be_told THEN 'incident.created' ELSE 'incident.updated' END,
            CASE WHEN v_to_be_told AND p_status <> 'resolved' THEN 'opened:' || p_incident
                 ELSE 'update:' || v_update END,
            incident_payload(v_incident, v_update)
                || CASE WHEN v_incident.is_retroactive THEN '{"recorded_afterwards": true}'::jsonb
                        ELSE '{}' END,
            p_incident);
    END IF;
    RETURN 'moved';
END $$;

-- Tells of incidents that were recorded afterwards and go on now: something in them was looked at
-- within its interval and is still down, or (engines' clocks may be wrong) two minutes have passed
-- since they were recorded.
CREATE FUNCTION tell_of_late_incidents() RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents;
BEGIN
    FOR v_incident IN
        SELECT i.* FROM incidents i
        WHERE i.to_be_told AND i.is_open_auto AND i.status IN ('investigating', 'identified')
          AND (i.created_at < clock_timestamp() - interval '2 minutes' OR EXISTS (
              SELECT FROM incident_services x
              JOIN monitors m ON m.service_id = x.service_id AND m.deleted_at IS NULL
              JOIN monitor_state r ON r.monitor = m.key AND r.state = 'down'
              WHERE x.incident_id = i.id AND r.last_checked_at > clock_timestamp()
                    - make_interval(secs => m.interval_seconds + m.timeout_ms / 1000.0 + 5)))
        ORDER BY i.id FOR UPDATE OF i SKIP LOCKED
    LOOP
        UPDATE incidents SET to_be_told = false WHERE id = v_incident.id;
        PERFORM queue_event(v_incident.org_id, 'incident.created', 'opened:' || v_incident.id,
            incident_payload(v_incident, NULL) || '{"recorded_afterwards": true}', v_incident.id);
        RETURN NEXT v_incident.id;
    END LOOP;
END $$;
CREATE INDEX incidents_to_be_told ON incidents (id) WHERE to_be_told;

-- Takes a service out of an open automatic incident whose cause does not explain it any more; an
-- incident of its own follows in the same transaction. Outcome 'left' or 'unchanged'.
CREATE FUNCTION leave_automatic_incident(
    p_incident uuid, p_service uuid, p_message text, p_at timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents;
BEGIN
    BEGIN
        v_incident := lock_incident(p_incident, ARRAY[p_service]);
    EXCEPTION WHEN SQLSTATE 'SU002' THEN
        RETURN 'unchanged';
    END;
    DELETE FROM incident_services
    WHERE incident_id = p_incident AND service_id = p_service AND open_auto AND asked_status IS NULL;
    IF NOT FOUND THEN
        RETURN 'unchanged';
    END IF;
    UPDATE incidents SET version = version + 1 WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM add_watch_event(v_incident, p_message, (moment_of(p_at)).at);
    RETURN 'left';
END $$;

-- Lets an open automatic incident say that something in it is flapping, or is stable again.
-- p_internal_title is what it is called meanwhile, unless a person has touched it.
CREATE FUNCTION flag_flapping(
    p_incident uuid, p_is_flapping boolean, p_internal_title text, p_message text,
    p_at timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents;
    v_at timestamptz := (moment_of(p_at)).at;
BEGIN
    BEGIN
        v_incident := lock_incident(p_incident);
    EXCEPTION WHEN SQLSTATE 'SU002' THEN
        RETURN 'closed';
    END;
    IF NOT v_incident.is_open_auto OR (v_incident.flapping_since IS NOT NULL) = p_is_flapping THEN
        RETURN 'unchanged';
    END IF;
    UPDATE incidents SET version = version + 1,
        flapping_since = CASE WHEN p_is_flapping THEN v_at END,
        internal_title = CASE WHEN touched_at IS NULL AND p_internal_title IS NOT NULL
                              THEN p_internal_title ELSE internal_title END
    WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM add_watch_event(v_incident, p_message, v_at);
    RETURN 'flagged';
END $$;

GRANT EXECUTE ON FUNCTION lock_affected_services(uuid[], text[]), open_automatic_incident,
    move_automatic_incident, tell_of_late_incidents, leave_automatic_incident, flag_flapping
TO statustui_engine;
