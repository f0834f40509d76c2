-- A storm of incidents changes rows of thirty columns a thousand times: of an update, only the
-- columns that changed are masked and kept, instead of masking both rows to compare them then.

-- As before; a change that cannot be seen behind the masks leaves no line, as before.
CREATE OR REPLACE FUNCTION write_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_old jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    v_new jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    v_row jsonb := coalesce(v_new, v_old);
    v_before jsonb;
    v_after jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(b.key, b.value), jsonb_object_agg(b.key, v_new -> b.key)
        INTO v_old, v_new
        FROM jsonb_each(v_old) b WHERE b.value IS DISTINCT FROM v_new -> b.key;
        IF v_old IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    v_before := audited(v_old, TG_TABLE_NAME);
    v_after := audited(v_new, TG_TABLE_NAME);
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(b.key, b.value), jsonb_object_agg(b.key, v_after -> b.key)
        INTO v_before, v_after
        FROM jsonb_each(v_before) b WHERE b.value IS DISTINCT FROM v_after -> b.key;
        IF v_before IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO audit_log (org_id, actor, action, table_name, row_id, before, after)
    VALUES ((v_row ->> 'org_id')::int,
            coalesce((SELECT role_name FROM acting_as
                      WHERE txid = pg_current_xact_id_if_assigned()::text::bigint), session_user),
            lower(TG_OP), TG_TABLE_NAME, v_row ->> TG_ARGV[0], v_before, v_after);
    RETURN NULL;
END $$;
