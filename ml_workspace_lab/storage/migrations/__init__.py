"""Bringing the database of an earlier release to the present schema.

A step leads from each schema to the next: SQL for each database in `sql`, and Python for what SQL
alone can't do. SQLite takes the steps by itself (`sqlite`), PostgreSQL by Alembic (`revisions`). A
step that has been released is never changed; it uses nothing of the package that may change.
"""
