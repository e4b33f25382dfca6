from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from whiteline.absorber import Absorber
from whiteline.database import open_store
from whiteline.database.queue import CampaignQueue, CampaignState, Task, TaskKind, TaskState, open_queue
from whiteline.edges import Edge
from whiteline.errors import InputError, ParameterError, StructureError
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.campaign import sorting
from whiteline.workflows.campaign.contents import unpack_structure
from whiteline.workflows.campaign.definition import parse_definition
from whiteline.workflows.campaign.planning import CreatedCampaign, create_campaign, plan_campaign
from whiteline.workflows.engines import restore_calculator
from whiteline.workflows.jobs import material_id, site_calculation_id

from .stored import copper_sites, crystals, feff, put_site, write_crystals

COPPER = """\
name = "copper"

[structures]
paths = ["crystals"]

[[spectra]]
absorbers = ["Cu"]
preset = "fast"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_crystals(tmp_path / "crystals")
    return tmp_path


@pytest.fixture
def queue(settings: Settings) -> Iterator[CampaignQueue]:
    with open_queue(settings.database) as queue:
        yield queue


def create(folder: Path, settings: Settings, text: str = COPPER, **given: object) -> CreatedCampaign:
    file = folder / "campaign.toml"
    file.write_text(text, encoding="utf-8")
    return create_campaign(file, settings=settings, **given)  # type: ignore[arg-type]


def tasks_of(queue: CampaignQueue, name: str = "copper") -> list[Task]:
    return list(queue.tasks(name))


def by_kind(tasks: list[Task], kind: TaskKind) -> list[Task]:
    return [task for task in tasks if task.kind is kind]


def test_a_campaign_has_one_task_a_site_and_one_a_material(
    folder: Path, settings: Settings, queue: CampaignQueue
) -> None:
    made = create(folder, settings)
    tasks = tasks_of(queue)
    assert {task.label for task in by_kind(tasks, TaskKind.SITE)} == {"CuO Cu0 K", "Cu4N Cu0 K", "Cu4N Cu1 K"}
    assert {task.label for task in by_kind(tasks, TaskKind.AVERAGE)} == {"CuO Cu K average", "Cu4N Cu K average"}
    assert (made.n_tasks, made.n_added, made.is_new) == (5, 5, True)
    assert (made.price.n_structures, made.price.total("n_sites"), made.price.n_problems) == (3, 3, 0)


def test_the_id_of_a_task_follows_from_its_payload(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    create(folder, settings)
    for task in by_kind(tasks_of(queue), TaskKind.SITE):
        payload = task.payload
        structure = unpack_structure(queue.content(payload["structure"]))
        absorber = Absorber(
            structure, payload["site_index"], Edge(payload["edge"]), multiplicity=payload["multiplicity"]
        )
        calculator = restore_calculator(task.code, payload["values"], settings)
        assert site_calculation_id(absorber, calculator) == task.id
        assert task.estimate == pytest.approx(calculator.estimate(absorber).cpu_time)


def test_an_average_waits_for_its_sites(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    create(folder, settings)
    tasks = tasks_of(queue)
    for average in by_kind(tasks, TaskKind.AVERAGE):
        assert average.state is TaskState.WAITING
        assert average.id == material_id(average.payload["sites"])
        assert set(average.needs) == {site["id"] for site in average.payload["sites"]}


def test_what_the_store_has_is_done_and_not_priced(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    first, *others = copper_sites()
    with open_store(settings.database) as store:
        stored = put_site(store, first, feff(), status=Status.UNCONVERGED)
        put_site(store, others[0], feff(), status=Status.FAILED)
    made = create(folder, settings)
    done = [task for task in tasks_of(queue) if task.state is TaskState.DONE]
    assert [(task.id, task.status, task.is_from_store) for task in done] == [(stored, "unconverged", True)]
    assert (made.price.total("n_stored"), made.price.total("n_new")) == (1, 2)
    average = next(t for t in by_kind(tasks_of(queue), TaskKind.AVERAGE) if t.needs == (stored,))
    assert average.state is TaskState.READY


def test_the_same_crystal_in_another_cell_is_the_same_task(
    folder: Path, settings: Settings, queue: CampaignQueue
) -> None:
    double = crystals()["CuO"].copy()
    double.make_supercell((2, 1, 1))
    double.to(str(folder / "crystals" / "double.cif"), fmt="cif")
    made = create(folder, settings)
    assert (made.n_tasks, made.price.n_structures, made.price.total("n_sites")) == (5, 4, 3)


def test_creating_again_adds_only_what_is_new(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    shutil.move(folder / "crystals" / "Cu4N.cif", folder)
    assert create(folder, settings).n_added == 2
    assert create(folder, settings).n_added == 0
    shutil.move(folder / "Cu4N.cif", folder / "crystals")
    again = create(folder, settings, f"# with another file\n{COPPER}[workers]\ncores = 4\n")
    assert (again.n_added, again.n_tasks, again.is_new) == (3, 5, False)
    assert (again.price.total("n_queued"), again.price.total("n_new")) == (1, 2)


def test_the_same_name_with_another_content_is_refused(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    create(folder, settings)
    with pytest.raises(InputError, match=r"campaign.toml: there is a campaign 'copper' .* differs in spectra.1.preset"):
        create(folder, settings, COPPER.replace("fast", "standard"))
    assert len(tasks_of(queue)) == 5


def test_a_dry_run_queues_nothing(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    made = create(folder, settings, is_dry=True)
    assert (made.is_dry, made.n_tasks, made.price.total("n_new")) == (True, 5, 3)
    assert queue.campaigns() == []


def test_a_cancelled_campaign_is_taken_up_again(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    create(folder, settings)
    queue.cancel("copper")
    create(folder, settings)
    assert queue.campaign("copper").state is CampaignState.ACTIVE
    assert queue.counts("copper")[TaskState.CANCELLED] == 0


def test_a_campaign_whose_making_was_killed_is_completed(
    folder: Path, settings: Settings, queue: CampaignQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_GROUP", 1)
    add, n_calls = type(queue).add_tasks, 0

    def die(*args: object) -> int:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 2:
            raise KeyboardInterrupt
        return add(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(queue), "add_tasks", die)
        create(folder, settings)
    assert 0 < len(tasks_of(queue)) < 5
    assert create(folder, settings).n_tasks == 5


def test_two_campaigns_share_what_both_want(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    create(folder, settings)
    other = COPPER.replace('"copper"', '"all"', 1).replace('["Cu"]', '["Cu", "Ni"]')
    made = create(folder, settings, other)
    assert (made.price.total("n_queued"), made.price.total("n_new"), made.n_tasks) == (3, 1, 7)
    assert made.price.core_time.expected > made.price.queued_core_time.expected > 0


def test_a_bad_structure_is_listed_and_the_others_go_on(folder: Path, settings: Settings) -> None:
    (folder / "crystals" / "broken.cif").write_text("data_x\n_cell_length_a 1\n", encoding="utf-8")
    made = create(folder, settings)
    assert made.n_tasks == 5
    assert [Path(problem.subject).name for problem in made.price.problems] == ["broken.cif"]
    with pytest.raises(StructureError, match=r"campaign.toml: .*broken.cif"):
        create(folder, settings, COPPER.replace('"copper"', '"strict"').replace("[[", "skip_bad = false\n[["))


def test_nothing_to_compute_is_refused_with_the_reason(folder: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match="nothing to compute: 3 structures were read, and none holds Ti"):
        create(folder, settings, COPPER.replace('"Cu"', '"Ti"'))
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"nothing to compute: 0 structures .* no structure files in"):
        create(folder, settings, COPPER.replace('"crystals"', '"empty"'))


def test_every_element_is_asked_of_a_structure_that_has_it(
    folder: Path, settings: Settings, queue: CampaignQueue
) -> None:
    create(folder, settings, COPPER.replace('["Cu"]', '["*"]'))
    found = {(task.material, task.absorber) for task in tasks_of(queue)}
    assert found == {("CuO", "Cu"), ("CuO", "O"), ("Cu4N", "Cu"), ("Cu4N", "N"), ("NiO", "Ni"), ("NiO", "O")}


def test_several_processes_find_the_same_tasks_in_the_same_order(
    folder: Path, settings: Settings, queue: CampaignQueue
) -> None:
    definition = parse_definition(COPPER.replace('["Cu"]', '["*"]'), base=folder, source="copper.toml")
    found = []
    for n_processes in (1, 2):
        with (
            open_store(settings.database) as store,
            plan_campaign(definition, store, queue, settings=settings, n_processes=n_processes) as plan,
        ):
            found.append((list(plan.groups()), plan.price))
    assert found[0] == found[1]
    assert len(found[0][0][0][1]) == found[0][1].total("n_sites") + found[0][1].total("n_materials")


def test_no_processes_are_refused(folder: Path, settings: Settings) -> None:
    with pytest.raises(ParameterError, match="number of processes must be at least 1, got 0"):
        create(folder, settings, n_processes=0)


def test_structures_come_from_stored_spectra_too(folder: Path, settings: Settings, queue: CampaignQueue) -> None:
    sites = copper_sites()
    with open_store(settings.database) as store:
        ids = [put_site(store, site, feff(fms_radius=4.0), fidelity="feff:other") for site in sites]
    sources = f'ids = ["{ids[0][:12]}", "123456"]\nquery = {{ fidelity = "feff:other", formula = "Cu4N" }}'
    made = create(folder, settings, COPPER.replace('paths = ["crystals"]', sources))
    assert (made.price.n_structures, made.price.total("n_sites")) == (2, 3)
    assert [problem.subject for problem in made.price.problems] == ["123456"]
    assert {task.payload["source"] for task in tasks_of(queue)} == {"made up"}


def test_a_convergence_is_one_task_a_site_within_its_budget(
    folder: Path, settings: Settings, queue: CampaignQueue
) -> None:
    text = f'{COPPER}converge = {{ knobs = ["fms_radius"], spearman = 0.01, budget = "2 min" }}\n'
    create(folder, settings, text)
    tasks = tasks_of(queue)
    series = by_kind(tasks, TaskKind.SERIES)
    assert {task.estimate for task in series} == {120.0}
    assert {task.fidelity for task in tasks} == {"feff:converged"}
    assert series[0].payload["series"] == {
        "knobs": ["fms_radius"],
        "tolerance": {"spearman": 0.01, "area": 0.02, "shift": 0.5, "window": 35.0},
        "budget": 120.0,
    }
    assert series[0].payload["fidelity"] == "feff:fast"


def test_requests_add_their_priority_to_that_of_the_campaign(
    folder: Path, settings: Settings, queue: CampaignQueue
) -> None:
    more = '[[spectra]]\nabsorbers = ["Ni"]\npreset = "fast"\npriority = 2\n'
    create(folder, settings, f"priority = 10\n{COPPER}{more}")
    assert {(task.absorber, task.priority) for task in tasks_of(queue)} == {("Cu", 10), ("Ni", 12)}
