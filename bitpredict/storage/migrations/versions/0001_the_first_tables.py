"""The first tables: gaps, evaluations and champions, forecasts with their outcomes, the scorecard."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


instant = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
long_text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "champions",
        sa.Column("month", sa.String(10), nullable=False),
        sa.Column("symbol", sa.String(20), nullable=False),
        sa.Column("horizon", sa.String(10), nullable=False),
        sa.Column("valid_from", instant, nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("model_version", sa.String(40), nullable=False),
        sa.Column("reason", long_text, nullable=False, comment="what the gate decided, in words"),
        sa.Column("decided_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("month", "symbol", "horizon", "valid_from", name=op.f("pk_champions")),
    )
    op.create_table(
        "data_gaps",
        sa.Column("symbol", sa.String(20), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("start", instant, nullable=False),
        sa.Column("end", instant, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, comment="open, repaired or unrepairable"),
        sa.Column("repaired_from", sa.String(40), nullable=True),
        sa.Column("first_seen", instant, nullable=False),
        sa.PrimaryKeyConstraint("symbol", "source", "start", name=op.f("pk_data_gaps")),
    )
    op.create_table(
        "forecasts",
        sa.Column("forecast_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False, comment="backtest or live"),
        sa.Column("symbol", sa.String(20), nullable=False),
        sa.Column("origin", instant, nullable=False),
        sa.Column("horizon", sa.String(10), nullable=False),
        sa.Column("target_time", instant, nullable=False),
        sa.Column("reference_price", sa.Numeric(28, 12), nullable=False, comment="last close known at the origin"),
        sa.Column("q05", sa.Double(), nullable=False, comment="quantiles of the log return from origin to target_time"),
        sa.Column("q10", sa.Double(), nullable=False),
        sa.Column("q25", sa.Double(), nullable=False),
        sa.Column("q50", sa.Double(), nullable=False),
        sa.Column("q75", sa.Double(), nullable=False),
        sa.Column("q90", sa.Double(), nullable=False),
        sa.Column("q95", sa.Double(), nullable=False),
        sa.Column("p_up", sa.Double(), nullable=False, comment="probability that the price is higher at target_time"),
        sa.Column(
            "realized_variance", sa.Double(), nullable=False, comment="forecast sum of squared one-minute log returns"
        ),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("model_version", sa.String(40), nullable=False),
        sa.Column("variant", sa.String(20), nullable=False, comment="champion, baseline or challenger"),
        sa.Column("feature_set_version", sa.String(40), nullable=False),
        sa.Column("input", long_text, nullable=False, comment="table version or topic offsets that it was made from"),
        sa.Column("provenance", sa.String(40), nullable=False, comment="observed, repaired or simulated inputs"),
        sa.Column(
            "skill", sa.Double(), nullable=True, comment="over the baseline, on the folds before the model's month"
        ),
        sa.Column("skill_sample_size", sa.Integer(), nullable=True),
        sa.Column("written_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("forecast_id", name=op.f("pk_forecasts")),
    )
    op.create_index("ix_forecasts_latest", "forecasts", ["symbol", "horizon", "variant", "origin"])
    op.create_index("ix_forecasts_target", "forecasts", ["target_time", "symbol"])

    op.create_table(
        "model_evaluations",
        sa.Column("month", sa.String(10), nullable=False, comment="first day of the month that the model serves"),
        sa.Column("symbol", sa.String(20), nullable=False),
        sa.Column("horizon", sa.String(10), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("model_version", sa.String(40), nullable=False),
        sa.Column("folds", sa.Integer(), nullable=False),
        sa.Column("sample_size", sa.Integer(), nullable=False, comment="origins scored over all folds"),
        sa.Column("scored_from", instant, nullable=False),
        sa.Column("scored_to", instant, nullable=False),
        sa.Column("qlike", sa.Double(), nullable=False),
        sa.Column(
            "qlike_without_worst",
            sa.Double(),
            nullable=False,
            comment="without the 1 % of origins worst for the baseline",
        ),
        sa.Column("pinball", sa.Double(), nullable=False),
        sa.Column("coverage_50", sa.Double(), nullable=False),
        sa.Column("coverage_90", sa.Double(), nullable=False),
        sa.Column("coverage_90_low", sa.Double(), nullable=False, comment="by tercile of the forecast volatility"),
        sa.Column("coverage_90_middle", sa.Double(), nullable=False),
        sa.Column("coverage_90_high", sa.Double(), nullable=False),
        sa.Column("baseline", sa.String(40), nullable=False),
        sa.Column("skill", sa.Double(), nullable=False, comment="1 - qlike / the baseline's qlike on the same origins"),
        sa.Column(
            "dm_statistic",
            sa.Double(),
            nullable=True,
            comment="Diebold-Mariano, HAC variance; negative: better than the baseline",
        ),
        sa.Column("p_value", sa.Double(), nullable=True, comment="one-sided: the model is better than the baseline"),
        sa.Column("evaluated_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("month", "symbol", "horizon", "model", name=op.f("pk_model_evaluations")),
    )
    op.create_table(
        "scorecard",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("symbol", sa.String(20), nullable=False),
        sa.Column("horizon", sa.String(10), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("sample_size", sa.Integer(), nullable=False),
        sa.Column("scored_from", instant, nullable=False),
        sa.Column("scored_to", instant, nullable=False),
        sa.Column("qlike", sa.Double(), nullable=False),
        sa.Column("qlike_without_worst", sa.Double(), nullable=False),
        sa.Column("pinball", sa.Double(), nullable=False),
        sa.Column("coverage_50", sa.Double(), nullable=False),
        sa.Column("coverage_90", sa.Double(), nullable=False),
        sa.Column("skill", sa.Double(), nullable=False, comment="1 - qlike / baseline's qlike on the same origins"),
        sa.Column("pinball_skill", sa.Double(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column(
            "champion_share", sa.Double(), nullable=False, comment="share of its forecasts that were the served ones"
        ),
        sa.Column("updated_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("kind", "symbol", "horizon", "model", name=op.f("pk_scorecard")),
    )
    op.create_table(
        "forecast_outcomes",
        sa.Column("forecast_id", sa.String(32), nullable=False),
        sa.Column("target_time", instant, nullable=False),
        sa.Column("realized_log_return", sa.Double(), nullable=False),
        sa.Column("realized_variance", sa.Double(), nullable=False),
        sa.Column("inside_50", sa.Boolean(), nullable=False),
        sa.Column("inside_90", sa.Boolean(), nullable=False),
        sa.Column("qlike", sa.Double(), nullable=False),
        sa.Column("pinball", sa.Double(), nullable=False, comment="mean over the stored quantile levels"),
        sa.Column("scored_at", instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["forecast_id"], ["forecasts.forecast_id"], name=op.f("fk_forecast_outcomes_forecast_id")
        ),
        sa.PrimaryKeyConstraint("forecast_id", name=op.f("pk_forecast_outcomes")),
    )
    op.create_index("ix_forecast_outcomes_target", "forecast_outcomes", ["target_time"])


def downgrade() -> None:
    op.drop_table("forecast_outcomes")
    op.drop_table("scorecard")
    op.drop_table("model_evaluations")
    op.drop_table("forecasts")
    op.drop_table("data_gaps")
    op.drop_table("champions")
