package berths;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Tells its results as TAP. */
public final class LedgerTests {
    private interface Test {
        void run(Path folder) throws Exception;
    }

    private static int told;

    private static void test(String name, Test test) {
        told++;
        try {
            test.run(Files.createTempDirectory("ledger"));
            System.out.println("ok " + told + " - " + name);
        } catch (Exception | AssertionError error) {
            System.out.println("not ok " + told + " - " + name);
            System.out.println("  ---\n  name: " + error.getClass().getSimpleName() + "\n  ...");
            System.err.println(error);
        }
    }

    private static void equal(Object found, Object wanted) {
        if (!wanted.equals(found)) {
            throw new AssertionError("found " + found + ", wanted " + wanted);
        }
    }

    public static void main(String[] arguments) {
        test("a berth that is taken is refused", folder -> {
            Ledger ledger = new Ledger(folder.resolve("berths"));
            ledger.moor(4, "Vega");
            try {
                ledger.moor(4, "Orion");
            } catch (IllegalStateException expected) {
                equal(expected.getMessage(), "berth 4 is taken by Vega");
                return;
            }
            throw new AssertionError("it was not");
        });
        test("what was saved is there again", folder -> {
            Ledger ledger = new Ledger(folder.resolve("berths"));
            ledger.moor(11, "Vega");
            ledger.moor(2, "Orion");
            ledger.save();
            equal(new Ledger(folder.resolve("berths")).ships(), Map.of(2, "Orion", 11, "Vega"));
        });
        test("the file has the names of ships in UTF-8", folder -> {
            Path path = folder.resolve("berths");
            Ledger ledger = new Ledger(path);
            ledger.moor(1, "\u00c6gir");
            ledger.save();
            equal(Files.readString(path, StandardCharsets.UTF_8), "1\t\u00c6gir\n");
        });
        System.out.println("1.." + told);
    }
}
