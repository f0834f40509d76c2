-- The mode `guarded`: words wait for a person, who posts, publishes or holds them. Without one the
-- organization's approved sentence is posted.

COMMENT ON COLUMN organizations.guarded_sentence IS
    'posted for a guarded incident that no person has spoken about; NULL takes the built-in one';

-- Owner-only: the approved sentence of an organization.
CREATE FUNCTION approved_sentence(p_org int) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT coalesce((SELECT guarded_sentence FROM organizations WHERE org_id = p_org),
        'Our automatic checks have detected a problem. We are looking into it.')
$$;

-- Holds the words of a guarded incident: nothing is posted by itself until they are let go again.
-- It counts as no post, so the incident still moves by itself.
CREATE FUNCTION incident_hold(p_incident uuid, p_hold boolean DEFAULT true) RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
BEGIN
    IF v_incident.draft IS NULL OR v_incident.is_public THEN
        RAISE EXCEPTION 'no words of % wait to be posted', v_incident.code
            USING ERRCODE = 'SU004', HINT = 'Only incidents of guarded services have a draft.';
    END IF;
    IF (v_incident.held_at IS NOT NULL) = p_hold THEN
        RETURN v_incident;
    END IF;
    UPDATE incidents SET
        held_by = CASE WHEN p_hold THEN session_user::text END,
        held_at = CASE WHEN p_hold THEN clock_timestamp() END
    WHERE id = p_incident RETURNING * INTO v_incident;
    PERFORM add_event(v_incident, CASE WHEN p_hold
        THEN 'held the draft: nothing is posted until a person does'
        ELSE 'let the draft go: the approved sentence follows at '
            || to_char(greatest(v_incident.draft_due_at, clock_timestamp()) AT TIME ZONE 'UTC',
                       'HH24:MI') || 'Z' END);
    RETURN v_incident;
END $$;

-- Posts the approved sentence for guarded incidents that are still under investigation when their
-- time has come and of which no person has spoken: no update, no post that waits, no hold. The
-- watch calls it every second; returns the incidents.
CREATE FUNCTION post_guarded_sentences() RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_due uuid[];
    v_incident incidents;
    v_update uuid;
BEGIN
    v_due := ARRAY(
        SELECT i.id FROM incidents i
        WHERE i.draft_due_at <= clock_timestamp() AND i.is_open_auto AND NOT i.is_public
          AND i.held_at IS NULL AND NOT i.to_be_told
          AND i.status IN ('investigating', 'identified'));
    IF v_due = '{}' THEN
        RETURN;
    END IF;
    PERFORM 1 FROM service_state st
    WHERE st.service_id IN (SELECT x.service_id FROM incident_services x WHERE x.incident_id = ANY (v_due))
    ORDER BY st.service_id FOR UPDATE;
    FOR v_incident IN
        SELECT i.* FROM incidents i
        WHERE i.id = ANY (v_due) AND i.is_open_auto AND NOT i.is_public AND i.held_at IS NULL
          AND i.status IN ('investigating', 'identified') AND has_visible_service(i.id)
          AND NOT EXISTS (SELECT FROM incident_updates u
                          WHERE u.incident_id = i.id AND u.kind = 'update' AND u.author IS NOT NULL)
          AND NOT EXISTS (SELECT FROM pending_posts p
                          WHERE p.incident_id = i.id AND p.applied_at IS NULL
                            AND p.taken_back_at IS NULL AND p.refused_at IS NULL)
        ORDER BY i.id FOR UPDATE OF i
    LOOP
        UPDATE incidents SET is_public = true, published_at = clock_timestamp(), draft = NULL,
            draft_due_at = NULL
        WHERE id = v_incident.id RETURNING * INTO v_incident;
        INSERT INTO incident_updates (org_id, incident_id, status, message, is_public)
        VALUES (v_incident.org_id, v_incident.id, v_incident.status,
                approved_sentence(v_incident.org_id), true)
        RETURNING id INTO v_update;
        PERFORM recompute_service_status(
            ARRAY(SELECT service_id FROM incident_services WHERE incident_id = v_incident.id),
            'incident', v_incident.id);
        -- The house was told when it opened.
        PERFORM queue_event(v_incident.org_id, 'incident.updated', 'update:' || v_update,
            incident_payload(v_incident, v_update), v_incident.id);
        RETURN NEXT v_incident.id;
    END LOOP;
END $$;
CREATE INDEX incidents_drafts ON incidents (draft_due_at) WHERE draft_due_at IS NOT NULL;

-- A draft is over when the incident is public, whoever published it.
CREATE FUNCTION end_draft() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    NEW.draft := NULL;
    NEW.draft_due_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER end_draft BEFORE UPDATE ON incidents FOR EACH ROW
    WHEN (NEW.draft IS NOT NULL AND (NEW.is_public OR NEW.status = 'resolved'))
    EXECUTE FUNCTION end_draft();

-- Publishes an internal incident as it stands; words that wait as a draft go with it, said by the
-- person who publishes.
CREATE OR REPLACE FUNCTION incident_publish(p_incident uuid) RETURNS incidents
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_incident incidents := lock_incident_as(p_incident, 'member');
    v_draft text := v_incident.draft;
    v_update uuid;
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
    IF v_draft IS NOT NULL THEN
        INSERT INTO incident_updates (org_id, incident_id, status, message, is_public, author)
        VALUES (v_incident.org_id, p_incident, v_incident.status, v_draft, true, session_user)
        RETURNING id INTO v_update;
    END IF;
    PERFORM recompute_service_status(
        ARRAY(SELECT service_id FROM incident_services WHERE incident_id = p_incident),
        'incident', p_incident);
    PERFORM queue_event(v_incident.org_id,
        CASE WHEN v_incident.is_auto THEN 'incident.updated' ELSE 'incident.created' END,
        'published:' || p_incident, incident_payload(v_incident, v_update), p_incident);
    RETURN v_incident;
END $$;

GRANT EXECUTE ON FUNCTION incident_hold TO statustui_operator;
GRANT EXECUTE ON FUNCTION post_guarded_sentences TO statustui_engine;
