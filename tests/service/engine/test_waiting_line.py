"""Who is next in the line."""

import itertools
from dataclasses import dataclass

from service.engine.priority import Priority
from service.engine.waiting_line import WaitingLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who waits."""

    name: str
    arrival: float = 0.0
    deadline: float | None = None
    priority: Priority = Priority.NORMAL


def served(*people: Person) -> str:
    """The names in the order in which the line gives them out."""
    line = WaitingLine[Person]()
    for person in people:
        line.push(person)
    return "".join(line.pop().name for _ in range(len(line)))


def test_the_earliest_deadline_goes_first() -> None:
    """Whoever has none goes last, and equals go in the order of their arrival."""
    people = [
        Person(name="d"),
        Person(name="b", deadline=2.0),
        Person(name="c", deadline=2.0),
        Person(name="a", deadline=1.0),
        Person(name="e"),
    ]
    assert served(*people) == "abcde"


def test_a_priority_outranks_every_deadline() -> None:
    """In whatever order they came."""
    people = [
        Person(name="c", priority=Priority.LOW, deadline=1.0),
        Person(name="b", priority=Priority.NORMAL, deadline=2.0),
        Person(name="a", priority=Priority.HIGH),
    ]
    for order in itertools.permutations(people):
        assert served(*order) == "abc"


def test_the_line_remembers_who_has_waited_longest() -> None:
    """That is not whoever is next."""
    line = WaitingLine[Person]()
    for person in (Person(name="b", arrival=1.0), Person(name="a", arrival=2.0, priority=Priority.HIGH)):
        line.push(person)
    assert (len(line), line.first().name, line.oldest_arrival()) == (2, "a", 1.0)
    assert [person.name for person in line] == ["b", "a"]
    line.pop()
    assert (len(line), line.first().name, line.oldest_arrival()) == (1, "b", 1.0)
