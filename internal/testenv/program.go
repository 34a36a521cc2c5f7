package testenv

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// RunPostgres starts a server of a major version for a program, which ends it with Close. It ends with the program in
// any case.
func RunPostgres(major int) (*PostgresServer, error) {
	if _, ok := postgresBin(major); !ok {
		return nil, absent(fmt.Sprintf("PostgreSQL %d", major))
	}
	return startPostgres(PostgresOptions{Major: major})
}

// Close ends the server of a program, and removes what it has stored.
func (s *PostgresServer) Close() error { return s.discard() }

// RunKafka starts a broker for a program, which ends it with Close. It ends with the program in any case.
func RunKafka() (*KafkaServer, error) {
	if what := kafkaLacks(); what != "" {
		return nil, absent(what)
	}
	return startKafka()
}

// Close ends the broker of a program, and removes what it has stored.
func (s *KafkaServer) Close() error {
	if err := s.process.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the broker: %w", err)
	}
	_ = s.process.Wait() // it says that it was killed
	return errors.Join(s.watchdog.ended(), os.RemoveAll(s.dir), s.watchdog.release())
}
