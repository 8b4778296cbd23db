"""Says in one line each what an audit found; standard input is what pip-audit writes as JSON."""

import json
import sys

packages = json.load(sys.stdin)["dependencies"]
unasked = [one["name"] for one in packages if "skip_reason" in one]
known = [(one, flaw) for one in packages for flaw in one.get("vulns", ())]
for one, flaw in known:
    mended = ", ".join(flaw["fix_versions"]) or "none yet"
    print(f"audit: {one['name']} {one['version']}: {flaw['id']}, mended in {mended}")
if unasked:
    some = ", ".join(unasked[:3])
    print(f"audit: NOT AUDITED: {len(unasked)} of {len(packages)} packages ({some}, ...):")
    print("audit: the advisory service could not be asked; run this where it can be reached")
if not packages or unasked or known:
    sys.exit(1)
print(f"audit: {len(packages)} packages, no known vulnerability")
