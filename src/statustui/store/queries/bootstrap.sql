-- Preparing a database: cluster roles, schemas, the function that makes logins, the ledger of
-- migrations. Roles are cluster-wide while migrations belong to one database, so none of this is a
-- migration; all of it can be run again.

-- name: facts
SELECT session_user::text AS role,
       r.rolsuper AS is_superuser,
       r.rolcreaterole AS may_create_roles,
       has_database_privilege(d.oid, 'CREATE') AS may_create_schemas,
       pg_get_userbyid(d.datdba)::text AS database_owner,
       d.datname::text AS database_name,
       current_setting('server_version_num')::int AS version_number,
       current_setting('server_version') AS version,
       current_setting('password_encryption') AS password_encryption,
       to_regnamespace('statustui') IS NOT NULL AS has_schema,
       ARRAY(SELECT rolname::text FROM pg_roles
             WHERE rolname IN ('statustui_owner', 'statustui_rolemaker', 'statustui_operator',
                               'statustui_engine', 'statustui_web')) AS roles
FROM pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = session_user

-- name: ledger_is_readable
SELECT coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE')
                         AND has_table_privilege(c.oid, 'SELECT')), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'statustui' AND c.relname = 'schema_migrations'

-- name: may_become
SELECT pg_has_role(session_user, $1, $2)

-- name: may_administer
SELECT NOT EXISTS (
    SELECT FROM unnest($1::text[]) AS wanted (name)
    WHERE NOT pg_has_role(session_user, wanted.name, 'MEMBER WITH ADMIN OPTION'))

-- name: serialise
SELECT pg_advisory_xact_lock(hashtext('statustui.initialise'))

-- name: create_owner
CREATE ROLE statustui_owner NOLOGIN

-- name: create_rolemaker
CREATE ROLE statustui_rolemaker NOLOGIN CREATEROLE

-- name: create_operator
CREATE ROLE statustui_operator NOLOGIN

-- name: create_engine
CREATE ROLE statustui_engine LOGIN

-- name: create_web
CREATE ROLE statustui_web LOGIN

-- Since PostgreSQL 16 a membership says whether it is inherited and whether SET ROLE is allowed.
-- name: lend_owner_16
GRANT statustui_owner TO CURRENT_USER WITH INHERIT FALSE, SET TRUE

-- name: lend_rolemaker_16
GRANT statustui_rolemaker TO CURRENT_USER WITH INHERIT FALSE, SET TRUE

-- name: lend_owner
GRANT statustui_owner TO CURRENT_USER

-- name: lend_rolemaker
GRANT statustui_rolemaker TO CURRENT_USER

-- name: return_owner
REVOKE statustui_owner FROM CURRENT_USER

-- name: return_rolemaker
REVOKE statustui_rolemaker FROM CURRENT_USER

-- name: become_owner
SET LOCAL ROLE statustui_owner

-- name: become_rolemaker
SET LOCAL ROLE statustui_rolemaker

-- name: become_oneself
SET LOCAL ROLE NONE

-- name: pin_search_path
SET LOCAL search_path = statustui, pg_temp

-- name: restore_search_path
SELECT set_config('search_path', $1, true)

-- name: current_search_path
SELECT current_setting('search_path')

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS statustui AUTHORIZATION statustui_owner

-- name: create_logins_schema
CREATE SCHEMA IF NOT EXISTS statustui_logins AUTHORIZATION statustui_rolemaker

-- name: may_rolemaker_grant_operator
SELECT EXISTS (
    SELECT FROM pg_auth_members m
    WHERE m.roleid = 'statustui_operator'::regrole AND m.member = 'statustui_rolemaker'::regrole
      AND m.admin_option)

-- name: let_rolemaker_grant_operator
GRANT statustui_operator TO statustui_rolemaker WITH ADMIN OPTION

-- Makes an ordinary login and a member of the group of all people; an existing role is only let
-- into the group. Refuses roles that have power of their own, so that no owner of an organization
-- can get hold of one, and groups, whose members nobody here has chosen.
-- name: create_make_login
CREATE OR REPLACE FUNCTION statustui_logins.make_login(p_name text, p_verifier text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_role pg_catalog.pg_roles;
    v_made boolean := false;
BEGIN
    IF p_name IS NULL OR octet_length(p_name) NOT BETWEEN 1 AND 63
       OR p_name ~ '[\u0001-\u001f\u007f]' THEN
        RAISE EXCEPTION 'a role name has 1 to 63 bytes on one line' USING ERRCODE = 'SU001';
    END IF;
    IF p_name ~ '^(pg_|statustui_)' OR p_name IN ('public', 'none') THEN
        RAISE EXCEPTION '% is a reserved name', p_name USING ERRCODE = 'SU003';
    END IF;
    IF p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
        RAISE EXCEPTION 'a SCRAM-SHA-256 verifier is needed, not a password' USING ERRCODE = 'SU001';
    END IF;
    SELECT * INTO v_role FROM pg_roles WHERE rolname = p_name;
    IF FOUND THEN
        IF v_role.rolsuper OR v_role.rolcreaterole OR v_role.rolreplication OR v_role.rolbypassrls THEN
            RAISE EXCEPTION 'role % has power of its own over this server', p_name
                USING ERRCODE = 'SU003', HINT = 'Use a role without such rights.';
        END IF;
        IF NOT v_role.rolcanlogin THEN
            RAISE EXCEPTION 'role % is a group', p_name USING ERRCODE = 'SU003';
        END IF;
        IF p_verifier IS NOT NULL THEN
            RAISE EXCEPTION 'role % exists and keeps its own password', p_name
                USING ERRCODE = 'SU004', HINT = 'Add it without a password.';
        END IF;
    ELSE
        EXECUTE format('CREATE ROLE %I LOGIN', p_name)
            || coalesce(format(' PASSWORD %L', p_verifier), '');
        v_made := true;
    END IF;
    IF NOT pg_has_role(p_name, 'statustui_operator', 'MEMBER') THEN
        EXECUTE format('GRANT statustui_operator TO %I', p_name);
    END IF;
    RETURN v_made;
END $$

-- name: close_make_login
REVOKE ALL ON FUNCTION statustui_logins.make_login(text, text) FROM PUBLIC

-- name: open_make_login
GRANT EXECUTE ON FUNCTION statustui_logins.make_login(text, text) TO statustui_owner

-- name: open_logins_schema
GRANT USAGE ON SCHEMA statustui_logins TO statustui_owner

-- name: create_ledger
CREATE TABLE IF NOT EXISTS statustui.schema_migrations (
    number int PRIMARY KEY CHECK (number > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: open_schema
GRANT USAGE ON SCHEMA statustui TO statustui_operator, statustui_engine, statustui_web

-- Reading the ledger locks nothing that a migration needs.
-- name: open_ledger
GRANT SELECT ON statustui.schema_migrations TO statustui_operator, statustui_engine, statustui_web

-- name: let_connect
SELECT format('GRANT CONNECT ON DATABASE %I TO statustui_operator, statustui_engine, statustui_web',
              current_database())

-- name: join_operators
SELECT format('GRANT statustui_operator TO %I', session_user)

-- name: set_verifier
SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)

-- name: make_program_login
SELECT format('CREATE ROLE %I LOGIN IN ROLE %I', $1::text, $2::text)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1::text)

-- A setting of a role is not inherited, so every login of the page gets it. It is a second lock: the
-- page's role has no right to write anything in the first place.
-- name: keep_the_page_from_writing
SELECT format('ALTER ROLE %I SET default_transaction_read_only = on', r.rolname) AS sql
FROM pg_roles r
WHERE (r.rolname = 'statustui_web' OR r.rolname LIKE 'statustui\_web\_%')
  AND NOT EXISTS (SELECT FROM pg_db_role_setting s
                  WHERE s.setrole = r.oid AND s.setdatabase = 0
                    AND 'default_transaction_read_only=on' = ANY (s.setconfig))

-- name: make_login
SELECT statustui_logins.make_login($1, NULL)

-- name: add_user
INSERT INTO statustui.users (role_name) VALUES ($1) ON CONFLICT DO NOTHING

-- What an owner runs in psql, with the organization's slug, to let somebody in.
-- name: let_in
SELECT statustui.member_add(org_id, $1, 'member') FROM statustui.organizations WHERE slug = $2

-- name: create_organization
SELECT org_id FROM statustui.organization_create($1, $2, $3)

-- name: lock_ledger
LOCK TABLE statustui.schema_migrations IN EXCLUSIVE MODE

-- name: load_ledger
SELECT number, name, checksum, applied_at FROM statustui.schema_migrations ORDER BY number

-- name: record_migration
INSERT INTO statustui.schema_migrations (number, name, checksum) VALUES ($1, $2, $3)

-- name: announce_to_oneself
SELECT pg_notify('statustui_hearing', $1)
