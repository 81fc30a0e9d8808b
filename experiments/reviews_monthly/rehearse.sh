#!/bin/sh
# Three months of cron in less than a minute, on data/months: the first training, two calm months, a third that drifts,
# the automatic retrain and a roll-back. MLOPS_NOW sets the clock of a rehearsal; everything else is as it would be.
set -eu
cd "$(dirname "$0")/../.."
mlops=${MLOPS:-target/release/mlops}
at() { # at MOMENT ARGUMENT...
    MLOPS_NOW=$1; export MLOPS_NOW; shift
    printf '\n[%s] $ mlops %s\n' "$MLOPS_NOW" "$*"
    code=0; "$mlops" "$@" 2>/dev/null || code=$?
    [ "$code" = 0 ] || printf '(exit code %s)\n' "$code"
}
day=$(mktemp); trap 'rm -f "$day"' EXIT

at 2026-08-01T03:00:00Z retrain experiments/reviews_monthly/retrain.yaml
at 2026-09-01T03:00:00Z drift-check monthly --current data/months/2026-08.csv --time created_at
at 2026-09-01T03:10:00Z retrain experiments/reviews_monthly/retrain.yaml

# September: the last days' reviews as they come in, 250 a day, answered and logged; a check each night.
for number in 1 2 3 4 5; do
    { head -n 1 data/months/2026-09.csv; tail -n +$((number * 250 + 2)) data/months/2026-09.csv | head -n 250; } > "$day"
    mv "$day" "$day.csv"
    at "2026-09-2${number}T20:00:00Z" predict monthly --input "$day.csv" --output "$day" --format csv --log
    rm "$day.csv"
    at "2026-09-2${number}T23:00:00Z" drift-check monthly --from-log --fail-on drift
done
at 2026-09-25T23:05:00Z drift-check summary monthly
at 2026-09-25T23:10:00Z retrain experiments/reviews_monthly/retrain.yaml
at 2026-09-26T23:10:00Z retrain experiments/reviews_monthly/retrain.yaml
at 2026-09-26T23:15:00Z rollback monthly --reason "complaints about v3"
at 2026-09-26T23:16:00Z models history monthly
