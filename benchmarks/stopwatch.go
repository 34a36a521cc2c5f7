package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/freshet/freshet/internal/machine"
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

func startWatch() stopwatch { return stopwatch{began: time.Now(), cpu: machine.CPUTime()} }

// lap ends a stretch.
func (s stopwatch) lap() lap {
	l := lap{wall: time.Since(s.began).Seconds(), cpu: (machine.CPUTime() - s.cpu).Seconds()}
	if s.profile != nil {
		pprof.StopCPUProfile()
		if err := s.profile.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks: no profile:", err)
		}
	}
	return l
}

// perCore is a rate for one second of processor time.
func (l lap) perCore(n int) float64 { return float64(n) / l.cpu }

func (l *lap) add(more lap) { l.wall, l.cpu = l.wall+more.wall, l.cpu+more.cpu }
