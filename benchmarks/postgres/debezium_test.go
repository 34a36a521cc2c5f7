package postgres_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/internal/testenv"
)

// jars fetches Debezium by Maven, once.
func jars(b *testing.B) string {
	b.Helper()
	libs := filepath.Join(testenv.Folder("debezium"), "libs")
	if _, err := os.Stat(libs); err == nil {
		return libs
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		b.Skipf("Debezium is fetched by Maven: %v", err)
	}
	pom, err := filepath.Abs("debezium/pom.xml")
	if err != nil {
		b.Fatal(err)
	}
	fetch := exec.CommandContext(b.Context(), "mvn", "-B", "-ntp", "-q", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+libs, "-DincludeScope=runtime")
	if out, err := fetch.CombinedOutput(); err != nil {
		b.Fatalf("fetch Debezium: %v\n%s", err, out)
	}
	return libs
}

// debezium is what its embedded engine spends on a read: in all with its start, and in its second half when it is warm.
type debezium struct {
	cpu, warmCPU, warmWall time.Duration
	resident               int64 // bytes, at most
}

func drainByDebezium(b *testing.B, libs string, db *testenv.PostgresDatabase, rows int64) (d debezium) {
	b.Helper()
	_, port, _ := strings.Cut(db.Server.Addr(), ":")
	c := exec.CommandContext(b.Context(), "java", "-Xmx512m", "-cp", libs+"/*", "debezium/Drain.java", port, db.Name, "copy", fmt.Sprint(rows))
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		b.Fatalf("run Debezium: %v\n%s", err, said.String())
	}
	var cpu, warm, wall, kib int64
	if _, err := fmt.Sscan(string(out), &cpu, &warm, &wall, &kib); err != nil {
		b.Fatalf("read what Debezium says, %q: %v", out, err)
	}
	return debezium{time.Duration(cpu), time.Duration(warm), time.Duration(wall), kib << 10}
}

// BenchmarkDebezium reads the same log by this source and by Debezium's embedded engine. The claim is CPU a row against
// its warm second half, and memory: its wall time is for those who run it for long.
func BenchmarkDebezium(b *testing.B) {
	libs := jars(b)
	for _, load := range loads(5) { // large enough that it is warm in the second half
		if load.name == "wide rows" || load.name == "deletes" {
			continue
		}
		b.Run(load.name, func(b *testing.B) {
			db := testenv.Postgres(b, testenv.PostgresOptions{Own: true, Settings: map[string]string{"max_wal_size": "'4GB'", "shared_buffers": "'256MB'"}}).Database(b)
			db.Exec(b, mixed+";"+load.setup)
			db.Exec(b, "CREATE PUBLICATION p FOR TABLE rows")
			db.Exec(b, "SELECT pg_create_logical_replication_slot('base', 'pgoutput')")
			db.Exec(b, load.sql)
			var ours, theirs spent
			var most, own int64
			for b.Loop() {
				ours.best(round(b, db, load.rows, func() { read(b, db, load.rows) }))
				own = max(own, peak(b, os.Getpid()))
				round(b, db, load.rows, func() {
					d := drainByDebezium(b, libs, db, load.rows)
					theirs.best(spent{rows: load.rows / 2, wall: d.warmWall, cpu: d.warmCPU})
					most = max(most, d.resident)
				})
			}
			b.ReportMetric(ours.perRow(), "µsCPU/row")
			b.ReportMetric(theirs.perRow(), "debezium-µsCPU/row")
			b.ReportMetric(theirs.perRow()/ours.perRow(), "times-less-CPU")
			b.ReportMetric(float64(own>>20), "MiB")
			b.ReportMetric(float64(most>>20), "debezium-MiB")
		})
	}
}
