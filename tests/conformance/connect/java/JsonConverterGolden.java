// Runs Kafka's own JsonConverter over tests/conformance/connect/cases/json_converter.json and prints what it does.
// From the root of the checkout, after `make engines`: python -m tests.conformance.connect.golden
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.json.JsonConverter;

public class JsonConverterGolden {
    static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        ArrayNode answers = MAPPER.createArrayNode();
        for (JsonNode item : MAPPER.readTree(new File(args[0]))) {
            ObjectNode answer = answers.addObject();
            answer.set("config", item.get("config"));
            answer.set("payload", item.get("payload"));
            Map<String, Object> config = new HashMap<>();
            item.get("config").fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().asText()));
            JsonConverter converter = new JsonConverter();
            converter.configure(config, false);
            JsonNode payload = item.get("payload");
            byte[] bytes = payload.isNull() ? null : payload.asText().getBytes(StandardCharsets.UTF_8);
            SchemaAndValue decoded;
            try {
                decoded = converter.toConnectData("t", bytes);
            } catch (DataException e) {
                answer.put("decode_error", e.getClass().getSimpleName());
                continue;
            } catch (RuntimeException e) {
                answer.put("decode_crash", e.getClass().getSimpleName());
                continue;
            }
            answer.set("schema", decoded.schema() == null ? null : converter.asJsonSchema(decoded.schema()));
            answer.set("value", describe(decoded.value()));
            try {
                byte[] out = converter.fromConnectData("t", decoded.schema(), decoded.value());
                answer.put("encoded", out == null ? null : new String(out, StandardCharsets.UTF_8));
            } catch (DataException e) {
                answer.put("encode_error", e.getClass().getSimpleName());
            }
        }
        System.out.println(MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(answers));
    }

    static JsonNode describe(Object value) {
        if (value == null) {
            return MAPPER.nullNode();
        }
        ObjectNode out = MAPPER.createObjectNode();
        if (value instanceof Struct struct) {
            ObjectNode fields = out.putObject("struct");
            for (Field field : struct.schema().fields()) {
                fields.set(field.name(), describe(struct.getWithoutDefault(field.name())));
            }
        } else if (value instanceof Map<?, ?> map) {
            ArrayNode pairs = out.putArray("map");
            map.forEach((key, item) -> pairs.addArray().add(describe(key)).add(describe(item)));
        } else if (value instanceof List<?> list) {
            ArrayNode items = out.putArray("list");
            list.forEach(item -> items.add(describe(item)));
        } else if (value instanceof byte[] bytes) {
            out.put("bytes", HexFormat.of().formatHex(bytes));
        } else if (value instanceof ByteBuffer buffer) {
            out.put("bytes", HexFormat.of().formatHex(buffer.array()));
        } else if (value instanceof BigDecimal decimal) {
            out.put("decimal", decimal.toString());
        } else if (value instanceof Date date) {
            out.put("ms", date.getTime());
        } else if (value instanceof Float || value instanceof Double) {
            out.put("float", value.toString());
        } else if (value instanceof Boolean flag) {
            out.put("boolean", flag);
        } else if (value instanceof String text) {
            out.put("string", text);
        } else {
            out.put("int", value.toString());
        }
        return out;
    }
}
