#!/usr/bin/env bash
# The main job on the embedded model: 200 test questions, a fixed 16 samples against `agreement`.
set -euo pipefail
folder=$1
mkdir -p "$folder"
rm -f "$folder"/answers.*
echo "demo: 200 arithmetic word problems, 20 of each level, on the tiny model that ships with dynasor"
dynasor questions --split test --limit 200 --output "$folder/questions.jsonl"
dynasor batch "$folder/questions.jsonl" --output "$folder/answers.jsonl" \
    --max-samples 16 --allocator agreement --compare fixed --concurrency 16 --summary "$folder/summary.json"
echo "results in $folder/answers.jsonl, summary in $folder/summary.json"
