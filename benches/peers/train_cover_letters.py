"""Peer of `mlops train experiments/cover_letters_lr/config.yaml`: the same rows, model, metrics and files.

    python train_cover_letters.py data/cover_letters.db OUT_FOLDER
"""

import json
import sqlite3
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score

query = (
    "SELECT id, is_passed, embedding_array, split FROM cover_letter_samples"
    " WHERE is_passed IS NOT NULL AND embedding_array IS NOT NULL"
)
rows = sqlite3.connect(sys.argv[1]).execute(query).fetchall()
x = np.array([np.array(row[2].split(","), dtype=np.float32) for row in rows])
y = np.array([row[1] for row in rows])
split = np.array([row[3] for row in rows])
model = LogisticRegression(C=1.0, max_iter=1000, class_weight="balanced").fit(x[split == "train"], y[split == "train"])
metrics = {}
for part in ["train", "validation", "test"]:
    truth, p = y[split == part], model.predict_proba(x[split == part])[:, 1]
    said = (p >= 0.5).astype(int)
    metrics[part] = {
        "f1": f1_score(truth, said), "accuracy": accuracy_score(truth, said), "precision": precision_score(truth, said),
        "recall": recall_score(truth, said), "roc_auc": roc_auc_score(truth, p), "log_loss": log_loss(truth, p),
    }
out = Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
joblib.dump(model, out / "model.joblib")
(out / "metrics.json").write_text(json.dumps(metrics, indent=2))
print(json.dumps(metrics["test"]))
