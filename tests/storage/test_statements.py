"""The generated statements are those of the builder, and they are enough for every day."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kmsd.storage.generate import TARGET, text


def test_the_file_is_up_to_date() -> None:
    assert TARGET.read_text() == text(), "run python -m kmsd.storage.generate"


def test_everyday_work_does_without_sqlalchemy(tmp_path: Path) -> None:
    """A quarter of the start and of the memory; checked in a process of its own."""
    code = (
        "import sys\n"
        "from kmsd.domain.locate import LocateQuery\n"
        "from kmsd.storage.store import Store\n"
        "from protocol.attributes import Attribute\n"
        "from protocol.enums import NameType, ObjectType, StorageStatusMask\n"
        "from protocol.structures import Name\n"
        "name = Attribute('Name', Name(name_value='x', name_type=NameType.UNINTERPRETED_TEXT_STRING))\n"
        "kind = Attribute('Object Type', ObjectType.SYMMETRIC_KEY)\n"
        f"with Store.open({str(tmp_path / 'kmsd.db')!r}) as store:\n"
        "    for conditions in ((), (name,), (kind,), (name, kind)):\n"
        "        assert store.locate(LocateQuery('acme', conditions)) == []\n"
        "        assert store.count(LocateQuery('acme', conditions)) == 0\n"
        "    both = StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE\n"
        "    assert store.locate(LocateQuery('acme', (name,), storage_status_mask=both)) == []\n"
        "    assert store.overdue('acme', 1) == []\n"
        "sys.exit(sum(module.startswith('sqlalchemy') for module in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
