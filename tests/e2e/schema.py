# SPDX-License-Identifier: MIT
"""Holds the program's JSON to tools/dist/schema.json: by a validator of our own, and by python3-jsonschema where it is.

Our own knows the few words of JSON Schema that the schema uses, and refuses to go on when it meets another. It is stricter than the
schema, which lets members be added: here one that the schema does not name is a complaint, so that none comes undescribed.
Every report that a case gets by t.json() goes through it.
"""
import functools
import json
import os
import re

from harness import TOP, Failed

SCHEMA = os.path.join(TOP, "tools", "dist", "schema.json")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
KNOWN = {"$schema", "$defs", "$ref", "title", "description", "type", "required", "properties", "items", "enum", "const",
         "anyOf", "minimum", "maximum", "pattern"}


@functools.cache
def load():
    with open(SCHEMA, encoding="utf-8") as file:
        return json.load(file)


def is_of(kind, value):
    return isinstance(value, TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))


def complaints(whole, schema, value, where):
    """What is wrong with a value, as lines."""
    unknown = set(schema) - KNOWN
    if unknown:
        raise Failed("the schema uses what this validator does not know: %r" % unknown)
    found = []
    if "$ref" in schema:
        found += complaints(whole, whole["$defs"][schema["$ref"].split("/")[-1]], value, where)
    if "type" in schema and not is_of(schema["type"], value):
        return found + ["%s is no %s: %r" % (where, schema["type"], value)]
    if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
        found.append("%s has another value: %r" % (where, value))
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append("%s does not match: %r" % (where, value))
    if is_of("integer", value) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append("%s is out of range: %r" % (where, value))
    if isinstance(value, dict):
        found += ["%s lacks %s" % (where, key) for key in schema.get("required", ()) if key not in value]
        found += ["%s has %s, of which the schema does not know" % (where, key)
                  for key in value if key not in schema.get("properties", value)]
        for key, inner in schema.get("properties", {}).items():
            if key in value:
                found += complaints(whole, inner, value[key], where + "." + key)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            found += complaints(whole, schema["items"], item, "%s[%d]" % (where, number))
    if "anyOf" in schema:
        tries = [complaints(whole, each, value, where) for each in schema["anyOf"]]
        if all(tries):
            found += min(tries, key=len)
    return found


def check(definition, value):
    """Fails when the value is not as $defs/DEFINITION says."""
    whole = load()
    found = complaints(whole, whole["$defs"][definition], value, definition)
    if found:
        raise Failed("against the schema: " + "; ".join(found[:5]))
    try:
        import jsonschema
    except ImportError:
        return
    try:
        jsonschema.Draft202012Validator({"$ref": "#/$defs/" + definition, "$defs": whole["$defs"]}).validate(value)
    except jsonschema.ValidationError as error:
        raise Failed("against the schema, says jsonschema: %s" % error)


def check_report(report, sets=50, names=50):
    """Of a large one the first sets and names, and all else."""
    few = [dict(entry, names=entry["names"][:names]) for entry in report["sets"][:sets]]
    check("report", dict(report, sets=few, issues=report["issues"][:sets]))


def parse_lines(raw):
    """The objects of JSON lines; each line is one whole object."""
    lines = raw.decode("utf-8").split("\n")
    if lines.pop() != "":
        raise Failed("the last line does not end")
    return [json.loads(line) for line in lines]
