"""Posts, what models make of texts, and the feature rows that are served."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004_sentiment"
down_revision = "0003_news"
branch_labels = None
depends_on = None


instant = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
long_text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "tweets",
        sa.Column("tweet_id", sa.String(32), nullable=False, comment="hash of the post's id; authors are not kept"),
        sa.Column("query", sa.String(200), nullable=False, comment="search that found it first"),
        sa.Column("language", sa.String(10), nullable=False, comment="as the source says"),
        sa.Column("text", long_text, nullable=False, comment="plain text"),
        sa.Column("created_at", instant, nullable=True, comment="as the source says; null where that cannot be true"),
        sa.Column("first_seen_at", instant, nullable=False, comment="receipt; could not be used before"),
        sa.Column("provenance", sa.String(40), nullable=False, comment="observed or simulated"),
        sa.PrimaryKeyConstraint("tweet_id", name=op.f("pk_tweets")),
    )
    op.create_index("ix_tweets_first_seen_at", "tweets", ["first_seen_at"])
    op.create_table(
        "article_sentiment",
        sa.Column("article_id", sa.String(32), nullable=False),
        sa.Column("model", sa.String(40), nullable=False, comment="that spoke"),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("label", sa.String(10), nullable=False, comment="negative, neutral or positive"),
        sa.Column("score", sa.Double(), nullable=False, comment="from -1 to 1"),
        sa.Column("negative", sa.Double(), nullable=False, comment="probability"),
        sa.Column("neutral", sa.Double(), nullable=False, comment="probability"),
        sa.Column("positive", sa.Double(), nullable=False, comment="probability"),
        sa.Column("scored_at", instant, nullable=False, comment="could not be used before"),
        sa.ForeignKeyConstraint(
            ["article_id"], ["crypto_news.article_id"], name=op.f("fk_article_sentiment_article_id")
        ),
        sa.PrimaryKeyConstraint("article_id", "model", name=op.f("pk_article_sentiment")),
    )
    op.create_index("ix_article_sentiment_scored_at", "article_sentiment", ["scored_at"])
    op.create_table(
        "ml_features_materialized",
        sa.Column("symbol", sa.String(20), nullable=False),
        sa.Column("origin", instant, nullable=False),
        sa.Column("feature_set_version", sa.String(40), nullable=False),
        sa.Column("reference_price", sa.Numeric(28, 12), nullable=False, comment="last close known at the origin"),
        sa.Column("coverage", sa.Double(), nullable=False, comment="share of the window's minutes that are there"),
        sa.Column("features", long_text, nullable=False, comment="JSON object: feature -> number or null"),
        sa.Column("provenance", sa.String(40), nullable=False, comment="observed, repaired or simulated inputs"),
        sa.Column("known_at", instant, nullable=False),
        sa.Column("written_by", sa.String(40), nullable=False, comment="asset or predictor"),
        sa.Column("written_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_ml_features_materialized")),
    )
    # Entries are looked for by their id alone. MySQL may have begun this before, in an upgrade that was broken off.
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("crypto_news")}
    if "ix_crypto_news_entry_id" not in there:
        op.create_index("ix_crypto_news_entry_id", "crypto_news", ["entry_id"])
    if "ix_crypto_news_entry" in there:
        op.drop_index("ix_crypto_news_entry", "crypto_news")


def downgrade() -> None:
    op.create_index("ix_crypto_news_entry", "crypto_news", ["source", "entry_id"])
    op.drop_index("ix_crypto_news_entry_id", "crypto_news")
    op.drop_table("ml_features_materialized")
    op.drop_table("article_sentiment")
    op.drop_table("tweets")
