import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs many of Kafka's command line tools in one JVM: one line of JSON in, one line of JSON out.
 *
 * In: {"main": class, "arguments": [...], "stdin": text}. Out: {"code": n, "stdout": text, "stderr": text}.
 * A tool's exit ends its own thread only; its shutdown hooks run when it has ended, as they would in a JVM of
 * its own. A tool that takes longer than the seconds given as argument is answered with code -1, and the JVM ends.
 */
public class ToolRunner {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static volatile List<Runnable> hooks;
    private static volatile Integer exited;

    private static final class Ended extends Error {
        Ended() {
            super(null, null, false, false);
        }
    }

    public static void main(String[] arguments) throws Exception {
        long longest = 1000L * Long.parseLong(arguments[0]);
        PrintStream answers = System.out;
        Exit.setExitProcedure((code, message) -> end(code));
        Exit.setHaltProcedure((code, message) -> end(code));
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        try (java.util.Scanner lines = new java.util.Scanner(System.in, StandardCharsets.UTF_8)) {
            while (lines.hasNextLine()) {
                ObjectNode answer = run(JSON.readTree(lines.nextLine()), longest);
                answers.println(JSON.writeValueAsString(answer));
                answers.flush();
                if (answer.get("code").asInt() == -1) break;
                
            }
        }
        Runtime.getRuntime().halt(0);
    }

    /** The first exit counts: some tools catch what ends them here, and exit once more. */
    private static void end(int code) {
        if (exited == null) exited = code;
        throw new Ended();
    }

    private static ObjectNode run(JsonNode step, long longest) throws Exception {
        List<String> given = new ArrayList<>();
        step.get("arguments").forEach(one -> given.add(one.asText()));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setIn(new ByteArrayInputStream(step.get("stdin").asText().getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        hooks = Collections.synchronizedList(new ArrayList<>());
        exited = null;
        int[] code = {-1};
        Thread thread = new Thread(() -> code[0] = call(step.get("main").asText(), given), "tool");
        thread.setDaemon(true);
        thread.start();
        thread.join(longest);
        ObjectNode answer = JSON.createObjectNode();
        answer.put("code", code[0]);
        answer.put("stdout", out.toString(StandardCharsets.UTF_8));
        answer.put("stderr", err.toString(StandardCharsets.UTF_8));
        return answer;
    }

    /** Takes back the hooks that a tool has given to the JVM itself (needs java.lang opened). */
    @SuppressWarnings("unchecked")
    private static List<Thread> ownHooks() {
        try {
            java.lang.reflect.Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
            field.setAccessible(true);
            List<Thread> found = new ArrayList<>(((java.util.Map<Thread, Thread>) field.get(null)).keySet());
            found.removeIf(one -> !one.getName().startsWith("verifiable-") && !one.getName().startsWith("Thread-"));
            found.forEach(Runtime.getRuntime()::removeShutdownHook);
            return found;
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static int call(String main, List<String> arguments) {
        int code = 0;
        try {
            Class.forName(main).getMethod("main", String[].class).invoke(null, (Object) arguments.toArray(new String[0]));
        } catch (InvocationTargetException wrapped) {
            if (!(wrapped.getCause() instanceof Ended)) {
                wrapped.getCause().printStackTrace();
                code = 1;
            }
        } catch (ReflectiveOperationException error) {
            error.printStackTrace();
            code = 1;
        }
        if (exited != null) code = exited;
        hooks.addAll(ownHooks());
        for (Runnable hook : new ArrayList<>(hooks)) {
            try {
                hook.run();
            } catch (Ended ignored) {
                // a hook that exits: the tool has ended already
            }
        }
        return code;
    }
}
