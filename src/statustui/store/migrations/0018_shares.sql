-- Any number of engines share the monitors of a region. Who takes part is one row per region; each
-- change of it is a generation, and every deciding transaction first names the generation that it
-- decided in, and holds the row until its end.

CREATE TABLE shares (
    region smallint PRIMARY KEY REFERENCES regions,
    generation bigint NOT NULL DEFAULT 0 CHECK (generation >= 0),
    members uuid[] NOT NULL DEFAULT '{}' CHECK (array_position(members, NULL) IS NULL),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
COMMENT ON TABLE shares IS 'the engines among which the monitors of a region are shared';
COMMENT ON COLUMN shares.generation IS 'raised by one whenever an engine joins, leaves, or is given up for dead';

CREATE TABLE share_generations (
    region smallint NOT NULL REFERENCES regions,
    generation bigint NOT NULL CHECK (generation > 0),
    members uuid[] NOT NULL,
    reason text NOT NULL CHECK (reason IN ('joined', 'left', 'died')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (region, generation)
);
COMMENT ON TABLE share_generations IS
    'who shared a region from when on: an engine that missed some finds out what was never another''s';

-- Programs from before decided under one lease per region. They may not have it any more: what they
-- would decide beside engines that share is refused by the fence they know.
DELETE FROM leases WHERE name LIKE 'engine:%';
ALTER TABLE leases ADD CONSTRAINT no_region_is_leased CHECK (name NOT LIKE 'engine:%');

-- Owner-only: whether an engine has said nothing for so long, on the database's clock.
CREATE FUNCTION is_engine_dead(p_engine uuid, p_dead_seconds double precision) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = statustui, pg_temp
AS $$
    SELECT NOT EXISTS (
        SELECT FROM engines WHERE id = p_engine AND stopped_at IS NULL
            AND heartbeat_at > clock_timestamp() - make_interval(secs => p_dead_seconds))
$$;

-- Owner-only: changes the members of a region, if anything changes; returns the generation.
--
-- The table is locked as a whole, because that is a queue: row locks are not, and writers that hold
-- the row FOR SHARE beside each other would keep a change waiting for as long as they overlap. When
-- it is had, what others decided is committed or will be refused. Whoever is frozen while it has the
-- lock loses it after two seconds.
CREATE FUNCTION share_change(p_region smallint, p_join uuid, p_leave uuid, p_dead_seconds double precision)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp SET lock_timeout = '4s'
AS $$
DECLARE
    v_share shares;
    v_living uuid[];
    v_members uuid[];
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', '2s', true);
    LOCK TABLE shares IN EXCLUSIVE MODE;
    INSERT INTO shares (region) VALUES (p_region) ON CONFLICT DO NOTHING;
    SELECT * INTO v_share FROM shares WHERE region = p_region;
    v_living := ARRAY(
        SELECT m FROM unnest(v_share.members) WITH ORDINALITY AS g (m, place)
        WHERE m IS NOT DISTINCT FROM p_join OR m IS NOT DISTINCT FROM p_leave
              OR NOT is_engine_dead(m, p_dead_seconds)
        ORDER BY place);
    v_members := array_remove(v_living, p_leave);
    IF p_join IS NOT NULL AND NOT p_join = ANY (v_members) THEN
        v_members := v_members || p_join;
    END IF;
    IF v_members = v_share.members THEN
        RETURN v_share.generation;
    END IF;
    UPDATE shares SET generation = generation + 1, members = v_members, changed_at = clock_timestamp()
    WHERE region = p_region;
    INSERT INTO share_generations (region, generation, members, reason)
    VALUES (p_region, v_share.generation + 1, v_members,
            CASE WHEN cardinality(v_living) < cardinality(v_share.members) THEN 'died'
                 WHEN p_leave IS NULL THEN 'joined' ELSE 'left' END);
    RETURN v_share.generation + 1;
END $$;

-- An engine takes part from now on; those given up for dead are out at the same moment.
CREATE FUNCTION share_join(p_region smallint, p_engine uuid, p_dead_seconds double precision) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    UPDATE engines SET heartbeat_at = clock_timestamp(), stopped_at = NULL WHERE id = p_engine;
    SELECT share_change(p_region, p_engine, NULL, p_dead_seconds)
$$;

-- Puts those out that have said nothing for so long.
CREATE FUNCTION share_evict(p_region smallint, p_dead_seconds double precision) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$ SELECT share_change(p_region, NULL, NULL, p_dead_seconds) $$;

-- An engine takes no part any more, and has stopped.
CREATE FUNCTION share_leave(p_region smallint, p_engine uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    UPDATE engines SET stopped_at = clock_timestamp(), heartbeat_at = clock_timestamp() WHERE id = p_engine;
    SELECT share_change(p_region, NULL, p_engine, 1e6)
$$;

-- First statement of every deciding transaction: true, and locked, while the members are those of
-- that generation and the engine is one of them.
CREATE FUNCTION share_hold(p_region smallint, p_engine uuid, p_generation bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM shares
    WHERE region = p_region AND generation = p_generation AND p_engine = ANY (members) FOR SHARE;
    RETURN FOUND;
END $$;

-- First statement of a transaction that records what was only seen. It waits for those that decide,
-- and they for it, so that a slot in which both looked is counted once.
CREATE FUNCTION share_stand_aside() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    LOCK TABLE shares IN EXCLUSIVE MODE;
END $$;

CREATE TRIGGER announce_insert AFTER INSERT ON share_generations
    FOR EACH STATEMENT EXECUTE FUNCTION announce_everybody('leases');

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['shares', 'share_generations']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY owner_all ON %I TO statustui_owner USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('CREATE POLICY operators_see ON %I FOR SELECT TO statustui_operator USING (true)', v_table);
        EXECUTE format('CREATE POLICY engine_sees ON %I FOR SELECT TO statustui_engine USING (true)', v_table);
        EXECUTE format('GRANT SELECT ON %I TO statustui_operator, statustui_engine', v_table);
    END LOOP;
END $$;
CREATE POLICY engine_removes ON share_generations FOR DELETE TO statustui_engine
    USING (at < clock_timestamp() - interval '7 days');
GRANT DELETE ON share_generations TO statustui_engine;

REVOKE EXECUTE ON FUNCTION is_engine_dead, share_change, share_join, share_evict, share_leave,
    share_hold, share_stand_aside FROM PUBLIC;
GRANT EXECUTE ON FUNCTION share_join, share_evict, share_leave, share_hold, share_stand_aside
    TO statustui_engine;
