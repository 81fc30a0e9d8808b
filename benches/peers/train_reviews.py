"""Peer of `mlops train` with tf-idf (char_wb 2-4) and balanced logistic regression on reviews.

    python train_reviews.py reviews.csv OUT_FOLDER
"""

import json
import sys
from pathlib import Path

import joblib
import pandas
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

table = pandas.read_csv(sys.argv[1])
part = {name: table[table.split == name] for name in ["train", "validation", "test"]}
tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
train = tfidf.fit_transform(part["train"].text)
model = LogisticRegression(C=1.0, max_iter=1000, class_weight="balanced").fit(train, part["train"].label)
metrics = {}
for name, rows in part.items():
    p = model.predict_proba(tfidf.transform(rows.text))[:, 1]
    said = (p >= 0.5).astype(int)
    metrics[name] = {
        "accuracy": accuracy_score(rows.label, said), "f1": f1_score(rows.label, said), "roc_auc": roc_auc_score(rows.label, p),
    }
out = Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
joblib.dump((tfidf, model), out / "model.joblib")
(out / "metrics.json").write_text(json.dumps(metrics, indent=2))
print(json.dumps(metrics["test"]))
