"""How `energy-pipeline verify` shows what it found: a table of devices, every difference in one line, what to do.

Next: `verify.py`, which finds it.
"""

from rich.console import Console
from rich.table import Table as RichTable

from energy_pipeline.verify import VerifyReport

SHOWN = 50
ADVICE = (
    "what to do: `touch` the files named above and `energy-pipeline run`, which rebuilds their signals; where months "
    "differ but no reading does, materialise the month again (docs/operation.md); then verify again"
)


def print_verification(console: Console, report: VerifyReport) -> None:
    """Print the devices that were compared, what differs, and whether lake and files agree."""
    table = RichTable("device", "files", "readings compared", "months", "differences", box=None)
    for device in report.devices:
        table.add_row(
            device.device, f"{device.files:,}", f"{device.readings:,}", f"{device.months:,}",
            f"{len(device.differences):,}",
        )
    console.print(table)
    differences = [d for device in report.devices for d in device.differences]
    for difference in differences[:SHOWN]:
        console.print(f"differs: {difference}", highlight=False, markup=False)
    if len(differences) > SHOWN:
        console.print(f"and {len(differences) - SHOWN} differences more; see one device by --device NAME")
    for device in report.devices:
        for note in device.notes:
            console.print(f"note: {device.device}: {note}", highlight=False, markup=False)
    for problem in report.problems:
        console.print(f"problem: {problem}", highlight=False, markup=False)
    if differences:
        console.print(ADVICE, highlight=False, markup=False)
    elif report.ok and report.devices:
        console.print("the lake holds exactly what the files say")
    elif report.ok:
        console.print("there is no device to compare; `energy-pipeline devices` lists what is found")
