import exporters


def test_exporter_is_registered():
    exporters.register("lines", "\n".join)
    assert "lines" in exporters.names()


def test_report_is_exported():
    assert exporters.export("lines", ["a", "b"]) == "a\nb"
