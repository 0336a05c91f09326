#!/usr/bin/env python3
"""Makes JSON schemas for kubeconform of what a real API server says of itself.

  tools/openapi_schemas.py FOLDER [--kubeconfig FILE]

Writes FOLDER/KIND-GROUP-VERSION.json (the group's first word; none for core) for every kind, unknown
fields refused. Without a kubeconfig it starts the API server of tests/crds for the few seconds it takes.
"""

import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "crds"))
import control_plane  # pylint: disable=wrong-import-position


def strict(schema):
    """The schema as JSON schema has it: references within the file, and no field unknown."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace("#/components/schemas/", "#/definitions/")
    if isinstance(made.get("properties"), dict) and "type" in made:
        open_ended = (
            made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
        )
        if made["type"] == "object" and not open_ended:
            made["additionalProperties"] = False
    return made


def kinds(document):
    """Each kind of an OpenAPI document with the name of its schema."""
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            yield kind, name


def file_name(kind):
    group = f"-{kind['group'].split('.')[0]}" if kind["group"] else ""
    return f"{kind['kind']}{group}-{kind['version']}.json".lower()


def write(kubectl, folder):
    folder.mkdir(parents=True, exist_ok=True)
    paths = json.loads(kubectl.kubectl("get", "--raw", "/openapi/v3").stdout)["paths"]
    count = 0
    for path, place in sorted(paths.items()):
        if path.count("/") < 1 or not path.startswith(("api/", "apis/")):
            continue
        document = json.loads(kubectl.kubectl("get", "--raw", place["serverRelativeURL"]).stdout)
        definitions = strict(document.get("components", {}).get("schemas", {}))
        version = path.rsplit("/", 1)[1]
        for kind, name in kinds(document):
            # Some kinds, such as DeleteOptions, are listed under every group.
            if kind["version"] != version or not path.endswith(
                f"{kind['group']}/{version}".lstrip("/")
            ):
                continue
            schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
            (folder / file_name(kind)).write_text(json.dumps(schema))
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--kubeconfig", help="ask this cluster")
    arguments = parser.parse_args()
    if arguments.kubeconfig:
        count = write(control_plane.Kubectl(arguments.kubeconfig), arguments.folder)
    else:
        missing = control_plane.missing()
        if missing:
            print(f"tools/openapi_schemas.py: {missing}", file=sys.stderr)
            return 2
        with control_plane.ControlPlane.start() as plane:
            count = write(plane, arguments.folder)
    print(f"{count} schemas in {arguments.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
