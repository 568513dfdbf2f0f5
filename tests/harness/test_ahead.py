from __future__ import annotations

import threading
import time
from functools import partial

import pytest
import torch

from harness.ahead import ahead, to_device


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_results_come_in_order(workers: int, count: int):
    def work(i: int) -> int:
        time.sleep(0.002 * (count - i))
        return i * i

    assert list(ahead((partial(work, i) for i in range(count)), workers)) == [i * i for i in range(count)]


def test_the_next_is_done_while_this_one_is_used():
    second = threading.Event()
    results = ahead([lambda: 1, lambda: second.set() or 2, lambda: 3], 1)
    assert next(results) == 1
    assert second.wait(5)
    assert list(results) == [2, 3]


def test_no_more_is_begun_than_workers_ahead():
    begun: list[int] = []

    def tasks():
        for i in range(10):
            begun.append(i)
            yield partial(int, i)

    results = ahead(tasks(), 2)
    assert next(results) == 0
    assert begun == [0, 1, 2]
    results.close()


def test_an_error_comes_where_its_result_would_have():
    def fail() -> int:
        raise OSError("cannot read")

    results = ahead([lambda: 1, fail, lambda: 3], 2)
    assert next(results) == 1
    with pytest.raises(OSError, match="cannot read"):
        next(results)


def test_the_host_s_own_tensor_is_not_copied():
    tensor = torch.zeros(3)
    assert to_device(tensor, "cpu") is tensor
