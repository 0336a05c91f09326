"""The files of tests/invalid and examples on an API server."""

from harness import ROOT, expect


def read_expectations():
    rows = {}
    for line in (ROOT / "tests" / "crds" / "expectations.txt").read_text().splitlines():
        line, _, comment = line.partition("#")
        if line.strip():
            name, verdict, *rest = line.split(maxsplit=2)
            rows[name] = (verdict, rest[0].strip() if rest else "", comment.strip())
    return rows


def invalid_file_tests():
    expectations = read_expectations()
    files = {path.stem: path for path in sorted((ROOT / "tests" / "invalid").glob("*.yaml"))}

    def all_are_expected(_):
        expect(
            files.keys() == expectations.keys(),
            "tests/crds/expectations.txt and tests/invalid differ in: "
            f"{sorted(files.keys() ^ expectations.keys())}",
        )

    yield "every invalid file has an expectation", all_are_expected
    for name in sorted(files.keys() & expectations.keys()):
        yield f"invalid {name}", lambda server, name=name: check_invalid(
            server, files[name], *expectations[name]
        )


def check_invalid(server, path, verdict, detail, comment):
    accepted, said = server.try_file(path)
    if verdict in ("operator", "fine"):
        expect(accepted, f"was refused, and tests/crds/expectations.txt says {verdict}: {said}")
        return
    expect(not accepted, f"was accepted, and tests/crds/expectations.txt says {verdict} {detail}")
    if verdict == "refused":
        expect(detail in said, f"the refusal does not name {detail}: {said}")
        named = path.with_suffix(".expected").read_text()
        expect(
            comment or f": {detail}: " in named,
            f"fractosctl validate does not name {detail}, and no comment says why",
        )
    else:
        expect(verdict == "unreadable", f"tests/crds/expectations.txt: unknown word {verdict}")


EVERY_FIELD = ROOT / "tests" / "crds" / "every_field.yaml"


def valid_file_tests():
    for path in (EVERY_FIELD, *sorted((ROOT / "examples").glob("*/*.yaml"))):

        def accepted(server, path=path):
            ok, said = server.try_file(path)
            expect(ok, f"was refused: {said}")

        yield f"{path.stem} is accepted", accepted


def more_tests():
    yield from valid_file_tests()
    yield from invalid_file_tests()
