from benchmarks import studies


def test_resize_moves_what_is_behind() -> None:
    layout = {
        "disk_guid": "x",
        "size": 100,
        "partitions": [
            {"name": "a", "start": 10, "size": 20},
            {"name": "b", "start": 30, "size": 20},
            {"name": "c", "start": 50, "size": 20},
        ],
    }
    assert studies.resize(layout, "b", 50) == {
        "disk_guid": "x",
        "size": 130,
        "partitions": [
            {"name": "a", "start": 10, "size": 20},
            {"name": "b", "start": 30, "size": 50},
            {"name": "c", "start": 80, "size": 20},
        ],
    }


def test_capacities_are_the_own_one_and_a_large_one() -> None:
    layout = {"partitions": [{"name": "a", "size": 2048}, {"name": "b", "size": 100 << 21}]}
    assert studies.capacities(layout, "b") == {"100 GiB": 100 << 21, "1 TiB": 1 << 31}
