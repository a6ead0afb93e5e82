"""Which files belong to which device: what cannot be told is named, and hides nobody else."""

from energy_pipeline.resources.raw_files import discover

GOOD = "ts,com_ap\n2024-05-01 12:00:00,1\n"


def test_a_missing_root_and_two_devices_of_one_name_are_named_and_hide_nobody(site):
    plant = site({"a/m1/x.csv": GOOD, "b/m1/x.csv": GOOD, "b/m2/x.csv": GOOD, "b/bad name/x.csv": GOOD})
    settings_ = plant.settings.model_copy(update={"roots": (str(plant.root), str(plant.folder / "nowhere"))})
    found = discover(settings_)
    assert list(found.devices) == ["m2"]
    messages = " | ".join(p.message for p in found.problems)
    assert "nowhere does not exist" in messages
    assert "two folders are called 'm1'" in messages
    assert "'bad name' cannot be a device name" in messages
