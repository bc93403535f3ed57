import importer

assert importer.rows(["a,1\n", "\n"]) == [["a", "1"]]
assert importer.main(["tests/rows.csv"]) == [["apples", "3"], ["pears", "4"]]
