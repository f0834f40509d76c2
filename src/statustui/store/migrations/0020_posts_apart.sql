-- A post that cannot be applied now, because somebody holds its incident or for what it is, keeps no
-- other post waiting: each is tried by itself, and tried again by the next call.
CREATE OR REPLACE FUNCTION apply_due_posts(p_limit int DEFAULT 100)
RETURNS TABLE (post_id uuid, incident_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET lock_timeout = '500ms'
AS $$
#variable_conflict use_column
DECLARE
    v_post record;
    v_left int := 5;
BEGIN
    FOR v_post IN
        SELECT p.id, p.incident_id FROM pending_posts p
        WHERE p.applied_at IS NULL AND p.taken_back_at IS NULL AND p.refused_at IS NULL
          AND p.public_at <= clock_timestamp()
        ORDER BY p.public_at, p.id LIMIT p_limit
    LOOP
        post_id := v_post.id;
        incident_id := v_post.incident_id;
        BEGIN
            outcome := apply_post(v_post.id);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'post % waits: %', v_post.id, SQLERRM;
            -- Whoever calls has other things to do as well.
            v_left := v_left - 1;
            EXIT WHEN v_left = 0;
            CONTINUE;
        END;
        IF outcome <> 'settled' THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
