#!/usr/bin/env bash
# sync.sh [BINARY]: what a first load costs refbridge alone, at FEW (default 2,000) referrals and at MANY (default 20,000): CPU time a
# referral and peak memory of poll with plan, plan, the first sync and a sync with nothing new; at last the ratios MANY to FEW. The
# simulators run in processes of their own, on PORT (default 28800) and the next one. BINARY is a refbridge that is built already.
# Needs Go, Python 3 and, for 20,000 referrals, 2 GB of memory and about ten minutes.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$root"
if [ $# -gt 0 ]; then cp "$1" "$dir/refbridge"; else go build -o "$dir/refbridge" ./cmd/refbridge; fi
export REFBRIDGE_LEDGER_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE= REFBRIDGE_PATIENT_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
python3 - "$dir" "${FEW:-2000}" "${MANY:-20000}" "${PORT:-28800}" <<'PY'
import json, os, subprocess, sys, time
dir, few, many, port = sys.argv[1], *map(int, sys.argv[2:])
steps = [("poll and plan", ["plan", "--poll", "--json"]), ("plan", ["plan", "--json"]), ("first sync", ["sync"]), ("sync, nothing new", ["sync"])]
def simulator(kind, port, n, at):
    with open(f"{at}/{kind}.json", "w") as out, open(f"{at}/{kind}.err", "w") as err:
        p = subprocess.Popen([f"{dir}/refbridge", "simulate", kind, "--listen", f"127.0.0.1:{port}", "--seed", "7", "--referrals", str(n), "--json"],
                             stdout=out, stderr=err)
    while p.poll() is None and os.path.getsize(f"{at}/{kind}.json") == 0:
        time.sleep(0.2)
    if p.poll() is not None:
        sys.exit(f"the simulator of {kind} ended: " + open(f"{at}/{kind}.err").read())
    return p, json.load(open(f"{at}/{kind}.json"))
def measured(n):
    at = f"{dir}/{n}"
    os.makedirs(at + "/data")
    ward, fhir = simulator("fhir", port, n, at)
    running = [ward]
    try:
        org, salesforce = simulator("salesforce", port + 1, n, at)
        running.append(org)
        with open(os.open(at + "/secret.txt", os.O_WRONLY | os.O_CREAT, 0o600), "w") as secret:
            secret.write(salesforce["clientSecret"])
        with open(at + "/refbridge.yaml", "w") as config:
            config.write(f"""time_zone: Europe/London
ledger: {{path: data/ledger.db, key: env:REFBRIDGE_LEDGER_KEY}}
salesforce: {{login_url: "http://127.0.0.1:{port + 1}", client_id: {salesforce["clientId"]}, client_secret: file:secret.txt, patient_key: env:REFBRIDGE_PATIENT_KEY}}
sources:
  - {{name: ward, kind: fhir, base_url: "{fhir["baseUrl"]}", patient: create}}
""")
        return {name: one(name, command, n, at) for name, command in steps}
    finally:
        for p in running:
            p.terminate()
            p.wait()
def one(name, command, n, at):
    with open(at + "/out", "w") as out, open(at + "/err", "w") as err:
        p = subprocess.Popen([f"{dir}/refbridge", *command], cwd=at, stdout=out, stderr=err)
        _, status, usage = os.wait4(p.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 2): # 2: plan has something to do
        sys.exit(f"{name} failed: " + open(at + "/err").read()[-1000:])
    cpu, mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    print(f"{n:6} referrals, {name:18} {cpu:7.2f} s of CPU, {1000 * cpu / n:6.3f} ms a referral, peak {mib:3.0f} MiB", flush=True)
    return cpu / n
a, b = measured(few), measured(many)
for name, _ in steps:
    print(f"{name}: at {many} a referral costs {b[name] / a[name]:.2f} of what it costs at {few}")
PY
