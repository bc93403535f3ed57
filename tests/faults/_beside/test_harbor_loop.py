import asyncio


async def arrive(ship, log):
    await asyncio.sleep(0)
    log.append(ship)


def test_ships_of_the_harbor_arrive():
    log = []

    async def main():
        await asyncio.gather(*(arrive(ship, log) for ship in "abc"))

    asyncio.run(main())
    assert sorted(log) == ["a", "b", "c"]
