"""Each declared operation has exactly one kind of home, and no home claims what is not its own."""

from __future__ import annotations

from actors.homes.boot import HOME_CLASSES, boot_homes
from protocol.machine import Machine, thresholds
from protocol.messages import (
    MESSAGE_TYPES,
    Op,
    contig,
    device,
    free,
    isa,
    locks,
    objects,
    pages,
    processor,
    pvs,
    queues,
    space,
    vnodes,
    windows,
    zones,
)  # fmt: skip
from protocol.messages.device import DeviceTimer
from protocol.messages.processor import IpiAck

FOR_EVERY_HOME = {locks.Wakeup}
HOME_OF = {
    contig: {"fq", "pq"},
    vnodes: {"vnode"},
    isa: {"isa"},
    free: {"fq"},
    pages: {"pq"},
    pvs: {"pq"},
    queues: {"pq"},
    objects: {"object"},
    space: {"pmap", "map"},
    device: {"pager", "nic"},
    processor: {"smp", "order"},
    windows: {"window"},
    zones: {"zone"},
}


def handled(kind: str) -> set[type]:
    home = HOME_CLASSES[kind]
    return set(home.ops) | set(home.handlers)


def test_every_operation_is_handled_by_exactly_one_kind_of_home():
    for op in (m for m in MESSAGE_TYPES if issubclass(m, Op) and m not in FOR_EVERY_HOME):
        kinds = [kind for kind in HOME_CLASSES if op in handled(kind)]
        assert len({HOME_CLASSES[kind] for kind in kinds}) == 1, f"{op.__name__} is handled by {kinds}"
        (module,) = (m for m in HOME_OF if m.__name__ == op.__module__)
        assert kinds[0] in HOME_OF[module]


def test_the_other_messages_to_homes_are_handled():
    assert IpiAck in handled("smp") and DeviceTimer in handled("pager")
    for kind in HOME_CLASSES:
        assert {locks.LockRequest, locks.Unlock, locks.Sleep, locks.Unsleep} <= handled(kind)


def test_named_methods_exist():
    for home in HOME_CLASSES.values():
        for method in (*(serving.method for serving in home.ops.values()), *home.handlers.values()):
            assert callable(getattr(home, method))


def test_boot_homes_take_their_constants_from_the_machine():
    machine = Machine(cpus=2, cpu_domains=(0, 0), frames=9000, thresholds=thresholds(9000), latency_ns=(((10,),),) * 4)
    homes = {home.name: home for home in boot_homes(machine)}
    assert sorted(homes) == ["fq", "giant", "isa", "map.kernel", "nic.0", "object.kernel", "order", "pager.0", "pager.1", "pq", "smp"]
    assert all(home.service_ns == machine.costs.service_ns for home in homes.values())
    assert homes["fq"].free == 9000
    assert (homes["pager.0"].swap, homes["pager.1"].swap) == (False, True)
    assert homes["pager.1"].write_ns == machine.swap_write_ns and homes["pager.0"].read_ns == machine.disk_read_ns
