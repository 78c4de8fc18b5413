"""Every component of ecg-backbones satisfies the public contract."""

import json
from pathlib import Path

from ecg_core.testing import conformance

EXPECTED = json.loads(Path(__file__).with_name("expected_failures.json").read_text(encoding="utf-8"))

test_conformance = conformance("ecg-backbones", expected_failures=EXPECTED)
