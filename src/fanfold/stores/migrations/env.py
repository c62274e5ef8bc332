"""How Alembic runs here: always on a connection that is handed in, inside its transaction."""

from alembic import context

from fanfold.stores.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
