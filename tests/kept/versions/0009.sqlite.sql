BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0009');
CREATE TABLE analyses (
	study_id INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	sequence INTEGER NOT NULL, 
	document JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_analyses PRIMARY KEY (study_id, kind), 
	CONSTRAINT fk_analyses_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
);
CREATE TABLE anchors (
	study_id INTEGER NOT NULL, 
	"of" VARCHAR(32) NOT NULL, 
	term_id INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	std DOUBLE, 
	seeds JSON NOT NULL, 
	CONSTRAINT pk_anchors PRIMARY KEY (study_id, "of", term_id), 
	CONSTRAINT fk_anchors_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE cohorts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_id INTEGER NOT NULL, 
	worker VARCHAR(128) NOT NULL, 
	engine VARCHAR(64) NOT NULL, 
	size INTEGER NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	seconds DOUBLE, 
	CONSTRAINT fk_cohorts_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
);
INSERT INTO "cohorts" VALUES(1,2,'w1','stacked',3,'2026-03-01 12:00:00.123456',NULL,NULL);
CREATE TABLE epoch_values (
	trial_id INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	split VARCHAR(10) NOT NULL, 
	term_id INTEGER NOT NULL, 
	value DOUBLE, 
	not_finite VARCHAR(9), 
	CONSTRAINT pk_epoch_values PRIMARY KEY (trial_id, attempt, epoch, split, term_id), 
	CONSTRAINT ck_epoch_values_not_finite CHECK (not_finite IN ('nan', 'inf', '-inf', 'undefined')), 
	CONSTRAINT ck_epoch_values_split CHECK (split IN ('train', 'validation', 'test')), 
	CONSTRAINT ck_epoch_values_either CHECK ((value IS NULL) <> (not_finite IS NULL)), 
	CONSTRAINT fk_epoch_values_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "epoch_values" VALUES(1,1,1,'train',5,0.5,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'train',6,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'train',7,0.5,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'train',8,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'validation',5,0.5,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'validation',6,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'validation',7,0.5,NULL);
INSERT INTO "epoch_values" VALUES(1,1,1,'validation',8,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'train',5,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'train',6,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'train',7,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'train',8,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'validation',5,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'validation',6,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'validation',7,0.25,NULL);
INSERT INTO "epoch_values" VALUES(1,1,2,'validation',8,0.25,NULL);
INSERT INTO "epoch_values" VALUES(2,1,1,'train',5,NULL,'nan');
INSERT INTO "epoch_values" VALUES(2,1,1,'train',6,1.0,NULL);
INSERT INTO "epoch_values" VALUES(2,1,1,'train',7,NULL,'nan');
INSERT INTO "epoch_values" VALUES(2,1,1,'train',8,1.0,NULL);
INSERT INTO "epoch_values" VALUES(2,1,1,'validation',5,NULL,'inf');
INSERT INTO "epoch_values" VALUES(2,1,1,'validation',6,NULL,'-inf');
INSERT INTO "epoch_values" VALUES(2,1,1,'validation',7,NULL,'inf');
INSERT INTO "epoch_values" VALUES(2,1,1,'validation',8,NULL,'-inf');
INSERT INTO "epoch_values" VALUES(2,1,2,'train',5,NULL,'nan');
INSERT INTO "epoch_values" VALUES(2,1,2,'train',6,1.0,NULL);
INSERT INTO "epoch_values" VALUES(2,1,2,'train',7,NULL,'nan');
INSERT INTO "epoch_values" VALUES(2,1,2,'train',8,1.0,NULL);
INSERT INTO "epoch_values" VALUES(2,1,2,'validation',5,NULL,'inf');
INSERT INTO "epoch_values" VALUES(2,1,2,'validation',6,NULL,'-inf');
INSERT INTO "epoch_values" VALUES(2,1,2,'validation',7,NULL,'inf');
INSERT INTO "epoch_values" VALUES(2,1,2,'validation',8,NULL,'-inf');
CREATE TABLE epoch_weights (
	trial_id INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	term_id INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	CONSTRAINT pk_epoch_weights PRIMARY KEY (trial_id, attempt, epoch, term_id), 
	CONSTRAINT fk_epoch_weights_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE epochs (
	trial_id INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	seconds DOUBLE NOT NULL, 
	CONSTRAINT pk_epochs PRIMARY KEY (trial_id, attempt, epoch), 
	CONSTRAINT fk_epochs_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "epochs" VALUES(1,1,1,0.5);
INSERT INTO "epochs" VALUES(1,1,2,0.5);
INSERT INTO "epochs" VALUES(2,1,1,0.5);
INSERT INTO "epochs" VALUES(2,1,2,0.5);
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_id INTEGER NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	body JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT fk_events_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
);
INSERT INTO "events" VALUES(1,1,'study.created','{"name": "queued"}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(2,2,'study.created','{"name": "going"}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(3,2,'study.state','{"state": "RUNNING", "reason": null}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(4,2,'trial.state','{"number": 0, "state": "RUNNING", "attempt": 1}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(5,2,'trial.state','{"number": 1, "state": "RUNNING", "attempt": 1}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(6,2,'trial.state','{"number": 2, "state": "RUNNING", "attempt": 1}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(7,2,'trial.state','{"number": 0, "state": "COMPLETE", "reason": null}','2026-03-01 12:00:00.123456');
INSERT INTO "events" VALUES(8,2,'trial.state','{"number": 1, "state": "COMPLETE", "reason": null}','2026-03-01 12:00:00.123456');
CREATE TABLE initial_values (
	study_id INTEGER NOT NULL, 
	term_id INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	CONSTRAINT pk_initial_values PRIMARY KEY (study_id, term_id), 
	CONSTRAINT fk_initial_values_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE leases (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_id INTEGER NOT NULL, 
	worker_id INTEGER NOT NULL, 
	purpose VARCHAR(16) NOT NULL, 
	cohort_id INTEGER, 
	acquired_at DATETIME NOT NULL, 
	expires_at DATETIME NOT NULL, 
	written_at DATETIME, 
	released_at DATETIME, 
	ending VARCHAR(16), 
	CONSTRAINT ck_leases_ending CHECK (ending IN ('completed', 'released', 'expired', 'revoked')), 
	CONSTRAINT ck_leases_purpose CHECK (purpose IN ('preflight', 'cohort')), 
	CONSTRAINT ck_leases_ended CHECK ((released_at IS NULL) = (ending IS NULL)), 
	CONSTRAINT fk_leases_cohort_id FOREIGN KEY(cohort_id) REFERENCES cohorts (id) ON DELETE CASCADE, 
	CONSTRAINT fk_leases_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT fk_leases_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
);
INSERT INTO "leases" VALUES(1,2,1,'cohort',1,'2026-03-01 12:00:00.123456','2026-03-01 12:01:00.123456','2026-03-01 12:00:00.123456',NULL,NULL);
CREATE TABLE plugins (
	kind VARCHAR(32) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	digest VARCHAR(128), 
	traits JSON, 
	failure TEXT, 
	published_at DATETIME NOT NULL, 
	CONSTRAINT pk_plugins PRIMARY KEY (kind, name)
);
CREATE TABLE studies (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason_code VARCHAR(64), 
	reason_message TEXT, 
	reason_at TEXT, 
	definition JSON NOT NULL, 
	definition_version INTEGER NOT NULL, 
	definition_sha256 VARCHAR(64) NOT NULL, 
	problem_sha256 VARCHAR(64) NOT NULL, 
	workload VARCHAR(64) NOT NULL, 
	description TEXT, 
	labels JSON NOT NULL, 
	warnings JSON NOT NULL, 
	trial_budget INTEGER NOT NULL, 
	prepared BOOLEAN NOT NULL, 
	cohort_size INTEGER, 
	engine VARCHAR(64), 
	engine_why TEXT, 
	threads INTEGER, 
	preparations INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, losses INTEGER DEFAULT 0 NOT NULL, cohort_losses INTEGER DEFAULT 0 NOT NULL, cohort_successes INTEGER DEFAULT 0 NOT NULL, prepared_cohort_size INTEGER, priority INTEGER DEFAULT 0 NOT NULL, turn_began_at DATETIME, turn_ended_at DATETIME, workload_version VARCHAR(64), 
	CONSTRAINT ck_studies_state CHECK (state IN ('QUEUED', 'RUNNING', 'PAUSED', 'STOPPING', 'COMPLETE', 'STOPPED', 'CANCELLED', 'FAILED')), 
	CONSTRAINT uq_studies_name UNIQUE (name)
);
INSERT INTO "studies" VALUES(1,'queued','QUEUED',NULL,NULL,NULL,'{"workload": {"name": "ads", "options": {}}, "weights": {}, "tasks": [{"name": "t0", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}, {"name": "t1", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}], "penalties": [], "objective": {"metrics": [{"metric": "t0.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}, {"metric": "t1.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}], "aggregate": "mean", "config": {}, "epoch": "last"}, "search": {"sampler": {"name": "tpe", "config": {}}, "stop": null, "seed": 0, "seeds": 1, "space": "box", "pruner": null, "normalize": null, "references": null, "baselines": [], "confirmation": null, "cohort_size": null, "max_attempts": 3, "max_losses": 10}, "training": {"epochs": 10, "batch_size": 32, "optimizer": {"name": "adam", "config": {}}, "report_every": 1, "initial_weights": "fresh"}}',1,'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp','ads',NULL,'{"from": "0009"}','[]',6,0,NULL,NULL,NULL,NULL,0,0,'2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',NULL,NULL,0,0,0,NULL,0,NULL,NULL,NULL);
INSERT INTO "studies" VALUES(2,'going','RUNNING',NULL,NULL,NULL,'{"workload": {"name": "ads", "options": {}}, "weights": {}, "tasks": [{"name": "t0", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}, {"name": "t1", "output": null, "column": null, "target": null, "from_logits": false, "missing": "refuse", "class_weight": null, "losses": [{"name": "error", "loss": "mean_squared_error", "config": {}, "target": null, "weight": {"low": 0.01, "high": 100.0, "scale": "log", "points": null, "current": null, "schedule": null}}], "metrics": [{"name": "mse", "metric": "mse", "config": {}, "direction": "minimize"}]}], "penalties": [], "objective": {"metrics": [{"metric": "t0.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}, {"metric": "t1.mse", "direction": "minimize", "utility": 1.0, "strategy": "optimize", "at_least": null, "at_most": null}], "aggregate": "mean", "config": {}, "epoch": "last"}, "search": {"sampler": {"name": "tpe", "config": {}}, "stop": null, "seed": 0, "seeds": 1, "space": "box", "pruner": null, "normalize": null, "references": null, "baselines": [], "confirmation": null, "cohort_size": null, "max_attempts": 3, "max_losses": 10}, "training": {"epochs": 10, "batch_size": 32, "optimizer": {"name": "adam", "config": {}}, "report_every": 1, "initial_weights": "fresh"}}',1,'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp','ads',NULL,'{"from": "0009"}','[]',6,1,3,'stacked',NULL,1,0,2,'2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',NULL,0,0,0,3,0,'2026-03-01 12:00:00.123456',NULL,NULL);
CREATE TABLE terms (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	path VARCHAR(160) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	direction VARCHAR(16) NOT NULL, 
	task VARCHAR(64), 
	CONSTRAINT pk_terms PRIMARY KEY (id), 
	CONSTRAINT ck_terms_direction CHECK (direction IN ('minimize', 'maximize')), 
	CONSTRAINT ck_terms_kind CHECK (kind IN ('loss', 'penalty', 'metric')), 
	CONSTRAINT fk_terms_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT uq_terms_study_id_path UNIQUE (study_id, path)
);
INSERT INTO "terms" VALUES(1,1,0,'t0.mse','metric','minimize','t0');
INSERT INTO "terms" VALUES(2,1,1,'t1.mse','metric','minimize','t1');
INSERT INTO "terms" VALUES(3,1,2,'t0.error','loss','minimize','t0');
INSERT INTO "terms" VALUES(4,1,3,'t1.error','loss','minimize','t1');
INSERT INTO "terms" VALUES(5,2,0,'t0.mse','metric','minimize','t0');
INSERT INTO "terms" VALUES(6,2,1,'t1.mse','metric','minimize','t1');
INSERT INTO "terms" VALUES(7,2,2,'t0.error','loss','minimize','t0');
INSERT INTO "terms" VALUES(8,2,3,'t1.error','loss','minimize','t1');
CREATE TABLE trial_objective_values (
	trial_id INTEGER NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	position SMALLINT NOT NULL, 
	path VARCHAR(160) NOT NULL, 
	value DOUBLE, 
	not_finite VARCHAR(9), 
	CONSTRAINT pk_trial_objective_values PRIMARY KEY (trial_id, kind, position), 
	CONSTRAINT ck_trial_objective_values_kind CHECK (kind IN ('value', 'violation')), 
	CONSTRAINT ck_trial_objective_values_not_finite CHECK (not_finite IN ('nan', 'inf', '-inf', 'undefined')), 
	CONSTRAINT ck_trial_objective_values_either CHECK ((value IS NULL) <> (not_finite IS NULL)), 
	CONSTRAINT fk_trial_objective_values_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "trial_objective_values" VALUES(1,'value',0,'t0.mse',0.25,NULL);
INSERT INTO "trial_objective_values" VALUES(1,'value',1,'t1.mse',0.25,NULL);
INSERT INTO "trial_objective_values" VALUES(2,'value',0,'t0.mse',NULL,'nan');
INSERT INTO "trial_objective_values" VALUES(2,'value',1,'t1.mse',NULL,'inf');
CREATE TABLE trial_parameters (
	trial_id INTEGER NOT NULL, 
	position SMALLINT NOT NULL, 
	path VARCHAR(160) NOT NULL, 
	value DOUBLE NOT NULL, 
	CONSTRAINT pk_trial_parameters PRIMARY KEY (trial_id, position), 
	CONSTRAINT fk_trial_parameters_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "trial_parameters" VALUES(1,0,'t0.error',0.5);
INSERT INTO "trial_parameters" VALUES(1,1,'t1.error',2.0);
INSERT INTO "trial_parameters" VALUES(2,0,'t0.error',1.5);
INSERT INTO "trial_parameters" VALUES(2,1,'t1.error',2.0);
INSERT INTO "trial_parameters" VALUES(3,0,'t0.error',2.5);
INSERT INTO "trial_parameters" VALUES(3,1,'t1.error',2.0);
INSERT INTO "trial_parameters" VALUES(4,0,'t0.error',3.5);
INSERT INTO "trial_parameters" VALUES(4,1,'t1.error',2.0);
CREATE TABLE trial_seeds (
	trial_id INTEGER NOT NULL, 
	position SMALLINT NOT NULL, 
	seed INTEGER NOT NULL, 
	value DOUBLE, 
	not_finite VARCHAR(9), 
	measured TEXT, 
	CONSTRAINT pk_trial_seeds PRIMARY KEY (trial_id, position), 
	CONSTRAINT ck_trial_seeds_not_finite CHECK (not_finite IN ('nan', 'inf', '-inf', 'undefined')), 
	CONSTRAINT fk_trial_seeds_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE trial_values (
	trial_id INTEGER NOT NULL, 
	moment VARCHAR(8) NOT NULL, 
	split VARCHAR(10) NOT NULL, 
	term_id INTEGER NOT NULL, 
	value DOUBLE, 
	not_finite VARCHAR(9), 
	CONSTRAINT pk_trial_values PRIMARY KEY (trial_id, moment, split, term_id), 
	CONSTRAINT ck_trial_values_moment CHECK (moment IN ('initial', 'last', 'best')), 
	CONSTRAINT ck_trial_values_not_finite CHECK (not_finite IN ('nan', 'inf', '-inf', 'undefined')), 
	CONSTRAINT ck_trial_values_split CHECK (split IN ('train', 'validation', 'test')), 
	CONSTRAINT ck_trial_values_either CHECK ((value IS NULL) <> (not_finite IS NULL)), 
	CONSTRAINT fk_trial_values_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "trial_values" VALUES(1,'initial','train',5,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','train',6,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','train',7,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','train',8,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','validation',5,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','validation',6,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','validation',7,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'initial','validation',8,1.0,NULL);
INSERT INTO "trial_values" VALUES(1,'last','train',5,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','train',6,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','train',7,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','train',8,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','validation',5,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','validation',6,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','validation',7,0.25,NULL);
INSERT INTO "trial_values" VALUES(1,'last','validation',8,0.25,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','train',5,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','train',6,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','train',7,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','train',8,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','validation',5,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','validation',6,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','validation',7,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'initial','validation',8,1.0,NULL);
INSERT INTO "trial_values" VALUES(2,'last','train',5,NULL,'nan');
INSERT INTO "trial_values" VALUES(2,'last','train',6,NULL,'inf');
INSERT INTO "trial_values" VALUES(2,'last','train',7,NULL,'nan');
INSERT INTO "trial_values" VALUES(2,'last','train',8,NULL,'inf');
INSERT INTO "trial_values" VALUES(2,'last','validation',5,NULL,'nan');
INSERT INTO "trial_values" VALUES(2,'last','validation',6,NULL,'inf');
INSERT INTO "trial_values" VALUES(2,'last','validation',7,NULL,'nan');
INSERT INTO "trial_values" VALUES(2,'last','validation',8,NULL,'inf');
CREATE TABLE trial_weights (
	trial_id INTEGER NOT NULL, 
	term_id INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	CONSTRAINT pk_trial_weights PRIMARY KEY (trial_id, term_id), 
	CONSTRAINT fk_trial_weights_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "trial_weights" VALUES(1,7,0.5);
INSERT INTO "trial_weights" VALUES(1,8,2.0);
INSERT INTO "trial_weights" VALUES(2,7,1.5);
INSERT INTO "trial_weights" VALUES(2,8,2.0);
INSERT INTO "trial_weights" VALUES(3,7,2.5);
INSERT INTO "trial_weights" VALUES(3,8,2.0);
INSERT INTO "trial_weights" VALUES(4,7,3.5);
INSERT INTO "trial_weights" VALUES(4,8,2.0);
CREATE TABLE trials (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	rule VARCHAR(64), 
	origin VARCHAR(64) NOT NULL, 
	confirms INTEGER, 
	state VARCHAR(16) NOT NULL, 
	seed INTEGER NOT NULL, 
	sampler_state TEXT NOT NULL, 
	planned_after INTEGER NOT NULL, 
	planned_beside TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	charged INTEGER NOT NULL, 
	cohort_limit INTEGER, 
	epochs INTEGER NOT NULL, 
	seconds DOUBLE NOT NULL, 
	best_epoch INTEGER, 
	value DOUBLE, 
	value_not_finite VARCHAR(9), 
	feasible BOOLEAN, 
	reason_code VARCHAR(64), 
	reason_message TEXT, 
	reason_at TEXT, 
	worker VARCHAR(128), 
	cohort_id INTEGER, 
	engine VARCHAR(64), 
	engine_why TEXT, 
	sequence INTEGER, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, losses INTEGER DEFAULT 0 NOT NULL, workload_version VARCHAR(64), 
	CONSTRAINT pk_trials PRIMARY KEY (id), 
	CONSTRAINT ck_trials_role CHECK (role IN ('reference', 'baseline', 'search', 'confirmation')), 
	CONSTRAINT ck_trials_state CHECK (state IN ('WAITING', 'RUNNING', 'COMPLETE', 'PRUNED', 'FAILED', 'DIVERGED', 'CANCELLED')), 
	CONSTRAINT ck_trials_value_not_finite CHECK (value_not_finite IN ('nan', 'inf', '-inf', 'undefined')), 
	CONSTRAINT ck_trials_value CHECK (value IS NULL OR value_not_finite IS NULL), 
	CONSTRAINT fk_trials_cohort_id FOREIGN KEY(cohort_id) REFERENCES cohorts (id), 
	CONSTRAINT fk_trials_study_id FOREIGN KEY(study_id) REFERENCES studies (id) ON DELETE CASCADE, 
	CONSTRAINT uq_trials_study_id_number UNIQUE (study_id, number), 
	CONSTRAINT uq_trials_study_id_sequence UNIQUE (study_id, sequence)
);
INSERT INTO "trials" VALUES(1,2,0,'search',NULL,'tpe',NULL,'COMPLETE',7,'{"place":0}',0,'[]',1,0,NULL,2,1.0,1,-0.25,NULL,1,NULL,NULL,NULL,'w1',1,'stacked',NULL,1,'2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',0,NULL);
INSERT INTO "trials" VALUES(2,2,1,'search',NULL,'tpe',NULL,'COMPLETE',7,'{"place":1}',0,'[]',1,0,NULL,2,1.0,1,NULL,'nan',1,NULL,NULL,NULL,'w1',1,'stacked',NULL,2,'2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',0,NULL);
INSERT INTO "trials" VALUES(3,2,2,'search',NULL,'tpe',NULL,'RUNNING',7,'{"place":2}',0,'[]',1,0,NULL,0,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'w1',1,'stacked',NULL,NULL,'2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',NULL,0,NULL);
INSERT INTO "trials" VALUES(4,2,3,'search',NULL,'tpe',NULL,'WAITING',7,'{"place":3}',0,'[]',0,0,NULL,0,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-03-01 12:00:00.123456',NULL,NULL,0,NULL);
CREATE TABLE worker_plugins (
	worker_id INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_worker_plugins PRIMARY KEY (worker_id, kind, name), 
	CONSTRAINT fk_worker_plugins_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE worker_workloads (
	worker_id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_worker_workloads PRIMARY KEY (worker_id, name, version), 
	CONSTRAINT fk_worker_workloads_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE workers (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(128) NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	workloads JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	started_at DATETIME NOT NULL, 
	heartbeat_at DATETIME NOT NULL, 
	stopped_at DATETIME, 
	CONSTRAINT ck_workers_state CHECK (state IN ('starting', 'idle', 'busy', 'stopped'))
);
INSERT INTO "workers" VALUES(1,'w1','here',11,'1','["digits"]','starting','2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',NULL);
CREATE TABLE workload_failures (
	name VARCHAR(64) NOT NULL, 
	version VARCHAR(64), 
	message TEXT NOT NULL, 
	at TEXT, 
	published_at DATETIME NOT NULL, 
	CONSTRAINT pk_workload_failures PRIMARY KEY (name)
);
CREATE TABLE workloads (
	name VARCHAR(64) NOT NULL, 
	digest VARCHAR(128) NOT NULL, 
	description JSON NOT NULL, 
	published_at DATETIME NOT NULL, version VARCHAR(64), 
	CONSTRAINT pk_workloads PRIMARY KEY (name)
);
CREATE INDEX ix_studies_state_id ON studies (state, id);
CREATE INDEX ix_workers_heartbeat_at ON workers (heartbeat_at);
CREATE INDEX ix_cohorts_study_id ON cohorts (study_id);
CREATE INDEX ix_events_study_id_id ON events (study_id, id);
CREATE INDEX ix_leases_live ON leases (study_id, purpose) WHERE released_at IS NULL;
CREATE INDEX ix_leases_study_id ON leases (study_id);
CREATE INDEX ix_leases_worker_id ON leases (worker_id);
CREATE INDEX ix_trials_best ON trials (study_id, state, feasible DESC, value DESC, number);
CREATE INDEX ix_trials_cohort_id ON trials (cohort_id);
CREATE INDEX ix_trials_study_id_value ON trials (study_id, value);
CREATE INDEX ix_trial_values_sort ON trial_values (term_id, split, moment, value, trial_id);
CREATE INDEX ix_trials_not_searched ON trials (study_id, role, state) WHERE role <> 'search';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('studies',2);
INSERT INTO "sqlite_sequence" VALUES('events',8);
INSERT INTO "sqlite_sequence" VALUES('workers',1);
INSERT INTO "sqlite_sequence" VALUES('leases',1);
INSERT INTO "sqlite_sequence" VALUES('cohorts',1);
COMMIT;
