package tidelock.tests;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Scanner;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;

/** Calls through OpenFeign with so many threads for so many seconds, as each line of its input says, and prints figures. */
@SpringBootApplication
@EnableFeignClients
public class Caller implements CommandLineRunner {
    public record Line(String sku, int quantity, double price) {}

    public record Order(long id, String customer, String country, double total, List<Line> lines) {}

    @FeignClient(name = "order-service", path = "/orders")
    public interface Orders {
        @GetMapping("/{id}")
        Order get(@PathVariable("id") long id);
    }

    private final Orders orders;

    Caller(Orders orders) {
        this.orders = orders;
    }

    @Override
    public void run(String... arguments) throws Exception {
        Scanner lines = new Scanner(System.in);
        boolean first = true;
        while (lines.hasNextInt()) {
            if (first) {
                orders.get(42); // Spring makes its converters with the first call, which no other may overtake
                first = false;
            }
            System.out.println(measure(lines.nextInt(), lines.nextDouble()));
            System.out.flush();
        }
    }

    private String measure(int threads, double seconds) throws Exception {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long begun = System.nanoTime(), cpu = system.getProcessCpuTime(), until = begun + (long) (seconds * 1e9);
        List<Times> callers = new ArrayList<>();
        for (int number = 0; number < threads; number++) {
            callers.add(new Times(until));
        }
        callers.forEach(Thread::start);
        for (Thread caller : callers) {
            caller.join();
        }
        double spent = system.getProcessCpuTime() - cpu, took = System.nanoTime() - begun;
        long[] times = callers.stream().flatMapToLong(one -> Arrays.stream(one.taken, 0, one.count)).sorted().toArray();
        return String.format(Locale.ROOT, "{\"calls_per_second\": %f, \"p50_ms\": %f, \"p99_ms\": %f, \"cpu_us\": %f}",
            times.length / took * 1e9, times[times.length / 2] / 1e6, times[(int) (times.length * 0.99)] / 1e6,
            spent / times.length / 1e3);
    }

    /** One caller: one call after the other. */
    private class Times extends Thread {
        private final long until;
        long[] taken = new long[1024];
        int count;

        Times(long until) {
            this.until = until;
        }

        @Override
        public void run() {
            for (long begun = System.nanoTime(); begun < until;) {
                if (orders.get(42).lines().size() != 4) {
                    throw new IllegalStateException("an order has four lines");
                }
                long ended = System.nanoTime();
                if (count == taken.length) {
                    taken = Arrays.copyOf(taken, 2 * count);
                }
                taken[count++] = ended - begun;
                begun = ended;
            }
        }
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Caller.class, arguments);
    }
}
