-- Words that wait their seconds were written about a stage. When the incident changes its stage
-- meanwhile they may say the opposite of what is true, so they are held: the page never shows them,
-- and they stand in the author's draft again, to be read once more beside what happened.

-- Owner-only: the stage to which an incident was moved after a post was written, NULL when nothing
-- moved. Notes, further services and corrections move nothing.
CREATE FUNCTION stage_moved_to(p_post pending_posts) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    WITH said AS (
        SELECT u.status, u.created_at, u.id, lag(u.status) OVER (ORDER BY u.created_at, u.id) AS before
        FROM incident_updates u
        WHERE u.incident_id = p_post.incident_id AND u.kind = 'update' AND u.supersedes_id IS NULL)
    SELECT (SELECT status FROM said ORDER BY created_at DESC, id DESC LIMIT 1)
    WHERE EXISTS (SELECT FROM said WHERE created_at > p_post.created_at
                  AND status <> coalesce(before, p_post.status))
$$;

-- Owner-only: puts the words of a post back into its author's draft, as the composer keeps them,
-- before what stands there already. They name the version they were written about, so that posting
-- them again shows what changed since. A draft too long for both keeps its own; the post has its.
CREATE FUNCTION draft_of_post(p_post pending_posts, p_incident incidents) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    INSERT INTO drafts AS d (org_id, role_name, subject, kind, incident_id, base_version, body)
    VALUES (p_post.org_id, p_post.author, p_post.incident_id::text, 'public', p_post.incident_id,
        p_post.base_version,
        jsonb_build_object(
            'status', p_post.status,
            'title', coalesce(p_post.title, p_incident.title),
            'text', p_post.message,
            -- As a span: the clock of the author's terminal is not known here.
            'next_by', coalesce(greatest(1, round(extract(epoch FROM
                p_post.next_update_by - p_post.created_at) / 60))::bigint || 'm', '')))
    ON CONFLICT (org_id, role_name, subject, kind) DO UPDATE SET
        base_version = least(d.base_version, EXCLUDED.base_version),
        body = CASE
            WHEN position(EXCLUDED.body ->> 'text' IN coalesce(d.body ->> 'text', '')) > 0
                OR octet_length(d.body::text) > 32768 THEN d.body
            ELSE EXCLUDED.body || jsonb_build_object('text', rtrim(
                (EXCLUDED.body ->> 'text') || E'\n\n' || coalesce(d.body ->> 'text', ''), E'\n '))
            END,
        updated_at = now()
$$;

-- Owner-only: applies one post whole. Returns 'applied' or 'refused' (the incident was resolved or
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
            CASE WHEN v_publishes OR v_post.is_opening THEN 'incident.created'
                 WHEN v_post.status = 'resolved' THEN 'incident.resolved'
                 ELSE 'incident.updated' END,
            'update:' || v_update, incident_payload(v_incident, v_update), v_incident.id, NULL,
            v_post.notify_at);
    END IF;
    DELETE FROM acting_as WHERE txid = pg_current_xact_id()::text::bigint;
    RETURN 'applied';
END $$;

REVOKE EXECUTE ON FUNCTION stage_moved_to(pending_posts), draft_of_post(pending_posts, incidents)
FROM PUBLIC;
