-- Who may do what, enforced here for every client, psql included.
--
-- Every table has forced row-level security: even its owner passes only by policy, so a definer
-- function or a public view can never leak by being forgotten. Policies are TO named roles and call
-- my_orgs once per statement. The web's role has no policy and no grant on any table.

DO $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'statustui'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND c.relname <> 'schema_migrations'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY owner_all ON %I TO statustui_owner USING (true) WITH CHECK (true)', v_table);
    END LOOP;

    -- What an organization's members see, from viewer on.
    FOREACH v_table IN ARRAY ARRAY['organizations', 'pages', 'page_tokens', 'page_services', 'members',
        'services', 'service_dependencies', 'service_state', 'service_monitor_status',
        'service_status_changes', 'monitors', 'monitor_schedules', 'monitor_state', 'monitor_status',
        'monitor_state_changes', 'checks', 'rollups_hourly', 'rollups_daily', 'evidence', 'observed',
        'incidents', 'incident_services', 'incident_updates', 'pending_posts', 'marks',
        'mark_services', 'maintenance_windows', 'maintenance_services', 'maintenance_updates',
        'channels', 'outbox', 'audit_log']
    LOOP
        EXECUTE format('CREATE POLICY members_see ON %I FOR SELECT TO statustui_operator
            USING (org_id = ANY ((SELECT my_orgs(''viewer''))::int[]))', v_table);
    END LOOP;

    -- What the engine reads of every organization.
    FOREACH v_table IN ARRAY ARRAY['organizations', 'services', 'service_dependencies', 'service_state',
        'service_status_changes', 'monitors', 'monitor_schedules', 'incidents', 'incident_services',
        'incident_updates', 'pending_posts', 'marks', 'mark_services', 'maintenance_windows',
        'maintenance_services', 'maintenance_updates', 'plans', 'installation', 'pages', 'page_services']
    LOOP
        EXECUTE format('CREATE POLICY engine_sees ON %I FOR SELECT TO statustui_engine USING (true)', v_table);
        EXECUTE format('GRANT SELECT ON %I TO statustui_engine', v_table);
    END LOOP;

    -- What the engine writes. Facts are never changed or removed by it.
    FOREACH v_table IN ARRAY ARRAY['checks', 'monitor_state_changes', 'evidence']
    LOOP
        EXECUTE format('CREATE POLICY engine_sees ON %I FOR SELECT TO statustui_engine USING (true)', v_table);
        EXECUTE format('CREATE POLICY engine_adds ON %I FOR INSERT TO statustui_engine WITH CHECK (true)', v_table);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO statustui_engine', v_table);
    END LOOP;
    FOREACH v_table IN ARRAY ARRAY['monitor_state', 'monitor_status', 'service_monitor_status',
        'rollups_hourly', 'rollups_daily', 'observed', 'leases', 'engines', 'regions', 'outbox']
    LOOP
        EXECUTE format('CREATE POLICY engine_all ON %I TO statustui_engine USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO statustui_engine', v_table);
    END LOOP;
    FOREACH v_table IN ARRAY ARRAY['monitor_state', 'monitor_status', 'service_monitor_status', 'engines']
    LOOP
        EXECUTE format('GRANT DELETE ON %I TO statustui_engine', v_table);
    END LOOP;

    -- What belongs to no organization and everybody who works here may know.
    FOREACH v_table IN ARRAY ARRAY['plans', 'installation', 'leases', 'engines', 'regions']
    LOOP
        EXECUTE format('CREATE POLICY operators_see ON %I FOR SELECT TO statustui_operator USING (true)', v_table);
        EXECUTE format('GRANT SELECT ON %I TO statustui_operator', v_table);
    END LOOP;

    FOREACH v_table IN ARRAY ARRAY['organizations', 'pages', 'page_services', 'members',
        'services', 'service_dependencies', 'service_state', 'service_monitor_status',
        'service_status_changes', 'monitors', 'monitor_schedules', 'monitor_state', 'monitor_status',
        'monitor_state_changes', 'checks', 'rollups_hourly', 'rollups_daily', 'evidence', 'observed',
        'incidents', 'incident_services', 'incident_updates', 'pending_posts', 'marks',
        'mark_services', 'maintenance_windows', 'maintenance_services', 'maintenance_updates',
        'channels', 'outbox', 'audit_log']
    LOOP
        EXECUTE format('GRANT SELECT ON %I TO statustui_operator', v_table);
    END LOOP;
END $$;

CREATE POLICY engine_updates ON monitors FOR UPDATE TO statustui_engine USING (true) WITH CHECK (true);
GRANT UPDATE (run_requested_at) ON monitors TO statustui_engine;
-- The next occurrence of a recurring window is written by the watch.
CREATE POLICY engine_adds ON maintenance_windows FOR INSERT TO statustui_engine WITH CHECK (recurrence_rule IS NOT NULL);
CREATE POLICY engine_adds ON maintenance_services FOR INSERT TO statustui_engine WITH CHECK (true);
GRANT INSERT ON maintenance_windows, maintenance_services TO statustui_engine;

-- Token hashes are for the web's view alone.
GRANT SELECT (id, org_id, page_id, name, created_by, created_at, revoked_at) ON page_tokens TO statustui_operator;

-- People.
CREATE POLICY colleagues_see ON users FOR SELECT TO statustui_operator
    USING (role_name = ANY ((SELECT my_people())::text[]));
CREATE POLICY oneself_edits ON users FOR UPDATE TO statustui_operator
    USING (role_name = session_user) WITH CHECK (role_name = session_user);
GRANT SELECT, UPDATE (display_name, email, ssh_keys) ON users TO statustui_operator;

CREATE POLICY owners_add ON members FOR INSERT TO statustui_operator
    WITH CHECK (org_id = ANY ((SELECT my_orgs('owner'))::int[]));
CREATE POLICY owners_edit ON members FOR UPDATE TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('owner'))::int[]))
    WITH CHECK (org_id = ANY ((SELECT my_orgs('owner'))::int[]));
CREATE POLICY owners_remove ON members FOR DELETE TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('owner'))::int[]));
GRANT INSERT (org_id, role_name, role), UPDATE (role), DELETE ON members TO statustui_operator;

CREATE POLICY admins_edit ON organizations FOR UPDATE TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('admin'))::int[]))
    WITH CHECK (org_id = ANY ((SELECT my_orgs('admin'))::int[]));
GRANT UPDATE (slug, name, timezone, brand_color, logo_url, public_base_url, automatic_incidents,
    recovery_watch_seconds, public_delay_seconds, notify_delay_seconds, acknowledge_minutes,
    guarded_sentence, uptime_alert_percent, notification_preferences)
    ON organizations TO statustui_operator;

-- Members and above create services, marks, and (by function) work incidents.
CREATE POLICY members_add ON services FOR INSERT TO statustui_operator
    WITH CHECK (org_id = ANY ((SELECT my_orgs('member'))::int[])
                AND (pinned_status IS NULL OR org_id = ANY ((SELECT my_orgs('admin'))::int[])));
CREATE POLICY admins_edit ON services FOR UPDATE TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('admin'))::int[]))
    WITH CHECK (org_id = ANY ((SELECT my_orgs('admin'))::int[]));
GRANT INSERT (id, org_id, name, description, group_name, display_order, is_visible, pinned_status,
    automatic_incidents) ON services TO statustui_operator;
GRANT UPDATE (name, description, group_name, display_order, is_visible, pinned_status,
    automatic_incidents, deleted_at) ON services TO statustui_operator;

CREATE POLICY members_add ON marks FOR INSERT TO statustui_operator
    WITH CHECK (org_id = ANY ((SELECT my_orgs('member'))::int[]) AND author = session_user);
CREATE POLICY admins_remove ON marks FOR DELETE TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('admin'))::int[]));
CREATE POLICY members_add ON mark_services FOR INSERT TO statustui_operator
    WITH CHECK (org_id = ANY ((SELECT my_orgs('member'))::int[]));
GRANT INSERT (id, org_id, at, text, source, link), DELETE ON marks TO statustui_operator;
GRANT INSERT ON mark_services TO statustui_operator;

CREATE POLICY members_edit ON incidents FOR UPDATE TO statustui_operator
    USING (org_id = ANY ((SELECT my_orgs('member'))::int[]))
    WITH CHECK (org_id = ANY ((SELECT my_orgs('member'))::int[]));
GRANT UPDATE (title, internal_title, impact, lead, postmortem, postmortem_published_at)
    ON incidents TO statustui_operator;

-- A draft is its writer's alone.
CREATE POLICY own ON drafts TO statustui_operator
    USING (role_name = session_user AND org_id = ANY ((SELECT my_orgs('member'))::int[]))
    WITH CHECK (role_name = session_user AND org_id = ANY ((SELECT my_orgs('member'))::int[]));
GRANT SELECT, INSERT, UPDATE, DELETE ON drafts TO statustui_operator;

-- Admins configure.
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['pages', 'page_tokens', 'page_services', 'service_dependencies',
        'monitors', 'maintenance_windows', 'maintenance_services', 'channels']
    LOOP
        EXECUTE format('CREATE POLICY admins_add ON %I FOR INSERT TO statustui_operator
            WITH CHECK (org_id = ANY ((SELECT my_orgs(''admin''))::int[]))', v_table);
        EXECUTE format('CREATE POLICY admins_edit ON %I FOR UPDATE TO statustui_operator
            USING (org_id = ANY ((SELECT my_orgs(''admin''))::int[]))
            WITH CHECK (org_id = ANY ((SELECT my_orgs(''admin''))::int[]))', v_table);
        EXECUTE format('CREATE POLICY admins_remove ON %I FOR DELETE TO statustui_operator
            USING (org_id = ANY ((SELECT my_orgs(''admin''))::int[]))', v_table);
    END LOOP;
END $$;
GRANT INSERT, UPDATE (slug, name, description, headline, support_url, visibility, custom_domain,
    theme, lists_all), DELETE ON pages TO statustui_operator;
GRANT INSERT (id, org_id, page_id, name, token_hash), UPDATE (revoked_at) ON page_tokens TO statustui_operator;
GRANT INSERT, UPDATE (display_order, group_name), DELETE ON page_services TO statustui_operator;
GRANT INSERT, DELETE ON service_dependencies TO statustui_operator;
GRANT INSERT (id, org_id, service_id, name, type, config, interval_seconds, timeout_ms,
    failure_threshold, recovery_threshold, retry_interval_seconds, degraded_after_ms, conditions,
    degraded_conditions, regions, region_quorum, is_active, paused_until, paused_by, runbook, tags)
    ON monitors TO statustui_operator;
GRANT UPDATE (service_id, name, type, config, interval_seconds, timeout_ms, failure_threshold,
    recovery_threshold, retry_interval_seconds, degraded_after_ms, conditions, degraded_conditions,
    regions, region_quorum, is_active, paused_until, paused_by, runbook, tags, deleted_at) ON monitors TO statustui_operator;
GRANT INSERT (id, org_id, series_id, title, description, starts_at, ends_at, status, auto_update,
    is_public, recurrence_rule, exceptions, notify_before_seconds)
    ON maintenance_windows TO statustui_operator;
GRANT UPDATE (title, description, starts_at, ends_at, status, auto_update, is_public,
    recurrence_rule, exceptions, notify_before_seconds) ON maintenance_windows TO statustui_operator;
GRANT INSERT, DELETE ON maintenance_services TO statustui_operator;
CREATE POLICY admins_add ON maintenance_updates FOR INSERT TO statustui_operator
    WITH CHECK (org_id = ANY ((SELECT my_orgs('admin'))::int[]) AND author = session_user);
GRANT INSERT (id, org_id, window_id, status, message, is_public) ON maintenance_updates TO statustui_operator;
GRANT INSERT, UPDATE (name, kind, config, events, is_active), DELETE ON channels TO statustui_operator;

-- Functions. Nothing was granted to PUBLIC, so what is not named here only the owner calls.
GRANT EXECUTE ON FUNCTION is_line, is_prose, is_slug, severity, status_of, role_rank, slug_from,
    impact_status, schedule_phase_ms TO statustui_operator, statustui_engine, statustui_web;
GRANT EXECUTE ON FUNCTION my_orgs, my_people, organization_create, organization_set_plan, member_add,
    member_set_role, member_remove, incident_create, post_update, take_back_post, release_post,
    add_note, acknowledge, release_acknowledgement, snooze, incident_edit, incident_publish,
    incident_delete, redact_update, request_run TO statustui_operator;
GRANT EXECUTE ON FUNCTION apply_due_posts, scheduled_slots TO statustui_operator, statustui_engine;
GRANT EXECUTE ON FUNCTION recompute_service_status, advance_maintenance, open_automatic_incident,
    move_automatic_incident, queue_event, ensure_check_partitions, drop_check_partition, lease_take,
    lease_release, lease_hold TO statustui_engine;
