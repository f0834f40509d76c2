-- For a server on which nobody who uses statustui may create roles: run this once as a superuser,
-- in the database, then run `statustui init` as :person, who must own the database.
CREATE ROLE statustui_owner NOLOGIN;
CREATE ROLE statustui_rolemaker NOLOGIN CREATEROLE;
CREATE ROLE statustui_operator NOLOGIN;
CREATE ROLE statustui_engine LOGIN;
CREATE ROLE statustui_web LOGIN;
ALTER ROLE statustui_web SET default_transaction_read_only = on;
GRANT statustui_operator TO statustui_rolemaker WITH ADMIN OPTION;
GRANT statustui_operator TO :person;
-- For the time of `statustui init` and of upgrades only; revoke both afterwards.
GRANT statustui_owner, statustui_rolemaker TO :person;
