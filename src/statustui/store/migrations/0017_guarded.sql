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

-- As before, but of an automatic incident the house was told when it opened: who publishes it opens
-- none. Owner-only: applies one post whole. Returns 'applied' or 'refused' (the incident was resolved or
-- deleted, or changed its stage, while the post waited; the post keeps the reason).
CREATE OR REPLACE FUNCTION apply_post(p_post uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_post pending_posts;
    v_incident incidents;
    v_update uuid := gen_random_uuid();
    v_now timestamptz;
    v_publishes boolean;
    v_correction boolean;
    v_moved text;
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
    IF v_post.is_public AND NOT v_correction THEN
        v_moved := stage_moved_to(v_post);
        IF v_moved IS NOT NULL THEN
            UPDATE pending_posts SET refused_at = clock_timestamp(),
                refusal = v_incident.code || ' moved to ' || v_moved || ' meanwhile'
            WHERE id = p_post;
            PERFORM draft_of_post(v_post, v_incident);
            RETURN 'refused';
        END IF;
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
            CASE WHEN v_post.is_opening OR v_publishes AND NOT v_incident.is_auto
                     THEN 'incident.created'
                 WHEN v_post.status = 'resolved' THEN 'incident.resolved'
                 ELSE 'incident.updated' END,
            'update:' || v_update, incident_payload(v_incident, v_update), v_incident.id, NULL,
            v_post.notify_at);
    END IF;
    DELETE FROM acting_as WHERE txid = pg_current_xact_id()::text::bigint;
    RETURN 'applied';
END $$;

GRANT EXECUTE ON FUNCTION incident_hold TO statustui_operator;
GRANT EXECUTE ON FUNCTION post_guarded_sentences TO statustui_engine;
