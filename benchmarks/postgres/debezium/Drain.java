import com.sun.management.OperatingSystemMXBean;
import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.connect.source.SourceRecord;

/** Reads a number of changes from a slot by Debezium's embedded engine, looks at none, and tells what that has cost. */
public class Drain {
    static final OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    static long seen, first, half, firstCPU, halfCPU;

    public static void main(String[] args) throws Exception {
        long rows = Long.parseLong(args[3]);
        Properties p = new Properties();
        p.setProperty("name", "drain");
        p.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        p.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        p.setProperty("offset.flush.interval.ms", "60000");
        p.setProperty("database.hostname", "127.0.0.1");
        p.setProperty("database.port", args[0]);
        p.setProperty("database.user", "postgres");
        p.setProperty("database.password", "x");
        p.setProperty("database.dbname", args[1]);
        p.setProperty("topic.prefix", "drain");
        p.setProperty("plugin.name", "pgoutput");
        p.setProperty("slot.name", args[2]);
        p.setProperty("publication.name", "p");
        p.setProperty("publication.autocreate.mode", "disabled");
        p.setProperty("snapshot.mode", "no_data");
        p.setProperty("table.include.list", "public.rows");
        p.setProperty("max.batch.size", "16384");
        p.setProperty("max.queue.size", "65536");
        p.setProperty("poll.interval.ms", "5");
        CountDownLatch done = new CountDownLatch(1);
        DebeziumEngine<RecordChangeEvent<SourceRecord>> engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class)).using(p)
            .notifying((records, committer) -> {
                for (RecordChangeEvent<SourceRecord> r : records) {
                    if (seen++ == 0) {
                        first = System.nanoTime();
                        firstCPU = system.getProcessCpuTime();
                    }
                    if (seen == rows / 2) {
                        half = System.nanoTime();
                        halfCPU = system.getProcessCpuTime();
                    }
                    committer.markProcessed(r);
                }
                committer.markBatchFinished();
                if (seen >= rows) done.countDown();
            }).build();
        ExecutorService runner = Executors.newSingleThreadExecutor();
        runner.execute(engine);
        done.await();
        long end = System.nanoTime(), cpu = system.getProcessCpuTime();
        String peak = Files.readAllLines(Path.of("/proc/self/status")).stream().filter(l -> l.startsWith("VmHWM")).findFirst().orElse("VmHWM: 0 kB");
        System.out.printf("%d %d %d %s%n", cpu, cpu - halfCPU, end - half, peak.replaceAll("\\D", ""));
        Runtime.getRuntime().halt(0);
    }
}
