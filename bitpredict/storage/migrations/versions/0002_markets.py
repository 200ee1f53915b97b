"""Coins and their quotes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002_markets"
down_revision = "0001"
branch_labels = None
depends_on = None


instant = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
price = sa.Numeric(38, 24)


def upgrade() -> None:
    op.create_table(
        "crypto_assets",
        sa.Column("coin_id", sa.String(100), nullable=False, comment="CoinGecko's id; symbols are not unique"),
        sa.Column("symbol", sa.String(40), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("market_cap_rank", sa.Integer(), nullable=True, comment="in the newest answer that told it"),
        sa.Column("first_seen", instant, nullable=False, comment="receipt of the first answer with a believable quote"),
        sa.Column("last_seen", instant, nullable=False, comment="receipt of the newest answer with a believable quote"),
        sa.PrimaryKeyConstraint("coin_id", name=op.f("pk_crypto_assets")),
    )
    op.create_table(
        "price_data_real",
        sa.Column("coin_id", sa.String(100), nullable=False),
        sa.Column("observed_at", instant, nullable=False, comment="when the source last updated the quote"),
        sa.Column("price", price, nullable=False, comment="US dollars"),
        sa.Column("market_cap", sa.Double(), nullable=True, comment="US dollars"),
        sa.Column("total_volume", sa.Double(), nullable=True, comment="US dollars in 24 hours"),
        sa.Column("high_24h", price, nullable=True, comment="US dollars"),
        sa.Column("low_24h", price, nullable=True, comment="US dollars"),
        sa.Column("circulating_supply", sa.Double(), nullable=True, comment="coins"),
        sa.Column("market_cap_rank", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("provenance", sa.String(40), nullable=False, comment="observed, repaired or simulated"),
        sa.Column("known_at", instant, nullable=False, comment="receipt of the answer; could not be used before"),
        sa.ForeignKeyConstraint(["coin_id"], ["crypto_assets.coin_id"], name=op.f("fk_price_data_real_coin_id")),
        sa.PrimaryKeyConstraint("coin_id", "observed_at", name=op.f("pk_price_data_real")),
    )


def downgrade() -> None:
    op.drop_table("price_data_real")
    op.drop_table("crypto_assets")
