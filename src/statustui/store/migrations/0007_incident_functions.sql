-- How incidents move. Every post, by a person or by the engine, is one transaction that locks the
-- services (in order of id) and then the incident, so that two writers wait instead of deadlocking,
-- and then decides on what it finds.

-- Owner-only: locks, in that order, the services of an incident and those to be added, and the
-- incident; returns the incident as it is under the lock.
CREATE FUNCTION lock_incident(p_incident uuid, p_more uuid[] DEFAULT '{}') RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents;
BEGIN
    PERFORM 1 FROM service_state st
    WHERE st.service_id = ANY (p_more || ARRAY(
        SELECT x.service_id FROM incident_services x WHERE x.incident_id = p_incident))
    ORDER BY st.service_id FOR UPDATE;
    SELECT * INTO v_incident FROM incidents WHERE id = p_incident FOR UPDATE;
    IF NOT FOUND OR v_incident.deleted_at IS NOT NULL THEN
        RAISE EXCEPTION 'no such incident' USING ERRCODE = 'SU002';
    END IF;
    RETURN v_incident;
END $$;

-- The same for a person, who needs a role in the incident's organization.
CREATE FUNCTION lock_incident_as(p_incident uuid, p_needed text, p_more uuid[] DEFAULT '{}')
RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_org int := (SELECT org_id FROM incidents WHERE id = p_incident AND deleted_at IS NULL);
BEGIN
    IF v_org IS NULL OR NOT v_org = ANY (my_orgs('viewer')) THEN
        RAISE EXCEPTION 'no such incident' USING ERRCODE = 'SU002';
    END IF;
    PERFORM require_role(v_org, p_needed);
    RETURN lock_incident(p_incident, p_more);
END $$;

CREATE FUNCTION impact_status(impact text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE impact WHEN 'critical' THEN 'major_outage' WHEN 'major' THEN 'partial_outage'
      WHEN 'minor' THEN 'degraded_performance' END $$;

CREATE FUNCTION worse_impact(one text, other text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT impact FROM unnest(ARRAY['critical', 'major', 'minor', 'none']) WITH ORDINALITY AS t (impact, n)
      WHERE impact IN (one, other) ORDER BY n LIMIT 1 $$;

-- Owner-only: sets what an incident asks of services. A NULL status means: as the impact says.
-- An incident only worsens a service; 'operational' withdraws what it asked before.
CREATE FUNCTION ask_of_services(p_incident incidents, p_services uuid[], p_statuses text[], p_impact text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_row record;
    v_asked text;
    v_from text;
BEGIN
    IF cardinality(p_services) <> (SELECT count(DISTINCT s) FROM unnest(p_services) s) THEN
        RAISE EXCEPTION 'a service is named twice' USING ERRCODE = 'SU001';
    END IF;
    FOR v_row IN
        SELECT u.id, u.status, s.name, s.deleted_at, st.current_status, x.from_status AS known_from
        FROM unnest(p_services, p_statuses) AS u (id, status)
        LEFT JOIN services s ON s.id = u.id AND s.org_id = p_incident.org_id
        LEFT JOIN service_state st ON st.service_id = s.id
        LEFT JOIN incident_services x ON x.service_id = s.id AND x.incident_id = p_incident.id
        ORDER BY u.id
    LOOP
        IF v_row.name IS NULL OR v_row.deleted_at IS NOT NULL THEN
            RAISE EXCEPTION 'no such service' USING ERRCODE = 'SU002';
        END IF;
        IF v_row.status IS NOT NULL AND severity(v_row.status) IS NULL THEN
            RAISE EXCEPTION 'unknown status "%"', v_row.status USING ERRCODE = 'SU001';
        END IF;
        IF v_row.status = 'under_maintenance' THEN
            RAISE EXCEPTION 'no incident moves a service into maintenance'
                USING ERRCODE = 'SU001', HINT = 'Schedule a window, or pin the status.';
        END IF;
        v_from := coalesce(v_row.known_from, v_row.current_status);
        v_asked := coalesce(v_row.status, impact_status(p_impact));
        IF v_row.status IS NOT NULL AND v_row.status <> 'operational'
           AND severity(v_row.status) < severity(v_from) THEN
            RAISE EXCEPTION '% is at % already, an incident only worsens it', v_row.name, v_from
                USING ERRCODE = 'SU001';
        END IF;
        IF v_asked = 'operational' THEN
            v_asked := NULL;
        END IF;
        INSERT INTO incident_services AS x (org_id, incident_id, service_id, from_status, to_status,
            asked_status, open_auto)
        VALUES (p_incident.org_id, p_incident.id, v_row.id, v_from,
                status_of(greatest(severity(v_from), severity(v_asked))), v_asked, p_incident.is_open_auto)
        ON CONFLICT (incident_id, service_id) DO UPDATE SET
            to_status = status_of(greatest(severity(x.from_status), severity(EXCLUDED.asked_status))),
            asked_status = EXCLUDED.asked_status;
    END LOOP;
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'one of the services has an open automatic incident of its own'
        USING ERRCODE = 'SU004', HINT = 'Post to that incident.';
END $$;

-- Owner-only: whether any service of the incident is one that a public page may show.
CREATE FUNCTION has_visible_service(p_incident uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM incident_services x JOIN services s ON s.id = x.service_id
                   WHERE x.incident_id = p_incident AND s.is_visible AND s.deleted_at IS NULL)
$$;

-- Owner-only: what programs are told about an incident.
CREATE FUNCTION incident_payload(p_incident incidents, p_update uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT jsonb_build_object('incident_id', p_incident.id, 'code', p_incident.code,
        'title', p_incident.title, 'status', p_incident.status, 'impact', p_incident.impact,
        'update_id', p_update)
$$;

-- Owner-only: applies one post whole. Returns 'applied' or 'refused' (the incident was resolved or
-- deleted while the post waited; the post keeps the reason).
CREATE FUNCTION apply_post(p_post uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_post pending_posts;
    v_incident incidents;
    v_update uuid := gen_random_uuid();
    v_now timestamptz;
    v_publishes boolean;
    v_correction boolean;
BEGIN
    SELECT * INTO v_post FROM pending_posts WHERE id = p_post;
    BEGIN
        v_incident := lock_incident(v_post.incident_id, v_post.service_ids);
    EXCEPTION WHEN SQLSTATE 'SU002' THEN
        UPDATE pending_posts SET refused_at = clock_timestamp(), refusal = 'the incident was deleted'
        WHERE id = p_post AND applied_at IS NULL AND taken_back_at IS NULL AND refused_at IS NULL;
        RETURN 'refused';
    END;
    SELECT * INTO v_post FROM pending_posts WHERE id = p_post FOR UPDATE;
    IF num_nonnulls(v_post.applied_at, v_post.taken_back_at, v_post.refused_at) > 0 THEN
        RETURN 'settled';
    END IF;
    v_correction := v_post.supersedes_id IS NOT NULL;
    IF v_incident.status = 'resolved' AND NOT v_correction THEN
        UPDATE pending_posts SET refused_at = clock_timestamp(),
            refusal = v_incident.code || ' was resolved meanwhile'
        WHERE id = p_post;
        RETURN 'refused';
    END IF;
    v_now := clock_timestamp();
    INSERT INTO acting_as (txid, role_name)
    VALUES (pg_current_xact_id()::text::bigint, v_post.author)
    ON CONFLICT (txid) DO UPDATE SET role_name = EXCLUDED.role_name;
    IF cardinality(v_post.service_ids) > 0 THEN
        PERFORM ask_of_services(v_incident, v_post.service_ids, v_post.service_statuses,
                                coalesce(v_post.impact, v_incident.impact));
    END IF;
    v_publishes := v_post.is_public AND NOT v_correction AND NOT v_incident.is_public
        AND has_visible_service(v_incident.id);
    INSERT INTO incident_updates (id, org_id, incident_id, status, message, is_public, author,
        next_update_by, still_works, supersedes_id, created_at)
    VALUES (v_update, v_post.org_id, v_post.incident_id, v_post.status, v_post.message,
        v_post.is_public, v_post.author, v_post.next_update_by, v_post.still_works,
        v_post.supersedes_id, v_now);
    IF v_correction THEN
        UPDATE incidents SET version = version + 1,
            next_update_by = CASE WHEN status = 'resolved' THEN NULL
                                  ELSE coalesce(v_post.next_update_by, next_update_by) END
        WHERE id = v_incident.id;
    ELSE
        UPDATE incidents SET
            status = v_post.status,
            title = coalesce(v_post.title, title),
            impact = coalesce(v_post.impact, impact),
            identified_at = CASE WHEN v_post.status = 'identified' AND status <> 'identified'
                                 THEN v_now ELSE identified_at END,
            monitoring_at = CASE WHEN v_post.status = 'monitoring' AND status <> 'monitoring'
                                 THEN v_now ELSE monitoring_at END,
            resolved_at = CASE WHEN v_post.status = 'resolved' THEN greatest(v_now, started_at) END,
            next_update_by = CASE WHEN v_post.status = 'resolved' THEN NULL
                                  WHEN v_post.is_public THEN v_post.next_update_by
                                  ELSE next_update_by END,
            is_public = is_public OR v_publishes,
            published_at = CASE WHEN v_publishes THEN v_now ELSE published_at END,
            touched_by = v_post.author,
            touched_at = v_now,
            version = version + 1
        WHERE id = v_incident.id;
    END IF;
    UPDATE pending_posts SET applied_at = v_now, update_id = v_update WHERE id = p_post;
    SELECT * INTO v_incident FROM incidents WHERE id = v_incident.id;
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM incident_services WHERE incident_id = v_incident.id),
        'incident', v_incident.id);
    IF v_incident.is_public AND v_post.is_public AND NOT v_correction THEN
        PERFORM queue_event(v_incident.org_id,
            CASE WHEN v_publishes OR v_post.is_opening THEN 'incident.created'
                 WHEN v_post.status = 'resolved' THEN 'incident.resolved'
                 ELSE 'incident.updated' END,
            'update:' || v_update, incident_payload(v_incident, v_update), v_incident.id, NULL,
            v_post.notify_at);
    END IF;
    DELETE FROM acting_as WHERE txid = pg_current_xact_id()::text::bigint;
    RETURN 'applied';
END $$;

-- Opens an incident. With a delay its first words wait as a post that can be taken back, and the
-- house sees it at once. Without a visible service it is internal. p_statuses goes with p_services;
-- NULL, as a whole or in part, means: as the impact says. p_resolved_at enters it after the fact.
CREATE FUNCTION incident_create(
    p_org int, p_title text, p_impact text, p_message text, p_services uuid[] DEFAULT '{}',
    p_statuses text[] DEFAULT NULL, p_status text DEFAULT 'investigating',
    p_is_public boolean DEFAULT true, p_internal_title text DEFAULT NULL,
    p_started_at timestamptz DEFAULT NULL, p_resolved_at timestamptz DEFAULT NULL,
    p_next_update_by timestamptz DEFAULT NULL, p_still_works text DEFAULT NULL,
    p_delay_seconds double precision DEFAULT 0, p_notify_delay_seconds double precision DEFAULT 0,
    p_previous uuid DEFAULT NULL)
RETURNS TABLE (incident_id uuid, code text, version int, post_id uuid, public_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := clock_timestamp();
    v_started timestamptz := coalesce(p_started_at, v_now);
    v_status text := CASE WHEN p_resolved_at IS NULL THEN p_status ELSE 'resolved' END;
    v_incident incidents;
    v_post uuid;
    v_public_at timestamptz := v_now + make_interval(secs => greatest(0, p_delay_seconds));
    v_visible boolean;
BEGIN
    PERFORM require_role(p_org, 'member');
    IF v_started > v_now OR p_resolved_at > v_now OR p_resolved_at < v_started THEN
        RAISE EXCEPTION 'an incident starts before it is resolved, and not in the future'
            USING ERRCODE = 'SU001';
    END IF;
    IF v_status = 'resolved' AND p_resolved_at IS NULL THEN
        RAISE EXCEPTION 'an incident is not opened as resolved'
            USING ERRCODE = 'SU001', HINT = 'Say when it was resolved to enter it after the fact.';
    END IF;
    IF p_statuses IS NOT NULL AND cardinality(p_statuses) <> cardinality(p_services) THEN
        RAISE EXCEPTION 'as many statuses as services are needed' USING ERRCODE = 'SU001';
    END IF;
    PERFORM 1 FROM service_state st WHERE st.service_id = ANY (p_services)
    ORDER BY st.service_id FOR UPDATE;
    INSERT INTO incidents (org_id, title, internal_title, impact, status, is_public, is_retroactive,
        created_by, lead, touched_by, touched_at, started_at, identified_at, monitoring_at,
        resolved_at, previous_id)
    VALUES (p_org, p_title, p_internal_title, p_impact, v_status, false, p_resolved_at IS NOT NULL,
        session_user, session_user, session_user, v_now, v_started,
        CASE WHEN v_status = 'identified' THEN v_now END,
        CASE WHEN v_status = 'monitoring' THEN v_now END, p_resolved_at, p_previous)
    RETURNING * INTO v_incident;
    PERFORM ask_of_services(v_incident, p_services,
        coalesce(p_statuses, array_fill(NULL::text, ARRAY[cardinality(p_services)])), p_impact);
    v_visible := has_visible_service(v_incident.id);
    IF p_resolved_at IS NOT NULL THEN
        INSERT INTO incident_updates (org_id, incident_id, status, message, is_public, author,
            still_works, created_at)
        VALUES (p_org, v_incident.id, v_status, p_message, p_is_public, session_user, p_still_works,
                p_resolved_at);
        IF p_is_public AND v_visible THEN
            UPDATE incidents i SET is_public = true, published_at = v_now WHERE i.id = v_incident.id;
        END IF;
    ELSE
        INSERT INTO pending_posts (org_id, incident_id, base_version, status, message, is_public,
            next_update_by, still_works, is_opening, created_at, public_at, notify_at)
        VALUES (p_org, v_incident.id, v_incident.version, v_status, p_message, p_is_public,
            p_next_update_by, p_still_works, true, v_now,
            CASE WHEN p_is_public THEN v_public_at ELSE v_now END,
            CASE WHEN p_is_public THEN greatest(v_public_at,
                v_now + make_interval(secs => p_notify_delay_seconds)) ELSE v_now END)
        RETURNING id, pending_posts.public_at INTO v_post, v_public_at;
        IF v_public_at <= v_now THEN
            PERFORM apply_post(v_post);
        ELSE
            PERFORM recompute_service_status(p_services, 'incident', v_incident.id);
        END IF;
    END IF;
    RETURN QUERY SELECT i.id, i.code, i.version, v_post, v_public_at
                 FROM incidents i WHERE i.id = v_incident.id;
END $$;

-- Posts to an incident. p_base_version is the version that the author saw (NULL: whatever it is
-- now); an older one is refused as stale, and so is a post while another one still waits. A public
-- post to an internal incident publishes it. p_status NULL keeps the stage.
CREATE FUNCTION post_update(
    p_incident uuid, p_message text, p_status text DEFAULT NULL, p_is_public boolean DEFAULT true,
    p_base_version int DEFAULT NULL, p_next_update_by timestamptz DEFAULT NULL,
    p_still_works text DEFAULT NULL, p_services uuid[] DEFAULT '{}', p_statuses text[] DEFAULT NULL,
    p_title text DEFAULT NULL, p_impact text DEFAULT NULL, p_supersedes uuid DEFAULT NULL,
    p_delay_seconds double precision DEFAULT 0, p_notify_delay_seconds double precision DEFAULT 0)
RETURNS TABLE (post_id uuid, update_id uuid, version int, status text, public_at timestamptz,
               notify_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_incident incidents;
    v_waiting pending_posts;
    v_first incident_updates;
    v_last record;
    v_post pending_posts;
BEGIN
    v_incident := lock_incident_as(p_incident, 'member', coalesce(p_services, '{}'));
    v_now := clock_timestamp();
    IF p_supersedes IS NOT NULL THEN
        SELECT * INTO v_first FROM incident_updates u
        WHERE u.id = p_supersedes AND u.incident_id = p_incident AND u.kind = 'update';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no such update in %', v_incident.code USING ERRCODE = 'SU002';
        END IF;
        IF v_first.supersedes_id IS NOT NULL THEN
            SELECT * INTO v_first FROM incident_updates u WHERE u.id = v_first.supersedes_id;
        END IF;
    ELSIF v_incident.status = 'resolved' THEN
        RAISE EXCEPTION '% is resolved, and that is final', v_incident.code
            USING ERRCODE = 'SU004', HINT = 'Open a new incident; this one can be linked.';
    END IF;
    SELECT * INTO v_waiting FROM pending_posts p
    WHERE p.incident_id = p_incident AND p.applied_at IS NULL AND p.taken_back_at IS NULL
      AND p.refused_at IS NULL FOR UPDATE;
    IF FOUND THEN
        RAISE EXCEPTION 'a post by % (%) is about to become public', v_waiting.author, v_waiting.status
            USING ERRCODE = 'SU005', HINT = 'Wait for it or take it back, then post yours.',
                  DETAIL = jsonb_build_object('version', v_incident.version, 'status', v_waiting.status,
                      'author', v_waiting.author, 'at', v_waiting.created_at)::text;
    END IF;
    IF p_base_version < v_incident.version THEN
        SELECT coalesce(u.author, 'the watch') AS author, u.created_at, u.status INTO v_last
        FROM incident_updates u WHERE u.incident_id = p_incident AND u.kind = 'update'
        ORDER BY u.created_at DESC LIMIT 1;
        RAISE EXCEPTION '% moved on: it is % now%', v_incident.code, v_incident.status,
            coalesce(', last update by ' || v_last.author || ' at '
                || to_char(v_last.created_at AT TIME ZONE 'UTC', 'HH24:MI:SS') || 'Z', '')
            USING ERRCODE = 'SU005', HINT = 'Look at what changed, then post again.',
                  DETAIL = jsonb_build_object('version', v_incident.version,
                      'status', v_incident.status, 'author', v_last.author,
                      'at', v_last.created_at)::text;
    END IF;
    IF NOT p_is_public AND v_incident.is_public AND p_status <> v_incident.status THEN
        RAISE EXCEPTION 'the public would not learn of the new stage'
            USING ERRCODE = 'SU001', HINT = 'Post it publicly, or write a note without a stage.';
    END IF;
    IF p_services IS NOT NULL AND p_statuses IS NOT NULL
       AND cardinality(p_statuses) <> cardinality(p_services) THEN
        RAISE EXCEPTION 'as many statuses as services are needed' USING ERRCODE = 'SU001';
    END IF;
    INSERT INTO pending_posts (org_id, incident_id, base_version, status, message, is_public,
        next_update_by, still_works, title, impact, service_ids, service_statuses, supersedes_id,
        created_at, public_at, notify_at)
    VALUES (v_incident.org_id, p_incident, v_incident.version,
        CASE WHEN p_supersedes IS NULL THEN coalesce(p_status, v_incident.status)
             ELSE v_first.status END,
        p_message, CASE WHEN p_supersedes IS NULL THEN p_is_public ELSE v_first.is_public END,
        p_next_update_by, p_still_works, p_title, p_impact, coalesce(p_services, '{}'),
        coalesce(p_statuses, array_fill(NULL::text, ARRAY[cardinality(coalesce(p_services, '{}'))])),
        v_first.id, v_now,
        v_now + make_interval(secs => CASE WHEN p_is_public THEN greatest(0, p_delay_seconds) ELSE 0 END),
        v_now + make_interval(secs => CASE WHEN p_is_public
            THEN greatest(0, p_delay_seconds, p_notify_delay_seconds) ELSE 0 END))
    RETURNING * INTO v_post;
    IF v_post.public_at <= v_now THEN
        PERFORM apply_post(v_post.id);
    ELSE
        -- A waiting post counts as touched, so that the engine does not resolve under it.
        UPDATE incidents i SET touched_by = session_user, touched_at = v_now WHERE i.id = p_incident;
    END IF;
    RETURN QUERY SELECT p.id, p.update_id, i.version, i.status, p.public_at, p.notify_at
                 FROM pending_posts p JOIN incidents i ON i.id = p.incident_id
                 WHERE p.id = v_post.id;
END $$;

-- Applies every post whose moment has come. The watch calls it, and so may any terminal.
CREATE FUNCTION apply_due_posts(p_limit int DEFAULT 100)
RETURNS TABLE (post_id uuid, incident_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_post record;
BEGIN
    FOR v_post IN
        SELECT p.id, p.incident_id FROM pending_posts p
        WHERE p.applied_at IS NULL AND p.taken_back_at IS NULL AND p.refused_at IS NULL
          AND p.public_at <= clock_timestamp()
        ORDER BY p.public_at, p.id LIMIT p_limit
    LOOP
        post_id := v_post.id;
        incident_id := v_post.incident_id;
        outcome := apply_post(v_post.id);
        IF outcome <> 'settled' THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- Owner-only: the post for a person to act on, locked after its incident.
CREATE FUNCTION lock_post_as(p_post uuid) RETURNS pending_posts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_post pending_posts;
BEGIN
    SELECT * INTO v_post FROM pending_posts WHERE id = p_post;
    IF NOT FOUND OR NOT v_post.org_id = ANY (my_orgs('viewer')) THEN
        RAISE EXCEPTION 'no such post' USING ERRCODE = 'SU002';
    END IF;
    PERFORM lock_incident_as(v_post.incident_id, 'member', v_post.service_ids);
    SELECT * INTO v_post FROM pending_posts WHERE id = p_post FOR UPDATE;
    IF v_post.applied_at IS NOT NULL THEN
        RAISE EXCEPTION 'that post is public already' USING ERRCODE = 'SU004', HINT = 'Post a correction.';
    ELSIF v_post.taken_back_at IS NOT NULL THEN
        RAISE EXCEPTION 'that post was taken back' USING ERRCODE = 'SU004';
    ELSIF v_post.refused_at IS NOT NULL THEN
        RAISE EXCEPTION 'that post was not applied: %', v_post.refusal USING ERRCODE = 'SU004';
    END IF;
    RETURN v_post;
END $$;

-- Takes a waiting post back; returns it, for the composer. It never was.
CREATE FUNCTION take_back_post(p_post uuid) RETURNS pending_posts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_post pending_posts := lock_post_as(p_post);
BEGIN
    UPDATE pending_posts SET taken_back_at = clock_timestamp(), taken_back_by = session_user
    WHERE id = p_post RETURNING * INTO v_post;
    RETURN v_post;
END $$;

-- Makes a waiting post public at once, and lets mail and webhooks follow at once.
CREATE FUNCTION release_post(p_post uuid) RETURNS pending_posts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_post pending_posts := lock_post_as(p_post);
BEGIN
    UPDATE pending_posts SET public_at = clock_timestamp(), notify_at = clock_timestamp()
    WHERE id = p_post;
    PERFORM apply_post(p_post);
    SELECT * INTO v_post FROM pending_posts WHERE id = p_post;
    RETURN v_post;
END $$;

-- Owner-only: a line of the timeline that no public ever sees.
CREATE FUNCTION add_event(p_incident incidents, p_message text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    INSERT INTO incident_updates (org_id, incident_id, kind, status, message, is_public, author)
    VALUES (p_incident.org_id, p_incident.id, 'event', p_incident.status, p_message, false, session_user)
$$;

-- Writes an internal note; it moves nothing, so it is never stale and goes to resolved ones too.
CREATE FUNCTION add_note(p_incident uuid, p_message text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
    v_id uuid;
BEGIN
    INSERT INTO incident_updates (org_id, incident_id, kind, status, message, is_public, author)
    VALUES (v_incident.org_id, p_incident, 'note', v_incident.status, p_message, false, session_user)
    RETURNING id INTO v_id;
    RETURN v_id;
END $$;

-- Stops reminders for a while, and makes the caller lead if nobody is. Again before it ends, by
-- anybody: it only says so.
CREATE FUNCTION acknowledge(p_incident uuid, p_minutes int DEFAULT NULL) RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
    v_minutes int := coalesce(p_minutes, (SELECT acknowledge_minutes FROM organizations
                                          WHERE org_id = v_incident.org_id));
BEGIN
    IF v_incident.status = 'resolved' THEN
        RAISE EXCEPTION '% is resolved', v_incident.code USING ERRCODE = 'SU004';
    END IF;
    IF v_minutes NOT BETWEEN 1 AND 1440 THEN
        RAISE EXCEPTION 'acknowledge for 1 to 1440 minutes' USING ERRCODE = 'SU001';
    END IF;
    IF v_incident.acknowledged_until > clock_timestamp() THEN
        RETURN v_incident;
    END IF;
    UPDATE incidents SET acknowledged_by = session_user, acknowledged_at = clock_timestamp(),
        acknowledged_until = clock_timestamp() + make_interval(mins => v_minutes),
        lead = coalesce(lead, session_user)
    WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM add_event(v_incident, 'acknowledged until '
        || to_char(v_incident.acknowledged_until AT TIME ZONE 'UTC', 'HH24:MI') || 'Z');
    RETURN v_incident;
END $$;

CREATE FUNCTION release_acknowledgement(p_incident uuid) RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
BEGIN
    IF v_incident.acknowledged_by IS NULL THEN
        RETURN v_incident;
    END IF;
    UPDATE incidents SET acknowledged_by = NULL, acknowledged_at = NULL, acknowledged_until = NULL
    WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM add_event(v_incident, 'acknowledgement released');
    RETURN v_incident;
END $$;

-- Silences an incident until a time, or until a condition holds but at most until then; p_until
-- NULL ends it.
CREATE FUNCTION snooze(p_incident uuid, p_until timestamptz, p_condition text DEFAULT NULL)
RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
BEGIN
    IF p_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '7 days' THEN
        RAISE EXCEPTION 'snooze until a time within the next seven days' USING ERRCODE = 'SU001';
    END IF;
    UPDATE incidents SET snoozed_by = CASE WHEN p_until IS NOT NULL THEN session_user::text END,
        snoozed_until = p_until, snooze_condition = CASE WHEN p_until IS NOT NULL THEN p_condition END
    WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM add_event(v_incident, CASE WHEN p_until IS NULL THEN 'snooze ended' ELSE 'snoozed until '
        || to_char(p_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || 'Z' END);
    RETURN v_incident;
END $$;

-- Edits what an incident is called and how bad it is; every argument that is NULL stays.
CREATE FUNCTION incident_edit(
    p_incident uuid, p_title text DEFAULT NULL, p_internal_title text DEFAULT NULL,
    p_impact text DEFAULT NULL, p_lead text DEFAULT NULL, p_base_version int DEFAULT NULL)
RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
BEGIN
    IF p_base_version < v_incident.version THEN
        RAISE EXCEPTION '% moved on', v_incident.code
            USING ERRCODE = 'SU005', HINT = 'Look at what changed, then edit again.',
                  DETAIL = jsonb_build_object('version', v_incident.version, 'status', v_incident.status)::text;
    END IF;
    IF p_lead IS NOT NULL AND NOT EXISTS (SELECT FROM members m
            WHERE m.org_id = v_incident.org_id AND m.role_name = p_lead) THEN
        RAISE EXCEPTION 'no member is called %', p_lead USING ERRCODE = 'SU002';
    END IF;
    UPDATE incidents SET title = coalesce(p_title, title),
        internal_title = coalesce(p_internal_title, internal_title),
        impact = coalesce(p_impact, impact), lead = coalesce(p_lead, lead),
        touched_by = CASE WHEN p_title IS NOT NULL OR p_impact IS NOT NULL
                          THEN session_user::text ELSE touched_by END,
        touched_at = CASE WHEN p_title IS NOT NULL OR p_impact IS NOT NULL
                          THEN clock_timestamp() ELSE touched_at END
    WHERE id = p_incident RETURNING * INTO v_incident;
    RETURN v_incident;
END $$;

-- Publishes an internal incident as it stands, without new words.
CREATE FUNCTION incident_publish(p_incident uuid) RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
BEGIN
    IF v_incident.is_public THEN
        RETURN v_incident;
    END IF;
    IF NOT has_visible_service(p_incident) THEN
        RAISE EXCEPTION '% concerns no visible service', v_incident.code
            USING ERRCODE = 'SU004', HINT = 'Add a visible service, or make one visible.';
    END IF;
    UPDATE incidents SET is_public = true, published_at = clock_timestamp(),
        touched_by = session_user, touched_at = clock_timestamp()
    WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM incident_services WHERE incident_id = p_incident),
        'incident', p_incident);
    PERFORM queue_event(v_incident.org_id, 'incident.created', 'published:' || p_incident,
                        incident_payload(v_incident, NULL), p_incident);
    RETURN v_incident;
END $$;

-- Deletes an incident softly; its rows and the audit trail stay.
CREATE FUNCTION incident_delete(p_incident uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM lock_incident_as(p_incident, 'owner');
    UPDATE incidents SET deleted_at = clock_timestamp() WHERE id = p_incident;
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM incident_services WHERE incident_id = p_incident),
        'incident', p_incident);
END $$;

-- Takes a text away for good; that it was there and who removed it stays.
CREATE FUNCTION redact_update(p_update uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident uuid := (SELECT incident_id FROM incident_updates WHERE id = p_update);
BEGIN
    IF v_incident IS NULL THEN
        RAISE EXCEPTION 'no such update' USING ERRCODE = 'SU002';
    END IF;
    PERFORM lock_incident_as(v_incident, 'owner');
    INSERT INTO acting_as (txid, role_name, purging)
    VALUES (pg_current_xact_id()::text::bigint, session_user, true);
    UPDATE incident_updates SET message = '[redacted]', still_works = NULL, redacted_at = clock_timestamp()
    WHERE id = p_update;
    UPDATE pending_posts SET message = '[redacted]', still_works = NULL WHERE update_id = p_update;
    UPDATE incidents SET version = version + 1 WHERE id = v_incident;
    DELETE FROM acting_as WHERE txid = pg_current_xact_id()::text::bigint;
END $$;

-- ---------------------------------------------------------------------------------------------
-- What the engine decided. SQL settles under locks what another may have done meanwhile.

-- Opens an automatic incident for a service that went down. Outcome 'opened'; 'exists' when one is
-- open for it already; 'attached' when p_cause_service is down with an open automatic incident: the
-- service joins it. p_is_public says what the service's mode allows; without a visible service it
-- stays internal. A hidden cause's incident becomes public, under p_title, with its first visible
-- service.
CREATE FUNCTION open_automatic_incident(
    p_service uuid, p_title text, p_impact text, p_is_public boolean, p_message text,
    p_started_at timestamptz, p_to_status text, p_internal_title text DEFAULT NULL,
    p_error_kind text DEFAULT NULL, p_cause_service uuid DEFAULT NULL)
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
BEGIN
    PERFORM 1 FROM service_state st WHERE st.service_id IN (p_service, p_cause_service)
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
    v_public := p_is_public AND v_service.is_visible;
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
    WHERE x.service_id = p_cause_service AND x.open_auto FOR UPDATE OF i;
    IF FOUND THEN
        v_outcome := 'attached';
        INSERT INTO incident_services (org_id, incident_id, service_id, from_status, to_status, open_auto)
        VALUES (v_service.org_id, v_incident.id, p_service, v_from, p_to_status, true);
        UPDATE incidents i SET version = i.version + 1, cause_service_id = p_cause_service,
            -- Until a person has touched it, its words and impact grow with what it takes down.
            title = CASE WHEN v_public AND i.touched_at IS NULL THEN p_title ELSE i.title END,
            internal_title = CASE WHEN i.touched_at IS NULL
                THEN coalesce(p_internal_title, i.internal_title)
                ELSE coalesce(i.internal_title, p_internal_title) END,
            impact = CASE WHEN i.touched_at IS NULL
                THEN worse_impact(i.impact, p_impact) ELSE i.impact END,
            is_public = i.is_public OR v_public,
            published_at = CASE WHEN v_public AND NOT i.is_public
                                THEN clock_timestamp() ELSE i.published_at END
        WHERE i.id = v_incident.id;
    ELSE
        INSERT INTO incidents (org_id, title, internal_title, impact, is_auto, is_public,
            published_at, started_at, cause_service_id, error_kind)
        VALUES (v_service.org_id, p_title, p_internal_title, p_impact, true, v_public,
            CASE WHEN v_public THEN clock_timestamp() END, least(p_started_at, clock_timestamp()),
            p_cause_service, p_error_kind)
        RETURNING * INTO v_incident;
        INSERT INTO incident_services (org_id, incident_id, service_id, from_status, to_status, open_auto)
        VALUES (v_service.org_id, v_incident.id, p_service, v_from, p_to_status, true);
    END IF;
    IF v_outcome = 'opened' OR v_public AND NOT v_incident.is_public THEN
        INSERT INTO incident_updates (org_id, incident_id, status, message, is_public)
        VALUES (v_service.org_id, v_incident.id, v_incident.status, p_message, v_public)
        RETURNING id INTO v_update;
    ELSE
        INSERT INTO incident_updates (org_id, incident_id, kind, status, message, is_public)
        VALUES (v_service.org_id, v_incident.id, 'event', v_incident.status,
                left(v_service.name || ' is affected too', 5000), false);
    END IF;
    IF v_public AND v_update IS NOT NULL THEN
        SELECT * INTO v_incident FROM incidents i WHERE i.id = v_incident.id;
        PERFORM queue_event(v_incident.org_id, 'incident.created', 'update:' || v_update,
            incident_payload(v_incident, v_update), v_incident.id, p_service);
    END IF;
    RETURN QUERY SELECT v_incident.id, v_incident.code, v_outcome;
END $$;

-- Moves an open automatic incident: 'monitoring' on recovery, 'investigating' when it fails again,
-- 'resolved' when it has stayed up. Outcomes: 'moved'; 'unchanged' (there already); 'closed' (not
-- open any more); 'touched' (a person has posted or edited: the resolving is theirs); 'failing' (one
-- of its services is still down, so it is not resolved). The words are public if the incident is.
CREATE FUNCTION move_automatic_incident(
    p_incident uuid, p_status text, p_message text, p_at timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents;
    v_update uuid;
    v_at timestamptz;
BEGIN
    BEGIN
        v_incident := lock_incident(p_incident);
    EXCEPTION WHEN SQLSTATE 'SU002' THEN
        RETURN 'closed';
    END;
    v_at := coalesce(p_at, clock_timestamp());
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
    UPDATE incidents SET status = p_status,
        identified_at = CASE WHEN p_status = 'identified' THEN v_at ELSE identified_at END,
        monitoring_at = CASE WHEN p_status = 'monitoring' THEN v_at ELSE monitoring_at END,
        resolved_at = CASE WHEN p_status = 'resolved' THEN greatest(v_at, started_at) END,
        next_update_by = CASE WHEN p_status <> 'resolved' THEN next_update_by END
    WHERE id = p_incident RETURNING * INTO v_incident;
    INSERT INTO incident_updates (org_id, incident_id, status, message, is_public)
    VALUES (v_incident.org_id, p_incident, p_status, p_message, v_incident.is_public)
    RETURNING id INTO v_update;
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM incident_services WHERE incident_id = p_incident),
        'incident', p_incident);
    IF v_incident.is_public THEN
        PERFORM queue_event(v_incident.org_id,
            CASE p_status WHEN 'resolved' THEN 'incident.resolved' ELSE 'incident.updated' END,
            'update:' || v_update, incident_payload(v_incident, v_update), p_incident);
    END IF;
    RETURN 'moved';
END $$;
