import tails


def test_last_line_of_each_file(tmp_path):
    paths = [tmp_path / f"{number}.log" for number in range(80)]
    for path in paths:
        path.write_text(f"started\n{path.stem}\n")
    assert tails.last(paths) == [path.stem for path in paths]


def test_no_files_have_no_lines():
    assert tails.last([]) == []
