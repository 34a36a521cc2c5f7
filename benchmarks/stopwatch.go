package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"
)

// lap is what a stretch of work took.
type lap struct {
	wall float64 // seconds
	cpu  float64 // seconds on all cores together: the kernel's work, compactions and garbage included
}

// stopwatch measures laps of this process.
type stopwatch struct {
	began   time.Time
	cpu     time.Duration
	profile *os.File // ends with the lap
}

// watch starts a stopwatch for a stretch of a workload, and its profile where profiles are asked for. One
// such stretch is measured at a time.
func (s scale) watch(stretch string) stopwatch {
	w := startWatch()
	if s.profiles == "" {
		return w
	}
	file, err := os.Create(filepath.Join(s.profiles, s.workload+"-"+stretch+".cpu.pprof"))
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: no profile:", err)
		return w
	}
	w.profile = file
	return w
}

func startWatch() stopwatch { return stopwatch{began: time.Now(), cpu: cpuTime()} }

// lap ends a stretch.
func (s stopwatch) lap() lap {
	l := lap{wall: time.Since(s.began).Seconds(), cpu: (cpuTime() - s.cpu).Seconds()}
	if s.profile != nil {
		pprof.StopCPUProfile()
		if err := s.profile.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks: no profile:", err)
		}
	}
	return l
}

// cpuTime is the processor time that this process has used. The call has no way to fail for the process
// itself.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory is the most memory that this process has had resident, in bytes.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read memory of the process: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		rest, ok := bytes.CutPrefix(lines.Bytes(), []byte("VmHWM:"))
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory of the process: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read memory of the process: the system does not tell it")
}

// perCore is a rate for one second of processor time.
func (l lap) perCore(n int) float64 { return float64(n) / l.cpu }

func (l *lap) add(more lap) { l.wall, l.cpu = l.wall+more.wall, l.cpu+more.cpu }
