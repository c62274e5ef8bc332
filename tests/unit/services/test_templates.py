"""Templates: read with every mistake named, kept by account, laid under a job's own values key by key."""

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, NotFound
from fanfold.jobs.templates import applied, is_template_id, read_template
from fanfold.services.templates import TemplateService
from fanfold.stores.sqlite import SqliteDatabase
from fanfold.stores.templates import SqlTemplates
from tests.people import TurnedClock
from tests.values import NOON, after

FULL = {
    "id": "word-count",
    "description": "counts words",
    "app": "word-count@1",
    "partitioner": "split-lines",
    "assembler": "concat",
    "dataSource": {"dataSourceDescriptor": "url", "params": {"url": "http://files.test/a"}},
    "dataDestination": {"dataSourceDescriptor": "bucket", "params": {}},
    "params": {"preset": "p", "partitioner": {"lines": 5}, "app": {"case": "upper", "deep": {"a": 1, "b": 2}}},
    "config": {"maxAttempts": 5},
}


@dataclass
class Kept:
    clock: TurnedClock
    service: TemplateService

    def put(self, account: str, template_id: str, **more: Any) -> None:
        self.service.put(account, read_template({"id": template_id, "app": "a", **more}).template)


@pytest.fixture
def kept() -> Kept:
    clock = TurnedClock()
    return Kept(clock, TemplateService(SqlTemplates(SqliteDatabase(None, Effects())), clock))


def problems(data: object) -> dict[str, str]:
    with pytest.raises(BadInput) as refused:
        read_template(data)
    return {problem.field: problem.reason for problem in refused.value.problems}


def snaked(data: dict[str, Any]) -> dict[str, Any]:
    names = {"dataSource": "data_source", "dataDestination": "data_destination"}
    changed = {names.get(key, key): value for key, value in data.items()}
    source = {"data_source_descriptor": "url", "params": data["dataSource"]["params"]}
    return changed | {"data_source": source}


# ---- reading


def test_everything_but_id_and_app_has_a_default() -> None:
    template = read_template({"id": "a", "app": "b"}).template
    assert (template.partitioner, template.assembler, template.params) == ("passthrough", "passthrough", {})


def test_both_spellings_are_read_alike() -> None:
    assert read_template(FULL) == read_template(snaked(FULL))
    assert read_template(FULL).warnings == ()


def test_every_mistake_is_named_at_once() -> None:
    wrong = {
        "id": "a/b",
        "app": "one two",
        "assembler": 5,
        "description": [],
        "dataSource": 7,
        "params": {"app": 1, "preset": 2},
        "config": [],
    }
    fields = {"id", "app", "assembler", "description", "dataSource", "params.app", "params.preset", "config"}
    assert set(problems(wrong)) == fields
    assert set(problems([])) == {"", "id", "app"}


def test_unknown_keys_are_ignored_with_a_warning() -> None:
    read = read_template({**FULL, "colour": 1, "params": {"chorus": {}}, "dataSource": {"speed": 1, "params": {}}})
    assert set(read.warnings) == {
        f"{key} is not known and was ignored" for key in ("colour", "params.chorus", "dataSource.speed")
    }


@pytest.mark.parametrize("key", ["secretKey", "secret_key", "accessKey", "password"])
def test_credentials_have_no_place_in_a_template(key: str) -> None:
    source = {"dataSourceDescriptor": "aws", "params": {key: "hunter2", "secret_id": "mine"}}
    found = problems({**FULL, "dataSource": source})
    assert set(found) == {f"dataSource.params.{key}"}
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("text", ["a", "A.b_c@1-2", "x" * 128])
def test_these_are_ids(text: str) -> None:
    assert is_template_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "a/b", "ä", "a\n"])
def test_these_are_no_ids(text: str) -> None:
    assert not is_template_id(text)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=9)
)
def test_whatever_is_sent_is_read_or_refused_in_words(value: object) -> None:
    for data in (value, {**FULL, "params": value}, {**FULL, "dataSource": value}, {"id": "a", "app": value}):
        with contextlib.suppress(BadInput):
            assert read_template(data).template.id


# ---- applying


def test_a_jobs_own_values_win_key_by_key() -> None:
    template = read_template(FULL).template
    own = {"name": "mine", "params": {"app": {"deep": {"b": 3}}}, "config": {"canary": 1}}
    whole = applied(template, own)
    assert whole["params"]["app"] == {"case": "upper", "deep": {"a": 1, "b": 3}}
    assert whole["config"] == {"maxAttempts": 5, "canary": 1}
    assert whole["dataSource"] == FULL["dataSource"]
    assert whole["name"] == "mine"


def test_a_source_of_another_kind_replaces_the_templates_whole() -> None:
    template = read_template(FULL).template
    other = {"dataSourceDescriptor": "file", "params": {"name": "x"}}
    assert applied(template, {"dataSource": other})["dataSource"] == other
    same = {"dataSourceDescriptor": "url", "params": {"name": "x"}}
    assert applied(template, {"dataSource": same})["dataSource"]["params"] == {
        "url": "http://files.test/a",
        "name": "x",
    }


def test_empty_texts_that_stand_for_nothing_do_not_win() -> None:
    template = read_template(FULL).template
    own = {"dataSource": {"dataSourceDescriptor": "", "params": {"name": "x"}}, "params": {"preset": "", "app": {}}}
    whole = applied(template, own)
    assert whole["dataSource"]["dataSourceDescriptor"] == "url"
    assert (whole["params"]["preset"], whole["params"]["app"]["case"]) == ("p", "upper")


# ---- keeping


def test_a_template_is_kept_overwritten_listed_and_deleted(kept: Kept) -> None:
    kept.put("ann", "b")
    kept.put("ann", "a")
    kept.clock.turn(5)
    kept.put("ann", "a", description="new")
    record = kept.service.record("ann", "a")
    assert (record.template.description, record.created_at, record.updated_at) == ("new", NOON, after(5))
    found, total = kept.service.listed("ann", 1, 1)
    assert ([one.template.id for one in found], total) == (["b"], 2)
    kept.service.delete("ann", "a")
    with pytest.raises(NotFound):
        kept.service.get("ann", "a")
    with pytest.raises(NotFound):
        kept.service.delete("ann", "a")


def test_a_template_comes_back_as_it_was_read(kept: Kept) -> None:
    template = read_template(FULL).template
    kept.service.put("ann", template)
    assert kept.service.get("ann", "word-count") == template


def test_another_accounts_template_is_not_there(kept: Kept) -> None:
    kept.put("bob", "a")
    for ask in (kept.service.get, kept.service.publish, kept.service.delete, kept.service.import_):
        with pytest.raises(NotFound):
            ask("ann", "a")
    assert kept.service.listed("ann", 10, 0) == ([], 0)


def test_a_public_template_is_copied_and_copied_again(kept: Kept) -> None:
    kept.put("bob", "a", description="one")
    kept.service.publish("bob", "a")
    assert [record.account_id for record in kept.service.public(10, 0)[0]] == ["bob"]
    copy = kept.service.import_("ann", "a")
    assert (copy.account_id, copy.imported_from, copy.is_public) == ("ann", "bob", False)
    kept.put("bob", "a", description="two")
    assert kept.service.get("ann", "a").description == "one"
    assert kept.service.import_("ann", "a").template.description == "two"
    kept.service.unpublish("bob", "a")
    assert kept.service.get("ann", "a").description == "two"


def test_an_import_does_not_overwrite_what_is_there_already(kept: Kept) -> None:
    for account in ("bob", "cat", "ann"):
        kept.put(account, "a")
        kept.service.publish(account, "a")
    with pytest.raises(BadInput, match="bob, cat"):
        kept.service.import_("ann", "a")
    with pytest.raises(Conflict):
        kept.service.import_("ann", "a", "bob")
