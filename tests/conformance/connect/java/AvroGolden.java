// Runs the original AvroData over the cases of avro_cases.py, one JSON object a line, and prints what it does.
// Needs a class path with AvroData (Apicurio's copy of it, Apache License), Apache Avro and Kafka's connect-api and
// connect-json: python -m tests.conformance.connect.avro_cases CLASSPATH
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.serde.avro.NonRecordContainer;
import io.apicurio.registry.utils.converter.avro.AvroData;
import io.apicurio.registry.utils.converter.avro.AvroDataConfig;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;

public class AvroGolden {
    static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        JsonConverter json = new JsonConverter();
        json.configure(Map.of("schemas.enable", "true", "replace.null.with.default", "false"), false);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = MAPPER.createObjectNode();
            try {
                answer(MAPPER.readTree(line), answer, json);
            } catch (Exception e) {
                answer.put("error", e.getClass().getSimpleName() + ": " + String.valueOf(e.getMessage()).split("\n")[0]);
            }
            out.println(MAPPER.writeValueAsString(answer));
        }
    }

    static void answer(JsonNode given, ObjectNode answer, JsonConverter json) throws Exception {
        Map<String, Object> options = new HashMap<>();
        given.path("options").fields().forEachRemaining(e -> options.put(e.getKey(), e.getValue().asText()));
        AvroData data = new AvroData(new AvroDataConfig(options));
        org.apache.avro.Schema avro;
        Object value;
        if (given.has("envelope")) {
            byte[] payload = given.get("envelope").toString().getBytes(StandardCharsets.UTF_8);
            SchemaAndValue connect = json.toConnectData("t", payload);
            avro = data.fromConnectSchema(connect.schema());
            answer.put("avro", avro.toString());
            value = data.fromConnectData(connect.schema(), connect.value());
            if (value instanceof NonRecordContainer) {
                value = ((NonRecordContainer) value).getValue();
            }
        } else {
            avro = new org.apache.avro.Schema.Parser().parse(given.get("avro").toString());
            value = new GenericDatumReader<Object>(avro)
                    .read(null, DecoderFactory.get().jsonDecoder(avro, given.get("value").toString()));
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<Object>(avro).write(value, encoder);
        encoder.flush();
        answer.put("bytes", HexFormat.of().formatHex(bytes.toByteArray()));
        Object raw = new GenericDatumReader<Object>(avro)
                .read(null, DecoderFactory.get().binaryDecoder(bytes.toByteArray(), null));
        SchemaAndValue back = data.toConnectData(avro, raw, given.has("version") ? given.get("version").asInt() : null);
        if (back == null) {
            answer.putNull("back");
        } else {
            answer.set("back", MAPPER.readTree(json.fromConnectData("t", back.schema(), back.value())));
        }
    }
}
