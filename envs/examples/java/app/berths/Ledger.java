package berths;

import java.io.FileReader;
import java.io.FileWriter;
import java.io.IOException;
import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Which ship lies at which berth, kept in a file of lines. */
public final class Ledger {
    private final Path path;
    private final Map<Integer, String> ships = new TreeMap<>();

    /** Opens the ledger in a file, which need not exist. */
    public Ledger(Path path) throws IOException {
        this.path = path;
        if (Files.exists(path)) {
            try (BufferedReader reader = new BufferedReader(new FileReader(path.toFile()))) {
                for (String line; (line = reader.readLine()) != null; ) {
                    String[] parts = line.split("\t", 2);
                    ships.put(Integer.parseInt(parts[0]), parts[1]);
                }
            }
        }
    }

    /** Gives a berth to a ship; a berth that is taken is refused. */
    public void moor(int berth, String ship) {
        if (ships.putIfAbsent(berth, ship) != null) {
            throw new IllegalStateException("berth " + berth + " is taken by " + ships.get(berth));
        }
    }

    /** Returns berth to ship, in the order of the berths. */
    public Map<Integer, String> ships() {
        return Map.copyOf(ships);
    }

    /** Writes the ledger. */
    public void save() throws IOException {
        try (FileWriter writer = new FileWriter(path.toFile())) {
            for (Map.Entry<Integer, String> each : ships.entrySet()) {
                writer.write(each.getKey() + "\t" + each.getValue() + "\n");
            }
        }
    }

    public static void main(String[] arguments) throws IOException {
        Ledger ledger = new Ledger(Path.of(arguments[0]));
        if (arguments.length > 2) {
            ledger.moor(Integer.parseInt(arguments[1]), arguments[2]);
            ledger.save();
        }
        new TreeMap<>(ledger.ships()).forEach((berth, ship) -> System.out.println(berth + "\t" + ship));
    }
}
