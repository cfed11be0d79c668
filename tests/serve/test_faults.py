"""Hostile images, dead decoders, overload, a stop in the middle: what the server does where all goes wrong."""

import concurrent.futures
import io
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.ingest.reading.test_mutants import mutants
from tests.ingest.reading.test_pool import grey_png, picture
from tests.processes import descendants, gone, is_alive
from tests.serve.running import Running, running

HOSTILE = 500
FEW = ("--threads", "1", "--decoders", "1")


def decoders(server: Running) -> list[int]:
    """Processes that decode: those whose parent is the fork server."""
    found = []
    for each in descendants(server.process.pid):
        with suppress(OSError):  # gone meanwhile
            parent = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[1]
            if "forkserver" in Path(f"/proc/{parent}/cmdline").read_text() and is_alive(each):
                found.append(each)
    return found


def resident(server: Running) -> int:
    """Bytes of the server's own process."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A valid image of a few bytes, whose decoding takes more than a second."""
    written = io.BytesIO()
    Image.new("L", (8000, 8000)).save(written, "WEBP", lossless=True, method=0)
    return written.getvalue()


def test_five_hundred_hostile_uploads_crash_nothing(server: Running, pictures: list[bytes]) -> None:
    expected = server.predict(pictures[0]).json()
    codes: Counter[int] = Counter()
    for _, data in mutants(HOSTILE):
        response = server.client.post("/predict", content=data, headers={"content-type": "image/png"})
        codes[response.status_code] += 1
        assert ("error" in response.json()) == (response.status_code != 200)
    assert set(codes) == {200, 415, 422}
    assert codes[422] > HOSTILE / 4
    assert server.predict(pictures[0]).json() == expected
    assert server.client.get("/v2/health/ready").status_code == 200
    assert server.errors == ""


def test_images_that_cost_too_much_are_refused_and_the_next_is_answered(
    place: str, pictures: list[bytes], slow: bytes
) -> None:
    flags = (*FEW, "--max-pixels", "100000000")
    with running(place, *flags, "--max-seconds", "0.5") as server:
        response = server.predict(slow)
        assert (response.status_code, response.json()["error"]) == (422, "too long to decode: more than 0.5 s")
        assert server.predict(pictures[0]).status_code == 200
        assert server.metric("gleaner_decoders_replaced_total") == 1
    with running(place, *flags, "--max-memory", "60", "--max-seconds", "60") as server:
        response = server.predict(grey_png(9000, 9000))
        assert (response.status_code, response.json()["error"]) == (422, "too much memory to decode: more than 60 MiB")
        assert server.predict(pictures[0]).status_code == 200
        assert server.metric("gleaner_decoders_replaced_total") == 2


def test_a_decoder_that_is_killed_is_replaced_and_costs_no_answer(
    place: str, pictures: list[bytes], slow: bytes
) -> None:
    with running(place, *FEW, "--max-pixels", "100000000", "--max-seconds", "60", "--max-memory", "4096") as server:
        for _ in range(3):
            os.kill(decoders(server)[0], signal.SIGKILL)
            assert server.predict(pictures[0]).status_code == 200
        assert server.metric("gleaner_decoders_replaced_total") == 3
        with concurrent.futures.ThreadPoolExecutor() as threads:  # at work when it is killed, once
            answer = threads.submit(server.predict, slow)
            time.sleep(0.3)
            os.kill(decoders(server)[0], signal.SIGKILL)
            assert answer.result().status_code == 200, answer.result().text


def test_an_image_that_kills_two_decoders_is_refused(place: str, pictures: list[bytes], slow: bytes) -> None:
    flags = (*FEW, "--max-pixels", "100000000", "--max-seconds", "60", "--max-memory", "4096")
    with running(place, *flags) as server, concurrent.futures.ThreadPoolExecutor() as threads:
        for _ in range(5):  # now and then it is decoded before it is killed
            answer = threads.submit(server.predict, slow)
            for _ in range(2):
                while not answer.done() and not (
                    server.metric("gleaner_decoders") == server.metric("gleaner_queue_images") == 1
                ):
                    time.sleep(0.01)
                time.sleep(0.03)
                for each in decoders(server):
                    os.kill(each, signal.SIGKILL)
            if answer.result().status_code == 422:
                break
        told = answer.result()
        assert (told.status_code, told.json()["error"]) == (
            422,
            "killed the decoder: SIGKILL, most likely for memory",
        )
        assert server.predict(pictures[1]).status_code == 200


def test_overload_is_shed_with_429_before_memory_grows_and_then_all_is_well(place: str, pictures: list[bytes]) -> None:
    large = picture(1, size=(600, 600))  # a megabyte
    flags = ["--max-queue", "8", "--max-images", "4", "--max-seconds", "60"]
    with running(place, *FEW, *flags) as server:
        with concurrent.futures.ThreadPoolExecutor(40) as threads:
            for _ in range(2):  # what a full house takes once
                list(threads.map(server.predict, [large] * 40))
            stopped = decoders(server)
            for each in stopped:
                os.kill(each, signal.SIGSTOP)
            waiting = [threads.submit(server.predict, pictures[0]) for _ in range(8)]
            end = time.monotonic() + 30
            while server.metric("gleaner_queue_images") < 8:
                assert time.monotonic() < end
            before = resident(server)
            answers = list(threads.map(server.predict, [large] * 200))
            assert {each.status_code for each in answers} == {429}
            assert all(1 <= int(each.headers["retry-after"]) <= 30 for each in answers)
            assert all("try again" in each.json()["error"] for each in answers)
            assert resident(server) - before < 40 << 20
            assert server.metric("gleaner_shed_total") >= 200
            assert server.client.get("/v2/health/live").status_code == 200
            for each in stopped:
                os.kill(each, signal.SIGCONT)
            assert [each.result().status_code for each in waiting] == [200] * 8
        assert server.predict(*pictures[:4]).status_code == 200
        assert server.metric("gleaner_queue_images") == 0


def test_a_stop_answers_what_is_under_way_and_leaves_no_process(place: str, pictures: list[bytes]) -> None:
    with running(place, *FEW, "--max-seconds", "60") as server:
        expected = server.predict(pictures[0]).json()
        inside = descendants(server.process.pid)
        stopped = decoders(server)
        for each in stopped:
            os.kill(each, signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            waiting = [threads.submit(server.predict, pictures[0]) for _ in range(4)]
            while server.metric("gleaner_queue_images") < 4:
                time.sleep(0.02)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{server.link}/v2", trust_env=False)
            for each in stopped:
                os.kill(each, signal.SIGCONT)
            assert [each.result().json() for each in waiting] == [expected] * 4
        assert server.process.wait(10) == 0
        assert gone(inside)
    assert server.line("stopped")
    assert server.errors == ""


def test_a_stop_under_load_first_tells_that_it_is_not_ready_and_fails_no_request(
    place: str, pictures: list[bytes]
) -> None:
    codes: Counter[int] = Counter()
    told, refused = threading.Event(), threading.Event()

    def ask(link: str) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not refused.is_set():
                try:
                    response = client.post(f"{link}/predict", files={"image": pictures[0]})
                except httpx.ConnectError:
                    refused.set()
                    return
                codes[response.status_code] += 1
                if told.is_set():
                    assert response.headers["connection"] == "close"

    with running(place, *FEW, "--drain", "1.5") as server:
        with concurrent.futures.ThreadPoolExecutor(3) as threads:
            asking = [threads.submit(ask, server.link) for _ in range(3)]
            time.sleep(0.5)
            begun = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            while server.client.get("/v2/health/ready").status_code == 200:
                assert time.monotonic() - begun < 1
            assert server.client.get("/v2/models/digits/ready").status_code == 503
            told.set()
            time.sleep(0.7)
            refused.set()  # a cluster sends no more by now
            for each in asking:
                each.result()
        assert server.process.wait(10) == 0
        assert 1.4 < time.monotonic() - begun < 10
    assert set(codes) == {200}


def test_a_reader_that_reads_no_lines_holds_up_no_answer() -> None:
    from components.serve.lines import MOST, Lines

    read, write = os.pipe()
    with open(write, "w") as file:  # noqa: PTH123 - a pipe that nobody reads
        lines = Lines(file)
        lines.thread.start()
        begun = time.monotonic()
        for number in range(MOST + 20_000):
            lines.say("request", number=number, text="x" * 50)
        assert time.monotonic() - begun < 5
        assert lines.lost > 0
        os.close(read)
        lines.waiting.get_nowait()
        lines.__exit__()
