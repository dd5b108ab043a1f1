"""Checks the document of the HTTP API: TTN_URL=http://127.0.0.1:1885 python openapi.py."""

import json
import os
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator

with urllib.request.urlopen(f"{os.environ['TTN_URL']}/api/v3/openapi.json") as answer:
    document = json.load(answer)
errors = list(OpenAPIV31SpecValidator(document).iter_errors())
for error in errors[:20]:
    print(list(error.path), error.message[:300])
assert not errors, f"{len(errors)} errors"
assert len(document["paths"]) > 100, len(document["paths"])
print(len(document["paths"]), "paths are valid")
