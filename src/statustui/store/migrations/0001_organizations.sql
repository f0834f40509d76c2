-- Who is here: plans, organizations, their pages, the people and what each of them may do.
--
-- Runs as statustui_owner, which owns everything in the schema. Nothing is ever granted to PUBLIC.
-- Values of closed vocabularies are text with a CHECK, so that psql, the API and the program spell
-- them alike. One-line texts refuse control characters, prose allows tab and line feed.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA statustui TO statustui_engine, statustui_web, statustui_operator;

CREATE FUNCTION is_line(value text, longest int) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT char_length(value) BETWEEN 1 AND longest
         AND value !~ '[\u0001-\u001f\u007f-\u009f]' AND value = btrim(value) $$;

CREATE FUNCTION is_prose(value text, longest int) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT char_length(value) <= longest
         AND value !~ '[\u0001-\u0008\u000b-\u001f\u007f-\u009f]' $$;

CREATE FUNCTION is_slug(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT char_length(value) BETWEEN 3 AND 100 AND value ~ '^[a-z0-9]+(-[a-z0-9]+)*$' $$;

-- How bad a service status is; maintenance counts only when nothing is broken.
CREATE FUNCTION severity(status text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE status WHEN 'major_outage' THEN 4 WHEN 'partial_outage' THEN 3
      WHEN 'degraded_performance' THEN 2 WHEN 'under_maintenance' THEN 1
      WHEN 'operational' THEN 0 END $$;

CREATE FUNCTION status_of(severity int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (ARRAY['operational', 'under_maintenance', 'degraded_performance',
                    'partial_outage', 'major_outage'])[severity + 1] $$;

CREATE FUNCTION role_rank(role text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE role WHEN 'owner' THEN 4 WHEN 'admin' THEN 3 WHEN 'member' THEN 2
      WHEN 'viewer' THEN 1 END $$;

-- One row about this database; a terminal seals secrets with the public key, only a watch's host
-- has the private one.
CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    sealing_public_key bytea CHECK (octet_length(sealing_public_key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO installation DEFAULT VALUES;

-- Owner-only: lets a definer function say on whose behalf it writes in this transaction. A session
-- setting would do, were it not that anybody can set one.
CREATE TABLE acting_as (
    txid bigint PRIMARY KEY,
    role_name text,
    purging boolean NOT NULL DEFAULT false
);

CREATE TABLE plans (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,29}$'),
    max_monitors int CHECK (max_monitors > 0),
    min_interval_seconds int NOT NULL CHECK (min_interval_seconds BETWEEN 5 AND 86400),
    retention_days int NOT NULL CHECK (retention_days > 0),
    max_members int CHECK (max_members > 0)
);
COMMENT ON COLUMN plans.max_monitors IS 'NULL means no limit';
INSERT INTO plans (name, max_monitors, min_interval_seconds, retention_days) VALUES
    ('free', 3, 60, 7), ('pro', 20, 30, 90), ('team', NULL, 5, 365);

CREATE TABLE organizations (
    org_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    channel_key text NOT NULL UNIQUE
        DEFAULT replace(gen_random_uuid()::text, '-', ''),
    slug text NOT NULL UNIQUE CHECK (is_slug(slug)),
    name text NOT NULL CHECK (is_line(name, 255)),
    plan text NOT NULL DEFAULT 'team' REFERENCES plans,
    timezone text NOT NULL DEFAULT 'UTC',
    brand_color text NOT NULL DEFAULT '#3B82F6' CHECK (brand_color ~ '^#[0-9A-Fa-f]{6}$'),
    logo_url text CHECK (logo_url ~ '^https://' AND is_line(logo_url, 2000)),
    public_base_url text CHECK (public_base_url ~ '^https?://' AND is_line(public_base_url, 2000)),
    automatic_incidents text NOT NULL DEFAULT 'public'
        CHECK (automatic_incidents IN ('public', 'guarded', 'internal', 'off')),
    recovery_watch_seconds int NOT NULL DEFAULT 120
        CHECK (recovery_watch_seconds BETWEEN 0 AND 86400),
    public_delay_seconds int NOT NULL DEFAULT 10 CHECK (public_delay_seconds BETWEEN 0 AND 3600),
    notify_delay_seconds int NOT NULL DEFAULT 60 CHECK (notify_delay_seconds BETWEEN 0 AND 3600),
    acknowledge_minutes int NOT NULL DEFAULT 30 CHECK (acknowledge_minutes BETWEEN 1 AND 1440),
    guarded_sentence text CHECK (is_prose(guarded_sentence, 5000)),
    uptime_alert_percent numeric(6, 3) CHECK (uptime_alert_percent > 0 AND uptime_alert_percent <= 100),
    notification_preferences jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(notification_preferences) = 'object'),
    epoch bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN organizations.epoch IS
    'raised first by every trigger that checks a rule over many rows, so that two cannot pass at once';

CREATE TABLE pages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL REFERENCES organizations,
    slug text NOT NULL UNIQUE CHECK (is_slug(slug)),
    name text NOT NULL CHECK (is_line(name, 255)),
    description text CHECK (is_prose(description, 5000)),
    headline text CHECK (is_line(headline, 255)),
    support_url text CHECK (support_url ~ '^(https?://|mailto:)' AND is_line(support_url, 2000)),
    visibility text NOT NULL DEFAULT 'public' CHECK (visibility IN ('public', 'private')),
    custom_domain text UNIQUE CHECK (
        char_length(custom_domain) <= 253
        AND custom_domain ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$'),
    theme text NOT NULL DEFAULT 'auto' CHECK (theme IN ('auto', 'light', 'dark')),
    lists_all boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, org_id)
);
COMMENT ON COLUMN pages.lists_all IS
    'true: every visible service, page_services only orders and groups; false: page_services is the list';
CREATE INDEX pages_org ON pages (org_id);

CREATE TABLE page_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id int NOT NULL,
    page_id uuid NOT NULL,
    name text NOT NULL CHECK (is_line(name, 100)),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_by text NOT NULL DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    FOREIGN KEY (page_id, org_id) REFERENCES pages (id, org_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX page_tokens_name ON page_tokens (page_id, name) WHERE revoked_at IS NULL;

CREATE TABLE users (
    role_name text PRIMARY KEY CHECK (is_line(role_name, 63)),
    id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    display_name text CHECK (is_line(display_name, 255)),
    email text CHECK (email ~ '^[^@\s]+@[^@\s]+$' AND is_line(email, 320)),
    ssh_keys text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE members (
    org_id int NOT NULL REFERENCES organizations,
    role_name text NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, role_name)
);
CREATE INDEX members_role_name ON members (role_name);

-- The organizations in which the person who logged in has at least this role. Policies call it
-- once per statement: org_id = ANY ((SELECT my_orgs('viewer'))::int[]).
CREATE FUNCTION my_orgs(needed text) RETURNS int[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    RETURN ARRAY(SELECT m.org_id FROM members m
                 WHERE m.role_name = session_user AND role_rank(m.role) >= role_rank(needed));
END $$;

-- Role names of everybody who shares an organization with the person who logged in.
CREATE FUNCTION my_people() RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT m.role_name FROM members m
                 WHERE m.org_id = ANY (my_orgs('viewer'))) || session_user::text;
END $$;

-- Refuses who has not at least this role; to an outsider the organization does not exist.
CREATE FUNCTION require_role(p_org int, p_needed text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_role text := (SELECT role FROM members WHERE org_id = p_org AND role_name = session_user);
    v_who text;
BEGIN
    IF v_role IS NULL THEN
        RAISE EXCEPTION 'no such organization' USING ERRCODE = 'SU002';
    END IF;
    IF role_rank(v_role) < role_rank(p_needed) THEN
        SELECT string_agg(role_name, ', ' ORDER BY role_name) INTO v_who
        FROM members WHERE org_id = p_org AND role_rank(role) >= role_rank(p_needed);
        RAISE EXCEPTION '% is % here, this needs %', session_user, v_role, p_needed
            USING ERRCODE = 'SU003', HINT = format('Ask one of: %s', v_who);
    END IF;
END $$;

CREATE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON pages FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE FUNCTION check_timezone() RETURNS trigger
LANGUAGE plpgsql SET search_path = statustui, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.timezone) THEN
        RAISE EXCEPTION 'unknown time zone "%"', NEW.timezone
            USING ERRCODE = 'SU001', HINT = 'Use an IANA name such as Europe/Berlin.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_timezone_insert BEFORE INSERT ON organizations
    FOR EACH ROW EXECUTE FUNCTION check_timezone();
CREATE TRIGGER check_timezone_update BEFORE UPDATE OF timezone ON organizations
    FOR EACH ROW WHEN (NEW.timezone <> OLD.timezone) EXECUTE FUNCTION check_timezone();

-- Rules over many rows race when two transactions check them at once, so each first raises the
-- organization's epoch: the second waits there and then sees what the first one wrote.
CREATE FUNCTION check_members() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_bad record;
BEGIN
    UPDATE organizations SET epoch = epoch + 1
    WHERE org_id IN (SELECT org_id FROM changed);
    SELECT o.name INTO v_bad FROM organizations o
    WHERE o.org_id IN (SELECT org_id FROM changed)
      AND NOT EXISTS (SELECT FROM members m WHERE m.org_id = o.org_id AND m.role = 'owner')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the last owner of % cannot leave', v_bad.name
            USING ERRCODE = 'SU004', HINT = 'Make somebody else an owner first.';
    END IF;
    SELECT o.name, o.plan, p.max_members INTO v_bad
    FROM organizations o JOIN plans p ON p.name = o.plan
    WHERE o.org_id IN (SELECT org_id FROM changed)
      AND p.max_members < (SELECT count(*) FROM members m WHERE m.org_id = o.org_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'plan % allows % members', v_bad.plan, v_bad.max_members
            USING ERRCODE = 'SU006', HINT = 'Remove a member or change the plan.';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_insert AFTER INSERT ON members REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_members();
CREATE TRIGGER check_update AFTER UPDATE ON members REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_members();
CREATE TRIGGER check_delete AFTER DELETE ON members REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION check_members();

CREATE FUNCTION slug_from(name text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT rpad(left(CASE WHEN s = '' THEN 'org' ELSE s END, 100), greatest(3, char_length(left(s, 100))), '0')
      FROM (SELECT btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-')) AS t (s) $$;

-- Creates a tenant with its first page and makes the person who logged in its owner. Anybody may
-- on an empty installation; afterwards an owner of an existing one or a superuser may.
CREATE FUNCTION organization_create(
    p_name text, p_slug text DEFAULT NULL, p_timezone text DEFAULT 'UTC',
    p_plan text DEFAULT 'team', p_page_name text DEFAULT NULL)
RETURNS organizations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_org organizations;
BEGIN
    PERFORM 1 FROM installation FOR UPDATE;
    IF EXISTS (SELECT FROM organizations)
       AND NOT EXISTS (SELECT FROM members WHERE role_name = session_user AND role = 'owner')
       AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
        RAISE EXCEPTION '% may not create an organization', session_user
            USING ERRCODE = 'SU003',
                  HINT = 'An owner of an existing organization or a superuser may.';
    END IF;
    INSERT INTO users (role_name) VALUES (session_user) ON CONFLICT DO NOTHING;
    INSERT INTO organizations (name, slug, timezone, plan)
    VALUES (p_name, coalesce(p_slug, slug_from(p_name)), p_timezone, p_plan)
    RETURNING * INTO v_org;
    INSERT INTO members (org_id, role_name, role) VALUES (v_org.org_id, session_user, 'owner');
    INSERT INTO pages (org_id, slug, name)
    VALUES (v_org.org_id, v_org.slug, coalesce(p_page_name, left(v_org.name, 248) || ' Status'));
    SELECT * INTO v_org FROM organizations WHERE org_id = v_org.org_id;
    RETURN v_org;
END $$;

-- Gives a role in an organization; makes the login when the database role does not exist yet.
-- p_verifier is a SCRAM-SHA-256 verifier, never a password.
CREATE FUNCTION member_add(
    p_org int, p_role_name text, p_role text, p_display_name text DEFAULT NULL,
    p_email text DEFAULT NULL, p_verifier text DEFAULT NULL)
RETURNS members
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_member members;
BEGIN
    PERFORM require_role(p_org, 'owner');
    IF NOT is_line(p_role_name, 63) THEN
        RAISE EXCEPTION 'a role name has 1 to 63 characters on one line' USING ERRCODE = 'SU001';
    END IF;
    PERFORM statustui_logins.make_login(p_role_name, p_verifier);
    INSERT INTO users (role_name, display_name, email)
    VALUES (p_role_name, p_display_name, p_email)
    ON CONFLICT (role_name) DO NOTHING;
    BEGIN
        INSERT INTO members (org_id, role_name, role) VALUES (p_org, p_role_name, p_role)
        RETURNING * INTO v_member;
    EXCEPTION WHEN unique_violation THEN
        RAISE EXCEPTION '% is a member already', p_role_name USING ERRCODE = 'SU004';
    END;
    RETURN v_member;
END $$;

CREATE FUNCTION member_set_role(p_org int, p_role_name text, p_role text) RETURNS members
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
DECLARE
    v_member members;
BEGIN
    PERFORM require_role(p_org, 'owner');
    UPDATE members SET role = p_role WHERE org_id = p_org AND role_name = p_role_name
    RETURNING * INTO v_member;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no member is called %', p_role_name USING ERRCODE = 'SU002';
    END IF;
    RETURN v_member;
END $$;

-- Takes the role in this organization away; the database login stays, it opens nothing here.
CREATE FUNCTION member_remove(p_org int, p_role_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM require_role(p_org, 'owner');
    DELETE FROM members WHERE org_id = p_org AND role_name = p_role_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no member is called %', p_role_name USING ERRCODE = 'SU002';
    END IF;
END $$;
