#!/usr/bin/env bash
# compare.sh [BINARY]: the tables of this folder in refbridge against the same mapping by hand on encoding/json structs
# (mapping/batch/byhand_test.go): first that both give the same for 20,000 synthetic referrals, then CPU time, whole processes on one
# core, in turn, ROUNDS (default 5) rounds; at last two workers against one. BINARY is a refbridge that is built already. Needs
# Go, Python 3 and taskset.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$root"
if [ $# -gt 0 ]; then cp "$1" "$dir/refbridge"; else go build -o "$dir/refbridge" ./cmd/refbridge; fi
go test -c -o "$dir/by-hand.test" ./mapping/batch
cd mapping/batch
export BENCH_IN="$dir/in.ndjson" BENCH_OUT="$dir/by-hand.ndjson"
BENCH_WRITE=1 "$dir/by-hand.test" -test.run '^TestBaselineProcess$' >/dev/null
python3 - "${ROUNDS:-5}" "$dir" "$root/testdata/bench" <<'PY'
import json, os, statistics, subprocess, sys, time
rounds, dir, tables = int(sys.argv[1]), sys.argv[2], sys.argv[3]
by_hand = [f"{dir}/by-hand.test", "-test.run", "^TestBaselineProcess$"]
def ours(workers):
    return [f"{dir}/refbridge", "mapping", "run", "--tables", tables, "--target", "referral", "--workers", str(workers),
            "--in", f"{dir}/in.ndjson", "--out", f"{dir}/tables.ndjson"]
def run(command, pin=("taskset", "-c", "0")):
    began = time.time()
    p = subprocess.Popen([*pin, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    if status != 0:
        sys.exit("failed: " + " ".join(command))
    return usage.ru_utime + usage.ru_stime, time.time() - began, usage.ru_maxrss / 1024
run(by_hand), run(ours(1))
lines = 0
with open(f"{dir}/by-hand.ndjson") as a, open(f"{dir}/tables.ndjson") as b:
    for lines, (want, got) in enumerate(zip(a, b, strict=True), 1):
        if json.loads(want) != json.loads(got):
            sys.exit(f"line {lines} differs")
print(f"{lines} lines, all the same")
ratios = []
for _ in range(rounds):
    (hand, _, _), (cpu, _, mib) = run(by_hand), run(ours(1))
    ratios.append(hand / cpu)
    print(f"by hand {hand / lines * 1e6:.1f} µs a record, tables {cpu / lines * 1e6:.1f}, ratio {hand / cpu:.2f}, peak {mib:.0f} MiB", flush=True)
print(f"median ratio {statistics.median(ratios):.2f}")
if os.cpu_count() > 1:
    one = statistics.median(run(ours(1), ())[1] for _ in range(rounds))
    two = statistics.median(run(ours(2), ())[1] for _ in range(rounds))
    print(f"two workers do {one / two:.2f} times the records of one in the same time")
PY
