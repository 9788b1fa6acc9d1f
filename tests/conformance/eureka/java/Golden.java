// Writes golden.json: documents as the codecs of Netflix and Spring write and understand them.
//
// `tests/conformance/eureka/record_golden.py` runs it. Every case is an instance, an application or a list of
// them, in the four forms that a Spring server answers with (CloudServerCodecs). A case with `given` is what a
// client sends; its documents show what Java understood.
import com.fasterxml.jackson.databind.ObjectMapper;
import com.netflix.appinfo.AmazonInfo;
import com.netflix.appinfo.DataCenterInfo;
import com.netflix.appinfo.InstanceInfo;
import com.netflix.appinfo.InstanceInfo.ActionType;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import com.netflix.appinfo.InstanceInfo.PortType;
import com.netflix.appinfo.LeaseInfo;
import com.netflix.appinfo.MyDataCenterInfo;
import com.netflix.discovery.converters.wrappers.CodecWrapper;
import com.netflix.discovery.converters.wrappers.CodecWrappers;
import com.netflix.discovery.shared.Application;
import com.netflix.discovery.shared.Applications;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.springframework.cloud.netflix.eureka.server.CloudJacksonJson;

public class Golden {
    static final long T = 1_700_000_000_000L;
    static final CodecWrapper JSON = new CloudJacksonJson();
    static final CodecWrapper XML = CodecWrappers.getCodec(CodecWrappers.XStreamXml.class);
    static final Map<String, CodecWrapper> FORMS = new LinkedHashMap<>();
    static final List<Map<String, Object>> CASES = new ArrayList<>();

    static {
        FORMS.put("json", JSON);
        FORMS.put("json_compact", CodecWrappers.getCodec(CodecWrappers.JacksonJsonMini.class));
        FORMS.put("xml", XML);
        FORMS.put("xml_compact", CodecWrappers.getCodec(CodecWrappers.JacksonXmlMini.class));
    }

    static void add(String name, String root, Object value, String... forms) throws Exception {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("name", name);
        one.put("root", root);
        Map<String, String> documents = new LinkedHashMap<>();
        for (String form : forms) {
            documents.put(form, FORMS.get(form).encode(value));
        }
        one.put("documents", documents);
        CASES.add(one);
    }

    static void instance(String name, InstanceInfo.Builder builder) throws Exception {
        add(name, "instance", builder.build(), "json", "xml");
    }

    static void list(String name, Applications all) throws Exception {
        add(name, "applications", all, "json", "json_compact", "xml", "xml_compact");
    }

    static void application(String name, Application one) throws Exception {
        add(name, "application", one, "json", "json_compact", "xml", "xml_compact");
    }

    static void read(String name, CodecWrapper codec, String given) throws Exception {
        add(name, "instance", codec.decode(given, InstanceInfo.class), "json", "xml");
        CASES.get(CASES.size() - 1).put("given", given);
    }

    static LeaseInfo lease(int interval, int duration) {
        return LeaseInfo.Builder.newBuilder().setRenewalIntervalInSecs(interval).setDurationInSecs(duration)
            .setRegistrationTimestamp(T + 1).setRenewalTimestamp(T + 2).setEvictionTimestamp(0)
            .setServiceUpTimestamp(T + 3).build();
    }

    static InstanceInfo.Builder plain(String app, String id) {
        return InstanceInfo.Builder.newBuilder().setInstanceId(id).setAppName(app).setHostName("h.example")
            .setIPAddr("10.0.0.1").setPort(8080).setStatus(InstanceStatus.UP).setVIPAddress(app)
            .setSecureVIPAddress(app).setDataCenterInfo(new MyDataCenterInfo(DataCenterInfo.Name.MyOwn))
            .setLeaseInfo(lease(30, 90)).setLastUpdatedTimestamp(T + 4).setLastDirtyTimestamp(T + 5)
            .setActionType(ActionType.ADDED).setMetadata(new LinkedHashMap<>());
    }

    static Map<String, String> map(String... pairs) {
        Map<String, String> found = new LinkedHashMap<>();
        for (int index = 0; index < pairs.length; index += 2) {
            found.put(pairs[index], pairs[index + 1]);
        }
        return found;
    }

    static AmazonInfo amazon(boolean isFull) {
        AmazonInfo.Builder builder = AmazonInfo.Builder.newBuilder();
        if (isFull) {
            builder.addMetadata(AmazonInfo.MetaDataKey.instanceId, "i-0abc").addMetadata(AmazonInfo.MetaDataKey.amiId, "ami-1")
                .addMetadata(AmazonInfo.MetaDataKey.availabilityZone, "eu-west-1a")
                .addMetadata(AmazonInfo.MetaDataKey.publicHostname, "ec2.example")
                .addMetadata(AmazonInfo.MetaDataKey.publicIpv4, "1.2.3.4").addMetadata(AmazonInfo.MetaDataKey.accountId, "7")
                .addMetadata(AmazonInfo.MetaDataKey.localIpv4, "10.1.1.1").addMetadata(AmazonInfo.MetaDataKey.vpcId, "vpc-1");
        } else {
            builder.addMetadata(AmazonInfo.MetaDataKey.instanceId, "i-0abc");
        }
        return builder.build();
    }

    static InstanceInfo.Builder everything() {
        return plain("orders", "10.0.0.1:orders:8080").setAppGroupName("shop").setASGName("orders-v1")
            .setCountryId(49).setSecurePort(8443).enablePort(PortType.SECURE, true)
            .setHomePageUrl(null, "http://h.example:8080/").setStatusPageUrl(null, "http://h.example:8080/actuator/info")
            .setHealthCheckUrls(null, "http://h.example:8080/actuator/health", "https://h.example:8443/actuator/health")
            .setIsCoordinatingDiscoveryServer(true).setOverriddenStatus(InstanceStatus.OUT_OF_SERVICE)
            .setMetadata(map("zone", "zone-a", "management.port", "9000")).setActionType(ActionType.MODIFIED);
    }

    static void instances() throws Exception {
        instance("plain", plain("orders", "a"));
        instance("everything", everything());
        for (InstanceStatus status : InstanceStatus.values()) {
            instance("status " + status, plain("orders", "a").setStatus(status));
            instance("overridden " + status, plain("orders", "a").setOverriddenStatus(status));
        }
        for (ActionType action : ActionType.values()) {
            instance("action " + action, plain("orders", "a").setActionType(action));
        }
        instance("only the secure port", plain("orders", "a").enablePort(PortType.UNSECURE, false)
            .setSecurePort(443).enablePort(PortType.SECURE, true));
        instance("both ports off", plain("orders", "a").enablePort(PortType.UNSECURE, false));
        instance("several virtual names", plain("orders", "a").setVIPAddress("orders,orders.v2, shop")
            .setSecureVIPAddress("orders-s"));
        instance("no virtual names", plain("orders", "a").setVIPAddress(null).setSecureVIPAddress(null));
        instance("a long lease", plain("orders", "a").setLeaseInfo(lease(3600, 2147483647)));
        instance("metadata: one", plain("orders", "a").setMetadata(map("zone", "eu")));
        instance("metadata: names that XStream escapes", plain("orders", "a").setMetadata(map("a_b", "1", "a$b", "2",
            "__", "3", "a.b-c", "4", "instance", "5", "metadata", "6")));
        instance("metadata: texts that XML escapes", plain("orders", "a").setMetadata(map("lt", "<", "amp", "&amp;",
            "quotes", "\"'", "gt", "]]>", "slash", "a/b\\c")));
        instance("metadata: blanks and lines", plain("orders", "a").setMetadata(map("empty", "", "blank", " x ",
            "tab", "a\tb", "line", "a\nb")));
        instance("metadata: not ASCII", plain("orders", "a").setMetadata(map("ort", "Köln", "ko", "주문", "emoji", "\uD83D\uDE00")));
        instance("metadata: twenty", plain("orders", "a").setMetadata(twenty()));
        instance("texts that are not ASCII", plain("orders", "주문:1").setHostName("köln.example").setAppGroupName("größe"));
        instance("an IPv6 address", plain("orders", "a").setHostName("::1").setIPAddr("::1"));
        instance("Amazon", plain("orders", "i-0abc").setDataCenterInfo(amazon(true)));
        instance("Amazon, one key", plain("orders", "i-0abc").setDataCenterInfo(amazon(false)));
        instance("Netflix", plain("orders", "a").setDataCenterInfo(new MyDataCenterInfo(DataCenterInfo.Name.Netflix)));
    }

    static Map<String, String> twenty() {
        Map<String, String> found = new LinkedHashMap<>();
        for (int number = 0; number < 20; number++) {
            found.put("key" + number, "value " + number);
        }
        return found;
    }

    static Application group(String name, InstanceInfo.Builder... builders) {
        Application found = new Application(name);
        for (InstanceInfo.Builder builder : builders) {
            found.addInstance(builder.build());
        }
        return found;
    }

    static Applications all(long version, Application... applications) {
        Applications found = new Applications();
        for (Application one : applications) {
            found.addApplication(one);
        }
        found.setVersion(version);
        found.setAppsHashCode(found.getReconcileHashCode());
        return found;
    }

    static void lists() throws Exception {
        application("application: one", group("ORDERS", plain("orders", "a")));
        application("application: three", group("ORDERS", plain("orders", "a"), everything(),
            plain("orders", "c").setStatus(InstanceStatus.DOWN)));
        application("application: Amazon", group("ORDERS", plain("orders", "a").setDataCenterInfo(amazon(true))));
        list("list: empty", all(1));
        list("list: unknown virtual name", all(-1));
        list("list: one", all(1, group("ORDERS", plain("orders", "a"))));
        list("list: two applications", all(7, group("ORDERS", plain("orders", "a"), everything()),
            group("USERS", plain("users", "b").setStatus(InstanceStatus.STARTING).setMetadata(map("a_b", "c")))));
        list("list: every status", all(3, group("ORDERS", plain("orders", "a"),
            plain("orders", "b").setStatus(InstanceStatus.DOWN), plain("orders", "c").setStatus(InstanceStatus.STARTING),
            plain("orders", "d").setStatus(InstanceStatus.OUT_OF_SERVICE), plain("orders", "e").setStatus(InstanceStatus.UNKNOWN))));
        list("list: a delta", all(12, group("ORDERS", plain("orders", "a").setActionType(ActionType.DELETED),
            plain("orders", "b").setActionType(ActionType.MODIFIED))));
        list("list: Amazon", all(2, group("ORDERS", plain("orders", "a").setDataCenterInfo(amazon(true)),
            plain("orders", "b").setDataCenterInfo(amazon(false)))));
    }

    static final String TIMES = "\"lastUpdatedTimestamp\":\"" + T + "\",\"lastDirtyTimestamp\":\"" + T + "\",\"actionType\":\"ADDED\"";
    static final String CENTER = "\"dataCenterInfo\":{\"@class\":\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\",\"name\":\"MyOwn\"}";
    static final String LEASE = "\"leaseInfo\":{\"renewalIntervalInSecs\":10,\"durationInSecs\":20}";

    static String sent(String rest) {
        return "{\"instance\":{\"instanceId\":\"a\",\"hostName\":\"h\",\"ipAddr\":\"1.2.3.4\"," + CENTER + "," + LEASE + "," + TIMES + "," + rest + "}}";
    }

    static void understood() throws Exception {
        read("read: lower-case application", JSON, sent("\"app\":\"orders\",\"status\":\"UP\",\"port\":{\"$\":80,\"@enabled\":\"true\"},\"metadata\":{}"));
        read("read: numbers and booleans as they are", JSON, sent("\"app\":\"A\",\"status\":\"UP\",\"countryId\":\"2\",\"port\":{\"$\":\"80\",\"@enabled\":true},\"securePort\":{\"$\":443,\"@enabled\":false},\"metadata\":{}"));
        read("read: the old name of the override", JSON, sent("\"app\":\"A\",\"status\":\"UP\",\"overriddenstatus\":\"DOWN\",\"metadata\":{}"));
        read("read: the new name of the override", JSON, sent("\"app\":\"A\",\"status\":\"UP\",\"overriddenStatus\":\"DOWN\",\"metadata\":{}"));
        read("read: a status that is none", JSON, sent("\"app\":\"A\",\"status\":\"SLEEPING\",\"metadata\":{}"));
        read("read: unknown fields, marked empty metadata", JSON, sent("\"app\":\"A\",\"status\":\"DOWN\",\"colour\":\"red\",\"sid\":\"na\",\"metadata\":{\"@class\":\"java.util.Collections$EmptyMap\"}"));
        read("read: the id from the metadata", JSON, sent("\"app\":\"A\",\"status\":\"UP\",\"metadata\":{\"instanceId\":\"from-metadata\"}").replace("\"instanceId\":\"a\",", ""));
        read("read: the id from the metadata, with the host", JSON, sent("\"app\":\"A\",\"status\":\"UP\",\"metadata\":{\"instanceId\":\"h:9\"}").replace("\"instanceId\":\"a\",", ""));
        read("read: ports left out", JSON, sent("\"app\":\"A\",\"status\":\"UP\",\"metadata\":{\"k\":\"v\"}"));
        read("read: XML", XML, "<instance><instanceId>a</instanceId><hostName>h</hostName><app>ORDERS</app><ipAddr>1</ipAddr><status>UP</status>"
            + "<overriddenstatus>UNKNOWN</overriddenstatus><port enabled=\"true\">80</port><securePort enabled=\"false\">443</securePort><countryId>1</countryId>"
            + "<dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\"><name>MyOwn</name></dataCenterInfo>"
            + "<leaseInfo><renewalIntervalInSecs>5</renewalIntervalInSecs><durationInSecs>6</durationInSecs><registrationTimestamp>1</registrationTimestamp>"
            + "<lastRenewalTimestamp>2</lastRenewalTimestamp><evictionTimestamp>0</evictionTimestamp><serviceUpTimestamp>3</serviceUpTimestamp></leaseInfo>"
            + "<metadata><d_-e>f</d_-e><a__b>c</a__b></metadata><vipAddress>o</vipAddress><isCoordinatingDiscoveryServer>false</isCoordinatingDiscoveryServer>"
            + "<lastUpdatedTimestamp>7</lastUpdatedTimestamp><lastDirtyTimestamp>8</lastDirtyTimestamp><actionType>MODIFIED</actionType></instance>");
    }

    public static void main(String[] arguments) throws Exception {
        instances();
        lists();
        understood();
        System.out.print(new ObjectMapper().writeValueAsString(CASES));
    }
}
