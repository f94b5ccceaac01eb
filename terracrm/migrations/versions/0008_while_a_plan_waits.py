"""how far a folder was read while its stream waits for approval"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("folders", sa.Column("private_cursor", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("folders", "private_cursor")
