package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// KafkaServer is one real broker of Apache Kafka, its own controller (KRaft).
type KafkaServer struct {
	libs       string
	dir        string
	port       int
	controller int
	account    account
	watchdog   *watchdog
	process    *exec.Cmd
}

// kafkaMain and kafkaFormat are the programs of Kafka that are run.
const (
	kafkaMain   = "kafka.Kafka"
	kafkaFormat = "kafka.tools.StorageTool"
	kafkaID     = "ZnJlc2hldC10ZXN0ZW52LTE" // of the cluster
)

// Kafka gives the broker that the tests of this process share. It skips the test when Kafka or Java is not
// installed, and fails it where servers are required.
func Kafka(t testing.TB) *KafkaServer {
	t.Helper()
	requireKafka(t)
	s, err := sharedKafka()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// OwnKafka gives a broker that ends with the test, to be killed and started again.
func OwnKafka(t testing.TB) *KafkaServer {
	t.Helper()
	requireKafka(t)
	s, err := startKafka()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the broker's log:\n%s", tail(s.Log(), 4000))
		}
		if err := s.watchdog.release(); err != nil {
			t.Error(err)
		}
		_, _ = s.process.Process.Wait() // the watchdog ends it
	})
	return s
}

func requireKafka(t testing.TB) {
	t.Helper()
	if what := kafkaLacks(); what != "" {
		missing(t, what)
	}
}

// kafkaLacks names what is not installed of what a broker needs; it is empty where all is there.
func kafkaLacks() string {
	if _, err := exec.LookPath("java"); err != nil {
		return "Java"
	}
	if _, ok := kafkaLibs(); !ok {
		return "Apache Kafka"
	}
	return ""
}

var sharedKafka = sync.OnceValues(startKafka)

// kafkaLibs finds the archives of Kafka.
func kafkaLibs() (string, bool) {
	dir := filepath.Join(folder(), "kafka-4.3.1", "libs")
	_, err := os.Stat(dir)
	return dir, err == nil
}

func startKafka() (*KafkaServer, error) {
	libs, _ := kafkaLibs()
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := account.folder("freshet-kafka-")
	if err != nil {
		return nil, err
	}
	s := &KafkaServer{libs: libs, dir: dir, account: account}
	if s.watchdog, err = watch(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err = s.initialise(); err == nil {
		err = s.launch()
	}
	if err != nil {
		return nil, errors.Join(err, s.watchdog.release())
	}
	return s, nil
}

// settings are those of one node that is quick to start, and to come back after a kill.
func (s *KafkaServer) settings() string {
	lines := []string{
		"process.roles=broker,controller", "node.id=1", fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", s.controller),
		"controller.listener.names=CONTROLLER",
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", s.port, s.controller),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "inter.broker.listener.name=PLAINTEXT",
		"auto.create.topics.enable=false", "offsets.topic.num.partitions=4", "transaction.state.log.num.partitions=4",
		"offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
		"group.initial.rebalance.delay.ms=0", "log.cleaner.dedupe.buffer.size=33554432",
		"broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=400", "log.dirs=" + filepath.Join(s.dir, "data"),
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *KafkaServer) java(arguments ...string) *exec.Cmd {
	command := exec.Command("java", append([]string{"-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(s.libs, "*")}, arguments...)...)
	command.Dir, command.SysProcAttr = s.dir, s.account.attributes()
	command.Env = append(os.Environ(), "HOME="+s.dir)
	return command
}

func (s *KafkaServer) initialise() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	if s.controller, err = freePort(); err != nil {
		return err
	}
	if err := os.WriteFile(s.conf(), []byte(s.settings()), 0o644); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	if out, err := s.java(kafkaFormat, "format", "-t", kafkaID, "-c", s.conf()).CombinedOutput(); err != nil {
		return fmt.Errorf("format storage: %w: %s", err, tail(string(out), 1000))
	}
	return nil
}

// launch starts the broker and waits until it can be reached.
func (s *KafkaServer) launch() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	s.process = s.java(kafkaMain, s.conf())
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	if err := s.watchdog.started(s.process.Process.Pid); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the broker: %w: %s", err, tail(s.Log(), 1000))
		case <-again.C:
		}
	}
}

// Addr is where the broker answers.
func (s *KafkaServer) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Kill ends the broker as a crash does, and returns when it is gone.
func (s *KafkaServer) Kill(t testing.TB) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("kill broker: %v", err)
	}
	_ = s.process.Wait() // it says that it was killed
	if err := s.watchdog.ended(); err != nil {
		t.Fatal(err)
	}
}

// Start starts a broker that was killed, at its old address.
func (s *KafkaServer) Start(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// Log is what the broker has said.
func (s *KafkaServer) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *KafkaServer) conf() string    { return filepath.Join(s.dir, "server.properties") }
func (s *KafkaServer) logFile() string { return filepath.Join(s.dir, "log") }
