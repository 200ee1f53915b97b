"""News, and how its feeds are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003_news"
down_revision = "0002_markets"
branch_labels = None
depends_on = None


instant = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
long_text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "crypto_news",
        sa.Column("article_id", sa.String(32), nullable=False, comment="hash of the canonical address"),
        sa.Column("source", sa.String(60), nullable=False, comment="name of the feed that showed it first"),
        sa.Column("entry_id", sa.String(32), nullable=False, comment="hash of what that feed calls it"),
        sa.Column("url", long_text, nullable=False, comment="canonical address"),
        sa.Column("language", sa.String(10), nullable=False, comment="of the feed, as the list of feeds says"),
        sa.Column("title", long_text, nullable=False, comment="plain text"),
        sa.Column("summary", long_text, nullable=False, comment="plain text, may be empty"),
        sa.Column("published_at", instant, nullable=True, comment="as the feed says; null where that cannot be true"),
        sa.Column(
            "dated", sa.String(20), nullable=False, comment="said, no zone, missing, unreadable, future or too old"
        ),
        sa.Column("first_seen_at", instant, nullable=False, comment="receipt of the feed; could not be used before"),
        sa.Column(
            "duplicate_of", sa.String(32), nullable=True, comment="article of another feed that told the same before"
        ),
        sa.Column("provenance", sa.String(40), nullable=False, comment="observed or simulated"),
        sa.PrimaryKeyConstraint("article_id", name=op.f("pk_crypto_news")),
    )
    op.create_index("ix_crypto_news_first_seen_at", "crypto_news", ["first_seen_at"])
    op.create_index("ix_crypto_news_entry", "crypto_news", ["source", "entry_id"])
    op.create_table(
        "news_feeds",
        sa.Column("source", sa.String(60), nullable=False, comment="name in the list of feeds"),
        sa.Column(
            "address", long_text, nullable=False, comment="that was asked; with another one the state starts anew"
        ),
        sa.Column("etag", sa.String(300), nullable=False, comment="of the newest answer, may be empty"),
        sa.Column("last_modified", sa.String(100), nullable=False, comment="of the newest answer, may be empty"),
        sa.Column("asked_at", instant, nullable=False),
        sa.Column(
            "answered_at", instant, nullable=True, comment="newest answer that was a feed, or told that nothing is new"
        ),
        sa.Column("articles", sa.Integer(), nullable=False, comment="in the newest answer that was a feed"),
        sa.Column("rejected", sa.Integer(), nullable=False, comment="entries of it that are no articles"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("resting_until", instant, nullable=True, comment="after many failures it is not asked before"),
        sa.Column("problem", long_text, nullable=True, comment="what was wrong the last time; null where nothing was"),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_news_feeds")),
    )


def downgrade() -> None:
    op.drop_table("news_feeds")
    op.drop_table("crypto_news")
