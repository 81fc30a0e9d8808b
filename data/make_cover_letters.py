"""Makes data/cover_letters.db: the schema of the cover-letter system, filled with reviews.

Real cover letters are private. The table has their shape (JSON content with Korean keys, a 768-number vector as text,
rows that miss a label or a vector); the texts are rows of data/reviews.csv, the vectors what `mlops embed` gives.

    mlops embed --input data/reviews.csv --text-column text --id-column id --output /tmp/reviews.parquet
    python data/make_cover_letters.py /tmp/reviews.parquet        # needs polars
"""

import json
import sqlite3
import sys
from pathlib import Path

import polars

folder = Path(__file__).parent
reviews = polars.read_csv(folder / "reviews.csv", schema_overrides={"id": polars.String})
vectors = polars.read_parquet(sys.argv[1]).select("id", "embedding")
rows = reviews.filter(polars.col("text").str.len_chars() >= 40).join(vectors, on="id").sort("id").head(260).to_dicts()

target = folder / "cover_letters.db"
target.unlink(missing_ok=True)
connection = sqlite3.connect(target)
connection.execute(
    "CREATE TABLE cover_letter_samples (id INTEGER PRIMARY KEY, content JSON NOT NULL, is_passed BOOLEAN,"
    " embedding_array TEXT, split TEXT NOT NULL)"
)
companies, jobs = ["가온전자", "나래소프트", "다온금융"], ["백엔드 개발", "데이터 분석", "인사"]
for number, row in enumerate(rows):
    content = {"회사명": companies[number % 3], "지원": {"직무": jobs[number % 3]}, "자기소개서": row["text"]}
    vector = ",".join(f"{value:.6g}" for value in row["embedding"])
    label = None if number % 65 == 64 else row["label"]
    split = "test" if number % 5 == 4 else "validation" if number % 5 == 3 else "train"
    connection.execute(
        "INSERT INTO cover_letter_samples VALUES (?, ?, ?, ?, ?)",
        (number + 1, json.dumps(content, ensure_ascii=False), label, None if number % 65 == 32 else vector, split),
    )
connection.commit()
connection.execute("VACUUM")
print(connection.execute("SELECT split, count(*), sum(is_passed) FROM cover_letter_samples GROUP BY split").fetchall())
