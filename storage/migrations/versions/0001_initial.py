"""The first schema: studies, trials, their numbers, cohorts, leases, workers, workloads, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _studies()
    _workers()
    _workloads()
    _cohorts()
    _events()
    _terms()
    _leases()
    _trials()
    _epoch_values()
    _epochs()
    _trial_objective_values()
    _trial_parameters()
    _trial_values()
    _trial_weights()


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason_code", sa.String(length=64)),
        sa.Column("reason_message", sa.Text()),
        sa.Column("reason_at", sa.Text()),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("definition_version", sa.Integer(), nullable=False),
        sa.Column("definition_sha256", sa.String(length=64), nullable=False),
        sa.Column("problem_sha256", sa.String(length=64), nullable=False),
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("trial_budget", sa.Integer(), nullable=False),
        sa.Column("prepared", sa.Boolean(), nullable=False),
        sa.Column("cohort_size", sa.Integer()),
        sa.Column("engine", sa.String(length=64)),
        sa.Column("engine_why", sa.Text()),
        sa.Column("threads", sa.Integer()),
        sa.Column("preparations", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'RUNNING', 'PAUSED', 'STOPPING', 'COMPLETE', 'STOPPED', 'CANCELLED', 'FAILED')",
            name="ck_studies_state",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("name", name="uq_studies_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_studies_state_id", "studies", ["state", "id"])


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("workloads", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=False),
        sa.Column("stopped_at", TIME),
        sa.CheckConstraint("state IN ('starting', 'idle', 'busy', 'stopped')", name="ck_workers_state"),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workers_heartbeat_at", "workers", ["heartbeat_at"])


def _workloads() -> None:
    op.create_table(
        "workloads",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workloads"),
    )


def _cohorts() -> None:
    op.create_table(
        "cohorts",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("worker", sa.String(length=128), nullable=False),
        sa.Column("engine", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("seconds", sa.Double()),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_cohorts_study_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_cohorts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cohorts_study_id", "cohorts", ["study_id"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_events_study_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_study_id_id", "events", ["study_id", "id"])


def _terms() -> None:
    op.create_table(
        "terms",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("task", sa.String(length=64)),
        sa.CheckConstraint("direction IN ('minimize', 'maximize')", name="ck_terms_direction"),
        sa.CheckConstraint("kind IN ('loss', 'penalty', 'metric')", name="ck_terms_kind"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_terms_study_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_terms"),
        sa.UniqueConstraint("study_id", "path", name="uq_terms_study_id_path"),
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("worker_id", ID, nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("cohort_id", ID),
        sa.Column("acquired_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("written_at", TIME),
        sa.Column("released_at", TIME),
        sa.Column("ending", sa.String(length=16)),
        sa.CheckConstraint("ending IN ('completed', 'released', 'expired', 'revoked')", name="ck_leases_ending"),
        sa.CheckConstraint("purpose IN ('preflight', 'cohort')", name="ck_leases_purpose"),
        sa.CheckConstraint("(released_at IS NULL) = (ending IS NULL)", name="ck_leases_ended"),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name="fk_leases_cohort_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_leases_study_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_leases_worker_id"),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_leases_live",
        "leases",
        ["study_id", "purpose"],
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index("ix_leases_study_id", "leases", ["study_id"])
    op.create_index("ix_leases_worker_id", "leases", ["worker_id"])


def _trials() -> None:
    op.create_table(
        "trials",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=64)),
        sa.Column("origin", sa.String(length=64), nullable=False),
        sa.Column("confirms", sa.Integer()),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("seed", ID, nullable=False),
        sa.Column("sampler_state", sa.Text(), nullable=False),
        sa.Column("planned_after", sa.Integer(), nullable=False),
        sa.Column("planned_beside", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("charged", sa.Integer(), nullable=False),
        sa.Column("cohort_limit", sa.Integer()),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("best_epoch", sa.Integer()),
        sa.Column("value", sa.Double()),
        sa.Column("value_not_finite", sa.String(length=4)),
        sa.Column("feasible", sa.Boolean()),
        sa.Column("reason_code", sa.String(length=64)),
        sa.Column("reason_message", sa.Text()),
        sa.Column("reason_at", sa.Text()),
        sa.Column("worker", sa.String(length=128)),
        sa.Column("cohort_id", ID),
        sa.Column("engine", sa.String(length=64)),
        sa.Column("engine_why", sa.Text()),
        sa.Column("sequence", sa.Integer()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.CheckConstraint("role IN ('reference', 'baseline', 'search', 'confirmation')", name="ck_trials_role"),
        sa.CheckConstraint(
            "state IN ('WAITING', 'RUNNING', 'COMPLETE', 'PRUNED', 'FAILED', 'DIVERGED', 'CANCELLED')", name="ck_trials_state"
        ),
        sa.CheckConstraint("value_not_finite IN ('nan', 'inf', '-inf')", name="ck_trials_value_not_finite"),
        sa.CheckConstraint("value IS NULL OR value_not_finite IS NULL", name="ck_trials_value"),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name="fk_trials_cohort_id"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_trials_study_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
        sa.UniqueConstraint("study_id", "number", name="uq_trials_study_id_number"),
        sa.UniqueConstraint("study_id", "sequence", name="uq_trials_study_id_sequence"),
    )
    op.create_index("ix_trials_best", "trials", ["study_id", "state", sa.text("feasible DESC"), sa.text("value DESC"), "number"])
    op.create_index("ix_trials_cohort_id", "trials", ["cohort_id"])
    op.create_index("ix_trials_study_id_value", "trials", ["study_id", "value"])


def _epoch_values() -> None:
    op.create_table(
        "epoch_values",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("split", sa.String(length=10), nullable=False),
        sa.Column("term_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("not_finite", sa.String(length=4)),
        sa.CheckConstraint("not_finite IN ('nan', 'inf', '-inf')", name="ck_epoch_values_not_finite"),
        sa.CheckConstraint("split IN ('train', 'validation', 'test')", name="ck_epoch_values_split"),
        sa.CheckConstraint("(value IS NULL) <> (not_finite IS NULL)", name="ck_epoch_values_either"),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_epoch_values_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "attempt", "epoch", "split", "term_id", name="pk_epoch_values"),
        sqlite_with_rowid=False,
    )


def _epochs() -> None:
    op.create_table(
        "epochs",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_epochs_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "attempt", "epoch", name="pk_epochs"),
        sqlite_with_rowid=False,
    )


def _trial_objective_values() -> None:
    op.create_table(
        "trial_objective_values",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("path", sa.String(length=160), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("not_finite", sa.String(length=4)),
        sa.CheckConstraint("kind IN ('value', 'violation')", name="ck_trial_objective_values_kind"),
        sa.CheckConstraint("not_finite IN ('nan', 'inf', '-inf')", name="ck_trial_objective_values_not_finite"),
        sa.CheckConstraint("(value IS NULL) <> (not_finite IS NULL)", name="ck_trial_objective_values_either"),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_trial_objective_values_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "kind", "position", name="pk_trial_objective_values"),
        sqlite_with_rowid=False,
    )


def _trial_parameters() -> None:
    op.create_table(
        "trial_parameters",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("path", sa.String(length=160), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_trial_parameters_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "position", name="pk_trial_parameters"),
        sqlite_with_rowid=False,
    )


def _trial_values() -> None:
    op.create_table(
        "trial_values",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("moment", sa.String(length=8), nullable=False),
        sa.Column("split", sa.String(length=10), nullable=False),
        sa.Column("term_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("not_finite", sa.String(length=4)),
        sa.CheckConstraint("moment IN ('initial', 'last', 'best')", name="ck_trial_values_moment"),
        sa.CheckConstraint("not_finite IN ('nan', 'inf', '-inf')", name="ck_trial_values_not_finite"),
        sa.CheckConstraint("split IN ('train', 'validation', 'test')", name="ck_trial_values_split"),
        sa.CheckConstraint("(value IS NULL) <> (not_finite IS NULL)", name="ck_trial_values_either"),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_trial_values_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "moment", "split", "term_id", name="pk_trial_values"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_trial_values_sort", "trial_values", ["term_id", "split", "moment", "value", "trial_id"])


def _trial_weights() -> None:
    op.create_table(
        "trial_weights",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("term_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_trial_weights_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "term_id", name="pk_trial_weights"),
        sqlite_with_rowid=False,
    )
