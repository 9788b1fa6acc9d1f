package tidelock.tests;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;

/** A service that keeps nothing: `/orders` is its own, `/relay` asks python-orders by its name. */
@SpringBootApplication
@EnableFeignClients
public class Service {
    public record Order(long id, String customer, double total) {}

    /** The instances of python-orders that the registry knows. */
    @FeignClient(name = "python-orders", path = "/orders")
    public interface Orders {
        @GetMapping("/{id}")
        Order get(@PathVariable("id") long id);

        @GetMapping("/find")
        java.util.List<Order> find(@RequestParam("customer") String customer, @RequestParam("limit") int limit);

        @PostMapping
        Order place(@RequestBody Order order, @RequestHeader("tenant") String tenant);
    }

    @RestController
    public static class Own {
        @GetMapping("/orders/{id}")
        Order get(@PathVariable("id") long id) {
            if (id == 404) {
                throw new ResponseStatusException(HttpStatus.NOT_FOUND);
            }
            return new Order(id, "spring", id * 1.5);
        }

        @GetMapping("/orders/find")
        java.util.List<Order> find(@RequestParam("customer") String customer, @RequestParam("limit") int limit) {
            return java.util.stream.LongStream.range(0, limit).mapToObj(id -> new Order(id, customer, 0.5)).toList();
        }

        @PostMapping("/orders")
        Order place(@RequestBody Order order, @RequestHeader("tenant") String tenant) {
            return new Order(order.id() + 1, order.customer() + "@" + tenant, order.total());
        }
    }

    @RestController
    public static class Relay {
        private final Orders orders;

        Relay(Orders orders) {
            this.orders = orders;
        }

        @GetMapping("/relay/{id}")
        Order get(@PathVariable("id") long id) {
            return orders.get(id);
        }

        @GetMapping("/relay/find")
        java.util.List<Order> find(@RequestParam("customer") String customer, @RequestParam("limit") int limit) {
            return orders.find(customer, limit);
        }

        @PostMapping("/relay")
        Order place(@RequestBody Order order, @RequestHeader("tenant") String tenant) {
            return orders.place(order, tenant);
        }
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Service.class, arguments);
    }
}
