"""The only room that constructs parts and wires them: the watch and the dashboard.

`database` opens PostgreSQL, `watch` runs engine and page as one process, `dashboard` runs the
terminal as another, `demo` runs both on a throwaway world, `doctor` examines an installation and
`looking` runs one check by hand.
"""
