-- What is being worked on and told: incidents with their append-only timelines, posts that wait
-- for their moment, marks and maintenance windows.

CREATE TABLE incidents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL REFERENCES organizations,
    code text NOT NULL UNIQUE CHECK (code ~ '^INC-[0-9A-HJKMNP-TV-Z]{4,10}$'),
    title text NOT NULL CHECK (is_line(title, 500)),
    internal_title text CHECK (is_line(internal_title, 500)),
    impact text NOT NULL CHECK (impact IN ('none', 'minor', 'major', 'critical')),
    status text NOT NULL DEFAULT 'investigating'
        CHECK (status IN ('investigating', 'identified', 'monitoring', 'resolved')),
    is_auto boolean NOT NULL DEFAULT false,
    is_public boolean NOT NULL DEFAULT true,
    is_retroactive boolean NOT NULL DEFAULT false,
    created_by text,
    lead text,
    acknowledged_by text,
    acknowledged_at timestamptz,
    acknowledged_until timestamptz,
    snoozed_by text,
    snoozed_until timestamptz,
    snooze_condition text CHECK (snooze_condition IN ('recovered', 'new_symptom')),
    touched_by text,
    touched_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    identified_at timestamptz,
    monitoring_at timestamptz,
    resolved_at timestamptz,
    published_at timestamptz,
    next_update_by timestamptz,
    cause_service_id uuid,
    error_kind text,
    previous_id uuid,
    postmortem text CHECK (is_prose(postmortem, 100000)),
    postmortem_published_at timestamptz,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    is_open_auto boolean GENERATED ALWAYS AS
        (is_auto AND status <> 'resolved' AND deleted_at IS NULL) STORED,
    UNIQUE (id, org_id),
    UNIQUE (id, org_id, is_open_auto),
    CONSTRAINT automatic_has_no_author CHECK (is_auto = (created_by IS NULL)),
    CONSTRAINT resolved_has_a_time CHECK ((status = 'resolved') = (resolved_at IS NOT NULL)),
    CONSTRAINT resolved_after_start CHECK (resolved_at >= started_at),
    CONSTRAINT acknowledged_whole CHECK (
        (acknowledged_by IS NULL) = (acknowledged_at IS NULL)
        AND (acknowledged_by IS NULL) = (acknowledged_until IS NULL)),
    CONSTRAINT public_has_a_time CHECK (is_public = (published_at IS NOT NULL)),
    CONSTRAINT postmortem_before_its_publication CHECK (
        postmortem_published_at IS NULL OR postmortem IS NOT NULL),
    FOREIGN KEY (cause_service_id, org_id) REFERENCES services (id, org_id),
    FOREIGN KEY (previous_id, org_id) REFERENCES incidents (id, org_id)
);
COMMENT ON COLUMN incidents.version IS
    'raised by every change of status, title, impact, publicity or affected services; posts name the one they were based on';
COMMENT ON COLUMN incidents.touched_at IS
    'a person posted or edited: the engine leaves the resolving to people (acknowledging and notes do not count)';
CREATE INDEX incidents_org_started ON incidents (org_id, started_at DESC);
CREATE INDEX incidents_open ON incidents (org_id) WHERE status <> 'resolved' AND deleted_at IS NULL;

CREATE FUNCTION keep_incident() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF OLD.status = 'resolved' AND NEW.status <> 'resolved' THEN
        RAISE EXCEPTION '% is resolved, and that is final', OLD.code
            USING ERRCODE = 'SU004', HINT = 'Open a new incident and link this one.';
    END IF;
    IF NEW.version = OLD.version
       AND (OLD.status, OLD.title, OLD.impact, OLD.is_public, OLD.deleted_at)
           IS DISTINCT FROM (NEW.status, NEW.title, NEW.impact, NEW.is_public, NEW.deleted_at) THEN
        NEW.version := OLD.version + 1;
    END IF;
    -- Who acknowledged or snoozed is no news to those who read the incident.
    NEW.updated_at := CASE WHEN NEW.version > OLD.version THEN now() ELSE OLD.updated_at END;
    RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE UPDATE ON incidents FOR EACH ROW EXECUTE FUNCTION keep_incident();

-- INC- and four characters of Crockford's base 32 (no I, L, O, U), one more after every 16 draws
-- that were taken already.
CREATE FUNCTION new_incident_code() RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_alphabet CONSTANT text := '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    v_bytes bytea;
    v_code text;
BEGIN
    FOR v_try IN 0..95 LOOP
        -- Bytes 0 to 5 and 10 to 15 of a version 4 uuid are all random.
        v_bytes := uuid_send(gen_random_uuid());
        SELECT 'INC-' || string_agg(
                   substr(v_alphabet, (get_byte(v_bytes, CASE WHEN i < 6 THEN i ELSE i + 4 END) & 31) + 1, 1),
                   '' ORDER BY i)
        INTO v_code FROM generate_series(0, 3 + v_try / 16) i;
        IF NOT EXISTS (SELECT FROM incidents WHERE code = v_code) THEN
            RETURN v_code;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'no free incident code was found' USING ERRCODE = 'SU004';
END $$;
ALTER TABLE incidents ALTER COLUMN code SET DEFAULT new_incident_code();

-- Which services an incident concerns. from_status and to_status say what it did to them when it
-- was set; asked_status is what it asks of the status while it is open, NULL as long as only the
-- monitors speak.
CREATE TABLE incident_services (
    org_id int NOT NULL,
    incident_id uuid NOT NULL,
    service_id uuid NOT NULL,
    from_status text NOT NULL CHECK (severity(from_status) IS NOT NULL),
    to_status text NOT NULL CHECK (severity(to_status) IS NOT NULL),
    asked_status text CHECK (asked_status IN ('degraded_performance', 'partial_outage',
        'major_outage')),
    open_auto boolean NOT NULL DEFAULT false,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (incident_id, service_id),
    CONSTRAINT incident_only_worsens CHECK (severity(to_status) >= severity(from_status)),
    CONSTRAINT incident_moves_not_into_maintenance CHECK (
        to_status <> 'under_maintenance' OR from_status = 'under_maintenance'),
    FOREIGN KEY (incident_id, org_id, open_auto)
        REFERENCES incidents (id, org_id, is_open_auto) ON UPDATE CASCADE,
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id)
);
CREATE UNIQUE INDEX incident_services_one_open_auto ON incident_services (service_id) WHERE open_auto;
CREATE INDEX incident_services_service ON incident_services (service_id);

CREATE TABLE incident_updates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    incident_id uuid NOT NULL,
    kind text NOT NULL DEFAULT 'update' CHECK (kind IN ('update', 'note', 'event')),
    status text NOT NULL CHECK (status IN ('investigating', 'identified', 'monitoring', 'resolved')),
    message text NOT NULL CHECK (char_length(message) >= 1 AND is_prose(message, 5000)),
    is_public boolean NOT NULL,
    author text,
    next_update_by timestamptz,
    still_works text CHECK (is_prose(still_works, 2000)),
    supersedes_id uuid,
    redacted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (id, incident_id),
    CONSTRAINT only_updates_are_public CHECK (kind = 'update' OR NOT is_public),
    FOREIGN KEY (incident_id, org_id) REFERENCES incidents (id, org_id),
    FOREIGN KEY (supersedes_id, incident_id) REFERENCES incident_updates (id, incident_id)
);
COMMENT ON COLUMN incident_updates.author IS 'NULL: written by the engine, the failure was detected automatically';
COMMENT ON COLUMN incident_updates.supersedes_id IS 'a correction; always names the first version';
COMMENT ON COLUMN incident_updates.kind IS
    'update: part of the story; note: internal; event: what somebody did (acknowledged, snoozed, …), internal';
CREATE INDEX incident_updates_incident ON incident_updates (incident_id, created_at);
CREATE INDEX incident_updates_supersedes ON incident_updates (supersedes_id)
    WHERE supersedes_id IS NOT NULL;

-- Append-only: only an owner's purge or redaction passes, which nobody can claim from outside.
CREATE FUNCTION refuse_rewriting() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' AND EXISTS (SELECT FROM acting_as
            WHERE txid = pg_current_xact_id_if_assigned()::text::bigint AND purging) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'SU003', HINT = 'Post a correction; an owner can redact a text.';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON incident_updates
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON incident_updates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- Posts: each is stored with the moments at which the page and the mail follow, so that a dropped
-- line still posts and a post that was taken back never was.
CREATE TABLE pending_posts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    incident_id uuid NOT NULL,
    author text NOT NULL DEFAULT session_user,
    base_version int NOT NULL,
    status text NOT NULL CHECK (status IN ('investigating', 'identified', 'monitoring', 'resolved')),
    message text NOT NULL CHECK (char_length(message) >= 1 AND is_prose(message, 5000)),
    is_public boolean NOT NULL,
    next_update_by timestamptz,
    still_works text CHECK (is_prose(still_works, 2000)),
    title text CHECK (is_line(title, 500)),
    impact text CHECK (impact IN ('none', 'minor', 'major', 'critical')),
    service_ids uuid[] NOT NULL DEFAULT '{}',
    service_statuses text[] NOT NULL DEFAULT '{}',
    supersedes_id uuid,
    is_opening boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    public_at timestamptz NOT NULL,
    notify_at timestamptz NOT NULL,
    applied_at timestamptz,
    update_id uuid,
    taken_back_at timestamptz,
    taken_back_by text,
    refused_at timestamptz,
    refusal text,
    CHECK (notify_at >= public_at),
    CHECK (cardinality(service_ids) = cardinality(service_statuses)),
    CHECK (num_nonnulls(applied_at, taken_back_at, refused_at) <= 1),
    CHECK ((applied_at IS NULL) = (update_id IS NULL)),
    CHECK ((taken_back_at IS NULL) = (taken_back_by IS NULL)),
    CHECK ((refused_at IS NULL) = (refusal IS NULL)),
    FOREIGN KEY (incident_id, org_id) REFERENCES incidents (id, org_id),
    FOREIGN KEY (supersedes_id, incident_id) REFERENCES incident_updates (id, incident_id)
);
COMMENT ON COLUMN pending_posts.is_opening IS 'the first words of a new incident; the incident becomes public with them';
CREATE UNIQUE INDEX pending_posts_one_waiting ON pending_posts (incident_id)
    WHERE applied_at IS NULL AND taken_back_at IS NULL AND refused_at IS NULL;
CREATE INDEX pending_posts_due ON pending_posts (public_at)
    WHERE applied_at IS NULL AND taken_back_at IS NULL AND refused_at IS NULL;
CREATE INDEX pending_posts_incident ON pending_posts (incident_id, created_at);

-- Something that changed: a deploy, a switch-over.
CREATE TABLE marks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL REFERENCES organizations,
    at timestamptz NOT NULL DEFAULT now(),
    text text NOT NULL CHECK (is_line(text, 500)),
    source text CHECK (is_line(source, 255)),
    link text CHECK (link ~ '^https?://' AND is_line(link, 2000)),
    author text NOT NULL DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, org_id)
);
CREATE INDEX marks_org_at ON marks (org_id, at);

CREATE TABLE mark_services (
    org_id int NOT NULL,
    mark_id uuid NOT NULL,
    service_id uuid NOT NULL,
    PRIMARY KEY (mark_id, service_id),
    FOREIGN KEY (mark_id, org_id) REFERENCES marks (id, org_id) ON DELETE CASCADE,
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
CREATE INDEX mark_services_service ON mark_services (service_id);

-- One row is one occurrence. A recurring window carries its rule; when an occurrence is over, the
-- watch writes the next one with the same series_id.
CREATE TABLE maintenance_windows (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL REFERENCES organizations,
    series_id uuid NOT NULL DEFAULT gen_random_uuid(),
    title text NOT NULL CHECK (is_line(title, 500)),
    description text CHECK (is_prose(description, 5000)),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'scheduled'
        CHECK (status IN ('scheduled', 'in_progress', 'completed', 'cancelled')),
    auto_update boolean NOT NULL DEFAULT true,
    is_public boolean NOT NULL DEFAULT true,
    recurrence_rule text CHECK (is_line(recurrence_rule, 1000)),
    exceptions timestamptz[] NOT NULL DEFAULT '{}',
    notify_before_seconds int CHECK (notify_before_seconds BETWEEN 0 AND 2592000),
    created_by text NOT NULL DEFAULT session_user,
    started_at timestamptz,
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, org_id),
    UNIQUE (series_id, starts_at),
    CONSTRAINT ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT finished_has_a_time CHECK (
        (status IN ('completed', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE INDEX maintenance_windows_org ON maintenance_windows (org_id, starts_at);
CREATE INDEX maintenance_windows_moving ON maintenance_windows (starts_at)
    WHERE status IN ('scheduled', 'in_progress');
CREATE TRIGGER touch BEFORE UPDATE ON maintenance_windows
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE TABLE maintenance_services (
    org_id int NOT NULL,
    window_id uuid NOT NULL,
    service_id uuid NOT NULL,
    PRIMARY KEY (window_id, service_id),
    FOREIGN KEY (window_id, org_id) REFERENCES maintenance_windows (id, org_id) ON DELETE CASCADE,
    FOREIGN KEY (service_id, org_id) REFERENCES services (id, org_id) ON DELETE CASCADE
);
CREATE INDEX maintenance_services_service ON maintenance_services (service_id);

CREATE TABLE maintenance_updates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    window_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('scheduled', 'in_progress', 'completed', 'cancelled')),
    message text NOT NULL CHECK (char_length(message) >= 1 AND is_prose(message, 5000)),
    is_public boolean NOT NULL DEFAULT true,
    author text DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (window_id, org_id) REFERENCES maintenance_windows (id, org_id)
);
CREATE INDEX maintenance_updates_window ON maintenance_updates (window_id, created_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON maintenance_updates
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON maintenance_updates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
