-- A region whose engines are all gone says nothing: what it said before is no measure of now.

ALTER TABLE shares ADD COLUMN gone_at timestamptz;
COMMENT ON COLUMN shares.gone_at IS
    'since when nobody looks from this region any more; what it said was set to unknown then';

-- Regions in which some engine once took part, and none has been heard of for so long. Only whoever
-- has kept the lease for as long may say so: when the database itself was away, nobody was heard of.
CREATE FUNCTION silent_regions(p_silent_seconds double precision) RETURNS SETOF smallint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    SELECT s.region FROM shares s
    WHERE s.gone_at IS NULL AND s.generation > 0
      AND NOT EXISTS (
        SELECT FROM engines e WHERE e.region = s.region
            AND e.heartbeat_at > clock_timestamp() - make_interval(secs => p_silent_seconds))
      AND EXISTS (
        SELECT FROM leases l WHERE l.name = 'keeper'
            AND l.acquired_at < clock_timestamp() - make_interval(secs => p_silent_seconds))
    ORDER BY s.region
$$;

-- Notes that a region is gone; false when an engine has come back meanwhile. Until the end of the
-- transaction none can join, so that whoever does finds what is set to unknown now.
CREATE FUNCTION region_gone(p_region smallint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
    WITH noted AS (
        UPDATE shares SET gone_at = clock_timestamp()
        WHERE region = p_region AND gone_at IS NULL AND members = '{}'
        RETURNING region)
    SELECT EXISTS (SELECT FROM noted)
$$;

CREATE FUNCTION region_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = statustui, pg_temp
AS $$
BEGIN
    NEW.gone_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER back BEFORE UPDATE ON shares FOR EACH ROW
    WHEN (OLD.members = '{}' AND NEW.members <> '{}') EXECUTE FUNCTION region_back();

REVOKE EXECUTE ON FUNCTION silent_regions, region_gone, region_back FROM PUBLIC;
GRANT EXECUTE ON FUNCTION silent_regions, region_gone TO statustui_engine;
