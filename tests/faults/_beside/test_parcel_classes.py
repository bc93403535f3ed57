import dataclasses
import unittest


@dataclasses.dataclass(order=True)
class Parcel:
    weight: int
    name: str = dataclasses.field(compare=False)


class ParcelTest(unittest.TestCase):
    def setUp(self):
        self.parcels = [Parcel(3, "lead"), Parcel(1, "feathers")]

    def test_lightest_parcel_is_first(self):
        self.assertEqual(min(self.parcels).name, "feathers")

    def test_parcels_are_sorted_by_weight(self):
        self.assertEqual([each.weight for each in sorted(self.parcels)], [1, 3])
