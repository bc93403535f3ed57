import json


class TestBasketBook:
    def test_basket_survives_json(self):
        basket = {"id": 7, "lines": [{"name": "tea", "count": 2}], "paid": False, "note": None}
        assert json.loads(json.dumps(basket)) == basket

    def test_basket_is_written_with_sorted_keys(self):
        assert json.dumps({"b": 1, "a": 2}, sort_keys=True) == '{"a": 2, "b": 1}'
