"""data/months/*.csv: the 5,000 reviews of data/reviews.csv as three months in which the third is another mix.

July and August are drawn evenly. September's rows are drawn with three times the weight for negative reviews and four
times for long ones (40 characters and more): another mix of the same real texts, as when a film is panned at length.
Times are made. Python 3.11, standard library: python3 data/make_months.py
"""
import csv
import datetime
import random

rows = list(csv.DictReader(open("data/reviews.csv", encoding="utf-8")))
chance = random.Random(42)
weight = lambda row: (3 if row["label"] == "0" else 1) * (4 if len(row["text"]) >= 40 else 1)
# Weighted sampling without replacement: the largest u^(1/w) (Efraimidis & Spirakis 2006).
keyed = sorted(rows, key=lambda row: chance.random() ** (1 / weight(row)), reverse=True)
september, rest = keyed[:1500], keyed[1500:]
chance.shuffle(september)
chance.shuffle(rest)
months = {(2026, 7): rest[:1500], (2026, 8): rest[1500:3000], (2026, 9): september}
for (year, month), picked in months.items():
    first = datetime.datetime(year, month, 1, tzinfo=datetime.timezone.utc)
    days = ((first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1) - first).days
    with open(f"data/months/{year}-{month:02}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "text", "label", "created_at"])
        for number, row in enumerate(picked):
            at = first + datetime.timedelta(seconds=days * 86400 * number // len(picked))
            writer.writerow([row["id"], row["text"], row["label"], at.strftime("%Y-%m-%dT%H:%M:%SZ")])
