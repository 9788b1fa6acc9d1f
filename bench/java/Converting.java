// Kafka's own JsonConverter and a chain of its transforms over the payloads of a file, for bench/converting.py.
// The file holds lengths (4 bytes, big endian) and payloads. Prints the medians as one line of JSON.
import com.sun.management.OperatingSystemMXBean;
import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.transforms.Cast;
import org.apache.kafka.connect.transforms.InsertField;
import org.apache.kafka.connect.transforms.ReplaceField;
import org.apache.kafka.connect.transforms.Transformation;

public class Converting {
    static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    static final int WARM = 12;

    interface Work { long run(); }

    public static void main(String[] args) throws Exception {
        List<byte[]> payloads = new ArrayList<>();
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(args[0])))) {
            while (true) payloads.add(in.readNBytes(in.readInt()));
        } catch (EOFException end) {
            // all read
        }
        int rounds = Integer.parseInt(args[1]);
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", "true"), false);
        double[] decode = measure(payloads.size(), rounds, () -> {
            long found = 0;
            for (byte[] payload : payloads) if (converter.toConnectData("t", payload).value() != null) found++;
            return found;
        });
        List<SinkRecord> records = new ArrayList<>();
        for (byte[] payload : payloads) {
            SchemaAndValue value = converter.toConnectData("t", payload);
            records.add(new SinkRecord("t", 0, null, null, value.schema(), value.value(), records.size()));
        }
        List<Transformation<SinkRecord>> chain = List.of(
            new ReplaceField.Value<>(), new InsertField.Value<>(), new Cast.Value<>());
        chain.get(0).configure(Map.of("renames", "customer:buyer", "exclude", "paid"));
        chain.get(1).configure(Map.of("static.field", "source", "static.value", "shop"));
        chain.get(2).configure(Map.of("spec", "quantity:int64,id:string"));
        double[] transform = measure(records.size(), rounds, () -> {
            long found = 0;
            for (SinkRecord record : records) {
                SinkRecord made = record;
                for (Transformation<SinkRecord> step : chain) made = step.apply(made);
                if (made.value() != null) found++;
            }
            return found;
        });
        System.out.printf("{\"decode\": [%f, %f], \"chain\": [%f, %f]}%n",
            decode[0], decode[1], transform[0], transform[1]);
    }

    // Records a second, and microseconds of the whole process's CPU time (collector and compiler too) per record.
    static double[] measure(int count, int rounds, Work work) {
        for (int round = 0; round < WARM; round++) check(work.run(), count);
        double[] rates = new double[rounds], costs = new double[rounds];
        for (int round = 0; round < rounds; round++) {
            long cpu = SYSTEM.getProcessCpuTime(), start = System.nanoTime();
            check(work.run(), count);
            rates[round] = count * 1e9 / (System.nanoTime() - start);
            costs[round] = (SYSTEM.getProcessCpuTime() - cpu) / 1e3 / count;
        }
        Arrays.sort(rates);
        Arrays.sort(costs);
        return new double[] {rates[rounds / 2], costs[rounds / 2]};
    }

    static void check(long found, int count) {
        if (found != count) throw new IllegalStateException(found + " of " + count);
    }
}
