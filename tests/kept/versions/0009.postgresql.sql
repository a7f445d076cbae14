CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.analyses (
    study_id bigint NOT NULL,
    kind character varying(32) NOT NULL,
    sequence integer NOT NULL,
    document json NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.anchors (
    study_id bigint NOT NULL,
    of character varying(32) NOT NULL,
    term_id bigint NOT NULL,
    value double precision NOT NULL,
    std double precision,
    seeds json NOT NULL
);
CREATE TABLE public.cohorts (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    worker character varying(128) NOT NULL,
    engine character varying(64) NOT NULL,
    size integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    seconds double precision
);
CREATE SEQUENCE public.cohorts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.cohorts_id_seq OWNED BY public.cohorts.id;
CREATE TABLE public.epoch_values (
    trial_id bigint NOT NULL,
    attempt integer NOT NULL,
    epoch integer NOT NULL,
    split character varying(10) NOT NULL,
    term_id bigint NOT NULL,
    value double precision,
    not_finite character varying(9),
    CONSTRAINT ck_epoch_values_either CHECK (((value IS NULL) <> (not_finite IS NULL))),
    CONSTRAINT ck_epoch_values_not_finite CHECK (((not_finite)::text = ANY ((ARRAY['nan'::character varying, 'inf'::character varying, '-inf'::character varying, 'undefined'::character varying])::text[]))),
    CONSTRAINT ck_epoch_values_split CHECK (((split)::text = ANY ((ARRAY['train'::character varying, 'validation'::character varying, 'test'::character varying])::text[])))
);
CREATE TABLE public.epoch_weights (
    trial_id bigint NOT NULL,
    attempt integer NOT NULL,
    epoch integer NOT NULL,
    term_id bigint NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.epochs (
    trial_id bigint NOT NULL,
    attempt integer NOT NULL,
    epoch integer NOT NULL,
    seconds double precision NOT NULL
);
CREATE TABLE public.events (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    kind character varying(64) NOT NULL,
    body json NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.initial_values (
    study_id bigint NOT NULL,
    term_id bigint NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.leases (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    worker_id bigint NOT NULL,
    purpose character varying(16) NOT NULL,
    cohort_id bigint,
    acquired_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    written_at timestamp with time zone,
    released_at timestamp with time zone,
    ending character varying(16),
    CONSTRAINT ck_leases_ended CHECK (((released_at IS NULL) = (ending IS NULL))),
    CONSTRAINT ck_leases_ending CHECK (((ending)::text = ANY ((ARRAY['completed'::character varying, 'released'::character varying, 'expired'::character varying, 'revoked'::character varying])::text[]))),
    CONSTRAINT ck_leases_purpose CHECK (((purpose)::text = ANY ((ARRAY['preflight'::character varying, 'cohort'::character varying])::text[])))
);
CREATE SEQUENCE public.leases_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.leases_id_seq OWNED BY public.leases.id;
CREATE TABLE public.plugins (
    kind character varying(32) NOT NULL,
    name character varying(64) NOT NULL,
    digest character varying(128),
    traits json,
    failure text,
    published_at timestamp with time zone NOT NULL
);
CREATE TABLE public.studies (
    id bigint NOT NULL,
    name character varying(64) NOT NULL,
    state character varying(16) NOT NULL,
    reason_code character varying(64),
    reason_message text,
    reason_at text,
    definition json NOT NULL,
    definition_version integer NOT NULL,
    definition_sha256 character varying(64) NOT NULL,
    problem_sha256 character varying(64) NOT NULL,
    workload character varying(64) NOT NULL,
    description text,
    labels json NOT NULL,
    warnings json NOT NULL,
    trial_budget integer NOT NULL,
    prepared boolean NOT NULL,
    cohort_size integer,
    engine character varying(64),
    engine_why text,
    threads integer,
    preparations integer NOT NULL,
    sequence integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    losses integer DEFAULT 0 NOT NULL,
    cohort_losses integer DEFAULT 0 NOT NULL,
    cohort_successes integer DEFAULT 0 NOT NULL,
    prepared_cohort_size integer,
    priority integer DEFAULT 0 NOT NULL,
    turn_began_at timestamp with time zone,
    turn_ended_at timestamp with time zone,
    workload_version character varying(64),
    CONSTRAINT ck_studies_state CHECK (((state)::text = ANY ((ARRAY['QUEUED'::character varying, 'RUNNING'::character varying, 'PAUSED'::character varying, 'STOPPING'::character varying, 'COMPLETE'::character varying, 'STOPPED'::character varying, 'CANCELLED'::character varying, 'FAILED'::character varying])::text[])))
);
CREATE SEQUENCE public.studies_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.studies_id_seq OWNED BY public.studies.id;
CREATE TABLE public.terms (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    "position" integer NOT NULL,
    path character varying(160) NOT NULL,
    kind character varying(16) NOT NULL,
    direction character varying(16) NOT NULL,
    task character varying(64),
    CONSTRAINT ck_terms_direction CHECK (((direction)::text = ANY ((ARRAY['minimize'::character varying, 'maximize'::character varying])::text[]))),
    CONSTRAINT ck_terms_kind CHECK (((kind)::text = ANY ((ARRAY['loss'::character varying, 'penalty'::character varying, 'metric'::character varying])::text[])))
);
CREATE SEQUENCE public.terms_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.terms_id_seq OWNED BY public.terms.id;
CREATE TABLE public.trial_objective_values (
    trial_id bigint NOT NULL,
    kind character varying(10) NOT NULL,
    "position" smallint NOT NULL,
    path character varying(160) NOT NULL,
    value double precision,
    not_finite character varying(9),
    CONSTRAINT ck_trial_objective_values_either CHECK (((value IS NULL) <> (not_finite IS NULL))),
    CONSTRAINT ck_trial_objective_values_kind CHECK (((kind)::text = ANY ((ARRAY['value'::character varying, 'violation'::character varying])::text[]))),
    CONSTRAINT ck_trial_objective_values_not_finite CHECK (((not_finite)::text = ANY ((ARRAY['nan'::character varying, 'inf'::character varying, '-inf'::character varying, 'undefined'::character varying])::text[])))
);
CREATE TABLE public.trial_parameters (
    trial_id bigint NOT NULL,
    "position" smallint NOT NULL,
    path character varying(160) NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.trial_seeds (
    trial_id bigint NOT NULL,
    "position" smallint NOT NULL,
    seed bigint NOT NULL,
    value double precision,
    not_finite character varying(9),
    measured text,
    CONSTRAINT ck_trial_seeds_not_finite CHECK (((not_finite)::text = ANY ((ARRAY['nan'::character varying, 'inf'::character varying, '-inf'::character varying, 'undefined'::character varying])::text[])))
);
CREATE TABLE public.trial_values (
    trial_id bigint NOT NULL,
    moment character varying(8) NOT NULL,
    split character varying(10) NOT NULL,
    term_id bigint NOT NULL,
    value double precision,
    not_finite character varying(9),
    CONSTRAINT ck_trial_values_either CHECK (((value IS NULL) <> (not_finite IS NULL))),
    CONSTRAINT ck_trial_values_moment CHECK (((moment)::text = ANY ((ARRAY['initial'::character varying, 'last'::character varying, 'best'::character varying])::text[]))),
    CONSTRAINT ck_trial_values_not_finite CHECK (((not_finite)::text = ANY ((ARRAY['nan'::character varying, 'inf'::character varying, '-inf'::character varying, 'undefined'::character varying])::text[]))),
    CONSTRAINT ck_trial_values_split CHECK (((split)::text = ANY ((ARRAY['train'::character varying, 'validation'::character varying, 'test'::character varying])::text[])))
);
CREATE TABLE public.trial_weights (
    trial_id bigint NOT NULL,
    term_id bigint NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.trials (
    id bigint NOT NULL,
    study_id bigint NOT NULL,
    number integer NOT NULL,
    role character varying(16) NOT NULL,
    rule character varying(64),
    origin character varying(64) NOT NULL,
    confirms integer,
    state character varying(16) NOT NULL,
    seed bigint NOT NULL,
    sampler_state text NOT NULL,
    planned_after integer NOT NULL,
    planned_beside text NOT NULL,
    attempt integer NOT NULL,
    charged integer NOT NULL,
    cohort_limit integer,
    epochs integer NOT NULL,
    seconds double precision NOT NULL,
    best_epoch integer,
    value double precision,
    value_not_finite character varying(9),
    feasible boolean,
    reason_code character varying(64),
    reason_message text,
    reason_at text,
    worker character varying(128),
    cohort_id bigint,
    engine character varying(64),
    engine_why text,
    sequence integer,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    losses integer DEFAULT 0 NOT NULL,
    workload_version character varying(64),
    CONSTRAINT ck_trials_role CHECK (((role)::text = ANY ((ARRAY['reference'::character varying, 'baseline'::character varying, 'search'::character varying, 'confirmation'::character varying])::text[]))),
    CONSTRAINT ck_trials_state CHECK (((state)::text = ANY ((ARRAY['WAITING'::character varying, 'RUNNING'::character varying, 'COMPLETE'::character varying, 'PRUNED'::character varying, 'FAILED'::character varying, 'DIVERGED'::character varying, 'CANCELLED'::character varying])::text[]))),
    CONSTRAINT ck_trials_value CHECK (((value IS NULL) OR (value_not_finite IS NULL))),
    CONSTRAINT ck_trials_value_not_finite CHECK (((value_not_finite)::text = ANY ((ARRAY['nan'::character varying, 'inf'::character varying, '-inf'::character varying, 'undefined'::character varying])::text[])))
);
CREATE SEQUENCE public.trials_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trials_id_seq OWNED BY public.trials.id;
CREATE TABLE public.worker_plugins (
    worker_id bigint NOT NULL,
    kind character varying(32) NOT NULL,
    name character varying(64) NOT NULL
);
CREATE TABLE public.worker_workloads (
    worker_id bigint NOT NULL,
    name character varying(64) NOT NULL,
    version character varying(64) NOT NULL
);
CREATE TABLE public.workers (
    id bigint NOT NULL,
    name character varying(128) NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version character varying(64) NOT NULL,
    workloads json NOT NULL,
    state character varying(16) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    heartbeat_at timestamp with time zone NOT NULL,
    stopped_at timestamp with time zone,
    CONSTRAINT ck_workers_state CHECK (((state)::text = ANY ((ARRAY['starting'::character varying, 'idle'::character varying, 'busy'::character varying, 'stopped'::character varying])::text[])))
);
CREATE SEQUENCE public.workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.workers_id_seq OWNED BY public.workers.id;
CREATE TABLE public.workload_failures (
    name character varying(64) NOT NULL,
    version character varying(64),
    message text NOT NULL,
    at text,
    published_at timestamp with time zone NOT NULL
);
CREATE TABLE public.workloads (
    name character varying(64) NOT NULL,
    digest character varying(128) NOT NULL,
    description json NOT NULL,
    published_at timestamp with time zone NOT NULL,
    version character varying(64)
);
ALTER TABLE ONLY public.cohorts ALTER COLUMN id SET DEFAULT nextval('public.cohorts_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.leases ALTER COLUMN id SET DEFAULT nextval('public.leases_id_seq'::regclass);
ALTER TABLE ONLY public.studies ALTER COLUMN id SET DEFAULT nextval('public.studies_id_seq'::regclass);
ALTER TABLE ONLY public.terms ALTER COLUMN id SET DEFAULT nextval('public.terms_id_seq'::regclass);
ALTER TABLE ONLY public.trials ALTER COLUMN id SET DEFAULT nextval('public.trials_id_seq'::regclass);
ALTER TABLE ONLY public.workers ALTER COLUMN id SET DEFAULT nextval('public.workers_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0009');
INSERT INTO public.cohorts VALUES (1, 2, 'w1', 'stacked', 3, '2026-03-01 12:00:00.123456+00', NULL, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'train', 5, 0.5, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'train', 6, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'train', 7, 0.5, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'train', 8, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'validation', 5, 0.5, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'validation', 6, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'validation', 7, 0.5, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 1, 'validation', 8, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'train', 5, NULL, 'nan');
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'train', 6, 1, NULL);
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'train', 7, NULL, 'nan');
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'train', 8, 1, NULL);
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'validation', 5, NULL, 'inf');
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'validation', 6, NULL, '-inf');
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'validation', 7, NULL, 'inf');
INSERT INTO public.epoch_values VALUES (2, 1, 1, 'validation', 8, NULL, '-inf');
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'train', 5, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'train', 6, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'train', 7, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'train', 8, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'validation', 5, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'validation', 6, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'validation', 7, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (1, 1, 2, 'validation', 8, 0.25, NULL);
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'train', 5, NULL, 'nan');
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'train', 6, 1, NULL);
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'train', 7, NULL, 'nan');
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'train', 8, 1, NULL);
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'validation', 5, NULL, 'inf');
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'validation', 6, NULL, '-inf');
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'validation', 7, NULL, 'inf');
INSERT INTO public.epoch_values VALUES (2, 1, 2, 'validation', 8, NULL, '-inf');
INSERT INTO public.epochs VALUES (1, 1, 1, 0.5);
INSERT INTO public.epochs VALUES (2, 1, 1, 0.5);
INSERT INTO public.epochs VALUES (1, 1, 2, 0.5);
INSERT INTO public.epochs VALUES (2, 1, 2, 0.5);
INSERT INTO public.events VALUES (1, 1, 'study.created', '{"name": "queued"}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (2, 2, 'study.created', '{"name": "going"}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (3, 2, 'study.state', '{"state": "RUNNING", "reason": null}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (4, 2, 'trial.state', '{"number": 0, "state": "RUNNING", "attempt": 1}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (5, 2, 'trial.state', '{"number": 1, "state": "RUNNING", "attempt": 1}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (6, 2, 'trial.state', '{"number": 2, "state": "RUNNING", "attempt": 1}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (7, 2, 'trial.state', '{"number": 0, "state": "COMPLETE", "reason": null}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.events VALUES (8, 2, 'trial.state', '{"number": 1, "state": "COMPLETE", "reason": null}', '2026-03-01 12:00:00.123456+00');
INSERT INTO public.leases VALUES (1, 2, 1, 'cohort', 1, '2026-03-01 12:00:00.123456+00', '2026-03-01 12:01:00.123456+00', '2026-03-01 12:00:00.123456+00', NULL, NULL);
INSERT INTO public.studies VALUES (1, 'queued', 'QUEUED', NULL, NULL, NULL, '{"workload": {"name": "ads", "options": {}}, "weights": {}, "tasks": [{"name": "t0", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}, {"name": "t1", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}], "penalties": [], "objective": {"metrics": [{"metric": "t0.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}, {"metric": "t1.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}], "aggregate": "mean", "config": {}, "epoch": "last"}, "search": {"sampler": {"name": "tpe", "config": {}}, "stop": null, "seed": 0, "seeds": 1, "space": "box", "pruner": null, "normalize": null, "references": null, "baselines": [], "confirmation": null, "cohort_size": null, "max_attempts": 3, "max_losses": 10}, "training": {"epochs": 10, "batch_size": 32, "optimizer": {"name": "adam", "config": {}}, "report_every": 1, "initial_weights": "fresh"}}', 1, 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp', 'ads', NULL, '{"from": "0009"}', '[]', 6, false, NULL, NULL, NULL, NULL, 0, 0, '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', NULL, NULL, 0, 0, 0, NULL, 0, NULL, NULL, NULL);
INSERT INTO public.studies VALUES (2, 'going', 'RUNNING', NULL, NULL, NULL, '{"workload": {"name": "ads", "options": {}}, "weights": {}, "tasks": [{"name": "t0", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}, {"name": "t1", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}], "penalties": [], "objective": {"metrics": [{"metric": "t0.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}, {"metric": "t1.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}], "aggregate": "mean", "config": {}, "epoch": "last"}, "search": {"sampler": {"name": "tpe", "config": {}}, "stop": null, "seed": 0, "seeds": 1, "space": "box", "pruner": null, "normalize": null, "references": null, "baselines": [], "confirmation": null, "cohort_size": null, "max_attempts": 3, "max_losses": 10}, "training": {"epochs": 10, "batch_size": 32, "optimizer": {"name": "adam", "config": {}}, "report_every": 1, "initial_weights": "fresh"}}', 1, 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp', 'ads', NULL, '{"from": "0009"}', '[]', 6, true, 3, 'stacked', NULL, 1, 0, 2, '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', NULL, 0, 0, 0, 3, 0, '2026-03-01 12:00:00.123456+00', NULL, NULL);
INSERT INTO public.terms VALUES (1, 1, 0, 't0.mse', 'metric', 'minimize', 't0');
INSERT INTO public.terms VALUES (2, 1, 1, 't1.mse', 'metric', 'minimize', 't1');
INSERT INTO public.terms VALUES (3, 1, 2, 't0.error', 'loss', 'minimize', 't0');
INSERT INTO public.terms VALUES (4, 1, 3, 't1.error', 'loss', 'minimize', 't1');
INSERT INTO public.terms VALUES (5, 2, 0, 't0.mse', 'metric', 'minimize', 't0');
INSERT INTO public.terms VALUES (6, 2, 1, 't1.mse', 'metric', 'minimize', 't1');
INSERT INTO public.terms VALUES (7, 2, 2, 't0.error', 'loss', 'minimize', 't0');
INSERT INTO public.terms VALUES (8, 2, 3, 't1.error', 'loss', 'minimize', 't1');
INSERT INTO public.trial_objective_values VALUES (1, 'value', 0, 't0.mse', 0.25, NULL);
INSERT INTO public.trial_objective_values VALUES (1, 'value', 1, 't1.mse', 0.25, NULL);
INSERT INTO public.trial_objective_values VALUES (2, 'value', 0, 't0.mse', NULL, 'nan');
INSERT INTO public.trial_objective_values VALUES (2, 'value', 1, 't1.mse', NULL, 'inf');
INSERT INTO public.trial_parameters VALUES (1, 0, 't0.error', 0.5);
INSERT INTO public.trial_parameters VALUES (1, 1, 't1.error', 2);
INSERT INTO public.trial_parameters VALUES (2, 0, 't0.error', 1.5);
INSERT INTO public.trial_parameters VALUES (2, 1, 't1.error', 2);
INSERT INTO public.trial_parameters VALUES (3, 0, 't0.error', 2.5);
INSERT INTO public.trial_parameters VALUES (3, 1, 't1.error', 2);
INSERT INTO public.trial_parameters VALUES (4, 0, 't0.error', 3.5);
INSERT INTO public.trial_parameters VALUES (4, 1, 't1.error', 2);
INSERT INTO public.trial_values VALUES (1, 'initial', 'train', 5, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'train', 6, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'train', 7, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'train', 8, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'validation', 5, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'validation', 6, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'validation', 7, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'initial', 'validation', 8, 1, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'train', 5, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'train', 6, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'train', 7, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'train', 8, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'validation', 5, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'validation', 6, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'validation', 7, 0.25, NULL);
INSERT INTO public.trial_values VALUES (1, 'last', 'validation', 8, 0.25, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'train', 5, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'train', 6, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'train', 7, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'train', 8, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'validation', 5, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'validation', 6, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'validation', 7, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'initial', 'validation', 8, 1, NULL);
INSERT INTO public.trial_values VALUES (2, 'last', 'train', 5, NULL, 'nan');
INSERT INTO public.trial_values VALUES (2, 'last', 'train', 6, NULL, 'inf');
INSERT INTO public.trial_values VALUES (2, 'last', 'train', 7, NULL, 'nan');
INSERT INTO public.trial_values VALUES (2, 'last', 'train', 8, NULL, 'inf');
INSERT INTO public.trial_values VALUES (2, 'last', 'validation', 5, NULL, 'nan');
INSERT INTO public.trial_values VALUES (2, 'last', 'validation', 6, NULL, 'inf');
INSERT INTO public.trial_values VALUES (2, 'last', 'validation', 7, NULL, 'nan');
INSERT INTO public.trial_values VALUES (2, 'last', 'validation', 8, NULL, 'inf');
INSERT INTO public.trial_weights VALUES (1, 7, 0.5);
INSERT INTO public.trial_weights VALUES (1, 8, 2);
INSERT INTO public.trial_weights VALUES (2, 7, 1.5);
INSERT INTO public.trial_weights VALUES (2, 8, 2);
INSERT INTO public.trial_weights VALUES (3, 7, 2.5);
INSERT INTO public.trial_weights VALUES (3, 8, 2);
INSERT INTO public.trial_weights VALUES (4, 7, 3.5);
INSERT INTO public.trial_weights VALUES (4, 8, 2);
INSERT INTO public.trials VALUES (4, 2, 3, 'search', NULL, 'tpe', NULL, 'WAITING', 7, '{"place":3}', 0, '[]', 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-01 12:00:00.123456+00', NULL, NULL, 0, NULL);
INSERT INTO public.trials VALUES (3, 2, 2, 'search', NULL, 'tpe', NULL, 'RUNNING', 7, '{"place":2}', 0, '[]', 1, 0, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'w1', 1, 'stacked', NULL, NULL, '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', NULL, 0, NULL);
INSERT INTO public.trials VALUES (1, 2, 0, 'search', NULL, 'tpe', NULL, 'COMPLETE', 7, '{"place":0}', 0, '[]', 1, 0, NULL, 2, 1, 1, -0.25, NULL, true, NULL, NULL, NULL, 'w1', 1, 'stacked', NULL, 1, '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', 0, NULL);
INSERT INTO public.trials VALUES (2, 2, 1, 'search', NULL, 'tpe', NULL, 'COMPLETE', 7, '{"place":1}', 0, '[]', 1, 0, NULL, 2, 1, 1, NULL, 'nan', true, NULL, NULL, NULL, 'w1', 1, 'stacked', NULL, 2, '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', 0, NULL);
INSERT INTO public.workers VALUES (1, 'w1', 'here', 11, '1', '["digits"]', 'starting', '2026-03-01 12:00:00.123456+00', '2026-03-01 12:00:00.123456+00', NULL);
SELECT pg_catalog.setval('public.cohorts_id_seq', 1, true);
SELECT pg_catalog.setval('public.events_id_seq', 8, true);
SELECT pg_catalog.setval('public.leases_id_seq', 1, true);
SELECT pg_catalog.setval('public.studies_id_seq', 2, true);
SELECT pg_catalog.setval('public.terms_id_seq', 8, true);
SELECT pg_catalog.setval('public.trials_id_seq', 4, true);
SELECT pg_catalog.setval('public.workers_id_seq', 1, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.analyses
    ADD CONSTRAINT pk_analyses PRIMARY KEY (study_id, kind);
ALTER TABLE ONLY public.anchors
    ADD CONSTRAINT pk_anchors PRIMARY KEY (study_id, of, term_id);
ALTER TABLE ONLY public.cohorts
    ADD CONSTRAINT pk_cohorts PRIMARY KEY (id);
ALTER TABLE ONLY public.epoch_values
    ADD CONSTRAINT pk_epoch_values PRIMARY KEY (trial_id, attempt, epoch, split, term_id);
ALTER TABLE ONLY public.epoch_weights
    ADD CONSTRAINT pk_epoch_weights PRIMARY KEY (trial_id, attempt, epoch, term_id);
ALTER TABLE ONLY public.epochs
    ADD CONSTRAINT pk_epochs PRIMARY KEY (trial_id, attempt, epoch);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (id);
ALTER TABLE ONLY public.initial_values
    ADD CONSTRAINT pk_initial_values PRIMARY KEY (study_id, term_id);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT pk_leases PRIMARY KEY (id);
ALTER TABLE ONLY public.plugins
    ADD CONSTRAINT pk_plugins PRIMARY KEY (kind, name);
ALTER TABLE ONLY public.studies
    ADD CONSTRAINT pk_studies PRIMARY KEY (id);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT pk_terms PRIMARY KEY (id);
ALTER TABLE ONLY public.trial_objective_values
    ADD CONSTRAINT pk_trial_objective_values PRIMARY KEY (trial_id, kind, "position");
ALTER TABLE ONLY public.trial_parameters
    ADD CONSTRAINT pk_trial_parameters PRIMARY KEY (trial_id, "position");
ALTER TABLE ONLY public.trial_seeds
    ADD CONSTRAINT pk_trial_seeds PRIMARY KEY (trial_id, "position");
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT pk_trial_values PRIMARY KEY (trial_id, moment, split, term_id);
ALTER TABLE ONLY public.trial_weights
    ADD CONSTRAINT pk_trial_weights PRIMARY KEY (trial_id, term_id);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT pk_trials PRIMARY KEY (id);
ALTER TABLE ONLY public.worker_plugins
    ADD CONSTRAINT pk_worker_plugins PRIMARY KEY (worker_id, kind, name);
ALTER TABLE ONLY public.worker_workloads
    ADD CONSTRAINT pk_worker_workloads PRIMARY KEY (worker_id, name, version);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT pk_workers PRIMARY KEY (id);
ALTER TABLE ONLY public.workload_failures
    ADD CONSTRAINT pk_workload_failures PRIMARY KEY (name);
ALTER TABLE ONLY public.workloads
    ADD CONSTRAINT pk_workloads PRIMARY KEY (name);
ALTER TABLE ONLY public.studies
    ADD CONSTRAINT uq_studies_name UNIQUE (name);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT uq_terms_study_id_path UNIQUE (study_id, path);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT uq_trials_study_id_number UNIQUE (study_id, number);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT uq_trials_study_id_sequence UNIQUE (study_id, sequence);
CREATE INDEX ix_cohorts_study_id ON public.cohorts USING btree (study_id);
CREATE INDEX ix_events_study_id_id ON public.events USING btree (study_id, id);
CREATE INDEX ix_leases_live ON public.leases USING btree (study_id, purpose) WHERE (released_at IS NULL);
CREATE INDEX ix_leases_study_id ON public.leases USING btree (study_id);
CREATE INDEX ix_leases_worker_id ON public.leases USING btree (worker_id);
CREATE INDEX ix_studies_state_id ON public.studies USING btree (state, id);
CREATE INDEX ix_trial_values_sort ON public.trial_values USING btree (term_id, split, moment, value, trial_id);
CREATE INDEX ix_trials_best ON public.trials USING btree (study_id, state, feasible DESC, value DESC, number);
CREATE INDEX ix_trials_cohort_id ON public.trials USING btree (cohort_id);
CREATE INDEX ix_trials_not_searched ON public.trials USING btree (study_id, role, state) WHERE ((role)::text <> 'search'::text);
CREATE INDEX ix_trials_study_id_value ON public.trials USING btree (study_id, value);
CREATE INDEX ix_workers_heartbeat_at ON public.workers USING btree (heartbeat_at);
ALTER TABLE ONLY public.analyses
    ADD CONSTRAINT fk_analyses_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.anchors
    ADD CONSTRAINT fk_anchors_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.cohorts
    ADD CONSTRAINT fk_cohorts_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.epoch_values
    ADD CONSTRAINT fk_epoch_values_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.epoch_weights
    ADD CONSTRAINT fk_epoch_weights_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.epochs
    ADD CONSTRAINT fk_epochs_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.initial_values
    ADD CONSTRAINT fk_initial_values_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT fk_leases_cohort_id FOREIGN KEY (cohort_id) REFERENCES public.cohorts(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT fk_leases_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT fk_leases_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT fk_terms_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trial_objective_values
    ADD CONSTRAINT fk_trial_objective_values_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trial_parameters
    ADD CONSTRAINT fk_trial_parameters_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trial_seeds
    ADD CONSTRAINT fk_trial_seeds_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT fk_trial_values_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trial_weights
    ADD CONSTRAINT fk_trial_weights_trial_id FOREIGN KEY (trial_id) REFERENCES public.trials(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT fk_trials_cohort_id FOREIGN KEY (cohort_id) REFERENCES public.cohorts(id);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT fk_trials_study_id FOREIGN KEY (study_id) REFERENCES public.studies(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.worker_plugins
    ADD CONSTRAINT fk_worker_plugins_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.worker_workloads
    ADD CONSTRAINT fk_worker_workloads_worker_id FOREIGN KEY (worker_id) REFERENCES public.workers(id) ON DELETE CASCADE;
