"""What must never be stored, nor be a 500: each row is refused with a 4xx problem+json that says what and where."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.app.scenes import Bench, definition, on_sqlite, problem

JSON = {"Content-Type": "application/json"}
SEARCHED = "tasks.1.losses.0.weight"
Change = Callable[[dict[str, Any]], None]


def at(path: str, value: Any) -> Change:
    """Return a change that puts `value` at a place of the definition."""

    def change(document: dict[str, Any]) -> None:
        here: Any = document
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            here = here.setdefault(step, {}) if isinstance(here, dict) else here[step]
        if isinstance(here, list) and last == len(here):
            here.append(value)
        else:
            here[last] = value

    return change


def without(field: str) -> Change:
    return lambda document: document.pop(field)


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


TWICE = {"name": "digit", "losses": [{"name": "c", "loss": "mean_squared_error"}]}

SCHEDULE = "tasks.1.losses.0.weight.schedule"
UPSIDE_DOWN = {"fraction": {"low": 0.5, "high": 0.1}}
METRIC = "digit.sparse_categorical_accuracy"
RELATIVE_TO_NOBODY = {"metric": METRIC, "strategy": "constraint", "at_least": {"of": "best"}}
BOUND_BY_TEXT = {"metric": METRIC, "strategy": "constraint", "at_least": "high"}

REFUSED_DEFINITIONS: list[tuple[str, Change, str]] = [
    ("low above high", at(SEARCHED, {"low": 2, "high": 1}), SEARCHED),
    ("low equal to high", at(SEARCHED, {"low": 1, "high": 1}), SEARCHED),
    ("log scale from zero", at(SEARCHED, {"low": 0, "high": 1, "scale": "log"}), SEARCHED),
    ("a negative low", at(SEARCHED, {"low": -1, "high": 1}), f"{SEARCHED}.low"),
    ("no points", at(SEARCHED, {"low": 0.1, "high": 1, "points": 0}), f"{SEARCHED}.points"),
    ("one point", at(SEARCHED, {"low": 0.1, "high": 1, "points": 1}), f"{SEARCHED}.points"),
    ("a million points", at(SEARCHED, {"low": 0.1, "high": 1, "points": 1_000_000}), f"{SEARCHED}.points"),
    ("an empty choice", at(SEARCHED, {"values": []}), f"{SEARCHED}.values"),
    ("a choice of equals", at(SEARCHED, {"values": [1, 1]}), SEARCHED),
    ("a choice of very many", at(SEARCHED, {"values": list(range(60_000))}), f"{SEARCHED}.values"),
    ("a weight that is a list", at(SEARCHED, [0.1, 1]), SEARCHED),
    ("a weight that is true", at(SEARCHED, True), SEARCHED),
    ("a weight of 1e300", at(SEARCHED, 1e300), SEARCHED),
    ("a number as text", at(SEARCHED, {"low": "0.1", "high": 1}), f"{SEARCHED}.low"),
    ("a misspelt field of a range", at(SEARCHED, {"low": 0.1, "hihg": 1}), f"{SEARCHED}.hihg"),
    ("a shared weight that is not there", at(SEARCHED, "walls"), SEARCHED),
    ("a shared weight that nobody uses", at("weights", {"walls": {"low": 0.1, "high": 1}}), "weights.walls"),
    ("only fixed weights", lambda d: (at(SEARCHED, 1.0)(d), at("penalties.0.weight", 1.0)(d))[0], "tasks"),
    ("two tasks of one name", at("tasks.2", TWICE), "tasks.2.name"),
    ("a penalty with a task's name", at("penalties.0.name", "digit"), "penalties.0.name"),
    ("a loss and a metric of one name", at("tasks.0.losses.0.name", "sparse_categorical_accuracy"), "tasks.0.metrics.0.name"),
    ("a reserved name", at("tasks.0.name", "val_loss"), "tasks.0.name"),
    ("a name with a dot", at("tasks.0.name", "a.b"), "tasks.0.name"),
    ("a name of 65 letters", at("name", "x" * 65), "name"),
    ("an empty name", at("name", ""), "name"),
    ("a name that is a path", at("name", "../etc"), "name"),
    ("an unknown loss", at("tasks.0.losses.0.loss", "crossentropie"), "tasks.0.losses.0.loss"),
    ("an unknown metric", at("tasks.0.metrics.0", "acuracy"), "tasks.0.metrics.0.metric"),
    ("an unknown penalty", at("penalties.0.penalty", "agreement"), "penalties.0.penalty"),
    ("an unknown sampler", at("search.sampler.name", "bayes"), "search.sampler.name"),
    ("an unknown workload", at("workload.name", "digitz"), "workload.name"),
    ("an unknown optimizer", at("training.optimizer.name", "adamm"), "training.optimizer.name"),
    ("an unknown aggregate", at("objective.aggregate", "median"), "objective.aggregate"),
    ("no aggregate over two metrics", at("objective.aggregate", None), "objective.aggregate"),
    ("an unknown task in a penalty", at("penalties.0.between.0.task", "digits"), "penalties.0.between.0.task"),
    (
        "a two-sided penalty over one output",
        at("penalties.0.between", [{"task": "digit"}, {"task": "digit"}]),
        "penalties.0.between",
    ),
    ("a two-sided penalty without sides", at("penalties.0.between", None), "penalties.0.between"),
    ("one side only", at("penalties.0.between", [{"task": "digit"}]), "penalties.0.between"),
    ("an objective that names loss", at("objective.metrics.0.metric", "loss"), "objective.metrics.0.metric"),
    ("an objective that names val_loss", at("objective.metrics.0.metric", "val_loss"), "objective.metrics.0.metric"),
    ("an objective that names Keras's digit_loss", at("objective.metrics.0.metric", "digit_loss"), "objective.metrics.0.metric"),
    ("an objective nobody measures", at("objective.metrics.0.metric", "digit.auc"), "objective.metrics.0.metric"),
    ("no metrics in the objective", at("objective.metrics", []), "objective.metrics"),
    ("no tasks", at("tasks", []), "tasks"),
    ("very many tasks", at("tasks", [{"name": f"t{i}"} for i in range(2000)]), "tasks"),
    ("very many unknown fields", at("tasks.0", {f"f{i}": 1 for i in range(20_000)}), "tasks.0.f0"),
    ("no epochs", at("training.epochs", 0), "training.epochs"),
    ("negative epochs", at("training.epochs", -1), "training.epochs"),
    ("a billion epochs", at("training.epochs", 10**9), "training.epochs"),
    ("half an epoch", at("training.epochs", 0.5), "training.epochs"),
    ("an empty batch", at("training.batch_size", 0), "training.batch_size"),
    ("a huge batch", at("training.batch_size", 2**40), "training.batch_size"),
    ("no trials", at("search.trials", 0), "search.trials"),
    ("a billion trials", at("search.trials", 10**9), "search.trials"),
    ("a negative seed", at("search.seed", -1), "search.seed"),
    ("a seed beyond 2^31", at("search.seed", 2**31), "search.seed"),
    ("an unknown field of a pruner", at("search.pruner", {"name": "median", "patience": 3}), "search.pruner.patience"),
    ("a bound relative to nobody", at("objective.metrics.0", RELATIVE_TO_NOBODY), "objective.metrics.0.at_least.of"),
    ("a bound that is a text", at("objective.metrics.0", BOUND_BY_TEXT), "objective.metrics.0.at_least"),
    ("a schedule that never ends", at("tasks.1.losses.0.weight.schedule", {"fraction": 2}), SCHEDULE + ".fraction"),
    ("a schedule of no shape", at("tasks.1.losses.0.weight.schedule", {"shape": "round"}), SCHEDULE + ".shape"),
    ("a range of fractions upside down", at("tasks.1.losses.0.weight.schedule", UPSIDE_DOWN), SCHEDULE + ".fraction"),
    ("an unknown baseline", at("search.baselines", ["equal", "pcgrad"]), "search.baselines.1"),
    ("no seeds of references", at("search.references", {"seeds": 0}), "search.references.seeds"),
    ("another normalisation", at("search.normalize", "gradient"), "search.normalize"),
    ("a pruner nobody has", at("search.pruner", {"name": "median_pruner"}), "search.pruner.name"),
    ("a pruner by name alone", at("search.pruner", "median"), "search.pruner"),
    ("a simplex of one weight", at("search.space", {"simplex": ["digit.crossentropy"]}), "search.space.simplex"),
    ("a simplex of total 0", at("search.space", {"simplex": ["a", "b"], "total": 0}), "search.space.total"),
    ("a class weight", at("tasks.0.class_weight", {"0": -2}), "tasks.0.class_weight.0"),
    ("an unknown field", at("seed", 3), "seed"),
    ("an unknown argument of a loss", at("tasks.0.losses.0.config", {"smoothing": 1}), "tasks.0.losses.0.config.smoothing"),
    ("a label that is no text", at("labels", {"a": 1}), "labels.a"),
    ("a description of 5000 letters", at("description", "x" * 5000), "description"),
    ("no workload", without("workload"), "workload"),
    ("no objective", without("objective"), "objective"),
]


@on_sqlite
@pytest.mark.parametrize(("change", "path"), [row[1:] for row in REFUSED_DEFINITIONS], ids=[row[0] for row in REFUSED_DEFINITIONS])
def test_a_bad_definition_is_refused_and_says_where(bench: Bench, change: Change, path: str) -> None:
    document = definition()
    change(document)
    body = problem(bench.client.post("/v1/studies", json=document), 422, "definition-refused")
    assert path in [error["path"] for error in body["errors"]]
    assert len(body["errors"]) <= 100
    assert bench.count() == 0


@on_sqlite
@pytest.mark.parametrize("document", ["null", "[]", '"digits"', "3", "true", "{}"])
def test_what_is_no_definition_at_all_is_refused(bench: Bench, document: str) -> None:
    problem(bench.client.post("/v1/studies", content=document, headers=JSON), 422, "definition-refused")
    assert bench.count() == 0


def with_literal(literal: str, path: str = "search.seed") -> bytes:
    """Return the flagship as JSON with `literal`, as it stands, at a place."""
    document = definition()
    at(path, "@")(document)
    return json.dumps(document).replace('"@"', literal).encode()


UNREADABLE: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "line 1 column 1"),
    ("no JSON", b"study", "line 1 column 1"),
    ("half of it", json.dumps(definition()).encode()[:200], "line 1 column "),
    ("something behind it", json.dumps(definition()).encode() + b"}", "line 1 column "),
    ("a byte order mark", b"\xef\xbb\xbf{}", "line 1 column 1"),
    ("no UTF-8", b'{"name": "\xff"}', "byte 10"),
    ("UTF-16", json.dumps(definition()).encode("utf-16"), "byte 0"),
    ("NaN", with_literal("NaN", "tasks.0.losses.0.weight"), "tasks.0.losses.0.weight"),
    ("Infinity", with_literal("Infinity", f"{SEARCHED}.high"), f"{SEARCHED}.high"),
    ("-Infinity", with_literal("-Infinity", f"{SEARCHED}.low"), f"{SEARCHED}.low"),
    ("a number beyond floats", with_literal("1e999", f"{SEARCHED}.high"), f"{SEARCHED}.high"),
    ("NaN in a config", with_literal("NaN", "tasks.0.losses.0.config.x"), "tasks.0.losses.0.config.x"),
    ("an integer beyond 64 bits", with_literal("9" * 30), "search.seed"),
    ("an integer of 5000 digits", with_literal("9" * 5000), ""),
    ("an integer of 900,000 digits", with_literal("9" * 900_000), ""),
    ("NUL in a name", with_literal('"a\\u0000b"', "name"), "name"),
    ("NUL in a label", with_literal('"a\\u0000b"', "labels.k"), "labels.k"),
    ("NUL in a key", with_literal('{"a\\u0000": 1}', "workload.options"), "workload.options"),
    ("a lone surrogate", with_literal('"\\ud800"', "description"), "description"),
    ("a lone surrogate in a key", with_literal('{"\\udfff": "x"}', "labels"), "labels"),
    ("a key twice", with_literal('{"low": 1, "high": 2, "low": 0}', SEARCHED), SEARCHED),
    ("100 levels", json.dumps(definition(labels=deep(100))).encode(), "labels" + ".0" * 31),
    ("100,000 levels", b"[" * 100_000 + b"]" * 100_000, ""),
    ("100,000 open objects", b'{"a":' * 100_000, ""),
    ("400,000 values", b"[" + b"0," * 400_000 + b"0]", ""),
]


@on_sqlite
@pytest.mark.parametrize(("body", "path"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
@pytest.mark.parametrize("call", [("POST", "/v1/studies"), ("PATCH", "/v1/studies/none")], ids=["submit", "patch"])
def test_what_is_not_strict_json_is_refused_and_says_where(bench: Bench, call: tuple[str, str], body: bytes, path: str) -> None:
    found = problem(bench.client.request(*call, content=body, headers=JSON), 400, "unreadable-body")
    assert found["errors"][0]["path"].startswith(path)
    assert bench.count() == 0


ONE_MIB = 1_048_576

REFUSED_REQUESTS: list[tuple[str, dict[str, str], bytes, int, str]] = [
    (
        "a gzip body",
        {**JSON, "Content-Encoding": "gzip"},
        gzip.compress(json.dumps(definition()).encode()),
        415,
        "unsupported-body",
    ),
    ("a form", {"Content-Type": "application/x-www-form-urlencoded"}, b"name=x", 415, "unsupported-body"),
    ("plain text", {"Content-Type": "text/plain"}, json.dumps(definition()).encode(), 415, "unsupported-body"),
    ("no content type", {}, json.dumps(definition()).encode(), 415, "unsupported-body"),
    ("latin-1", {"Content-Type": "application/json; charset=latin-1"}, b"{}", 415, "unsupported-body"),
    ("a body over the limit", JSON, b" " * (ONE_MIB + 1), 413, "body-too-large"),
    ("a million weights", JSON, json.dumps(definition(labels=[0.25] * 1_000_000)).encode(), 413, "body-too-large"),
    ("a length that is too small", {**JSON, "Content-Length": "5"}, b'{"a": 1}', 400, "unreadable-body"),
    ("a length that is too large", {**JSON, "Content-Length": "500"}, b'{"a": 1}', 400, "unreadable-body"),
    ("a length that is huge", {**JSON, "Content-Length": "9" * 17}, b"{}", 413, "body-too-large"),
    ("a length that is no number", {**JSON, "Content-Length": "1e3"}, b"{}", 400, "unreadable-body"),
    ("a negative length", {**JSON, "Content-Length": "-1"}, b"{}", 400, "unreadable-body"),
    ("another host", {**JSON, "Host": "evil.example"}, b"{}", 400, "foreign-host"),
    ("another host that looks like ours", {**JSON, "Host": "localhost.evil.example"}, b"{}", 400, "foreign-host"),
    ("an empty host", {**JSON, "Host": ""}, b"{}", 400, "foreign-host"),
    ("a host that is none", {**JSON, "Host": "[::1"}, b"{}", 400, "foreign-host"),
    ("a page of another site", {**JSON, "Origin": "https://evil.example"}, b"{}", 403, "foreign-origin"),
    ("a page from nowhere", {**JSON, "Origin": "null"}, b"{}", 403, "foreign-origin"),
    ("an origin that is none", {**JSON, "Origin": "http://["}, b"{}", 403, "foreign-origin"),
]


@on_sqlite
@pytest.mark.parametrize(
    ("headers", "body", "status", "slug"), [row[1:] for row in REFUSED_REQUESTS], ids=[row[0] for row in REFUSED_REQUESTS]
)
def test_a_bad_request_is_refused(bench: Bench, headers: dict[str, str], body: bytes, status: int, slug: str) -> None:
    found = problem(bench.client.post("/v1/studies", content=body, headers=headers), status, slug)
    assert found["errors"] or status == 413
    assert bench.count() == 0


@on_sqlite
def test_a_body_that_grows_over_the_limit_without_a_length_is_refused(bench: Bench) -> None:
    chunks = (b" " * 65_536 for _ in range(17))
    problem(bench.client.post("/v1/studies", content=chunks, headers=JSON), 413, "body-too-large")


@on_sqlite
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "testserver"])
def test_a_loopback_host_is_ours(bench: Bench, host: str) -> None:
    assert bench.client.get("/livez", headers={"Host": host}).status_code == 200


@on_sqlite
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_json_in_utf_8_is_read(bench: Bench, kind: str) -> None:
    body = json.dumps(definition(description="für zwei Aufgaben"), ensure_ascii=False).encode()
    assert bench.client.post("/v1/studies", content=body, headers={"Content-Type": kind}).status_code == 201


@on_sqlite
def test_a_page_of_this_service_may_change_things(bench: Bench) -> None:
    headers = {"Origin": "http://testserver"}
    assert bench.client.post("/v1/studies", json=definition(), headers=headers).status_code == 201


def test_text_that_is_odd_but_allowed_comes_back_as_it_was(bench: Bench) -> None:
    text = "\u202eabc\u0007 \U0001f9ea ü <script> ' \" \\ %s {0}"
    bench.submit(description=text, labels={text: text})
    shown = bench.get("/v1/studies/digit-and-parity")["definition"]
    assert (shown["description"], shown["labels"]) == (text, {text: text})


def test_a_text_that_no_study_can_have_is_refused_by_the_search(bench: Bench) -> None:
    problem(bench.client.get("/v1/studies", params={"search": "a\x00b"}), 422, "bad-parameter")
