"""Births, exec and exit, with lines that the real recordings may not hold."""

import pytest

A, B, C = 100, 101, 102
HEAP = 0x7F0000000000


def forks(workload):
    return [(step.child, step.how) for task in workload.tasks for step in task.steps if step.word == "fork"]


def test_plain_a_child_with_another_pid_is_a_thread_however_late_it_is_seen(pen):
    pen.fault(A, HEAP)
    pen.fork(A, B)
    for _ in range(50):
        pen.fault(A, HEAP)
    pen.switch(B, pid=A)
    pen.fault(B, HEAP + 0x1000, pid=A)
    workload = pen.compile()
    assert forks(workload) == [(1, "thread")]
    assert workload.tasks[0].space == workload.tasks[1].space
    assert [step.word for step in workload.tasks[1].steps] == ["access"], "the thread finds its process's mapping"


def test_plain_a_parent_that_sleeps_until_its_childs_exec_called_vfork(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B)
    pen.switch(A, "D")
    pen.fault(B, HEAP + 8, 0x6)
    pen.fault(B, 0x400000, 0x2, ip="elf_load", comm="other")
    pen.switch(A, "S")
    pen.fault(A, HEAP + 0x1000)
    exec_line = pen.exec(B, "other")
    workload = pen.compile()
    assert forks(workload) == [(1, "vfork")]
    assert workload.account.forks == {"fork": 0, "vfork": 1, "thread": 0}
    child = workload.tasks[1]
    assert child.space == workload.tasks[0].space
    assert [step.word for step in child.steps] == ["access", "exec", "mmap", "access"]
    assert child.steps[1].line == exec_line
    assert child.steps[3].line < exec_line, "the loader's fault belongs to the new space although exec's line is later"


@pytest.mark.parametrize("awake", ["fault", "call", "switch"])
def test_plain_a_parent_that_acts_before_the_childs_exec_called_fork(pen, awake):
    pen.mmap(A, HEAP)
    pen.fork(A, B)
    pen.switch(A, "D")
    if awake == "fault":
        pen.fault(A, HEAP, 7)
    elif awake == "call":
        pen.call(A, "munmap", HEAP, 0x1000)
    else:
        pen.switch(A, "S")
    pen.exec(B, "other")
    workload = pen.compile()
    assert forks(workload) == [(1, "fork")]
    assert workload.tasks[0].space != workload.tasks[1].space


def test_plain_a_parent_that_does_not_sleep_called_fork(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B)
    pen.switch(A, "S")
    pen.switch(A, "D")
    pen.exec(B, "other")
    assert forks(pen.compile()) == [(1, "fork")]


def test_plain_preemption_and_interrupts_are_no_doing_of_the_parent(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B)
    pen.line(A, "irq_vectors:call_function_single_entry:", "vector=251")
    pen.switch(A, "R+")
    pen.switch(A, "D")
    pen.exec(B, "other")
    assert forks(pen.compile()) == [(1, "vfork")]


def test_plain_a_child_that_is_never_seen_is_a_process(pen):
    pen.fault(A, HEAP)
    pen.fork(A, B)
    pen.fault(A, HEAP)
    assert forks(pen.compile()) == [(1, "fork")]


@pytest.mark.parametrize(
    ("flags", "how", "shared"),
    [(0x3D0F00, "thread", True), (0x4100, "vfork", True), (0x1200000, "fork", False), (0x4000, "fork", False), (0x100, "thread", True)],
)
def test_rich_clone_flags_decide(pen, flags, how, shared):
    pen.fault(A, HEAP)
    pen.fork(A, B, flags)
    pen.fault(B, HEAP + 0x1000, pid=A if flags & 0x10000 else B)
    workload = pen.compile()
    assert forks(workload) == [(1, how)]
    assert (workload.tasks[0].space == workload.tasks[1].space) is shared
    assert workload.account.forks[how] == 1 and workload.account.ignored == {}


def test_a_forks_child_keeps_what_the_parent_had_mapped_then(pen, words):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x1200000)
    pen.call(A, "munmap", HEAP, 0x4000)
    pen.fault(B, HEAP)
    workload = pen.compile()
    assert words(workload, 1, made_up=True) == ["access"]


def test_a_cut_vfork_child_ends_so_that_its_parent_need_not_wait(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x4100)
    pen.switch(A, "D")
    workload = pen.compile()
    assert [step.word for step in workload.tasks[1].steps] == ["exit"]
    assert workload.tasks[1].steps[0].line == 0
    assert workload.account.exits == 0


def test_a_vforks_parent_that_acts_too_early_does_not_wait(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x4100)
    pen.fault(A, HEAP)
    pen.fault(B, HEAP + 0x1000)
    assert forks(pen.compile()) == [(1, "thread")]


def test_a_vforks_parent_that_runs_again_proves_that_its_child_has_left(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x4100)
    pen.switch(A, "D")
    back = pen.fault(A, HEAP)
    said = pen.exec(B, "prog")
    workload = pen.compile()
    assert forks(workload) == [(1, "vfork")]
    (execution,) = workload.tasks[1].steps
    assert (execution.line, execution.at_ns) == (said, workload.tasks[0].steps[2].at_ns), "in time with the parent's line"
    assert workload.tasks[0].steps[2].line == back


def test_exec_begins_where_the_old_space_ended(pen):
    pen.mmap(A, HEAP)
    pen.fault(A, HEAP, 0x2, ip="strncpy_from_user")
    pen.line(A, "mmap:exit_mmap:", "mt_mod 0x1, DESTROY")
    pen.region(A, 0x400000, 0x3000, "/bin/other", comm="other")
    pen.region(A, 0x401000, 0x1000, "/bin/other", offset=0x1000, prot="rw-p", comm="other")
    pen.region(A, 0x7FFE0000_0000, 0x21000, "[stack]", inode=0, prot="rw-p", comm="other")
    pen.fault(A, 0x401010, 0x2, ip="elf_load", comm="other")
    pen.exec(A, "other")
    pen.fault(A, HEAP, 0x14, comm="other")
    workload = pen.compile()
    task = workload.tasks[0]
    assert task.name == f"other/{A}"
    assert [step.word for step in task.steps] == ["mmap", "access", "exec", "access", "mmap", "access"]
    assert [row[:5] for row in task.steps[2].mappings] == [
        (0x400, 0x401, 5, 0, 0),
        (0x401, 0x402, 3, 0, 1),
        (0x402, 0x403, 5, 0, 2),
        (0x7FFE00000, 0x7FFE00021, 3, -1, 0),
    ]
    assert [row[5] for row in task.steps[2].mappings] == [False, False, False, True]
    assert workload.files[0].pages == 3
    assert workload.account.ignored == {"space-end": 1}


def test_a_new_name_alone_is_no_exec(pen, words):
    pen.mmap(A, HEAP)
    pen.switch(A, "S", comm="renamed")
    pen.region(A, 0x400000, 0x1000, "/dev/shm/x", comm="renamed")
    pen.fault(A, HEAP, comm="renamed")
    workload = pen.compile()
    assert words(workload) == ["mmap", "access"]
    assert workload.account.ignored == {"repeat": 1, "scheduling": 1}


def test_exec_of_another_thread_takes_over_the_first_ones_number(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.fault(B, HEAP, pid=A)
    pen.exit(A, group_dead=False)
    pen.exec(A, "other", old=B)
    pen.fault(A, 0x400000, 0x14, comm="other")
    workload = pen.compile()
    assert [step.word for step in workload.tasks[0].steps] == ["mmap", "fork", "exit"]
    assert [step.word for step in workload.tasks[1].steps] == ["access", "exec", "mmap", "access"]


@pytest.mark.parametrize("rich", [False, True])
def test_the_thread_that_took_over_the_first_ones_number_exits_too(pen, rich):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.fault(B, HEAP, pid=A)
    pen.exit(A, group_dead=False)
    if rich:
        pen.line(A, "mmap:exit_mmap:", "mt_mod 0xffff, DESTROY")
        pen.region(A, 0x400000, 0x2000, "/bin/x", comm="other", after_ns=0)
    pen.exec(A, "other", old=B)
    pen.fault(A, 0x400000, 0x14, comm="other")
    pen.exit(A, comm="other")
    workload = pen.compile()
    assert [step.word for step in workload.tasks[0].steps] == ["mmap", "fork", "exit"]
    loaded = ["access"] if rich else ["mmap", "access"]
    assert [step.word for step in workload.tasks[1].steps] == ["access", "exec", *loaded, "exit"]
    assert [task.name for task in workload.tasks] == [f"prog/{A}", f"other/{A}"]
    assert (workload.account.exits, workload.account.execs) == (2, 1)


def test_exec_ends_the_other_threads_although_no_line_says_so(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.fault(B, HEAP, pid=A)
    executed = pen.exec(A, "other", old=B)
    pen.fault(A, 0x400000, 0x14, comm="other")
    first, second = pen.compile().tasks
    assert [step.word for step in first.steps] == ["mmap", "fork", "exit"]
    assert first.steps[-1].at_ns == next(step.at_ns for step in second.steps if step.line == executed)


def test_the_last_faults_may_follow_the_exit(pen):
    pen.mmap(A, HEAP)
    pen.exit(A)
    pen.fault(A, HEAP, 0x3, ip="__put_user_4")
    workload = pen.compile()
    assert [step.word for step in workload.tasks[0].steps] == ["mmap", "access", "exit"]
    assert workload.account.exits == 1


def test_the_first_thread_may_go_first_and_the_last_takes_the_rest_with_it(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.fork(A, C, 0x3D0F00)
    pen.exit(A, group_dead=False)
    pen.fault(B, HEAP, pid=A)
    pen.exit(B, group_dead=True, pid=A)
    workload = pen.compile()
    assert [[step.word for step in task.steps] for task in workload.tasks] == [
        ["mmap", "fork", "fork", "exit"],
        ["access", "exit"],
        ["exit"],
    ]
    assert workload.account.exits == 2, "C's line is missing"


def test_a_number_is_used_again(pen):
    pen.mmap(A, HEAP)
    for _ in range(2):
        pen.fork(A, B, 0x1200000)
        pen.fault(B, HEAP, 7)
        pen.exit(B)
    workload = pen.compile()
    assert [[step.word for step in task.steps] for task in workload.tasks[1:]] == [["access", "exit"]] * 2


def test_a_number_that_is_used_again_closes_what_its_first_owner_left_open(pen):
    pen.enter(B, "mmap", 0, 0x4000, 3, 0x22, 0xFFFFFFFF, 0, comm="first")
    pen.region(C, 0x400000, 0x1000, "/bin/x", comm="second")
    pen.fork(A, B)
    pen.fork(A, C)
    pen.exit(B, comm="third")
    workload = pen.compile()
    assert workload.account.ignored == {"repeat": 1, "unfinished-call": 1}
    assert [task.name for task in workload.tasks] == [f"prog/{A}", f"third/{B}", f"prog/{C}"]


def test_an_exit_said_twice_counts_once(pen):
    pen.fault(A, HEAP)
    pen.exit(A)
    pen.exit(A)
    assert pen.compile().account.ignored == {"duplicate": 1}


def test_a_dead_task_without_number_is_no_task(pen):
    pen.fault(A, HEAP)
    pen.line(-1, "sched:sched_switch:", "prev_comm=x prev_pid=100 prev_prio=120 prev_state=X ==> next_comm=y next_pid=0 next_prio=1", pid=A)
    pen.line(-1, "exceptions:page_fault_user:", "address=0x7000 ip=0x1 error_code=0x6", pid=A)
    pen.line(0, "exceptions:page_fault_kernel:", "address=0x7000 ip=x error_code=0x2")
    workload = pen.compile()
    assert len(workload.tasks) == 1
    assert workload.account.ignored == {"scheduling": 1, "no-task": 1, "idle-task": 1}


def test_tasks_that_never_fault_or_call_are_not_made(pen):
    pen.switch(15, comm="rcu_preempt")
    pen.line(0, "tlb:tlb_flush:", "pages:0 reason:flush on task switch (0)", comm="swapper")
    pen.fault(A, HEAP)
    assert [task.name for task in pen.compile().tasks] == [f"prog/{A}"]


def test_hostile_names_are_escaped(pen):
    pen.fault(A, HEAP, comm="\x1b[2J\x07 : 1/1")
    assert pen.compile().tasks[0].name == f"\\x1b[2J\\x07 : 1/1/{A}"


def test_a_name_with_a_newline_costs_a_line_and_no_more(pen):
    pen.fault(A, HEAP)
    pen.fault(A, HEAP, comm="a\nb")
    pen.lines[1:] = pen.lines[1].split("\n")
    workload = pen.compile()
    assert workload.account.faults == 2 and workload.account.ignored == {"unreadable": 1}
