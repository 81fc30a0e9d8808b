"""Drift with Evidently's DataDriftPreset on two CSV files.

    drift_evidently.py REFERENCE CURRENT

Evidently 0.7 needs pandas 2. Prints JSON: how many columns it says have drifted.
"""

import json
import sys

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

reference, current = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
snapshot = Report([DataDriftPreset()]).run(current, reference)
metrics = json.loads(snapshot.json())["metrics"]
print(json.dumps({"drifted": metrics[0]["value"], "metrics": len(metrics)}))
