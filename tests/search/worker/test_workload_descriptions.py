"""What is asked of a child about workloads, when it is asked again, and what of it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.training.child.protocol import DescribeWorkloads, UseWorkload, WorkloadsDescribed, encode, read_order
from search.worker.child_session import ChildSession, ChildSilent
from search.worker.progress_deadlines import ProgressDeadlines
from search.worker.registered_workloads import RegisteredWorkloads
from search.worker.workload_descriptions import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PRESSING_SECONDS, Descriptions
from storage import workers, workloads
from storage.database import Database
from tests.storage import scenes

OTHERS = ("digits", "digits-overlay", "digits-mask", "quadratics")


class Pipe:
    """A child that takes orders."""

    threads, pid = 1, 0

    def __init__(self) -> None:
        self.orders: list[Any] = []

    def send(self, order: Any) -> None:
        self.orders.append(read_order(encode(order)))

    def messages(self, seconds: float) -> Iterator[Any]:
        return iter(())

    def end(self) -> None:
        """Nothing runs."""


class Desk:
    """Two workloads by file, `ads` and `shop`, in folders of their own, and a worker's descriptions of them."""

    def __init__(self, folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.database, self.at = folder, database, 0.0
        for name in ("ads", "shop"):
            (folder / name).mkdir()
            self.write(name, "x = 1\n")
        places = ",".join(f"{name}={folder}/{name}/{name}.py" for name in ("ads", "shop"))
        monkeypatch.setenv("STEELYARD_WORKLOADS", places)
        self.registered = RegisteredWorkloads(str(folder / "workloads"), lambda: self.at)
        self.descriptions = Descriptions(database, self.registered, lambda: self.at)
        with database.writing() as session:
            self.worker = scenes.register(session)

    def write(self, name: str, text: str, file: str | None = None) -> None:
        (self.folder / name / f"{file or name}.py").write_text(text)

    def child(self) -> tuple[ChildSession, Pipe]:
        pipe = Pipe()
        return ChildSession(pipe, 60.0, lambda: self.at), pipe

    def asked(self, pipe: Pipe) -> list[list[str]]:
        return [list(order.names or ()) for order in pipe.orders if isinstance(order, DescribeWorkloads)]

    def answer(self, *failing: str) -> None:
        names = self.descriptions._asked
        reason = {"code": "workload_failed", "message": "NameError: x", "at": "ads.py:3"}
        found = [
            {"name": name, "reason": reason} if name in failing else {"name": name, "digest": "d", "description": {"code": {}}}
            for name in names
        ]
        self.descriptions.hear(WorkloadsDescribed(found))
        self.descriptions.publish(self.worker)

    def look(self, seconds: float = 1.0) -> None:
        self.at += seconds
        self.descriptions.changed(self.registered.look())
        self.descriptions.try_again()

    def stored(self, name: str = "ads") -> tuple[str | None, str | None]:
        """Return the published version of a workload, and why it cannot be described."""
        with self.database.reading() as session:
            found, failure = workloads.find_workload(session, name), workloads.failures(session, scenes.NOW).get(name)
        return found.version if found else None, failure.message if failure else None


@pytest.fixture
def desk(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, database, monkeypatch)


def test_all_are_described_by_one_child_which_gets_their_texts_before(desk: Desk) -> None:
    session, pipe = desk.child()
    assert desk.descriptions.ask(session, new=True)
    assert desk.asked(pipe) == [[*OTHERS, "ads", "shop"]]
    assert [(order.name, set(order.modules)) for order in pipe.orders if isinstance(order, UseWorkload)] == [
        ("ads", {"ads"}),
        ("shop", {"shop"}),
    ]
    desk.answer()
    assert desk.descriptions.settled
    assert desk.stored() == (desk.registered.versions["ads"], None)
    with desk.database.reading() as session_:
        found = workloads.find_workload(session_, "ads")
        [worker] = workers.list_workers(session_, scenes.NOW)
    assert found is not None
    assert set(found.description["code"]["sources"]) == {"ads"}
    assert worker.workloads == desk.registered.names


def test_a_changed_file_is_described_anew_by_another_child(desk: Desk) -> None:
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.answer()
    desk.write("ads", "x = 22\n")
    desk.look()
    assert not desk.descriptions.settled
    assert not desk.descriptions.ask(session)  # it has imported the earlier text
    other, pipe = desk.child()
    assert desk.descriptions.ask(other, new=True)
    assert desk.asked(pipe) == [["ads"]]
    desk.answer()
    assert desk.stored() == (desk.registered.versions["ads"], None)


def test_modules_of_one_name_in_two_folders_are_described_by_two_children(desk: Desk) -> None:
    for name in ("ads", "shop"):
        desk.write(name, "import helper\n")
        desk.write(name, f"x = '{name}'\n", "helper")
    desk.look()
    session, pipe = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.answer()
    assert desk.asked(pipe) == [[*OTHERS, "ads"]]
    assert not desk.descriptions.ask(session)
    other, pipe = desk.child()
    desk.descriptions.ask(other, new=True)
    desk.answer()
    assert desk.asked(pipe) == [["shop"]]
    assert desk.descriptions.settled


def test_a_workload_that_cannot_be_described_says_why_and_gets_well_with_its_file(desk: Desk) -> None:
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.answer("ads")
    assert desk.stored() == (None, "NameError: x")
    assert desk.stored("shop") == (desk.registered.versions["shop"], None)
    desk.write("ads", "x = 22\n")
    desk.look()
    other, _ = desk.child()
    desk.descriptions.ask(other, new=True)
    desk.answer()
    assert desk.stored() == (desk.registered.versions["ads"], None)


def test_a_workload_that_lacks_something_else_is_tried_again_after_a_while_and_then_seldom(desk: Desk) -> None:
    session, pipe = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.answer("ads")
    for pause in (FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS):
        desk.look(pause - 1)
        assert desk.descriptions.settled
        desk.look(1)
        assert desk.descriptions.ask(session)
        desk.answer("ads")
    assert desk.asked(pipe)[1:] == [["ads"], ["ads"]]


def test_one_that_ends_the_child_is_found_by_asking_one_by_one(desk: Desk) -> None:
    session, pipe = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.descriptions.lost("killed by SIGKILL")
    while not desk.descriptions.settled:
        session, pipe = desk.child()
        desk.descriptions.ask(session, new=True)
        [asked] = desk.asked(pipe)
        assert len(asked) == 1
        if asked == ["ads"]:
            desk.descriptions.lost("killed by SIGKILL")
        else:
            desk.answer()
    desk.descriptions.publish(desk.worker)
    assert desk.stored() == (None, "describing it ended the training process: killed by SIGKILL")
    assert desk.stored("shop")[0] is not None


def given_up(desk: Desk) -> None:
    """Have `ads` hold a child up, and all others described."""
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.descriptions.lost("said nothing", silent=True)
    while not desk.descriptions.settled:
        session, pipe = desk.child()
        desk.descriptions.ask(session, new=True)
        if desk.asked(pipe) == [["ads"]]:
            desk.descriptions.lost("said nothing", silent=True)  # once is enough
        else:
            desk.answer()


def test_one_that_holds_a_child_up_is_tried_again_late_while_there_is_no_work_and_never_before_work(desk: Desk) -> None:
    given_up(desk)
    desk.look(LONGEST_PAUSE_SECONDS - 1)
    desk.descriptions.try_again(idle=True)
    assert desk.descriptions.settled
    desk.look(1)
    assert desk.descriptions.settled  # there may be work
    desk.descriptions.try_again(idle=True)
    assert not desk.descriptions.settled
    assert not desk.descriptions.pressing
    session, pipe = desk.child()
    desk.descriptions.ask(session)
    assert desk.asked(pipe) == [["ads"]]
    assert desk.descriptions.put_off()  # work came
    assert desk.descriptions.settled
    assert not desk.descriptions.put_off()


def test_one_that_held_a_child_up_is_pressing_again_when_its_file_changes(desk: Desk) -> None:
    given_up(desk)
    desk.write("ads", "x = 22\n")
    desk.look()
    assert desk.descriptions.pressing
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.answer()
    assert desk.stored() == (desk.registered.versions["ads"], None)


def test_an_answer_to_an_earlier_question_leaves_the_later_one_open(desk: Desk) -> None:
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.descriptions.hear(WorkloadsDescribed([{"name": "shop", "digest": "d", "description": {"code": {}}}]))
    assert not desk.descriptions.settled
    desk.answer()
    desk.descriptions.publish(desk.worker)
    assert desk.descriptions.settled
    assert None not in (desk.stored("ads")[0], desk.stored("shop")[0])


def test_an_idle_child_has_its_whole_time_to_describe(desk: Desk) -> None:
    session = ChildSession(Pipe(), ProgressDeadlines(60.0), lambda: desk.at)
    desk.at = 3600.0
    session.describe(["ads"])
    desk.at += 60.0
    session.require_heard()
    desk.at += 1.0
    with pytest.raises(ChildSilent, match="nothing for 60 s"):
        session.require_heard()


def test_a_child_does_not_take_other_files_of_a_workload(desk: Desk) -> None:
    session, _ = desk.child()
    session.use("ads", desk.registered.sources("ads"))
    desk.write("ads", "x = 22\n")
    desk.look()
    with pytest.raises(ValueError, match="other files of the workload 'ads'"):
        session.use("ads", desk.registered.sources("ads"))


def test_a_child_that_never_starts_well_is_not_waited_for_for_ever(desk: Desk) -> None:
    for _ in range(2):
        session, _ = desk.child()
        desk.descriptions.ask(session, new=True)
        desk.descriptions.lost("exit code 1", ready=False)
    assert desk.descriptions.settled


def test_a_registration_that_does_not_count_is_published_until_it_is_gone(desk: Desk) -> None:
    (desk.folder / "workloads").mkdir(mode=0o700)
    file = desk.folder / "workloads" / "odd.json"
    file.write_text("{}")
    desk.look()
    desk.descriptions.publish(desk.worker)
    assert "should hold" in str(desk.stored("odd")[1])
    file.unlink()
    desk.look()
    desk.descriptions.publish(desk.worker)
    assert desk.stored("odd") == (None, None)


def test_work_waits_two_minutes_for_a_child_that_says_nothing_of_a_workload(desk: Desk) -> None:
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    desk.at += PRESSING_SECONDS - 1.0
    assert desk.descriptions.pressing
    desk.at += 1.0
    assert not desk.descriptions.pressing
    assert desk.descriptions.failed.issuperset({"ads", "shop"})  # left to workers that have described them
    assert desk.descriptions.put_off()  # work was found: the child is ended for it
    other, pipe = desk.child()
    assert desk.descriptions.ask(other, new=True)
    assert desk.asked(pipe) == []
    desk.look(LONGEST_PAUSE_SECONDS)
    desk.descriptions.ask(other)
    assert desk.asked(pipe) == [sorted([*OTHERS, "ads", "shop"])]


def test_a_child_that_answers_in_time_is_waited_for(desk: Desk) -> None:
    session, _ = desk.child()
    desk.descriptions.ask(session, new=True)
    for name in OTHERS[:3]:
        desk.at += PRESSING_SECONDS - 1.0
        desk.descriptions.hear(WorkloadsDescribed([{"name": name, "digest": "d", "description": {"code": {}}}]))
        assert desk.descriptions.pressing
