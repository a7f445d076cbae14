"""The parts of a retraining script that are the same for every study, as templates: `search.export.script` fills and joins them."""

from __future__ import annotations

from string import Template

SPLIT = '''\
def split(name):
    """Return a split's x, y and, where its rows have some, weights; None where there is no such split."""
    return DATA.get(name) if isinstance(DATA, dict) else getattr(DATA, name, None)


def taken(part, rows):
    """Return these rows of an array, or of every array of a dict."""
    if isinstance(part, dict):
        return {name: taken(array, rows) for name, array in part.items()}
    found = np.asarray(part)[rows]
    return keras.ops.convert_to_tensor(found) if found.dtype.kind in "OSU" else found  # text'''

ORDER = ", and the order of rows in every epoch"

FRESH = Template('''\
def train(seed):
    """Return a model trained under a seed: that decides its initial weights$order."""
    keras.utils.set_random_seed(seed)
    model = workload.build_model()''')

FIXED_ORDER = "that decides the order of rows in every epoch. All start from the same weights."
FIXED_ALL = "all start from the same weights and take the rows in the same order."

FIXED = Template('''\
def started(model):
    """Return the model where every training starts: build_model() may return one that has been trained by now."""
    if not model.built:
        model.predict(taken(split("train")[0], slice(0, 1)), verbose=0)  # makes its weights
    if not START:
        START.extend(variable.numpy() for variable in model.variables)
    for variable, value in zip(model.variables, START):
        variable.assign(value)
    return model


def train(seed):
    """Return a model trained under a seed: $decides"""
    keras.utils.set_random_seed(0)
    model = started(workload.build_model())''')

SOURCES_IMPORTS = ["import hashlib", "import importlib.util", "import pathlib"]

WARN_OF_CHANGES = '''\
def warn_of_changes():
    """Say which of the workload's files are not those that the study trained."""
    for name, digest in SOURCES.items():
        try:
            origin = getattr(importlib.util.find_spec(name), "origin", None)
        except ImportError:  # its package is gone
            origin = None
        if origin is None or hashlib.sha256(pathlib.Path(origin).read_bytes()).hexdigest() != digest:
            print(f"warning: the module {name} has changed since the study trained it: the numbers below may differ")'''

PLAIN_TRAIN = Template("""\
$begin
    $compile
    x, y = split("train")[:2]$labels
    for epoch in range($epochs):
        order = $order(len(next(iter(y.values()))))
        model.fit(taken(x, order), taken(y, order), ${weighted}batch_size=BATCH_SIZE, epochs=1, shuffle=False, verbose=0)
    return model""")

PLAIN_MEASURED = Template('''\
def measured(model, name):
    """Return what the study is judged by on a split, unweighted."""
    x, y = split(name)[:2]
    predicted = model.predict(taken(x, slice(None)), batch_size=BATCH_SIZE, verbose=0)
    return $values''')

SCORED = '''\
def scored(metric, target, prediction):
    """Return a metric's value over all rows; a target of as many numbers as the prediction gets its shape."""
    same = np.size(target) == np.size(prediction)
    return float(metric(np.reshape(target, prediction.shape) if same else target, prediction))'''

SCORED_LABELLED = SCORED.replace("prediction):", "prediction, mark=None):").replace(
    "    same =",
    """\
    if mark is not None:
        there = labelled(target, mark)
        target, prediction = np.asarray(target)[there], prediction[there]
    same =""",
)

PROBABILITIES = '''\
def probabilities(logits):
    """Return a sigmoid of logits of width 1, a softmax of wider ones."""
    made = keras.ops.sigmoid(logits) if logits.shape[-1] == 1 else keras.ops.softmax(logits)
    return keras.ops.convert_to_numpy(made)'''

APPLIED_TRAIN = Template("""\
$begin
    tuned = steelyard.apply(model, BEST, workload=workload)  # the same layers, trained by all that was tuned
    x, y = split("train")[:2]
    for epoch in range($epochs):
        order = $order(len(next(iter(y.values())) if isinstance(y, dict) else y))$weigh
        tuned.fit(taken(x, order), taken(y, order), ${weighted}batch_size=BATCH_SIZE, epochs=1, shuffle=False, verbose=0)
    return model""")

WEIGHTS = '''\
def weights(rows):
    """Return the weights of these training rows as Keras takes them: one for every target, 1 where the data has none."""
    _, y, given = (*split("train"), None)[:3]
    if isinstance(given, dict) and isinstance(y, dict):
        assert given.keys() <= y.keys(), f"weights of {sorted(given.keys() - y.keys())}, which are no targets"
        given = {name: given.get(name, np.ones(len(target))) for name, target in y.items()}
    return None if given is None else taken(given, rows)'''

APPLIED_MEASURED = '''\
def measured(model, name):
    """Return what the study is judged by on a split, unweighted."""
    values = steelyard.measure(model, BEST, *split(name), workload=workload)
    return {path: values[path] for path in MEASURED}'''

MAIN = """\
def shown(values):
    return ", ".join(f"{path} {value:.6g}" for path, value in values.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=len(SEEDS), metavar="N", help="train on the first N seeds only")
    parser.add_argument("--save", metavar="FILE", help="write the first seed's model there, such as model.keras")
    asked = parser.parse_args()
    found = {name: [] for name in ("validation", "test") if split(name) is not None}
    for seed in SEEDS[: max(asked.seeds, 1)]:
        model = train(seed)
        if asked.save and seed == SEEDS[0]:
            model.save(asked.save)
        for name, values in found.items():
            values.append(measured(model, name))
            print(f"seed {seed}, {name}: {shown(values[-1])}", flush=True)
    means = {name: {path: float(np.mean([each[path] for each in values])) for path in values[0]} for name, values in found.items()}
    for name, mean in means.items():
        print(f"mean of {len(found[name])}, {name}: {shown(mean)}")
    for path, $unpacked in STATED.items():
        $compared"""

CONFIRMED = Template(MAIN).substitute(
    unpacked="(mean, low, high)",
    compared="""here = means[STATED_SPLIT][path]
        verdict = "within" if low <= here <= high else "OUTSIDE"
        print(f"{STATED_SPLIT} {path}: {here:.6g}, stated {mean:.6g}, interval {low:.6g} to {high:.6g}: {verdict}")""",
)
"""What the file does where the study was confirmed: compare with the interval."""

UNCONFIRMED = Template(MAIN).substitute(
    unpacked="value",
    compared="""print(f"validation {path}: {means['validation'][path]:.6g}, the study measured {value:.6g}")""",
)
"""What it does where there is a single number to compare with."""
