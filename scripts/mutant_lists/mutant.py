"""What a break is."""

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str  # for --only
    file: str  # from the root of the project
    pattern: str  # a regular expression that matches in one place; a space stands for any white space
    replacement: str  # may refer to groups of the pattern
    says: str  # what is broken, one phrase
    may_survive: str = ""  # why no test can notice it, one sentence
    room: str = ""  # whose tests have to notice it; the room of the file where empty
    tests: str = ""  # which of these are run, as --gtest_filter says it; all where empty


def of_rooms(*mutants):
    """Fills in the room from the file: src/ROOM/..., include/normgraft/ROOM/... or cli/..."""

    def room_of(file):
        parts = file.split("/")
        return {"src": parts[1], "include": parts[2] if len(parts) > 2 else "", "cli": "cli"}[parts[0]]

    return [m._replace(room=m.room or room_of(m.file)) for m in mutants]
