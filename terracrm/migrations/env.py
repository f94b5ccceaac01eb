"""Run by Alembic: migrations over the connection that `terracrm.db` hands in."""

from alembic import context

from terracrm.db import include_object
from terracrm.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=include_object,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
