"""What tidas-validate says of folders of data sets: of each its categories and all issues.

The first argument is "tidas" (JSON schemas and rules) or "ilcd" (the official XSDs). Its fast path
compiles schemas of thousands of classes, half a minute for a dozen files; the strict one need not.
"""

import contextlib
import io
import json
import sys
from typing import Any

import fastjsonschema
from tidas_tools import validate


def compiled(*_: Any, **__: Any) -> Any:
    def refuse(_: Any) -> None:
        raise fastjsonschema.JsonSchemaException("not compiled")

    return refuse


validate.fastjsonschema.compile = compiled


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
