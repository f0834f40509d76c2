-- The metrics page counts deliveries by channel: the engine may know what channels are called.
GRANT SELECT (id, org_id, name, kind) ON channels TO statustui_engine;
CREATE POLICY engine_sees ON channels FOR SELECT TO statustui_engine USING (true);
