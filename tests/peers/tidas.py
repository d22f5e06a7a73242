"""What tidas-validate says of folders of data sets: of each its categories and all issues.

The first argument is "tidas" (JSON schemas and rules) or "ilcd" (the official XSDs).
"""

import contextlib
import io
import json
import sys
from typing import Any

from tidas_tools import validate


def judged(form: str, folder: str) -> Any:
    sys.argv = ["tidas-validate", "-i", folder, "--data-format", form, "--format", "json"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        validate.main()
    report = json.loads(said.getvalue())
    categories = [each["category"] for each in report["categories"]]
    return {"categories": categories, "issues": report["issues"]}


form, *folders = sys.argv[1:]
print(json.dumps([judged(form, folder) for folder in folders]))
