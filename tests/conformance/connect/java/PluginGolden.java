// Runs Kafka's own transforms, predicates and converters over the cases of plugin_cases.py and prints what they do.
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
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

public class PluginGolden {
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final String CONVERTERS = "org.apache.kafka.connect.converters.";

    public static void main(String[] args) throws Exception {
        ArrayNode answers = MAPPER.createArrayNode();
        for (JsonNode item : MAPPER.readTree(new File(args[0]))) {
            ObjectNode answer = answers.addObject();
            try {
                switch (item.get("kind").asText()) {
                    case "transform" -> transform(item, answer);
                    case "predicate" -> predicate(item, answer);
                    case "header" -> header(item, answer);
                    case "text" -> text(item, answer);
                    case "decode" -> decode(item, answer);
                    default -> encode(item, answer);
                }
            } catch (ConfigException e) {
                answer.put("config_error", e.getClass().getSimpleName());
            } catch (RuntimeException e) {
                answer.put("error", e.getClass().getSimpleName());
            }
        }
        System.out.println(MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(answers));
    }

    static Map<String, String> config(JsonNode item) {
        Map<String, String> config = new HashMap<>();
        if (item.has("config")) {
            item.get("config").fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().asText()));
        }
        return config;
    }

    static SchemaAndValue typed(JsonNode node) {
        if (node == null || node.isNull()) {
            return SchemaAndValue.NULL;
        }
        JsonConverter converter = new JsonConverter();
        boolean hasSchema = node.get("schema") != null;
        converter.configure(Map.of("schemas.enable", hasSchema, "replace.null.with.default", false), false);
        JsonNode payload = hasSchema ? node : node.get("payload");
        return converter.toConnectData("t", payload.toString().getBytes(StandardCharsets.UTF_8));
    }

    static ConnectRecord<?> record(JsonNode item) {
        SchemaAndValue key = typed(item.get("key"));
        SchemaAndValue value = typed(item.get("value"));
        ConnectHeaders headers = new ConnectHeaders();
        if (item.has("headers")) {
            for (JsonNode header : item.get("headers")) {
                headers.add(header.get("name").asText(), typed(header));
            }
        }
        String topic = item.path("topic").asText("orders");
        Long timestamp = item.has("timestamp") ? item.get("timestamp").asLong() : null;
        if (item.has("source")) {
            return new SourceRecord(Map.of(), Map.of(), topic, null, key.schema(), key.value(), value.schema(),
                value.value(), timestamp, headers);
        }
        return new SinkRecord(topic, 3, key.schema(), key.value(), value.schema(), value.value(), 42, timestamp,
            timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, headers);
    }

    @SuppressWarnings("unchecked")
    static void transform(JsonNode item, ObjectNode answer) throws Exception {
        String name = "org.apache.kafka.connect.transforms." + item.get("class").asText();
        Transformation<?> made = (Transformation<?>) Class.forName(name).getDeclaredConstructor().newInstance();
        made.configure(config(item));
        ConnectRecord<?> out = (ConnectRecord<?>) ((Transformation) made).apply(record(item));
        if (out == null) {
            answer.put("dropped", true);
            return;
        }
        answer.put("topic", out.topic());
        answer.put("partition", out.kafkaPartition());
        answer.put("timestamp", out.timestamp());
        answer.set("key", typed(out.keySchema(), out.key()));
        answer.set("value", typed(out.valueSchema(), out.value()));
        ArrayNode headers = answer.putArray("headers");
        for (Header header : out.headers()) {
            headers.addObject().put("name", header.key()).set("typed", typed(header.schema(), header.value()));
        }
    }

    @SuppressWarnings("unchecked")
    static void predicate(JsonNode item, ObjectNode answer) throws Exception {
        String name = "org.apache.kafka.connect.transforms.predicates." + item.get("class").asText();
        Predicate<?> made = (Predicate<?>) Class.forName(name).getDeclaredConstructor().newInstance();
        made.configure(config(item));
        answer.put("holds", ((Predicate) made).test(record(item)));
    }

    static void header(JsonNode item, ObjectNode answer) {
        byte[] bytes = item.get("text").asText().getBytes(StandardCharsets.UTF_8);
        SchemaAndValue found = new SimpleHeaderConverter().toConnectHeader("t", "h", bytes);
        found = found == null ? SchemaAndValue.NULL : found;
        answer.set("typed", typed(found.schema(), found.value()));
        byte[] again = new SimpleHeaderConverter().fromConnectHeader("t", "h", found.schema(), found.value());
        answer.put("again", again == null ? null : new String(again, StandardCharsets.UTF_8));
    }

    static void text(JsonNode item, ObjectNode answer) {
        SchemaAndValue given = typed(item.get("value"));
        byte[] made = new SimpleHeaderConverter().fromConnectHeader("t", "h", given.schema(), given.value());
        answer.put("text", made == null ? null : new String(made, StandardCharsets.UTF_8));
    }

    static Converter converter(JsonNode item) throws Exception {
        return (Converter) Class.forName(CONVERTERS + item.get("class").asText()).getDeclaredConstructor().newInstance();
    }

    static void decode(JsonNode item, ObjectNode answer) throws Exception {
        JsonNode hex = item.get("hex");
        SchemaAndValue found = converter(item).toConnectData("t", hex.isNull() ? null : HexFormat.of().parseHex(hex.asText()));
        answer.set("typed", typed(found.schema(), found.value()));
    }

    static void encode(JsonNode item, ObjectNode answer) throws Exception {
        SchemaAndValue given = typed(item.get("value"));
        byte[] made = converter(item).fromConnectData("t", given.schema(), given.value());
        answer.put("hex", made == null ? null : HexFormat.of().formatHex(made));
    }

    static JsonNode typed(Schema schema, Object value) {
        ObjectNode out = MAPPER.createObjectNode();
        out.set("schema", describe(schema));
        out.set("value", describe(value));
        return out;
    }

    static JsonNode describe(Schema schema) {
        if (schema == null) {
            return MAPPER.nullNode();
        }
        ObjectNode out = MAPPER.createObjectNode();
        out.put("type", schema.type().getName());
        if (schema.isOptional()) {
            out.put("optional", true);
        }
        if (schema.name() != null) {
            out.put("name", schema.name());
        }
        if (schema.version() != null) {
            out.put("version", schema.version());
        }
        if (schema.doc() != null) {
            out.put("doc", schema.doc());
        }
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            ObjectNode parameters = out.putObject("parameters");
            schema.parameters().forEach(parameters::put);
        }
        if (schema.defaultValue() != null) {
            out.set("default", describe(schema.defaultValue()));
        }
        switch (schema.type()) {
            case STRUCT -> {
                ArrayNode fields = out.putArray("fields");
                for (Field field : schema.fields()) {
                    fields.addArray().add(field.name()).add(describe(field.schema()));
                }
            }
            case MAP -> {
                out.set("keys", describe(schema.keySchema()));
                out.set("values", describe(schema.valueSchema()));
            }
            case ARRAY -> out.set("items", describe(schema.valueSchema()));
            default -> { }
        }
        return out;
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
        } else if (value instanceof Float number) {
            out.put("float", Double.toString((double) number));
        } else if (value instanceof Double) {
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
